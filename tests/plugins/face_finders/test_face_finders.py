"""Bundled face finders, held to what the hook promises, on a photograph of a face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests import photographs

from dfbench import FaceFinder, PluginError
from dfbench.data.faces.tracking import overlap
from dfbench_plugins.face_finders import dlib_hog
from dfbench_plugins.face_finders.cascade import Cascade
from dfbench_plugins.face_finders.dlib_hog import DlibHog
from dfbench_plugins.face_finders.equal_frames import size_below
from dfbench_plugins.face_finders.mtcnn import Mtcnn
from dfbench_plugins.face_finders.shrinking import summed

FINDERS = pytest.mark.parametrize("build", [Mtcnn, DlibHog], ids=["mtcnn", "dlib"])
Build = Callable[[str], FaceFinder]


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    """(240, 240, 3) uint8 RGB."""
    return np.asarray(photographs.photograph().resize((240, 240)), dtype=np.uint8)


def beside(photograph: NDArray[np.uint8], *, grow: int = 1) -> NDArray[np.uint8]:
    """The photograph at the right of a grey wall, (300, 600, 3), or `grow` times as large."""
    wall = np.full((300, 600, 3), 120, dtype=np.uint8)
    wall[30:270, 340:580] = photograph
    return np.asarray(Image.fromarray(wall).resize((600 * grow, 300 * grow)), dtype=np.uint8)


@pytest.mark.slow
@FINDERS
def test_a_face_is_found_where_it_is(build: Build, photograph: NDArray[np.uint8]) -> None:
    (faces,) = build("cpu").find([beside(photograph)])
    assert len(faces.boxes) == 1
    x0, y0, x1, y1 = faces.boxes[0]
    assert 340 < x0 < x1 < 580
    assert 30 < y0 < y1 < 270
    assert 0.5 < faces.scores[0] <= 1
    left, right, nose, mouth_left, mouth_right = faces.points[0]
    assert x0 < left[0] < nose[0] < right[0] < x1
    assert y0 < left[1] < nose[1] < mouth_left[1] < y1
    assert mouth_left[0] < mouth_right[0]


@pytest.mark.slow
@FINDERS
def test_boxes_are_in_pixels_of_the_frame_however_large(build: Build, photograph: NDArray[np.uint8]) -> None:
    finder = build("cpu")
    (small,), (large,) = finder.find([beside(photograph)]), finder.find([beside(photograph, grow=3)])
    assert overlap(large.boxes[0] / 3, small.boxes[0]) > 0.8
    assert np.abs(large.points[0] / 3 - small.points[0]).max() < 8


@FINDERS
def test_no_face_is_no_face(build: Build) -> None:
    (faces,) = build("cpu").find([np.full((90, 160, 3), 127, np.uint8)])
    assert faces.boxes.shape == (0, 4)
    assert faces.scores.shape == (0,)
    assert faces.points.shape == (0, 5, 2)


@pytest.mark.slow
@FINDERS
def test_a_frame_is_searched_the_same_alone_and_among_others(
    build: Build, photograph: NDArray[np.uint8]
) -> None:
    finder, frame = build("cpu"), beside(photograph)
    (alone,) = finder.find([frame])
    among = finder.find([np.full((90, 160, 3), 127, np.uint8), frame, frame[:, ::-1].copy()])
    np.testing.assert_allclose(among[1].boxes, alone.boxes, atol=0.01)
    assert among[2].boxes[0, 2] < 300


@settings(deadline=None)
@given(pixels=st.floats(0.1, 5000))
def test_sizes_are_those_of_a_full_search(pixels: float) -> None:
    size = size_below(pixels)
    assert size == 20 or size <= pixels
    assert size / 0.709 > pixels or np.isclose(size / 0.709, pixels)
    assert size in [20 / 0.709**steps for steps in range(40)]


def test_mtcnn_finds_the_boxes_of_a_full_search(photograph: NDArray[np.uint8]) -> None:
    frame = beside(photograph)
    (found,) = Mtcnn("cpu").find([frame])
    (boxes,), _ = MTCNN(keep_all=True, device="cpu").detect([Image.fromarray(frame)])
    assert overlap(found.boxes[0], np.asarray(boxes[0], np.float32)) > 0.95


def test_dlib_needs_its_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_hog, "landmark_file", lambda: None)
    with pytest.raises(PluginError, match="landmarks"):
        DlibHog("cpu")


@pytest.mark.parametrize("smallest", [20, 28.3, 80])
def test_the_cascade_has_the_boxes_of_facenet_pytorch(photograph: NDArray[np.uint8], smallest: float) -> None:
    frames = [beside(photograph), beside(photograph)[:, ::-1].copy(), np.full((300, 600, 3), 9, np.uint8)]
    network = MTCNN(keep_all=True, min_face_size=smallest, device="cpu").eval()
    network.to(memory_format=torch.channels_last)
    wanted = network.detect(torch.from_numpy(np.stack(frames)), landmarks=True)
    found = Cascade("cpu").find([summed(frame) for frame in frames], smallest)
    assert len(found[0][0])
    for one, (boxes, scores, points) in zip(found, zip(*wanted, strict=True), strict=True):
        assert (boxes is None) == (not len(one[0]))
        if boxes is not None:
            for ours, theirs in zip(one, (boxes, scores, points), strict=True):
                np.testing.assert_allclose(ours, np.asarray(theirs, np.float32), rtol=0, atol=1e-3)
