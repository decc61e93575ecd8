"""Is the evidence where, and when, the forgery is? Maps against the official masks; frames of spliced videos.

Where: each fake with a mask video is explained on clips spread over it, and each frame's map compared with the mask, both
on one grid over the face crop, once with the mask itself and once with the band around its border. Besides the maps
stand two that see no video: the *centre prior*, a Gaussian in the middle of the crop, and each map's own *template*, its
mean over the videos of other people, which tells how much of a map is the shape of any face.

When: runs of frames of a fake are spliced to runs of the real video of the same person, real first in half of them, and
each frame's evidence is compared with whether it is forged.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import cut_crops
from dfbench.data.coordinates import crop_boxes, cut_region
from dfbench.data.decoding.video import read_positions
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import StoredFaces, read_faces
from dfbench.data.stretches import stretches
from dfbench.errors import RunError, SingleClassError, StoreError, TooShortError, UsageError, VideoError
from dfbench.metrics.localisation import border, centre_prior, map_auc, pointing
from dfbench.metrics.point import auc
from dfbench.progress import SilentTask
from dfbench.runs.evidence.explaining import OpenExplainer
from dfbench.runs.evidence.windows import gather, windows_of
from dfbench.runs.planning.session import ProtocolSession
from dfbench.specs import VideoSelection
from dfbench.types import FrameChoice, Label, Status, Video

if TYPE_CHECKING:
    import pandas as pd


GRID = 48  # cells along a side of the crop on which maps and masks meet
TOLERANCE = 2  # cells: 4 % of the crop's side
BAND = 3  # cells on both sides of the mask's border
RUNS = 3
CENTRE, TEMPLATE = "centre prior", "template of "
MASK, BORDER = "mask", "border"

Cells = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Explained:
    """Maps of one fake by name, (m, GRID, GRID) each, and the regions (m, GRID, GRID) bool of its m frames."""

    video: Video
    maps: dict[str, Cells]
    regions: NDArray[np.bool_]


@dataclass(slots=True)
class Localisation:
    """A row a video, map and target ("mask" or "border"); a row a video and kind of evidence over time; and what could
    not be used, a sentence each."""

    where: list[dict[str, object]] = field(default_factory=list)
    when: list[dict[str, object]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def skip(self, video: Video, reason: str) -> None:
        """Note, once, that a video cannot be used, and why."""
        told = f"{video.dataset}/{video.video_id}: {reason}"
        if told not in self.skipped:
            self.skipped.append(told)

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`where`: dataset, video_id, manipulation, group, map, target, auc, pointing, frames. `when`: dataset,
        video_id, manipulation, group, evidence, auc, frames."""
        import pandas as pd

        return pd.DataFrame(self.where), pd.DataFrame(self.when)


def masked_videos(
    session: ProtocolSession, datasets: Sequence[str], split: str
) -> dict[str, tuple[list[Video], list[Video]]]:
    """By dataset: the fakes of `split` that have a mask video, and the reals of `split`.

    `datasets` empty: every dataset at hand that has masks. Raises UsageError if there is none.
    """
    named = [session.registry.dataset(name).name for name in datasets]
    found = {}
    read = session.videos if named else session.videos_at_hand
    for name in named or session.registry.names("dataset"):
        videos = [one for one in read(VideoSelection(name)) if one.split == split]
        fakes = [one for one in videos if one.label is Label.FAKE and one.mask_path is not None]
        if fakes:
            found[name] = (fakes, [one for one in videos if one.label is Label.REAL])
        elif named:
            raise UsageError(
                f"no fake of {name} in split {split!r} has a mask video",
                hints=(
                    "correct --split",
                    "or see the page of the dataset in the docs: masks may be a download of their own",
                ),
            )
    if not found:
        raise UsageError(f"no dataset at hand has mask videos in split {split!r}", hints=("try --data demo",))
    return found


