"""What plugins are told of runs and trainings while they go on: each with its address, and each ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.toy_corpus import PER_SPLIT, ToyTrainer, write_toy
from tests.runs.toy_runs import REQUEST, Cut, Scoring, only_run, toy_setup

from dfbench import RunRecord, TrainingFacts, hookimpl
from dfbench.errors import DfbenchError, StoreError
from dfbench.exchanged import TrainingRequest
from dfbench.progress import SilentProgress
from dfbench.results.evaluating import evaluate
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.runs.records.trained import TRAINING_FILE, finished_weights
from dfbench.runs.trainings.processes import train_detector

if TYPE_CHECKING:
    import pandas as pd

TRAINING = TrainingOptions("trained", "once", device="cpu")


class Listener:
    """Keeps every event, with what lay in its folder at that moment."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, RunRecord | TrainingFacts, object]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.heard]

    @hookimpl
    def dfbench_run_started(self, run: RunRecord, folder: Path) -> None:
        self.heard.append(("started", run, RunRecord.read(folder)))

    @hookimpl
    def dfbench_run_finished(self, run: RunRecord, folder: Path, table: pd.DataFrame) -> None:
        assert (folder / "table.csv").is_file()
        self.heard.append(("finished", run, len(table)))

    @hookimpl
    def dfbench_run_failed(self, run: RunRecord, folder: Path, error: BaseException) -> None:
        self.heard.append(("failed", run, (RunRecord.read(folder) if folder.exists() else None, error)))

    @hookimpl
    def dfbench_training_started(self, plan: TrainingFacts) -> None:
        self.heard.append(("training started", plan, plan.folder.is_dir()))

    @hookimpl
    def dfbench_training_round(self, plan: TrainingFacts, step: int, values: Mapping[str, float]) -> None:
        self.heard.append(("round", plan, (step, values)))

    @hookimpl
    def dfbench_training_finished(self, plan: TrainingFacts, weights: Path) -> None:
        self.heard.append(("training finished", plan, weights == finished_weights(plan.folder)))

    @hookimpl
    def dfbench_training_failed(self, plan: TrainingFacts, error: BaseException) -> None:
        self.heard.append(("training failed", plan, error))


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(write_toy(tmp_path / "toy")))
    return Listener()


def run_toy(listener: Listener) -> pd.DataFrame:
    _, table = evaluate(REQUEST, toy_setup(listener), progress=SilentProgress())
    return table


def test_a_run_is_told_of_by_one_address_from_start_to_end(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scoring().install(monkeypatch)
    table = run_toy(listener)
    run = only_run(tmp_path / "runs")
    (first, started, on_disk), (last, finished, rows) = listener.heard
    assert isinstance(started, RunRecord)
    assert isinstance(finished, RunRecord)
    assert (first, last, rows) == ("started", "finished", len(table))
    assert started == on_disk
    assert (started.status, finished.status) == ("running", "complete")
    assert started.identity == finished.identity
    assert run.name.endswith(started.identity[:12])
    assert [len(one.sessions) for one in (started, finished)] == [1, 1]
    run_toy(listener)
    assert listener.names == ["started", "finished"]  # nothing was computed, and nobody is told


@pytest.mark.parametrize(
    ("error", "reason"), [(Cut("power cut"), "Cut: power cut"), (KeyboardInterrupt(), "interrupted")]
)
@pytest.mark.parametrize("scored", [0, PER_SPLIT + 3])
def test_a_run_that_ends_early_is_told_with_the_record_that_it_leaves(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, error: BaseException, reason: str, scored: int
) -> None:
    scoring = Scoring(cut_after=scored, error=error).install(monkeypatch)
    with pytest.raises(type(error)):
        run_toy(listener)
    _, (name, run, what) = listener.heard
    assert isinstance(run, RunRecord)
    assert (name, run.status, run.error) == ("failed", "failed", reason)
    assert run.sessions[-1].finished
    assert what == (run if scored else None, error)  # of nothing scored, nothing is left
    scoring.cut_after = -1
    run_toy(listener)
    (_, again, _), (_, finished, _) = listener.heard[2:]
    assert listener.names == ["started", "failed", "started", "finished"]
    assert isinstance(again, RunRecord)
    assert isinstance(finished, RunRecord)
    assert again.identity == finished.identity == run.identity
    assert (len(finished.sessions), finished.error) == (2 if scored else 1, "")


def test_a_run_whose_table_cannot_be_made_is_told_as_failed_and_stays_complete(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = Scoring().install(monkeypatch)

    def full(*_: object, **__: object) -> None:
        raise StoreError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("dfbench.results.evaluating.table_of", full)
        with pytest.raises(StoreError, match="no space left"):
            run_toy(listener)
    _, (name, run, what) = listener.heard
    assert isinstance(run, RunRecord)
    assert isinstance(what, tuple)
    assert (name, run.status, what[0]) == ("failed", "complete", run)
    assert len(run_toy(listener)) > 0
    assert scoring.opened == 1
    assert listener.names == ["started", "failed"]


def test_a_training_is_told_of_by_one_address_from_start_to_end(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scoring().install(monkeypatch)
    fit = ToyTrainer.fit

    def with_rounds(self: ToyTrainer, request: TrainingRequest) -> Path:
        for step in (3, 6):
            request.on_round(step, {"loss": 1 / step})
        return fit(self, request)

    monkeypatch.setattr(ToyTrainer, "fit", with_rounds)
    weights = train_detector(TRAINING, toy_setup(listener), progress=SilentProgress())
    assert listener.names == ["training started", "round", "round", "training finished"]
    assert [what for *_, what in listener.heard] == [True, (3, {"loss": 1 / 3}), (6, {"loss": 1 / 6}), True]
    plans = [plan for _, plan, _ in listener.heard]
    for plan in plans:
        assert isinstance(plan, TrainingFacts)
        assert plan.folder == weights.parent
        assert (plan.detector, plan.recipe, plan.corpus, plan.seed) == ("trained", "plain", "official", 0)
        assert (plan.dataset, plan.compression, plan.device) == ("toy", "c23", "cpu")
        assert (plan.train, plan.validation) == (PER_SPLIT, PER_SPLIT)
        note = json.loads((plan.folder / TRAINING_FILE).read_text(encoding="utf-8"))
        assert json.loads(json.dumps(plan.identity)) == note["identity"]
    train_detector(TRAINING, toy_setup(listener), progress=SilentProgress())
    assert len(listener.heard) == 4  # it was finished before


@pytest.mark.parametrize("error", [Cut("power cut"), KeyboardInterrupt()])
def test_a_training_that_ends_early_is_told_and_goes_on_under_the_same_address(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    Scoring().install(monkeypatch)

    def fails(*_: object) -> Path:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ToyTrainer, "fit", fails)
        with pytest.raises((DfbenchError, type(error))):
            train_detector(TRAINING, toy_setup(listener), progress=SilentProgress())
    assert listener.names == ["training started", "training failed"]
    weights = train_detector(TRAINING, toy_setup(listener), progress=SilentProgress())
    folders = {plan.folder for _, plan, _ in listener.heard if isinstance(plan, TrainingFacts)}
    assert listener.names[2:] == ["training started", "training finished"]
    assert folders == {weights.parent}


def test_a_training_without_videos_never_started(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    Scoring().install(monkeypatch)
    monkeypatch.setattr("tests.runs.toy_runs.Prepared.videos", [])
    with pytest.raises(DfbenchError, match="no usable train video"):
        train_detector(TRAINING, toy_setup(listener), progress=SilentProgress())
    assert listener.heard == []
