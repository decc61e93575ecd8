"""What is stored is as large as detectors need, and a larger store holds the very crops of a smaller one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench.data.clips import cut_crops, enlargements
from dfbench.data.faces.cutting import crop_track
from dfbench.data.faces.tracking import MainFace
from dfbench.data.geometry import crop_matrix, crop_outline
from dfbench.data.store.crop_sizes import contains, holds, stored_square
from dfbench.data.store.face_files import StoredFaces, read_faces, read_track, write_faces
from dfbench.errors import StoreError
from dfbench.face_sizes import MOST_STORED_SIZE, STORED_SIZE, stored_size
from dfbench.specs import DetectorCard
from dfbench.types import ClipSpec, FrameChoice, PrepareSpec

FRAMES = FrameChoice("uniform", 2)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.sampled_from([64, 200, STORED_SIZE, 321, 384, 448, 512, 640, 1000])


def face(side: float, aspect: float, left: float, top: float) -> MainFace:
    """A face that is in two frames, and in the second a little smaller."""
    boxes = [(left, top, left + part * side / aspect, top + part * side) for part in (1.0, 0.9)]
    points = np.repeat(np.asarray(boxes, np.float32)[:, None, :2] + 5, 5, axis=1)
    return MainFace(np.arange(2), np.asarray(boxes, np.float32), np.ones(2, np.float32), points)


def pictures(height: int, width: int) -> list[NDArray[np.uint8]]:
    """Two frames in which no two neighbours are alike, and which WebP packs quickly."""
    rows, columns = np.mgrid[:height, :width]
    one = np.stack([rows * 7 + columns * 3, rows * columns // 5, rows ^ columns], axis=2).astype(np.uint8)
    return [one, one[::-1].copy()]


def stored_by(spec: PrepareSpec, main: MainFace, frames: list[NDArray[np.uint8]]) -> StoredFaces:
    return crop_track(list(enumerate(frames)), main, spec)


@pytest.mark.slow
@FEW
@given(
    larger=SIZES,
    smaller=SIZES,
    side=st.floats(6, 700),
    aspect=st.floats(0.7, 1.4),
    place=st.tuples(st.floats(-40, 300), st.floats(-40, 200)),
)
def test_what_a_larger_file_serves_is_equal_to_the_byte(
    tmp_path: Path, larger: int, smaller: int, side: float, aspect: float, place: tuple[float, float]
) -> None:
    main, frames = face(side, aspect, *place), pictures(240, 320)
    there, wanted = PrepareSpec(FRAMES, max_size=larger), PrepareSpec(FRAMES, max_size=smaller)
    exact = stored_by(wanted, main, frames)
    write_faces(tmp_path / "there.faces", stored_by(there, main, frames))
    write_faces(tmp_path / "exact.faces", exact)
    if holds(there, wanted, boxes=main.boxes, tracks=1):
        assert larger >= smaller
        write_faces(tmp_path / "served.faces", read_faces(tmp_path / "there.faces", wanted=wanted))
        assert (tmp_path / "served.faces").read_bytes() == (tmp_path / "exact.faces").read_bytes()
        track = read_track(tmp_path / "there.faces", wanted=wanted)
        np.testing.assert_array_equal(track.crop_boxes, exact.crop_boxes)
        (second,) = read_faces(tmp_path / "there.faces", [1], wanted=wanted).crops
        np.testing.assert_array_equal(second, exact.crops[1])
    else:
        shrunk = max(len(crop) for crop in exact.crops) < max(
            stored_square(box, there).kept for box in main.boxes
        )
        assert larger < smaller or shrunk
    # Its own file holds it in any case.
    assert holds(wanted, wanted, boxes=main.boxes, tracks=1)
    own = read_faces(tmp_path / "exact.faces", wanted=wanted)
    for crop, other in zip(own.crops, exact.crops, strict=True):
        np.testing.assert_array_equal(crop, other)


@pytest.mark.parametrize(
    ("side", "larger", "smaller", "serves"),
    [
        (100, 512, STORED_SIZE, True),  # a square of 200 px, which none of them shrinks
        (250, 512, STORED_SIZE, True),  # 500 px are shrunk by the smaller one alone, at once
        (400, 512, STORED_SIZE, True),  # 800 px would fall below 512 by halving
        (600, 512, STORED_SIZE, False),  # 1200 px are halved to 600
        (600, 512, 384, True),  # as they are by both
        (600, 1024, 384, True),  # and by the smaller one alone
        (600, 384, 1024, False),
    ],
)
def test_who_serves_whom(side: int, larger: int, smaller: int, serves: bool) -> None:
    there, wanted = PrepareSpec(FRAMES, max_size=larger), PrepareSpec(FRAMES, max_size=smaller)
    assert holds(there, wanted, boxes=face(side, 1.0, 0, 0).boxes[:1], tracks=1) is serves


def test_a_file_that_does_not_hold_what_is_wanted_says_so(tmp_path: Path) -> None:
    main, frames = face(600, 1.0, 10, 10), pictures(700, 700)
    write_faces(tmp_path / "a.faces", stored_by(PrepareSpec(FRAMES, max_size=512), main, frames))
    for max_size in (STORED_SIZE, 1024):
        with pytest.raises(StoreError, match="a crop of 600 px does not hold"):
            read_faces(tmp_path / "a.faces", wanted=PrepareSpec(FRAMES, max_size=max_size))
    assert (tmp_path / "a.faces").is_file()  # it is sound


LARGE = PrepareSpec(FRAMES, "mtcnn", max_size=512, landmarks=True, finder_version="4")


@pytest.mark.parametrize(
    ("other", "fits"),
    [
        (LARGE, True),
        (replace(LARGE, max_size=384), True),
        (replace(LARGE, landmarks=False, landmark_kind="template"), True),
        (replace(LARGE, frames=FrameChoice("uniform", 2, clip=2)), True),  # where there is one face
        (PrepareSpec(FRAMES, "mtcnn", finder_version="4"), True),
        (replace(LARGE, max_size=640), False),
        (replace(LARGE, landmark_kind="template"), False),
        (replace(LARGE, landmarking=LARGE.landmarking + 1), False),
        (replace(LARGE, frames=FrameChoice("uniform", 3)), False),
        (replace(LARGE, finder="dlib"), False),
        (replace(LARGE, finder_version="5"), False),
        (replace(LARGE, tracking=LARGE.tracking + 1), False),
        (replace(LARGE, decoding=LARGE.decoding + 1), False),
        (replace(LARGE, detect_every=2), False),
        (replace(LARGE, margin=0.4), False),
    ],
)
def test_only_the_same_faces_in_no_more_detail_are_served(other: PrepareSpec, fits: bool) -> None:
    assert contains(LARGE, other) is fits


def test_another_length_of_clips_is_served_where_there_is_one_face() -> None:
    boxes = face(100, 1.0, 0, 0).boxes
    other = replace(LARGE, frames=FrameChoice("uniform", 2, clip=2))
    assert holds(LARGE, other, boxes=boxes, tracks=1)
    assert not holds(LARGE, other, boxes=boxes, tracks=2)
    assert holds(LARGE, replace(LARGE, max_size=384), boxes=boxes, tracks=2)


def test_a_store_that_was_shrunk_at_once_serves_nobody() -> None:
    before = replace(LARGE, shrinking=1)
    assert not contains(before, replace(LARGE, max_size=384))
    assert before.digest() != LARGE.digest()


@pytest.mark.parametrize(
    ("size", "margin", "square", "kept"),
    [
        (112, 0.16, True, 320),
        (208, 0.25, True, 320),
        (240, 0.25, True, 320),
        (224, 0.16, True, 384),
        (256, 0.25, True, 384),
        (299, 0.15, True, 512),
        (380, 0.25, True, 512),
        (380, 0.0625, True, 704),
        (224, 0.162109375, False, 512),
        (4000, 0.0, True, MOST_STORED_SIZE),
    ],
)
def test_what_is_kept(size: int, margin: float, square: bool, kept: int) -> None:
    assert stored_size(size, margin, square=square) == kept
    clips = ClipSpec(frames=1, size=size, margin=margin, square=square)
    spec = clips.prepare()
    assert (spec.max_size, spec.frames, spec.fault()) == (kept, clips.frame_choice(), "")


def test_specs_that_need_no_more_are_those_of_before() -> None:
    clips = ClipSpec(frames=4, size=224, margin=0.25)
    assert clips.prepare() == PrepareSpec(clips.frame_choice())
    assert clips.prepare().digest() == PrepareSpec(clips.frame_choice()).digest()


def test_a_detector_with_several_margins_is_prepared_for_the_smallest() -> None:
    card = DetectorCard(ClipSpec(frames=1, size=300, margin=0.4), margins={"dfd": 0.0, "ffpp": 0.5})
    assert card.prepare() == ClipSpec(frames=1, size=300, margin=0.0).prepare()


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(8, 900),
    margin=st.floats(0, 0.5),
    square=st.booleans(),
    side=st.floats(8, 1500),
    aspect=st.floats(1, 4 / 3),
)
def test_the_store_enlarges_nothing(
    size: int, margin: float, square: bool, side: float, aspect: float
) -> None:
    """A crop is cut from as many pixels as it has, or from the very pixels of the frame."""
    spec = ClipSpec(frames=1, size=size, margin=margin, square=square).prepare()
    box = np.asarray([200, 200, 200 + side / aspect, 200 + side], np.float32)
    kept = stored_square(box, spec)
    outline = crop_outline(box, margin, square=square, frame_size=(10**5, 10**5))
    crop_box = np.asarray([kept.left, kept.top, kept.left + kept.kept, kept.top + kept.kept], np.float32)
    matrix = crop_matrix(outline, crop_box, shown=(kept.side, kept.side), size=size)
    if spec.max_size < MOST_STORED_SIZE:
        assert kept.is_native or matrix.diagonal().min() > 0.995  # a crop is stored in whole pixels


@pytest.mark.parametrize("side", [40.0, 250.0, 700.0])
@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize(("size", "stored"), [(224, 320), (380, 320), (380, 768)])
def test_the_enlargement_is_told_by_what_a_crop_is_cut_from(
    side: float, square: bool, size: int, stored: int
) -> None:
    spec = PrepareSpec(FRAMES, max_size=stored)
    clips = ClipSpec(frames=2, size=size, margin=0.1, square=square)
    faces = stored_by(spec, face(side, 1.25, 20, 30), pictures(760, 900))
    expected = []
    for row, crop in enumerate(faces.crops):
        outline = crop_outline(faces.track.boxes[row], 0.1, square=square, frame_size=(900, 760))
        x0, y0, x1, y1 = faces.crop_boxes[row]
        across = (outline[2] - outline[0]) * crop.shape[1] / (x1 - x0)  # stored pixels that the crop shows
        down = (outline[3] - outline[1]) * crop.shape[0] / (y1 - y0)
        expected.append(size / min(across, down))
    np.testing.assert_allclose(enlargements(faces.track, [1, 0], clips, spec), expected[::-1], rtol=1e-5)


def test_a_store_of_320_px_enlarges_what_a_sharper_one_does_not() -> None:
    """A face of 400 px has 480 with a tenth around it, of which 320 px of a square of 800 keep 192."""
    faces, clips = (
        face(400, 1.0, 250, 250),
        ClipSpec(frames=2, size=380, margin=0.1),
    )
    found = {}
    for spec in (PrepareSpec(FRAMES), clips.prepare()):
        stored = stored_by(spec, faces, pictures(900, 900))
        found[spec.max_size] = float(enlargements(stored.track, [0], clips, spec)[0])
    assert found == pytest.approx({STORED_SIZE: 380 / 192, clips.prepare().max_size: 380 / 480})


def test_a_sharp_crop_stays_sharp() -> None:
    """Lines of two pixels, which a store of 320 px blurs, are still there at 380 px."""
    frame = np.zeros((900, 900, 3), np.uint8)
    frame[:, ::4] = frame[:, 1::4] = 255
    main = face(400, 1.0, 250, 250)
    clips = ClipSpec(frames=2, size=380, margin=0.0)
    contrast = {}
    for spec in (PrepareSpec(FRAMES), clips.prepare()):
        crops = cut_crops(stored_by(spec, main, [frame, frame]), [0], size=clips.size, margin=clips.margin)
        contrast[spec.max_size] = float(crops[0, 100:280, 100:280].std())
    assert contrast[768] > 2 * contrast[STORED_SIZE]