def localise(
    session: ProtocolSession,
    opened: OpenExplainer,
    videos: dict[str, tuple[list[Video], list[Video]]],
    *,
    limit: int | None = None,
) -> Localisation:
    """Measure every map of `opened` on these videos, at most `limit` fakes a dataset (spread evenly).

    Raises RunError if nothing could be measured.
    """
    result = Localisation()
    for name, (all_fakes, reals) in videos.items():
        fakes = _spread(all_fakes, limit)
        partners = {fake.video_id: _partner(fake, reals) for fake in fakes}
        needed = {one.video_id: one for one in partners.values() if one is not None}
        stores = _prepared(session, [*fakes, *needed.values()], opened, result)
        explained = []
        with session.progress.task(f"where, {name}, videos", len(fakes)) as task:
            for fake in fakes:
                if fake.video_id in stores and (one := _explain(fake, stores, opened, result)) is not None:
                    explained.append(one)
                task.advance(note=fake.video_id)
        result.where += _where(explained, [one.name for one in opened.maps])
        with session.progress.task(f"when, {name}, videos", len(fakes)) as task:
            for number, fake in enumerate(fakes):
                real = partners[fake.video_id]
                if real is not None and fake.video_id in stores and real.video_id in stores:
                    result.when += _when(fake, real, stores, opened, number, result)
                task.advance(note=fake.video_id)
    if not result.where:
        raise RunError("no map could be compared with a mask", hints=tuple(result.skipped[:5]))
    return result


def _spread(videos: list[Video], limit: int | None) -> list[Video]:
    if limit is None or limit >= len(videos):
        return videos
    return [videos[int(at)] for at in np.linspace(0, len(videos) - 1, limit).round()]


def _partner(fake: Video, reals: Sequence[Video]) -> Video | None:
    """The real video of the same footage: of those of its group, the one with the most similar name."""
    own = [one for one in reals if one.group == fake.group]
    likeness = [difflib.SequenceMatcher(None, one.video_id, fake.video_id).ratio() for one in own]
    return own[int(np.argmax(likeness))] if own else None


def _prepared(
    session: ProtocolSession, videos: list[Video], opened: OpenExplainer, result: Localisation
) -> dict[str, PreparedResult]:
    """The outcomes of the videos that have a face file, by name."""
    length = opened.card.clips.frames
    choice = FrameChoice("runs", RUNS, 4 * length, clip=length)
    report = session.prepare(videos, replace(opened.card.prepare(), frames=choice))
    result.skipped += [
        f"{one.video.dataset}/{one.video.video_id}: {one.status}: {one.reason}"
        for one in report.videos
        if one.status is not Status.OK
    ]
    return {one.video.video_id: one for one in report.videos if one.status is Status.OK}


def _crops(stored: StoredFaces, video: Video, opened: OpenExplainer) -> NDArray[np.uint8]:
    spec = opened.card.clips_of(video.dataset)
    rows = range(len(stored.crops))
    return cut_crops(stored, rows, size=spec.size, margin=spec.margin, square=spec.square)


def _explain(
    fake: Video, stores: dict[str, PreparedResult], opened: OpenExplainer, result: Localisation
) -> _Explained | None:
    length = opened.card.clips.frames
    try:
        there = stores[fake.video_id]
        stored = read_faces(there.path, wanted=there.wanted)
        assert fake.mask_path is not None
        masks = _masks(fake.mask_path, stored.track.frame_indices)
        windows = windows_of(stored.track.frame_indices, length, 4 * length)
    except (
        VideoError,
        TooShortError,
        StoreError,
    ) as error:  # a face file that went bad is made anew by the next call
        result.skip(fake, error.message)
        return None
    names = [one.name for one in opened.maps]
    evidence = gather(
        opened.explainer, _crops(stored, fake, opened), windows, names, folder=None, task=SilentTask()
    )
    spec, frame_size = opened.card.clips_of(fake.dataset), stored.track.frame_size
    boxes = crop_boxes(stored.track.boxes, spec.margin, square=spec.square, frame_size=frame_size)
    rows, regions = [], []
    for row in np.unique(windows):
        mask = masks.get(int(stored.track.frame_indices[row]))
        region = None if mask is None else cut_region(mask, boxes[row], GRID) >= 127.5
        if region is not None and region.any() and not region.all():
            rows.append(row)
            regions.append(region)
    if not rows:
        result.skip(fake, "its mask covers none of its frames in part")
        return None
    maps = {name: np.stack([on_grid(evidence.maps[name][row]) for row in rows]) for name in names}
    return _Explained(fake, maps, np.stack(regions))


def _masks(path: Path, frames: NDArray[np.int64]) -> dict[int, NDArray[np.uint8]]:
    """Mask images (H, W) uint8 by frame; a mask video may be shorter than its video."""
    wanted = sorted({int(one) for one in frames})
    return {at: image.max(axis=2) for at, image in read_positions(path, wanted)}


