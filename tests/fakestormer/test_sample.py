from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench import PseudoFake, SynthesisError, UsageError
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.sample import SampleSettings, TrainingSample, make_sample
from dfbench_synthesis.geometric import warp_to

SETTINGS = SampleSettings(size=48, grid=6)
PLAIN = replace(SETTINGS, augment=False)


def face(side: int = 96, frames: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Smooth colours and landmarks on an ellipse that drifts from frame to frame."""
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    picture = np.stack([120 + 80 * np.sin(6 * x), 120 + 80 * np.cos(7 * y), 90 + 60 * x * y], -1)
    angle = np.linspace(0, 2 * np.pi, 81, endpoint=False)
    points = side * np.stack([0.5 + 0.26 * np.cos(angle), 0.5 + 0.33 * np.sin(angle)], 1)
    drift = np.arange(frames)[:, None, None] * np.array([0.8, 0.4])
    clip = np.repeat(picture.astype(np.uint8)[None], frames, axis=0)
    return clip, (points[None] + drift).astype(np.float32)


class Inpainted:
    """A third party's synthesizer: half of a grey square in the middle; it knows nothing of this package."""

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        assert landmarks.shape[1:] == (81, 2)
        assert isinstance(rng, np.random.Generator)
        mask = np.zeros(frames.shape[:3], np.float32)
        quarter = frames.shape[1] // 4
        mask[:, quarter:-quarter, quarter:-quarter] = 0.5
        fake = (frames * (1 - mask[..., None]) + 128 * mask[..., None]).astype(np.uint8)
        return PseudoFake(real=frames, fake=fake, mask=mask)


class Fixed:
    """Returns what it was given."""

    def __init__(self, pair: PseudoFake) -> None:
        self.pair = pair

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        del frames, landmarks, rng
        return self.pair


def make(seed: int, options: SampleSettings = SETTINGS, **changes: Any) -> TrainingSample:
    frames, landmarks = face()
    return make_sample(
        changes.get("frames", frames),
        changes.get("landmarks", landmarks),
        synthesizer=changes.get("synthesizer", build({})),
        rng=np.random.default_rng(seed),
        settings=options,
    )


def check(sample: TrainingSample, *, frames: int = 4, size: int = 48, grid: int = 6) -> None:
    for clip in (sample.real, sample.fake):
        assert clip.shape == (frames, size, size, 3)
        assert clip.dtype == np.uint8
    for heatmap in (sample.heatmap_real, sample.heatmap_fake):
        assert heatmap.shape == (frames, grid, grid)
        assert heatmap.dtype == np.float32
        assert np.isfinite(heatmap).all()
    for labels in (sample.temporal_real, sample.temporal_fake):
        assert labels.shape == (frames,)
        assert labels.dtype == np.float32
        assert labels.min() >= 0
        assert labels.max() <= 1
    assert not sample.temporal_real.any()
    assert sample.temporal_fake.min() > 0
    assert sample.keep.shape == (frames, grid, grid)
    assert sample.keep.dtype == np.uint8
    assert set(np.unique(sample.keep)) <= {0, 1}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_samples_have_the_promised_form(seed: int) -> None:
    try:
        sample = make(seed)
    except SynthesisError:
        reject()
    check(sample)
    assert (sample.real != sample.fake).any()
    black = np.repeat(np.repeat(sample.keep == 0, 8, axis=1), 8, axis=2)
    assert not sample.real[black].any()
    assert not sample.fake[black].any()


def test_an_original_is_not_called_a_fake() -> None:
    # A blend by at most three grey levels, which the rest of the pipeline takes away.
    with pytest.raises(SynthesisError, match="does not differ"):
        make(2270)


def test_a_sample_depends_on_its_generator_alone() -> None:
    make(1)
    first, again, other = make(5), make(5), make(6)
    for name in TrainingSample.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.fake != other.fake).any()


def test_a_failed_sample_hands_nothing_on() -> None:
    _, landmarks = face()
    expected = make(11)
    with pytest.raises(SynthesisError):
        make(11, landmarks=landmarks - 5000)
    np.testing.assert_array_equal(make(11).fake, expected.fake)


def test_validation_samples_are_not_augmented() -> None:
    synthesizer = Inpainted()
    one, two = make(1, PLAIN, synthesizer=synthesizer), make(2, PLAIN, synthesizer=synthesizer)
    np.testing.assert_array_equal(one.real, two.real)
    np.testing.assert_array_equal(one.fake, two.fake)
    assert one.keep.all()
    assert (one.temporal_fake == 1).all()


