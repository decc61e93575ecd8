"""Names that a terminal library would read as markup, codes or formulas, through every command that prints them."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.command import Dfbench, frame, write

from dfbench.progress import RichProgress
from dfbench.results.terminal import DataTable, plain_console

ODD = "[id] a[/x] [bold]b [red :smile: $\\frac$ {task}"  # its slash makes it two folders where it is a path
pytestmark = pytest.mark.usefixtures("probe")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos of such names, with such manipulations, in such a folder; one cannot be read."""
    root = tmp_path / ODD
    rows = [
        f"{ODD}/{name},{label},{ODD}"
        for name, label in (("r", "real"), ("f", "fake"), ("broken.mp4", "fake"))
    ]
    rows[0] = rows[0].replace(f",{ODD}", ",")
    lists = {"videos.csv": "\n".join(["path,label,manipulation", *rows]).encode()}
    write(
        root, lists | {f"{ODD}/r/1.png": frame(9), f"{ODD}/f/1.png": frame(200), f"{ODD}/broken.mp4": b"none"}
    )
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / ODD / "runs"))
    return root


def unfolded(text: str) -> str:
    """`text` without what a table puts between the parts of a long cell."""
    return re.sub(r"[\s│┃╭╰─━┏┓┡┩└┘┴┬┼├┤╇╈]+", "", text)


def test_data_commands_print_names_as_they_are(dfbench: Dfbench, root: Path) -> None:
    listed = dfbench("data", "list")
    assert (listed.code, unfolded(str(root)) in unfolded(listed.out)) == (0, True), listed.err
    checked = dfbench("data", "check", "folder", "--deep")
    assert f"{root}/{ODD}/broken.mp4: not a readable video" in checked.out, checked.err
    prepared = dfbench("data", "prepare", "folder", "-d", "probe_net")
    assert (prepared.code, "undecodable\t1" in prepared.out) == (0, True), prepared.err
    status = dfbench("data", "status", "folder", "-d", "probe_net")
    assert f"{ODD}/broken.mp4\tundecodable\t{root}/{ODD}/broken.mp4: not a readable video" in status.out
    assert f"data folder: {root}" in dfbench("doctor").out
    missing = dfbench("data", "check", "folder", "--root", str(root / "absent"))
    assert (missing.code, f"{root}/absent" in missing.err) == (1, True)


@pytest.mark.slow
def test_a_run_and_its_board_print_names_as_they_are(dfbench: Dfbench, root: Path, tmp_path: Path) -> None:
    weights = tmp_path / f"{ODD}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"w")
    ended = dfbench("run", "-d", "probe_trained", "-p", "own", "--weights", weights, "--min-coverage", "0.5")
    assert ended.code == 0, ended.err
    assert unfolded(ODD) in unfolded(ended.out)  # a manipulation
    assert unfolded("[/x] [bold]recipe") in unfolded(ended.out)  # what the plugin calls the entry
    assert f"stored in {tmp_path / ODD / 'runs'}" in ended.out
    board = dfbench("leaderboard", "-p", "own")
    assert (board.code, unfolded("([/x] [bold]recipe") in unfolded(board.out)) == (0, True), board.err
    (markdown,) = (tmp_path / ODD / "runs").glob("leaderboards/*/leaderboard.md")
    assert r"(\[/x\] \[bold\]recipe" in markdown.read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_explanation_prints_names_as_they_are(
    dfbench: Dfbench, face_video: Path, root: Path, tmp_path: Path
) -> None:
    video = tmp_path / ODD / f"{ODD.replace('/', '')}.mp4"
    shutil.copyfile(face_video, video)
    ended = dfbench("explain", video, "-d", "probe_net", "--seconds", "0.2", "--map", "light [red")
    assert ended.code == 0, ended.err
    assert f"{video.name}\tP(fake)" in ended.out
    assert f"faces in {video.name}, frames: " in ended.err
    again = dfbench("explain", video, "-d", "probe_net", "--seconds", "0.2", "--map", "light [red")
    assert f"{video.name}: explained before, nothing to compute ({tmp_path / ODD}" in again.err
    broken = dfbench("explain", root / ODD / "broken.mp4", "-d", "probe_net")
    assert (broken.code, f"{root}/{ODD}/broken.mp4: not a readable video" in broken.err) == (3, True)
    unknown = dfbench("explain", video, "-d", "probe_net", "--map", ODD)
    assert (unknown.code, f"no map {ODD!r}" in unknown.err) == (2, True)


Installer = Callable[..., None]


def test_what_a_plugin_says_is_printed_as_it_is(dfbench: Dfbench, install: Installer) -> None:
    install("odd", f"raise ValueError({ODD!r})")
    install(
        "told",
        "from dfbench import DetectorSpec, hookimpl\n@hookimpl\ndef dfbench_detectors():\n"
        f"    raise KeyError({ODD!r})\n@hookimpl\ndef dfbench_commands(cli):\n    raise ValueError({ODD!r})\n",
    )
    listed = dfbench("plugins", "list")
    assert f"ValueError: {ODD}" in listed.out
    assert f"ValueError: {ODD}" in dfbench("doctor").out
    unknown = dfbench("run", "-d", ODD)
    assert (unknown.code, f"no detector is called {ODD!r}" in unknown.err) == (2, True)
    assert f"ValueError: {ODD}" in unknown.err
    checked = dfbench("plugins", "check", "probe_net")
    assert "passed all" in checked.out, checked.out


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_prints_names_as_they_are(terminal: bool) -> None:
    text = io.StringIO()
    bars = RichProgress(Console(file=text, width=200, force_terminal=terminal, color_system=None))
    with bars.task(f"score {ODD}", 2) as task:
        task.advance(2, note=f"note {ODD}")
    bars.note(f"said {ODD}")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())
    assert f"score {ODD}" in shown
    assert f"said {ODD}" in shown
    assert (f"note {ODD}" in shown) is terminal


@pytest.mark.parametrize("made", [plain_console, Console])
def test_a_table_prints_its_cells_as_they_are(made: Callable[..., Console]) -> None:
    text = io.StringIO()
    table = DataTable(f"head {ODD}", heading=f"title {ODD}", legend=f"legend {ODD}")
    table.add_row(f"cell {ODD}")
    made(file=text, width=200).print(table)
    for word in ("head", "title", "legend", "cell"):
        assert f"{word} {ODD}" in text.getvalue()


def test_json_holds_names_as_they_are(dfbench: Dfbench, root: Path) -> None:
    rows = json.loads(dfbench("data", "list", "--json").out)
    assert str(root) in {row["root"] for row in rows}
