"""Checks of a detector: its scores may depend on the clip alone."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dfbench.errors import UsageError
from dfbench.escaping import for_shell
from dfbench.hooks.cards import card_of_work
from dfbench.hooks.conformance.checking import SEED, CheckResult, run_check
from dfbench.hooks.conformance.explainers import check_explainer
from dfbench.hooks.conformance.files import check_files
from dfbench.hooks.conformance.tensors import difference, score, wrong_form
from dfbench.hooks.detectors import card_of, opened, opened_scorer
from dfbench.interfaces import Detector, ScoresFiles
from dfbench.specs import DetectorSpec, LoadOptions
from dfbench.types import ClipSpec

if TYPE_CHECKING:
    from torch import Tensor

_BATCH = 3


def check_detector(
    spec: DetectorSpec, *, device: str = "cpu", weights: Path | None = None
) -> list[CheckResult]:
    """Build the detector and score random clips of the size that it asks for.

    Checks that it builds, has a whole card if it has one, returns a floating (B,) tensor of finite logits, scores a clip
    alike alone and in any batch (within 1e-4), repeats itself, does so when built again with the same seed, leaves its input
    unchanged, and takes a batch of one. Where it offers to explain itself, `check_explainer` follows. A detector that scores
    files is given made-up ones. Raises UsageError if the detector needs weights and none are given.
    """
    if spec.needs_weights and weights is None:
        raise UsageError(
            f"detector {spec.name!r} cannot be checked without weights",
            hints=(f"dfbench plugins check {for_shell(spec.name)} --weights PATH/TO/WEIGHTS",),
        )

    options = LoadOptions(weights, device)
    with ExitStack() as stack:
        built: list[tuple[Detector | ScoresFiles, ClipSpec]] = []

        def check_build() -> str:
            card = card_of(spec, options)
            built.append((stack.enter_context(opened_scorer(spec, options)), card.clips))
            return card.bad_margin()

        def check_card() -> str:
            card_of_work(spec)
            return ""

        results = [run_check("builds", check_build)]
        if spec.card_file:
            results.append(run_check("has a whole card", check_card))
        if not results[0].passed:
            return results
        detector, clip_spec = built[0]
        if isinstance(detector, ScoresFiles):
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="dfbench-check-")))
            return results + check_files(spec, detector, options, scratch)
        return results + _checks_of(spec, detector, _random_clips(clip_spec), options)


def _checks_of(
    spec: DetectorSpec, detector: Detector, clips: Tensor, options: LoadOptions
) -> list[CheckResult]:
    """Check a detector that is built on `clips`, and its explainer if it has one."""

    def score_again() -> Tensor:
        with opened(spec, options) as other:
            return score(other, clips)

    scored = [
        ("returns a floating (B,) tensor", lambda: wrong_form(score(detector, clips), len(clips))),
        ("accepts a batch of one", lambda: wrong_form(score(detector, clips[:1]), 1)),
        ("scores are finite", lambda: _not_finite(detector, clips)),
        ("same score alone and in any batch", lambda: _batch_effect(detector, clips)),
        (
            "same score when asked again",
            lambda: difference(score(detector, clips), score(detector, clips)),
        ),
        ("same score when built again", lambda: difference(score(detector, clips), score_again())),
        ("leaves its input unchanged", lambda: _changed_input(detector, clips)),
    ]
    results = [run_check(name, function) for name, function in scored]
    return results + (check_explainer(spec, detector, clips, options) if spec.explain else [])


def _random_clips(spec: ClipSpec) -> Tensor:
    """uint8 (3, T, H, W, 3) noise: unlike one another, so that a mix-up within the batch shows."""
    import torch

    shape = (_BATCH, spec.frames, spec.size, spec.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(SEED))
    clips[0] //= 4  # one dark clip: normalisation over the batch would move its neighbours
    return clips


def _not_finite(detector: Detector, clips: Tensor) -> str:
    extremes = clips.clone()
    extremes[0], extremes[1] = 0, 255
    for what, batch in (("noise", clips), ("black, white and noise", extremes)):
        values = score(detector, batch).flatten().tolist()
        if not all(math.isfinite(value) for value in values):
            return f"scores of {what}: {values}"
    return ""


def _batch_effect(detector: Detector, clips: Tensor) -> str:
    import torch

    together = score(detector, clips)
    alone = torch.cat([score(detector, clip[None]) for clip in clips])
    reversed_order = score(detector, clips.flip(0)).flip(0)
    return difference(together, alone) or difference(together, reversed_order)


def _changed_input(detector: Detector, clips: Tensor) -> str:
    given = clips.clone()
    detector.score(given)
    return "" if bool((given == clips).all()) else "the clips were changed in place"
