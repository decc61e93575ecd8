"""The typer application, with the commands that plugins add."""

from __future__ import annotations

import typer

import dfbench.cli.commands.plugins as plugins_command
import dfbench.cli.commands.runs as runs_command
from dfbench.cli import output
from dfbench.cli.commands import (
    compare,
    data,
    detectors,
    doctor,
    explain,
    leaderboard,
    localisation,
    predict,
    run,
    train,
)
from dfbench.cli.output import WholeSummaries
from dfbench.runs.planning.setup import Setup
from dfbench.version import VERSION


def _version(wanted: bool) -> None:
    if wanted:
        output.say(VERSION)
        raise typer.Exit


def build_app() -> typer.Typer:
    """Build all commands, which share one setup; returns them. Plugins may add theirs through `dfbench_commands`."""
    setup = Setup()
    app = typer.Typer(
        name="dfbench",
        help="Benchmark deepfake video detectors: dfbench run --detector fakestormer --protocol cross-dataset",
        no_args_is_help=True,
        cls=WholeSummaries,
        context_settings={"help_option_names": ["-h", "--help"], "obj": setup},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def options(
        version: bool = typer.Option(
            False, "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        """Trustworthy benchmarking of deepfake video detectors. Add --debug to any command for tracebacks.

        Add --trust to let a command use a scheduler that the dfbench.toml of a folder names.
        """

    app.command("run")(run.run_command)
    app.command("train")(train.train_command)
    app.command("leaderboard")(leaderboard.leaderboard_command)
    app.command("compare")(compare.compare_command)
    app.command("predict")(predict.predict_command)
    app.command("explain")(explain.explain_command)
    app.command("localisation")(localisation.localisation_command)
    app.command("doctor")(doctor.doctor_command)
    app.add_typer(data.app, name="data")
    app.add_typer(detectors.app, name="detectors")
    app.add_typer(plugins_command.app, name="plugins")
    app.add_typer(runs_command.app, name="runs")

    for note in setup.host.add_commands(app):
        output.say(f"warning: {note}", error=True)
    return app
