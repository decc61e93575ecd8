"""Blended images: whose face is taken, where it is put, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dfbench import BlendsOtherFaces, SynthesisError, UsageError
from dfbench.hooks.conformance import check_synthesizer
from dfbench.hooks.conformance.drawn_face import DrawnFaces, drawn_face
from dfbench.hooks.host import Host
from dfbench_synthesis.blended_image import SEARCHED, BlendedImage, binary_mask, build, draw
from dfbench_synthesis.feathering import feathered
from dfbench_synthesis.geometric import GridWarp, similarity

FRAMES, LANDMARKS = drawn_face()


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


class OneFace:
    """A single other person, the same in each frame, who notes what was asked for."""

    def __init__(self, frame: NDArray[np.uint8], points: NDArray[np.float32], *, faces: int = 1) -> None:
        self._frame, self._points, self._faces = frame, points, faces
        self.looked_at: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self._faces

    def landmarks(self, faces: NDArray[np.int64]) -> NDArray[np.float32]:
        self.looked_at = faces
        apart = np.where(faces == 7, 0, 5)[:, None, None]  # the eighth fits best
        return (self._points[None] + apart).astype(np.float32)

    def clip(self, face: int, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        self.taken = face
        return np.repeat(self._frame[None], frames, axis=0), np.repeat(self._points[None], frames, axis=0)


def made_of(
    other: OneFace, *, align: str = "similarity", seed: int = 3
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    pair = build({"align": align}).among(other).synthesize(FRAMES, LANDMARKS, rng(seed))
    np.testing.assert_array_equal(pair.real, FRAMES)
    return pair.fake, pair.mask


@pytest.mark.parametrize("align", ["similarity", "none"])
def test_it_is_a_synthesizer_in_order(align: str) -> None:
    spec = Host.load().registry.synthesizer("blended_image")
    results = check_synthesizer(spec, options={"align": align})
    assert [result for result in results if not result.passed] == []


def test_it_is_told_among_whom_to_look_and_makes_nothing_without() -> None:
    alone = build({})
    assert isinstance(alone, BlendsOtherFaces)
    with pytest.raises(SynthesisError, match="no face of another person"):
        alone.synthesize(FRAMES, LANDMARKS, rng())
    with pytest.raises(SynthesisError, match="no face of another person"):
        alone.among(OneFace(FRAMES[0], LANDMARKS[0], faces=0)).synthesize(FRAMES, LANDMARKS, rng())


def test_the_nearest_face_is_taken_of_at_most_five_thousand() -> None:
    few = OneFace(FRAMES[0], LANDMARKS[0], faces=40)
    made_of(few)
    assert sorted(few.looked_at.tolist()) == list(range(40))
    assert few.taken == 7
    many = OneFace(FRAMES[0], LANDMARKS[0], faces=20_000)
    made_of(many)
    assert len(set(many.looked_at.tolist())) == SEARCHED


def test_a_face_that_lies_elsewhere_is_moved_onto_the_landmarks() -> None:
    """The same face, moved and smaller: where it is exchanged for itself, nothing changes but what the warp blurs."""
    still = np.repeat(FRAMES[:1], 4, axis=0)
    points = np.repeat(LANDMARKS[:1], 4, axis=0)
    moved = OneFace(np.roll(FRAMES[0], (6, -4), axis=(0, 1)), LANDMARKS[0] + np.array([-4, 6], np.float32))
    aligned = build({}).among(moved).synthesize(still, points, rng())
    np.testing.assert_allclose(aligned.fake.astype(int), still, atol=1)
    assert aligned.mask.max() > 0.5
    left = build({"align": "none"}).among(moved).synthesize(still, points, rng())
    assert np.abs(left.fake.astype(int) - still).max() > 10


def test_colours_are_matched_inside_of_the_mask_and_kept_outside() -> None:
    darker = OneFace(FRAMES[0] // 3, LANDMARKS[0])
    fake, mask = made_of(darker)
    np.testing.assert_array_equal(fake[mask == 0], FRAMES[mask == 0])
    inside = mask > 0.5
    assert abs(fake[inside].mean() - FRAMES[inside].mean()) < 12
    assert FRAMES[inside].mean() - (FRAMES[inside] // 3).mean() > 60


def test_a_clip_is_drawn_for_once() -> None:
    """Frames of the same face, of which every one is exchanged in the same way."""
    still = np.repeat(FRAMES[:1], 4, axis=0)
    points = np.repeat(LANDMARKS[:1], 4, axis=0)
    made = build({}).among(OneFace(FRAMES[1] // 2, LANDMARKS[1])).synthesize(still, points, rng())
    assert (made.fake == made.fake[:1]).all()
    assert (made.mask == made.mask[:1]).all()
    assert not np.array_equal(made.fake, made.real)


def test_masks_vary_and_stay_inside_of_the_other_persons_crop() -> None:
    masks = []
    for seed in range(40):
        far = OneFace(FRAMES[0], LANDMARKS[0] + np.array([0, 30], np.float32))
        try:
            made = BlendedImage().among(far).synthesize(FRAMES[:1], LANDMARKS[:1], rng(seed))
        except SynthesisError:
            continue  # nothing was left of the mask
        masks.append(made.mask[0] > 0)
        assert not masks[-1][-29:].any()  # where the other crop, moved up by 30 pixels, has none
    assert len(masks) > 30
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_draws_cover_what_the_source_draws() -> None:
    drawn = [draw(rng(seed), side=317) for seed in range(500)]
    assert {one.hull.value for one in drawn} == {0, 1, 2, 3}
    assert {one.kernel for one in drawn if one.morphology == "erode"} == set(range(1, 22, 2))
    assert {one.kernel for one in drawn if one.morphology == "dilate"} == {1, 3, 5}
    scales = [one.warp.scale for one in drawn]
    assert 0.01 <= min(scales) < 0.03 < 0.13 < max(scales) <= 0.15  # noqa: PLR0133 - reads as a range
    small = [draw(rng(seed), side=80).kernel for seed in range(500)]
    assert max(small) <= 7


def test_a_grid_that_does_not_move_changes_no_mask_and_one_that_does_moves_it_as_a_whole() -> None:
    mask = binary_mask(LANDMARKS[0], draw(rng(), side=128), (128, 128))
    np.testing.assert_array_equal(GridWarp(seed=1, scale=0).warp_mask(mask), mask)
    moved = GridWarp(seed=1, scale=0.1).warp_mask(mask)
    assert 0.3 < moved.sum() / mask.sum() < 3
    assert (moved != mask).mean() > 0.01


def test_a_mirrored_face_is_turned_and_not_mirrored() -> None:
    points = LANDMARKS[0, :68].astype(np.float64)
    matrix = similarity(points * (-1, 1), points)
    assert np.linalg.det(matrix[:, :2]) > 0
    with pytest.raises(SynthesisError, match="all at one place"):
        similarity(np.ones((68, 2)), points)


def test_a_mask_without_an_inside_is_refused() -> None:
    line = np.zeros((20, 20), np.uint8)
    line[4, 3:18] = 1
    with pytest.raises(SynthesisError, match="nothing is left"):
        feathered(line)


def test_the_drawn_people_are_others() -> None:
    others = DrawnFaces()
    landmarks = others.landmarks(np.arange(len(others)))
    frames, points = others.clip(5, 2)
    np.testing.assert_array_equal(points[0], landmarks[5])
    assert frames.shape == (2, *FRAMES.shape[1:])
    assert len(others.clip(7, 6)[0]) == 6


@pytest.mark.parametrize("options", [{"aligned": "none"}, {"align": "affine"}])
def test_options_that_are_unknown_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="blended_image"):
        build(options)
