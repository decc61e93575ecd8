"""Checks of an explainer: its maps are of the very scores that the detector gives."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dfbench.exchanged import Evidence
from dfbench.hooks.conformance.checking import TOLERANCE, CheckResult, run_check
from dfbench.hooks.conformance.tensors import difference, score, wrong_form
from dfbench.hooks.detectors import opened_explainer
from dfbench.interfaces import Detector, Explainer
from dfbench.specs import DetectorSpec, EvidenceMap, LoadOptions

if TYPE_CHECKING:
    from torch import Tensor


def check_explainer(
    spec: DetectorSpec, detector: Detector, clips: Tensor, options: LoadOptions
) -> list[CheckResult]:
    """Check the explainer of a detector that is built, on uint8 clips (B, T, H, W, 3).

    Checks that it builds, offers maps of different names, returns every one of them as a finite floating (1, T, h, w)
    tensor, explains the very logits that the detector gives, says the same of a clip alone and in a batch (within
    1e-4 of its standard maps' range), and leaves its input unchanged.
    """
    with ExitStack() as stack:
        built: list[Explainer] = []

        def check_build() -> str:
            built.append(stack.enter_context(opened_explainer(spec, options)))
            return ""

        results = [run_check("builds its explainer", check_build)]
        return results + (_checks_of_explainer(built[0], detector, clips, spec.maps) if built else [])


def _checks_of_explainer(
    explainer: Explainer, detector: Detector, clips: Tensor, named: tuple[str, ...]
) -> list[CheckResult]:
    """Check an explainer that is built on `clips`; `named` are the maps that its spec names."""

    def standard(batch: Tensor) -> Evidence:
        offered = explainer.maps()
        names = [one.name for one in offered if one.standard] or [offered[0].name]
        return explainer.explain(batch.clone(), names)

    def changed_input() -> str:
        given = clips[:1].clone()
        explainer.explain(given, [explainer.maps()[0].name])
        return "" if bool((given == clips[:1]).all()) else "the clips were changed in place"

    checks = [
        ("offers maps", lambda: _bad_offer(explainer.maps(), named)),
        ("makes every map that it offers", lambda: _bad_evidence(explainer, clips[:1])),
        (
            "explains the score that it gives",
            lambda: difference(standard(clips).logits, score(detector, clips)),
        ),
        (
            "same evidence alone and in a batch",
            lambda: _differing_evidence(standard(clips), [standard(clip[None]) for clip in clips]),
        ),
        ("leaves what it explains unchanged", changed_input),
    ]
    return [run_check(name, function) for name, function in checks]


def _bad_offer(maps: Any, named: tuple[str, ...]) -> str:
    if not maps or not all(isinstance(one, EvidenceMap) for one in maps):
        return f"maps() returned {maps!r}, which is not a sequence of EvidenceMap with at least one"
    repeated = [name for name, count in Counter(one.name for one in maps).items() if count > 1]
    if repeated:
        return f"repeated: {', '.join(repeated)}"
    offered = [one.name for one in maps]
    return f"offers {offered}, and its spec names {[*named]}" if named and set(offered) != set(named) else ""


def _bad_evidence(explainer: Explainer, clip: Tensor) -> str:
    import torch

    names = [one.name for one in explainer.maps()]
    evidence: object = explainer.explain(clip.clone(), names)
    if not isinstance(evidence, Evidence):
        return f"explain() returned {type(evidence).__name__}, not Evidence"
    if problem := wrong_form(evidence.logits, 1):
        return f"logits: {problem}"
    frames = clip.shape[1]
    if evidence.frame_logits is not None and tuple(evidence.frame_logits.shape) != (1, frames):
        return f"frame_logits are {tuple(evidence.frame_logits.shape)}, not {(1, frames)}"
    for name in names:
        made: Any = evidence.maps.get(name)
        if not isinstance(made, torch.Tensor) or made.ndim != 4 or tuple(made.shape[:2]) != (1, frames):
            shown = tuple(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
            return f"map {name!r} is {shown}, not (1, {frames}, h, w)"
        if not made.is_floating_point() or not bool(torch.isfinite(made).all()):
            return f"map {name!r} holds values that are not finite floating numbers"
    return ""


def _differing_evidence(together: Evidence, alone: list[Evidence]) -> str:
    for number, one in enumerate(alone):
        if problem := difference(together.logits[number : number + 1], one.logits):
            return f"logits: {problem}"
        for name, made in together.maps.items():
            scale = float(made.abs().max()) or 1.0
            distance = float((made[number] - one.maps[name][0]).abs().max()) / scale
            if distance > TOLERANCE:
                return f"map {name!r} differs by up to {distance:.3g} of its range (allowed: {TOLERANCE:g})"
    return ""
