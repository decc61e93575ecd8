from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfbench.errors import ScoreError, StoreError
from dfbench.runs.records.score_table import (
    COLUMNS,
    MERGED,
    SHARDS,
    SUMS,
    ScoreWriter,
    done_videos,
    read_scores,
    sigmoid,
    video_scores,
)
from dfbench.types import Label, Pooling, Status, Video

GOLDEN = Path(__file__).parent.parent / "golden" / "losses.npz"


def video(name: str, label: Label = Label.FAKE, dataset: str = "celeb") -> Video:
    kind = "swap" if label else "real"
    return Video(dataset, name, Path("x.mp4"), label, "test", kind, "c23", (name,), name)


def add(writer: ScoreWriter, which: Video, *logits: float, seconds: float = 0.0) -> None:
    frames = np.array([(4 * i, 4 * i + 1) for i in range(len(logits))], dtype=np.int64).reshape(-1, 2)
    writer.add_video(which, frames=frames, logits=np.array(logits), seconds=seconds)


def test_rows_survive_shards_and_merging(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path, every=2) as writer:
        add(writer, video("a"), 1.0, -2.0, seconds=3.0)
        writer.add_status(video("b", Label.REAL), status=Status.NO_FACE, reason="none of 32 frames")
        add(writer, video("c", Label.REAL), 0.5)
    assert sorted(p.name for p in (tmp_path / SHARDS).iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    before = read_scores(tmp_path)
    assert tuple(before.columns) == COLUMNS
    assert before["clip"].tolist() == [0, 1, -1, 0]
    assert before["seconds"].tolist() == [1.5, 1.5, 0.0, 0.0]
    assert [list(frames) for frames in before["frames"]] == [[0, 1], [4, 5], [], [0, 1]]
    assert math.isnan(before["logit"][2])
    assert math.isnan(before["prob"][2])
    assert before["prob"][0] == pytest.approx(1 / (1 + math.exp(-1.0)), abs=1e-15)
    assert before["clip"].dtype == np.int32
    path = ScoreWriter(tmp_path).finish()
    assert path == tmp_path / MERGED
    assert sorted(p.name for p in tmp_path.iterdir()) == [MERGED, SUMS]
    pd.testing.assert_frame_equal(read_scores(tmp_path), before)


def test_how_many_frames_hold_the_face_is_kept_and_unknown_in_older_tables(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        logits = np.zeros(2)
        frames = np.zeros((2, 4), np.int64)
        writer.add_video(video("a"), frames=frames, logits=logits, face_frames=11, wanted_frames=32)
        writer.add_status(video("b"), status=Status.NO_FACE, reason="none")
        writer.finish()
    rows = read_scores(tmp_path)
    assert rows["face_frames"].tolist() == [11, 11, -1]
    assert rows["wanted_frames"].tolist() == [32, 32, -1]
    assert video_scores(rows, "mean_logit")["wanted_frames"].tolist() == [32, -1]
    older = pq.read_table(tmp_path / MERGED)
    pq.write_table(older.drop_columns(["face_frames", "wanted_frames"]), tmp_path / MERGED)
    again = read_scores(tmp_path)
    assert tuple(again.columns) == COLUMNS
    assert set(again["face_frames"]) == set(again["wanted_frames"]) == {-1}
    assert read_scores(tmp_path, columns=["video_id", "wanted_frames"]).columns.tolist() == [
        "video_id",
        "wanted_frames",
    ]
    with ScoreWriter(tmp_path) as writer:
        writer.add_video(video("c"), frames=frames, logits=logits, face_frames=3, wanted_frames=4)
    assert read_scores(tmp_path)["face_frames"].tolist() == [-1, -1, -1, 3, 3]


def test_a_finished_run_can_grow(tmp_path: Path) -> None:
    writer = ScoreWriter(tmp_path)
    add(writer, video("a"), 1.0)
    writer.finish()
    add(writer, video("b"), 2.0)
    writer.flush()
    assert (tmp_path / SHARDS / "part-00001.parquet").is_file()
    assert read_scores(tmp_path)["video_id"].tolist() == ["a", "b"]
    writer.finish()
    assert done_videos(tmp_path) == {("celeb", "a"), ("celeb", "b")}


def test_nothing_scored_yet(tmp_path: Path) -> None:
    empty = read_scores(tmp_path)
    assert empty.empty
    assert tuple(empty.columns) == COLUMNS
    assert done_videos(tmp_path) == set()
    ScoreWriter(tmp_path).finish()
    assert read_scores(tmp_path).empty
    assert video_scores(empty, "mean_logit").empty


def test_leftovers_of_a_killed_writer_do_no_harm(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path, every=1) as writer:
        add(writer, video("a"), 1.0)
    half = tmp_path / SHARDS / ".part-00001.parquet.tmp"
    half.write_bytes(b"PAR1 half a file")
    assert done_videos(tmp_path) == {("celeb", "a")}
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("b"), 1.0)
    assert not half.exists()
    assert len(read_scores(tmp_path)) == 2


def test_killed_between_merging_and_removing_shards(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path, every=1) as writer:
        add(writer, video("a"), 1.0)
        add(writer, video("b"), 2.0)
    shards = {p: p.read_bytes() for p in (tmp_path / SHARDS).iterdir()}
    ScoreWriter(tmp_path).finish()
    (tmp_path / SHARDS).mkdir()
    for path, content in shards.items():
        path.write_bytes(content)
    assert read_scores(tmp_path)["video_id"].tolist() == ["a", "b"]
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("c"), 3.0)
    assert read_scores(tmp_path)["video_id"].tolist() == ["a", "b", "c"]


