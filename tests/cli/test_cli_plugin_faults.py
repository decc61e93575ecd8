"""What a plugin raises: told by its name, its place and how to go on, through the commands that call it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.command import Dfbench, frame, write

pytestmark = pytest.mark.usefixtures("probe")
COUNT = 7


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Videos of one frame, each as bright as its number; the first is real, and two are to train and to validate on."""
    rows = [f"v{n},{'fake' if n > 1 else 'real'},test" for n in range(1, COUNT + 1)]
    lists = "\n".join(["path,label,split", *rows, "t,real,train", "u,real,val"])
    files = {f"v{n}/1.png": frame(10 * n) for n in range(1, COUNT + 1)}
    root = write(
        tmp_path / "own", files | {"t/1.png": frame(1), "u/1.png": frame(2), "videos.csv": lists.encode()}
    )
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    return root


RUN = ("run", "-p", "own", "--min-coverage", "0", "-d")
NAMED = "of plugin 'probe' (probe-plugin 0.1), failed"


@pytest.mark.parametrize(
    ("fault", "arguments", "said"),
    [
        ("build", (*RUN, "probe_net"), f"detector 'probe_net', {NAMED} when it was built"),
        ("needs", ("train", "-p", "own", "-d", "probe_trained"), "failed to say what its training needs"),
        (
            "trainer",
            ("train", "-p", "own", "-d", "probe_trained"),
            "failed to make a trainer of recipe 'plain'",
        ),
        ("recipe", ("train", "-p", "own", "-d", "probe_trained"), "failed to say its recipe"),
        (
            "synthesizer",
            ("train", "-p", "own", "-d", "probe_trained"),
            f"synthesizer 'probe_synthesizer', {NAMED}",
        ),
        ("fit", ("train", "-p", "own", "-d", "probe_trained"), f"detector 'probe_trained', {NAMED} to train"),
        ("describe", (*RUN, "probe_trained", "--weights", "w"), "failed to describe w"),
        (
            "index",
            ("run", "-d", "probe_net", "--dataset", "probe_data"),
            f"dataset 'probe_data', {NAMED} to read",
        ),
        ("dataset", ("data", "check", "probe_data", "--root", "."), f"dataset 'probe_data', {NAMED} to read"),
        (
            "finder",
            ("explain", "a.mp4", "-d", "probe_net", "--seconds", "1"),
            f"face finder 'probe_finder', {NAMED} when it was built",
        ),
        ("maps", ("explain", "a.mp4", "-d", "probe_net"), "failed to say which maps it makes"),
    ],
)
def test_an_exception_is_told_as_an_error_of_its_plugin(
    dfbench: Dfbench,
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    Path("w").write_bytes(b"weights")
    Path("a.mp4").write_bytes(b"video")
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__PROBE_DATA", str(own))
    monkeypatch.setenv("PROBE_FAULT", fault)
    ended = dfbench(*arguments)
    assert ended.code == 1, ended.err
    assert said in ended.err
    assert f"ZeroDivisionError: the fault in {fault} [/x]" in ended.err
    assert "probe.py, line " in ended.err
    assert "the same command with --debug" in ended.err
    assert "Traceback" not in ended.err
    with pytest.raises(BaseException, match=r".") as caught:
        dfbench(*arguments, "--debug")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def reasons(runs: Path) -> pd.DataFrame:
    (folder,) = [path.parent for path in runs.glob("*/run.json")]
    return pd.read_parquet(folder / "scores.parquet").set_index("video_id")


def test_one_video_that_makes_a_detector_raise_ends_as_an_error(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_FAULT", "score:30")
    ended = dfbench(*RUN, "probe_net")
    assert ended.code == 0, ended.err
    reason = "the detector failed: ZeroDivisionError: the fault in score:30 [/x]"
    assert f"error: folder/v3: {reason}" in ended.err
    scores = reasons(Path("runs"))
    assert (scores["status"]["v3"], scores["reason"]["v3"]) == ("error", reason)
    assert scores["status"].value_counts().to_dict() == {"ok": COUNT - 1, "error": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raised", "told"), [("exit", "SystemExit: 0"), ("mute", "MuteError: (its message cannot be read)")]
)
def test_a_plugin_that_exits_or_raises_what_has_no_message_ends_no_command_in_silence(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch, raised: str, told: str
) -> None:
    monkeypatch.setenv("PROBE_RAISES", raised)
    for fault, arguments in (
        ("build", (*RUN, "probe_net")),
        ("fit", ("train", "-p", "own", "-d", "probe_trained")),
    ):
        monkeypatch.setenv("PROBE_FAULT", fault)
        ended = dfbench(*arguments)
        assert (ended.code, f"{NAMED} " in ended.err, f": {told}\n" in ended.err) == (1, True, True), (
            ended.err
        )
    monkeypatch.setenv("PROBE_FAULT", "score:30")
    ended = dfbench(*RUN, "probe_net")
    assert ended.code == 0, ended.err
    assert reasons(Path("runs"))["reason"]["v3"] == f"the detector failed: {told}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "returned", "reason"),
    [
        ("score", "", "the detector failed: ZeroDivisionError: the fault in score [/x]"),
        ("", "nan", "the detector returned NaN or infinity"),
        ("", "inf", "the detector returned NaN or infinity"),
        ("", "shape", "the detector returned shape (1, 1) for 1 clips"),
        ("", "numpy", "the detector returned ndarray, not a tensor"),
        ("", "text", "the detector returned str, not a tensor"),
        ("", "complex", "the detector returned complex numbers"),
    ],
)
def test_five_alike_in_a_row_end_the_run_which_goes_on_when_the_plugin_is_mended(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch, fault: str, returned: str, reason: str
) -> None:
    monkeypatch.setenv("PROBE_FAULT", fault)
    monkeypatch.setenv("PROBE_RETURNS", returned)
    ended = dfbench(*RUN, "probe_net")
    assert ended.code == 1, ended.err
    assert f"error: {reason}: 5 videos in a row, the last folder/v5" in ended.err
    assert "dfbench plugins check" in ended.err
    assert "the same command goes on" in ended.err
    monkeypatch.setenv("PROBE_FAULT", "")
    monkeypatch.setenv("PROBE_RETURNS", "")
    ended = dfbench(*RUN, "probe_net")
    assert ended.code == 0, ended.err
    assert reasons(Path("runs"))["status"].tolist() == ["ok"] * COUNT


@pytest.mark.slow
def test_a_video_that_cannot_be_explained_leaves_the_others(
    dfbench: Dfbench, face_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault, said in (
        ("explain", "detector 'probe_net', of plugin 'probe' (probe-plugin 0.1), failed to explain clips"),
        ("find", "face finder 'probe_finder', of plugin 'probe' (probe-plugin 0.1), failed to find faces"),
    ):
        monkeypatch.setenv("PROBE_FAULT", fault)
        ended = dfbench("explain", face_video, face_video, "-d", "probe_net", "--seconds", "0.1")
        assert ended.code == 3, ended.err
        assert "2 of 2 videos could not be explained" in ended.err
        assert f"error: {face_video}: {said}: ZeroDivisionError: the fault in {fault} [/x]" in ended.err


def test_what_nobody_foresaw_is_told_without_a_traceback(
    dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "dumps", int)
    ended = dfbench("data", "list", "--json")
    assert ended.code == 1
    assert "error: dfbench failed unexpectedly: TypeError: " in ended.err
    assert "Traceback" not in ended.err
