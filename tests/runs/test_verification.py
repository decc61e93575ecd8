"""Whether a stored run follows from what it says of itself, check by check: nothing is found in an honest one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.toy_corpus import PER_SPLIT
from tests.runs.conftest import Finished
from tests.stored_records import put, seal

from dfbench.errors import StoreError
from dfbench.runs.records.run_file import FILES, MANIFEST, NAME, SUMS
from dfbench.runs.records.run_manifest import (
    expected_videos,
    manifest_of_tests,
    read_manifest,
    write_manifest,
    write_table_of_videos,
)
from dfbench.runs.records.score_files import (
    MERGED,
    SHARDS,
    changed_files,
    refuse_changed,
    score_table,
    unmerged,
    write_scores,
)
from dfbench.runs.records.score_table import ScoreWriter, read_scores, video_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import (
    content_of,
    expected_problems,
    file_findings,
    held_against,
    list_findings,
    record_findings,
    score_findings,
)
from dfbench.types import Status, Video

Rows = Callable[[pd.DataFrame], pd.DataFrame]


def problems(run: StoredRun) -> list[str]:
    """All that is found of a run, as it lies."""
    run = StoredRun.read(run.folder)
    lists, manifest = list_findings(run)
    scores, _ = score_findings(run, manifest)
    found = [
        *record_findings(run.record),
        *file_findings(run, content_of(run.folder, (MANIFEST, FILES, MERGED))),
        *lists,
        *scores,
    ]
    assert len(found) >= 7  # checks that were made
    return [one.problem for one in found if one.problem]


def test_nothing_is_found_in_an_honest_run(run: StoredRun) -> None:
    assert problems(run) == []


def test_every_change_of_the_record_is_noticed_by_its_digest_or_its_identity(run: StoredRun) -> None:
    """Whatever field it is; one that decides the scores by both, and with a digest made to fit by the identity alone."""
    content = run.record.to_json()
    deciding = ("schema", "detector", "protocol", "corpus", "seed", "pooling", "clips", "prepare", "datasets")
    for name in content:
        if name in ("schema", "status", "identity", "record_sha256"):
            continue
        value = "x" if name in ("entry", "protocol", "corpus") else [content[name], "more"]
        changed = {**content, name: value}
        try:
            put(run.folder, changed)
            record = StoredRun.read(run.folder).record
        except StoreError:
            continue  # which says itself that it is damaged
        found = [one.problem for one in record_findings(record) if one.problem]
        assert f"{NAME} was changed since it was written" in found, name
        seal(run.folder, changed)
        sealed = [one.problem for one in record_findings(StoredRun.read(run.folder).record) if one.problem]
        assert bool(sealed) == (name in deciding), name


def rewritten(run: StoredRun, change: Rows) -> StoredRun:
    """The run with other scores."""
    path = run.folder / MERGED
    old = pq.read_table(path)
    new = change(old.to_pandas()).reset_index(drop=True)
    table = pa.Table.from_pandas(new, schema=old.schema, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(old.schema.metadata), path)
    return run


def at(row: int, **values: Any) -> Rows:
    """Change cells of a row."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        there = np.arange(len(rows)) == row
        return rows.assign(**{name: rows[name].mask(there, value) for name, value in values.items()})

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (at(0, status="fine"), "the status of toy/test/0 is none"),
        (at(0, logit=np.inf), "the score of toy/test/0 is no finite number"),
        (at(0, prob=0.5), "the probability of toy/test/0 is not that of its logit"),
        (at(4, clip=0), "the failed video toy/test/4 has a score"),
        (at(0, clip=1), "clips of toy/test/0 are lost or out of order"),
        (lambda rows: pd.concat([rows, rows[:1]]), "toy/test/0 stands twice in the scores"),
        (at(0, label=1), "the label of toy/test/0 is another in the scores than in manifest.parquet"),
        (at(0, group="x"), "the group of toy/test/0 is another in the scores than in manifest.parquet"),
        (at(0, video_id="test/99"), "toy/test/99 has scores and is not expected"),
        (lambda rows: rows[5:], "toy/test/0, toy/test/1, toy/test/2 and 2 more is expected and has no row"),
    ],
)
def test_rows_that_no_writer_writes_are_named(run: StoredRun, change: Rows, sentence: str) -> None:
    found = problems(rewritten(run, change))
    assert f"{MERGED} was changed since the run ended, or is of another run" in found
    assert any(sentence in problem for problem in found), found


CELLS = ["label", "group", "split", "status", "logit", "prob", "clip", "test"]


