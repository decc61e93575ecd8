"""Preparation by several processes, starts and machines: crashes, hangs, shards, two at once, a killed dask worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from tests.data.toy_stage import SPEC, ToyStage, expected, toy_stage
from torch import Tensor

from dfbench.data.fingerprints import fingerprint
from dfbench.data.preparing import executor, prepare
from dfbench.data.preparing.executor import LocalExecutor, open_executor
from dfbench.data.preparing.jobs import Job, Target, run_job
from dfbench.data.preparing.outcomes import PreparedResult, sweep_leftovers
from dfbench.data.preparing.process import OwnProcess, memory_of_this_job
from dfbench.data.preparing.shard import Shard, parse_shard
from dfbench.data.reading import Reading
from dfbench.data.store.face_files import read_faces
from dfbench.errors import PluginError, RunError, StoreError, UsageError
from dfbench.progress import SilentProgress
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.types import ClipSpec, Status

COUNT = 8


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyStage:
    folder = tmp_path / "toy"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return toy_stage(folder, COUNT)


def statuses(report: prepare.PrepareReport) -> list[Status]:
    return [one.status for one in report.videos]


def in_thread(work: Any, results: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread


def wait_for(path: Path, working: threading.Thread) -> str:
    while not path.exists() and working.is_alive():
        working.join(0.02)
    return path.read_text()


def test_a_worker_that_finds_landmarks_by_something_else_is_refused(toy: ToyStage) -> None:
    wanted = replace(SPEC, landmarks=True, landmark_kind="template")
    with pytest.raises(RunError, match="finds landmarks by dlib, and by template they are wanted") as caught:
        prepare.prepare_all(
            [prepare.Preparation(toy.videos, wanted)],
            store_root=toy.folder / "store",
            corpus="toy",
            finder="toy_finder:Finder",
            workers=1,
            progress=SilentProgress(),
        )
    assert "dlib-bin and face_recognition_models" in caught.value.hints[0]
    assert not list(toy.folder.rglob("*.faces"))


@pytest.mark.slow
def test_a_crash_and_a_hang_end_in_a_status_and_are_retried(toy: ToyStage) -> None:
    crash, hang = toy.tell("crash-3"), toy.tell("hang-5")
    toy.prepare_some(toy.videos[:5] + toy.videos[6:], "store", workers=2)
    report = toy.prepare(seconds=2.0)  # only the one that hangs is left to be quick enough
    wanted = expected(COUNT)
    wanted[3] = wanted[5] = Status.ERROR
    assert statuses(report) == wanted
    assert [report.videos[number].reason for number in (3, 5)] == [
        f"{toy.videos[3].path}: the process that worked on it died: SIGKILL",
        f"{toy.videos[5].path}: not done after 2 s",
    ]
    crash.unlink()
    hang.unlink()
    before = toy.log()
    assert statuses(toy.prepare()) == wanted  # a failure is not tried again
    assert toy.log() == before
    assert statuses(toy.prepare(retry=True)) == expected(COUNT)
    assert toy.log() - before == {0: 1, 3: 1, 5: 1}
    toy.prepare("other")
    assert toy.content() == toy.content("other")  # nothing is left of the failures


def test_retry_leaves_what_was_never_prepared(toy: ToyStage) -> None:
    toy.prepare_some(toy.videos[:3], "store", workers=1)
    report = toy.prepare(retry=True)
    assert [one.video.video_id for one in report.videos] == ["v0", "v1", "v2"]
    assert toy.log() == {0: 2, 1: 1, 2: 1}
    known = prepare.prepared(
        toy.videos, SPEC, store_root=toy.folder / "store", corpus="toy", progress=SilentProgress()
    )
    assert [one and one.status for one in known] == [*expected(3), *[None] * (COUNT - 3)]


def test_a_finder_that_fails_gets_a_new_process(toy: ToyStage) -> None:
    """One worker, whose process is of no use from the third video on."""
    toy.tell("break-3")
    assert statuses(toy.prepare()) == expected(COUNT)
    assert toy.log()[3] == 2


@pytest.mark.slow
def test_a_finder_that_is_broken_ends_the_stage(toy: ToyStage) -> None:
    broken = toy.tell("broken")
    with pytest.raises(RunError, match="CUDA error: 5 times"):
        toy.prepare()
    assert not any(name.endswith(".json") for name in toy.content())
    broken.unlink()
    assert statuses(toy.prepare()) == expected(COUNT)


@pytest.mark.parametrize("found_by", ["verifying", "reading"])
def test_a_damaged_crop_is_made_anew(toy: ToyStage, found_by: str) -> None:
    """What is there is not read before work begins, unless that is asked for."""
    paths = [one.path for one in toy.prepare().videos]
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    assert statuses(toy.prepare()) == expected(COUNT)
    assert paths[2].read_bytes() != whole
    if found_by == "reading":
        with pytest.raises(StoreError, match="damaged"):
            read_faces(paths[2])
        toy.prepare()
    else:
        toy.prepare(verify=True)
    assert paths[2].read_bytes() == whole
    assert toy.log() == {**dict.fromkeys(range(COUNT), 1), 0: toy.log()[0], 2: 2}


def test_asking_for_a_frame_that_is_not_there_deletes_nothing(toy: ToyStage) -> None:
    path = toy.prepare().videos[1].path
    with pytest.raises((StoreError, IndexError)):
        read_faces(path, frames=[99])
    assert path.is_file()


def test_a_damaged_face_file_costs_its_own_score_alone(toy: ToyStage) -> None:
    ready = toy.prepare().videos
    damaged = bytearray(ready[3].path.read_bytes())
    damaged[60] ^= 1
    ready[3].path.write_bytes(bytes(damaged))
    videos = [PreparedResult(one.video, one.status, one.reason, one.path) for one in ready]
    writer = Mock()
    clips = ClipSpec(frames=1, size=16, per_video=2)
    score_videos(Zero(), videos, clips=clips, writer=writer, progress=SilentProgress(), description="score")
    failed = {call.args[0].video_id: call.kwargs for call in writer.add_status.call_args_list}
    assert failed["v3"]["status"] is Status.ERROR
    assert "damaged" in failed["v3"]["reason"]
    assert not ready[3].path.exists()
    assert writer.add_video.call_count == COUNT - 2  # the first one has no face


class Zero:
    def score(self, clips: Tensor) -> Tensor:
        return torch.zeros(len(clips))


def test_shards_merge(toy: ToyStage) -> None:
    for index in (2, 3, 1):
        toy.prepare_some(Shard(index, 3).of(toy.videos), "store", workers=1)
    assert toy.log() == dict.fromkeys(range(COUNT), 1)
    toy.prepare("other")
    assert toy.content() == toy.content("other")


def test_two_at_once_share_the_work(toy: ToyStage) -> None:
    hang = toy.tell("hang-4")
    reports: list[prepare.PrepareReport] = []
    first = in_thread(toy.prepare, reports)
    child = wait_for(toy.folder / "hanging", first).split()[0]
    hang.unlink()
    assert statuses(toy.prepare()) == expected(COUNT)  # the second overtakes the first
    os.kill(int(child), signal.SIGKILL)
    first.join()
    assert statuses(reports[0]) == expected(COUNT)
    assert toy.log() == {number: 2 if number == 4 else 1 for number in range(COUNT)}
    toy.prepare("other")
    assert toy.content() == toy.content("other")


def test_giving_up_ends_what_is_in_work_and_blames_no_video(
    toy: ToyStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "CLOSE_SECONDS", 0.0)
    toy.tell("hang-4")
    pool = LocalExecutor(1)
    path, source = toy.folder / "store" / "v4.faces", fingerprint(toy.videos[4].path)
    job = Job(toy.videos[4], (Target(SPEC, path),), source, "toy_finder:Finder", 600.0, Reading())
    done: list[BaseException | None] = []
    future = pool.submit(run_job, job)
    waiting = in_thread(future.exception, done)
    child = int(wait_for(toy.folder / "hanging", waiting).split()[0])
    pool.shutdown(cancel_futures=True)
    waiting.join()
    assert [type(one).__name__ for one in done] == ["CancelledError"]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert toy.content() == {}


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_between_two_calls_is_replaced(end: signal.Signals) -> None:
    process = OwnProcess()
    first, server = process.call(os.getpid), process.call(os.getppid)
    for one in (first, server):  # a cluster that takes a machine back tells all processes
        os.kill(one, end)
    assert process.call(os.getpid) != first
    process.close(seconds=60.0)
    with pytest.raises(CancelledError):
        process.call(os.getpid)


def test_what_ends_its_process_is_told() -> None:
    process = OwnProcess()
    for _ in range(2):
        with pytest.raises(BrokenExecutor, match="exit code 3"):
            process.call(os._exit, 3)
    with pytest.raises(ZeroDivisionError):
        process.call(divmod, 1, 0)
    process.close(seconds=60.0)


@pytest.mark.slow
def test_what_takes_too_much_memory_is_ended() -> None:
    process = OwnProcess(memory=2**30)
    taking = "import threading; much = b'x' * (3 << 29); threading.Event().wait()"
    with pytest.raises(BrokenExecutor, match="it took too much memory"):
        process.call(exec, taking)
    process.call(os.getpid)
    process.close(seconds=60.0)


def test_a_finder_that_cannot_be_built_stops_the_stage(toy: ToyStage) -> None:
    (toy.folder / "toy_finder.py").write_text("import nothing_of_the_kind", encoding="utf-8")
    with pytest.raises(PluginError, match=r"toy_finder:Finder .*nothing_of_the_kind"):
        toy.prepare()
    assert toy.content() == {}


def test_leftovers_of_killed_processes_are_swept(tmp_path: Path) -> None:
    old, new, faces = (tmp_path / name for name in ("a.faces.1.part", "b.faces.2.part", "a.faces"))
    for path in (old, new, faces):
        path.touch()
    for path in (old, faces):
        os.utime(path, (1e9, 1e9))
    sweep_leftovers([tmp_path])
    assert (old.exists(), new.exists(), faces.exists()) == (False, True, True)


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="is no shard") as caught:
        parse_shard(text)
    assert "--shard 3/8" in caught.value.hints[0]


def test_the_slurm_script_of_the_docs_names_the_same_share_when_one_task_is_submitted_again() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    lines = page[page.index("    #!/bin/bash") :].split("\n\n", 1)[0].splitlines()
    script = "\n".join(["srun() { printf '%s\\n' \"$@\"; }", *(line.strip() for line in lines)])
    last = re.search(r"--array=1-(\d+)", script)
    variables = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "1", "SLURM_CPUS_PER_TASK": "8"}
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    assert last is not None
    assert parse_shard(words[words.index("--shard") + 1]) == Shard(7, int(last[1]))


def test_shards_are_disjoint_and_whole() -> None:
    shares = [parse_shard(f"{index}/3").of(range(8)) for index in (1, 2, 3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert Shard(5, 9).of([1, 2]) == []


def opened(scheduler: str) -> None:
    with open_executor(scheduler, workers=1, progress=SilentProgress()):
        pass


def test_the_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        opened("tcp://127.0.0.1:8786")
    assert caught.value.hints == ("pip install 'dfbench-harness[cluster]'",)


@pytest.mark.parametrize(
    ("scheduler", "kind"),
    [("tcp://127.0.0.1:9", RunError), ("nowhere/scheduler.json", RunError), ("smtp://node:1", UsageError)],
)
def test_a_scheduler_that_is_not_there(
    scheduler: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "CONNECT_SECONDS", 0.3)
    with pytest.raises(kind, match=scheduler):
        opened(scheduler)


class Elsewhere(LocalExecutor):
    """A cluster whose only worker lacks something: `lose` is given the job."""

    def __init__(self, lose: Any) -> None:
        super().__init__(1)
        self._lose = lose

    def submit(self, fn: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        return super().submit(fn, *[self._lose(one) for one in arguments], **options)


def without_store(job: Any) -> Any:
    job.mark.unlink(missing_ok=True)
    return job


def without_video(job: Any) -> Any:
    job.video.path.unlink(missing_ok=True)
    return job


def other_version(job: Any) -> Any:
    return replace(job, version="0.0.1")


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (without_store, "does not see the face store"),
        (without_video, r"does not see .*\.mp4"),
        (other_version, r"has 0\.0\.1"),
    ],
)
def test_a_worker_that_lacks_something_is_an_error_and_no_status(
    toy: ToyStage, monkeypatch: pytest.MonkeyPatch, lose: Any, words: str
) -> None:
    @contextmanager
    def cluster(*_: object, **__: object) -> Iterator[Executor]:
        with Elsewhere(lose) as workers:
            yield workers

    monkeypatch.setattr(prepare, "open_executor", cluster)
    with pytest.raises(RunError, match=words):
        toy.prepare(scheduler="tcp://node:8786")
    assert toy.content() == {}


@pytest.mark.parametrize("error", ["KilledWorker", "ModuleNotFoundError", "CancelledError"])
def test_what_a_cluster_says(toy: ToyStage, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    from distributed import KilledWorker

    class Lost(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            future: Future[Any] = Future()
            lost = {
                "KilledWorker": KilledWorker("task", None, 3),
                "ModuleNotFoundError": ModuleNotFoundError("no dfbench"),
                "CancelledError": CancelledError(),
            }
            future.set_exception(lost[error])
            return future

    @contextmanager
    def cluster(*_: object, **__: object) -> Iterator[Executor]:
        yield Lost()

    monkeypatch.setattr(prepare, "open_executor", cluster)
    if error == "KilledWorker":
        report = toy.prepare(scheduler="tcp://node:8786")
        assert set(statuses(report)) == {Status.ERROR}
        assert "worker died" in report.videos[0].reason
        return
    with pytest.raises(RunError, match="was lost" if error == "CancelledError" else "no dfbench"):
        toy.prepare(scheduler="tcp://node:8786")


def has_ended(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_dask_worker_is_killed_and_nothing_is_lost(toy: ToyStage) -> None:
    import psutil
    from distributed import LocalCluster

    hang = toy.tell("hang-4")
    reports: list[prepare.PrepareReport] = []
    with LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        stage = in_thread(lambda: toy.prepare(scheduler=cluster.scheduler_address), reports)
        child, server = map(int, wait_for(toy.folder / "hanging", stage).split())
        hang.unlink()
        worker = psutil.Process(server).parent()
        assert worker is not None
        worker.send_signal(signal.SIGKILL)
        stage.join()
        while not has_ended(child):  # it must not go on alone
            time.sleep(0.02)
    assert statuses(reports[0]) == expected(COUNT)
    assert toy.log() == {number: 2 if number == 4 else 1 for number in range(COUNT)}
    assert statuses(toy.prepare("other")) == expected(COUNT)
    assert toy.content() == toy.content("other")


def test_the_memory_of_a_container_counts_and_not_that_of_its_machine(tmp_path: Path) -> None:
    machine = memory_of_this_job(tmp_path)
    assert machine > 2**28
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert memory_of_this_job(tmp_path) == machine
    (tmp_path / "memory.max").write_text(f"{2**27}\n", encoding="utf-8")
    assert memory_of_this_job(tmp_path) == 2**27
