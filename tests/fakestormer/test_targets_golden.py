"""targets.npz: the released targets, masks and warps, computed again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfbench_fakestormer.synthesis.blending import Softening, soften
from dfbench_fakestormer.synthesis.geometric import corner_aligned, warp_to
from dfbench_fakestormer.synthesis.hulls import HullKind, hull_mask
from dfbench_fakestormer.synthesis.landmarks import mirror_landmarks, reorder_forehead
from dfbench_fakestormer.targets import mask_out, temporal_heatmaps, vulnerability

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


@pytest.mark.parametrize("case", range(4))
def test_blending_masks_and_vulnerability(golden: Arrays, case: int) -> None:
    of = f"blend/{case}/"
    hull = golden[f"hull/{golden[of + 'n']}/type{golden[of + 'hull']}"]
    softening = Softening(
        width=int(golden[of + "size_w"]),
        height=int(golden[of + "size_h"]),
        kernel_1=tuple(golden[of + "kernel_1"].tolist()),
        kernel_2=tuple(golden[of + "kernel_2"].tolist()),
        sigma=float(golden[of + "sigma_rand"]),
    )
    mask = soften(hull, softening)
    np.testing.assert_allclose(mask[::3, ::3], golden[of + "mask_stride3"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(mask[158], golden[of + "mask_row158"], rtol=0, atol=1e-5)
    assert mask.sum(dtype=np.float64) == pytest.approx(float(golden[of + "mask_sum"]), abs=1e-5 * mask.size)
    strength = vulnerability(mask)
    assert np.abs(strength[::3, ::3].astype(int) - golden[of + "vul_u8_stride3"]).max() <= 1


@pytest.mark.parametrize("case", [0, 3])
@pytest.mark.parametrize("margin", [5, 15, 24])
def test_grid_samples_of_vulnerability(golden: Arrays, case: int, margin: int) -> None:
    if f"blend/{case}/vul_u8_full" not in golden:
        case = next(i for i in (1, 2) if f"blend/{i}/vul_u8_full" in golden)
    whole = golden[f"blend/{case}/vul_u8_full"]
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


@pytest.mark.parametrize(
    "case", ["a_partial", "b_low_peak", "c_prob30", "d_all_zero", "e_static", "f_prob90"]
)
def test_released_mask_out(golden: Arrays, case: str) -> None:
    of = f"maskout/{case}/"
    maps = golden[of + "mask"]
    hidden = mask_out(
        maps,
        intensity=float(golden[of + "fi"]),
        share=float(golden[of + "mp"]),
        rng=np.random.RandomState(int(golden[of + "seed"])),
    )
    for t in range(4):
        np.testing.assert_array_equal(hidden.keep, golden[of + "masked_matrix"][t])
        np.testing.assert_array_equal(hidden.keep == 0, golden[of + "zeroed_patches"][t])
    np.testing.assert_allclose(hidden.labels, golden[of + "soft_label"], rtol=0, atol=1e-12)


def test_released_mask_out_refuses_where_no_cell_is_left(golden: Arrays) -> None:
    assert re.search("no_candidates.*greater than 0", str(golden["notes_json"]))
    full = np.full((4, 14, 14), 255, np.uint8)
    full[0, 0] = 100
    with pytest.raises(ValueError, match="no cell"):
        mask_out(full, intensity=0.7, rng=np.random.default_rng(0), strict=True)
    assert mask_out(full, intensity=0.7, rng=np.random.default_rng(0)).keep[0].all()
