"""What fits into a terminal, help, completion, and runs that are computed again."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.cli.command import Dfbench, as_program, frame, write
from tests.stored_records import record_of

import dfbench as api
from dfbench import UsageError
from dfbench.cli import output
from dfbench.results.renderings.run_table import render_table
from dfbench.results.tables import result_table
from dfbench.results.terminal import plain_console
from dfbench.runs.records.score_table import sigmoid

NUMBER = re.compile(r"\d\.\d{3} \[\d\.\d\d, \d\.\d\d\]")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 30)
    parts = []
    for dataset in ("celeb_df_v2", "deeperforensics"):
        logit = rng.normal(size=60) + label
        swap = np.where(np.arange(60) % 4 == 1, "NeuralTextures", "FaceShifter")
        kinds = np.where(label, swap, "real")
        ids = [str(n) for n in range(60)]
        facts = {"dataset": dataset, "manipulation": kinds, "label": label, "video_id": ids, "group": ids}
        parts.append(pd.DataFrame({**facts, "logit": logit, "score": sigmoid(logit)}))
    videos = pd.concat(parts, ignore_index=True).assign(status="ok", reason="")
    meta = {
        "detector": {"name": "d"},
        "entry": "fakestormer (demo, seed 0)",
        "protocol": "p",
        "corpus": "c",
        "trained_on": [],
    }
    return result_table(videos, record=record_of(meta), draws=50)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_run_table_leaves_out_columns_and_cuts_no_number(
    table: pd.DataFrame, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: plain_console(width=width, file=text))
    monkeypatch.setattr("sys.stdout", text)
    output.print_table(render_table(table, width=width))
    shown = text.getvalue()
    assert "…" not in shown
    assert len(NUMBER.findall(shown)) == 7  # of two datasets, two manipulations in each, and the mean
    assert max(map(len, shown.splitlines())) <= width
    assert ("left out for want of room" in " ".join(shown.split())) is (width < 120)
    assert ("AP (chance)" in shown.partition("left out")[0]) is (width >= 80)


def test_a_table_that_cannot_fit_is_wider_than_the_terminal(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: plain_console(width=24, file=text))
    monkeypatch.setattr("sys.stdout", text)
    output.print_table(render_table(table, width=24))
    assert len(NUMBER.findall(text.getvalue())) == 7


def test_a_pipe_gets_every_column(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = io.StringIO()
    monkeypatch.setattr("sys.stdout", text)
    output.print_table(render_table(table, width=output.console().width))
    assert all(
        name in text.getvalue() for name in ("AUC [95 %]", "AP (chance)", "EER", "bal.acc", "real+fake")
    )


@pytest.mark.parametrize("command", [(), ("data",), ("plugins",), ("run",), ("data", "check")])
def test_h_is_help_and_summaries_are_whole(dfbench: Dfbench, command: tuple[str, ...]) -> None:
    short, long = dfbench(*command, "-h"), dfbench(*command, "--help")
    assert (short.code, short.out) == (0, long.out)
    assert "..." not in short.out.replace("[ARGS]...", "")


def test_a_shell_completes_commands() -> None:
    asked = {"_DFBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "dfbench lead", "COMP_CWORD": "1"}
    assert as_program(**asked).out.split() == ["leaderboard"]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = write(tmp_path / "own", {"real/a/1.png": frame(10), "fake/b/1.png": frame(90)})
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    return root


@pytest.mark.slow
@pytest.mark.usefixtures("probe", "own")
def test_force_scores_again_and_keeps_what_was_there(dfbench: Dfbench) -> None:
    run = ("run", "-d", "probe_net", "--dataset", "folder", "--min-coverage", "0")
    assert dfbench(*run).code == 0
    (folder,) = (path.parent for path in Path("runs").glob("*/run.json"))
    before = (folder / "scores.parquet").read_bytes()
    assert "nothing to compute" in dfbench(*run).err
    again = dfbench(*run, "--force")
    assert again.code == 0, again.err
    assert f"/runs/replaced/{folder.name}-" in again.err
    (kept,) = Path("runs/replaced").iterdir()
    assert (kept / "scores.parquet").read_bytes() == before
    assert (kept / "run.json").is_file()
    assert [path.parent for path in Path("runs").glob("*/run.json")] == [folder]
    assert "nothing to compute" in dfbench(*run).err


@pytest.mark.slow
@pytest.mark.usefixtures("probe", "own")
@pytest.mark.filterwarnings("ignore::dfbench.CoverageWarning")
def test_python_takes_words_and_says_what_was_meant(tmp_path: Path) -> None:
    Path("w").write_bytes(b"weights")
    table = api.run("probe_trained", dataset="folder", splits="test", weights="w")
    raw = api.scores(table)
    assert set(raw["video_id"]) == {"real/a", "fake/b"}
    assert raw["logit"].notna().all()
    stored = api.open_run(table)
    folder = stored.folder
    assert (stored.record.detector.name, folder.name) == ("probe_trained", table["run"].iloc[0])
    assert (folder / "run.json").is_file()
    for named in (folder, str(folder), folder.name):
        pd.testing.assert_frame_equal(api.scores(named), raw)
    copied = table.assign(note="").pipe(lambda frame: pd.DataFrame(frame.to_dict("records")))
    pd.testing.assert_frame_equal(api.scores(copied), raw)
    assert api.open_run(stored) is stored
    with pytest.raises(UsageError, match="does not say of which run it is"):
        api.scores(table.drop(columns="run"))
    with pytest.raises(UsageError, match="is of several runs"):
        api.scores(pd.concat([table, table.assign(run="another")]))
    board = api.leaderboard(dataset="folder", runs="runs")
    assert len(board) == 1
    assert len(api.boards(dataset="folder", splits="test", runs="runs")) == 1  # a text is one name
    forms: tuple[pd.DataFrame | Path | str, ...] = (table, folder, str(folder), folder.name)
    for form in forms:
        (alone,), (listed,) = api.compare(form, form), api.compare([form], (form,))
        assert (math.isnan(alone.difference.point), alone.test, alone.videos) == (True, "folder", 2)
        assert alone == listed
    with pytest.raises(UsageError, match="2 and 1 runs cannot be compared in pairs"):
        api.compare([folder, folder], folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"devcie": "cpu"}, "run() has no argument 'devcie'"),
        ({"seed": "3"}, "seed='3' is of the type str, where int is meant"),
        ({"device": 0}, "device=0 is of the type int, where str is meant"),
        ({"only": "celebdf"}, "no test dataset 'celebdf'"),
    ],
)
def test_python_options_that_are_wrong_are_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        api.run("chance", data="demo", **options)
    assert said in caught.value.message
    if "devcie" in options:
        assert "did you mean 'device'?" in caught.value.hints


@pytest.mark.parametrize(
    ("call", "wrong", "meant"),
    [
        (api.train, "device_", "device"),
        (api.leaderboard, "over_seed", "over_seeds"),
        (api.boards, "datset", "dataset"),
        (api.predict, "detectors", "detector"),
        (api.list_runs, "run", "runs"),
        (api.verify_runs, "progres", "progress"),
    ],
)
def test_a_misspelt_argument_is_told_which_was_meant(
    call: Callable[..., Any], wrong: str, meant: str
) -> None:
    with pytest.raises(UsageError, match=rf"^{call.__name__}\(\) has no argument '{wrong}'$") as caught:
        call(**{wrong: ""})
    assert caught.value.hints[0] == f"did you mean {meant!r}?"
    assert meant in caught.value.hints[1]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("plugins", "list", "--json"), ("data", "list", "--no-check")])
def test_a_reader_that_is_gone_ends_a_command_quietly(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-c", "from dfbench.cli import main; main()", *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, b"")