def test_an_interrupt_keeps_what_was_scored(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ScoreWriter(tmp_path, every=50) as writer:
            add(writer, video("a"), 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done_videos(tmp_path) == {("celeb", "a")}


def test_a_failed_video_can_be_tried_again(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        writer.add_status(video("a"), status=Status.ERROR, reason="out of memory")
        writer.add_status(video("b"), status=Status.NO_FACE, reason="none")
    assert ScoreWriter(tmp_path).done_videos(retry=("error",)) == {("celeb", "b")}
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a"), 1.0)
    rows = read_scores(tmp_path)
    assert dict(zip(rows["video_id"], rows["status"], strict=True)) == {"a": "ok", "b": "no_face"}


def test_a_video_scored_twice_is_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with ScoreWriter(tmp_path) as writer:
            add(writer, video("a"), 1.0)
    with pytest.raises(StoreError, match="celeb/a was scored twice"):
        read_scores(tmp_path)


def test_same_id_in_two_datasets_is_two_videos(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a", dataset="x"), 1.0)
        add(writer, video("a", dataset="y"), 3.0)
    assert video_scores(read_scores(tmp_path), Pooling.MEAN_LOGIT)["logit"].tolist() == [1.0, 3.0]


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_a_logit_must_be_finite(tmp_path: Path, logit: float) -> None:
    with ScoreWriter(tmp_path) as writer, pytest.raises(ScoreError, match="celeb/a"):
        add(writer, video("a"), 0.0, logit)
    assert read_scores(tmp_path).empty


def test_outcomes_must_be_complete(tmp_path: Path) -> None:
    writer = ScoreWriter(tmp_path)
    with pytest.raises(ScoreError, match="without a clip"):
        add(writer, video("a"))
    with pytest.raises(ScoreError, match=r"must be \(k, T\) and \(k,\)"):
        writer.add_video(video("a"), frames=np.zeros((2, 4), np.int64), logits=np.zeros(3))
    with pytest.raises(ScoreError, match="needs a status"):
        writer.add_status(video("a"), status=Status.OK, reason="fine")
    with pytest.raises(ScoreError, match="and a reason"):
        writer.add_status(video("a"), status=Status.ERROR, reason="")


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"dataset": ["a"]}).replace_schema_metadata({"dfbench.scores": "99"}), tmp_path / MERGED
    )
    with pytest.raises(StoreError, match="is a score table of format 99") as caught:
        read_scores(tmp_path)
    assert caught.value.hints
    pq.write_table(pa.table({"dataset": ["a"]}), tmp_path / MERGED)
    with pytest.raises(StoreError, match="no dfbench score table"):
        read_scores(tmp_path)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a"), 1.0)
    shard = tmp_path / SHARDS / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(StoreError, match="part-00000"):
        read_scores(tmp_path)


def test_a_full_disk_says_so_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ScoreWriter(tmp_path, every=1)
    add(writer, video("a"), 1.0)

    def full(table: Any, where: Path, **options: Any) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(StoreError, match="No space left") as caught:
            add(writer, video("b"), 1.0)
    assert "free some space" in caught.value.hints[0]
    assert [p.name for p in (tmp_path / SHARDS).iterdir()] == ["part-00000.parquet"]
    writer.flush()
    assert done_videos(tmp_path) == {("celeb", "a"), ("celeb", "b")}


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        ScoreWriter(tmp_path / "run")


def test_pooling_of_clips(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a"), 2.0, -1.0, seconds=4.0)
        writer.add_status(video("b"), status=Status.MISSING, reason="no file")
    rows = read_scores(tmp_path)
    mean = video_scores(rows, Pooling.MEAN_LOGIT)
    assert mean["logit"][0] == 0.5
    assert mean["score"][0] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert mean["n_clips"].tolist() == [2, 0]
    assert mean["status"].tolist() == ["ok", "missing"]
    assert mean["reason"].tolist() == ["", "no file"]
    assert mean["seconds"].tolist() == [4.0, 0.0]
    assert mean["score"].isna().tolist() == [False, True]
    prob = video_scores(rows, "mean_prob")
    expected = float(sigmoid(np.array([2.0, -1.0])).mean())
    assert prob["score"][0] == pytest.approx(expected)
    assert sigmoid(prob["logit"].to_numpy())[0] == pytest.approx(expected)
    assert video_scores(rows, "max")["logit"][0] == 2.0


def test_rows_that_disagree_are_refused(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a"), 2.0, -1.0)
    rows = read_scores(tmp_path)
    rows.loc[1, "label"] = 0
    with pytest.raises(ScoreError, match="disagree on its label"):
        video_scores(rows, "mean_logit")
    rows.loc[1, "label"] = 1
    rows.loc[1, "status"] = "error"
    with pytest.raises(ScoreError, match="disagree on its status"):
        video_scores(rows, "mean_logit")


def test_saturated_probabilities_keep_finite_logits(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path) as writer:
        add(writer, video("a"), 900.0)
        add(writer, video("b"), -900.0)
    pooled = video_scores(read_scores(tmp_path), "mean_prob")
    assert np.isfinite(pooled["logit"]).all()
    assert pooled["score"].tolist() == [1.0, 0.0]


def test_video_logits_match_the_official_code() -> None:
    with np.load(GOLDEN, allow_pickle=False) as golden:
        ids = golden["metrics/clip_video_id"].astype(str)
        logit = golden["metrics/clip_logit"].astype(np.float64)
        label = golden["metrics/clip_label"].astype(np.int8)
        expected = {key: golden[f"metrics/video_{key}"] for key in ("order", "logit", "label", "prob")}
    rows = pd.DataFrame({"dataset": "golden", "video_id": ids, "label": label, "logit": logit})
    rows = rows.assign(
        prob=sigmoid(logit),
        status="ok",
        reason="",
        seconds=0.0,
        manipulation="",
        split="",
        compression="",
        group="",
    )
    pooled = video_scores(rows, Pooling.MEAN_LOGIT)
    assert pooled["video_id"].tolist() == expected["order"].astype(str).tolist()
    np.testing.assert_allclose(pooled["logit"], expected["logit"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(pooled["score"], expected["prob"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(pooled["label"], expected["label"])
