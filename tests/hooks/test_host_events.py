"""Events reach every plugin on its own: one that fails gives a note."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import typer
from tests.stored_records import record_of

from dfbench import RunRecord, TrainingFacts, hookimpl
from dfbench.hooks.events import Events
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress


def named(name: str, **hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__=name, **{hook: hookimpl(function) for hook, function in hooks.items()})


def command_names(cli: typer.Typer) -> list[str | None]:
    return [command.name for command in cli.registered_commands]


RECORD: dict[str, Any] = {
    "identity": "ab12",
    "entry": "net (seed 0)",
    "detector": {"name": "net"},
    "protocol": "p",
    "corpus": "demo",
    "datasets": {"dfdc": {}, "dfd": {}},
    "training_seed": 0,
}
RUN = record_of(RECORD)
PLAN = TrainingFacts("net", "plain", "demo", 0, "cpu", Path("weights"), 3, 2, {"recipe": {"lr": 0.1}})


class Notes(SilentProgress):
    """What was noted."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def tell_all(told: Events) -> None:
    """Tell of a run and a training, whatever becomes of them."""
    run, folder, table = RUN, Path("runs/1"), pd.DataFrame({"auc": [0.5]})
    told.run_started(run, folder)
    told.run_finished(run, folder, table)
    told.run_failed(run, folder, ValueError("no disk"))
    told.training_started(PLAN)
    told.training_round(PLAN, 7, {"loss": 0.5})
    told.training_finished(PLAN, Path("weights/best.pt"), {"step": 7})
    told.training_failed(PLAN, KeyboardInterrupt())
    assert table["auc"].tolist() == [0.5]


def test_every_event_says_of_what_it_is() -> None:
    heard: list[tuple[object, ...]] = []
    run = ("ab12", "net (seed 0)", "net", "p", "demo", ["dfdc", "dfd"], 0)

    def address(run: RunRecord) -> tuple[object, ...]:
        names = (run.identity, run.entry, run.detector.name, run.protocol.name, run.corpus)
        return (*names, list(run.tests), run.training.seed)

    def finished(run: RunRecord, folder: Path, table: pd.DataFrame) -> None:
        heard.append((address(run), folder, table["auc"].tolist()))

    def failed(run: RunRecord, folder: Path, error: BaseException) -> None:
        heard.append((address(run), folder, str(error)))

    def trained(plan: TrainingFacts, weights: Path, outcome: dict[str, object]) -> None:
        heard.append((plan.detector, weights, outcome))

    listener = named(
        "listener",
        dfbench_run_started=lambda run, folder: heard.append((address(run), folder, run.training.seed)),
        dfbench_run_finished=finished,
        dfbench_run_failed=failed,
        dfbench_training_started=lambda plan: heard.append((plan.folder, plan.seed, plan.train)),
        dfbench_training_round=lambda plan, step, values: heard.append((plan.recipe, step, values)),
        dfbench_training_finished=trained,
        dfbench_training_failed=lambda plan, error: heard.append((plan.device, type(error))),
    )
    notes = Notes()
    tell_all(Events(Host.load([listener]), notes))
    assert notes.lines == []
    assert heard == [
        (run, Path("runs/1"), 0),
        (run, Path("runs/1"), [0.5]),
        (run, Path("runs/1"), "no disk"),
        (Path("weights"), 0, 3),
        ("plain", 7, {"loss": 0.5}),
        ("net", Path("weights/best.pt"), {"step": 7}),
        ("cpu", KeyboardInterrupt),
    ]
    tell_all(Events(Host.load([listener]), notes, silent=True))
    assert len(heard) == 7


def test_a_failing_listener_is_a_warning_and_the_others_hear() -> None:
    """They listen as listeners of earlier versions did."""
    heard: list[object] = []

    def fail(plan: dict[str, object]) -> None:
        raise ValueError("not today")

    def exits(result: pd.DataFrame) -> None:
        raise SystemExit(3)

    bad = named("bad", dfbench_run_started=fail, dfbench_run_finished=exits, dfbench_training_round=fail)
    good = named(
        "good",
        dfbench_run_started=lambda plan: heard.append(plan["detector"]),
        dfbench_run_finished=lambda result: heard.append(len(result)),
    )
    notes = Notes()
    tell_all(Events(Host.load([bad, good]), notes))
    assert notes.lines == [
        "warning: plugin 'bad': dfbench_run_started failed: ValueError: not today",
        "warning: plugin 'bad': dfbench_run_finished failed: SystemExit: 3",
        "warning: plugin 'bad': dfbench_training_round failed: ValueError: not today",
    ]
    assert heard == [{"name": "net"}, 1]


def test_listeners_cannot_change_what_they_are_told() -> None:
    def spoil(run: RunRecord, plan: dict[str, Any]) -> None:
        for record in (run._json, plan):
            dict(record)["detector"].clear()
        cast("dict[str, object]", run.tests).clear()

    def spoil_table(table: pd.DataFrame) -> None:
        table["auc"] = 1.0

    def spoil_training(plan: TrainingFacts) -> None:
        plan.identity["recipe"].clear()

    spoiler = named(
        "spoiler",
        dfbench_run_started=spoil,
        dfbench_run_finished=spoil_table,
        dfbench_training_started=spoil_training,
    )
    heard: list[object] = []
    witness = named(
        "witness",
        dfbench_run_started=lambda run, plan: heard.append(
            (run.to_json()["detector"], list(run.tests), plan["detector"])
        ),
        dfbench_run_finished=lambda table: heard.append(table["auc"].tolist()),
        dfbench_training_started=lambda plan: heard.append(plan.identity),
    )
    notes = Notes()
    tell_all(Events(Host.load([spoiler, witness]), notes))
    assert notes.lines == []
    assert heard == [({"name": "net"}, ["dfdc", "dfd"], {"name": "net"}), [0.5], {"recipe": {"lr": 0.1}}]
    assert (RUN, PLAN.identity) == (record_of(RECORD), {"recipe": {"lr": 0.1}})


def test_commands_are_added_whole_or_not_at_all() -> None:
    cli = typer.Typer()
    cli.command("run")(lambda: None)

    def half(cli: typer.Typer) -> None:
        cli.command("half")(lambda: None)
        raise SystemExit(1)

    def shadow(cli: typer.Typer) -> None:
        cli.command("run")(lambda: None)

    def good(cli: typer.Typer) -> None:
        cli.command("hello")(lambda: None)

    def unbuildable(cli: typer.Typer) -> None:
        def odd(option: UnknownType) -> None:  # type: ignore[name-defined] # noqa: F821 - the point of it
            """Typer looks at the type when the command line is built."""

        cli.command("odd")(odd)

    plugins = [
        named("half", dfbench_commands=half),
        named("shadow", dfbench_commands=shadow),
        named("unbuildable", dfbench_commands=unbuildable),
        named("good", dfbench_commands=good),
    ]
    notes = Host.load(plugins).add_commands(cli)
    assert notes == (
        "plugin 'half': dfbench_commands failed: SystemExit: 1",
        "plugin 'shadow': command run is taken",
        "plugin 'unbuildable': its commands cannot be built: NameError: name 'UnknownType' is not defined",
    )
    assert command_names(cli) == ["run", "demo-figures", "hello"]  # the second comes with dfbench
