"""The stage that fills the face store: decode, find faces, track, landmarks, crop; video by video, resumable.

A video that is done has its face file; one that failed has a small JSON beside that path with its status. Either is
done again only when its source file changed. Work goes to processes, so a crash costs the videos in flight.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import square_around
from dfbench.data.faces import MainFace, main_face
from dfbench.data.landmarks import detect_landmarks
from dfbench.data.sequences import archive_of, source_size
from dfbench.data.store import StoredFaces, check_faces, face_path, write_faces
from dfbench.data.video import read_frames
from dfbench.errors import StoreError, VideoError
from dfbench.interfaces import FaceFinder, Progress
from dfbench.types import FaceTrack, PrepareSpec, Status, Video

BATCH = 8


@dataclass(frozen=True, slots=True)
class PreparedResult:
    """How the preparation of one video ended; `path` is its face file if `status` is OK."""

    video: Video
    status: Status
    reason: str
    path: Path
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """One result a video, in the order that the videos were given."""

    videos: tuple[PreparedResult, ...]


def prepare(
    videos: Sequence[Video],
    spec: PrepareSpec,
    *,
    store_root: Path,
    corpus: str,
    finder: str,
    workers: int,
    progress: Progress,
) -> PrepareReport:
    """Prepare `videos`; what is done already is not done again.

    `finder` is the import path of a factory `(device: str) -> FaceFinder`. Raises StoreError when the store cannot
    be written (what was prepared is kept).
    """
    paths = [
        face_path(store_root, corpus=corpus, dataset=v.dataset, digest=spec.digest(), video_id=v.video_id)
        for v in videos
    ]
    results: dict[int, PreparedResult] = {}
    for number, (video, path) in enumerate(zip(videos, paths, strict=True)):
        if (known := _known(video, path)) is not None:
            results[number] = known
    left = [number for number in range(len(videos)) if number not in results]
    if left:
        name = f"faces of {videos[left[0]].dataset}"
        with progress.task(name, len(left)) as task:
            jobs = {number: (videos[number], spec, paths[number], finder) for number in left}
            for number, result in _run(jobs, workers):
                results[number] = result
                task.advance(
                    note="" if result.status is Status.OK else f"{result.video.video_id}: {result.status}"
                )
    return PrepareReport(tuple(results[number] for number in range(len(videos))))


_Job = tuple[Video, PrepareSpec, Path, str]


def _run(jobs: dict[int, _Job], workers: int) -> Iterator[tuple[int, PreparedResult]]:
    """Outcomes as they come. A worker that dies takes its pool along: the rest goes on, one video at a time."""
    context = _context(next(iter(jobs.values()))[3])
    done: set[int] = set()
    executor = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_one_thread)
    try:
        pending: dict[Future[PreparedResult], int] = {
            executor.submit(_prepare_job, *job): number for number, job in jobs.items()
        }
        for future in as_completed(pending):
            result = future.result()
            done.add(pending[future])
            yield pending[future], result
    except BrokenProcessPool:
        yield from _run_singly({number: job for number, job in jobs.items() if number not in done})
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _run_singly(jobs: dict[int, _Job]) -> Iterator[tuple[int, PreparedResult]]:
    for number, job in jobs.items():
        context = _context(job[3])
        with ProcessPoolExecutor(1, mp_context=context, initializer=_one_thread) as executor:
            try:
                yield number, executor.submit(_prepare_job, *job).result()
            except BrokenProcessPool:
                yield (
                    number,
                    _failed(job[0], job[2], Status.ERROR, "the worker process died on this video", 0.0),
                )


def _context(finder: str) -> BaseContext:
    """Workers come from a server process that has the face finder imported: that costs seconds only once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, finder.partition(":")[0]])
    return context


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@lru_cache(maxsize=2)
def _finder(path: str) -> FaceFinder:
    module, _, name = path.partition(":")
    build = cast("Callable[[str], FaceFinder]", getattr(import_module(module), name))
    import torch

    return build("cuda" if torch.cuda.is_available() else "cpu")


def _prepare_job(video: Video, spec: PrepareSpec, path: Path, finder: str) -> PreparedResult:
    begun = time.perf_counter()
    try:
        prepare_video(video, spec, _finder(finder), path)
    except StoreError:
        raise  # the disk, not the video: stop, and keep what there is
    except VideoError as error:
        return _failed(video, path, Status(error.status), error.message, time.perf_counter() - begun)
    except Exception as error:  # noqa: BLE001 - one strange video must not end the stage
        reason = f"{video.path}: {type(error).__name__}: {error}"
        return _failed(video, path, Status.ERROR, reason, time.perf_counter() - begun)
    return PreparedResult(video, Status.OK, "", path, time.perf_counter() - begun)


