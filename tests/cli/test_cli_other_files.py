"""Runs and trainings follow the content of the video files: of two projects with the same names, and of changed files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tests.cli.command import Dfbench
from tests.data.toy_stage import grey_video

NAMES = ("real/1.avi", "real/2.avi", "fake/1.avi")
Scores = dict[str, tuple[str, float]]


@pytest.fixture
def project(
    tmp_path: Path, probe: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, tuple[int, ...]], Path]:
    """Uncompressed videos, which are all of one size, in a folder that becomes the root of `folder`."""

    def make(name: str, greys: tuple[int, ...]) -> Path:
        for video, grey in zip(NAMES, greys, strict=True):
            path = tmp_path / name / video
            path.parent.mkdir(parents=True, exist_ok=True)
            grey_video(path, grey, codec="rawvideo")
        monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(tmp_path / name))
        return tmp_path / name

    return make


def run(dfbench: Dfbench, *more: str) -> tuple[bool, Scores]:
    """Whether there was something to compute, and the status and rounded logit of each video of the newest run."""
    ended = dfbench("run", "-d", "probe_net", "-p", "own", "--min-coverage", "0", *more)
    assert ended.code == 0, ended.err
    folders = [path.parent for path in Path(os.environ["DFBENCH_RUNS"]).glob("*/scores.parquet")]
    scores = pd.read_parquet(max(folders, key=lambda path: path.stat().st_mtime_ns) / "scores.parquet")
    rows: Mapping[str, tuple[str, float]] = {
        str(row["video_id"]): (str(row["status"]), round(64 * (float(row["logit"]) + 2), -1))
        for _, row in scores.iterrows()
    }
    return "nothing to compute" not in ended.err, dict(rows)


@pytest.mark.slow
def test_two_projects_of_the_same_names(
    dfbench: Dfbench, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = project("A", (40, 50, 60))
    assert run(dfbench) == (
        True,
        {"real/1.avi": ("ok", 40), "real/2.avi": ("ok", 50), "fake/1.avi": ("ok", 60)},
    )
    b = project("B", (80, 90, 100))
    (b / NAMES[1]).unlink()
    (b / NAMES[1]).symlink_to("/mnt/unmounted/2.avi")
    computed, scores = run(dfbench)
    assert computed
    assert {name: status for name, (status, _) in scores.items()} == {
        "real/1.avi": "ok",
        "real/2.avi": "missing",
        "fake/1.avi": "ok",
    }
    assert (scores["real/1.avi"], scores["fake/1.avi"]) == (("ok", 80), ("ok", 100))
    for root in (a, b):
        monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
        assert not run(dfbench)[0]
    ended = dfbench("run", "-d", "probe_net", "-p", "own")
    assert (ended.code, "66.7%" in ended.out) == (3, True), ended.out


@pytest.mark.slow
def test_files_that_change_after_a_run(dfbench: Dfbench, project: Callable[..., Path]) -> None:
    root = project("A", (40, 50, 60))
    _, first = run(dfbench)
    changed = root / NAMES[0]
    stat, kept = changed.stat(), changed.read_bytes()
    changed.unlink()
    changed.symlink_to(root / "unmounted.avi")
    computed, scores = run(dfbench)
    assert (computed, scores["real/1.avi"][0]) == (True, "missing")
    changed.unlink()
    grey_video(changed, 200, codec="rawvideo")
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert changed.stat().st_size == stat.st_size
    assert run(dfbench) == (True, {**first, "real/1.avi": ("ok", 200)})
    changed.write_bytes(kept)
    assert not run(dfbench)[0]  # the run of before is there still


@pytest.mark.slow
def test_a_training_follows_its_files(dfbench: Dfbench, project: Callable[..., Path], tmp_path: Path) -> None:
    root = project("A", (40, 50, 60))
    lines = ["path,label,split", "real/1.avi,real,train", "real/2.avi,real,train", "real/3.avi,real,val"]
    grey_video(root / "real/3.avi", 70, codec="rawvideo")
    (root / "videos.csv").write_text("\n".join([*lines, "fake/1.avi,fake,test", ""]))

    def train() -> tuple[Path, str]:
        ended = dfbench("train", "-d", "probe_trained", "-p", "own")
        assert ended.code == 0, ended.err
        found = (tmp_path / "cache/weights/probe_trained").glob("*/weights.safetensors")
        return max(found, key=lambda path: path.stat().st_mtime_ns), ended.err

    first, said = train()
    assert "using the weights" not in said
    assert "using the weights" in train()[1]
    kept = (root / NAMES[1]).read_bytes()
    (root / NAMES[1]).unlink()
    second, said = train()
    assert "1 of 2 train videos cannot be used" in said
    grey_video(root / NAMES[1], 200, codec="rawvideo")
    third, said = train()
    assert "cannot be used" not in said
    (root / NAMES[1]).write_bytes(kept)
    assert "using the weights" in train()[1]
    assert len({first, second, third}) == 3


@pytest.mark.slow
def test_a_folder_of_frames_is_explained_anew_when_a_frame_is_another(
    dfbench: Dfbench, probe: None, tmp_path: Path
) -> None:
    frames = tmp_path / "video"
    frames.mkdir()

    def write(number: int, grey: int) -> int:
        path = frames / f"{number}.bmp"
        Image.new("RGB", (32, 32), (grey, grey, grey)).save(path)
        return path.stat().st_size

    def explain() -> tuple[str, bool]:
        ended = dfbench("explain", frames, "-d", "probe_net", "--out", tmp_path / "out")
        assert ended.code == 0, ended.err
        return ended.out.split("\t")[1], "nothing to compute" not in ended.err

    sizes = {write(number, 90) for number in range(3)}
    first, made = explain()
    assert (explain(), made) == ((first, False), True)
    sizes |= {write(number, 200) for number in range(3)}
    second, made = explain()
    assert (len(sizes), made) == (1, True)
    assert first != second