@given(row=st.integers(0, 2 * PER_SPLIT - 1), column=st.sampled_from(CELLS))
@settings(max_examples=12, deadline=None)
def test_no_cell_can_be_changed_alone(finished: Finished, row: int, column: str) -> None:
    scores = finished.run.scores()
    other: dict[str, Any] = {"label": 1 - scores["label"][row], "clip": scores["clip"][row] + 1}
    other["logit"] = scores["logit"].fillna(0)[row] + 1
    other["prob"] = scores["prob"].fillna(1)[row] / 2
    value = other.get(column, "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoredRun, "scores", lambda *_: at(row, **{column: value})(scores))
        found, _ = score_findings(finished.run, finished.run.manifest())
    assert [one.problem for one in found if one.problem]


@pytest.mark.parametrize("name", [MANIFEST, FILES])
def test_files_that_are_gone_or_of_another_run_are_named(run: StoredRun, name: str) -> None:
    (run.folder / name).write_bytes((run.folder / name).read_bytes() + b" ")
    found = [*file_findings(run, content_of(run.folder, (MANIFEST, FILES, MERGED)))]
    assert [one.check for one in found if one.problem] == [name]
    (run.folder / name).unlink()
    (gone,) = (
        one for one in file_findings(run, content_of(run.folder, (MANIFEST, FILES, MERGED))) if one.problem
    )
    assert gone.problem == f"{name} is gone"


def test_files_that_another_test_had_are_not_the_list(run: StoredRun) -> None:
    rows = json.loads((run.folder / FILES).read_text())
    rows[0][-1] = "other"
    (run.folder / FILES).write_text(json.dumps(rows))
    found, _ = list_findings(run)
    assert [one.problem for one in found] == [f"{FILES} is not the list of the files of toy that were scored"]


def videos_without(run: StoredRun, change: Callable[[list[Video]], list[Video]]) -> None:
    expected = run.expected()
    assert expected is not None
    write_table_of_videos(run.folder, manifest_of_tests({**expected, "toy": change(expected["toy"])}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda videos: videos[1:], "lists other videos of toy"),
        (lambda videos: [replace(videos[0], group="x"), *videos[1:]], "lists other videos of toy"),
        (lambda videos: [*videos, replace(videos[0], video_id="new")], "lists other videos of toy"),
    ],
)
def test_a_list_of_other_videos_is_not_that_of_the_run(
    run: StoredRun, change: Callable[[list[Video]], list[Video]], sentence: str
) -> None:
    videos_without(run, change)
    found, _ = list_findings(run)
    assert any(sentence in one.problem for one in found)


def test_a_test_that_the_run_does_not_score_is_named(run: StoredRun) -> None:
    expected = run.expected()
    assert expected is not None
    write_table_of_videos(run.folder, manifest_of_tests({**expected, "more": expected["toy"]}))
    found, _ = list_findings(run)
    assert "lists videos of more, which the run does not score" in found[0].problem


def test_a_run_of_before_there_were_lists_is_held_against_its_counts(run: StoredRun) -> None:
    (run.folder / MANIFEST).unlink()
    assert list_findings(run) == ([], None)
    honest, _ = score_findings(run, None)
    assert [one.problem for one in honest] == [""]
    found, _ = score_findings(rewritten(run, lambda rows: rows[rows["video_id"] != "test/3"]), None)
    assert [one.problem for one in found] == [
        f"the scores hold {PER_SPLIT - 1} videos of {key}, where the run expects {PER_SPLIT}"
        for key in ("toy", "toy-c40")
    ]


def test_a_shard_that_was_put_beside_the_scores_is_named(run: StoredRun) -> None:
    with ScoreWriter(run.folder) as writer:
        writer.add_status(run.expected()["toy"][0], status=Status.NO_FACE, reason="r", test="more")  # type: ignore[index]
    (shard,) = unmerged(run.folder)
    assert problems(run)[0] == f"{SHARDS}/{shard.name} was put beside the finished scores"
    (run.folder / MERGED).unlink()
    with pytest.raises(StoreError, match=r"scores.parquet is gone: nothing of what .* says can be checked"):
        score_findings(run, None)


def test_scores_are_held_against_what_is_expected_and_not_against_themselves(finished: Finished) -> None:
    expected = finished.plan.videos
    videos = finished.run.videos()
    honest = held_against(videos, expected)
    assert honest["status"].tolist() == videos["status"].tolist()
    assert expected_problems(finished.run.scores(), expected) == []
    lost = held_against(videos.iloc[3:].assign(label=0), expected)
    assert len(lost) == 2 * PER_SPLIT
    assert lost["status"].tolist()[:3] == ["missing"] * 3
    assert set(lost["reason"][:3]) == {f"its rows are gone from {MERGED}"}
    assert lost["n_clips"].tolist()[:4] == [0, 0, 0, 1]
    assert (
        lost["label"].tolist() == [number % 2 for number in range(PER_SPLIT)] * 2
    )  # those that are expected
    broken = held_against(videos.assign(logit=np.nan), expected)
    assert set(broken["status"]) == {"error", "no_face"}
    foreign = held_against(pd.concat([videos, videos[:1].assign(video_id="new")]), expected)
    assert "new" not in set(foreign["video_id"])


