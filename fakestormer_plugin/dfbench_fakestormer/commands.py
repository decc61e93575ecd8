"""`dfbench fakestormer`: what concerns this detector alone."""

from __future__ import annotations

from typing import Annotated

import typer

from dfbench import hookimpl


@hookimpl
def dfbench_commands(cli: typer.Typer) -> None:
    """Add `dfbench fakestormer mends`."""

    app = typer.Typer(help="FakeSTormer: what its mends do.", no_args_is_help=True)
    cli.add_typer(app, name="fakestormer")

    @app.callback()
    def group() -> None:
        """FakeSTormer: what its mends do."""

    @app.command("mends")
    def mends_command(
        recipe: Annotated[str, typer.Option(help="The recipe to begin with.")] = "demo",
        data: Annotated[str, typer.Option(help="'demo', or empty for the configured data roots.")] = "demo",
        size: Annotated[str, typer.Option(help="Size of a made corpus.")] = "full",
        seeds: Annotated[int, typer.Option(min=2, help="How many seeds, from 0.")] = 3,
        switch: Annotated[list[str] | None, typer.Option(help="Only this switch; repeatable.")] = None,
        overrides: Annotated[
            list[str] | None, typer.Option("--set", help="Recipe field of all trainings, e.g. epochs=3.")
        ] = None,
    ) -> None:
        """Train with and without each mend, and compare the video AUC on the validation set's fakes."""
        from dfbench.cli import output
        from dfbench.results.terminal import DataTable
        from dfbench.runs.planning.recipes import parse_overrides
        from dfbench_fakestormer.mends import measure_mends

        table = measure_mends(
            recipe=recipe,
            data=data,
            size=size,
            seeds=range(seeds),
            switches=switch or (),
            overrides=parse_overrides(overrides or ()),
            progress=output.progress(),
        )
        shown = DataTable("switch", "with", "released", "mended", "mended - released, 95 %")
        for row in table.to_dict("records"):
            shown.add_row(
                row["switch"],
                row["needs"],
                f"{row['released']:.3f}",
                f"{row['mended']:.3f}",
                f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]",
            )
        output.console().print(shown)
