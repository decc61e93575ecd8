"""Checks that a plugin author runs: does the thing behave as the harness expects of it?

A number is only as good as the detector's manners. A score that depends on what else is in the batch, or that
changes from call to call, makes a table that nobody can repeat; these checks find it before a benchmark does.
Every check is run, whatever the others found; none raises because of what is checked.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import LayoutError, PluginError, UsageError
from dfbench.escaping import for_shell
from dfbench.hooks.detectors import card_of, opened, opened_explainer
from dfbench.hooks.manners import kept
from dfbench.hooks.registry import load_object, one_line, plugin_traceback
from dfbench.interfaces import Dataset, DatasetIndex, Detector, Evidence, Explainer, Synthesizer
from dfbench.specs import DatasetSpec, DetectorSpec, EvidenceMap, LoadOptions, SynthesizerSpec
from dfbench.types import ClipSpec, PseudoFake

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
"""How far two scores of the same clip may lie apart, in logits."""

_BATCH = 3
_SEED = 20_260


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its name, whether it passed, and if not what was found (with a traceback if code raised)."""

    name: str
    passed: bool
    detail: str = ""


def check_detector(
    spec: DetectorSpec, *, device: str = "cpu", weights: Path | None = None
) -> list[CheckResult]:
    """Build the detector and score random clips of the size that it asks for.

    Checks that it builds, returns a floating (B,) tensor of finite logits, scores a clip alike alone and in any
    batch (within 1e-4), repeats itself, does so when built again with the same seed, leaves its input unchanged,
    and takes a batch of one. Where it offers to explain itself, `check_explainer` follows. Raises UsageError if the
    detector needs weights and none are given.
    """
    if spec.needs_weights and weights is None:
        raise UsageError(
            f"detector {spec.name!r} cannot be checked without weights",
            hints=(f"dfbench plugins check {for_shell(spec.name)} --weights PATH/TO/WEIGHTS",),
        )

    options = LoadOptions(weights, device)
    with ExitStack() as stack:
        built: list[tuple[Detector, ClipSpec]] = []

        def check_build() -> str:
            card = card_of(spec, options)
            built.append((stack.enter_context(opened(spec, options)), card.clips))
            return card.bad_margin()

        results = [_check("builds", check_build)]
        if not results[0].passed:
            return results
        detector, clip_spec = built[0]
        return results + _checks_of(spec, detector, _random_clips(clip_spec), options)


def _checks_of(
    spec: DetectorSpec, detector: Detector, clips: Tensor, options: LoadOptions
) -> list[CheckResult]:
    """Check a detector that is built on `clips`, and its explainer if it has one."""

    def score_again() -> Tensor:
        with opened(spec, options) as other:
            return _score(other, clips)

    scored = [
        ("returns a floating (B,) tensor", lambda: _wrong_form(_score(detector, clips), len(clips))),
        ("accepts a batch of one", lambda: _wrong_form(_score(detector, clips[:1]), 1)),
        ("scores are finite", lambda: _not_finite(detector, clips)),
        ("same score alone and in any batch", lambda: _batch_effect(detector, clips)),
        (
            "same score when asked again",
            lambda: _difference(_score(detector, clips), _score(detector, clips)),
        ),
        ("same score when built again", lambda: _difference(_score(detector, clips), score_again())),
        ("leaves its input unchanged", lambda: _changed_input(detector, clips)),
    ]
    results = [_check(name, function) for name, function in scored]
    return results + (check_explainer(spec, detector, clips, options) if spec.explain else [])


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

        results = [_check("builds its explainer", check_build)]
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
            lambda: _difference(standard(clips).logits, _score(detector, clips)),
        ),
        (
            "same evidence alone and in a batch",
            lambda: _differing_evidence(standard(clips), [standard(clip[None]) for clip in clips]),
        ),
        ("leaves what it explains unchanged", changed_input),
    ]
    return [_check(name, function) for name, function in checks]


