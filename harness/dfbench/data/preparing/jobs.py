"""One video of the stage that prepares: what is wanted of it, and the work in a process that may crash or hang.

A video whose process crashes, hangs or meets something that nobody thought of ends in a status. Where several specs want its
faces, they are made in one pass; if that does not end well, each has a pass of its own, so that none fails for another one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dfbench.data.faces.landmarks import landmark_kind
from dfbench.data.faces.video_faces import Wanted, prepare_together
from dfbench.data.faces.worker_finder import FinderError, build_finder, finder_of
from dfbench.data.fingerprints import ABSENT, fingerprint
from dfbench.data.preparing.outcomes import (
    Prepared,
    forget_failure,
    known_outcome,
    prepared_result,
    store_failure,
)
from dfbench.data.preparing.process import process_of_this_thread
from dfbench.data.reading import Reading, reading_as
from dfbench.data.store.face_files import read_faces, write_faces
from dfbench.errors import RunError, StoreError, VideoError
from dfbench.types import GivenFile, PrepareSpec, Status, VideoFile
from dfbench.version import VERSION

FINDER_FAILED = "the face finder failed: "


@dataclass(frozen=True, slots=True)
class Target:
    """A face file that is wanted: `path`, by `spec`. `held_by`: a file that holds all of it, and is cut down for it; with
    `is_own`, no larger file that is made at the same time will do."""

    spec: PrepareSpec
    path: Path
    held_by: Path | None = None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One video, with what a worker needs to know; `threads` decode it. `source` is the fingerprint of its file, `seconds` what
    each target may take, `origin` the machine that asks, if it may be another one; `reading` how files are read there."""

    video: VideoFile
    targets: tuple[Target, ...]
    source: str
    finder: str
    seconds: float
    reading: Reading
    threads: int = 1
    origin: str = ""
    mark: Path | None = None
    version: str = VERSION

    def sent_away(self, mark: Path) -> Job:
        """The job as a worker with a working folder of its own can do it."""
        video = self.video
        mask = None if video.mask_path is None else video.mask_path.absolute()
        sent = GivenFile(video.dataset, video.video_id, video.path.absolute(), video.compression, mask)
        lists = self.reading.archive_lists
        here = replace(self.reading, archive_lists=None if lists is None else lists.absolute())
        return replace(self, video=sent, reading=here, origin=socket.gethostname(), mark=mark)

    def lost(self, reason: str) -> list[Prepared[VideoFile]]:
        """The outcome of each target after the worker is gone."""
        return [_lost(self, target, reason) for target in self.targets]


def run_job(job: Job) -> list[Prepared[VideoFile]]:
    """Prepare a video in the process of this thread, unless somebody else did so in the meantime; returns the outcome of each
    target."""
    with reading_as(job.reading):
        return _run_here(job)


def _run_here(job: Job) -> list[Prepared[VideoFile]]:
    source = fingerprint(job.video.path)
    _check_worker(job, source)
    known = [known_outcome(job.video, target.path, source) for target in job.targets]
    left = [target for target, one in zip(job.targets, known, strict=True) if one is None]
    if left and source != job.source:
        where = f" (or {socket.gethostname()} sees another file than {job.origin})" if job.origin else ""
        reason = f"{job.video.path}: it changed since this command began{where}"
        done = [Prepared(job.video, Status.ERROR, reason, target.path) for target in left]
    else:
        done = _done(job, left) if left else []
    made = iter(done)
    return [next(made) if one is None else one for one in known]


def _done(job: Job, targets: Sequence[Target]) -> list[Prepared[VideoFile]]:
    process = process_of_this_thread()
    process.preload = (__name__, job.finder.partition(":")[0])
    try:
        process.call(build_finder, job.finder, process.number)
    except BrokenExecutor as error:
        raise RunError(
            f"the process that builds the face finder {job.finder} died: {error}", hints=("dfbench doctor",)
        ) from error
    if len(targets) > 1:
        seconds = job.seconds * len(targets)
        try:
            return process.call(prepare_targets, job, targets, process.number, seconds=seconds)
        except FinderError:
            process.renew()
        except (TimeoutError, BrokenExecutor):
            pass
    return [_done_alone(job, target) for target in targets]


