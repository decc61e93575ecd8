from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench import DataError, SynthesisError, Synthesizer, UsageError
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.self_blended import SelfBlendedOptions, draw
from dfbench_synthesis.blending import blend, draw_softening, soften
from dfbench_synthesis.geometric import Affine, Elastic, Window, draw_affine, warp_to
from dfbench_synthesis.hulls import HullKind
from dfbench_synthesis.self_blend import apply


def face(side: int = 96, frames: int = 3) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A clip of noise and landmarks that lie like a face's, on an ellipse with features inside."""
    rng = np.random.default_rng(0)
    around = np.linspace(0, np.pi, 17)
    jaw = np.stack([0.5 - 0.25 * np.cos(around), 0.5 + 0.3 * np.sin(around)], 1)
    brows = np.stack([np.linspace(0.3, 0.7, 10), np.full(10, 0.4)], 1)
    inner = rng.uniform((0.4, 0.45), (0.6, 0.7), (41, 2))
    over = np.linspace(np.pi, 0, 13)
    forehead = np.stack([0.5 + 0.25 * np.cos(over), 0.45 - 0.2 * np.sin(over)], 1)
    points = np.concatenate([jaw, brows, inner, forehead]) * side
    clip = rng.integers(0, 256, (frames, side, side, 3), dtype=np.uint8)
    return clip, np.repeat(points[None], frames, axis=0).astype(np.float32)


def test_it_is_a_synthesizer() -> None:
    assert isinstance(build({}), Synthesizer)


@pytest.mark.parametrize("options", [{"elastik": "fast"}, {"elastic": "slow"}, {"units": 3}])
def test_unknown_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        build(options)
    assert caught.value.hints


@pytest.mark.parametrize("options", [{}, {"units": "pixels", "elastic": "released"}])
def test_shapes_types_and_determinism(options: dict[str, object]) -> None:
    frames, landmarks = face()
    first = build(options).synthesize(frames, landmarks, np.random.default_rng(7))
    again = build(options).synthesize(frames, landmarks, np.random.default_rng(7))
    other = build(options).synthesize(frames, landmarks, np.random.default_rng(8))
    for clip in (first.real, first.fake):
        assert clip.shape == frames.shape
        assert clip.dtype == np.uint8
    assert first.mask.shape == frames.shape[:3]
    assert first.mask.dtype == np.float32
    assert first.mask.min() >= 0
    assert first.mask.max() <= 1
    np.testing.assert_array_equal(first.fake, again.fake)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.fake != other.fake).any()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_fake_is_the_real_outside_of_the_mask(seed: int) -> None:
    frames, landmarks = face()
    before = frames.copy(), landmarks.copy()
    pair = build({}).synthesize(frames, landmarks, np.random.default_rng(seed))
    np.testing.assert_array_equal(pair.fake[pair.mask == 0], pair.real[pair.mask == 0])
    assert (pair.fake != pair.real).any()
    np.testing.assert_array_equal(frames, before[0])
    np.testing.assert_array_equal(landmarks, before[1])


def test_the_real_clip_is_untouched_if_the_foreground_is_altered() -> None:
    frames, landmarks = face()
    parameters = draw(np.random.default_rng(1), height=96, width=96)
    source = apply(frames, landmarks, replace(parameters, on_source=True))
    np.testing.assert_array_equal(source.real, frames)
    target = apply(frames, landmarks, replace(parameters, on_source=False))
    assert (target.real != frames).any()  # both clips of the pair then share the alteration


def test_all_frames_share_the_parameters() -> None:
    frames, landmarks = face()
    frames = np.repeat(frames[:1], 3, axis=0)
    pair = build({}).synthesize(frames, landmarks, np.random.default_rng(3))
    for t in (1, 2):
        np.testing.assert_array_equal(pair.fake[t], pair.fake[0])
        np.testing.assert_array_equal(pair.mask[t], pair.mask[0])


