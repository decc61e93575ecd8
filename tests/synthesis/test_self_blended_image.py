"""Self-blended images on clips, in parts of frames, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from dfbench import SynthesisError, UsageError
from dfbench.hooks.conformance import check_synthesizer
from dfbench.hooks.conformance.drawn_face import drawn_face
from dfbench.hooks.host import Host
from dfbench_synthesis.blending import draw_released_softening
from dfbench_synthesis.self_blended_image import build, draw, face_window

FRAMES, LANDMARKS = drawn_face()


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("over_clip", ["each", "same"])
def test_it_is_a_synthesizer_in_order(over_clip: str) -> None:
    spec = Host.load().registry.synthesizer("self_blended_image")
    results = check_synthesizer(spec, options={"over_clip": over_clip})
    assert [result for result in results if not result.passed] == []


def test_each_frame_has_draws_of_its_own_unless_the_clip_has_the_same() -> None:
    still = np.repeat(FRAMES[:1], 4, axis=0)
    points = np.repeat(LANDMARKS[:1], 4, axis=0)
    apart = build({}).synthesize(still, points, rng())
    assert not np.array_equal(apart.mask[0], apart.mask[1])
    alone = build({}).synthesize(still[:1], points[:1], rng())
    np.testing.assert_array_equal(apart.fake[:1], alone.fake)
    alike = build({"over_clip": "same"}).synthesize(still, points, rng())
    assert (alike.fake == alike.fake[:1]).all()
    assert not np.array_equal(alike.fake, alike.real)


def test_what_lies_outside_of_the_face_is_not_blended() -> None:
    side = 400
    frames = rng().integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    points = (LANDMARKS[:1] / 2 + (240, 230)).astype(np.float32)
    window = face_window(points, (side, side))
    assert 0 < window.left < window.left + window.width < side
    made = build({}).synthesize(frames, points, rng())
    outside = np.ones((side, side), bool)
    outside[window.top : window.top + window.height, window.left : window.left + window.width] = False
    np.testing.assert_array_equal(made.fake[0][outside], made.real[0][outside])
    assert not made.mask[0][outside].any()
    assert made.mask.max() == pytest.approx(1, abs=1e-6)


def test_draws_cover_what_the_source_draws() -> None:
    drawn = [draw(rng(seed), height=300, width=250) for seed in range(600)]
    assert {one.hull.value for one in drawn} == {0, 1, 2, 3}
    assert np.mean([one.points == 68 for one in drawn]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([one.on_source for one in drawn]) == pytest.approx(0.5, abs=0.07)
    assert {one.ratio for one in drawn} == {0.25, 0.5, 0.75, 1.0}
    assert {(one.elastic.amplitude, one.elastic.sigma) for one in drawn} == {(50.0, 7.0)}
    softenings = [draw_released_softening(rng(seed)) for seed in range(600)]
    assert {one.kernel_1[0] for one in softenings} == set(range(5, 26, 2))
    sides = {side for one in softenings for side in (one.width, one.height)}
    assert (min(sides), max(sides)) == (192, 256)
    assert {one.sigma for one in softenings} == {float(sigma) for sigma in range(5, 46)}


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (LANDMARKS[:, :0], "needs landmarks"),
        (np.full_like(LANDMARKS, np.nan), "not a finite number"),
        (LANDMARKS + 5000, "outside of its crop"),
    ],
)
def test_landmarks_that_no_face_can_be_blended_by_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(SynthesisError, match=words):
        build({}).synthesize(FRAMES, np.asarray(points, np.float32), rng())


@pytest.mark.parametrize("options", [{"over": "each"}, {"over_clip": "both"}])
def test_options_that_are_unknown_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="self_blended_image"):
        build(options)
