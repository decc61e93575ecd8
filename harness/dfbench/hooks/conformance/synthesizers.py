"""Checks of a synthesizer on a drawn face: its pseudo-fakes are whole, marked, and the same again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dfbench.hooks.conformance.checking import SEED, CheckResult, run_check
from dfbench.hooks.conformance.drawn_face import DrawnFaces, drawn_face
from dfbench.hooks.registry import load_object
from dfbench.interfaces import BlendsOtherFaces, Synthesizer
from dfbench.specs import SynthesizerSpec
from dfbench.types import PseudoFake


def check_synthesizer(
    spec: SynthesizerSpec, *, options: Mapping[str, object] | None = None
) -> list[CheckResult]:
    """Make pseudo-fakes of a drawn face with the given options, and of others like it where the synthesizer blends those.

    Checks that it builds, returns a `PseudoFake` of the shapes, dtypes and ranges that `dfbench.types` documents,
    marks a place wherever the clip was changed at all, repeats itself with an equal generator, and leaves its
    input unchanged.
    """
    frames, landmarks = drawn_face()
    built: list[Synthesizer] = []

    def check_build() -> str:
        factory = cast("Callable[[Mapping[str, object]], Synthesizer]", load_object(spec.build))
        made: object = factory(dict(options or {}))
        if isinstance(made, BlendsOtherFaces):
            made = made.among(DrawnFaces())
        if not isinstance(made, Synthesizer):
            return f"{type(made).__name__} has no method `synthesize`"
        built.append(made)
        return ""

    def make(seed: int) -> PseudoFake:
        return built[0].synthesize(frames.copy(), landmarks.copy(), np.random.default_rng(seed))

    def changed_input() -> str:
        given = (frames.copy(), landmarks.copy())
        built[0].synthesize(*given, np.random.default_rng(SEED))
        kept = np.array_equal(given[0], frames) and np.array_equal(given[1], landmarks)
        return "" if kept else "frames or landmarks were changed in place"

    results = [run_check("builds", check_build)]
    if not results[0].passed:
        return results
    checks = [
        ("returns a PseudoFake in order", lambda: _bad_pseudo_fake(make(SEED), frames)),
        ("marks what it changes", lambda: _unmarked_change(make(SEED))),
        ("same fake with an equal generator", lambda: _differing_fakes(make(SEED), make(SEED))),
        ("leaves its input unchanged", changed_input),
    ]
    return results + [run_check(name, function) for name, function in checks]


def _bad_pseudo_fake(made: Any, frames: NDArray[np.uint8]) -> str:
    if not isinstance(made, PseudoFake):
        return f"synthesize() returned {type(made).__name__}, not PseudoFake"
    wanted = (
        ("real", made.real, frames.shape, np.uint8),
        ("fake", made.fake, frames.shape, np.uint8),
        ("mask", made.mask, frames.shape[:3], np.float32),
    )
    for name, array, shape, dtype in wanted:
        if array.shape != shape or array.dtype != dtype:
            return f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}"
    low, high = float(made.mask.min()), float(made.mask.max())
    return "" if 0 <= low <= high <= 1 else f"the mask spans [{low:.3g}, {high:.3g}], not [0, 1]"


def _unmarked_change(made: PseudoFake) -> str:
    if np.array_equal(made.real, made.fake):
        return "the fake is equal to the real clip"
    return "" if made.mask.any() else "the fake differs from the real clip, but the mask is 0 everywhere"


def _differing_fakes(first: PseudoFake, second: PseudoFake) -> str:
    pairs = ((first.real, second.real), (first.fake, second.fake), (first.mask, second.mask))
    return "" if all(np.array_equal(one, other) for one, other in pairs) else "the two results differ"