def on_grid(values: NDArray[np.floating]) -> Cells:
    """A map (h, w) on GRID x GRID cells: means where it is finer, interpolated between cell centres where coarser."""
    way = cv2.INTER_AREA if values.shape[0] > GRID else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values.astype(np.float32), (GRID, GRID), interpolation=way), np.float32)


def _where(explained: list[_Explained], names: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    prior = centre_prior((GRID, GRID)).astype(np.float32)
    means = {
        name: np.stack([one.maps[name].mean(axis=0) for one in explained]) for name in names if explained
    }
    groups = np.array([one.video.group for one in explained])
    for one in explained:
        count = len(one.regions)
        others = groups != one.video.group
        maps = dict(one.maps)
        maps[CENTRE] = np.broadcast_to(prior, (count, GRID, GRID))
        if others.any():
            for name in names:
                template = means[name][others].mean(axis=0)
                maps[TEMPLATE + name] = np.broadcast_to(template, (count, GRID, GRID))
        for target in (MASK, BORDER):
            regions = one.regions if target == MASK else np.stack([border(r, BAND) for r in one.regions])
            for name, values in maps.items():
                pairs = list(zip(values, regions, strict=True))
                rows.append(
                    {
                        **_key(one.video),
                        "map": name,
                        "target": target,
                        "auc": float(np.nanmean([map_auc(v, r) for v, r in pairs])),
                        "pointing": float(
                            np.nanmean([pointing(v, r, tolerance=TOLERANCE) for v, r in pairs])
                        ),
                        "frames": count,
                    }
                )
    return rows


def _key(video: Video) -> dict[str, object]:
    return {
        "dataset": video.dataset,
        "video_id": video.video_id,
        "manipulation": video.manipulation,
        "group": video.group,
    }


def _when(
    fake: Video,
    real: Video,
    stores: dict[str, PreparedResult],
    opened: OpenExplainer,
    number: int,
    result: Localisation,
) -> list[dict[str, object]]:
    """AUC of each kind of evidence over time, mean over the splices of this pair."""
    length = opened.card.clips.frames
    parts = []
    for video in (real, fake):
        there = stores[video.video_id]
        try:
            stored = read_faces(there.path, wanted=there.wanted)
        except StoreError as error:
            result.skip(video, error.message)
            return []
        runs = _runs(stored.track.frame_indices, length)
        crops = _crops(stored, video, opened)
        parts.append([crops[run] for run in runs])
    found: dict[str, list[float]] = {}
    frames = 0
    for at, (genuine, forged) in enumerate(zip(*parts, strict=False)):
        ordered = [(genuine, 0), (forged, 1)][:: 1 if (number + at) % 2 == 0 else -1]
        crops = np.concatenate([one for one, _ in ordered])
        truth = np.concatenate([np.full(len(one), label) for one, label in ordered])
        windows = windows_of(np.arange(len(crops)), length, max(1, length // 2))
        first = opened.maps[0].name
        temporal = [one.name for one in opened.maps if one.temporal]
        names = list(dict.fromkeys([first, *temporal]))
        evidence = gather(opened.explainer, crops, windows, names, folder=None, task=SilentTask())
        kinds = {
            "frame logits": evidence.frame_logits,
            "logits of the frame's clips": evidence.window_logits,
            f"peak of {first}": np.array([np.max(one) for one in evidence.maps[first]], dtype=np.float64),
            **{f"sum of {name}": evidence.maps[name].sum(axis=(1, 2), dtype=np.float64) for name in temporal},
        }
        frames += len(crops)
        for kind, values in kinds.items():
            if np.isfinite(values).all():
                try:
                    found.setdefault(kind, []).append(auc(values, truth))
                except SingleClassError:
                    continue
    return [
        {**_key(fake), "evidence": kind, "auc": float(np.mean(values)), "frames": frames}
        for kind, values in found.items()
    ]


def _runs(frame_indices: NDArray[np.int64], length: int) -> list[NDArray[np.int64]]:
    """Rows of each stretch of successive frames that is at least as long as a clip, at most 4 clips of it."""
    # Stretches that touch are one: cut them to the length that was asked for.
    pieces = [
        np.arange(at, min(at + 4 * length, after))
        for first, after in stretches(frame_indices)
        for at in range(first, after, 4 * length)
    ]
    return [one for one in pieces if len(one) >= length]
