"""`dfbench run` on a run that is there and was altered, cut off while it ended, or belongs to a version of before."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import celeb, score_without_work
from tests.stored_records import json_of

import dfbench as public
from dfbench.progress import SilentProgress
from dfbench.results.boards.stored import collect
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_manifest import read_manifest
from dfbench.runs.records.score_table import ScoreWriter, read_scores
from dfbench.runs.records.turns import turn_at
from dfbench.runs.scoring import evaluation

RUN = ("run", "-d", "chance", "--only", "celeb_df_v2")


class Killed(BaseException):
    """Ends a program as `kill -9` does, as far as nothing of dfbench catches it where it is raised."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs, for Celeb-DF of twelve reals and twelve fakes that are scored in a moment."""
    root = celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(root))
    score_without_work(monkeypatch)
    return tmp_path / "runs"


@pytest.fixture
def run(dfbench: Dfbench, runs: Path) -> Path:
    assert dfbench(*RUN).code == 0
    (folder,) = runs.iterdir()
    return folder


def change_scores(path: Path, **changes: Any) -> None:
    table = pq.read_table(path)
    frame = table.to_pandas()
    frame = frame[frame["video_id"] != changes.pop("without", "")].assign(**changes)
    changed = table.from_pandas(frame, schema=table.schema, preserve_index=False)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def problem_of(runs: Path) -> str:
    (found,) = collect(runs, Setup())
    return found.problem


def test_a_run_has_its_list_of_videos_and_the_sums_of_its_files(run: Path, tmp_path: Path) -> None:
    manifest = read_manifest(run)
    assert manifest is not None
    assert len(manifest) == 24
    assert manifest["label"].sum() == 12
    assert manifest["path"][0] == "Celeb-real/id0_0000.mp4"
    record = json_of(run)
    files = ["manifest.parquet", "files.json", "scores.parquet", "table.parquet", "table.csv"]
    assert sorted(record["content"]) == sorted([*files, "measured_by"])
    assert problem_of(run.parent) == ""
    for file in run.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes(), file


