"""A finished run of the toy, scored once for each file of tests; whoever changes it has a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.toy_corpus import write_toy
from tests.runs.toy_runs import Scoring, open_toy, score_toy, toy_setup

from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.scoring.plan import ScoringPlan


@dataclass(frozen=True, repr=False)  # hypothesis shows it
class Finished:
    """A finished run, the plan that it was scored by, and the session and setup that it was scored in."""

    run: StoredRun
    plan: ScoringPlan
    session: ProtocolSession
    setup: Setup


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The run: two tests of 24 videos each, of which 4 and 7 have no face."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFBENCH_DATA__ROOTS__TOY", str(write_toy(root / "toy")))
        patch.setenv("DFBENCH_CACHE", str(root / "cache"))
        patch.setenv("DFBENCH_RUNS", str(root / "runs"))
        Scoring(failing=frozenset({"test/4", "test/7"})).install(patch)
        setup = toy_setup()
        scored = score_toy(setup)
        yield Finished(scored.run, scored.plan, open_toy(setup), setup)


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> StoredRun:
    """A copy of the finished run, in the folder of runs of this test."""
    folder = tmp_path / "runs" / finished.run.name
    shutil.copytree(finished.run.folder, folder)
    return StoredRun.read(folder)
