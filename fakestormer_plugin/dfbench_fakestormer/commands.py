"""`dfbench fakestormer`: what concerns this detector alone."""

from __future__ import annotations

from typing import Annotated

import typer

from dfbench import hookimpl


@hookimpl
def dfbench_commands(cli: typer.Typer) -> None:
    """Add `dfbench fakestormer ablation`, which was called `mends`."""
    app = typer.Typer(help="FakeSTormer: what its switches do.", no_args_is_help=True)
    cli.add_typer(app, name="fakestormer")

    @app.callback()
    def group() -> None:
        """FakeSTormer: what its switches do."""

    app.command("ablation")(ablation)
    app.command("mends", hidden=True)(ablation)  # its name of before, which scripts may have


def ablation(
    recipe: Annotated[str, typer.Option(help="The recipe to begin with.")] = "demo",
    data: Annotated[str, typer.Option(help="'demo', or empty for the configured data roots.")] = "demo",
    size: Annotated[str, typer.Option(help="Size of a made corpus.")] = "full",
    seeds: Annotated[int, typer.Option(min=2, help="How many seeds, from 0.")] = 3,
    switch: Annotated[list[str] | None, typer.Option(help="Only this switch; repeatable.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Recipe field of all trainings, e.g. epochs=3.")
    ] = None,
) -> None:
    """Train with each switch as it is here and as released, and compare the video AUC on the validation set's fakes."""
    import pandas as pd

    from dfbench import DataTable, csv_of, parse_overrides, print_table, progress_bars, say
    from dfbench.data import below, require_below, write_text_whole
    from dfbench_fakestormer.ablation import measure_switches

    effects, runs = measure_switches(
        recipe=recipe,
        data=data,
        size=size,
        seeds=range(seeds),
        switches=switch or (),
        overrides=parse_overrides(overrides or ()),
        progress=progress_bars(),
    )
    shown = DataTable("switch", "with", "released", "mended", "mended - released, 95 %")
    rows = [effect.to_row() for effect in effects]
    for effect, row in zip(effects, rows, strict=True):
        shown.add_row(
            effect.switch.name,
            str(row["needs"]),
            f"{effect.released:.3f}",
            f"{effect.mended:.3f}",
            f"{effect.difference:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]",
        )
    print_table(shown)
    name = "-".join(["ablation", *(switch or ())])
    path = require_below(runs, below(runs, "ablation")) / f"{name}.csv"
    write_text_whole(path, csv_of(pd.DataFrame(rows)))
    say(f"written to {path}")
