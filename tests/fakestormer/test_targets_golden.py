"""targets.npz: the released targets, masks and warps, computed again."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dfbench_fakestormer.targets import mask_out, temporal_heatmaps, vulnerability
from dfbench_synthesis.blending import Softening, blend, soften
from dfbench_synthesis.geometric import corner_aligned, warp_to
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.landmarks import mirror_landmarks, reorder_forehead

GOLDEN = Path(__file__).parents[1] / "golden" / "targets.npz"


Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(GOLDEN) as stored:
        return dict(stored)


def test_forehead_is_reordered(golden: Arrays) -> None:
    np.testing.assert_array_equal(reorder_forehead(golden["lms/raw81_dlib_order"]), golden["lms/reordered"])


@pytest.mark.parametrize("count", [68, 81])
def test_released_mirror(golden: Arrays, count: int) -> None:
    landmarks = golden["lms/reordered"][0].astype(np.float64)
    mirrored = mirror_landmarks(landmarks[:count], 317, exact=False)
    np.testing.assert_array_equal(mirrored, golden[f"lms/hflip{count}"])


def test_released_mirror_of_fractions(golden: Arrays) -> None:
    landmarks = golden["lms/reordered"][0] + 0.25
    mirrored = mirror_landmarks(landmarks, 317, exact=False)
    np.testing.assert_array_equal(mirrored, golden["lms/hflip81_float_plus_quarter"])


@pytest.mark.parametrize("count", [68, 81])
@pytest.mark.parametrize("kind", list(HullKind))
def test_hulls(golden: Arrays, count: int, kind: HullKind) -> None:
    mask = hull_mask(golden["lms/reordered"][0][:count], kind, (317, 317))
    np.testing.assert_array_equal(mask, golden[f"hull/{count}/type{kind.value}"])


def blending_mask(golden: Arrays, case: int) -> NDArray[np.float32]:
    of = f"blend/{case}/"
    hull = golden[f"hull/{golden[of + 'n']}/type{golden[of + 'hull']}"]
    softening = Softening(
        width=int(golden[of + "size_w"]),
        height=int(golden[of + "size_h"]),
        kernel_1=tuple(golden[of + "kernel_1"].tolist()),
        kernel_2=tuple(golden[of + "kernel_2"].tolist()),
        sigma=float(golden[of + "sigma_rand"]),
    )
    return soften(hull, softening)


@pytest.mark.parametrize("case", range(4))
def test_blending_masks_and_vulnerability(golden: Arrays, case: int) -> None:
    of = f"blend/{case}/"
    mask = blending_mask(golden, case)
    np.testing.assert_allclose(mask[::3, ::3], golden[of + "mask_stride3"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(mask[158], golden[of + "mask_row158"], rtol=0, atol=1e-5)
    assert mask.sum(dtype=np.float64) == pytest.approx(float(golden[of + "mask_sum"]), abs=1e-5 * mask.size)
    assert mask.max() == golden[of + "mask_max"]
    strength = vulnerability(mask)
    assert np.abs(strength[::3, ::3].astype(int) - golden[of + "vul_u8_stride3"]).max() <= 1


def test_whole_masks_and_vulnerability(golden: Arrays) -> None:
    for case in (0, 1):
        strength = vulnerability(blending_mask(golden, case))
        assert np.abs(strength.astype(int) - golden[f"blend/{case}/vul_u8_full"]).max() <= 1
    np.testing.assert_allclose(blending_mask(golden, 0), golden["blend/0/mask_full_f32"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", range(4))
def test_blends_of_two_patterns(golden: Arrays, case: int) -> None:
    of = f"blend/{case}/"
    y, x, channel = np.ogrid[:317, :317, :3]
    source = ((3 * x + 5 * y + 37 * channel) % 256).astype(np.uint8)
    target = ((x * y // 7 + 53 * channel) % 256).astype(np.uint8)
    mask, ratio = blending_mask(golden, case), float(golden[of + "blend_ratio"])
    fake = blend(source[None], target[None], mask[None], ratio)[0]
    np.testing.assert_array_equal(fake[::3, ::3], golden[of + "blended_u8_stride3"])
    assert fake.sum(dtype=np.int64) == golden[of + "blended_u8_sum"]
    # Ours is truncated, theirs not yet: float32 and float64 may stand on two sides of a whole number.
    above = golden[of + "blended_stride9_f64"] - fake[::9, ::9]
    assert above.min() >= -1e-4
    assert above.max() < 1 + 1e-4


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("margin", [5, 15, 24])
def test_grid_samples_of_vulnerability(golden: Arrays, case: int, margin: int) -> None:
    whole = vulnerability(blending_mask(golden, case))
    cells = warp_to(np.ascontiguousarray(whole[None, margin:-margin, margin:-margin]), 14)[0]
    difference = np.abs(cells.astype(int) - golden[f"blend/{case}/vul14_margin{margin}"])
    # OpenCV 4 has 5-bit interpolation weights, OpenCV 5 exact ones.
    assert difference.max() <= 2
    assert difference.mean() < 0.05


def test_corner_aligned_matrices(golden: Arrays) -> None:
    for side, margin, size, *matrix in golden["affine/table"].tolist():
        inner = int(side - 2 * margin)
        np.testing.assert_allclose(
            corner_aligned(inner, inner, int(size)).ravel(),
            matrix,
            rtol=0,
            atol=1e-5,
            err_msg=f"{side} {margin}",
        )


@pytest.mark.parametrize(("height", "width"), [(240, 200), (200, 240)])
def test_released_warp_of_a_crop_that_is_not_square(golden: Arrays, height: int, width: int) -> None:
    # The released code centres it in a square of its longer side. Crops are square here, and `warp_to` would stretch it.
    side = max(height, width)
    matrix = corner_aligned(side, side, 224)
    matrix[:, 2] = matrix[:, :2] @ np.array([side - width, side - height]) / 2
    of = f"affine/nonsquare_{height}h_{width}w_"
    np.testing.assert_allclose(matrix, golden[of + "to224"], rtol=0, atol=1e-5)
    if height > width:  # stored for one of them: the centre, and the side in units of 200 px
        np.testing.assert_allclose(matrix @ [*golden[of + "center"], 1], [111.5, 111.5], rtol=0, atol=1e-5)
        assert side == pytest.approx(200 * golden[of + "scale"])


def test_a_warped_face(golden: Arrays) -> None:
    with np.load(GOLDEN.with_name("clip_pipeline.npz")) as stored:
        face = np.array(Image.open(io.BytesIO(stored["frames/png0"].tobytes())).convert("RGB"))
    warped = warp_to(face[None, 15:-15, 15:-15], 224)[0]
    difference = np.abs(warped[::4, ::4].astype(int) - golden["affine/face0_margin15_224_stride4"])
    assert difference.max() <= 2
    assert difference.mean() < 0.07
    assert warped.mean() == pytest.approx(golden["affine/face0_margin15_224_sum"] / warped.size, abs=0.02)


@pytest.mark.parametrize("case", ["noisy", "rising", "smooth", "static", "zero"])
@pytest.mark.parametrize("kind", ["m_std_normalized", "gaussian"])
def test_released_temporal_targets(golden: Arrays, case: str, kind: str) -> None:
    fake, real = temporal_heatmaps(
        golden[f"encode/{case}/mask"],
        kind="gaussian" if kind == "gaussian" else "m_std_normalized",
        derivative="released",
    )
    np.testing.assert_allclose(fake, golden[f"encode/{case}/{kind}/heatmap"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(real, golden[f"encode/{case}/{kind}/heatmap_real"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", ["noisy", "rising", "smooth", "static", "zero"])
def test_released_derivative_and_its_statistics(golden: Arrays, case: str) -> None:
    of = f"encode/{case}/"
    derivative = golden[of + "derivative_u8"]
    fake, _ = temporal_heatmaps(golden[of + "mask"], derivative="released")
    mean, deviation = (float(golden[of + f"m_std_normalized/d_{name}"]) for name in ("mean", "std"))
    np.testing.assert_allclose(fake[1:] * deviation + mean, derivative, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fake[0] * deviation + mean, 0, rtol=0, atol=1e-10)
    assert fake.any() == (deviation != 0)
    # Stored besides, and of no effect on the loss: the derivative over its largest value.
    rise = fake - fake[0]
    for kind in ("m_std_normalized", "gaussian"):
        np.testing.assert_allclose(
            rise / max(rise.max(), 1e-9), golden[of + f"{kind}/cstency"], rtol=0, atol=1e-12
        )
        assert not golden[of + f"{kind}/cstency_real"].any()


@pytest.mark.parametrize(
    "case", ["a_partial", "b_low_peak", "c_prob30", "d_all_zero", "e_static", "f_prob90"]
)
def test_released_mask_out(golden: Arrays, case: str) -> None:
    of = f"maskout/{case}/"
    maps = golden[of + "mask"]
    intensity, share = float(golden[of + "fi"]), float(golden[of + "mp"])
    rng = np.random.RandomState(int(golden[of + "seed"]))
    hidden = mask_out(maps, intensity=intensity, share=share, rng=rng)
    for t in range(4):
        np.testing.assert_array_equal(hidden.keep, golden[of + "masked_matrix"][t])
        np.testing.assert_array_equal(hidden.keep == 0, golden[of + "zeroed_patches"][t])
    np.testing.assert_allclose(hidden.labels, golden[of + "soft_label"], rtol=0, atol=1e-12)
    # One choice is all that is drawn: the released code then throws a number away a hidden cell in each of 8 calls.
    rng.randint(0, 255, size=8 * int((hidden.keep == 0).sum()))
    assert rng.random_sample() == golden[of + "next_rand_after"]
    # The bounds behind the labels: what of the first frame is less than its label, what is left of the others.
    bounds = golden[of + "upper_bound_value"]
    below = maps[0][maps[0] < 255 * hidden.labels[0]]
    assert bounds[0] == max([1, *below.tolist()])
    np.testing.assert_allclose(255 * hidden.labels[1:], bounds[1:], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(bounds > 1, golden[of + "frame_label"])
    assert (hidden.keep[maps[0] > bounds[0]] == 0).all()
    # A clip in which nothing is vulnerable, as the real one: the least label.
    real = mask_out(np.zeros_like(maps), intensity=intensity, share=share, rng=np.random.default_rng(0))
    np.testing.assert_allclose(real.labels, golden[of + "real_intensity"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(255 * real.labels, golden[of + "real_upper_bound_value"], rtol=0, atol=1e-9)


def test_mask_out_hides_what_is_as_strong_as_its_intensity(golden: Arrays) -> None:
    # An intensity is a strength over 255: where 255 times it came out above the strength, the cell would stay.
    left = []
    for strength in range(2, 256):
        maps = np.ones((1, 14, 14), np.uint8)
        maps[0, 3, 5] = strength
        hidden = mask_out(maps, intensity=strength / 255, rng=np.random.default_rng(0), share=0)
        if hidden.keep[3, 5]:
            left.append(strength)
    np.testing.assert_array_equal(left, golden["maskout/float_edge_255_times_v_over_255_above"])


def test_released_mask_out_refuses_where_no_cell_is_left(golden: Arrays) -> None:
    assert re.search("no_candidates.*greater than 0", str(golden["notes_json"]))
    full = np.full((4, 14, 14), 255, np.uint8)
    full[0, 0] = 100
    with pytest.raises(ValueError, match="no cell"):
        mask_out(full, intensity=0.7, rng=np.random.default_rng(0), strict=True)
    assert mask_out(full, intensity=0.7, rng=np.random.default_rng(0)).keep[0].all()
