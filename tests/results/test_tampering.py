"""A run that does not follow from its record is named, and on no board."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.results.made_runs import expected, rewrite, store_run
from tests.stored_records import json_of

from dfbench.results import checked as checking
from dfbench.results.boards.leaderboard import leaderboard
from dfbench.results.boards.stored import collect
from dfbench.results.checked import OTHER_CODE, RUN_FILES, check_run
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.renderings.terminal import terminal_table
from dfbench.results.tables import read_table, result_table, write_table
from dfbench.results.terminal import plain_console
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.private import redaction
from dfbench.runs.records.record import CONTENT, DIGEST
from dfbench.runs.records.run_manifest import read_manifest
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import NO_MANIFEST, content_of
from dfbench.settings import load_settings

RECORD = {
    "detector": {"name": "net", "weights_sha256": "ab"},
    "entry": "net (ffpp)",
    "protocol": "p",
    "corpus": "demo",
    "seed": 0,
    "trained_on": ["ffpp", "d"],
    "training_corpora": ["demo"],
    "lists": {"d": {"listed": {"real": 20, "fake": 20}, "official": None, "n_problems": 0}},
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-02T00:00:00+00:00",
}


def make(folder: Path, *, shift: float = 0.7, older: bool = False, clips: int = 2, **changes: Any) -> Path:
    videos = expected("d", 40)
    rng = np.random.default_rng(0)
    logits: dict[tuple[str, str], Any] = {
        ("d", one.video_id): rng.normal(size=clips) + shift * int(one.label) for one in videos
    }
    logits["d", "7"] = None
    store_run(folder, {**RECORD, **changes}, {"d": videos}, logits, older=older, draws=2000)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make(tmp_path / "runs" / "honest", entry="honest")
    make(tmp_path / "runs" / "run")
    return tmp_path / "runs"


def change_table(run: Path, **values: Any) -> None:
    table = read_table(run / "table.parquet").assign(**values)
    write_table(table, run)


def change_scores(run: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Rewrite the scores with their schema, so that nothing but their content tells."""
    old = pq.read_table(run / "scores.parquet")
    new = pa.Table.from_pandas(change(old.to_pandas()), schema=old.schema, preserve_index=False)
    pq.write_table(new.replace_schema_metadata(old.schema.metadata), run / "scores.parquet")


def change_record(run: Path, **changes: Any) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **changes}))


def fit(run: Path, **changes: Any) -> None:
    """Make digests and identity fit what the files are now, as somebody would who knows of them."""
    measured = json_of(run)[CONTENT]["measured_by"]
    content = {**content_of(run, (*RUN_FILES, "table.csv")), "measured_by": measured}
    rewrite(run, content=content, **changes)


