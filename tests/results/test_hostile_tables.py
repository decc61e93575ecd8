"""Two hundred hostile names as entries, datasets, manipulations and notes, through every table and figure of results."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from PIL import Image, ImageDraw
from rich.console import Console
from tests.hostile import NAMES, seen_raw
from tests.stored_records import record_of

from dfbench.csv_text import csv_of, csv_of_rows
from dfbench.data.datasets.contact_sheet import contact_sheet
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.drawing import draw_on
from dfbench.escaping import for_markdown, for_terminal
from dfbench.results import markdown
from dfbench.results.boards.board import Board, Cell, Column, Row, Section
from dfbench.results.boards.captions import captions_of
from dfbench.results.boards.rows import RANKED
from dfbench.results.evidence.pictures import wrapped
from dfbench.results.plotting import new_figure, save_figure
from dfbench.results.renderings.dataframe import records_of
from dfbench.results.renderings.figure import draw_board
from dfbench.results.renderings.files import write_board
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.renderings.run_table import render_table
from dfbench.results.renderings.terminal import terminal_table
from dfbench.results.tables import MEAN, result_table
from dfbench.results.terminal import plain_console
from dfbench.runs.records.facts import ProtocolFacts
from dfbench.text import storable
from dfbench.types import Label, Status, Video

STORED = [storable(name) for name in NAMES]  # as every table holds them
FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
MARKUP = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PLAIN_TAGS = {"table", "thead", "tbody", "tr", "th", "td", "h3", "p", "br", "code", "strong"}


def board_of(entries: list[str], datasets: list[str]) -> Board:
    """A board of these names, each of which is also a note and what its runs were trained on."""
    tests = tuple(Column(name, name) for name in datasets)
    rows = tuple(
        Row(
            entry=entry,
            detector=entry,
            section=RANKED,
            cells={name: Cell(0.75, -0.5, 0.9, cross=True, lists=entry) for name in (*datasets, MEAN)},
            coverage=0.5,
            scored=1,
            expected=2,
            trained_on=entry,
            plugins=entry,
            older_hidden=1,
            note=f"constant scores {entry}",
            runs=(entry,),
            rank=place,
        )
        for place, entry in enumerate(entries, start=1)
    )
    return Board(
        protocol=entries[0],
        corpus=entries[-1],
        tests=tests,
        sections=(Section(RANKED, True, rows[:-1]), Section(entries[0], False, rows[-1:])),
        captions=captions_of(rows, tests, over_seeds=True),
        left_out=tuple(entries),
        over_seeds=True,
        min_coverage=0.9,
    )


@pytest.mark.slow
def test_tables_on_a_terminal_hold_nothing_that_it_obeys() -> None:
    board = board_of(STORED, STORED[:2])
    videos = pd.DataFrame(
        {
            "dataset": "own",
            "label": np.arange(2 * len(STORED)) % 2,
            "manipulation": np.repeat(STORED, 2),
            "status": "ok",
            "logit": 0.0,
            "score": 0.5,
            "group": np.repeat(STORED, 2),
        }
    )
    protocol = ProtocolFacts(NAMES[6])
    record = replace(record_of(), entry=NAMES[5], protocol=protocol, corpus=NAMES[7])
    table = result_table(videos, record=record, draws=2)
    for shown in (terminal_table(board), render_table(table, width=80)):
        for console in (plain_console, Console):
            text = io.StringIO()
            console(file=text, width=200).print(shown)
            assert not seen_raw(text.getvalue())
    text = io.StringIO()
    plain_console(file=text, width=80).print(render_table(table, width=80))
    assert max(map(len, text.getvalue().splitlines())) <= 80


def test_csv_computes_nothing_and_keeps_numbers(tmp_path: Path) -> None:
    path, _, _ = write_board(board_of(STORED, STORED[:2]), tmp_path, told=str)
    written = path.read_text(encoding="utf-8")
    assert not seen_raw(written)
    rows = list(csv.reader(io.StringIO(written)))
    assert {len(row) for row in rows} == {len(rows[0])}
    read = pd.read_csv(path, keep_default_na=False)
    assert len(read) == len(STORED)
    assert read["mean_low"].tolist() == [-0.5] * len(STORED)
    cells = [*read.columns, *(cell for name in ("entry", "note", "run", "corpus") for cell in read[name])]
    assert not [cell for cell in cells if cell.startswith(FORMULAS)]
    assert [cell.removeprefix("'") for cell in read["entry"]] == [
        for_terminal(name) if ";" not in name else cell.removeprefix("'")
        for name, cell in zip(STORED, read["entry"], strict=True)
    ]
    assert csv_of(pd.DataFrame({"=a": [-1.3, 2], "b": ["=1", None], "c": pd.Categorical(["@x", "y"])})) == (
        "'=a,b,c\n-1.3,'=1,'@x\n2.0,,y\n"
    )
    assert csv_of_rows([{"=a": -1.5}, {"b": "=x"}]) == "'=a,b\n-1.5,\n,'=x\n"


def test_stored_tables_are_json_and_parquet(tmp_path: Path) -> None:
    board = board_of(STORED, STORED[:2])
    _, parquet, _ = write_board(board, tmp_path, told=str)
    assert pd.read_parquet(parquet)["entry"].tolist() == STORED
    shown = json.dumps(records_of(board))
    assert shown.isascii()
    assert [row["entry"] for row in json.loads(shown)] == STORED


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_markdown_shows_a_name_and_makes_nothing_of_it(name: str) -> None:
    text = "\n".join(
        [
            markdown.heading(name, markdown.Own(": "), name),
            "",
            *markdown.table(["entry", name], [[name, "1"], [name, name]], right=[False, True]),
            "",
            *markdown.lines([name, "last"]),
        ]
    )
    assert not seen_raw(text)
    page = MARKUP.render(text)
    assert set(re.findall(r"<\s*/?\s*([\w!?-]+)", page)) <= PLAIN_TAGS - {"strong"}
    assert (page.count("<td"), page.count("<th"), page.count("<tr")) == (4, 3, 3)  # thead counts as th
    shown = " ".join(for_terminal(name).split())
    if not for_markdown(name).startswith("`"):  # where a code span cannot hold a sign as it is
        assert html.unescape(re.sub("<[^>]*>", "", page)).count(shown) >= 6


def test_a_board_in_markdown_is_one_table() -> None:
    page = MARKUP.render(markdown_of(board_of(STORED, STORED[:2]), told=str))
    assert page.count("<table") == 1
    assert page.count("<tr") == len(STORED) + 1
    assert set(re.findall(r"<\s*/?\s*([\w!?-]+)", page)) <= PLAIN_TAGS


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_board_of_hostile_names_has_its_figure(suffix: str, tmp_path: Path) -> None:
    part = [name for name in STORED if set(name) & set("$\\\x1b\n\u202e")][::4]
    with mpl.rc_context({"text.usetex": True, "svg.fonttype": "none"}):  # as a matplotlibrc may have it
        path = draw_board(board_of(part, part[:2]), tmp_path / f"board.{suffix}")
    if suffix == "svg":
        assert not seen_raw(text := path.read_text(encoding="utf-8"))
        assert " on the " in "".join(ElementTree.fromstring(text).itertext())
    else:
        Image.open(path).verify()


def test_every_text_of_a_figure_is_shown_as_it_is(tmp_path: Path) -> None:
    with mpl.rc_context({"text.parse_math": True, "svg.fonttype": "none"}):
        figure = new_figure(4, 3, layout="constrained")
        panel = figure.subplots()
        panel.set_title("$_{$ \x1b[2J")
        panel.set_xticks([0.0, 1.0], ["$\\frac{$", "$x$"])
        panel.plot([0, 1], [0, 1], label="$_{$")
        panel.legend()
        for name in NAMES:
            figure.text(0, 0, name)
        save_figure(figure, tmp_path / "a.svg", dpi=80)
    for text in (panel.title, *panel.get_xticklabels()):
        assert not text.get_parse_math()
    assert panel.title.get_text() == "$_{$ \\x1b[2J"
    written = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert not seen_raw(written)
    drawn = "".join(ElementTree.fromstring(written).itertext())
    assert all(
        for_terminal(name, lines=True).split("\n")[0].strip() in drawn for name in NAMES if len(name) < 100
    )


def test_pictures_write_each_name_on_a_line_of_its_own() -> None:
    for name in NAMES:
        draw_on(Image.new("RGB", (600, 40))).text((0, 0), name)
        assert not seen_raw("".join(wrapped(name, width=100, size=12)))
    one, other = (Image.new("RGB", (600, 40), "white") for _ in range(2))
    draw_on(one).text((0, 0), "a\nb\u202ec", fill="black")
    ImageDraw.Draw(other).text((0, 0), r"a\nb\u202ec", fill="black")
    assert one.tobytes() == other.tobytes()
    video = [
        Video("own", storable(name), Path(name), Label.FAKE, "test", storable(name), "", (), "g")
        for name in NAMES
    ]
    sheet = contact_sheet(
        [PreparedResult(one, Status.ERROR, one.video_id, one.path) for one in video], columns=8
    )
    assert sheet.size[1] > 100
