"""How files are read reaches whoever reads them: threads, processes, other machines, and what settings say."""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dfbench.data.datasets.inspection import inspect
from dfbench.data.faces.worker_finder import build_finder
from dfbench.data.fingerprints import AT_ONCE, fingerprints
from dfbench.data.images.archives import archive_folders
from dfbench.data.preparing.jobs import Job, Target, prepare_targets
from dfbench.data.preparing.process import OwnProcess
from dfbench.data.reading import Reading, carried, read_by, reading, reading_as
from dfbench.progress import SilentProgress
from dfbench.runs.planning.setup import Setup
from dfbench.types import FrameChoice, GivenFile, Label, PrepareSpec, Status, Video


def packed(path: Path, *folders: str) -> list[Path]:
    """An archive of folders with a frame each, which is none; returns the paths of the folders in it."""
    with zipfile.ZipFile(path, "w") as archive:
        for folder in folders:
            archive.writestr(f"{folder}/1.png", folder.encode())
    return [path / folder for folder in folders]


def test_files_are_read_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_DATA__FOLLOW_LINKS", "true")
    assert not reading().follow_links
    setup = Setup(cache=tmp_path / "mine")
    assert not reading().follow_links
    assert setup.settings is setup.settings
    assert reading() == Reading(tmp_path / "mine" / "archives", follow_links=True)


def test_without_a_choice_lists_are_kept_in_memory_alone(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip", "x")
    with reading_as(Reading()):
        assert archive_folders(tmp_path / "a.zip") == {"x": ("1.png",)}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.zip"]


def test_a_choice_ends_with_its_body_and_reaches_a_thread_that_it_is_carried_to(tmp_path: Path) -> None:
    chosen = Reading(tmp_path, follow_links=True)
    with ThreadPoolExecutor(1) as pool:
        with reading_as(chosen):
            assert pool.submit(reading).result() == Reading()
            assert pool.submit(carried(reading)).result() == chosen
        assert reading() != chosen
        assert pool.submit(reading).result() == Reading()


def test_threads_that_take_fingerprints_keep_lists_where_they_are_told(tmp_path: Path) -> None:
    paths = packed(tmp_path / "a.zip", *(f"v{number}" for number in range(AT_ONCE + 1)))
    read_by(Reading(tmp_path / "lists"))
    assert len(set(fingerprints(paths))) == AT_ONCE + 1
    (kept,) = (tmp_path / "lists").iterdir()
    assert len(json.loads(kept.read_text())) == AT_ONCE + 1


def test_the_process_that_looks_into_a_file_keeps_lists_where_it_is_told(tmp_path: Path) -> None:
    (path,) = packed(tmp_path / "a.zip", "x")
    read_by(Reading(tmp_path / "lists"))
    video = Video("d", "x", path, Label.REAL, "test", "real", "raw", ("x",), "x")
    (reason,) = inspect([video], workers=1, progress=SilentProgress()).unreadable
    assert "not a readable image" in reason
    assert len(list((tmp_path / "lists").iterdir())) == 1


def test_a_video_that_is_prepared_elsewhere_is_read_as_here(tmp_path: Path) -> None:
    (path,) = packed(tmp_path / "a.zip", "x")
    job = Job(
        GivenFile("d", "x", path),
        (Target(PrepareSpec(FrameChoice("first", 1)), tmp_path / "faces" / "x.npz"),),
        source="",
        finder="tests.probe:ProbeFinder",
        seconds=1.0,
        reading=Reading(Path("lists"), follow_links=True),
    )
    sent = job.sent_away(tmp_path / "mark")
    assert sent.reading == Reading(tmp_path / "lists", follow_links=True)
    process = OwnProcess()
    try:
        process.call(build_finder, sent.finder, 0)
        (done,) = process.call(prepare_targets, sent, sent.targets, 0)
    finally:
        process.close(seconds=0)
    assert done.status is Status.UNDECODABLE
    assert len(list((tmp_path / "lists").iterdir())) == 1
