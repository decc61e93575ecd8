"""Preparation of a corpus with damage in it, on disks that fill up, go away or may not be written to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.damaged_corpus import WHOLE
from tests.data.streams import h264_stream
from tests.data.toy_stage import SPEC, ToyStage, expected, toy_stage
from tests.data.unprivileged import obey_permissions

from dfbench.data.decoding.video import probe, read_frames
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.preparing.outcomes import store_failure
from dfbench.data.preparing.prepare import PrepareReport
from dfbench.data.store.face_files import read_faces
from dfbench.errors import DfbenchError, LayoutError, StoreError, UndecodableVideoError
from dfbench.interfaces import FaceFinder
from dfbench.types import Status
from dfbench_plugins.datasets.celeb_df_v2 import CelebDF

COUNT = 6


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyStage:
    """Videos in a folder `data`."""
    folder = tmp_path / "toy"
    (folder / "data").mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    stage = toy_stage(folder, COUNT)
    return replace(
        stage,
        videos=[replace(one, path=one.path.rename(folder / "data" / one.path.name)) for one in stage.videos],
    )


def statuses(report: PrepareReport) -> list[Status]:
    return [one.status for one in report.videos]


@pytest.mark.slow
def test_a_corpus_with_damaged_videos_is_prepared_to_the_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.data.damaged_corpus", str(tmp_path)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=300)
    outcomes = json.loads((tmp_path / "outcomes.json").read_text(encoding="utf-8"))
    bad = [one for one in outcomes if one["expected"][0] != "ok"]
    assert len(bad) / len(outcomes) == 0.02
    assert [line.split(" | ")[1] for line in ended.stdout.splitlines()] == [one["status"] for one in bad]
    for one in outcomes:
        status, words = one["expected"]
        assert (one["status"], words in one["reason"]) == (status, True)
        assert bool(one["reason"]) == (one["video"] in one["reason"]) == (status != "ok")
    stored = Counter((Path(one["video"]).parts[1], Path(one["faces"]).read_bytes()) for one in outcomes
                     if one["status"] == "ok")  # fmt: skip
    assert len(stored) == WHOLE  # the copies of a video are stored alike
    for number in range(1, WHOLE + 1):
        path = next(
            Path(one["faces"]) for one in outcomes if one["video"] == f"whole/{number}/{number - 1:04}.mp4"
        )
        crops = read_faces(path).crops
        frames = read_frames(tmp_path / f"{number}.mp4", SPEC.frames)
        for crop, (_, frame) in zip(crops, frames, strict=True):
            assert set(np.unique(crop)) <= set(np.unique(frame))
            np.testing.assert_array_equal(crop[8:40, 8:40], frame[8:40, 8:40])


@pytest.mark.slow
def test_a_disk_that_goes_away_midway_costs_nothing_but_time(toy: ToyStage) -> None:
    vanish = toy.tell("vanish")
    report = toy.prepare()
    assert not vanish.exists()
    missing = [one for one in report.videos if one.status is Status.MISSING]
    assert len(missing) >= COUNT - 1  # all but the one in work when it went, if that is one without a face
    assert all(str(one.video.path) in one.reason for one in missing)
    (toy.folder / "away").rename(toy.folder / "data")
    assert statuses(toy.prepare()) == expected(COUNT)
    toy.prepare("other")
    assert toy.content() == toy.content("other")


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3])  # without a face, a reason is to be written
def test_a_full_disk_stops_the_stage_and_keeps_what_is_done(toy: ToyStage, number: int) -> None:
    toy.prepare_some(toy.videos[1:3], "store", workers=1)
    kept = toy.content()
    full = toy.tell(f"full-{number}")
    with pytest.raises(StoreError, match="No space left on device") as caught:
        toy.prepare_some([toy.videos[number]], "store", workers=1)
    assert str(toy.folder / "store") in caught.value.message
    assert any("DFBENCH_CACHE" in hint for hint in caught.value.hints)
    assert toy.content() == kept
    full.unlink()
    assert statuses(toy.prepare()) == expected(COUNT)
    toy.prepare("other")
    assert toy.content() == toy.content("other")


def test_a_store_that_is_a_file(toy: ToyStage) -> None:
    (toy.folder / "store").write_text("not a folder", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write"):
        toy.prepare()


def refused(work: Callable[[], object]) -> DfbenchError:
    """The error of `work` in a thread that obeys permissions."""
    caught: list[BaseException] = []

    def run() -> None:
        obey_permissions()
        try:
            work()
        except DfbenchError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    (error,) = caught
    assert isinstance(error, DfbenchError)
    return error


def test_a_store_that_may_not_be_written(toy: ToyStage, finder: FaceFinder) -> None:
    store = toy.folder / "store"
    store.mkdir()
    store.chmod(0o555)
    video, path = toy.videos[3], store / "a.faces"
    for error in (
        refused(lambda: prepare_video(video.path, SPEC, finder, path)),
        refused(lambda: store_failure(video, path, Status.NO_FACE, "no face")),
    ):
        assert isinstance(error, StoreError)
        assert "Permission denied" in error.message
        assert str(path.with_suffix("")) in error.message
    assert list(store.iterdir()) == []


@pytest.fixture
def finder(toy: ToyStage) -> FaceFinder:
    import toy_finder  # type: ignore[import-not-found]  # written by the stage

    found: FaceFinder = toy_finder.Finder("cpu")
    return found


@pytest.mark.parametrize("what", ["file", "folder above", "frames", "frame", "archive", "list"])
def test_what_may_not_be_read(tmp_path: Path, what: str) -> None:
    top = tmp_path / "top"
    paths = {
        "file": top / "a.mp4",
        "folder above": top / "closed" / "a.mp4",
        "frames": top / "frames",
        "frame": top / "frames",
        "archive": top / "a.zip" / "frames",
        "list": top / "List_of_testing_videos.txt",
    }
    closed = {
        "folder above": top / "closed",
        "frame": top / "frames" / "1.png",
        "archive": top / "a.zip",
    }.get(what, paths[what])
    for folder in ("closed", "frames", "Celeb-real"):
        (top / folder).mkdir(parents=True)
    for name in ("a.mp4", "closed/a.mp4", "frames/1.png", "a.zip", "List_of_testing_videos.txt"):
        (top / name).write_bytes(b"x")
    closed.chmod(0)
    try:
        index = CelebDF(top, compression=None).index
        error = refused(index if what == "list" else lambda: probe(paths[what]))
    finally:
        closed.chmod(0o700)
    assert isinstance(error, LayoutError if what == "list" else UndecodableVideoError)
    assert "Permission denied" in error.message
    assert str(paths[what]) in error.message


def test_a_video_that_changes_its_size_is_stored(toy: ToyStage, finder: FaceFinder) -> None:
    video, path = toy.videos[3], toy.folder / "a.faces"
    video.path.write_bytes(h264_stream((64, 48), (128, 96)))
    prepare_video(video.path, SPEC, finder, path)
    assert len(read_faces(path).crops) == 4
