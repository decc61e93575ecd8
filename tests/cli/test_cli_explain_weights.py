"""`dfbench explain` with a detector that has weights: which weights, which maps, which videos; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.command import Dfbench, frame, write
from tests.conftest import Install

PLUGIN = """
import json
import numpy as np
from dfbench import (ClipSpec, DetectorCard, DetectorSpec, Evidence, EvidenceMap, FaceFinderSpec, Faces, hookimpl)

class Whole:
    def __init__(self, device):
        pass

    def find(self, frames):
        height, width = frames[0].shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        return [Faces(box, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32)) for _ in frames]

class Guide:
    def __init__(self, *, weights, device, seed):
        self.content = json.loads(weights.read_text())

    def score(self, clips):
        return clips.double().mean(dim=(1, 2, 3, 4)) * self.content["scale"] - 1

    def maps(self):
        return [EvidenceMap(name, "how bright", span=(0.0, 255.0)) for name in self.content["maps"]]

    def explain(self, clips, names):
        return Evidence(self.score(clips), None, {name: clips.float().mean(dim=4) for name in names})

def describe(weights):
    return DetectorCard(ClipSpec(frames=2, size=16, per_video=2), trained_on=frozenset())

@hookimpl
def dfbench_face_finders():
    return [FaceFinderSpec("whole", "The whole frame.", "guide:Whole")]

@hookimpl
def dfbench_detectors():
    return [DetectorSpec("guide", "Bright is fake.", "guide:Guide", clips=ClipSpec(frames=2, size=16, per_video=2),
                         needs_weights=True, describe="guide:describe", explain="guide:Guide")]
"""


@pytest.fixture
def weights(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the detector `guide`, and two videos of four frames each as the configured data."""
    install("guide", PLUGIN)
    names = ("real/a", "fake/b")
    write(
        tmp_path / "own",
        {
            f"{name}/{number}.png": frame(60 * place + 10 * number)
            for place, name in enumerate(names)
            for number in range(4)
        },
    )
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(tmp_path / "own"))
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "whole")
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    return written(tmp_path / "guide.pt")


def written(path: Path, *maps: str, scale: float = 0.01) -> Path:
    path.write_text(json.dumps({"scale": scale, "maps": maps or ("light", "shade")}))
    return path


def run_with(dfbench: Dfbench, weights: Path) -> str:
    """The name of a run with these weights."""
    ended = dfbench("run", "-d", "guide", "--dataset", "folder", "--weights", weights)
    assert ended.code == 0, ended.err
    (path,) = Path("runs").glob("*/run.json")
    return path.parent.name


@pytest.mark.slow
def test_a_run_is_explained_with_the_weights_that_it_used_and_no_others(
    dfbench: Dfbench, weights: Path, tmp_path: Path
) -> None:
    run = run_with(dfbench, weights)
    what = ("explain", "--run", run[:12], "--video", "real/a")
    lost = dfbench(*what)
    assert lost.code == 1
    assert f"the weights of run {run} (sha256 " in " ".join(lost.err.split())
    assert "say where they are:   --weights" in lost.err
    other = dfbench(*what, "--weights", written(tmp_path / "other.pt", scale=0.02))
    assert f"{tmp_path / 'other.pt'} is not what run {run} was scored with" in " ".join(other.err.split())
    named = dfbench(*what, "--weights", weights)
    assert named.code == 0, named.err
    kept = tmp_path / "cache" / "weights" / "guide" / "by-hand" / "old.pt"  # as an older version left them
    kept.parent.mkdir(parents=True)
    shutil.move(weights, kept)
    found = dfbench(*what, "--out", "elsewhere")
    assert found.code == 0, found.err
    record = json.loads(next(Path("elsewhere").glob("*/evidence.json")).read_text(encoding="utf-8"))
    assert record["facts"]["run"] == run
    assert record["score"]["probability"] == pytest.approx(record["facts"]["run_probability"])


def test_weights_that_are_not_named_are_asked_for(
    dfbench: Dfbench, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__FOLDER")
    ended = dfbench("explain", "own/real/a", "-d", "guide")
    assert (ended.code, "'guide' needs weights to explain anything" in ended.err) == (1, True), ended.err
    gone = dfbench("explain", "own/real/a", "-d", "guide", "--weights", weights.with_name("gone.pt"))
    assert (gone.code, "no such weights file" in gone.err) == (1, True), gone.err


@pytest.mark.slow
def test_maps_are_those_that_the_weights_offer(dfbench: Dfbench, weights: Path) -> None:
    what = ("explain", "own/real/a", "-d", "guide", "--weights")
    unknown = dfbench(*what, weights, "--map", "ligth")
    assert unknown.code == 2
    assert "no map 'ligth' in guide" in unknown.err
    assert "did you mean 'light'?" in unknown.err
    one = dfbench(*what, weights, "--map", "shade", "--out", "out")
    assert one.code == 0, one.err
    record = json.loads(next(Path("out").glob("*/evidence.json")).read_text(encoding="utf-8"))
    assert [*record["maps"]] == ["shade"]


@pytest.mark.parametrize("name", ["a/b", "..\\up", " ", "\x1b[2J"])
def test_a_map_that_cannot_be_stored_is_a_fault_of_the_plugin(
    dfbench: Dfbench, weights: Path, name: str
) -> None:
    ended = dfbench("explain", "own/real/a", "-d", "guide", "--weights", written(weights, name))
    assert ended.code == 1
    assert "which cannot be stored" in ended.err
    assert "\x1b" not in ended.err


def test_a_detector_without_maps_explains_nothing(dfbench: Dfbench, weights: Path) -> None:
    weights.write_text('{"scale": 1, "maps": []}')
    ended = dfbench("explain", "own/real/a", "-d", "guide", "--weights", weights)
    assert (ended.code, "the explainer of 'guide' offers no map" in ended.err) == (1, True), ended.err


@pytest.mark.slow
def test_a_video_that_is_too_short_leaves_the_others(dfbench: Dfbench, weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "short", {"1.png": frame(50)})
    for part in ((), ("--hop", "1")):
        ended = dfbench(
            "explain", "short", "own/real/a", "-d", "guide", "--weights", weights, "--force", *part
        )
        assert ended.code == 3, ended.err
        told = " ".join(ended.err.split())
        assert "1 of 2 videos could not be explained: short" in told
    made = [path for path in Path("runs/explanations").iterdir() if (path / "evidence.npz").is_file()]
    assert len(made) == 2  # the clips that are scored, and successive frames


@pytest.mark.slow
def test_a_video_of_a_run_is_found_by_what_it_is_called(
    dfbench: Dfbench, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(dfbench, weights)
    what = ("explain", "--run", run, "--weights", weights, "--video")
    assert dfbench(*what, "folder/fake/b").code == 0
    ended = dfbench(*what, "real/b")
    assert f"run {run} has no video 'real/b'" in " ".join(ended.err.split())
    assert "did you mean" in ended.err
    nobody = dfbench("explain", "--run", run.replace("guide", "gride"), "--video", "real/a")
    assert (nobody.code, f"did you mean '{run}'?" in " ".join(nobody.err.split())) == (2, True), nobody.err
    (tmp_path / "own" / "fake" / "b").rename(tmp_path / "own" / "fake" / "c")
    ended = dfbench(*what, "fake/b")
    assert "folder has no video 'fake/b' any more" in " ".join(ended.err.split())
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__FOLDER")
    ended = dfbench(*what, "real/a")
    assert (ended.code, "and no data roots are configured" in " ".join(ended.err.split())) == (2, True)
