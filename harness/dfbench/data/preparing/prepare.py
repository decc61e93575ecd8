"""The stage that fills the face store: decode, find faces, track, landmarks, crop; video by video, resumable.

Several specs are prepared together: a video is decoded once for all that want it. What a face file of a larger spec holds is
not stored again. The work goes through an executor, one video at a time, each in a process of its own (`preparing.jobs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

from dfbench.cores import own_cores
from dfbench.data.fingerprints import fingerprints, list_archives_anew
from dfbench.data.folders import require_below
from dfbench.data.preparing.executor import killed_with_its_workers, open_executor
from dfbench.data.preparing.jobs import FINDER_FAILED, Job, Target, run_job
from dfbench.data.preparing.outcomes import (
    Prepared,
    forget_failure,
    held_elsewhere,
    known_outcome,
    sweep_leftovers,
)
from dfbench.data.reading import carried, reading
from dfbench.data.store.face_files import discard, face_path
from dfbench.data.store.specs_kept import faces_beside, keep_spec, larger_stores
from dfbench.errors import DfbenchError, RunError, StoreError
from dfbench.interfaces import Progress
from dfbench.types import PrepareSpec, Status, Video, VideoFile

VIDEO_SECONDS = 1800.0  # after which a video counts as one that hangs
MAX_THREADS = 8  # that decode one video: each holds a frame
# Of the face finder, one after the other and all alike, after which it is taken to be broken.
MAX_FAILURES = 5


_V = TypeVar("_V", bound=VideoFile)


@dataclass(frozen=True)  # without slots, as `Prepared`
class Preparation(Generic[_V]):
    """Videos whose faces are wanted, and by what spec. With `own_files`, what a file of a larger spec holds is written to files
    of this one, for whoever reads them often, or knows nothing of larger ones."""

    videos: Sequence[_V]
    spec: PrepareSpec
    own_files: bool = False


@dataclass(frozen=True)  # without slots, as `Prepared`
class Report(Generic[_V]):
    """The outcome of each requested video, in request order; with `retry`, of those alone that already had one."""

    videos: tuple[Prepared[_V], ...]


PrepareReport = Report[Video]


def prepare_all(
    wanted: Sequence[Preparation[_V]],
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
) -> list[Report[_V]]:
    """Prepare all that is `wanted`, each video once for all specs; what is done already is not done again.

    `finder` is the import path of a factory `(device: str) -> FaceFinder`. A video that takes longer than `seconds`
    ends as an error. With `scheduler`, the workers of that dask cluster do the work (`workers` counts here alone).
    With `retry`, videos that failed are done again, and no others. Face files that are there are taken for whole if their
    tracks can be read; with `verify`, every byte of them and of their videos is checked, which takes as long as reading
    both. Returns a report for each of `wanted`. Raises StoreError when the store cannot be written, RunError when the cluster
    is lost or its workers lack something; what was prepared is kept.
    """
    store_root = store_root.absolute() if scheduler else store_root
    sources = _sources([video for one in wanted for video in one.videos], verify=verify)
    parts = [
        _look_up(one, sources, store_root, corpus, retry, workers if verify else 0, progress)
        for one in wanted
    ]
    jobs = _jobs(parts, sources, finder, seconds)
    if jobs:
        for part in parts:
            _tell_beside([part.paths[number] for number in part.left], part.spec, progress)
        folders = {target.path.parent: target.spec for job in jobs for target in job.targets}
        for folder in folders:
            require_below(store_root, folder)
        sweep_leftovers(folders)
        threads = 1 if scheduler else threads_of_each(own_cores(), min(workers, len(jobs)))
        jobs = [replace(job, threads=threads) for job in jobs]
        made: dict[Path, Prepared[VideoFile]] = {}
        datasets = ", ".join(dict.fromkeys(job.video.dataset for job in jobs))
        with progress.task(f"faces of {datasets}", len(jobs)) as task:
            for job, results in _run(jobs, scheduler, workers, store_root, progress):
                made |= zip((target.path for target in job.targets), results, strict=True)
                failed = [one for one in results if one.status is not Status.OK]
                task.advance(note=f"{failed[0].video.video_id}: {failed[0].status}" if failed else "")
                _keep_specs(folders)
        for part in parts:
            part.done |= {number: made[part.paths[number]].of(part.videos[number]) for number in part.left}
    return [Report(tuple(part.done[number] for number in sorted(part.done))) for part in parts]


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
    outcomes = _outcomes(videos, sources, paths, spec, workers=verify, progress=progress)
    if beside:
        _tell_beside(
            [path for path, known in zip(paths, outcomes, strict=True) if known is None], spec, progress
        )
    return outcomes


@dataclass(slots=True)
class _Part(Generic[_V]):
    """How far the preparation of some videos is: `done` and `left` by their number; `held`: files that hold what is wanted of
    some that are left."""

    videos: Sequence[_V]
    spec: PrepareSpec
    own_files: bool
    paths: list[Path]
    done: dict[int, Prepared[_V]]
    left: list[int]
    held: dict[int, Path]


def _look_up(
    wanted: Preparation[_V],
    sources: Mapping[Path, str],
    store_root: Path,
    corpus: str,
    retry: bool,
    verify: int,
    progress: Progress,
) -> _Part[_V]:
    """What is there of what is `wanted`, and what is left to do."""
    videos, spec = wanted.videos, wanted.spec
    paths = _paths(videos, sources, spec, store_root=store_root, corpus=corpus)
    part = _Part(videos, spec, wanted.own_files, paths, {}, [], {})
    outcomes = _outcomes(videos, sources, paths, spec, workers=verify, progress=progress)
    for number, (known, path) in enumerate(zip(outcomes, paths, strict=True)):
        if verify and (known is None or known.path != path):
            discard(path)  # made of bytes that the samples do not tell from those that are there now
        failed = known is not None and known.status is not Status.OK
        held = known is not None and known.wanted is not None and wanted.own_files
        if known is not None and held:
            part.held[number] = known.path
        if retry and failed:
            forget_failure(path)
        if known is not None and not (retry and failed) and not held:
            part.done[number] = known
        elif failed or not retry:
            part.left.append(number)
    _keep_specs({path.parent: spec for path in paths})  # of faces that an earlier version made
    return part


def _jobs(parts: Sequence[_Part[_V]], sources: Mapping[Path, str], finder: str, seconds: float) -> list[Job]:
    """A job for each video of which something is left to do."""
    jobs: dict[tuple[str, str, str, Path, Path | None], Job] = {}
    for part in parts:
        for number in part.left:
            video = part.videos[number]
            key = (video.dataset, video.video_id, video.compression, video.path, video.mask_path)
            target = Target(part.spec, part.paths[number], part.held.get(number), part.own_files)
            job = jobs.get(key) or Job(video, (), sources[video.path], finder, seconds, reading())
            if target.path not in {one.path for one in job.targets}:
                jobs[key] = replace(job, targets=(*job.targets, target))
    return list(jobs.values())


def _keep_specs(folders: Mapping[Path, PrepareSpec]) -> None:
    for folder, spec in folders.items():
        keep_spec(folder, spec)


def _tell_beside(paths: Sequence[Path], spec: PrepareSpec, progress: Progress) -> None:
    """Say where faces of the same videos lie that differ from those at `paths`, which are not there, in the fewest fields."""
    for beside in faces_beside(paths, spec)[:1]:
        progress.note(beside.in_words())


def _sources(videos: Sequence[VideoFile], *, verify: bool) -> dict[Path, str]:
    """The fingerprint of each file."""
    paths = list(dict.fromkeys(video.path for video in videos))
    if verify:
        list_archives_anew(paths)
    return dict(zip(paths, fingerprints(paths), strict=True))


def _outcomes(
    videos: Sequence[_V],
    sources: Mapping[Path, str],
    paths: Sequence[Path],
    spec: PrepareSpec,
    *,
    workers: int,
    progress: Progress,
) -> list[Prepared[_V] | None]:
    """What the store says of each video; with `workers`, so many threads check every byte."""
    stores = {folder: larger_stores(folder, spec) for folder in {path.parent for path in paths}}

    def outcome(video: _V, path: Path) -> Prepared[_V] | None:
        source, verify = sources[video.path], workers > 0
        known = known_outcome(video, path, source, whole=verify, verify=verify)
        if known is None and (larger := stores[path.parent]):
            return held_elsewhere(video, path, source, spec=spec, stores=larger, whole=verify, verify=verify)
        return known

    if not workers:
        return [outcome(video, path) for video, path in zip(videos, paths, strict=True)]
    outcomes = []
    with (
        progress.task("verify the face files", len(paths)) as task,
        ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool,
    ):
        for one in pool.map(carried(outcome), videos, paths):
            outcomes.append(one)
            task.advance()
    return outcomes


def _paths(
    videos: Sequence[VideoFile],
    sources: Mapping[Path, str],
    spec: PrepareSpec,
    *,
    store_root: Path,
    corpus: str,
) -> list[Path]:
    digest = spec.digest()
    return [
        face_path(store_root, video, corpus=corpus, digest=digest, source=sources[video.path])
        for video in videos
    ]


def _run(
    jobs: Sequence[Job], scheduler: str, workers: int, store_root: Path, progress: Progress
) -> Iterator[tuple[Job, list[Prepared[VideoFile]]]]:
    """Run the jobs through the executor; yield each with the outcomes of its targets, in order of completion."""
    # Each start begins elsewhere and goes round: two at a time on one store share the work, and do not double it.
    first = int.from_bytes(os.urandom(4), "big") % len(jobs)
    with ExitStack() as stack:
        sent = list(jobs)
        if scheduler:
            mark = stack.enter_context(_marked(store_root))
            sent = [job.sent_away(mark) for job in jobs]
        executor = stack.enter_context(
            open_executor(scheduler, workers=min(workers, len(jobs)), progress=progress)
        )
        order = [*range(first, len(jobs)), *range(first)]
        pending = {executor.submit(run_job, sent[number]): jobs[number] for number in order}
        alike: list[tuple[Job, str]] = []
        for future in as_completed(pending):
            job = pending[future]
            try:
                results = future.result()
                failure = next(filter(None, (one.reason.partition(FINDER_FAILED)[2] for one in results)), "")
                alike = [*(one for one in alike if one[1] == failure), (job, failure)] if failure else []
                if len(alike) == MAX_FAILURES:
                    _give_up([one for one, _ in alike], failure)
                yield job, results
            except DfbenchError:
                raise
            except CancelledError as error:
                raise RunError(
                    f"the scheduler at {scheduler} was lost", hints=("start it, and this again: it goes on",)
                ) from error
            except Exception as error:
                if killed_with_its_workers(error):
                    yield job, job.lost("its worker died, and so did those that took over")
                elif scheduler:
                    raise RunError(
                        f"a worker of {scheduler} failed on {job.video.path}: {type(error).__name__}: {error}",
                        hints=("install the same dfbench with the same plugins on every worker",),
                    ) from error
                else:
                    raise


def _give_up(jobs: Sequence[Job], failure: str) -> None:
    """Raise RunError for a finder that failed on all of these videos alike, which are not to blame."""
    for job in jobs:
        for target in job.targets:
            forget_failure(target.path)
    raise RunError(
        f"{FINDER_FAILED}{failure}: {MAX_FAILURES} times, one after the other",
        hints=("dfbench doctor", "fewer workers take less memory: DFBENCH_WORKERS"),
    )


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