@given(
    seed=st.integers(0, 2**16),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    size=st.floats(0, 4),
)
@settings(max_examples=40, deadline=None)
def test_landmarks_at_or_beyond_the_border_blend_or_say_why_not(
    seed: int, shift: tuple[float, float], size: float
) -> None:
    frames, landmarks = face(64, 2)
    moved = (landmarks * np.float32(size) + np.array(shift, np.float32)).astype(np.float32)
    try:
        pair = build({}).synthesize(frames, moved, np.random.default_rng(seed))
    except SynthesisError as error:
        assert error.hints  # noqa: PT017 - raising is allowed, not required
    else:
        assert np.isfinite(pair.mask).all()
        assert pair.mask.max() <= 1


def test_bad_clips_are_refused() -> None:
    frames, landmarks = face()
    synthesizer = build({})
    rng = np.random.default_rng(0)
    cases = [
        (frames[0], landmarks),
        (frames.astype(np.float32), landmarks),
        (frames[:0], landmarks[:0]),
        (frames[:, :8], landmarks),
        (frames, landmarks[:2]),
        (frames, landmarks[:, :0]),
        (frames, landmarks[:, :68]),
        (frames, np.full_like(landmarks, np.nan)),
        (frames, landmarks - 1000),
    ]
    for clip, points in cases:
        with pytest.raises(SynthesisError):
            synthesizer.synthesize(clip, points, rng)
    assert issubclass(SynthesisError, DataError)


def test_draws_cover_what_the_method_says() -> None:
    rng = np.random.default_rng(5)
    drawn = [draw(rng, height=256, width=256) for _ in range(400)]
    assert {p.hull for p in drawn} == set(HullKind)
    assert 0.18 < np.mean([p.points == 68 for p in drawn]) < 0.32
    assert 0.43 < np.mean([p.on_source for p in drawn]) < 0.57
    assert {p.ratio for p in drawn} == {0.25, 0.5, 0.75, 1.0}
    assert {p.softening.kernel_1[0] for p in drawn} == set(range(5, 26, 2))
    assert min(p.softening.sigma for p in drawn) >= 5
    assert max(p.softening.sigma for p in drawn) <= 45
    assert all(0.8 * 256 - 1 <= p.softening.width < 1.25 * 256 for p in drawn)
    assert all(0.95 <= p.affine.scale_x <= 1 / 0.95 for p in drawn)


def test_relative_units_follow_the_size_of_the_crop() -> None:
    rng = np.random.default_rng
    small = draw(rng(6), height=128, width=128)
    large = draw(rng(6), height=256, width=256)
    pixels = draw(rng(6), height=128, width=128, options=SelfBlendedOptions(units="pixels"))
    assert pixels.softening.kernel_1 == large.softening.kernel_1
    assert small.softening.sigma == pytest.approx(large.softening.sigma / 2)
    assert abs(small.softening.kernel_2[0] - large.softening.kernel_2[0] / 2) <= 1.5
    # Displacements halve: the size of a field goes with amplitude over sigma.
    moves = [np.abs(p.elastic.field(p_side, p_side)[0]).mean() for p, p_side in ((small, 128), (large, 256))]
    assert moves[0] == pytest.approx(moves[1] / 2, rel=0.35)


def test_the_fast_elastic_field_is_distributed_like_the_released_one() -> None:
    sizes, reach = {}, {}
    for released in (False, True):
        fields = [Elastic(seed, released=released).field(128, 120)[0] for seed in range(12)]
        assert fields[0].shape == (128, 120)
        sizes[released] = np.mean([f.std() for f in fields])
        shifted = [(f[:, 7:] * f[:, :-7]).mean() / (f**2).mean() for f in fields]
        reach[released] = np.mean(shifted)
    assert sizes[False] == pytest.approx(sizes[True], rel=0.1)
    assert reach[False] == pytest.approx(reach[True], abs=0.1)


