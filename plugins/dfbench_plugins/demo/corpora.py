"""Write the demo corpora: plan, render in parallel what is missing, then lists, cards and a mark that all is there.

Every file is written under a temporary name and renamed, so after `kill -9` the same call goes on where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from dfbench import Progress, ProgressTask, StoreError, UnreadableError, UsageError, own_cores
from dfbench.data import MOST_SETTINGS, read_object
from dfbench_plugins.demo.layouts import GENERATOR, ROOTS, write_card, write_lists, write_text
from dfbench_plugins.demo.plan import SIZES, Cut, Job, Shot, plan
from dfbench_plugins.demo.sheet import contact_sheet

MARK = "complete.json"
SHEET = "contact_sheet.png"


def write(folder: Path, *, size: str, seed: int, progress: Progress) -> Mapping[str, Path]:
    """Write whatever is not there yet of the four demo corpora below `folder`; return their roots by dataset name.

    Raises UsageError for an unknown `size`, and StoreError if `folder` holds demo corpora of another size, seed or
    generator, or cannot be written.
    """
    if size not in SIZES:
        raise UsageError(f"there is no demo size '{size}'", hints=(f"choose one of: {', '.join(SIZES)}",))
    roots = {corpus: folder / name for corpus, name in ROOTS.items()}
    identity = {"generator": GENERATOR, "size": size, "seed": seed}
    try:
        if _claimed(folder, identity):
            return roots
        jobs = plan(size, seed=seed)
        _render(jobs, roots, progress)
        for corpus, root in roots.items():
            own = [job for job in jobs if job.corpus == corpus]
            write_lists(root, corpus, own)
            write_card(root, corpus, own, size=size, seed=seed)
        contact_sheet(roots, folder / SHEET)
        write_text(folder / MARK, json.dumps({**identity, "complete": True}))
        progress.note(f"demo corpora: look at {folder / SHEET}")
    except OSError as error:
        raise StoreError(
            f"the demo corpora cannot be written to {folder}: {error}",
            hints=("free some space (150 MB are needed) or choose another cache folder",),
        ) from error
    return roots


def _claimed(folder: Path, identity: Mapping[str, object]) -> bool:
    """Whether `folder` is complete; claim it for `identity` if it is new."""
    mark = folder / MARK
    if not mark.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(mark, json.dumps({**identity, "complete": False}))
        return False
    try:
        found = read_object(mark, most=MOST_SETTINGS)
    except UnreadableError:
        found = {}
    if any(found.get(name) != value for name, value in identity.items()):
        raise StoreError(
            f"{folder} holds demo corpora made otherwise: {found} where {dict(identity)} is asked for",
            hints=(f"delete {folder}, or name another folder",),
        )
    return bool(found.get("complete"))


def _missing(root: Path, shot: Shot) -> list[Cut]:
    return [
        cut
        for cut in shot.cuts
        if not (root / cut.path).is_file() or (cut.mask is not None and not (root / cut.mask).is_file())
    ]


def _render(jobs: tuple[Job, ...], roots: Mapping[str, Path], progress: Progress) -> None:
    todo = [
        (job, sum(cut.frames for shot in job.shots for cut in _missing(roots[job.corpus], shot)))
        for job in jobs
    ]
    todo = [(job, frames) for job, frames in todo if frames]
    workers = min(own_cores(), len(todo))
    with progress.task("demo corpora, frames", sum(frames for _, frames in todo)) as task:
        if workers <= 1:
            for job, _ in todo:
                task.advance(render_job(job, roots[job.corpus]), note=job.corpus)
            return
        _render_parallel(todo, roots, task, workers=workers)


def _render_parallel(
    todo: list[tuple[Job, int]], roots: Mapping[str, Path], task: ProgressTask, *, workers: int
) -> None:
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork would copy the locks of threads that may be running
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = {pool.submit(render_job, job, roots[job.corpus]): job for job, _ in todo}
        try:
            for done in as_completed(running):
                task.advance(done.result(), note=running[done].corpus)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def render_job(job: Job, root: Path) -> int:
    """Film the two shots of `job` and write those of their videos that are missing; return the frames written.

    The files are the same to the byte on every x86-64 processor, with the same packages (`exact`, `warp`, `encode`).
    """
    import cv2

    threads, ipp = cv2.getNumThreads(), cv2.ipp.useIPP()
    cv2.setNumThreads(1)
    cv2.ipp.setUseIPP(False)  # chooses its code by the processor
    try:
        return _render_job(job, root)
    finally:
        cv2.setNumThreads(threads)
        cv2.ipp.setUseIPP(ipp)


def _render_job(job: Job, root: Path) -> int:
    from dfbench_plugins.demo.camera import Footage, film
    from dfbench_plugins.demo.encode import write_video
    from dfbench_plugins.demo.manipulations.forge import forge
    from dfbench_plugins.demo.manipulations.recipes import draw_recipe
    from dfbench_plugins.demo.styles import STYLES

    style = STYLES[job.corpus]
    wanted = [_missing(root, shot) for shot in job.shots]
    forged = [any(cut.method for cut in cuts) for cuts in wanted]
    footage: list[Footage | None] = [None, None]
    for index, shot in enumerate(job.shots):
        # A shot is needed for its own videos and as the source of the other's fakes.
        if wanted[index] or forged[1 - index]:
            rng = shot.people[0].generator(3)
            footage[index] = film(shot.people, style, frames=shot.frames, rng=rng)
    written = 0
    for index, shot in enumerate(job.shots):
        own, other = footage[index], footage[1 - index]
        crf = style.crf[int(shot.people[0].generator(4).integers(len(style.crf)))]
        for cut in wanted[index]:
            assert own is not None
            if not cut.method:
                write_video(
                    root / cut.path, own.frames[cut.start : cut.start + cut.frames], fps=own.fps, crf=crf
                )
            else:
                assert other is not None
                rng = shot.people[0].generator(5, cut.number)
                recipe = draw_recipe(cut.method, rng=rng)
                frames, masks = forge(own, other, recipe, start=cut.start, frames=cut.frames, rng=rng)
                if cut.mask is not None:
                    write_video(root / cut.mask, masks, fps=own.fps, crf=20, preset="ultrafast")
                write_video(root / cut.path, frames, fps=own.fps, crf=crf)
            written += cut.frames
    return written
