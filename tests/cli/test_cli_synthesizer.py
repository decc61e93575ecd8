"""`--synthesizer`, from the command to the entry: what is trained, found again, and told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench, frame, write
from tests.cli.toy_lab import Lab
from tests.training.lines import METHOD, Brighter

from dfbench import DetectorSpec, SynthesizerSpec, hookimpl
from dfbench.hooks.host import Host

RUN = ("run", "-d", "line", "-p", "own-splits")


def brighter(options: Mapping[str, object]) -> Brighter:
    return Brighter()


class Lines:
    """The plugin: a linear layer that trains on real and fake videos, and a synthesizer."""

    @staticmethod
    @hookimpl
    def dfbench_detectors() -> list[DetectorSpec]:
        summary = "A line."
        return [
            DetectorSpec(
                name="line", summary=summary, method="tests.training.lines:METHOD", recipes=("demo",)
            )
        ]

    @staticmethod
    @hookimpl
    def dfbench_synthesizers() -> list[SynthesizerSpec]:
        return [
            SynthesizerSpec(
                name="brighter", summary="A corner.", build=f"{__name__}:brighter", aliases=("b",)
            )
        ]


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dfbench: Dfbench) -> Dfbench:
    """The plugins, installed, and own videos of three splits: eight frames each, real ones dark."""
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda *_: load([Lab(), Lines()]))
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "whole")
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    rows, files = ["path,label,split"], {}
    for number, split in enumerate(["train"] * 4 + ["val"] * 4 + ["test"] * 4):
        rows.append(f"{number},{('real', 'fake')[number % 2]},{split}")
        for step in range(8):
            files[f"{number}/{step}.png"] = frame(10 * number + step + 100 * (number % 2))
    files["videos.csv"] = "\n".join(rows).encode()
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(write(tmp_path / "videos", files)))
    return dfbench


def entries() -> dict[str, dict[str, Any]]:
    """The records of the stored runs, by their entry."""
    records = [json.loads(path.read_text()) for path in Path("runs").glob("*/run.json")]
    return {record["entry"]: record for record in records}


@pytest.mark.slow
def test_each_choice_is_an_entry_and_a_training_of_its_own(lines: Dfbench, tmp_path: Path) -> None:
    for choice in ((), ("--synthesizer", "b")):
        trained = lines("train", *RUN[1:], *choice)
        assert trained.code == 0, trained.err
        ran = lines(*RUN, *choice)
        assert ran.code == 0, ran.err
        assert "using the weights trained before" in ran.err
        header = METHOD.header(Path(trained.out.strip()))
        assert header.recipe.makes_fakes is bool(choice)
    chosen, plain = sorted(entries())
    assert "demo" in plain
    assert chosen == plain.replace("demo", "demo with synthesizer=brighter")
    weights = {record["detector"]["weights_sha256"] for record in entries().values()}
    assert len(weights) == 2

    again = lines(*RUN, "--synthesizer", "brighter")
    assert (again.code, "nothing to compute" in again.err) == (0, True), again.err
    own = lines(*RUN, "--synthesizer", "none")  # which is what the recipe says
    assert (own.code, "nothing to compute" in own.err) == (0, True), own.err
    assert len(entries()) == 2
    task = ("-d", "line", "-p", "own-splits", "--synthesizer", "brighter", "--json")
    predicted = lines("predict", tmp_path / "videos" / "9", *task)
    assert predicted.code == 0, predicted.err
    used = json.loads(predicted.out)[0]["weights_sha256"]
    assert used == entries()[chosen]["detector"]["weights_sha256"]
    listed = lines("leaderboard", "-p", "own-splits")
    assert "synthesizer=brighter" in listed.out


@pytest.mark.slow
def test_what_a_training_with_a_synthesizer_needs_is_prepared_before(lines: Dfbench) -> None:
    prepare = ("data", "prepare", "folder", "--split", "train", "-d", "line", "--for", "training")
    both = lines(*prepare)
    assert both.code == 0, both.err
    reals = lines(*prepare, "--synthesizer", "brighter")
    assert reals.code == 0, reals.err
    status = ("data", "status", *prepare[2:])
    counts = [lines(*status, *choice).out for choice in ((), ("--synthesizer", "brighter"))]
    assert "4" in counts[0]
    assert "2" in counts[1]
    assert counts[0] != counts[1]
