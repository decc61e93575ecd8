"""Telling plugins what happens: each on its own, with its own copy of everything, so that none disturbs a run or another.

A run or training that started ends as finished or failed, and nobody is told of one that was complete before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.events import TrainingFacts
from dfbench.hooks.host import Host
from dfbench.interfaces import Progress

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.runs.records.record import RunRecord

RUN_EVENTS = ("dfbench_run_started", "dfbench_run_finished", "dfbench_run_failed")
TRAINING_EVENTS = (
    *("dfbench_training_started", "dfbench_training_round"),
    *("dfbench_training_finished", "dfbench_training_failed"),
)


@dataclass(frozen=True, slots=True)
class Events:
    """Tells the plugins of `host`; a listener that fails is a warning on `progress`, and what it listened to goes on.

    `silent`: nobody is told, as by the ranks of a training that do not write.
    """

    host: Host
    progress: Progress
    silent: bool = False

    def run_started(self, run: RunRecord, folder: Path) -> None:
        """Tell that scoring starts."""
        self._tell(
            "dfbench_run_started",
            lambda: {
                "run": copy.deepcopy(run),
                "folder": folder,
                "plan": run.to_json(),
            },
        )

    def run_finished(self, run: RunRecord, folder: Path, table: pd.DataFrame) -> None:
        """Tell that a run is complete, with its result table."""

        def arguments() -> dict[str, Any]:
            own = table.copy()
            return {"run": copy.deepcopy(run), "folder": folder, "table": own, "result": own}

        self._tell("dfbench_run_finished", arguments)

    def run_failed(self, run: RunRecord, folder: Path, error: BaseException) -> None:
        """Tell that a run ended early."""
        self._tell(
            "dfbench_run_failed",
            lambda: {"run": copy.deepcopy(run), "folder": folder, "error": error},
        )

    def training_started(self, plan: TrainingFacts) -> None:
        """Tell that a training starts, or goes on."""
        self._tell("dfbench_training_started", lambda: {"plan": copy.deepcopy(plan)})

    def training_round(self, plan: TrainingFacts, step: int, values: Mapping[str, float]) -> None:
        """Tell what was logged in a round."""
        self._tell(
            "dfbench_training_round",
            lambda: {"plan": copy.deepcopy(plan), "step": step, "values": dict(values)},
        )

    def training_finished(self, plan: TrainingFacts, weights: Path, outcome: Mapping[str, Any]) -> None:
        """Tell that the weights are there."""
        self._tell(
            "dfbench_training_finished",
            lambda: {
                "plan": copy.deepcopy(plan),
                "weights": weights,
                "outcome": copy.deepcopy(dict(outcome)),
            },
        )

    def training_failed(self, plan: TrainingFacts, error: BaseException) -> None:
        """Tell that a training ended without weights."""
        self._tell("dfbench_training_failed", lambda: {"plan": copy.deepcopy(plan), "error": error})

    def _tell(self, hook: str, arguments: Callable[[], dict[str, Any]]) -> None:
        if self.silent:
            return
        for note in self.host.tell(hook, arguments):
            self.progress.note(f"warning: {note}")
