"""`dfbench explain --run` shows the person that the run scored, out of the very crops, wherever the dataset lies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tests.cli.command import Dfbench
from tests.conftest import Install

LARGE, SMALL = (10, 20, 110, 120), (150, 40, 200, 90)  # of 160 frames, the small one leaves after 96
GONE, COUNT = 96, 160
FAKE = "01_02__talking__ABCDEFGH"
REAL = "01__talking"
# Two people, told by their colours: the finder leaves the small, green one out unless it is asked for all.
PLUGIN = f"""
import numpy as np
import torch
from dfbench import (ClipSpec, DetectorSpec, Evidence, EvidenceMap, FaceFinderSpec, Faces, ProtocolSpec, VideoSelection,
                     hookimpl)

SCORED, EXPLAINED = [], []
BOXES = {{"red": {LARGE}, "green": {SMALL}}}

def faces(*boxes):
    box = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Faces(box, np.full(len(box), 0.9, np.float32), np.repeat(box[:, None, :2] + 10, 5, axis=1))

def seen(frame, names):
    found = []
    for channel, name in enumerate(BOXES):
        x0, y0, x1, y1 = BOXES[name]
        part = frame[y0 + 10:y1 - 10, x0 + 10:x1 - 10].mean(axis=(0, 1))
        if name in names and part[channel] > 120:
            found.append(BOXES[name])
    return faces(*found)

class Quick:
    thorough = False

    def __init__(self, device):
        pass

    def of_video(self):
        return self

    def find(self, frames):
        return [seen(frame, ("red",) if seen(frame, ("red",)).boxes.size else ("green",)) for frame in frames]

    def find_all(self, frames):
        return [seen(frame, ("red", "green")) for frame in frames]

def value(clips):
    return clips.double().mean(dim=(1, 2, 3, 4)) / 64 - 1

class Watcher:
    def __init__(self, *, weights, device, seed):
        self.seed = seed

    def score(self, clips):
        SCORED.append((self.seed, clips.numpy().copy()))
        return value(clips)

    def maps(self):
        return (EvidenceMap("green", "how green", span=(0.0, 255.0)),)

    def explain(self, clips, names):
        EXPLAINED.append((self.seed, clips.numpy().copy()))
        return Evidence(value(clips), None, {{"green": clips[..., 1].float()}})

@hookimpl
def dfbench_face_finders():
    return [FaceFinderSpec("colours", "Two people by their colours.", "two_people:Quick")]

@hookimpl
def dfbench_detectors():
    clips = ClipSpec(frames=2, size=32, per_video=4)
    return [DetectorSpec("watcher", "Notes what it sees.", "two_people:Watcher", clips=clips, trained_on=frozenset(),
                         explain="two_people:Watcher")]

@hookimpl
def dfbench_protocols():
    return [ProtocolSpec("people", "DFD alone.", "", tests=(VideoSelection("dfd", ("test",)),))]
"""


def write(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 220, 140, "yuv444p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def scene(number: int) -> NDArray[np.uint8]:
    """A frame of both people; each frame is a little brighter than the last."""
    frame = np.full((140, 220, 3), 40, np.uint8)
    for channel, (x0, y0, x1, y1) in enumerate((LARGE, SMALL)):
        if channel == 0 or number < GONE:
            frame[y0:y1, x0:x1, channel] = 150 + number // 2
    return frame


def mask(number: int) -> NDArray[np.uint8]:
    frame = np.zeros((140, 220, 3), np.uint8)
    x0, y0, x1, y1 = SMALL
    frame[y0:y1, x0:x1] = 255 * (number < GONE)
    return frame


@pytest.fixture
def people(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DFD inside FaceForensics++'s root, which alone is configured: one real and one fake, with its mask."""
    install("two_people", PLUGIN)
    root = tmp_path / "ffpp"
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FFPP", str(root))
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "colours")
    frames = [scene(t) for t in range(COUNT)]
    write(root / "original_sequences/actors/c23/videos" / f"{REAL}.mp4", frames)
    fakes = root / "manipulated_sequences/DeepFakeDetection"
    write(fakes / "c23/videos" / f"{FAKE}.mp4", frames)
    write(fakes / "masks/videos" / f"{FAKE}.mp4", [mask(t) for t in range(COUNT)])
    return root