def test_reasons_name_files_in_their_root(
    dfbench: Dfbench, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_without_work(
        monkeypatch,
        failed=lambda video: str(video.path).endswith("Celeb-real/id3_0000.mp4"),
        reason=lambda video: f"{video.path} cannot be decoded, says {tmp_path}/elsewhere/plugin.py",
    )
    dfbench(*RUN, "--min-coverage", "0")
    (folder,) = runs.iterdir()
    scores = read_scores(folder)
    assert scores.loc[scores["status"] != "ok", "reason"].tolist() == [
        "Celeb-real/id3_0000.mp4 cannot be decoded, says .../plugin.py"
    ]


def test_a_video_without_rows_is_missing_and_not_forgotten(dfbench: Dfbench, run: Path) -> None:
    kept = {file: file.read_bytes() for file in run.iterdir()}
    video = read_scores(run)["video_id"][0]
    change_scores(run / "scores.parquet", without=video)
    ended = dfbench(*RUN, "--json")
    (row, *_) = json.loads(ended.out)
    assert (row["n_real"] + row["n_fake"], row["n_scored_real"] + row["n_scored_fake"]) == (24, 23)
    assert row["coverage"] == pytest.approx(23 / 24)
    assert "scores.parquet was changed since the run ended" in row["note"]
    assert f"celeb_df_v2/{video} is expected and has no row in scores.parquet" in row["note"]
    assert "--force scores it again" in row["note"]
    assert "does not follow from its record" in ended.err
    shown = dfbench(*RUN, "--min-coverage", "1")
    assert shown.code == 3
    assert "23/24 (95.8%)" in shown.err
    assert "95.8%" in shown.out
    assert "100.0%" not in shown.out
    with pytest.warns(public.CoverageWarning, match="does not follow from its record"):
        table = public.run("chance", only="celeb_df_v2")
    assert table["coverage"][0] == pytest.approx(23 / 24)
    # What was altered is left as it is, for whoever wants to know how.
    assert {file for file in kept if file.read_bytes() != kept[file]} == {run / "scores.parquet"}
    assert f"{run.name}: scores.parquet was changed" in dfbench("leaderboard").err
    again = dfbench(*RUN, "--force")
    assert again.code == 0
    assert len(read_scores(run)) == 24
    assert (run.parent / "replaced").is_dir()


def test_labels_are_those_of_the_dataset(dfbench: Dfbench, run: Path) -> None:
    before = pd.read_csv(run / "table.csv")["auc"][0]
    change_scores(run / "scores.parquet", label=[1 - label for label in read_scores(run)["label"]])
    (row, *_) = json.loads(dfbench(*RUN, "--json").out)
    assert row["auc"] == pytest.approx(before)
    assert "the label of" in row["note"]


def test_without_any_scores_nothing_counts_as_scored(dfbench: Dfbench, run: Path) -> None:
    (run / "scores.parquet").unlink()
    ended = dfbench(*RUN, "--json")
    assert ended.code == 3
    (row, *_) = json.loads(ended.out)
    assert (row["coverage"], row["n_real"], row["n_fake"]) == (0.0, 12, 12)
    assert "scores.parquet is gone" in row["note"]


def test_a_record_that_was_changed_is_not_written_anew(dfbench: Dfbench, run: Path) -> None:
    record = json_of(run)
    (run / "run.json").write_text(json.dumps({**record, "trained_on": ["celeb_df_v2"], "lists": {}}))
    changed = (run / "run.json").read_bytes()
    (row, *_) = json.loads(dfbench(*RUN, "--json").out)
    assert row["cross_dataset"] is True  # as the detector says now
    assert "run.json was changed since it was written" in row["note"]
    assert (run / "run.json").read_bytes() == changed


def test_a_changed_table_is_made_anew_of_the_scores(dfbench: Dfbench, run: Path) -> None:
    table = pd.read_csv(run / "table.csv")
    parquet = pq.read_table(run / "table.parquet")
    wrong = parquet.set_column(parquet.schema.get_field_index("auc"), "auc", [[5.0] * len(parquet)])
    pq.write_table(wrong, run / "table.parquet")
    assert "does not follow from its scores" in problem_of(run.parent)
    ended = dfbench(*RUN)
    assert ended.code == 0
    assert "table.parquet does not follow from its scores: auc of celeb_df_v2, all is 5.0" in ended.err
    assert "it is written anew" in ended.err
    pd.testing.assert_frame_equal(pd.read_csv(run / "table.csv"), table)
    assert problem_of(run.parent) == ""


def test_a_run_of_before_gets_its_list_if_its_scores_are_those_of_the_list(
    dfbench: Dfbench, run: Path
) -> None:
    record = json_of(run)
    whole = {file.name: file.read_bytes() for file in run.iterdir()}

    def older(**changes: Any) -> None:
        for name, content in whole.items():
            (run / name).write_bytes(content)
        for name in ("manifest.parquet", "scores.sha256"):
            (run / name).unlink()
        kept = {name: value for name, value in record.items() if name not in ("content", "record_sha256")}
        (run / "run.json").write_text(json.dumps({**kept, **changes}))

    older()
    (found,) = collect(run.parent, Setup())
    assert (found.problem, len(found.notes)) == ("", 1)
    assert dfbench(*RUN).code == 0
    assert (run / "manifest.parquet").read_bytes() == whole["manifest.parquet"]
    (found,) = collect(run.parent, Setup())
    assert (found.problem, found.notes) == ("", ())
    older()
    change_scores(run / "scores.parquet", label=1)
    (row, *_) = json.loads(dfbench(*RUN, "--json").out)
    assert "label of" in row["note"]
    assert not (run / "manifest.parquet").exists()


def test_a_finish_that_was_cut_off_goes_on(
    dfbench: Dfbench, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunRecord.write
    began: list[Path] = []
    dead: list[Path] = []

    def cut_off(record: RunRecord, folder: Path) -> RunRecord:
        if record.complete or dead:  # what is dead says no more why
            dead.append(folder)
            raise Killed
        began.append(folder)
        return write(record, folder)

    monkeypatch.setattr(RunRecord, "write", cut_off)
    with pytest.raises(Killed):
        dfbench(*RUN)
    (folder,) = began
    assert json_of(folder)["status"] == "running"
    assert not (folder / "scores").exists()
    monkeypatch.setattr(RunRecord, "write", write)
    monkeypatch.setattr(evaluation, "opened_scorer", None)  # all was scored: no detector is needed
    scores = (folder / "scores.parquet").read_bytes()
    changed = pq.read_table(folder / "scores.parquet")
    change_scores(folder / "scores.parquet", seconds=1.0)
    refused = dfbench(*RUN)
    assert refused.code == 1
    assert f"{folder / 'scores.parquet'} was changed since it was written" in refused.err
    assert "its videos are scored anew" in refused.err
    (folder / "scores.parquet").write_bytes(scores)
    assert dfbench(*RUN).code == 0
    assert problem_of(runs) == ""
    assert pq.read_table(folder / "scores.parquet").equals(changed)


def test_shards_that_were_changed_before_the_run_went_on_are_refused(
    dfbench: Dfbench, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ScoreWriter.finish

    def cut_off(writer: ScoreWriter) -> Path:
        writer.flush()
        raise Killed

    monkeypatch.setattr(ScoreWriter, "finish", cut_off)
    with pytest.raises(Killed):
        dfbench(*RUN)
    monkeypatch.setattr(ScoreWriter, "finish", finish)
    (shard,) = runs.glob("*/scores/*.parquet")
    change_scores(shard, label=1)
    refused = dfbench(*RUN)
    assert refused.code == 1
    assert f"{shard} was changed since it was written" in refused.err
    assert "Traceback" not in refused.err
    shard.unlink()  # as the hint says
    assert dfbench(*RUN).code == 0
    assert problem_of(runs) == ""


def test_a_second_program_waits_for_the_first_and_finds_the_run_complete(
    dfbench: Dfbench, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dfbench(*RUN).code == 0
    (folder,) = runs.iterdir()
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "run.json").write_text(json.dumps({**json_of(folder), "status": "running"}))

    class Waits(SilentProgress):
        def note(self, text: str) -> None:
            if "another program works on this run" in text:
                waiting.set()

    waiting, done = threading.Event(), threading.Event()
    found: list[bool] = []

    def second() -> None:
        with turn_at(folder, Waits()):
            found.append(json_of(folder)["status"] == "complete")
        done.set()

    with turn_at(folder, SilentProgress()):
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        assert waiting.wait(20)
        (folder / "run.json").write_bytes(whole["run.json"])
    assert done.wait(20)
    thread.join(20)
    assert found == [True]
    assert sorted(file.name for file in folder.iterdir()) == sorted(whole)


def test_another_program_that_was_faster_leaves_nothing_to_compute(
    dfbench: Dfbench, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    done_before = evaluation._Work.done_before

    def late(work: Any, progress: Any) -> Any:
        asked.append(True)
        if len(asked) == 1:  # the other one begins and ends just now
            monkeypatch.setattr(evaluation._Work, "done_before", done_before)
            assert dfbench(*RUN).code == 0
            monkeypatch.setattr(evaluation._Work, "done_before", late)
            return None
        return done_before(work, progress)

    monkeypatch.setattr(evaluation._Work, "done_before", late)
    assert dfbench(*RUN).code == 0
    (folder,) = runs.iterdir()
    assert len(json_of(folder)["sessions"]) == 1
    assert len(read_scores(folder)) == 24