def flipped(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.assign(label=1 - scores["label"])


def without(video: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda scores: scores[scores["video_id"] != video]


def with_value(column: str, value: str | float, *, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(scores: pd.DataFrame) -> pd.DataFrame:
        return scores.assign(**{column: scores[column].mask(scores.index == row, value)})

    return change


def renamed(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.assign(video_id=scores["video_id"].replace("3", "new"))


def repeated(scores: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([scores, scores.iloc[:2]])


def scored_after_all(scores: pd.DataFrame) -> pd.DataFrame:
    """The video without a face, with a good score."""
    failed = scores["status"] != "ok"
    changes = {"status": "ok", "clip": 0, "logit": 5.0, "prob": 1 / (1 + math.exp(-5.0)), "reason": ""}
    return scores.assign(**{name: scores[name].mask(failed, value) for name, value in changes.items()})


def better(scores: pd.DataFrame) -> pd.DataFrame:
    logit = scores["logit"] + 3.0 * scores["label"]
    return scores.assign(logit=logit, prob=1 / (1 + np.exp(-logit)))


Tamper = Callable[[Path], object]
EDITS: dict[str, tuple[Tamper, str]] = {
    "AUC of 5": (lambda run: change_table(run, auc=5.0), "auc of d, all is 5.0"),
    "AUC of inf": (lambda run: change_table(run, auc=math.inf), "auc of d, all is inf"),
    "narrow interval": (lambda run: change_table(run, auc_low=0.7), "auc_low of d, all"),
    "coverage of 1": (lambda run: change_table(run, coverage=1.0, n_scored_fake=20), "coverage of d, all"),
    "cross-dataset": (lambda run: change_table(run, cross_dataset=True), "cross_dataset of d, all"),
    "no table": (lambda run: (run / "table.parquet").unlink(), "table.parquet is gone"),
    "table no Parquet": (lambda run: (run / "table.parquet").write_bytes(b"PAR1"), "cannot be read"),
    "identity of zeros": (lambda run: change_record(run, identity="0" * 64), "identity in run.json"),
    "nothing trained on": (lambda run: change_record(run, trained_on=[]), "run.json was changed"),
    "trained on unknown": (lambda run: change_record(run, trained_on=None), "run.json was changed"),
    "other corpora": (lambda run: change_record(run, training_corpora=["x"]), "run.json was changed"),
    "other entry": (lambda run: change_record(run, entry="best"), "run.json was changed"),
    "finished later": (lambda run: change_record(run, finished="2027-01-01"), "run.json was changed"),
    "no leaks": (lambda run: change_record(run, leaks={}), "run.json was changed"),
    "no digest": (lambda run: change_record(run, record_sha256=None), "run.json was changed"),
    "flipped labels": (lambda run: change_scores(run, flipped), "scores.parquet was changed"),
    "one label": (lambda run: change_scores(run, with_value("label", 1)), "label of d/0 is another"),
    "other group": (lambda run: change_scores(run, with_value("group", "x")), "group of d/0 is another"),
    "deleted video": (lambda run: change_scores(run, without("3")), "d/3 is expected and has no row"),
    "deleted clip": (lambda run: change_scores(run, lambda one: one.drop(index=0)), "clips of d/0 are lost"),
    "NaN score": (lambda run: change_scores(run, with_value("logit", math.nan)), "score of d/0 is no finite"),
    "inf score": (lambda run: change_scores(run, with_value("logit", math.inf)), "score of d/0 is no finite"),
    "other logit": (lambda run: change_scores(run, with_value("logit", 9.0)), "probability of d/0 is not"),
    "both": (lambda run: change_scores(run, better), "scores.parquet was changed"),
    "repeated rows": (lambda run: change_scores(run, repeated), "d/0 stands twice"),
    "no status": (lambda run: change_scores(run, with_value("status", "fine")), "status of d/0 is none"),
    "failed and scored": (lambda run: change_scores(run, scored_after_all), "scores.parquet was changed"),
    "no scores": (lambda run: (run / "scores.parquet").unlink(), "scores.parquet is gone"),
    "no manifest": (lambda run: (run / "manifest.parquet").unlink(), "manifest.parquet is gone"),
    "no files": (lambda run: (run / "files.json").unlink(), "files.json is gone"),
    "other files": (lambda run: (run / "files.json").write_text("[]"), "files.json was changed"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_is_named_and_not_ranked(runs: Path, edit: str) -> None:
    tamper, told = EDITS[edit]
    tamper(runs / "run")
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["honest"]
    (sentence,) = board.left_out
    assert sentence.startswith("run: ")
    assert told in sentence


FORGED: dict[str, tuple[Tamper, str]] = {
    "labels": (lambda run: change_scores(run, flipped), "label of d/0, d/1, d/2 and 37 more is another"),
    "table": (lambda run: change_table(run, auc=0.99), "table.parquet does not follow from its scores"),
    "row": (lambda run: change_scores(run, without("3")), "d/3 is expected"),
    "foreign": (lambda run: change_scores(run, renamed), "d/new has scores and is not"),
}


@pytest.mark.parametrize("edit", FORGED)
def test_sums_that_fit_do_not_make_a_table_follow(runs: Path, edit: str) -> None:
    tamper, told = FORGED[edit]
    tamper(runs / "run")
    fit(runs / "run")
    (sentence,) = leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out
    assert "changed since" not in sentence
    assert told in sentence


def test_fewer_expected_videos_are_another_identity(runs: Path) -> None:
    run = runs / "run"
    manifest = read_manifest(run)
    assert manifest is not None
    fewer = pa.Table.from_pandas(manifest.drop(index=[7]), preserve_index=False)
    pq.write_table(fewer.replace_schema_metadata({"dfbench.manifest": "1"}), run / "manifest.parquet")
    change_scores(run, without("7"))
    fit(run)
    (sentence,) = leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out
    assert "manifest.parquet lists other videos of d" in sentence
    assert json_of(run)["identity"] == json_of(runs / "honest")["identity"]


def test_counts_of_the_lists_fit_the_manifest(runs: Path) -> None:
    rewrite(
        runs / "run", lists={"d": {"listed": {"real": 20, "fake": 19}, "official": None, "n_problems": 0}}
    )
    (sentence,) = leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out
    assert "counts other reals and fakes of d than manifest.parquet lists" in sentence


def test_files_of_another_run_do_not_fit(runs: Path) -> None:
    other = make(runs / "other", shift=3.0, seed=1, entry="other")
    shutil.copy(other / "run.json", runs / "run" / "run.json")
    for name in ("scores.parquet", "table.parquet"):
        shutil.copy(other / name, runs / "honest" / name)
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["other"]
    assert len(board.left_out) == 2
    assert all(
        "scores.parquet was changed since the run ended, or is of another run" in one
        for one in board.left_out
    )


def test_a_shard_beside_finished_scores_scores_nothing(runs: Path) -> None:
    (runs / "run" / "scores").mkdir()
    scores = pq.read_table(runs / "honest" / "scores.parquet")
    planted = scored_after_all(scores.to_pandas().query("status != 'ok'"))
    table = pa.Table.from_pandas(planted, schema=scores.schema, preserve_index=False)
    pq.write_table(table, runs / "run" / "scores" / "part-00099.parquet")
    (sentence,) = leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out
    assert "scores/part-00099.parquet was put beside the finished scores" in sentence


def test_a_copied_run_is_one_entry(runs: Path) -> None:
    shutil.copytree(runs / "run", runs / "copy")
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert sorted(frame["entry"]) == ["honest", "net (ffpp)"]
    assert board.left_out == ()
    assert frame["older_hidden"].sum() == 1


def test_a_table_of_another_version_is_told_and_ranked_by_its_scores(runs: Path) -> None:
    right = read_table(runs / "run" / "table.parquet")
    change_table(runs / "run", auc=right["auc"] + 0.01)
    content = content_of(runs / "run", (*RUN_FILES, "table.csv"))
    rewrite(runs / "run", content={**content, "measured_by": "of another version"})
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert board.left_out == ()
    assert frame["d"].tolist() == [pytest.approx(right["auc"][0])] * 2
    assert frame.set_index("run")["note"].str.contains(OTHER_CODE).to_dict() == {"run": True, "honest": False}
    console = plain_console(width=200)
    with console.capture() as shown:
        console.print(terminal_table(board))
    assert f"{OTHER_CODE}: net (ffpp)" in " ".join(shown.get().split())
    change_table(runs / "run", auc=right["auc"] + 0.02)  # after it was written, whoever wrote it
    assert "does not follow" in leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out[0]


def test_a_run_of_an_earlier_version_is_read_and_said_to_be_without(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    older = make(runs / "older", older=True)
    assert not (older / "manifest.parquet").exists()
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert (frame["rank"].tolist(), board.left_out) == ([1], ())
    assert frame["note"].str.contains(NO_MANIFEST, regex=False).all()
    right = frame["d"][0]
    change_table(older, auc=5.0)
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert frame["d"][0] == pytest.approx(right)
    assert "differs from what its scores give, which counts: auc of d, all is 5.0" in frame["note"][0]
    change_record(older, identity="0" * 64)
    assert list(leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out) == [
        "older: the identity in run.json is not that of what it says"
    ]


def test_an_earlier_run_has_as_many_videos_as_it_says(tmp_path: Path) -> None:
    older = make(tmp_path / "runs" / "older", older=True)
    change_scores(older, without("3"))
    (run,) = collect(older.parent, Setup())
    assert run.problem == "the scores hold 39 videos of d, where the run expects 40"


@pytest.mark.slow
def test_nothing_is_checked_twice_and_anything_changed_is(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = result_table

    def counted(videos: pd.DataFrame, **options: Any) -> pd.DataFrame:
        made.append(options["record"].entry)
        return real(videos, **options)

    monkeypatch.setattr(checking, "result_table", counted)
    first = check_run(StoredRun.read(runs / "run"), kept=tmp_path / "new cache")
    again = check_run(StoredRun.read(runs / "run"), kept=tmp_path / "new cache")
    assert made == ["net (ffpp)"]
    assert (first.findings, first.notes) == (again.findings, again.notes)
    assert first.table is not None
    assert again.table is not None
    pd.testing.assert_frame_equal(first.table, again.table)
    for kept in (tmp_path / "new cache").rglob("*.json"):
        kept.write_text("[" * 5000)
    check_run(StoredRun.read(runs / "run"), kept=tmp_path / "new cache")
    assert len(made) == 2
    (tmp_path / "a file").write_text("")
    assert check_run(StoredRun.read(runs / "run"), kept=tmp_path / "a file").problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.json", "scores.parquet", "manifest.parquet", "files.json"])
def test_bytes_that_changed_in_any_place_are_noticed(runs: Path, name: str) -> None:
    path = runs / "run" / name
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(15):
        changed = bytearray(whole)
        place = int(rng.integers(len(whole)))
        if rng.integers(3) == 0:
            del changed[place:]
        else:
            changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        assert {run.folder.name: bool(run.problem) for run in collect(runs, Setup())} == {
            "honest": False,
            "run": True,
        }


def test_a_board_in_markdown_names_no_folder(runs: Path) -> None:
    (runs / "honest" / "run.json").write_text("{")
    change_record(runs / "run", status="failed", error="no power")
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    assert any(str(runs) in sentence for sentence in board.left_out)
    text = markdown_of(board, told=redaction(load_settings()).text)
    assert "left out: run: failed: no power" in text
    assert str(runs) not in text


def test_a_record_that_plays_an_earlier_version_beside_sums_is_noticed(runs: Path) -> None:
    record = json_of(runs / "run")
    kept = {name: value for name, value in record.items() if name not in (CONTENT, DIGEST)}
    (runs / "run" / "run.json").write_text(json.dumps(kept))
    (sentence,) = leaderboard(collect(runs, Setup()), where=runs, protocol="p").left_out
    assert "does not say what the files beside it were" in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"content": []},
        {"content": {"scores.parquet": 3}},
        {"datasets": {"d": []}},
        {"datasets": {"d": {"videos": "40"}}},
        {"datasets": []},
        {"lists": {"d": 3}},
        {"entry": "\ud800"},
        {"detector": {"name": "net", "weights_sha256": math.inf}},
    ],
)
def test_whatever_a_record_holds_is_a_problem_of_that_run(runs: Path, changes: dict[str, Any]) -> None:
    change_record(runs / "run", **changes)
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="p")
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["honest"]
    assert [one.partition(":")[0] for one in board.left_out] == ["run"]
