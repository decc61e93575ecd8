"""The stage that fills the face store: decode, find faces, track, landmarks, crop; video by video, resumable.

The work goes through an executor, one video at a time, and each video is worked on in a process of its own thread: one
that crashes or hangs ends in a status, and the rest goes on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

from dfbench.cores import own_cores
from dfbench.data.faces.landmarks import landmark_kind
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.faces.worker_finder import FinderError, build_finder, finder_of
from dfbench.data.fingerprints import ABSENT, fingerprint, fingerprints, list_archives_anew
from dfbench.data.folders import require_below
from dfbench.data.preparing.executor import killed_with_its_workers, open_executor
from dfbench.data.preparing.outcomes import (
    Prepared,
    forget_failure,
    known_outcome,
    prepared_result,
    store_failure,
    sweep_leftovers,
)
from dfbench.data.preparing.process import process_of_this_thread
from dfbench.data.reading import Reading, carried, reading, reading_as
from dfbench.data.store.face_files import discard, face_path
from dfbench.data.store.specs_kept import faces_beside, keep_spec
from dfbench.errors import DfbenchError, RunError, StoreError, VideoError
from dfbench.interfaces import Progress
from dfbench.types import GivenFile, PrepareSpec, Status, Video, VideoFile
from dfbench.version import VERSION

VIDEO_SECONDS = 1800.0  # after which a video counts as one that hangs
MAX_THREADS = 8  # that decode one video: each holds a frame
# Of the face finder, one after the other and all alike, after which it is taken to be broken.
MAX_FAILURES = 5
_FAILED = "the face finder failed: "


_V = TypeVar("_V", bound=VideoFile)


@dataclass(frozen=True)  # without slots, as `Prepared`
class Report(Generic[_V]):
    """The outcome of each requested video, in request order; with `retry`, of those alone that already had one."""

    videos: tuple[Prepared[_V], ...]


PrepareReport = Report[Video]


@dataclass(frozen=True, slots=True)
class _Job:
    """One video, with what a worker needs to know; `threads` decode it. `source` is the fingerprint of its file, `origin`
    the machine that asks, if it may be another one; `reading` how files are read there."""

    video: VideoFile
    spec: PrepareSpec
    path: Path
    source: str
    finder: str
    seconds: float
    reading: Reading
    threads: int = 1
    origin: str = ""
    mark: Path | None = None
    version: str = VERSION


def prepare(
    videos: Sequence[_V],
    spec: PrepareSpec,
    *,
    store_root: Path,
    corpus: str,
    finder: str,
    workers: int,
    progress: Progress,
    scheduler: str = "",
    seconds: float = VIDEO_SECONDS,
    retry: bool = False,
    verify: bool = False,
) -> Report[_V]:
    """Prepare `videos`; what is done already is not done again.

    `finder` is the import path of a factory `(device: str) -> FaceFinder`. A video that takes longer than `seconds`
    ends as an error. With `scheduler`, the workers of that dask cluster do the work (`workers` counts here alone).
    With `retry`, videos that failed are done again, and no others. Face files that are there are taken for whole if their
    tracks can be read; with `verify`, every byte of them and of their videos is checked, which takes as long as reading
    both. Raises StoreError when the store cannot be written, RunError when the cluster is lost or its workers lack
    something; what was prepared is kept.
    """
    store_root = store_root.absolute() if scheduler else store_root
    sources = _sources(videos, verify=verify)
    paths = _paths(videos, sources, spec, store_root=store_root, corpus=corpus)
    results: dict[int, Prepared[_V]] = {}
    left: list[int] = []
    outcomes = _outcomes(videos, sources, paths, workers=workers if verify else 0, progress=progress)
    for number, (known, path) in enumerate(zip(outcomes, paths, strict=True)):
        if verify and known is None:
            discard(path)  # made of bytes that the samples do not tell from those that are there now
        failed = known is not None and known.status is not Status.OK
        if retry and failed:
            forget_failure(path)
        if known is not None and not (retry and failed):
            results[number] = known
        elif failed or not retry:
            left.append(number)
    for folder in {path.parent for path in paths}:
        keep_spec(folder, spec)  # of faces that an earlier version made
    if left:
        _tell_beside([paths[number] for number in left], spec, progress)
        folders = {paths[number].parent for number in left}
        for folder in folders:
            require_below(store_root, folder)
        sweep_leftovers(folders)
        threads = 1 if scheduler else threads_of_each(own_cores(), min(workers, len(left)))
        job = _Job(videos[0], spec, paths[0], sources[0], finder, seconds, reading(), threads)
        jobs = {
            number: replace(job, video=videos[number], path=paths[number], source=sources[number])
            for number in left
        }
        with progress.task(f"faces of {videos[left[0]].dataset}", len(left)) as task:
            for number, result in _run(jobs, scheduler, workers, store_root, progress):
                results[number] = result.of(videos[number])
                task.advance(
                    note="" if result.status is Status.OK else f"{result.video.video_id}: {result.status}"
                )
        for folder in folders:
            keep_spec(folder, spec)
    return Report(tuple(results[number] for number in sorted(results)))


def threads_of_each(cores: int, processes: int) -> int:
    """How many threads decode a video: cores for which there is no process help those that there are."""
    return min(max(1, cores // processes), MAX_THREADS)


def prepared(
    videos: Sequence[_V],
    spec: PrepareSpec,
    *,
    store_root: Path,
    corpus: str,
    progress: Progress,
    verify: int = 0,
    beside: bool = False,
) -> list[Prepared[_V] | None]:
    """What the store says of each video, None for one that is not prepared yet. Changes nothing.

    With `verify`, a number of threads, every byte of what is there is checked, and of the videos; otherwise no crop is
    read, and samples of the videos. With `beside`, faces that were made otherwise of videos that are not prepared yet are
    told of, as `prepare` does.
    """
    sources = _sources(videos, verify=verify > 0)
    paths = _paths(videos, sources, spec, store_root=store_root, corpus=corpus)
    outcomes = _outcomes(videos, sources, paths, workers=verify, progress=progress)
    if beside:
        _tell_beside(
            [path for path, known in zip(paths, outcomes, strict=True) if known is None], spec, progress
        )
    return outcomes


def _tell_beside(paths: Sequence[Path], spec: PrepareSpec, progress: Progress) -> None:
    """Say where faces of the same videos lie that differ from those at `paths`, which are not there, in the fewest fields."""
    for beside in faces_beside(paths, spec)[:1]:
        progress.note(beside.in_words())


def _sources(videos: Sequence[VideoFile], *, verify: bool) -> list[str]:
    paths = [video.path for video in videos]
    if verify:
        list_archives_anew(paths)
    return fingerprints(paths)


def _outcomes(
    videos: Sequence[_V],
    sources: Sequence[str],
    paths: Sequence[Path],
    *,
    workers: int,
    progress: Progress,
) -> list[Prepared[_V] | None]:
    """What the store says of each video; with `workers`, so many threads check every byte."""
    if not workers:
        rows = zip(videos, paths, sources, strict=True)
        return [known_outcome(video, path, source, whole=False) for video, path, source in rows]
    outcomes = []
    with (
        progress.task("verify the face files", len(paths)) as task,
        ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool,
    ):
        for one in pool.map(carried(partial(known_outcome, verify=True)), videos, paths, sources):
            outcomes.append(one)
            task.advance()
    return outcomes


def _paths(
    videos: Sequence[VideoFile], sources: Sequence[str], spec: PrepareSpec, *, store_root: Path, corpus: str
) -> list[Path]:
    digest = spec.digest()
    return [
        face_path(store_root, video, corpus=corpus, digest=digest, source=source)
        for video, source in zip(videos, sources, strict=True)
    ]


def _run(
    jobs: dict[int, _Job], scheduler: str, workers: int, store_root: Path, progress: Progress
) -> Iterator[tuple[int, Prepared[VideoFile]]]:
    """Outcomes as they come."""
    # Each start begins elsewhere and goes round: two at a time on one store share the work, and do not double it.
    numbers = list(jobs)
    first = int.from_bytes(os.urandom(4), "big") % len(numbers)
    with ExitStack() as stack:
        if scheduler:
            mark = stack.enter_context(_marked(store_root))
            jobs = {number: _sent_away(job, mark) for number, job in jobs.items()}
        executor = stack.enter_context(
            open_executor(scheduler, workers=min(workers, len(jobs)), progress=progress)
        )
        pending = {
            executor.submit(_run_job, jobs[number]): number for number in numbers[first:] + numbers[:first]
        }
        alike: list[tuple[int, str]] = []
        for future in as_completed(pending):
            number = pending[future]
            try:
                result = future.result()
                failure = result.reason.partition(_FAILED)[2]
                alike = [*(one for one in alike if one[1] == failure), (number, failure)] if failure else []
                if len(alike) == MAX_FAILURES:
                    for failed, _ in alike:
                        forget_failure(jobs[failed].path)
                    raise RunError(
                        f"{_FAILED}{failure}: {MAX_FAILURES} times, one after the other",
                        hints=("dfbench doctor", "fewer workers take less memory: DFBENCH_WORKERS"),
                    )
                yield number, result
            except DfbenchError:
                raise
            except CancelledError as error:
                raise RunError(
                    f"the scheduler at {scheduler} was lost", hints=("start it, and this again: it goes on",)
                ) from error
            except Exception as error:
                if killed_with_its_workers(error):
                    yield number, _lost(jobs[number], "its worker died, and so did those that took over")
                elif scheduler:
                    raise RunError(
                        f"a worker of {scheduler} failed on {jobs[number].video.path}: {type(error).__name__}: {error}",
                        hints=("install the same dfbench with the same plugins on every worker",),
                    ) from error
                else:
                    raise


@contextmanager
def _marked(store_root: Path) -> Iterator[Path]:
    """A file by which a worker knows that it sees this very store, and not a folder of the same name."""
    mark = store_root / f"seen-{uuid4().hex}.part"
    try:
        store_root.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise StoreError(f"cannot write {mark}: {error.strerror}") from error
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _sent_away(job: _Job, mark: Path) -> _Job:
    video = job.video
    mask = None if video.mask_path is None else video.mask_path.absolute()
    # a worker has a working directory of its own
    sent = GivenFile(video.dataset, video.video_id, video.path.absolute(), video.compression, mask)
    lists = job.reading.archive_lists
    here = replace(job.reading, archive_lists=None if lists is None else lists.absolute())
    return replace(job, video=sent, reading=here, origin=socket.gethostname(), mark=mark)


def _check_worker(job: _Job, source: str) -> None:
    """A worker that lacks the videos or the store must not say that videos are missing, or store where nobody looks.

    `source`: the fingerprint of the video as this worker sees it.
    """
    here = f"the worker on {socket.gethostname()}"
    if job.version != VERSION:
        raise RunError(
            f"{here} has dfbench {VERSION}, and {job.origin} has {job.version}",
            hints=("install the same version on every worker",),
        )
    if job.spec.landmarks and (kind := landmark_kind()) != job.spec.landmark_kind:
        raise RunError(
            f"{here} finds landmarks by {kind}, and by {job.spec.landmark_kind} they are wanted",
            hints=("install the same dlib-bin and face_recognition_models on every worker",),
        )
    if job.mark is not None and not job.mark.is_file():
        raise RunError(
            f"{here} does not see the face store {job.mark.parent} of {job.origin}",
            hints=("set DFBENCH_CACHE to a folder that all machines share, under the same path",),
        )
    if job.origin and source == ABSENT:
        raise RunError(
            f"{here} does not see {job.video.path}, which is there on {job.origin}",
            hints=("keep the videos where all machines see them, under the same path",),
        )


def _run_job(job: _Job) -> Prepared[VideoFile]:
    """Prepare a video in the process of this thread, unless somebody else did so in the meantime."""
    with reading_as(job.reading):
        return _run_here(job)


def _run_here(job: _Job) -> Prepared[VideoFile]:
    source = fingerprint(job.video.path)
    _check_worker(job, source)
    if (known := known_outcome(job.video, job.path, source)) is not None:
        return known
    if source != job.source:
        where = f" (or {socket.gethostname()} sees another file than {job.origin})" if job.origin else ""
        reason = f"{job.video.path}: it changed since this command began{where}"
        return Prepared(job.video, Status.ERROR, reason, job.path)
    process = process_of_this_thread()
    process.preload = (__name__, job.finder.partition(":")[0])
    try:
        process.call(build_finder, job.finder, process.number)
    except BrokenExecutor as error:
        raise RunError(
            f"the process that builds the face finder {job.finder} died: {error}", hints=("dfbench doctor",)
        ) from error
    begun = time.perf_counter()
    try:
        try:
            return process.call(_prepare_job, job, process.number, seconds=job.seconds)
        except FinderError:
            process.renew()
            return process.call(_prepare_job, job, process.number, seconds=job.seconds)
    except FinderError as error:
        process.renew()
        reason = f"{job.video.path}: {_FAILED}{error}"
    except TimeoutError:
        reason = f"{job.video.path}: not done after {job.seconds:g} s"
    except BrokenExecutor as error:
        reason = f"{job.video.path}: the process that worked on it died: {error}"
    return _lost(job, reason, time.perf_counter() - begun)


def _lost(job: _Job, reason: str, seconds: float = 0.0) -> Prepared[VideoFile]:
    """Its process is gone; another one may have prepared it all the same."""
    known = known_outcome(job.video, job.path, job.source)
    return known or store_failure(job.video, job.path, Status.ERROR, reason, seconds)


def _prepare_job(job: _Job, worker: int) -> Prepared[VideoFile]:
    """Prepare a video in this process, which may have read other files in another way."""
    with reading_as(job.reading):
        return _prepare_here(job, worker)


def _prepare_here(job: _Job, worker: int) -> Prepared[VideoFile]:
    video, path, begun = job.video, job.path, time.perf_counter()
    try:
        made = prepare_video(
            video.path,
            job.spec,
            finder_of(job.finder, worker),
            path,
            mask_path=video.mask_path,
            threads=job.threads,
        )
    except (StoreError, FinderError):
        raise  # the disk, not the video: stop, and keep what there is; or the finder: once more in a new process
    except VideoError as error:
        return store_failure(video, path, Status(error.status), error.message, time.perf_counter() - begun)
    except Exception as error:  # noqa: BLE001 - one strange video must not end the stage
        reason = f"{video.path}: {type(error).__name__}: {error}"
        return store_failure(video, path, Status.ERROR, reason, time.perf_counter() - begun)
    forget_failure(path)
    return prepared_result(video, path, made, time.perf_counter() - begun)