def test_masks_and_frames_move_together() -> None:
    move = Affine(scale_x=1.04, scale_y=0.96, offset_x=3, offset_y=-2)
    mask = np.zeros((1, 60, 70), np.uint8)
    mask[:, 20:40, 25:45] = 1
    moved = move.warp_masks(mask)[0]
    picture = move.warp_frames(np.repeat(mask[..., None] * np.uint8(255), 3, axis=3))[0, ..., 0]
    assert (moved != (picture > 127)).mean() < 0.02
    window = Window(10, 5, 40, 30)
    whole = move.warp_frames(np.repeat(mask[..., None] * np.uint8(255), 3, axis=3))
    part = move.warp_frames(np.repeat(mask[..., None] * np.uint8(255), 3, axis=3), window)
    assert np.abs(part.astype(int) - window.of(whole)).max() <= 2


def test_an_affine_fits_the_frame() -> None:
    rng = np.random.default_rng(9)
    for _ in range(50):
        move = draw_affine(rng, 100, 200)
        centre = move.matrix() @ (99.5, 49.5, 1)
        assert abs(centre[0] - 99.5) <= 6
        assert abs(centre[1] - 49.5) <= 1.5


def test_softening_stays_in_the_hull_and_refuses_an_empty_one() -> None:
    softening = draw_softening(np.random.default_rng(2), 80, 80)
    mask = np.zeros((80, 80), np.uint8)
    with pytest.raises(SynthesisError, match="no pixel"):
        soften(mask, softening)
    mask[20:60, 20:60] = 1
    soft = soften(mask, softening)
    assert soft.max() == pytest.approx(1, abs=1e-6)
    assert soft[40, 40] > soft[22, 40]
    assert soft[5, 5] == 0


@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([32, 61, 208, 256]))
@settings(max_examples=25, deadline=None)
def test_softening_a_part_is_softening_the_whole(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    centre = tuple(int(c) for c in rng.integers(0, side, size=2))
    cv2.circle(mask, centre, int(rng.integers(3, side // 2)), 1, -1)
    softening = draw_softening(rng, side, side, scale=side / 256)
    resized = cv2.resize(mask.astype(np.float32), (softening.width, softening.height))
    blurred = cv2.GaussianBlur(resized, softening.kernel_1, 0)
    blurred /= blurred.max()
    blurred[blurred < 1] = 0
    whole = cv2.GaussianBlur(blurred, softening.kernel_2, softening.sigma)
    whole /= whole.max()
    np.testing.assert_allclose(soften(mask, softening), cv2.resize(whole, (side, side)), rtol=0, atol=1e-6)


def test_blending_truncates_the_weighted_mean() -> None:
    rng = np.random.default_rng(4)
    source, target = rng.integers(0, 256, (2, 3, 21, 34, 3), dtype=np.uint8)
    masks = rng.random((3, 21, 34), np.float32)
    share = (masks * np.float32(0.75))[..., None]
    expected = (share * source + (1 - share) * target).astype(np.uint8)
    np.testing.assert_array_equal(blend(source, target, masks, 0.75), expected)


def test_blending_with_nothing_gives_the_target_and_with_all_the_source() -> None:
    source, target = np.full((1, 4, 4, 3), 200, np.uint8), np.full((1, 4, 4, 3), 100, np.uint8)
    ones = np.ones((1, 4, 4), np.float32)
    assert (blend(source, target, 0 * ones, 1.0) == 100).all()
    assert (blend(source, target, ones, 1.0) == 200).all()
    assert (blend(source, target, ones, 0.25) == 125).all()


def test_warping_keeps_corners_on_corners() -> None:
    image = np.arange(100, dtype=np.uint8).reshape(1, 10, 10)
    for size in (4, 10, 19):
        small = warp_to(image, size)[0]
        assert small[0, 0] == image[0, 0, 0]
        assert abs(int(small[-1, -1]) - int(image[0, -1, -1])) <= 1
    assert warp_to(np.zeros((2, 9, 7, 3), np.uint8), 5).shape == (2, 5, 5, 3)
