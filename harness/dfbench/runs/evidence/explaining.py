"""Explain a video: the clips that are scored, or windows of successive frames of the same face; ask the detector's explainer.

What is held in memory at a time is a few frames; crops and maps are in files of a scratch folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import read_clips
from dfbench.data.coordinates import crop_boxes
from dfbench.data.decoding.video import probe
from dfbench.data.decoding.video_file import VideoInfo
from dfbench.data.store.face_files import read_track
from dfbench.errors import PluginError, TooShortError, unknown_name
from dfbench.escaping import for_terminal
from dfbench.hooks.detectors import opened_explainer
from dfbench.interfaces import Explainer, FaceFinder, Progress
from dfbench.names import shown
from dfbench.runs.evidence.excerpts import Excerpt, cut_face, follow_face
from dfbench.runs.evidence.scored_faces import ScoredFaces
from dfbench.runs.evidence.windows import TrackEvidence, gather, pooled_logit, standard_maps, windows_of
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.refusals import require_explainer
from dfbench.runs.records.trained import NOTHING_KNOWN, Training
from dfbench.runs.trainings.known_detector import known_detector, without_weights
from dfbench.specs import DetectorCard, DetectorSpec, EvidenceMap, LoadOptions
from dfbench.training.state_files import check_weights_file

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class OpenExplainer:
    """A detector's explainer, loaded as `options` say; `maps` are those to make, the one to show first.

    `notice` is what a reader of its scores must know of `training`, "" if there is nothing to warn of.
    """

    explainer: Explainer
    spec: DetectorSpec
    card: DetectorCard
    weights_sha256: str
    maps: tuple[EvidenceMap, ...]
    options: LoadOptions
    training: Training = NOTHING_KNOWN
    notice: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The evidence of one video over its n frames with a face.

    frame_indices (n,) int64, positions in the video; boxes (n, 4) float64: the part of the frame that each crop and
    map shows, x0 y0 x1 y1 in frame pixels; crops (n, S, S, 3) uint8 RGB. `logit` is the pooled logit of the windows,
    `margin` that of the crops, as in `ClipSpec`. Of `looked_at` frames, `held` hold the face. `scored`: the windows are
    the clips that are scored, and not successive frames.
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
    looked_at: int
    held: int
    scored: bool = False


@contextmanager
def open_explainer(
    spec: DetectorSpec, registry: Registry, options: LoadOptions, *, names: Sequence[str] = ()
) -> Iterator[OpenExplainer]:
    """Build the explainer of a detector and yield it. `names` are the maps to make, the standard ones if none.

    Raises UsageError if the detector cannot explain itself or a map is unknown, WeightsError.
    """
    require_explainer(spec, registry)
    if options.weights is None and spec.needs_weights:
        raise without_weights(spec, to="explain")
    if options.weights is not None:
        check_weights_file(options.weights)
    options = replace(options, device=choose_device(options.device))
    with opened_explainer(spec, options) as explainer:
        maps = _wanted_maps(explainer, names, spec)
        known = known_detector(spec, options, registry)
        yield OpenExplainer(
            explainer=explainer,
            spec=spec,
            card=known.card,
            weights_sha256=known.weights_sha256,
            maps=maps,
            options=options,
            training=known.training,
            notice=known.training.notice(registry),
        )


def _wanted_maps(explainer: Explainer, names: Sequence[str], spec: DetectorSpec) -> tuple[EvidenceMap, ...]:
    """The maps of these names, or the standard ones. Raises PluginError, UnknownNameError."""
    offered = {one.name: one for one in explainer.maps()}
    if not offered:
        raise PluginError(f"the explainer of {spec.name!r} offers no map")
    for name in offered:
        if (
            not name.strip() or set(name) & set("/\\") or for_terminal(name) != name
        ):  # the name of an array in a file
            raise PluginError(
                f"the explainer of {spec.name!r} offers a map {shown(name)}, which cannot be stored"
            )
    for name in names:
        if name not in offered:
            raise unknown_name("map", name, list(offered), where=spec.name)
    wanted = dict.fromkeys(names or standard_maps(list(offered.values())))
    return tuple(offered[name] for name in wanted)


def explain_excerpt(
    opened: OpenExplainer,
    path: Path,
    scored: ScoredFaces,
    *,
    finder: FaceFinder,
    excerpt: Excerpt,
    scratch: Path,
    progress: Progress,
) -> Explanation:
    """Explain successive frames of one video file, with large arrays in files of `scratch`, which must exist.

    The face is the one that is `scored`; its clips say how it is cut. Raises VideoError (missing, undecodable, no face, too
    short), UsageError if the excerpt is outside the video.
    """
    info = probe(path)
    first, count = excerpt.frames_of(info, path)
    spec, like = scored.clips, read_track(scored.path, wanted=scored.wanted)
    face = follow_face(path, first, count, finder=finder, like=like, progress=progress)
    main = face.main
    positions = face.positions
    try:
        windows = windows_of(positions, spec.frames, excerpt.hop or max(1, spec.frames // 2))
    except TooShortError as error:
        raise TooShortError(f"{path}: {error.message}") from error
    shape = (len(main.rows), spec.size, spec.size, 3)
    crops = np.lib.format.open_memmap(scratch / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
    done = 0
    for chunk in cut_face(path, first, count, main, spec):
        crops[done : done + len(chunk)] = chunk
        done += len(chunk)
    evidence = _evidence(opened, path, crops, windows, scratch, progress)
    return Explanation(
        path=path,
        info=info,
        frame_size=face.frame_size,
        frame_indices=positions,
        boxes=crop_boxes(main.boxes, spec.margin, square=spec.square, frame_size=face.frame_size),
        crops=crops,
        looked_at=face.looked_at,
        held=len(main.rows),
        scored=False,
        margin=spec.margin,
        evidence=evidence,
        logit=pooled_logit(evidence.logits, opened.card.pooling),
    )


def explain_scored(
    opened: OpenExplainer, path: Path, scored: ScoredFaces, *, scratch: Path, progress: Progress
) -> Explanation:
    """Explain the very clips of a video file that are scored, out of the face file that they are scored from.

    Raises VideoError, StoreError.
    """
    info, clips = probe(path), scored.clips
    stored = read_track(scored.path, wanted=scored.wanted)
    if stored.origin.note:
        progress.note(f"{path.name}: {stored.origin.note}")
    try:
        batch, frames = read_clips(scored.path, clips, wanted=scored.wanted)
    except TooShortError as error:
        raise TooShortError(f"{path}: {error.message}") from error
    rows = np.searchsorted(stored.track.frame_indices, frames.ravel())
    crops = batch.reshape(-1, *batch.shape[2:])
    windows = np.arange(frames.size).reshape(frames.shape)
    size = stored.track.frame_size
    evidence = _evidence(opened, path, crops, windows, scratch, progress)
    return Explanation(
        path=path,
        info=info,
        frame_size=size,
        frame_indices=frames.ravel(),
        boxes=crop_boxes(stored.track.boxes[rows], clips.margin, square=clips.square, frame_size=size),
        crops=crops,
        looked_at=stored.origin.wanted_frames,
        held=stored.origin.face_frames,
        scored=True,
        margin=clips.margin,
        evidence=evidence,
        logit=pooled_logit(evidence.logits, opened.card.pooling),
    )


def _evidence(
    opened: OpenExplainer,
    path: Path,
    crops: NDArray[np.uint8],
    windows: NDArray[np.int64],
    scratch: Path,
    progress: Progress,
) -> TrackEvidence:
    names = [one.name for one in opened.maps]
    with progress.task(f"evidence in {path.name}, clips", len(windows)) as task:
        return gather(opened.explainer, crops, windows, names, folder=scratch, task=task)
