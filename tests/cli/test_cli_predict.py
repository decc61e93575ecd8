"""`dfbench predict` scores single files by the way of a run: equal crops, equal numbers, and a row for each file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.cli.command import Dfbench, frame
from tests.cli.command import write as write_files
from tests.cli.two_people import FAKE, REAL, film, noted, run_of, scene
from tests.cli.two_people import write as write_video
from tests.conftest import Install

import dfbench as package
from dfbench import Pooling, ProgressTask, Status, UsageError, WeightsError
from dfbench.data.preparing.outcomes import store_failure
from dfbench.progress import SilentProgress, SilentTask
from dfbench.runs.records.score_table import sigmoid, video_scores
from dfbench.runs.scoring.prediction import clip_interval
from dfbench.types import GivenFile

PROBE = ("-d", "probe_net")


@pytest.fixture
def people(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two people in each of two videos, of whom the larger is the main one and the mask of the fake marks the smaller."""
    return film(tmp_path, install, monkeypatch)


def path_of(people: Path, name: str) -> Path:
    (path,) = [one for one in people.rglob(f"{name}.mp4") if "masks" not in one.parts]
    return path


@pytest.mark.slow
def test_a_file_gets_the_number_that_it_gets_in_a_run(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path, "--seed", "3")
    clips = pd.read_parquet(run / "scores.parquet")
    of_run = video_scores(clips, Pooling.MEAN_LOGIT).set_index("video_id").loc[f"actors/{REAL}"]
    scored = [batch for _, batch in noted("SCORED")][
        list(dict.fromkeys(clips["video_id"])).index(f"actors/{REAL}")
    ]
    (row,) = package.predict(path_of(people, REAL), detector="watcher", seed=3).to_dict("records")
    ((seed, crops),) = noted("SCORED")
    assert seed == 3
    np.testing.assert_array_equal(crops, scored)
    assert (row["logit"], row["probability"]) == (of_run["logit"], of_run["score"])  # to the last bit
    assert (row["status"], row["reason"], row["clips"]) == ("ok", "", 4)
    assert (row["face_frames"], row["wanted_frames"]) == (of_run["face_frames"], of_run["wanted_frames"])
    assert row["low"] < row["probability"] < row["high"]
    assert (row["faces"], row["faces_skipped"]) == (1, 0)  # the quick finder leaves the small face out
    # the command tells the same, to the last bit
    told = dfbench("predict", path_of(people, REAL), "-d", "watcher", "--seed", "3", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out) == [row]


def test_without_a_mask_the_main_face_is_scored(people: Path, dfbench: Dfbench) -> None:
    """A mask is ground truth, and whoever scores a file has none: the forged face of this fake is the small one."""
    table = package.predict([path_of(people, FAKE), path_of(people, REAL)], detector="watcher")
    ((_, fake), (_, real)) = noted("SCORED")
    np.testing.assert_array_equal(fake, real)
    assert len(set(table["probability"])) == 1


def test_frames_in_folders_and_archives_are_scored_as_the_video_of_them(
    tmp_path: Path, dfbench: Dfbench, probe: None
) -> None:
    files = {f"{number:03}.png": frame(5 * number) for number in range(12)}
    folder = write_files(tmp_path / "frames", files)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"real/12/{name}", content)
    table = package.predict([folder, tmp_path / "packed.zip" / "real" / "12"], detector="probe_net")
    assert table["status"].tolist() == ["ok", "ok"], table["reason"].tolist()
    assert len(set(table["probability"])) == 1


