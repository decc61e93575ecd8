"""Wrong words are refused before a corpus is rendered, a video is looked at, or a first detector has run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.cli.command import Dfbench, frame, write

import dfbench as api
from dfbench import UsageError
from dfbench_plugins.demo import corpora

pytestmark = pytest.mark.usefixtures("probe")
DEMO = ("--data", "demo")
TRAIN = ("train", "-d", "fakestormer")


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No corpus may be made; there is no CUDA."""

    def touched(*_: object, **__: object) -> None:
        pytest.fail("a corpus was about to be made")

    monkeypatch.setattr(corpora, "write", touched)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


# Of commands on the demo corpora: the arguments, and what is said.
REFUSED: dict[tuple[str, ...], str] = {
    ("run", "-d", "chance", "--device", "gpu", *DEMO): "unknown device 'gpu'",
    ("run", "-d", "chance", "--device", "cuda", *DEMO): "no CUDA device is available",
    ("run", "-d", "chance", "--device", "meta", *DEMO): "device 'meta' computes nothing",
    ("run", "-d", "chance", "--device", "gpu"): "unknown device 'gpu'",  # no root: the demo corpora
    ("run", "-d", "chance", "--only", "celebdf", *DEMO): "in protocol 'cross-dataset' did you mean 'Celeb-DF",
    ("run", "-d", "chance", "--only", "kodf", *DEMO): "no test dataset 'kodf' in protocol 'cross-dataset'",
    ("run", "-d", "chance", "--precision", "fp16", *DEMO): "cannot score with --precision fp16",
    ("run", "-d", "chance", "--min-coverage", "2", *DEMO): "Invalid value for '--min-coverage'",
    (
        "run",
        "-d",
        "chance",
        "--recipe",
        "demo",
        *DEMO,
    ): "detector 'chance' is not trained, so that --recipe demo",
    ("run", "-d", "chance", "--set", "lr=1", *DEMO): "is not trained, so that --set lr=1 changes nothing",
    ("run", "-d", "chance", "--train-compression", "c40", *DEMO): "--train-compression c40 changes nothing",
    ("run", "-d", "chance", "--seed", "-1", *DEMO): "--seed -1 is no seed",
    ("run", "-d", "chance", "--seed", "4294967296", *DEMO): "take a whole number from 0 to 4294967295",
    ("run", "-d", "chance", "--size", "smal", *DEMO): "did you mean 'small'?",
    ("run", "-d", "chance", "--data", "dmo"): "did you mean 'demo'?",
    ("run", "-d", "chance", "-p", "cross-datset", *DEMO): "did you mean 'cross-dataset'",
    (
        "run",
        "-d",
        "chance",
        "-p",
        "cross-dataset-full",
        *DEMO,
    ): "which is made here, has no dataset 'dfdcp', only ffpp",
    ("run", "-d", "chance", "-d", "chanse", *DEMO): "did you mean 'chance'?",  # the first one does not run
    ("run", "-d", "chance", "-d", "fakestormer", "--set", "foo=1", *DEMO): "foo",
    ("run", "-d", "chance", "--weights", ".", *DEMO): "--weights . is a folder, not a file of weights",
    ("run", "-d", "chance", "--weights", "absent.pth", *DEMO): "no such weights file: absent.pth",
    (*TRAIN, "--set", "foo=1", *DEMO): "foo",
    (*TRAIN, "--set", "precision=fp17", *DEMO): "precision",
    (*TRAIN, "--set", "synthesizer=self_blended_vido", *DEMO): "did you mean 'self_blended_video'",
    (*TRAIN, "--recipe", "dmo", *DEMO): "did you mean 'demo'?",
    (*TRAIN, "--compression", "c32", *DEMO): "did you mean 'c23'",
    (*TRAIN, "--start", "absent.pth", *DEMO): "there is no weights file absent.pth",
    (*TRAIN, "--start", ".", *DEMO): "there is no weights file",
    (*TRAIN, "--devices", "0", *DEMO): "Invalid value for '--devices'",
    (*TRAIN, "--device", "gpu", *DEMO): "unknown device 'gpu'",
    ("train", "-d", "chance", *DEMO): "detector 'chance' cannot be trained",
    ("data", "prepare", "fpp", "-d", "chance", *DEMO): "did you mean 'ffpp'",
    ("data", "prepare", "ffpp", "-d", "chanse", *DEMO): "did you mean 'chance'?",
    ("data", "prepare", "ffpp", "-d", "chance", "--split", "tst", *DEMO): "did you mean 'test'?",
    ("data", "prepare", "ffpp", "-d", "chance", "--compression", "c32", *DEMO): "did you mean 'c23'",
    ("data", "prepare", "ffpp", "-d", "chance", "--for", "trainig", *DEMO): "--for trainig: no such purpose",
    ("data", "prepare", "ffpp", "-d", "fakestormer", "--for", "training", "--set", "foo=1", *DEMO): "foo",
    (
        "data",
        "prepare",
        "kodf",
        "-d",
        "chance",
        *DEMO,
    ): "which is made here, has no dataset 'kodf', only ffpp",
    ("data", "prepare", "ffpp", "-d", "chance", "--scheduler", "absent.json", *DEMO): "no scheduler file",
    ("data", "status", "ffpp", "-d", "chance", "--split", "tst", *DEMO): "did you mean 'test'?",
    ("data", "show", "ffpp", "--split", "tst", *DEMO): "did you mean 'test'?",
    ("data", "check", "ffpp", "--split", "tst", *DEMO): "did you mean 'test'?",
    ("data", "demo", "--seed", "-1"): "Invalid value for '--seed'",
    ("data", "demo", "--size", "ful"): "did you mean 'full'?",
    ("explain", "a.mp4", "-d", "chance", *DEMO): "detector 'chance' cannot explain itself",
    ("explain", "a.mp4", "-d", "fakestormer", "--device", "gpu", *DEMO): "unknown device 'gpu'",
    ("explain", "a.mp4", "-d", "fakestormer", *DEMO): "there is no file a.mp4",
    ("explain", "a.mp4", "-d", "fakestormer", "--map", "heatmpa", *DEMO): "did you mean 'heatmap'?",
    ("localisation", "-d", "fakestormer", "--map", "heatmpa", *DEMO): "did you mean 'heatmap'?",
    ("explain", "a.mp4", "-d", "probe_net", "--data", "dmo"): "did you mean 'demo'?",
    ("predict", "a.mp4", "-d", "fakestormer", "--data", "dmo"): "did you mean 'demo'?",
    ("predict", "a.mp4", "-d", "fakestormer", "--device", "gpu", *DEMO): "unknown device 'gpu'",
    ("predict", "a.mp4", "-d", "fakestormer", "--set", "foo=1", *DEMO): "foo",
    ("localisation", "-d", "chance", *DEMO): "detector 'chance' cannot explain itself",
    ("localisation", "-d", "fakestormer", "--dataset", "fpp", *DEMO): "did you mean 'ffpp'",
    (
        "localisation",
        "-d",
        "fakestormer",
        "--dataset",
        "ffpp",
        "--split",
        "tst",
        *DEMO,
    ): "did you mean 'test'?",
    ("localisation", "-d", "fakestormer", "--device", "gpu", *DEMO): "unknown device 'gpu'",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_a_wrong_word_is_refused_before_data_are_touched(
    dfbench: Dfbench, arguments: tuple[str, ...]
) -> None:
    ended = dfbench(*arguments)
    assert ended.code in (1, 2), ended.err
    assert REFUSED[arguments] in " ".join(ended.err.split())
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("DFBENCH_FACE_FINDER=mtcn", "no face finder is called 'mtcn'"),
        ("DFBENCH_WORKERS=0", "workers: Input should be greater than or equal to 1"),
        ("DFBENCH_SCHEDULER=absent.json", "no scheduler file at absent.json"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_as_early(
    dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    monkeypatch.setenv(*variable.split("="))
    ended = dfbench("run", "-d", "chance", *DEMO)
    assert ended.code in (1, 2)
    assert said in ended.err


def test_configured_roots_are_looked_for_before_any_is_read(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(write(tmp_path / "celeb", {"x": b""})))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__DFDC", "/nowhere")
    ended = dfbench("run", "-d", "chance")
    assert (ended.code, "the root of dataset 'dfdc', /nowhere, cannot be used" in ended.err) == (2, True)
    ended = dfbench("run", "-d", "chance", "--only", "CDF2", "--size", "small")
    assert (ended.code, "--size small is of a corpus that is made here" in ended.err) == (2, True)
    ended = dfbench(*TRAIN)
    assert (ended.code, "no root is configured for dataset 'ffpp'" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: api.run("chance", data="demo", device="gpu"), "unknown device 'gpu'"),
        (lambda: api.run("chance", data="demo", only=("celebdf",)), "celebdf"),
        (lambda: api.run("chance", data="demo", precision="fp16"), "fp16"),
        (lambda: api.run("chance", data="demo", seed=-1), "--seed -1"),
        (lambda: api.run("chance", data="demo", recipe="demo"), "--recipe demo changes nothing"),
        (lambda: api.train("fakestormer", data="demo", overrides={"foo": "1"}), "foo"),
        (lambda: api.train("fakestormer", data="demo", devices=0), "--devices 0"),
    ],
)
def test_python_is_told_as_early(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call()


def test_a_recipe_beside_a_detector_that_trains_is_for_that_one(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "own", {"real/a/1.png": frame(1), "fake/b/1.png": frame(2)})
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    ended = dfbench("run", "-d", "chance", "-d", "probe_trained", "--recipe", "plan", "-p", "own")
    assert (ended.code, "did you mean 'plain'?" in ended.err) == (2, True), ended.err
    ended = dfbench("run", "-d", "chance", "-d", "probe_net", "--recipe", "plain", "-p", "own")
    assert (ended.code, "detector 'chance' is not trained" in ended.err) == (2, True), ended.err
