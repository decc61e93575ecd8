"""Events reach every plugin on its own: one that fails gives a note."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import typer

from dfbench import hookimpl
from dfbench.hooks.host import Host


def named(name: str, **hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__=name, **{hook: hookimpl(function) for hook, function in hooks.items()})


def command_names(cli: typer.Typer) -> list[str | None]:
    return [command.name for command in cli.registered_commands]


def test_a_failing_listener_gives_a_note_and_the_others_hear() -> None:
    heard: list[object] = []

    def fail(plan: dict[str, object]) -> None:
        raise ValueError("not today")

    def listen(plan: dict[str, object]) -> None:
        heard.append(plan["detector"])

    host = Host.load([named("bad", dfbench_run_started=fail), named("good", dfbench_run_started=listen)])
    notes = host.call_run_started({"detector": "chance"})
    assert notes == ("plugin 'bad': dfbench_run_started failed: ValueError: not today",)
    assert heard == ["chance"]


def test_listeners_cannot_change_what_they_are_told() -> None:
    def spoil_plan(plan: dict[str, Any]) -> None:
        plan["nested"]["seed"] = 1

    def spoil_result(result: pd.DataFrame) -> None:
        result["auc"] = 1.0

    host = Host.load([named("spoiler", dfbench_run_started=spoil_plan, dfbench_run_finished=spoil_result)])
    plan: dict[str, object] = {"nested": {"seed": 0}}
    table = pd.DataFrame({"auc": [0.5]})
    assert host.call_run_started(plan) == ()
    assert host.call_run_finished(table) == ()
    assert plan == {"nested": {"seed": 0}}
    assert table["auc"].tolist() == [0.5]


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