def test_the_real_clip_of_a_validation_sample_is_the_clip_as_it_is() -> None:
    frames, _ = face()
    cut = round(PLAIN.margin_fixed * 96)
    inner = frames[:, cut : 96 - cut, cut : 96 - cut]
    expected = warp_to(inner, PLAIN.size)
    for seed in range(16):
        sample = make(seed, PLAIN)
        np.testing.assert_array_equal(sample.real, expected)
        assert (sample.fake != expected).any()

    class Altering(Inpainted):
        def synthesize(
            self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
        ) -> PseudoFake:
            pair = super().synthesize(frames, landmarks, rng)
            return replace(pair, real=frames // 2)

    np.testing.assert_array_equal(make(0, PLAIN, synthesizer=Altering()).real, expected)


def test_mask_out_hides_the_same_cells_in_all_frames_and_lowers_the_labels() -> None:
    always = replace(SETTINGS, mask_out=1.0)
    for seed in range(8):
        sample = make(seed, always)
        assert (sample.keep == sample.keep[0]).all()
        assert (sample.keep == 0).any()
        assert sample.temporal_fake[0] <= 1
    assert min(make(seed, always).temporal_fake[0] for seed in range(8)) < 1
    never = make(3, replace(SETTINGS, mask_out=0.0))
    assert never.keep.all()
    assert (never.temporal_fake == 1).all()


def test_any_synthesizer_will_do() -> None:
    sample = make(4, synthesizer=Inpainted())
    check(sample)
    plain = make(4, PLAIN, synthesizer=Inpainted())
    assert (plain.fake != plain.real).any()
    assert not plain.heatmap_fake.any()  # its mask does not change over time


def test_a_mirrored_sample_mirrors_frames_and_landmarks() -> None:
    seen: list[NDArray[np.float32]] = []
    _, landmarks = face()

    class Watching(Inpainted):
        def synthesize(
            self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
        ) -> PseudoFake:
            seen.append(landmarks)
            return super().synthesize(frames, landmarks, rng)

    still = np.repeat(landmarks[:1], 4, axis=0)
    options = replace(SETTINGS, mask_out=0.0, margin_range=(0.05, 0.05))
    mirrored = make(2, replace(options, flip=1.0), landmarks=still, synthesizer=Watching())
    check(mirrored)
    make(2, replace(options, flip=0.0), landmarks=still, synthesizer=Watching())
    np.testing.assert_allclose(seen[0][0, 0, 0], 95 - seen[1][0, 16, 0], atol=1e-4)
    make(2, replace(options, flip=1.0, mirror="released"), landmarks=still, synthesizer=Watching())
    np.testing.assert_allclose(seen[2][..., 0], seen[0][..., 0] + 1, atol=1e-4)


def test_real_and_fake_get_the_same_final_steps() -> None:
    frames, _ = face()
    mask = np.zeros(frames.shape[:3], np.float32)
    mask[:, 40:50, 40:50] = 0.5
    fake = frames.copy()
    fake[:, 40:50, 40:50] = 255
    pair = PseudoFake(real=frames, fake=fake, mask=mask)
    for seed in range(12):
        sample = make(seed, replace(SETTINGS, flip=0.0, mask_out=0.0), synthesizer=Fixed(pair))
        assert (sample.real != sample.fake).any()
        # Far from the square they are the same, whatever was done to colours, sharpness and quality.
        np.testing.assert_array_equal(sample.real[:, :8], sample.fake[:, :8])
        np.testing.assert_array_equal(sample.real[:, -8:], sample.fake[:, -8:])


def test_a_fake_that_does_not_show_is_refused() -> None:
    frames, _ = face()
    mask = np.zeros(frames.shape[:3], np.float32)
    with pytest.raises(SynthesisError, match="does not differ"):
        make(0, synthesizer=Fixed(PseudoFake(real=frames, fake=frames, mask=mask)))


@pytest.mark.parametrize("fault", ["shape", "dtype", "mask shape", "mask range", "mask nan"])
def test_a_wrong_synthesizer_is_named(fault: str) -> None:
    frames, landmarks = face()
    good = Inpainted().synthesize(frames, landmarks, np.random.default_rng(0))
    changes: dict[str, Any] = {
        "shape": {"fake": good.fake[:, :10]},
        "dtype": {"real": good.real.astype(np.float32)},
        "mask shape": {"mask": good.mask[0]},
        "mask range": {"mask": good.mask * 3},
        "mask nan": {"mask": good.mask * np.nan},
    }
    with pytest.raises(SynthesisError, match="the synthesizer's"):
        make(0, synthesizer=Fixed(replace(good, **changes[fault])))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 50},
        {"grid": 0},
        {"mask_out": 1.5},
        {"flip": -0.1},
        {"margin_range": (0.3, 0.2)},
        {"margin_fixed": 0.5},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(SETTINGS, **changes)


@given(
    seed=st.integers(0, 2**16),
    shift=st.tuples(st.floats(-120, 120), st.floats(-120, 120)),
    size=st.floats(0, 3),
    height=st.integers(16, 90),
    width=st.integers(16, 90),
)
@settings(max_examples=40, deadline=None)
def test_faces_at_the_border_make_a_sample_or_a_clear_error(
    seed: int, shift: tuple[float, float], size: float, height: int, width: int
) -> None:
    frames, landmarks = face()
    moved = (landmarks * np.float32(size) + np.array(shift, np.float32)).astype(np.float32)
    try:
        sample = make(seed, frames=np.ascontiguousarray(frames[:, :height, :width]), landmarks=moved)
    except SynthesisError as error:
        assert str(error)  # noqa: PT017 - raising is allowed, not required
    else:
        check(sample)