def run_of(dfbench: Dfbench, tmp_path: Path, *more: str) -> Path:
    """The folder of a run on these two videos of the 3431 of DFD."""
    ran = dfbench("run", "-d", "watcher", "-p", "people", "--min-coverage", "0", *more)
    assert ran.code == 0, ran.err
    (run,) = [path for path in (tmp_path / "runs").iterdir() if (path / "run.json").is_file()]
    return run


def noted(name: str) -> list[tuple[int, NDArray[np.uint8]]]:
    """What the detector noted, and forgets now."""
    found: list[Any] = getattr(sys.modules["two_people"], name)
    kept = [*found]
    found.clear()
    return kept


def explained(out: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    (folder,) = out.iterdir()
    with np.load(folder / "evidence.npz") as arrays:
        content = {name: arrays[name] for name in arrays.files}
    return json.loads((folder / "evidence.json").read_text(encoding="utf-8")), content


def side_of(arrays: dict[str, NDArray[Any]]) -> set[str]:
    """Whose face the boxes are about."""
    middle = (arrays["boxes"][:, 0] + arrays["boxes"][:, 2]) / 2
    return {"small" if one > 130 else "large" for one in middle}


def test_what_is_explained_is_what_was_scored(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path, "--seed", "3")
    scored = [batch for _, batch in noted("SCORED")]
    scores = pd.read_parquet(run / "scores.parquet")
    ids = list(dict.fromkeys(scores["video_id"]))
    for name, who, held in ((FAKE, "small", 5), (REAL, "large", 8)):
        (video_id,) = [one for one in ids if one.endswith(f"/{name}")]
        rows = scores[scores["video_id"] == video_id]
        out = tmp_path / f"out-{who}"
        ended = dfbench("explain", "--run", run.name, "--video", f"dfd/{video_id}", "--out", out)
        assert ended.code == 0, ended.err
        (seed, crops), *more = noted("EXPLAINED")
        assert (seed, more) == (3, [])
        np.testing.assert_array_equal(crops, scored[ids.index(video_id)])
        record, arrays = explained(out)
        assert side_of(arrays) == {who}
        np.testing.assert_array_equal(arrays["clip_frames"], np.stack([*rows["frames"]]))
        np.testing.assert_allclose(arrays["clip_logits"], rows["logit"])
        assert record["score"]["clips_of_the_run"]
        assert record["score"]["frames_looked_at"] == 8
        assert record["score"]["frames_without_a_face"] == 8 - held
        assert record["score"]["probability"] == pytest.approx(record["facts"]["run_probability"])
        assert f"{record['facts']['run_probability']:.3f}" in ended.out
        assert "P(fake) was" not in ended.err
        with av.open(str(next(out.iterdir()) / "evidence.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == rows["frames"].str.len().sum()


def test_in_how_many_frames_the_face_is_stands_in_status_scores_and_table(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    """The forged face is in five of the eight wanted frames of the fake."""
    run = run_of(dfbench, tmp_path)
    scores = pd.read_parquet(run / "scores.parquet").drop_duplicates("video_id").set_index("video_id")
    assert scores["face_frames"].to_dict() == {f"actors/{REAL}": 8, f"DeepFakeDetection/{FAKE}": 5}
    assert set(scores["wanted_frames"]) == {8}
    table = pd.read_parquet(run / "table.parquet")
    assert set(table["face_share"]) == {13 / 16}
    status = ("data", "status", "dfd", "--detector", "watcher")
    assert dfbench(*status).out == "ok\t2\nframes with the face\t13 of 16\n"
    rows = json.loads(dfbench(*status, "--json").out)
    assert [(row["face_frames"], row["wanted_frames"]) for row in rows] == [(8, 8), (5, 8)]


def test_a_part_of_a_scored_video_is_explained_for_the_same_person(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    run = run_of(dfbench, tmp_path)
    video = f"DeepFakeDetection/{FAKE}"
    out = tmp_path / "out"
    asked = ("explain", "--run", run.name, "--video", video, "--out", out)
    ended = dfbench(*asked, "--start", "3.2", "--seconds", "1.6")
    assert ended.code == 0, ended.err
    record, arrays = explained(out)
    assert side_of(arrays) == {"small"}
    assert arrays["frame_indices"].tolist() == list(range(80, GONE))
    assert not record["score"]["clips_of_the_run"]
    assert record["score"]["frames_looked_at"] == 40
    assert record["score"]["frames_without_a_face"] == 24
    ended = dfbench(*asked, "--start", "4.4")  # she has left
    assert ended.code == 3
    assert "the face that the run scored is not in any of 50 frames" in ended.err


def test_the_main_face_of_a_file_is_searched_for_in_all_of_it(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    path = tmp_path / "alone.mp4"
    write(path, [scene(t) if t < GONE else np.full((140, 220, 3), 40, np.uint8) for t in range(COUNT - 1)])
    ended = dfbench("explain", path, "-d", "watcher", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    record, arrays = explained(tmp_path / "out")
    assert side_of(arrays) == {"large"}
    assert (record["score"]["frames_looked_at"], record["score"]["frames_without_a_face"]) == (159, 63)


@pytest.mark.parametrize(
    ("part", "field", "other", "said"),
    [
        ("prepare", "finder_version", "0", "faces are found in another way now"),
        ("clips", "cropping", 0, "clips are cut in another way now"),
    ],
)
def test_what_cannot_be_had_as_the_run_had_it_is_not_explained(
    people: Path, dfbench: Dfbench, tmp_path: Path, part: str, field: str, other: object, said: str
) -> None:
    run = run_of(dfbench, tmp_path)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    changed = {**record, part: {**record[part], field: other}}
    (run / "run.json").write_text(json.dumps(changed), encoding="utf-8")
    ended = dfbench("explain", "--run", run.name, "--video", f"actors/{REAL}")
    assert ended.code == 1
    assert said in ended.err
    assert "run again" in ended.err


def test_another_score_than_that_of_the_run_is_told(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path)
    scores = pq.read_table(run / "scores.parquet")
    column = scores.schema.get_field_index("logit")
    scores = scores.set_column(column, "logit", pc.add(scores["logit"], 2.0))
    pq.write_table(scores, run / "scores.parquet")
    ended = dfbench("explain", "--run", run.name, "--video", f"actors/{REAL}")
    assert ended.code == 0, ended.err
    assert "in the run; the detector, its precision or the device is not" in " ".join(ended.err.split())


def test_a_video_that_is_gone_or_another_is_not_explained_as_the_one_that_was_scored(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    run = run_of(dfbench, tmp_path)
    fakes = people / "manipulated_sequences/DeepFakeDetection"
    path, its_mask = fakes / "c23/videos" / f"{FAKE}.mp4", fakes / "masks/videos" / f"{FAKE}.mp4"
    asked = ("explain", "--run", run.name, "--video", f"DeepFakeDetection/{FAKE}")
    kept, kept_mask = path.read_bytes(), its_mask.read_bytes()
    write(its_mask, [mask(0)] * COUNT)
    ended = dfbench(*asked)
    assert (ended.code, "its mask is not the one that it had" in ended.err) == (3, True), ended.err
    its_mask.write_bytes(kept_mask)
    write(path, [scene(0)] * COUNT)
    ended = dfbench(*asked)
    assert (ended.code, f"{path}: its file is not the one" in " ".join(ended.err.split())) == (3, True), (
        ended.err
    )
    assert noted("EXPLAINED") == []
    path.unlink()
    path.symlink_to(tmp_path / "unmounted.mp4")
    ended = dfbench(*asked)
    assert (ended.code, "missing: " in ended.err) == (3, True), ended.err
    path.unlink()
    path.write_bytes(kept)
    assert dfbench(*asked).code == 0