def check_dataset(
    spec: DatasetSpec,
    root: Path,
    *,
    compression: str | None = None,
    roots: Mapping[str, Path] | None = None,
) -> list[CheckResult]:
    """Index the dataset under `root` twice and check what every later stage relies on.

    Checks that it builds, that the index is a `DatasetIndex` with videos, that `video_id` is unique, that rows
    carry the dataset's name, a split, a group, and "real" as the manipulation of exactly the real videos (and fakes no
    word of result tables, "all" or "mean"), that a
    second index is equal to the first, and that an empty folder is refused with LayoutError. `roots` are those of the
    datasets that `spec` needs.
    """
    more = {"roots": roots or {}} if spec.needs else {}

    def index(folder: Path) -> DatasetIndex:
        factory = cast("Callable[..., Dataset]", load_object(spec.build))
        return factory(folder, compression=compression, **more).index()

    found: list[DatasetIndex] = []

    def check_index() -> str:
        result: object = index(root)
        if not isinstance(result, DatasetIndex):
            return f"index() returned {type(result).__name__}, not DatasetIndex"
        found.append(result)
        return "" if result.videos else f"no video in {root}"

    results = [_check("indexes its root", check_index)]
    if not found:
        return results
    checks = [
        ("video ids are unique", lambda: _repeated_ids(found[0])),
        ("rows are complete and consistent", lambda: _bad_rows(found[0], spec.name)),
        ("a second index is equal", lambda: "" if index(root) == found[0] else "the two indexes differ"),
        ("an empty folder is refused", lambda: _accepts_empty_folder(index)),
    ]
    return results + [_check(name, function) for name, function in checks]


def check_synthesizer(
    spec: SynthesizerSpec, *, options: Mapping[str, object] | None = None
) -> list[CheckResult]:
    """Make pseudo-fakes of a drawn face with the given options.

    Checks that it builds, returns a `PseudoFake` of the shapes, dtypes and ranges that `dfbench.types` documents,
    marks a place wherever the clip was changed at all, repeats itself with an equal generator, and leaves its
    input unchanged.
    """
    frames, landmarks = _drawn_face()
    built: list[Synthesizer] = []

    def check_build() -> str:
        factory = cast("Callable[[Mapping[str, object]], Synthesizer]", load_object(spec.build))
        built.append(factory(dict(options or {})))
        return (
            ""
            if isinstance(built[0], Synthesizer)
            else f"{type(built[0]).__name__} has no method `synthesize`"
        )

    def make(seed: int) -> PseudoFake:
        return built[0].synthesize(frames.copy(), landmarks.copy(), np.random.default_rng(seed))

    def changed_input() -> str:
        given = (frames.copy(), landmarks.copy())
        built[0].synthesize(*given, np.random.default_rng(_SEED))
        kept = np.array_equal(given[0], frames) and np.array_equal(given[1], landmarks)
        return "" if kept else "frames or landmarks were changed in place"

    results = [_check("builds", check_build)]
    if not results[0].passed:
        return results
    checks = [
        ("returns a PseudoFake in order", lambda: _bad_pseudo_fake(make(_SEED), frames)),
        ("marks what it changes", lambda: _unmarked_change(make(_SEED))),
        ("same fake with an equal generator", lambda: _differing_fakes(make(_SEED), make(_SEED))),
        ("leaves its input unchanged", changed_input),
    ]
    return results + [_check(name, function) for name, function in checks]


def _check(name: str, find_problem: Callable[[], str]) -> CheckResult:
    """Run one check, a function that returns what is wrong or nothing."""
    try:
        with kept(lambda: "the plugin", f"in the check {name!r}"):
            problem = find_problem()
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what the author wants to read
        own = error.__cause__ if isinstance(error, PluginError) and error.__cause__ is not None else error
        problem = f"{one_line(own)}\n{plugin_traceback(own)}"
    return CheckResult(name, not problem, problem)


def _random_clips(spec: ClipSpec) -> Tensor:
    """uint8 (3, T, H, W, 3) noise: unlike one another, so that a mix-up within the batch shows."""
    import torch

    shape = (_BATCH, spec.frames, spec.size, spec.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(_SEED))
    clips[0] //= 4  # one dark clip: normalisation over the batch would move its neighbours
    return clips


def _score(detector: Detector, clips: Tensor) -> Tensor:
    """Scores of a copy of `clips`: a detector that writes into its input must not spoil the other checks."""
    return detector.score(clips.clone())


def _wrong_form(scores: Any, count: int) -> str:
    import torch

    if not isinstance(scores, torch.Tensor):
        return f"score() returned {type(scores).__name__}, not a tensor"
    if tuple(scores.shape) != (count,):
        return f"the shape is {tuple(scores.shape)}, not ({count},)"
    return "" if scores.is_floating_point() else f"the dtype is {scores.dtype}, which is not floating"


def _not_finite(detector: Detector, clips: Tensor) -> str:
    extremes = clips.clone()
    extremes[0], extremes[1] = 0, 255
    for what, batch in (("noise", clips), ("black, white and noise", extremes)):
        values = _score(detector, batch).flatten().tolist()
        if not all(math.isfinite(value) for value in values):
            return f"scores of {what}: {values}"
    return ""


