"""Two hundred hostile names through every command: as files, folders, manipulations, arguments and words of plugins.

What is printed, and every file that is written for people, holds nothing that a terminal obeys; JSON is JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tests.cli.command import Dfbench, Ended, frame
from tests.hostile import NAMES, file_names, seen_raw

from dfbench.escaping import for_terminal

pytestmark = pytest.mark.usefixtures("probe")
FILES = file_names()
METHODS = [name for name in FILES if name.strip()]
ROOT = "r\x1b]0;x\x07\n\u202e$_{$ =1;$(touch pwned)"  # also of the folder of runs, and of an explained video
FORMULAS = tuple("=+-@\t\r")


def inert(ended: Ended) -> Ended:
    """The end of a command, which printed nothing that a terminal obeys, and no line of a stranger's making."""
    for text in (ended.out, ended.err):
        assert not seen_raw(text), ascii(text)
        assert "Traceback" not in text, text
    return ended


def inert_files(folder: Path) -> list[Path]:
    """The texts below `folder`, none of which holds what a terminal obeys or a spreadsheet computes."""
    texts = [
        path for path in folder.rglob("*") if path.suffix in {".csv", ".md", ".json", ".txt", ".svg", ".toml"}
    ]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not seen_raw(text), path
        if path.suffix == ".json":
            json.loads(text)
        if path.suffix == ".csv":
            rows = list(csv.reader(io.StringIO(text)))
            assert len({len(row) for row in rows}) == 1, path
            words = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell)]
            assert not [cell for cell in words if cell.startswith(FORMULAS)], path
    return texts


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of such a name, of files of such names, of which a few can be read, in folders of such manipulations."""
    root = tmp_path / ROOT / "data"
    for number, name in enumerate(FILES):
        half = root / "real" if number % 2 else root / "fake" / METHODS[number % 40]
        half.mkdir(parents=True, exist_ok=True)
        (half / f"{name}.mp4").write_bytes(b"no video")
    for number in range(0, 24):
        video = (
            root / "real" if number % 2 else root / "fake" / METHODS[number % 8]
        ) / f"seen {FILES[number]}"
        video.mkdir(parents=True)
        (video / "1.png").write_bytes(frame(40 + 8 * number))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / ROOT / "runs"))
    monkeypatch.setenv("DFBENCH_CACHE", str(tmp_path / ROOT / "cache"))
    return root


@pytest.mark.slow
def test_names_of_files_through_the_commands_of_data(dfbench: Dfbench, root: Path, tmp_path: Path) -> None:
    listed = inert(dfbench("data", "list"))
    assert "folder" in listed.out
    assert str(root) in {row["root"] for row in json.loads(inert(dfbench("data", "list", "--json")).out)}
    assert r"\x1b" in inert(dfbench("data", "check", "folder")).out
    json.loads(inert(dfbench("data", "check", "folder", "--json")).out)
    assert inert(dfbench("data", "prepare", "folder", "-d", "probe_net")).code == 0
    status = inert(dfbench("data", "status", "folder", "-d", "probe_net"))
    lines = [line.split("\t") for line in status.out.splitlines()]
    assert len([line for line in lines if line[1:2] == ["undecodable"]]) > 80  # others are problems
    assert {len(line) for line in lines} == {2, 3}
    rows = json.loads(inert(dfbench("data", "status", "folder", "-d", "probe_net", "--json")).out)
    assert {row["video"].rpartition("/")[2] for row in rows} >= {"$x$.mp4", "=1+1.mp4", "`code` ``two``.mp4"}
    sheet = inert(dfbench("data", "show", "folder", "--out", tmp_path / ROOT / "sheet.png"))
    assert sheet.code == 0, sheet.err
    Image.open(tmp_path / ROOT / "sheet.png").verify()
    assert inert(dfbench("data", "add", "folder", root)).code in {0, 1, 2}
    assert inert(dfbench("doctor")).out
    json.loads(inert(dfbench("doctor", "--json")).out)
    inert_files(tmp_path)


@pytest.mark.slow
def test_a_run_its_board_and_its_explanation(
    dfbench: Dfbench, root: Path, face_video: Path, tmp_path: Path
) -> None:
    weights = root.parent / "$_{$\x1b[2J=w.safetensors"
    weights.write_bytes(b"w")
    for command in (
        ["-d", "probe_trained", "-p", "own", "--weights", weights],
        ["-d", "probe_net", "-p", "own"],
    ):
        ran = inert(dfbench("run", *command, "--min-coverage", "0"))
        assert (ran.code, "stored in" in ran.out) == (0, True), ran.err
        json.loads(inert(dfbench("run", *command, "--min-coverage", "0", "--json")).out)
    board = inert(dfbench("leaderboard", "-p", "own", "--min-coverage", "0"))
    assert (board.code, "written to" in board.out) == (0, True), board.err
    json.loads(inert(dfbench("leaderboard", "-p", "own", "--min-coverage", "0", "--json")).out)
    (scores,) = (tmp_path / ROOT / "runs").glob("probe_net-*/scores.parquet")
    assert set(pd.read_parquet(scores)["manipulation"]) > {"%s %d", "=1+1"}
    runs = inert(dfbench("runs", "list"))
    assert (runs.code, "probe" in runs.out) == (0, True), runs.err
    json.loads(inert(dfbench("runs", "list", "--json")).out)
    verified = inert(dfbench("runs", "verify"))
    assert (verified.code, verified.out.count("probe") > 1) == (0, True), verified.err
    json.loads(inert(dfbench("runs", "verify", "--json")).out)
    exported = inert(dfbench("runs", "export", tmp_path / ROOT / "away"))
    assert (exported.code, "left out" in exported.out) == (0, True), exported.err
    assert len(list((tmp_path / ROOT / "away").glob("probe*/run.json"))) == 2
    located = inert(
        dfbench("localisation", "-d", "probe_net", "--dataset", "folder", "--out", tmp_path / ROOT / "maps")
    )
    assert (located.code, "has a mask video" in located.err) == (2, True), located.err
    video = root.parent / f"{FILES[9]}\n\x1b[1Aerror: none $_{{$.mp4"
    shutil.copyfile(face_video, video)
    files = sorted((root / "real").iterdir())
    predicted = inert(dfbench("predict", video, *files, "-d", "probe_net"))
    assert (predicted.code, for_terminal(video.name) in predicted.out) == (3, True), predicted.err
    rows = json.loads(inert(dfbench("predict", video, *files, "-d", "probe_net", "--json")).out)
    assert len(rows) == len(files) + 1
    for _ in range(2):
        told = inert(dfbench("explain", video, "-d", "probe_net", "--seconds", "0.2"))
        assert (told.code, for_terminal(video.name) in told.out + told.err) == (0, True), told.err
    texts = inert_files(tmp_path)
    assert {path.name for path in texts} >= {"run.json", "table.csv", "leaderboard.csv", "leaderboard.md"}


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "an unknown detector": lambda name: ["run", "--detector", name],
    "an unknown dataset": lambda name: ["data", "check", "--", name],
    "an absent folder": lambda name: ["data", "check", "folder", "--root", f"/absent/{name}"],
    "an absent video": lambda name: ["explain", "-d", "probe_net", "--", f"{name}.mp4"],
    "a wrong number": lambda name: ["run", "-d", "probe_net", "--seed", name],
    "an unknown option": lambda name: ["leaderboard", f"--{name}", name],
    "an unknown command": lambda name: [f"x{name}"],
    "a board of no runs": lambda name: ["leaderboard", "--protocol", name, "--corpus", name],
    "an unknown recipe": lambda name: ["train", "-d", "probe_trained", "--recipe", name],
    "a plugin to begin": lambda name: ["plugins", "new", "detector", "--", name],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_arguments_are_told_and_not_obeyed(command: str, dfbench: Dfbench, tmp_path: Path) -> None:
    names = [name for name in NAMES if "\0" not in name and len(name) < 100]
    for words in (names, names[3:12], names[-8:]):  # together, as each start of a command takes a while
        ended = inert(dfbench(*COMMANDS[command]("".join(words))))
        assert ended.code in {1, 2, 3}, ended
        starts = {line[:4] for line in ended.err.splitlines() if line[:1].strip()}
        assert starts
        assert starts <= {"erro", "Usag", "Try ", "Erro"}, ended.err
    assert not (tmp_path / "pwned").exists()


Installer = Callable[..., None]


def test_words_of_plugins(dfbench: Dfbench, install: Installer, tmp_path: Path) -> None:
    words = "\x1b[2J\nerror: forged\n  mend it: curl x | sh\u202e"
    install("raises", f"raise ValueError({words!r})")
    install(
        "speaks",
        "import sys, warnings\nfrom dfbench import DetectorSpec, hookimpl\n"
        f"WORDS = {words!r}\nprint(WORDS)\nprint(WORDS, file=sys.stderr)\n"
        "class Detector:\n    def __init__(self, **_): pass\n"
        "    def score(self, clips):\n        raise KeyError(WORDS)\n"
        "@hookimpl\ndef dfbench_detectors():\n"
        "    from dfbench import ClipSpec\n"
        "    return [DetectorSpec(name='speaks', summary=WORDS, build='speaks:Detector', clips=ClipSpec(1, 16, 1))]\n"
        "@hookimpl\ndef dfbench_commands(cli):\n"
        "    @cli.command('talk', help=WORDS)\n"
        "    def talk():\n        print(WORDS)\n        raise RuntimeError(WORDS)\n",
    )
    for command in (
        ("plugins", "list"),
        ("plugins", "list", "--json"),
        ("plugins", "check", "speaks"),
        ("doctor",),
        ("--help",),
        ("talk", "--help"),
        ("run", "-d", "unknown"),
    ):
        ended = dfbench(*command)
        for text in (ended.out, ended.err):
            assert not seen_raw(text), ascii(text)
    talked = dfbench("talk")
    assert talked.code == 1
    assert not seen_raw(talked.out + talked.err)
    assert talked.err.splitlines()[-4].startswith("error: plugin 'speaks'"), talked.err
    with pytest.raises(RuntimeError):
        dfbench("talk", "--debug")
