"""clip_pipeline.npz: five released training samples, stage by stage, each fed the stored stage before it.

Tolerances are those of the golden README: exact, but for bilinear warps, which OpenCV 5 weighs more finely.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from dfbench.training.scorer import normalise
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.sample import SampleSettings, make_sample
from dfbench_fakestormer.targets import hide_patches, mask_out, temporal_heatmaps, vulnerability
from dfbench_synthesis.blending import Softening, blend, soften
from dfbench_synthesis.geometric import Affine, Elastic, warp_to
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.landmarks import mirror_landmarks, reorder_forehead, smooth_landmarks
from dfbench_synthesis.photometric import (
    BrightnessContrast,
    DownScale,
    HueSaturationValue,
    Jpeg,
    RGBShift,
    Sharpen,
    Step,
    apply_steps,
)
from dfbench_synthesis.self_blend import BlendParameters, apply

GOLDEN = Path(__file__).parents[1] / "golden"
TAGS = ["s12", "s29", "s30", "s00", "s35"]
MASKED_OUT = ["s12", "s29", "s30", "s35"]
Pixels = NDArray[np.uint8]


@cache
def arrays() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / "clip_pipeline.npz") as stored:
        return dict(stored)


@cache
def scenarios() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "clip_pipeline.json").read_text())["scenarios"]
    return found


def picture(name: str) -> Pixels:
    return np.array(Image.open(io.BytesIO(arrays()[name].tobytes())).convert("RGB"))


@cache
def clip(mirrored: bool) -> Pixels:
    frames = np.stack([picture(f"frames/png{t}") for t in range(4)])
    return np.ascontiguousarray(frames[:, :, ::-1]) if mirrored else frames


def steps_of(transforms: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(_step(one["name"], one["params"]) for one in transforms)


def _step(name: str, p: Mapping[str, Any]) -> Step:
    match name:
        case "RGBShift":
            return RGBShift(p["r_shift"], p["g_shift"], p["b_shift"])
        case "HueSaturationValue":
            return HueSaturationValue(p["hue_shift"], p["sat_shift"], p["val_shift"])
        case "RandomBrightnessContrast":
            return BrightnessContrast(p["alpha"], p["beta"])
        case "RandomDownScale":
            return DownScale(p["ratio"])
        case "ImageCompression":
            return Jpeg(p["quality"], swapped=True)
    assert name == "Sharpen"
    strength = -p["sharpening_matrix"][0][0]
    centre = p["sharpening_matrix"][1][1]
    return Sharpen(strength=strength, lightness=(centre - 1 + strength) / strength - 8)


def parameters_of(tag: str) -> BlendParameters:
    s = scenarios()[tag]
    matrix = s["affine"][0]["params"]["matrix"]["matrix3x3"]
    b = s["blending_params"]
    return BlendParameters(
        hull=HullKind(s["hull_type"]),
        points=68 if s["use_lms68"] else 81,
        photometric=steps_of(s["source_transforms"]),
        on_source=s["photometric_applied_to"].startswith("source"),
        affine=Affine(matrix[0][0], matrix[1][1], matrix[0][2], matrix[1][2]),
        elastic=Elastic(seed=s["elastic"][0]["params"]["random_state"], released=True),
        softening=Softening(
            width=b["size_w"],
            height=b["size_h"],
            kernel_1=tuple(b["kernel_1"]),
            kernel_2=tuple(b["kernel_2"]),
            sigma=b["sigma_rand"],
        ),
        ratio=b["blend_ratio"],
    )


def sums(images: NDArray[Any]) -> list[int]:
    return [int(image.sum(dtype=np.int64)) for image in images]


def assert_close(actual: Pixels, expected: Pixels, *, most: int, mean: float) -> None:
    difference = np.abs(actual.astype(int) - expected.astype(int))
    assert difference.max() <= most
    assert difference.mean() <= mean


def assert_means(images: Pixels, expected_sums: NDArray[np.int64]) -> None:
    """Each image's mean is that of the stored sum, to a twentieth of a level."""
    means = images.reshape(len(images), -1).mean(axis=1)
    np.testing.assert_allclose(means, expected_sums / images[0].size, rtol=0, atol=0.05)


def normalised(frames: Pixels) -> NDArray[np.float64]:
    """(T, H, W, 3) to (3, T, H, W) in double precision."""
    return normalise(torch.from_numpy(frames)[None], dtype=torch.float64)[0].numpy()


