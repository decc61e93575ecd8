"""Explain a video file: find its main face, cut windows of successive frames, ask the detector's explainer.

Two passes over the file, the first to find and track faces, the second to crop them. What is held in memory at a time
is a few frames; crops and maps are in files of a scratch folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import cut_crops
from dfbench.data.coordinates import crop_boxes
from dfbench.data.faces import MainFace, follow
from dfbench.data.video import VideoInfo, probe, read_range
from dfbench.data.video_faces import Frame, crop_track, look, ranked_tracks
from dfbench.errors import (
    NoFaceError,
    PluginError,
    TooShortError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from dfbench.hooks.registry import closest
from dfbench.interfaces import (
    Explainer,
    ExplainerFactory,
    FaceFinder,
    Progress,
    ProgressTask,
    ThoroughFaceFinder,
)
from dfbench.runs.cards import Reading, card_of
from dfbench.runs.evidence import TrackEvidence, gather, pooled_logit, standard_maps, windows_of
from dfbench.runs.provenance import file_sha256
from dfbench.runs.stage import choose_device
from dfbench.types import ClipSpec, DetectorCard, DetectorSpec, EvidenceMap, FrameChoice, PrepareSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

CROP_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class OpenExplainer:
    """A detector's explainer, ready; `maps` are those to make, the one to show first."""

    explainer: Explainer
    spec: DetectorSpec
    card: DetectorCard
    weights_sha256: str
    maps: tuple[EvidenceMap, ...]
    seed: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which part of a video: from `start` seconds on, `seconds` long (None: to its end); a window every `hop` frames
    (None: every T // 2, so that a frame is seen in more than one)."""

    start: float = 0.0
    seconds: float | None = None
    hop: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The evidence of one video over its n frames with a face.

    frame_indices (n,) int64, positions in the video; boxes (n, 4) float64: the part of the frame that each crop and
    map shows, x0 y0 x1 y1 in frame pixels; crops (n, S, S, 3) uint8 RGB. `logit` is the pooled logit of the windows,
    `margin` that of the crops, as in `ClipSpec`.
    """

    path: Path
    info: VideoInfo
    frame_size: tuple[int, int]
    frame_indices: NDArray[np.int64]
    boxes: NDArray[np.float64]
    crops: NDArray[np.uint8]
    evidence: TrackEvidence
    logit: float
    margin: float


def explaining_detectors(registry: Registry) -> list[str]:
    """The names of the detectors that can explain themselves, in the order of the plugins."""
    return [name for name in registry.names("detector") if registry.detector(name).explain]


def open_explainer(
    spec: DetectorSpec,
    registry: Registry,
    *,
    weights: Path | None,
    device: str,
    seed: int = 0,
    names: Sequence[str] = (),
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> OpenExplainer:
    """Build the explainer of a detector. `names` are the maps to make, the standard ones if none.

    Raises UsageError if the detector cannot explain itself or a map is unknown, WeightsError.
    """
    if not spec.explain:
        able = explaining_detectors(registry)
        raise UsageError(
            f"detector {spec.name!r} cannot explain itself",
            hints=(f"detectors that can: {', '.join(able) or 'none is installed'}",),
        )
    if weights is None and spec.needs_weights:
        raise WeightsError(
            f"detector {spec.name!r} needs weights to explain anything",
            hints=(
                "name them:                     --weights PATH/TO/WEIGHTS",
                "or a run that used them:       --run RUN --video ID",
                "or use those of the demo data: --data demo",
            ),
        )
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no such weights file: {weights}", hints=("correct --weights",))
    factory = cast("ExplainerFactory", registry.load_object(spec.explain))
    explainer = factory(weights=weights, device=choose_device(device), seed=seed, **reading.options())
    offered = {one.name: one for one in explainer.maps()}
    if not offered:
        raise PluginError(f"the explainer of {spec.name!r} offers no map")
    for name in names:
        if name not in offered:
            raise _unknown_map(spec.name, name, list(offered))
    wanted = dict.fromkeys(names or standard_maps(list(offered.values())))
    return OpenExplainer(
        explainer=explainer,
        spec=spec,
        card=card_of(spec, registry, weights, reading),
        weights_sha256=file_sha256(weights) if weights is not None else "",
        maps=tuple(offered[name] for name in wanted),
        seed=seed,
        reading=reading,
    )


def _unknown_map(detector: str, name: str, known: list[str]) -> UnknownNameError:
    close = closest(name, known)
    hints = [f"did you mean {' or '.join(repr(one) for one in close)}?"] if close else []
    return UnknownNameError(f"{detector} has no map {name!r}", hints=(*hints, f"maps: {', '.join(known)}"))


def explain_video(
    opened: OpenExplainer,
    path: Path,
    *,
    finder: FaceFinder,
    excerpt: Excerpt,
    scratch: Path,
    progress: Progress,
    margin: float,
) -> Explanation:
    """Explain one video file, with large arrays in files of `scratch`, which must exist.

    `margin` of the crops, as in `ClipSpec`: that of the detector, unless a dataset of a run has its own.
    Raises VideoError (missing, undecodable, no face, too short), UsageError if the excerpt is outside the video.
    """
    info = probe(path)
    first, count = _range(info, excerpt, path)
    spec = replace(opened.card.clips, margin=margin)
    main, frame_size = _track(path, first, count, finder, progress, clip=spec.frames)
    positions = first + main.rows
    try:
        windows = windows_of(positions, spec.frames, excerpt.hop or max(1, spec.frames // 2))
    except TooShortError as error:
        raise TooShortError(f"{path}: {error.message}") from error
    shape = (len(main.rows), spec.size, spec.size, 3)
    crops = np.lib.format.open_memmap(scratch / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
    done = 0
    for chunk in _crops(path, first, count, main, spec):
        crops[done : done + len(chunk)] = chunk
        done += len(chunk)
    with progress.task(f"evidence in {path.name}, clips", len(windows)) as task:
        names = [one.name for one in opened.maps]
        evidence = gather(opened.explainer, crops, windows, names, folder=scratch, task=task)
    return Explanation(
        path=path,
        info=info,
        frame_size=frame_size,
        frame_indices=positions,
        boxes=crop_boxes(main.boxes, margin, square=spec.square, frame_size=frame_size),
        crops=crops,
        evidence=evidence,
        logit=pooled_logit(evidence.logits, opened.card.pooling),
        margin=margin,
    )


def _range(info: VideoInfo, excerpt: Excerpt, path: Path) -> tuple[int, int]:
    """First frame and number of frames."""
    rate = info.rate
    first = round(max(0.0, excerpt.start) * rate)
    if first >= info.frames:
        raise UsageError(
            f"{path} lasts {info.frames / rate:.1f} s and cannot be explained from {excerpt.start:g} s on",
            hints=("correct --start",),
        )
    left = info.frames - first
    return first, left if excerpt.seconds is None else max(1, min(left, round(excerpt.seconds * rate)))


def _track(
    path: Path, first: int, count: int, finder: FaceFinder, progress: Progress, *, clip: int
) -> tuple[MainFace, tuple[int, int]]:
    """The main face, its rows counted from `first`, and the frames' size (width, height); `clip` frames make a clip."""
    in_order = finder.of_video() if isinstance(finder, ThoroughFaceFinder) else finder
    with progress.task(f"faces in {path.name}, frames", count) as task:
        search = look(_told(read_range(path, first, count), task), in_order, 1)
    tracks = ranked_tracks(search, search.found, FrameChoice("first", count, clip=clip))
    if not tracks:
        raise NoFaceError(f"{path}: no face in any of {len(search.found)} frames looked at")
    return follow(tracks[0], search.looked_at, search.positions), search.frame_size


def _told(frames: Iterable[Frame], task: ProgressTask) -> Iterator[Frame]:
    """`frames`, each of which moves the bar."""
    for frame in frames:
        yield frame
        task.advance()


def _crops(
    path: Path, first: int, count: int, main: MainFace, clips: ClipSpec
) -> Iterator[NDArray[np.uint8]]:
    """Crops (m, size, size, 3) of the rows of `main`, a few at a time, cut as for scoring."""
    spec = PrepareSpec(FrameChoice("first", 0))
    rows = {int(row): place for place, row in enumerate(main.rows)}
    waiting: list[tuple[int, NDArray[np.uint8]]] = []

    def cut() -> NDArray[np.uint8]:
        places = [rows[position - first] for position, _ in waiting]
        part = replace(
            main,
            rows=main.rows[places],
            boxes=main.boxes[places],
            scores=main.scores[places],
            points=main.points[places],
        )
        stored = crop_track(waiting, part, spec)
        return cut_crops(
            stored, range(len(places)), size=clips.size, margin=clips.margin, square=clips.square
        )

    for position, frame in read_range(path, first, count):
        if position - first in rows:
            waiting.append((position, frame))
        if len(waiting) == CROP_BATCH:
            yield cut()
            waiting.clear()
    if waiting:
        yield cut()