def _done_alone(job: Job, target: Target) -> Prepared[VideoFile]:
    process, begun = process_of_this_thread(), time.perf_counter()
    try:
        try:
            (made,) = process.call(prepare_targets, job, [target], process.number, seconds=job.seconds)
        except FinderError:
            process.renew()
            (made,) = process.call(prepare_targets, job, [target], process.number, seconds=job.seconds)
        return made
    except FinderError as error:
        process.renew()
        reason = f"{job.video.path}: {FINDER_FAILED}{error}"
    except TimeoutError:
        reason = f"{job.video.path}: not done after {job.seconds:g} s"
    except BrokenExecutor as error:
        reason = f"{job.video.path}: the process that worked on it died: {error}"
    return _lost(job, target, reason, time.perf_counter() - begun)


def _lost(job: Job, target: Target, reason: str, seconds: float = 0.0) -> Prepared[VideoFile]:
    """Its process is gone; another one may have prepared it all the same."""
    known = known_outcome(job.video, target.path, job.source)
    return known or store_failure(job.video, target.path, Status.ERROR, reason, seconds)


def prepare_targets(job: Job, targets: Sequence[Target], worker: int) -> list[Prepared[VideoFile]]:
    """Make the files of `targets` in this process, which may have read others in another way; returns the outcome of each."""
    with reading_as(job.reading):
        return _prepare_here(job, targets, worker)


def _prepare_here(job: Job, targets: Sequence[Target], worker: int) -> list[Prepared[VideoFile]]:
    video, begun = job.video, time.perf_counter()
    done: dict[int, Prepared[VideoFile]] = {}
    for number, target in enumerate(targets):
        if target.held_by is not None and (copy := _cut_down(video, target)) is not None:
            done[number] = copy
    left = {number: target for number, target in enumerate(targets) if number not in done}
    wanted = [Wanted(one.spec, one.path, may_be_shared=not one.is_own) for one in left.values()]
    try:
        finder = finder_of(job.finder, worker)
        outcomes = prepare_together(
            video.path, wanted, finder, mask_path=video.mask_path, threads=job.threads
        )
    except (StoreError, FinderError):
        raise  # the disk, not the video: stop, and keep what there is; or the finder: once more in a new process
    except Exception as error:  # noqa: BLE001 - one strange video must not end the stage
        if len(targets) > 1:
            return [made for target in targets for made in _prepare_here(job, [target], worker)]
        reason, seconds = f"{video.path}: {type(error).__name__}: {error}", time.perf_counter() - begun
        return [store_failure(video, targets[0].path, Status.ERROR, reason, seconds)]
    seconds = time.perf_counter() - begun
    for (number, target), made in zip(left.items(), outcomes, strict=True):
        if isinstance(made, VideoError):
            status = Status(made.status)
            done[number] = store_failure(video, target.path, status, made.message, seconds)
            continue
        forget_failure(target.path)
        as_wanted = None if made.path == target.path else target.spec
        done[number] = prepared_result(video, made.path, made.origin, seconds, wanted=as_wanted)
    return [done[number] for number in range(len(targets))]


def _cut_down(video: VideoFile, target: Target) -> Prepared[VideoFile] | None:
    """Write the file of a target out of the one that holds it; returns its outcome, None if that one cannot be read."""
    begun = time.perf_counter()
    assert target.held_by is not None
    try:
        faces = read_faces(target.held_by, wanted=target.spec)
    except StoreError:  # it went bad meanwhile
        return None
    write_faces(target.path, faces)
    forget_failure(target.path)
    return prepared_result(video, target.path, faces.origin, time.perf_counter() - begun)


def _check_worker(job: Job, source: str) -> None:
    """A worker that lacks the videos or the store must not say that videos are missing, or store where nobody looks.

    `source`: the fingerprint of the video as this worker sees it.
    """
    here = f"the worker on {socket.gethostname()}"
    if job.version != VERSION:
        raise RunError(
            f"{here} has dfbench {VERSION}, and {job.origin} has {job.version}",
            hints=("install the same version on every worker",),
        )
    for spec in (target.spec for target in job.targets):
        if spec.landmarks and (kind := landmark_kind()) != spec.landmark_kind:
            raise RunError(
                f"{here} finds landmarks by {kind}, and by {spec.landmark_kind} they are wanted",
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