def _batch_effect(detector: Detector, clips: Tensor) -> str:
    import torch

    together = _score(detector, clips)
    alone = torch.cat([_score(detector, clip[None]) for clip in clips])
    reversed_order = _score(detector, clips.flip(0)).flip(0)
    return _difference(together, alone) or _difference(together, reversed_order)


def _difference(first: Tensor, second: Tensor) -> str:
    if first.shape != second.shape:
        return f"the shapes differ: {tuple(first.shape)} and {tuple(second.shape)}"
    distance = float((first.detach().double() - second.detach().double()).abs().max())
    return "" if distance <= TOLERANCE else f"scores differ by up to {distance:.3g} (allowed: {TOLERANCE:g})"


def _changed_input(detector: Detector, clips: Tensor) -> str:
    given = clips.clone()
    detector.score(given)
    return "" if bool((given == clips).all()) else "the clips were changed in place"


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
    if problem := _wrong_form(evidence.logits, 1):
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
        if problem := _difference(together.logits[number : number + 1], one.logits):
            return f"logits: {problem}"
        for name, made in together.maps.items():
            scale = float(made.abs().max()) or 1.0
            distance = float((made[number] - one.maps[name][0]).abs().max()) / scale
            if distance > TOLERANCE:
                return f"map {name!r} differs by up to {distance:.3g} of its range (allowed: {TOLERANCE:g})"
    return ""


def _repeated_ids(index: DatasetIndex) -> str:
    counts = Counter(video.video_id for video in index.videos)
    repeated = [video_id for video_id, count in counts.items() if count > 1]
    return f"repeated: {', '.join(repeated[:5])}" if repeated else ""


def _bad_rows(index: DatasetIndex, dataset: str) -> str:
    for video in index.videos:
        if video.dataset != dataset:
            return f"{video.video_id}: dataset is {video.dataset!r}, not {dataset!r}"
        if fault := video.fault():
            return f"{video.video_id!r}: {fault}"
    return ""


def _accepts_empty_folder(index: Callable[[Path], DatasetIndex]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            index(Path(folder))
        except LayoutError:
            return ""
    return "no LayoutError was raised"


def _drawn_face(size: int = 128, frames: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A shaded face on noise, moving by one pixel a frame: (T, H, W, 3) uint8 and (T, 81, 2) float32 landmarks."""
    points = _face_points(size)
    landmarks = np.stack([points + np.float32(step) for step in range(frames)])
    rows, columns = np.mgrid[0:size, 0:size]
    rng = np.random.default_rng(_SEED)
    clip = np.empty((frames, size, size, 3), dtype=np.uint8)
    for step in range(frames):
        radius = np.hypot((columns - size / 2 - step) / 0.30, (rows - size / 2 - step) / 0.40) / size
        face = np.stack([190 - 60 * radius, 150 - 50 * radius, 125 - 40 * radius], axis=-1)
        back = np.broadcast_to(90 + 60 * rows[..., None] / size, face.shape)
        shaded = np.where(radius[..., None] < 1, face, back) + rng.normal(0, 6, face.shape)
        clip[step] = np.clip(shaded, 0, 255).astype(np.uint8)
    return clip, landmarks


def _face_points(size: int) -> NDArray[np.float32]:
    """81 landmarks of a frontal face in the usual order: jaw, brows, nose, eyes, mouth, forehead."""

    def arc(
        count: int, centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float
    ) -> Any:
        angles = np.radians(np.linspace(start, stop, count))
        return np.stack(
            [centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1
        )

    nose = np.stack([np.full(4, 0.5), np.linspace(0.42, 0.54, 4)], axis=1)
    parts = (
        arc(17, (0.5, 0.5), (0.28, 0.36), 180, 0),
        arc(5, (0.38, 0.39), (0.08, 0.03), 180, 360),
        arc(5, (0.62, 0.39), (0.08, 0.03), 180, 360),
        nose,
        arc(5, (0.5, 0.56), (0.06, 0.02), 180, 0),
        arc(6, (0.38, 0.43), (0.05, 0.02), 180, 480),
        arc(6, (0.62, 0.43), (0.05, 0.02), 180, 480),
        arc(12, (0.5, 0.68), (0.10, 0.04), 180, 510),
        arc(8, (0.5, 0.68), (0.06, 0.02), 180, 495),
        arc(13, (0.5, 0.46), (0.27, 0.28), 190, 350),
    )
    return np.asarray(np.concatenate(parts) * size, dtype=np.float32)


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
