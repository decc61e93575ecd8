"""sbi.npz: six samples of the public code of self-blended images, stage by stage, each fed the stored stage before it.

Tolerances are those of the golden README: exact, but for bilinear warps, which OpenCV 5 weighs more finely.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.baselines.golden import GOLDEN, stored

from dfbench_synthesis.blending import Softening, blend, soften
from dfbench_synthesis.geometric import Affine, Elastic, Window
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.landmarks import mirror_landmarks, reorder_forehead
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
from dfbench_synthesis.self_blend import BlendParameters, apply, blending_masks
from dfbench_synthesis.self_blended_image import face_window

Pixels = NDArray[np.uint8]
SIDE = 317
SAMPLES = ("train2", "train25", "train16", "train13", "train1", "val2")
WITH_PICTURES = ("train2", "train25")  # whose warped foreground is stored whole


@cache
def arrays() -> Mapping[str, NDArray[Any]]:
    return stored("sbi.npz")


@cache
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "sbi.json").read_text())
    return found


def picture(name: str) -> Pixels:
    return np.array(Image.open(io.BytesIO(arrays()[name].tobytes())).convert("RGB"))


def unpacked(name: str) -> Pixels:
    return np.unpackbits(arrays()[name], count=SIDE * SIDE).reshape(SIDE, SIDE)


def crc(image: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(image).tobytes())


def step_of(name: str, p: Mapping[str, Any]) -> Step:
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
    return Sharpen(strength=strength, lightness=(p["sharpening_matrix"][1][1] - 1 + strength) / strength - 8)


def softening_of(facts: Mapping[str, Any]) -> Softening:
    kernels = [(facts[name], facts[name]) for name in ("kernel_1", "kernel_2")]
    return Softening(facts["size_w"], facts["size_h"], kernels[0], kernels[1], sigma=facts["sigma"])


def steps_of(sample: str) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps of the foreground or background, and those of the finished pair."""
    transforms: Sequence[tuple[str, Mapping[str, Any]]] = facts()["scenarios"][sample]["transforms"]
    first = [name for name, _ in transforms].index("Affine")
    after = first + 2  # behind the elastic deformation
    return (
        tuple(step_of(name, p) for name, p in transforms[:first]),
        tuple(step_of(name, p) for name, p in transforms[after:]),
    )


def parameters_of(sample: str) -> BlendParameters:
    told = facts()["scenarios"][sample]
    named = dict(told["transforms"])
    matrix = named["Affine"]["matrix"]
    return BlendParameters(
        hull=HullKind(told["hull_type"]),
        points=told["n_landmarks"],
        photometric=steps_of(sample)[0],
        on_source=told["on_source"],
        affine=Affine(matrix[0][0], matrix[1][1], matrix[0][2], matrix[1][2]),
        elastic=Elastic(seed=named["ElasticTransform"]["random_state"], released=True),
        softening=softening_of(told["blend"]),
        ratio=told["blend"]["ratio_max"],
    )


def frame_of(sample: str) -> Pixels:
    frame = picture("frame_png")
    return np.ascontiguousarray(frame[:, ::-1]) if facts()["scenarios"][sample]["flipped"] else frame


def landmarks_of(sample: str) -> NDArray[np.float64]:
    return arrays()[f"{sample}/landmarks_after_crop0"].astype(np.float64)


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_face_is_cut_out_and_mirrored_as_theirs(sample: str) -> None:
    points = reorder_forehead(arrays()["landmarks81_dlib_order"]).astype(np.float64)
    np.testing.assert_array_equal(points, arrays()["lms/reordered"])
    if facts()["scenarios"][sample]["flipped"]:
        points = mirror_landmarks(points, SIDE, exact=False).astype(np.float64)
        np.testing.assert_array_equal(points, arrays()["lms/hflip81"])
    window = face_window(points[None], (SIDE, SIDE))
    assert (window.left, window.top, window.width, window.height) == (0, 0, SIDE, SIDE)
    np.testing.assert_array_equal(points, landmarks_of(sample))
    assert crc(frame_of(sample)) == arrays()[f"{sample}/crop0_crc32"]


def test_the_face_is_cut_out_where_the_landmarks_are() -> None:
    """Half a width to the left and right, a height up, two fifths down, to whole pixels, inside of the frame."""
    box = np.array([[100.0, 200.0], [180.5, 260.25]])
    points = np.stack([box[0], box[1], *[box.mean(axis=0)] * 66, *[(0.0, 0.0)] * 13])[None]
    window = face_window(points, (500, 600))
    assert (window.left, window.top) == (int(100 - 40.25), int(200 - 60.25))
    assert (window.width, window.height) == (
        int(180.5 + 40.25) + 1 - window.left,
        int(260.25 + 24.1) + 1 - window.top,
    )
    clipped = face_window(points, (210, 150))
    assert (clipped.left + clipped.width, clipped.top + clipped.height) == (150, 210)


