"""What an explainer says of a face track, gathered window by window into one array a frame.

Windows are clips of successive frames, so that time is dense: every frame with a face is in at least one of them,
unless it stands in a stretch shorter than a clip. Arrays live on disk while they are filled; memory stays flat however
long the video is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dfbench.data.stretches import stretches
from dfbench.errors import ScoreError, TooShortError
from dfbench.exchanged import Evidence
from dfbench.interfaces import Explainer, ProgressTask
from dfbench.runs.records.score_table import pooled_scores, sigmoid
from dfbench.specs import EvidenceMap
from dfbench.types import Pooling

BATCH = 4
LARGE = 4096  # cells of a frame's map beyond which it is kept as float16


@dataclass(frozen=True, slots=True, eq=False)
class TrackEvidence:
    """Evidence over the n frames of a track and its k windows of T frames.

    windows (k, T) int64: rows of the track; logits (k,) float64; frame_logits (n,) float64: each frame's own logit,
    mean over its windows, NaN without; window_logits (n,) float64: mean logit of the windows that a frame is in, NaN
    in none; maps: (n, h, w) float32 (float16 where h w is above 4096), mean over windows, NaN in frames of none.
    """

    windows: NDArray[np.int64]
    logits: NDArray[np.float64]
    frame_logits: NDArray[np.float64]
    window_logits: NDArray[np.float64]
    maps: Mapping[str, NDArray[np.floating[Any]]]


def windows_of(frame_indices: NDArray[np.int64], length: int, hop: int) -> NDArray[np.int64]:
    """Rows (k, length) of windows of successive frames, a new one every `hop` frames and one at each stretch's end.

    Raises TooShortError if no stretch of successive frames is as long as a window.
    """
    starts: list[int] = []
    for first, after in stretches(frame_indices):
        if after - first >= length:
            starts += [*range(first, after - length, hop), after - length]
    if not starts:
        raise TooShortError(
            f"{len(frame_indices)} frames with a face, no {length} of them successive, which is what a clip needs"
        )
    return np.array(starts, dtype=np.int64)[:, None] + np.arange(length)


def pooled_logit(logits: NDArray[np.float64], how: Pooling) -> float:
    """The logit of a video out of those of its clips (k,), to the bit as a run pools them."""
    clips = pd.DataFrame({"video": 0, "logit": logits, "prob": sigmoid(logits)})
    return float(pooled_scores(clips, ["video"], how)[1][0])


def gather(
    explainer: Explainer,
    crops: NDArray[np.uint8],
    windows: NDArray[np.int64],
    names: Sequence[str],
    *,
    folder: Path | None,
    task: ProgressTask,
) -> TrackEvidence:
    """Evidence of `explainer` on crops (n, S, S, 3), with the maps of these names.

    Maps are kept in files of `folder`, or in memory if that is None. Raises ScoreError if the explainer returns
    something else than its interface says.
    """
    import torch

    count = len(crops)
    times = np.bincount(windows.ravel(), minlength=count).astype(np.float64)
    logits: list[NDArray[np.float64]] = []
    frame_sum, window_sum = np.zeros(count), np.zeros(count)
    has_frames = True
    maps: dict[str, NDArray[np.floating[Any]]] = {}
    for start in range(0, len(windows), BATCH):
        rows = windows[start : start + BATCH]
        evidence = explainer.explain(torch.from_numpy(np.stack([crops[row] for row in rows])), names)
        _check(evidence, rows.shape, names)
        logits.append(evidence.logits.double().numpy())
        np.add.at(window_sum, rows, logits[-1][:, None])
        if evidence.frame_logits is None:
            has_frames = False
        else:
            np.add.at(frame_sum, rows, evidence.frame_logits.double().numpy())
        for name in names:
            made = evidence.maps[name].float().numpy()
            if name not in maps:
                maps[name] = _array(folder, name, (count, *made.shape[2:]))
            for row, values in zip(rows, made, strict=True):
                for frame, one in zip(row, values, strict=True):
                    maps[name][frame] += one / times[frame]
        task.advance(len(rows))
    with np.errstate(invalid="ignore"):
        window_mean = window_sum / np.where(times > 0, times, np.nan)
        frame_mean = frame_sum / np.where(times > 0, times, np.nan)
    for values in maps.values():
        values[times == 0] = np.nan
    return TrackEvidence(
        windows=windows,
        logits=np.concatenate(logits),
        frame_logits=frame_mean if has_frames else np.full(count, np.nan),
        window_logits=window_mean,
        maps=maps,
    )


def _array(folder: Path | None, name: str, shape: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    kind = np.float16 if int(np.prod(shape[1:])) > LARGE else np.float32
    if folder is None:
        return np.zeros(shape, dtype=kind)
    made: NDArray[np.floating[Any]] = np.lib.format.open_memmap(
        folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape
    )
    return made


def _check(evidence: Evidence, shape: tuple[int, ...], names: Sequence[str]) -> None:
    clips, frames = shape
    if tuple(evidence.logits.shape) != (clips,):
        raise ScoreError(f"the explainer returned logits {tuple(evidence.logits.shape)}, not {(clips,)}")
    if evidence.frame_logits is not None and tuple(evidence.frame_logits.shape) != (clips, frames):
        raise ScoreError(
            f"the explainer returned frame logits {tuple(evidence.frame_logits.shape)}, not {(clips, frames)}"
        )
    for name in names:
        made = evidence.maps.get(name)
        if made is None or made.ndim != 4 or tuple(made.shape[:2]) != (clips, frames):
            found = "nothing" if made is None else str(tuple(made.shape))
            raise ScoreError(
                f"the explainer returned {found} for map {name!r}, not ({clips}, {frames}, h, w)",
                hints=("run the checks of its author:   dfbench plugins check DETECTOR",),
            )


def standard_maps(offered: Sequence[EvidenceMap]) -> list[str]:
    """The maps that are made when nobody names any: at least the first."""
    return [one.name for one in offered if one.standard] or [offered[0].name]
