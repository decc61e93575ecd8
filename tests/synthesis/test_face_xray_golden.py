"""facexray.npz: blended images of an author's public code, from hull to blend, and the search for the nearest face."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.baselines.golden import GOLDEN, generator, stored
from tests.synthesis.test_self_blended_golden import SIDE, picture

from dfbench_synthesis.blended_image import eroded_or_dilated, exchange, matched, nearest_face
from dfbench_synthesis.feathering import feathered
from dfbench_synthesis.geometric import similarity
from dfbench_synthesis.hulls import HullKind, hull_mask

Pixels = NDArray[np.uint8]
KINDS = {kind.name.lower(): kind for kind in HullKind}
CASES = range(5)


@cache
def arrays() -> Mapping[str, NDArray[Any]]:
    return stored("facexray.npz")


@cache
def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((GOLDEN / "facexray.json").read_text())["cases"]
    return found


def pair() -> tuple[Pixels, Pixels]:
    """The background, and a foreground that is drawn from it by a rule."""
    background = picture("frame_png")
    noise = generator("xray/fg").integers(-8, 9, background.shape)
    foreground = np.clip(0.8 * background[:, ::-1] + 30 + noise, 0, 255).astype(np.uint8)
    for image, name in ((background, "bg"), (foreground, "fg")):
        assert zlib.crc32(image.tobytes()) == arrays()[f"{name}_crc32"]
    return background, foreground


def mask(case: int) -> Pixels:
    return np.unpackbits(arrays()[f"bi/{case}/mask_packed"], count=SIDE * SIDE).reshape(SIDE, SIDE)


@pytest.mark.parametrize("case", CASES)
def test_masks(case: int) -> None:
    told = cases()[case]
    hull = hull_mask(arrays()["landmarks68"].astype(np.float64), KINDS[told["hull"]], (SIDE, SIDE))
    ours = eroded_or_dilated(hull, "erode" if told["op"] == "erode" else "dilate", told["ksize_used"])
    np.testing.assert_array_equal(ours, mask(case))


@pytest.mark.parametrize("case", CASES)
def test_colours(case: int) -> None:
    background, foreground = pair()
    ours = matched(foreground[None], background[None], mask(case)[None])[0]
    assert zlib.crc32(ours.tobytes()) == arrays()[f"bi/{case}/color_crc32"]


@pytest.mark.parametrize("case", CASES)
def test_feathered_edges(case: int) -> None:
    soft = feathered(mask(case))
    np.testing.assert_allclose(
        soft[::3, ::3], arrays()[f"bi/{case}/composed_mask_stride3"], rtol=0, atol=1e-6
    )
    assert soft.sum(dtype=np.float64) == pytest.approx(
        float(arrays()[f"bi/{case}/composed_mask_sum"]), rel=1e-6
    )
    boundary = 4 * soft * (1 - soft)
    np.testing.assert_allclose(boundary[::3, ::3], arrays()[f"bi/{case}/boundary_stride3"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("case", CASES)
def test_blends(case: int) -> None:
    background, foreground = pair()
    made = exchange(foreground[None], background[None], mask(case)[None])
    assert zlib.crc32(made.fake.tobytes()) == arrays()[f"bi/{case}/blended_u8_crc32"]
    np.testing.assert_array_equal(made.real[0], background)
    np.testing.assert_array_equal(made.mask[0], feathered(mask(case)).astype(np.float32))


def test_the_nearest_face_of_another_video() -> None:
    landmarks, videos = arrays()["search/landmarks"], arrays()["search/video"]
    for number, points in enumerate(landmarks):
        others = np.flatnonzero(videos != videos[number])
        found = others[nearest_face(points, landmarks[others])]
        assert found == arrays()["search/nearest_sum_of_distances"][number]
        distance = np.linalg.norm(landmarks[found] - points, axis=1).sum()
        assert distance == pytest.approx(float(arrays()["search/distance"][number]), abs=1e-2)


def test_similarity() -> None:
    matrix = similarity(arrays()["dfb/kp_src"].astype(np.float64), arrays()["dfb/kp_dst"].astype(np.float64))
    np.testing.assert_allclose(matrix, arrays()["dfb/umeyama"], rtol=0, atol=1e-5)