def prepare_video(video: Video, spec: PrepareSpec, finder: FaceFinder, path: Path) -> None:
    """Decode, find, track, crop and store one video. Raises VideoError, StoreError."""
    # Frames of one video are held while its faces are tracked: at most as many as the spec wants.
    frames = list(read_frames(video.path, spec.frames))
    looked_at = sorted({*range(0, len(frames), max(1, spec.detect_every)), len(frames) - 1})
    found = [
        faces
        for start in range(0, len(looked_at), BATCH)
        for faces in finder.find([frames[row][1] for row in looked_at[start : start + BATCH]])
    ]
    try:
        main = main_face(found, looked_at, len(frames))
    except VideoError as error:
        raise type(error)(f"{video.path}: {error.message}") from error
    faces = crop_track([frames[row] for row in main.rows], main, spec)
    write_faces(path, replace(faces, source_bytes=source_size(video.path)))


def crop_track(frames: list[tuple[int, NDArray[np.uint8]]], main: MainFace, spec: PrepareSpec) -> StoredFaces:
    """The crops of `main` out of its (position, frame) pairs, with landmarks if `spec` asks for them."""
    crops, boxes, landmarks, kinds = [], [], [], set()
    for (_, image), box, five in zip(frames, main.boxes, main.points, strict=True):
        left, top, side = square_around(box, spec.margin)
        # Whole pixels, so that a crop at native scale holds the very pixels of the frame.
        x0, y0, whole = round(left), round(top), max(8, round(side))
        height, width = image.shape[:2]
        rows = np.clip(np.arange(y0, y0 + whole), 0, height - 1)
        columns = np.clip(np.arange(x0, x0 + whole), 0, width - 1)
        crop = image[np.ix_(rows, columns)]
        corner = np.asarray([x0, y0], dtype=np.float32)
        if spec.landmarks:
            points, kind = detect_landmarks(crop, box - np.tile(corner, 2), five - corner)
            landmarks.append(points + corner)
            kinds.add(kind)
        if whole > spec.max_size:
            crop = cv2.resize(crop, (spec.max_size, spec.max_size), interpolation=cv2.INTER_AREA)
        crops.append(np.ascontiguousarray(crop))
        boxes.append((x0, y0, x0 + whole, y0 + whole))
    count = len(frames)
    return StoredFaces(
        crops=crops,
        crop_boxes=np.asarray(boxes, dtype=np.float32).reshape(count, 4),
        track=FaceTrack(
            frame_indices=np.asarray([position for position, _ in frames], dtype=np.int64),
            boxes=main.boxes,
            scores=main.scores,
            landmarks=np.stack(landmarks) if landmarks else np.zeros((count, 0, 2), np.float32),
            landmark_kind=kinds.pop() if kinds else "none",
            frame_size=(frames[0][1].shape[1], frames[0][1].shape[0]),
        ),
    )


def _status_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _source(video: Video) -> list[int]:
    try:
        stat = (archive_of(video.path) or video.path).stat()
    except OSError:
        return []
    return [source_size(video.path), stat.st_mtime_ns]


def _known(video: Video, path: Path) -> PreparedResult | None:
    if path.is_file():
        if check_faces(path, source_bytes=source_size(video.path)):
            return PreparedResult(video, Status.OK, "", path)
        path.unlink()
    try:
        record: dict[str, Any] = json.loads(_status_path(path).read_text(encoding="utf-8"))
        if record["source"] != _source(video):
            return None
        return PreparedResult(video, Status(record["status"]), str(record["reason"]), path)
    except (OSError, ValueError, KeyError):
        return None


def _failed(video: Video, path: Path, status: Status, reason: str, seconds: float) -> PreparedResult:
    record = {"status": status, "reason": reason, "source": _source(video)}
    part = path.with_name(f"{path.name}.status.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(record), encoding="utf-8")
        part.replace(_status_path(path))
    except OSError as error:
        raise StoreError(f"cannot write {_status_path(path)}: {error.strerror}") from error
    return PreparedResult(video, status, reason, path, seconds)
