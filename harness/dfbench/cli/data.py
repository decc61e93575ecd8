"""`dfbench data`: make the demo corpora, list and check datasets, prepare faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Datasets: demo, list, check, prepare.", no_args_is_help=True)


@app.command("demo")
def demo_command(
    size: Annotated[str, typer.Option(help="full or small.")] = "full",
    seed: Annotated[int, typer.Option(help="Seed of the people and scenes.")] = 0,
) -> None:
    """Write the demo corpora in the official directory layouts and print their folders."""
    from dfbench.cli import output
    from dfbench.hooks.host import Host
    from dfbench.runs.sources import made_corpus
    from dfbench.settings import load_settings

    source = made_corpus(
        "demo", Host.load().registry, load_settings(), size=size, seed=seed, progress=output.progress()
    )
    for name, root in source.roots.items():
        typer.echo(f"{name}\t{root}")


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Every dataset that a plugin offers, and where it is configured to be."""
    import json

    from rich.table import Table

    from dfbench.cli import output
    from dfbench.hooks.host import Host
    from dfbench.settings import load_settings

    registry, roots = Host.load().registry, load_settings().data.roots
    rows = []
    for name in registry.names("dataset"):
        root = roots.get(name)
        state = "not configured" if root is None else ("found" if root.is_dir() else "MISSING")
        rows.append(
            {"dataset": name, "title": registry.dataset(name).title, "root": str(root or ""), "state": state}
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table("dataset", "title", "state", "root")
    for row in rows:
        table.add_row(row["dataset"], row["title"], row["state"], row["root"])
    output.console().print(table)


@app.command("check")
def check_command(
    dataset: Annotated[str, typer.Argument(help="A dataset.")],
    data: Annotated[str, typer.Option(help="'demo', or empty for the configured root.")] = "",
    root: Annotated[Path | None, typer.Option(help="Check this folder instead.")] = None,
    size: Annotated[str, typer.Option(help="Size of a made corpus.")] = "full",
    compression: Annotated[str, typer.Option(help="raw, c23, c40; the default if empty.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what is on disk with the official protocol; exits with 1 on a shortfall."""
    import json

    from dfbench.cli import output
    from dfbench.data.inventory import check
    from dfbench.hooks.host import Host
    from dfbench.runs.sources import data_source, dataset_index
    from dfbench.settings import load_settings

    registry = Host.load().registry
    spec = registry.dataset(dataset)
    if root is None:
        source = data_source(data, registry, load_settings(), size=size, progress=output.progress())
        root = source.root(spec.name)
    inventory = check(spec, root, dataset_index(spec, root, compression or None, registry))
    if as_json:
        typer.echo(json.dumps(inventory.to_json(), indent=1))
    else:
        for line in inventory.lines():
            typer.echo(line)
    if not inventory.complete:
        raise typer.Exit(1)


@app.command("prepare")
def prepare_command(
    dataset: Annotated[str, typer.Argument(help="A dataset.")],
    detector: Annotated[
        str, typer.Option("--detector", "-d", help="Prepare the frames that this detector scores.")
    ],
    data: Annotated[str, typer.Option(help="'demo', or empty for the configured root.")] = "",
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
    compression: Annotated[str, typer.Option(help="raw, c23, c40; the default if empty.")] = "",
    size: Annotated[str, typer.Option(help="Size of a made corpus.")] = "full",
) -> None:
    """Decode, find and store the faces of a dataset; goes on where it was interrupted."""
    from collections import Counter

    from dfbench.cli import output
    from dfbench.data.manifest import select
    from dfbench.hooks.host import Host
    from dfbench.runs.sources import data_source, dataset_index, prepare_selected
    from dfbench.settings import load_settings
    from dfbench.types import PrepareSpec, VideoSelection

    registry, settings, bars = Host.load().registry, load_settings(), output.progress()
    source = data_source(data, registry, settings, size=size, progress=bars)
    spec = registry.dataset(dataset)
    index = dataset_index(spec, source.root(spec.name), compression or None, registry)
    videos = select(
        index.videos, VideoSelection(spec.name, splits=tuple(split or ()), compression=compression or None)
    )
    wanted = PrepareSpec(registry.detector(detector).clips.frame_choice())
    report = prepare_selected(
        videos, wanted, source=source, registry=registry, settings=settings, progress=bars
    )
    for status, count in sorted(Counter(str(one.status) for one in report.videos).items()):
        typer.echo(f"{status}\t{count}")