@pytest.mark.parametrize("sample", SAMPLES)
def test_hulls(sample: str) -> None:
    parameters = parameters_of(sample)
    mask = hull_mask(landmarks_of(sample)[: parameters.points], parameters.hull, (SIDE, SIDE))
    np.testing.assert_array_equal(mask, unpacked(f"{sample}/hull_mask_packed"))


@pytest.mark.parametrize("kind", HullKind)
def test_each_kind_of_hull(kind: HullKind) -> None:
    mask = hull_mask(arrays()["lms/reordered"], kind, (SIDE, SIDE))
    np.testing.assert_array_equal(mask * 255, arrays()[f"hull/type{kind.value}"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_foreground_and_background_are_altered_to_the_bit(sample: str) -> None:
    frames = frame_of(sample)[None]
    altered = apply_steps(frames, steps_of(sample)[0])
    source, target = (altered, frames) if facts()["scenarios"][sample]["on_source"] else (frames, altered)
    assert crc(source) == arrays()[f"{sample}/src_before_affine_crc32"]
    assert crc(target) == arrays()[f"{sample}/target_crc32"]
    warped = parameters_of(sample).affine.warp_frames(source)
    assert abs(warped.mean() - arrays()[f"{sample}/src_after_affine_sum"] / warped.size) < 0.05
    if sample in WITH_PICTURES:
        difference = np.abs(warped[0].astype(int) - picture(f"{sample}/src_after_affine_png"))
        assert difference.max() <= 4  # of a sharpened face, as in clip_pipeline.npz
        assert difference.mean() <= 0.12


@pytest.mark.parametrize("sample", SAMPLES)
def test_masks(sample: str) -> None:
    parameters = parameters_of(sample)
    hull = unpacked(f"{sample}/hull_mask_packed")[None]
    deformed = parameters.elastic.warp_masks(parameters.affine.warp_masks(hull))[0]
    theirs = unpacked(f"{sample}/mask_after_elastic_packed")
    assert (deformed != theirs).sum() <= 20
    soft = soften(theirs, parameters.softening) * np.float32(parameters.ratio)
    np.testing.assert_allclose(soft[::3, ::3], arrays()[f"{sample}/blend_mask_stride3"], rtol=0, atol=1e-6)
    whole = blending_masks(landmarks_of(sample)[None], parameters, (SIDE, SIDE))
    assert whole.sum() * parameters.ratio == pytest.approx(
        facts()["scenarios"][sample]["blend_mask_sum"], rel=5e-3
    )


@pytest.mark.parametrize("number", range(6))
def test_masks_and_blends_by_given_parameters(number: int) -> None:
    told = facts()["dynamic"][number]
    mask = (arrays()[f"hull/type{told['hull_type']}"] > 0).astype(np.uint8)
    soft = soften(mask, softening_of(told))
    scaled = soft * np.float32(told["ratio_max"])
    np.testing.assert_allclose(
        scaled[::3, ::3], arrays()[f"dynamic/{number}/mask_stride3"], rtol=0, atol=1e-6
    )
    target = picture("frame_png")
    blended = blend(target[None, ::-1, ::-1], target[None], soft[None], told["ratio_max"])
    total = int(blended.sum(dtype=np.int64))
    assert abs(total - int(arrays()[f"dynamic/{number}/blended_u8_sum"])) <= 3  # of 301,467 values


@pytest.mark.parametrize("sample", WITH_PICTURES)
def test_blended_and_finished_to_the_bit(sample: str) -> None:
    parameters = parameters_of(sample)
    frames = frame_of(sample)[None]
    target = frames if parameters.on_source else apply_steps(frames, parameters.photometric)
    soft = soften(unpacked(f"{sample}/mask_after_elastic_packed"), parameters.softening)
    fake = blend(picture(f"{sample}/src_after_affine_png")[None], target, soft[None], parameters.ratio)
    assert crc(fake) == arrays()[f"{sample}/blended_crc32"]
    finished = apply_steps(np.concatenate([fake, target]), steps_of(sample)[1])
    assert crc(finished[0]) == arrays()[f"{sample}/photometric_fake_crc32"]
    assert crc(finished[1]) == arrays()[f"{sample}/photometric_real_crc32"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_whole_pair(sample: str) -> None:
    parameters = parameters_of(sample)
    pair = apply(
        frame_of(sample)[None],
        landmarks_of(sample)[None],
        parameters,
        face=Window(0, 0, SIDE, SIDE),
    )
    assert crc(pair.real) == arrays()[f"{sample}/target_crc32"]
    expected = arrays()[f"{sample}/blended_sum"] / pair.fake.size
    assert abs(pair.fake.mean() - expected) < 0.02
