"""Decoding: only the wanted frames become arrays, and every failure says which file and why.

Video files go through PyAV; a video may also be a folder of frames, on disk or in an archive (`sequences`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfbench.data.decoding.video_file import Remark, VideoInfo, changed_size, read_file, survey
from dfbench.data.images.frame_places import frame_places, gaps_in, wanted_rows
from dfbench.data.images.sequences import frame_names, is_sequence, read_images
from dfbench.types import FrameChoice


def wanted_indices(choice: FrameChoice, frames: int) -> NDArray[np.int64]:
    """Positions of the wanted frames among `frames`, ascending and unique, (n,) int64. Raises ValueError."""
    if choice.how == "uniform":
        spots = np.linspace(0, frames - 1, min(choice.count, frames))
        return np.unique(np.round(spots).astype(np.int64))
    if choice.how == "runs":
        starts = np.linspace(0, max(0, frames - choice.length), choice.count).round().astype(np.int64)
        spread = (starts[:, None] + np.arange(choice.length)).ravel()
        return np.unique(spread[spread < frames])
    if choice.how == "first":
        return np.arange(min(choice.count, frames), dtype=np.int64)
    raise ValueError(f"unknown frame choice {choice.how!r}")


def probe(path: Path) -> VideoInfo:
    """Size, rate and exact number of frames of the video stream. Raises VideoError."""
    if is_sequence(path):
        names = frame_names(path)
        ((_, first),) = read_images(path, names[:1])
        return VideoInfo(frame_places(names)[-1] + 1, first.shape[1], first.shape[0], 0.0)
    return survey(path).info


def read_frames(
    path: Path,
    *choices: FrameChoice,
    threads: int = 1,
    remark: Remark | None = None,
    chosen: Callable[[list[list[int]]], None] | None = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of the frames that any of `choices` wants, in order, each once; frames are (H, W, 3) uint8 RGB, turned
    and mirrored as a player would, both fields of an interlaced one woven as they are stored.

    Of the three ways in `decoding`, the quickest for this file and choice is taken; the pixels are the same, whichever it
    is and however many `threads` decode. `remark` is told what a person should know of a video that is read all the same.
    `chosen` is told the positions that each choice wants before the first frame comes, after what is to be remarked of the
    whole file; what is remarked later is of single frames.
    Raises MissingVideoError, UndecodableVideoError (with how many of the wanted frames could be decoded).
    """
    said = remark or _unheard

    def union(wanted: list[list[int]]) -> list[int]:
        if chosen is not None:
            chosen(wanted)
        return sorted({position for own in wanted for position in own})

    if not is_sequence(path):

        def choose(frames: int) -> list[int]:
            return union([wanted_indices(choice, frames).tolist() for choice in choices])

        yield from read_file(path, choose, threads, said)
        return
    names = frame_names(path)
    places = frame_places(names)
    if gaps := gaps_in(places):
        said(
            f"frames are missing in {gaps} places between its frames: no clip of successive frames goes over them"
        )
    rows = [wanted_rows(choice, places, regular=wanted_indices(choice, len(names))) for choice in choices]
    wanted = set(union([[places[row] for row in own] for own in rows]))
    yield from _images(
        path, {name: place for name, place in zip(names, places, strict=True) if place in wanted}
    )


def read_positions(path: Path, positions: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of the frames at `positions`, ascending, as `read_frames`; those that are missing, or beyond the
    end, are left out."""
    yield from _among(
        path, frozenset(positions).__contains__, lambda frames: [one for one in positions if one < frames]
    )


def read_range(
    path: Path, first: int, count: int, *, remark: Remark | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of at most `count` frames from `first` on, as `read_frames`; the file may end earlier.

    Raises MissingVideoError, UndecodableVideoError.
    """
    wanted = range(first, first + count)
    yield from _among(
        path, wanted.__contains__, lambda frames: list(wanted[: max(0, frames - first)]), remark
    )


def _among(
    path: Path,
    is_wanted: Callable[[int], bool],
    choose: Callable[[int], list[int]],
    remark: Remark | None = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    if not is_sequence(path):
        yield from read_file(path, choose, 1, remark or _unheard)
        return
    names = frame_names(path)
    yield from _images(
        path,
        {name: place for name, place in zip(names, frame_places(names), strict=True) if is_wanted(place)},
    )


def _unheard(_: str) -> None:
    return


def _images(path: Path, places: Mapping[str, int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of some frames of a sequence, by name."""
    size: tuple[int, int] | None = None
    for name, image in read_images(path, list(places)):
        shape = (image.shape[1], image.shape[0])
        size = size or shape
        if shape != size:
            raise changed_size(
                path, size, shape, "give each video a folder of its own, with frames of one size"
            )
        yield places[name], image
