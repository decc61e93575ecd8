"""A place in a crop is a place in the frame: exactly, and for the pixels that a detector sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench.data.clips import cut_crops
from dfbench.data.coordinates import crop_boxes, cut_region, peak, to_frame
from dfbench.data.faces.cutting import crop_track
from dfbench.data.faces.tracking import MainFace
from dfbench.data.geometry import crop_outline
from dfbench.types import FrameChoice, PrepareSpec

places = st.floats(-500, 500, allow_nan=False)
sides = st.floats(1, 900)


@given(places, places, sides, places, places, st.integers(1, 224), st.integers(1, 224))
def test_a_place_on_a_map_is_at_the_same_share_of_the_box(
    x0: float, y0: float, side: float, x: float, y: float, height: int, width: int
) -> None:
    box = np.array([x0, y0, x0 + side, y0 + side])
    point = np.array([x, y])
    there = to_frame(point, box, (height, width))
    np.testing.assert_allclose((there - box[:2]) / side, point / (width, height), atol=1e-9)
    np.testing.assert_allclose(to_frame(np.array([0.0, 0.0]), box, (height, width)), box[:2])
    np.testing.assert_allclose(to_frame(np.array([width, height]), box, (height, width)), box[2:])


@pytest.mark.parametrize("box", [(60.0, 50.0, 140.0, 150.0), (61.3, 47.9, 133.7, 121.2)])
@pytest.mark.parametrize("size", [40, 144])
@pytest.mark.parametrize("square", [True, False])
def test_a_pixel_of_the_crop_shows_the_place_that_it_maps_to(
    box: tuple[float, float, float, float], size: int, square: bool
) -> None:
    # Every pixel says where it is: red its column, green its row.
    rows, columns = np.mgrid[0:240, 0:250]
    frame = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    boxes = np.array([box], dtype=np.float32)
    main = MainFace(np.array([0]), boxes, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))
    stored = crop_track([(0, frame)], main, PrepareSpec(FrameChoice("first", 1)))
    crop = cut_crops(stored, [0], size=size, margin=0.1, square=square)[0]
    (shown,) = crop_boxes(boxes, 0.1, square=square, frame_size=(250, 240))
    assert square == (shown[2] - shown[0] == pytest.approx(shown[3] - shown[1]))
    inside = range(3, size - 3, 7)
    for v in inside:
        for u in inside:
            x, y = to_frame(np.array([u + 0.5, v + 0.5]), shown, (size, size))
            assert crop[v, u, 0] == pytest.approx(x - 0.5, abs=0.75)  # rounded to whole grey levels
            assert crop[v, u, 1] == pytest.approx(y - 0.5, abs=0.75)


def test_a_crop_in_the_shape_of_the_box_ends_at_the_frame() -> None:
    box = np.array([10.0, 40.0, 60.0, 140.0], np.float32)
    for frame_size, expected in (
        ((200, 200), (0.0, 15.0, 72.5, 165.0)),
        ((70, 150), (0.0, 15.0, 70.0, 150.0)),
    ):
        found = crop_outline(box, 0.25, square=False, frame_size=frame_size)
        assert found == pytest.approx(expected)
    assert crop_outline(box, 0.25, square=True, frame_size=(70, 150)) == pytest.approx(
        (-40.0, 15.0, 110.0, 165.0)
    )


def test_the_peak_of_a_map_lies_in_the_middle_of_its_cell() -> None:
    values = np.zeros((4, 8), np.float32)
    values[1, 6] = 1
    assert peak(values, np.array([100.0, 200.0, 180.0, 240.0])) == (165.0, 215.0)


@pytest.mark.parametrize("side", [80.0, 24.0])
def test_a_region_is_cut_where_the_crop_is(side: float) -> None:
    mask = np.zeros((120, 120), np.uint8)
    mask[30:50, 40:60] = 255
    box = np.array([40.0, 30.0, 40.0 + side, 30.0 + side])
    cut = cut_region(mask, box, 8)
    share = 20 / side * 8  # cells of the region along an axis
    assert cut.shape == (8, 8)
    assert cut.sum() / 255 == pytest.approx(share**2, rel=0.03)
    assert cut[0, 0] == pytest.approx(255, abs=40)
    assert cut[7, 7] == 0


def test_outside_of_the_frame_is_nothing() -> None:
    cut = cut_region(np.full((20, 20), 255, np.uint8), np.array([-20.0, 0.0, 20.0, 40.0]), 4)
    assert cut[0, 0] == 0
    assert cut[0, 3] == 255
    assert cut[3, 3] == 0