@pytest.mark.parametrize("tag", TAGS)
def test_landmarks(tag: str) -> None:
    landmarks = smooth_landmarks(
        reorder_forehead(arrays()["frames/landmarks81_dlib_order"]).astype(np.float64)
    )
    if scenarios()[tag]["image_is_flipped"]:
        landmarks = mirror_landmarks(landmarks, 317, exact=False)
    np.testing.assert_allclose(landmarks, arrays()[f"{tag}/landmarks_used"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("tag", TAGS)
def test_mask_from_hull_to_blend(tag: str) -> None:
    p, a = parameters_of(tag), arrays()
    hulls = np.stack(
        [hull_mask(points[: p.points], p.hull, (317, 317)) for points in a[f"{tag}/landmarks_used"]]
    )
    np.testing.assert_array_equal(hulls, a[f"{tag}/hull_mask"])
    moved = p.affine.warp_masks(hulls)
    np.testing.assert_array_equal(moved[0], a[f"{tag}/mask_after_affine_frame0"])
    np.testing.assert_array_equal(p.elastic.warp_masks(moved), a[f"{tag}/mask_after_elastic"])
    dx, dy = p.elastic.field(317, 317)
    np.testing.assert_allclose(dx[::8, ::8], a[f"{tag}/elastic_dx_stride8"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(dy[::8, ::8], a[f"{tag}/elastic_dy_stride8"], rtol=0, atol=1e-6)
    masks = np.stack([soften(mask, p.softening) for mask in a[f"{tag}/mask_after_elastic"]])
    np.testing.assert_allclose(masks[:, ::4, ::4], a[f"{tag}/blend_mask_stride4"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        masks.sum(axis=(1, 2), dtype=np.float64), a[f"{tag}/blend_mask_sum"], rtol=1e-6
    )


@pytest.mark.parametrize("tag", TAGS)
def test_source_and_target(tag: str) -> None:
    p, a = parameters_of(tag), arrays()
    frames = clip(scenarios()[tag]["image_is_flipped"])
    altered = apply_steps(frames, p.photometric)
    source, target = (altered, frames) if p.on_source else (frames, altered)
    assert sums(source) == a[f"{tag}/src_before_affine_sum"].tolist()
    np.testing.assert_array_equal(source[:, ::9, ::9], a[f"{tag}/src_before_affine_stride9"])
    assert sums(target) == a[f"{tag}/blend_target_img_sum"].tolist()
    np.testing.assert_array_equal(target[:, ::9, ::9], a[f"{tag}/blend_target_img_stride9"])
    moved = p.affine.warp_frames(source)
    assert_close(moved[:, ::9, ::9], a[f"{tag}/src_after_affine_stride9"], most=4, mean=0.12)
    assert_means(moved, a[f"{tag}/src_after_affine_sum"])
    for name in (one for one in a if one.startswith(f"{tag}/src_before_affine_png")):
        np.testing.assert_array_equal(source[int(name[-1])], picture(name))


def test_blend_of_the_stored_foreground() -> None:
    tag, t = next(
        (tag, int(name[-1]))
        for tag in TAGS
        for name in arrays()
        if name.startswith(f"{tag}/src_after_affine_png") and f"{tag}/gt_face_png{name[-1]}" in arrays()
    )
    p, a = parameters_of(tag), arrays()
    assert p.on_source
    masks = soften(a[f"{tag}/mask_after_elastic"][t], p.softening)[None]
    fake = blend(
        picture(f"{tag}/src_after_affine_png{t}")[None],
        clip(scenarios()[tag]["image_is_flipped"])[t : t + 1],
        masks,
        p.ratio,
    )
    k = scenarios()[tag]["margin"]
    np.testing.assert_array_equal(fake[0, k:-k, k:-k], picture(f"{tag}/gt_face_png{t}"))


@pytest.mark.parametrize("tag", TAGS)
def test_applying_the_stored_parameters(tag: str) -> None:
    a, k = arrays(), scenarios()[tag]["margin"]
    frames = clip(scenarios()[tag]["image_is_flipped"])
    pair = apply(frames, a[f"{tag}/landmarks_used"], parameters_of(tag))
    inner = np.s_[:, k:-k, k:-k]
    assert sums(pair.real[inner]) == a[f"{tag}/gt_bg_sum"].tolist()
    np.testing.assert_array_equal(pair.real[inner][:, ::9, ::9], a[f"{tag}/gt_bg_stride9"])
    assert_close(pair.fake[inner][:, ::9, ::9], a[f"{tag}/gt_face_stride9"], most=4, mean=0.11)
    assert_means(pair.fake[inner], a[f"{tag}/gt_face_sum"])
    for name in (one for one in a if one.startswith(f"{tag}/gt_face_png")):
        assert_close(pair.fake[inner][int(name[-1])], picture(name), most=4, mean=0.11)
    strength = vulnerability(pair.mask[inner])
    assert_close(strength[:, ::3, ::3], a[f"{tag}/vul_mask_crop_stride3"], most=1, mean=0.001)
    assert_means(strength, a[f"{tag}/vul_mask_crop_sum"])
    cells = warp_to(strength, 14)
    assert_close(cells, a[f"{tag}/target_fake"], most=2, mean=0.05)
    for name, images in (("in224", pair.real), ("in224_f", pair.fake)):
        warped = warp_to(images[inner], 224)
        assert_close(warped[:, ::9, ::9], a[f"{tag}/{name}_stride9"], most=4, mean=0.11)
        assert_means(warped, a[f"{tag}/{name}_sum"])


@pytest.mark.parametrize("tag", TAGS)
def test_final_photometric_steps(tag: str) -> None:
    a = arrays()
    steps = steps_of(scenarios()[tag]["final_transforms"])
    for before in [name for name in a if name.startswith(f"{tag}/in224") and "_png" in name]:
        after = before.replace("in224", "col224")
        if after in a:
            np.testing.assert_array_equal(apply_steps(picture(before)[None], steps)[0], picture(after))
    if all(isinstance(step, RGBShift | BrightnessContrast) for step in steps):  # these need no neighbours
        for kind in ("", "_f"):
            coloured = apply_steps(a[f"{tag}/in224{kind}_stride9"], steps)
            np.testing.assert_array_equal(coloured, a[f"{tag}/col224{kind}_stride9"])


def test_some_final_pictures_are_stored() -> None:
    assert any(name.split("/")[1].startswith("col224") and "_png" in name for name in arrays())


@pytest.mark.parametrize("tag", MASKED_OUT)
def test_mask_out(tag: str) -> None:
    a, s = arrays(), scenarios()[tag]
    maps, keep = a[f"{tag}/target_fake"], a[f"{tag}/masked_matrix_fake"][0]

    class Recorded:
        """Chooses the cells that the released code chose."""

        def choice(self, count: int, size: int, replace: bool) -> NDArray[np.int64]:
            flat = maps[0].reshape(-1)
            bound = s["mask_out_calls_upper_bound"][0]
            candidates = np.flatnonzero(flat < bound) if (flat > bound).any() else np.arange(flat.size)
            chosen = np.flatnonzero(keep.reshape(-1)[candidates] == 0)
            assert (len(candidates), len(chosen), replace) == (count, size, False)
            return chosen

    hidden = mask_out(maps, intensity=s["fake_intensity_drawn_per_frame"][0], rng=Recorded())
    np.testing.assert_array_equal(hidden.keep, keep)
    np.testing.assert_allclose(hidden.labels, a[f"{tag}/temp_loc_fake"], rtol=0, atol=1e-12)
    for kind in ("fake", "real"):
        np.testing.assert_array_equal(np.stack([hidden.keep] * 4), a[f"{tag}/masked_matrix_{kind}"])


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag not in MASKED_OUT])
def test_without_mask_out_all_is_seen_and_wholly_fake(tag: str) -> None:
    a = arrays()
    sample = make_sample(
        clip(scenarios()[tag]["image_is_flipped"]),
        a[f"{tag}/landmarks_used"].astype(np.float32),
        synthesizer=build({}),
        rng=np.random.default_rng(0),
        settings=SampleSettings(size=224, grid=14, mask_out=0),
    )
    np.testing.assert_array_equal(sample.keep, a[f"{tag}/masked_matrix_fake"])
    np.testing.assert_array_equal(sample.keep, a[f"{tag}/masked_matrix_real"])
    np.testing.assert_array_equal(sample.temporal_fake, a[f"{tag}/temp_loc_fake"])
    np.testing.assert_array_equal(sample.temporal_real, a[f"{tag}/temp_loc_real"])


@pytest.mark.parametrize(("before", "after"), [("col224", "final_real"), ("col224_f", "final_fake")])
@pytest.mark.parametrize("tag", TAGS)
def test_hidden_patches(tag: str, before: str, after: str) -> None:
    a = arrays()
    keep = a[f"{tag}/masked_matrix_fake"][0].astype(np.uint8)
    assert (not keep.all()) == (tag in MASKED_OUT)
    # Every ninth pixel is stored before and every fourth after: they share every 36th.
    painted = np.full((4, 224, 224, 3), 255, np.uint8)
    painted[:, ::9, ::9] = a[f"{tag}/{before}_stride9"]
    hide_patches(painted, keep)
    np.testing.assert_array_equal(painted[:, ::36, ::36], a[f"{tag}/{after}_stride4"][:, ::9, ::9])
    if tag not in MASKED_OUT:
        np.testing.assert_array_equal(a[f"{tag}/{before}_sum"], a[f"{tag}/{after}_sum"])


@pytest.mark.parametrize(("name", "after"), [("col224", "final_real"), ("col224_f", "final_fake")])
def test_hidden_patches_of_whole_pictures(name: str, after: str) -> None:
    a = arrays()
    stored = [one for one in a if re.fullmatch(rf"s\d\d/{name}_png\d", one)]
    assert stored
    for one in stored:
        tag, t = one[:3], int(one[-1])
        painted = picture(one)[None]
        hide_patches(painted, a[f"{tag}/masked_matrix_fake"][0].astype(np.uint8))
        np.testing.assert_array_equal(painted[0, ::4, ::4], a[f"{tag}/{after}_stride4"][t])
        assert sums(painted) == [a[f"{tag}/{after}_sum"][t]]


@pytest.mark.parametrize("tag", TAGS)
def test_normalised_tensors(tag: str) -> None:
    a = arrays()
    tensor = normalised(a[f"{tag}/final_fake_stride4"][:, ::4, ::4]).swapaxes(0, 1)
    np.testing.assert_allclose(tensor, a[f"{tag}/tensor_fake_stride16_f64"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("tag", TAGS)
def test_from_frames_to_tensors(tag: str) -> None:
    """All stages in a row: what a warp rounds otherwise goes through sharpening and JPEG, so only means are close."""
    a, k = arrays(), scenarios()[tag]["margin"]
    pair = apply(clip(scenarios()[tag]["image_is_flipped"]), a[f"{tag}/landmarks_used"], parameters_of(tag))
    for images, before, after in ((pair.real, "col224", "real"), (pair.fake, "col224_f", "fake")):
        coloured = apply_steps(
            warp_to(images[:, k:-k, k:-k], 224), steps_of(scenarios()[tag]["final_transforms"])
        )
        assert_close(coloured[:, ::9, ::9], a[f"{tag}/{before}_stride9"], most=16, mean=0.8)
        assert_means(coloured, a[f"{tag}/{before}_sum"])
        hide_patches(coloured, a[f"{tag}/masked_matrix_fake"][0].astype(np.uint8))
        assert_close(coloured[:, ::4, ::4], a[f"{tag}/final_{after}_stride4"], most=16, mean=0.8)
        assert_means(coloured, a[f"{tag}/final_{after}_sum"])
        tensor = normalised(coloured)
        assert tensor.mean() == pytest.approx(a[f"{tag}/tensor_{after}_sum"] / tensor.size, abs=5e-4)


def test_a_test_clip() -> None:
    a = arrays()
    k = json.loads((GOLDEN / "clip_pipeline.json").read_text())["eval"]["margin"]
    tensor = normalised(warp_to(clip(mirrored=False)[:, k:-k, k:-k], 224))
    difference = np.abs(tensor[..., ::8, ::8] - a["eval/tensor_stride8_f64"])
    assert difference.max() <= 0.018  # one level
    assert difference.mean() <= 0.002
    assert tensor.mean() == pytest.approx(a["eval/tensor_sum"] / tensor.size, abs=5e-4)
    assert np.abs(tensor).mean() == pytest.approx(a["eval/tensor_abs_sum"] / tensor.size, abs=5e-4)


def test_a_single_video_is_normalised_the_same() -> None:
    # The released script for single videos resizes by PIL, which dfbench does nowhere; its normalisation is ours.
    a = arrays()
    small = [Image.fromarray(frame[15:-15, 15:-15]).resize((224, 224)) for frame in clip(mirrored=False)]
    tensor = normalised(np.stack([np.asarray(one) for one in small]))
    np.testing.assert_allclose(tensor[None, ..., ::8, ::8], a["test_vid/tensor_stride8"], rtol=0, atol=1e-6)
    assert tensor.mean() == pytest.approx(a["test_vid/tensor_sum"] / tensor.size, abs=1e-7)


@pytest.mark.parametrize("tag", TAGS)
def test_heatmaps(tag: str) -> None:
    a = arrays()
    fake, real = temporal_heatmaps(a[f"{tag}/target_fake"], derivative="released")
    np.testing.assert_allclose(fake, a[f"{tag}/heatmap_fake"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(real, a[f"{tag}/heatmap_real"], rtol=0, atol=1e-12)
    # Stored besides, and of no effect on the loss: the derivative over its largest value.
    rise = fake - fake[0]
    np.testing.assert_allclose(rise / rise.max(), a[f"{tag}/cstency_fake"], rtol=0, atol=1e-12)
    assert not a[f"{tag}/cstency_real"].any()
    assert not a[f"{tag}/target_real"].any()
    assert not a[f"{tag}/temp_loc_real"].any()