def test_every_file_has_a_row_and_a_command_that_scored_too_few_says_so(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    good = path_of(people, REAL)
    write_video(tmp_path / "empty room.mp4", [np.full((140, 220, 3), 40, np.uint8)] * 8)
    write_video(tmp_path / "short.mp4", [scene(0)])
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.mp4").symlink_to(good)
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.mp4").symlink_to(good)
    Image.fromarray(np.full((140, 220, 3), 40, np.uint8)).save(tmp_path / "mixed" / "poster.png")
    names = ["empty room.mp4", "short.mp4", "broken.mp4", "absent.mp4", "folder", "mixed"]
    asked = ("predict", *(tmp_path / name for name in names), good, good, "-d", "watcher")
    ended = dfbench(*asked, "--json")
    assert ended.code == 3, ended.err
    rows = json.loads(ended.out)
    assert [row["file"] for row in rows] == [*(str(tmp_path / name) for name in names), str(good), str(good)]
    statuses = ["no_face", "too_short", "undecodable", "missing", "undecodable", "no_face", "ok", "ok"]
    assert [row["status"] for row in rows] == statuses
    assert all(row["reason"] for row in rows[:6])
    for row in rows[4:6]:
        assert row["reason"].endswith("; it holds videos: name each of them, as in FOLDER/*")
    assert [row["probability"] is None for row in rows] == [True] * 6 + [False] * 2
    assert "6 of 8 files could not be scored: empty room.mp4 (no_face), short.mp4 (too_short)" in ended.err
    shown = dfbench(*asked)
    assert shown.code == 3
    assert "Traceback" not in shown.err
    words = " ".join(shown.out.split())
    assert f"{rows[-1]['probability']:.3f}" in words
    assert "missing: no such file or folder" in words
    assert "8 of 8" in words


def test_files_that_are_all_absent_need_no_weights(dfbench: Dfbench, tmp_path: Path) -> None:
    ended = dfbench("predict", tmp_path / "absent.mp4", "-d", "fakestormer", "--data", "demo", "--json")
    assert ended.code == 3
    assert [row["status"] for row in json.loads(ended.out)] == ["missing"]
    assert not (tmp_path / "cache" / "corpora").exists()


def test_what_cannot_score_anything_is_refused_at_once(dfbench: Dfbench, tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a/1.png": frame(1)}) / "a"
    with pytest.raises(WeightsError, match="needs weights to score anything") as caught:
        package.predict(path, detector="fakestormer")
    assert any("--data demo" in hint for hint in caught.value.hints)
    with pytest.raises(UsageError, match=r"predict\(\) has no argument 'weigths'"):
        package.predict(path, detector="chance", weigths="w")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="no file to score"):
        package.predict([], detector="chance")
    for arguments, code, said in (
        (("-d", "chanse"), 2, "did you mean 'chance'"),
        (("-d", "chance", "--precision", "int8"), 2, "cannot score with --precision int8"),
        (("-d", "fakestormer", "--weights", "nowhere"), 1, "no such weights file"),
    ):
        ended = dfbench("predict", path, *arguments)
        assert (ended.code, said in ended.err) == (code, True), ended.err
        assert ended.out == ""


@pytest.mark.parametrize("count", [1, 7])
def test_a_detector_that_fails_leaves_a_row_for_each_file(
    tmp_path: Path, dfbench: Dfbench, probe: None, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Five files in a row that fail alike end the scoring, and not the table."""
    paths = [write_files(tmp_path / f"v{n}", {"1.png": frame(10 * n)}) for n in range(count)]
    monkeypatch.setenv("PROBE_FAULT", "score")
    ended = dfbench("predict", *paths, *PROBE, "--json")
    assert ended.code == 3, ended.err
    rows = json.loads(ended.out)
    assert [row["status"] for row in rows] == ["error"] * count
    assert all("the fault in score" in row["reason"] for row in rows)
    assert [row["reason"].startswith("not scored: ") for row in rows] == [n >= 5 for n in range(count)]


def test_names_of_files_are_shown_and_not_obeyed(tmp_path: Path, dfbench: Dfbench, probe: None) -> None:
    name = "[red]\x1b[2J:smile:\u202e"
    path = write_files(tmp_path / name, {"1.png": frame(9)})
    for arguments in ((), ("--json",)):
        ended = dfbench("predict", path, tmp_path / "gone\x07", *PROBE, *arguments)
        assert ended.code == 3, ended.err
        assert "[red]" in ended.out
        assert ":smile:" in ended.out
        assert not {"\x1b", "\x07", "\u202e"} & set(ended.out + ended.err)


class Watched(SilentProgress):
    """Notes how many units each bar is for; the first bar of `ends` is ended as by Ctrl-C after a unit."""

    def __init__(self, ends: str = "") -> None:
        self.bars: list[tuple[str, int | None]] = []
        self._ends = ends

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        self.bars.append((description, total))
        yield Ending() if description == self._ends else SilentTask()


class Ending:
    def advance(self, count: int = 1, note: str = "") -> None:
        del count, note
        raise KeyboardInterrupt


def test_an_interrupted_prediction_goes_on(tmp_path: Path, probe: None) -> None:
    paths = [write_files(tmp_path / f"v{n}", {"1.png": frame(10 * n)}) for n in range(4)]
    first = Watched("faces of files")
    with pytest.raises(KeyboardInterrupt):
        package.predict(paths, detector="probe_net", progress=first)
    assert first.bars == [("faces of files", 4)]
    kept = len(list((tmp_path / "cache" / "faces" / "given" / "files").rglob("*.faces")))
    assert kept >= 1
    second, third = Watched(), Watched()
    table = package.predict(paths, detector="probe_net", progress=second)
    assert table["status"].tolist() == ["ok"] * 4
    score = ("score files with probe_net", 4)
    assert second.bars == [*([("faces of files", 4 - kept)] if kept < 4 else []), score]
    pd.testing.assert_frame_equal(package.predict(paths, detector="probe_net", progress=third), table)
    assert third.bars == [score]


def test_a_file_that_failed_is_looked_at_again_on_request(tmp_path: Path, probe: None) -> None:
    path = write_files(tmp_path / "v", {"1.png": frame(10)})
    assert package.predict(path, detector="probe_net")["status"].tolist() == ["ok"]
    (faces,) = (tmp_path / "cache" / "faces").rglob("*.faces")
    faces.unlink()
    store_failure(GivenFile("files", "v", path), faces, Status.ERROR, "its process died")
    (row,) = package.predict(path, detector="probe_net").to_dict("records")
    assert (row["status"], row["reason"]) == ("error", "its process died")
    assert package.predict(path, detector="probe_net", retry=True)["status"].tolist() == ["ok"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12), st.sampled_from(list(Pooling)))
def test_an_interval_holds_the_probability(values: list[float], pooling: Pooling) -> None:
    logits, rng = np.array(values), np.random.default_rng(1)
    pooled = {
        Pooling.MEAN_LOGIT: sigmoid(logits.mean(keepdims=True))[0],
        Pooling.MEAN_PROB: sigmoid(logits).mean(),
        Pooling.MAX: sigmoid(logits).max(),
    }[pooling]
    low, high = clip_interval(logits, float(pooled), pooling, rng=rng)
    assert 0 <= low <= pooled <= high <= 1
    assert low >= sigmoid(logits).min() - 1e-12
    assert high <= sigmoid(logits).max() + 1e-12
    alone = clip_interval(logits[:1], float(pooled), pooling, rng=rng)
    assert np.isnan(alone).all()
    same = sigmoid(np.array([1.5, 1.5]))
    assert clip_interval(np.full(4, 1.5), float(same[0]), pooling, rng=rng) == pytest.approx(tuple(same))
