"""Which runs a board ranks, in which order, and which it leaves out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.results.made_runs import MakeRun, board_of, text_of

from dfbench.errors import RunError
from dfbench.results.boards.leaderboard import corpora, leaderboard
from dfbench.results.boards.rows import OTHER_VIDEOS, RANKED, UNKNOWN_TRAINING, VALIDATION
from dfbench.results.boards.stored import collect
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.renderings.figure import draw_board
from dfbench.results.renderings.files import write_board
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.tables import ALL, MEAN
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.record import CONTENT, DIGEST
from dfbench.types import COLUMN_ENDS, COLUMN_WORDS, TABLE_WORDS


def test_entries_are_ranked_by_their_mean(make_run: MakeRun, runs: Path) -> None:
    make_run("weak", shift=0.5)
    make_run("strong", shift=2.0)
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["strong", "weak"]
    assert frame["rank"].tolist() == [1, 2]
    assert [test.key for test in board.tests] == ["dfdc", "dfd"]
    assert (frame["mean"] == (frame["dfdc"] + frame["dfd"]) / 2).all()
    assert (frame["dfdc_low"] < frame["dfdc"]).all()
    assert (frame["mean_low"] < frame["mean"]).all()
    text = text_of(board)
    assert text.count("*0.") == 3
    assert "demo corpus: video AUC" in text
    assert max(map(len, text.splitlines())) <= 120


def test_no_dataset_can_be_called_as_a_column_is(make_run: MakeRun, runs: Path, tmp_path: Path) -> None:
    make_run("one", datasets=("dfdc",))
    csv, *_ = write_board(board_of(runs), tmp_path / "out", told=str)
    columns = set(pd.read_csv(csv).columns)
    cells = {"dfdc", *(f"dfdc{end}" for end in COLUMN_ENDS)}
    assert cells <= columns
    assert columns - cells <= COLUMN_WORDS
    assert {ALL, MEAN} <= TABLE_WORDS


def test_no_mean_and_no_rank_without_every_dataset(make_run: MakeRun, runs: Path) -> None:
    make_run("full", shift=0.1)
    make_run("part", shift=3.0, datasets=("dfdc",))
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["full", "part"]
    assert frame["mean"].isna().tolist() == [False, True]
    assert frame["rank"].isna().tolist() == [False, True]
    assert frame["dfdc"][1] > frame["dfdc"][0]
    assert "no mean, no rank" in text_of(board)


def test_corpora_and_protocols_never_mix(make_run: MakeRun, runs: Path) -> None:
    make_run("demo-entry")
    make_run("real-entry", corpus="official")
    make_run("inside-entry", protocol="in-dataset")
    with pytest.raises(RunError, match="demo, official") as caught:
        board_of(runs)
    assert caught.value.hints[0] == "dfbench leaderboard --corpus demo"
    assert frame_of(board_of(runs, "demo"))["entry"].tolist() == ["demo-entry"]
    assert frame_of(board_of(runs, "official"))["entry"].tolist() == ["real-entry"]
    assert frame_of(leaderboard(collect(runs, Setup()), where=runs, protocol="in-dataset"))[
        "entry"
    ].tolist() == ["inside-entry"]
    assert corpora(collect(runs, Setup()), protocol="cross-dataset") == ["demo", "official"]


def test_the_newest_run_of_an_entry_counts(make_run: MakeRun, runs: Path) -> None:
    make_run("same", shift=0.1, day=1)
    newest = make_run("same", shift=2.0, day=3)
    make_run("same", shift=0.1, day=2)
    running = make_run("same", day=9, status="running", scores=False, started="2026-02-08T00:00:00+00:00")
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["run"].tolist() == [newest.name]
    assert frame["older_hidden"].tolist() == [2]
    ways = f"give the same command again to go on, or remove {running}"
    assert board.left_out == (f"same-9: nothing was scored; {ways}",)
    assert "other runs hidden: 2" in text_of(board)


def test_other_weights_do_not_take_the_place_of_an_entry(make_run: MakeRun, runs: Path) -> None:
    def weights(sha: str) -> dict[str, str]:
        return {"name": "net", "weights_sha256": sha * 8}

    name = "net (demo, ffpp/c23 of the demo corpus, seed 0)"
    known = {"training_seed": 0, "training_corpora": ["demo"]}
    make_run(name, folder="good", shift=2.0, day=1, detector=weights("0a1b2c3d"), **known)
    make_run(name, folder="bad", shift=0.1, day=2, detector=weights("ffff0000"), **known)
    # The same weights once more, by a command with another seed.
    make_run(name, folder="again", shift=2.0, day=3, detector=weights("0a1b2c3d"), seed=7, **known)
    make_run(
        "net (released)", folder="other", shift=1.0, day=4, detector=weights("12345678"), training_seed=None
    )
    board = board_of(runs)
    frame = frame_of(board).set_index("run")
    assert frame["entry"].to_dict() == {
        "again": "net (demo, ffpp/c23 of the demo corpus, seed 0, weights 0a1b2c3d)",
        "bad": "net (demo, ffpp/c23 of the demo corpus, seed 0, weights ffff0000)",
        "other": "net (released)",
    }
    assert frame["older_hidden"].to_dict() == {"again": 1, "bad": 0, "other": 0}
    assert frame["rank"].to_dict() == {"again": 1, "other": 2, "bad": 3}
    for shown in (text_of(board), markdown_of(board, told=str)):
        assert {"0a1b2c3d", "ffff0000"} <= set(re.findall(r"[0-9a-f]{8}", shown))


def test_a_name_of_an_older_version_gets_the_seed_of_the_training(make_run: MakeRun, runs: Path) -> None:
    old = {
        "detector": {"name": "net", "weights_sha256": "ab" * 32},
        "training": {"provenance": {"identity": {"seed": 0, "corpus": "demo"}}},
    }
    for seed in (0, 7):
        make_run(f"net (demo, ffpp/c23, seed {seed})", folder=f"seed-{seed}", day=1 + seed, seed=seed, **old)
    make_run("chance (seed 7)", seed=7)
    board = board_of(runs)
    frame = frame_of(board)
    assert set(frame["entry"]) == {"net (demo, ffpp/c23, seed 0)", "chance (seed 7)"}
    assert frame["run"].str.contains("seed-7").any()  # the newest


@pytest.mark.parametrize(
    ("corpora", "crosses", "data"),
    [(["demo"], False, "dfd+ffpp"), (["official"], True, "dfd+ffpp of official"), (None, False, "dfd+ffpp")],
)
def test_a_dataset_of_another_corpus_is_another_dataset(
    make_run: MakeRun, runs: Path, corpora: list[str] | None, crosses: bool, data: str
) -> None:
    make_run("inside", trained_on=["ffpp", "dfd"], training_corpora=corpora, training_seed=0)
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["dfd_cross"].tolist() == [crosses]
    assert frame["dfdc_cross"].tolist() == [True]
    assert frame["trained_on"].tolist() == [data]
    assert ("\u2020" in text_of(board)) is not crosses


def test_a_later_trial_on_a_part_does_not_hide_the_whole(make_run: MakeRun, runs: Path) -> None:
    whole = make_run("same", day=1)
    make_run("same", day=5, datasets=("dfd",))
    assert frame_of(board_of(runs))["run"].tolist() == [whole.name]


def test_unknown_training_data_is_a_section_of_its_own(make_run: MakeRun, runs: Path) -> None:
    make_run("known", shift=0.5)
    make_run("mystery", shift=4.0, trained_on=None)
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["section"].tolist() == [RANKED, UNKNOWN_TRAINING]
    assert frame["rank"].isna().tolist() == [False, True]
    assert frame["dfd_cross"].isna().tolist() == [False, True]
    assert frame["trained_on"].tolist() == ["ffpp", "unknown"]
    text = text_of(board)
    assert "not ranked: training data unknown" in text
    assert "*" not in " ".join(text.split()).replace("* best of its column", "")


def test_what_was_scored_on_a_validation_set_is_never_ranked(make_run: MakeRun, runs: Path) -> None:
    make_run("tested", shift=0.5)
    make_run("chosen", shift=3.0, purpose="validation")
    board = board_of(runs)
    assert [(row.entry, row.section, row.rank) for row in board.rows] == [
        ("tested", RANKED, 1),
        ("chosen", VALIDATION, None),
    ]
    assert not any(cell.best for row in board.rows for cell in row.cells.values())


def test_other_lists_of_videos_are_not_ranked_together(make_run: MakeRun, runs: Path) -> None:
    make_run("first", manifest="full", day=1)
    make_run("second", manifest="full", day=2)
    make_run("third", manifest="small", day=3, shift=3.0)
    make_run("fourth", manifest="full", day=1)
    make_run("first", manifest="small", day=4)
    frame = frame_of(board_of(runs)).set_index("entry")
    sections = {"first": RANKED, "second": RANKED, "third": OTHER_VIDEOS, "fourth": RANKED}
    assert frame["section"].to_dict() == sections
    assert frame["run"]["first"] == "first-1"


def test_training_on_a_tested_dataset_is_marked(make_run: MakeRun, runs: Path) -> None:
    make_run("inside", trained_on=["ffpp", "dfd"])
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["dfd_cross"].tolist() == [False]
    assert frame["dfdc_cross"].tolist() == [True]
    assert "\u2020 trained on this dataset" in text_of(board)
    assert markdown_of(board, told=str).count("\u2020") == 3  # the cell, the mean, the caption


@pytest.mark.parametrize(
    ("trained_on", "shown", "crosses", "section"),
    [
        (["DFDC", "FF++"], "dfdc+ffpp", [False, True], "ranked"),
        (["ffpp/c23", " dfdc "], "dfdc+ffpp", [False, True], "ranked"),
        (["mystery"], "unknown", [None, None], "training data unknown"),
        (["mystery", "DeepFakeDetection"], "dfd+unknown", [None, False], "training data unknown"),
        ([""], "unknown", [None, None], "training data unknown"),
        ([], "nothing", [True, True], "ranked"),
    ],
)
def test_training_data_of_a_record_are_found_under_any_name(
    make_run: MakeRun,
    runs: Path,
    trained_on: list[str],
    shown: str,
    crosses: list[bool | None],
    section: str,
) -> None:
    folder = make_run("net", trained_on=trained_on)
    record = json.loads((folder / "run.json").read_text())
    if len(trained_on) > 1:  # without a digest, nobody knows whether all names were known
        del record[DIGEST], record[CONTENT]
        (folder / "scores.sha256").unlink()
        (folder / "run.json").write_text(json.dumps({**record, "training_unknown": []}))
    (row,) = frame_of(board_of(runs)).to_dict("records")
    assert (row["trained_on"], row["section"]) == (shown, section)
    assert [
        None if pd.isna(row[f"{name}_cross"]) else row[f"{name}_cross"] for name in ("dfdc", "dfd")
    ] == crosses
    assert ("trained on what no dataset here is called" in row["note"]) == ("unknown" in shown)


@pytest.mark.parametrize("field", ["trained_on", "training_corpora"])
def test_training_data_that_are_no_list_of_names_leave_a_run_out(
    make_run: MakeRun, runs: Path, field: str
) -> None:
    make_run("good")
    folder = make_run("bad")
    record = json.loads((folder / "run.json").read_text())
    for value in ("ffpp", {"ffpp": 1}, 3, [3], [None], [["ffpp"]], True):
        (folder / "run.json").write_text(json.dumps({**record, field: value}))
        (bad,) = [run for run in collect(runs, Setup()) if run.problem]
        assert bad.problem == (f"run.json is damaged: its {field} is {value!a}, and no list of names")
    assert frame_of(board_of(runs))["entry"].tolist() == ["good"]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"schema": 7}', '{"schema": 1, "trained_on": 3}', "\x00"],
)
def test_an_unreadable_run_is_listed_and_not_fatal(make_run: MakeRun, runs: Path, content: str) -> None:
    make_run("good")
    (make_run("bad") / "run.json").write_text(content, encoding="utf-8")
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["good"]
    assert len(board.left_out) == 1
    assert board.left_out[0].startswith("bad-1: run.json is ")
    assert "left out: bad-1" in text_of(board)


def test_undecodable_text_is_listed_too(make_run: MakeRun, runs: Path) -> None:
    (make_run("bad") / "run.json").write_bytes(b"\xff\xfe\xff")
    assert collect(runs, Setup())[0].problem.startswith("run.json is damaged")


def test_a_run_without_scores_or_of_another_record_is_left_out(make_run: MakeRun, runs: Path) -> None:
    make_run("good")
    make_run("made anew", table=False)
    (make_run("empty") / "scores.parquet").unlink()
    foreign = make_run("foreign")
    record = json.loads((foreign / "run.json").read_text())
    (foreign / "run.json").write_text(json.dumps({**record, "entry": "renamed"}))
    problems = {run.folder.name: run.problem for run in collect(runs, Setup())}
    assert problems["good-1"] == problems["made anew-1"] == ""
    assert problems["empty-1"].startswith("scores.parquet is gone")
    assert problems["foreign-1"] == "run.json was changed since it was written"
    board = board_of(runs)
    frame = frame_of(board)
    assert frame["entry"].tolist() == ["good", "made anew"]
    assert [sentence.partition(":")[0] for sentence in board.left_out] == ["empty-1", "foreign-1"]


def test_nothing_to_rank(make_run: MakeRun, runs: Path) -> None:
    with pytest.raises(RunError, match="no runs") as caught:
        board_of(runs)
    assert caught.value.hints[0].startswith("make one: dfbench run")
    assert collect(runs, Setup()) == []
    make_run("other", protocol="in-dataset")
    board = board_of(runs)
    assert (board.rows, frame_of(board).empty) == ((), True)
    assert "no complete run" in text_of(board)
    with pytest.raises(RunError, match="no figure"):
        draw_board(board, runs / "x.png")