@given(paths=st.lists(st.sampled_from(["a/x.mp4", "a/b/x.mp4", "ab/x.mp4", "x.mp4"]), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_a_manifest_tells_no_folder_above_the_nearest_root(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    root = tmp_path_factory.mktemp("m")
    base = finished.plan.videos["toy"]
    videos = [replace(video, path=root / path) for video, path in zip(base, paths, strict=False)]
    write_manifest(root, {"t": videos}, [root / "a", root / "a" / "b"])
    manifest = read_manifest(root)
    assert manifest is not None
    known = {"a/x.mp4": "x.mp4", "a/b/x.mp4": "x.mp4", "ab/x.mp4": "x.mp4", "x.mp4": "x.mp4"}
    assert manifest["path"].tolist() == [known[path] for path in paths]
    write_manifest(root, {"t": videos}, [root])
    again = read_manifest(root)
    assert again is not None
    assert again["path"].tolist() == paths
    assert [one.video_id for one in expected_videos(again)["t"]] == [one.video_id for one in videos]


def test_a_manifest_of_no_test_has_its_columns(tmp_path: Path) -> None:
    write_manifest(tmp_path, {})
    empty = read_manifest(tmp_path)
    assert empty is not None
    assert (len(empty), "test" in empty, expected_videos(empty)) == (0, True, {})


def test_only_score_files_that_were_written_are_gone_on_with(tmp_path: Path, finished: Finished) -> None:
    video = finished.plan.videos["toy"][0]
    refuse_changed(tmp_path, noted=True)  # nothing is there yet
    for number in range(2):
        with ScoreWriter(tmp_path) as writer:
            writer.add_status(replace(video, video_id=str(number)), status=Status.NO_FACE, reason="r")
    assert changed_files(tmp_path) == []
    first, second = unmerged(tmp_path)
    second.write_bytes(first.read_bytes())  # which was written, under another name
    assert changed_files(tmp_path) == [second]
    first.write_bytes(b"no table")
    with pytest.raises(StoreError, match=r"part-00000.parquet \(and 1 more files\) was changed") as caught:
        refuse_changed(tmp_path, noted=True)
    assert caught.value.hints[0] == f"remove {first} {second} and run again: its videos are scored anew"
    (tmp_path / SUMS).unlink()
    refuse_changed(tmp_path, noted=False)  # an earlier version noted nothing
    with pytest.raises(StoreError, match="was changed"):
        refuse_changed(tmp_path, noted=True)


def test_a_shard_that_is_written_again_is_known_by_either_sum(tmp_path: Path) -> None:
    target = tmp_path / SHARDS / "part-00000.parquet"
    target.parent.mkdir()
    write_scores(score_table([]), target, run=tmp_path)
    before = target.read_bytes()
    write_scores(score_table([]).replace_schema_metadata({"other": "bytes"}), target, run=tmp_path)
    assert target.read_bytes() != before
    assert changed_files(tmp_path) == []
    target.write_bytes(before)
    assert changed_files(tmp_path) == []
    (tmp_path / SUMS).unlink()
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / SUMS).symlink_to(tmp_path / "elsewhere")
    write_scores(score_table([]), target, run=tmp_path)
    assert (tmp_path / "elsewhere").read_text() == "kept"  # a link is no place for our sums
    assert changed_files(tmp_path) == []


@given(every=st.integers(1, 9), order=st.permutations(range(12)))
@settings(max_examples=5, deadline=None)
def test_shards_of_any_length_in_any_order_make_the_same_scores(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory, every: int, order: list[int]
) -> None:
    videos = finished.plan.videos["toy"]
    folder = tmp_path_factory.mktemp("shards")
    with ScoreWriter(folder, every=every) as writer:
        for number in order:
            if number == 5:
                writer.add_status(videos[number], status=Status.NO_FACE, reason="none")
                continue
            logits = np.array([number, number + 1.5])
            writer.add_video(videos[number], frames=np.zeros((2, 1), np.int64), logits=logits, seconds=1.0)
    before = read_scores(folder)
    ScoreWriter(folder).finish()
    pd.testing.assert_frame_equal(read_scores(folder), before)
    pooled = video_scores(before, "mean_logit").set_index("video_id")["logit"]
    assert before["video_id"].drop_duplicates().tolist() == [videos[number].video_id for number in order]
    for number in range(12):
        wanted = np.nan if number == 5 else number + 0.75
        assert pooled[videos[number].video_id] == pytest.approx(wanted, nan_ok=True)
