"""Boards as terminal, Markdown, file and figure: what a cell says, and what is said below."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.results.made_runs import MakeRun, board_of, rewrite, text_of

from dfbench.errors import StoreError
from dfbench.results.boards.board import Mark
from dfbench.results.boards.rows import RANKED
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.renderings.figure import draw_board
from dfbench.results.renderings.files import write_board
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.tables import MEAN


def test_constant_scores_are_called_out(make_run: MakeRun, runs: Path) -> None:
    make_run("flat", flat=True)
    assert "warning: flat: dfdc: constant scores; dfd: constant scores" in text_of(board_of(runs))


def test_a_board_warns_of_an_entry_that_was_trained_on_people_of_the_test(
    make_run: MakeRun, runs: Path
) -> None:
    leak = "leak: 1 group is in training and in test: anna"
    make_run("friend", leaks={"dfd": [leak]})
    make_run("stranger")
    told = " ".join(text_of(board_of(runs)).split())
    assert f"warning: friend: dfd: {leak}" in told
    assert "warning: stranger" not in told


def test_a_cell_says_why_it_is_blank_and_what_its_marks_mean(make_run: MakeRun, runs: Path) -> None:
    short = {
        "listed": {"real": 20, "fake": 20},
        "official": {"real": 21, "fake": 20},
        "n_problems": 0,
        "problems": [],
        "misspelt": {},
    }
    make_run("whole", trained_on=["dfd"], lists={"dfdc": short})
    make_run("part", datasets=("dfdc",), shift=2.0)
    board = board_of(runs)
    rows = {row.entry: row for row in board.rows}
    marks = {key: cell.marks for key, cell in rows["whole"].cells.items()}
    assert marks == {"dfdc": (Mark.LISTS,), "dfd": (Mark.TRAINED,), MEAN: (Mark.TRAINED, Mark.LISTS)}
    assert {key: cell.blank for key, cell in rows["part"].cells.items()} == {
        "dfdc": "",
        "dfd": "not tested",
        MEAN: "not every dataset has a value",
    }
    best = {(row.entry, key) for row in board.rows for key, cell in row.cells.items() if cell.best}
    assert best == {("part", "dfdc")}  # nobody is the best of one
    assert [section.title for section in board.sections] == [RANKED]
    assert [column.key for column in board.columns] == ["dfdc", "dfd", MEAN]


def test_written_boards(make_run: MakeRun, runs: Path, tmp_path: Path) -> None:
    make_run("weak | odd", folder="weak", shift=0.5)
    make_run("strong", shift=2.0)
    board = board_of(runs)
    frame = frame_of(board)
    csv, parquet, markdown = write_board(board, tmp_path / "out", told=str)
    for stored in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert stored["entry"].tolist() == ["strong", "weak | odd"]
        assert stored["corpus"].tolist() == ["demo", "demo"]
        assert stored["mean"].tolist() == pytest.approx(frame["mean"].tolist())
    text = markdown.read_text(encoding="utf-8")
    assert "weak \\| odd" in text
    assert f"**{frame['dfd'][0]:.3f} [" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["board.png", "board.svg"])
def test_figure(make_run: MakeRun, runs: Path, tmp_path: Path, name: str) -> None:
    make_run("weak", shift=0.0)
    make_run("a long name of an entry (base, ffpp+dfd/c23, seed 0)", shift=2.0, trained_on=None)
    make_run("part", datasets=("dfd",))
    path = draw_board(board_of(runs), tmp_path / name)
    content = path.read_bytes()
    assert len(content) > 10_000
    assert content.startswith(b"\x89PNG") == name.endswith(".png")
    assert (b"<svg" in content[:1000]) == name.endswith(".svg")
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == [name]


def test_a_figure_that_cannot_be_written(make_run: MakeRun, runs: Path, tmp_path: Path) -> None:
    make_run("weak")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        draw_board(board_of(runs), tmp_path / "file" / "board.png")


@pytest.mark.slow
def test_numbers_by_plugins_of_others_are_marked_and_told(make_run: MakeRun, runs: Path) -> None:
    plugin = {
        "name": "p",
        "distribution": "their-plugin",
        "version": "2.0",
        "sha256": "ab" * 32,
        "offers": [],
    }
    make_run("ours", shift=0.5)
    make_run("theirs", shift=2.0, plugins=[plugin])
    rewrite(make_run("broken"), plugins=["their-plugin"])
    board = board_of(runs)
    frame = frame_of(board)
    words = "their-plugin 2.0 [abababababab]"
    assert frame[["entry", "plugins"]].to_numpy().tolist() == [["theirs", words], ["ours", ""]]
    text = text_of(board)
    assert text.count("\u00a7") == 4  # two datasets, their mean, and what it means
    assert f"\u00a7 by plugins that are not part of dfbench: {words}" in " ".join(text.split())
    assert "\u00a7 by plugins that are not part of dfbench: their-plugin 2.0" in markdown_of(board, told=str)
    assert any("broken-1: run.json is damaged" in one for one in board.left_out)
