"""`dfbench compare`: which of several runs are better, and which cannot be told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench.cli import flags, output
from dfbench.cli.shared import settings_of


def compare_command(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="RUN", help="Runs by name or folder.")],
    test: Annotated[
        list[str] | None, typer.Option(help="Only this test; repeatable. Every shared one if not given.")
    ] = None,
    by_manipulation: Annotated[
        bool, typer.Option("--by-manipulation", help="Compare the fakes of each manipulation too.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw the differences to this .png, .pdf or .svg file.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option("--runs", help="The folder of runs; the configured one if not given.")
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Compare stored runs in pairs, on the videos that both scored."""
    from dfbench.errors import RunError, UsageError
    from dfbench.escaping import for_shell
    from dfbench.results.checked import check_run
    from dfbench.results.comparing import compare_each
    from dfbench.results.paired import scored_videos
    from dfbench.results.renderings.comparison import comparison_figure, comparison_table, comparison_text
    from dfbench.runs.evidence.recorded import open_run

    if figure is not None and figure.suffix not in (".png", ".pdf", ".svg"):
        raise UsageError(
            f"a figure cannot be written as {figure.name}", hints=("name a .png, .pdf or .svg file",)
        )
    settings = settings_of(context, runs)
    opened = {run.folder.name: run for run in (open_run(name, settings) for name in names)}
    if len(opened) < len(names):
        raise UsageError("a run is named twice", hints=("name each run once",))
    for name, run in opened.items():
        if problems := check_run(run, kept=settings.cache).problems:
            raise RunError(
                f"{name} is not to be trusted: {problems[0]}",
                hints=(f"see:  dfbench runs verify {for_shell(name)}",),
            )
    pairs = compare_each(
        {name: scored_videos(run) for name, run in opened.items()},
        by_manipulation=by_manipulation,
        tests=test or (),
    )
    if figure is not None:
        comparison_figure(pairs, figure)
    if as_json:
        output.say_json([one.to_json() for one in pairs])
        return
    output.print_table(comparison_table(pairs))
    for line in comparison_text(pairs):
        output.say(line)
    if figure is not None:
        output.say(f"wrote {figure}")
