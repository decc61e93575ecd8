"""`dfbench data`: make the demo corpora; list, check, add and show datasets. What prepares them is in `preparation`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.output import WholeSummaries
from dfbench.cli.preparation import Selected, prepare_command, status_command
from dfbench.cli.shared import setup_of

if TYPE_CHECKING:
    from dfbench.runs.datasets.overview import DatasetState

app = typer.Typer(
    help="Datasets: demo, list, check, add, show, prepare, status.", no_args_is_help=True, cls=WholeSummaries
)


@app.command("demo")
def demo_command(
    context: typer.Context,
    size: Annotated[str, typer.Option(help="full or small.")] = "full",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the people and scenes.")] = 0,
) -> None:
    """Write the demo corpora in the official directory layouts and print their folders."""
    from dfbench.cli import output
    from dfbench.runs.planning.sources import made_corpus

    setup, bars = setup_of(context), output.progress_bars()
    source = made_corpus("demo", setup.registry, setup.settings, size=size, seed=seed, progress=bars)
    for name, root in source.roots.items():
        output.say(name, root)


@app.command("list")
def list_command(
    context: typer.Context,
    look: Annotated[
        bool, typer.Option("--check/--no-check", help="Hold what is there against its lists and counts.")
    ] = True,
    as_json: flags.Json = False,
) -> None:
    """Every dataset that a plugin offers: is it configured, found, complete?"""
    from functools import partial

    from dfbench.cli import output
    from dfbench.results.terminal import DataTable
    from dfbench.runs.datasets.checking import inspect_dataset
    from dfbench.runs.datasets.overview import overview
    from dfbench.runs.planning.sources import configured_source
    from dfbench.text import storable

    setup = setup_of(context)
    registry, settings = setup.registry, setup.settings
    source = configured_source(settings, registry)
    checked = partial(
        inspect_dataset,
        source=source,
        workers=settings.workers,
        progress=output.progress_bars(),
    )
    states = overview(registry, source, look=checked if look else None)
    if as_json:
        rows = [
            {
                "dataset": one.spec.name,
                "compression": one.compression,
                "title": one.spec.title,
                "state": one.state,
                "reason": one.reason,
                "root": storable(str(one.root or "")),
                "within": one.within,
                "layout_verified": not one.spec.layout,
                "layout": one.spec.layout or "verified",
                "homepage": one.spec.homepage,
            }
            for one in states
        ]
        output.say_json(rows)
        return
    table = DataTable("dataset", "title", "layout", "state", "root")
    for one in states:
        where = f"{storable(str(one.root or ''))}{f' (of {one.within})' if one.within else ''}"
        table.add_row(one.name, one.spec.title, one.spec.layout, one.state, where)
    output.console().print(table)
    for one in states:
        if one.state in ("BROKEN", "MISSING", "UNKNOWN"):
            hint = f" ({one.hints[0]})" if one.state == "UNKNOWN" and one.hints else ""
            output.say(f"{one.name}: {one.state}: {one.reason}{hint}")


@app.command("check")
def check_command(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="A dataset; every configured one if empty.")] = "",
    data: flags.Data = "",
    root: Annotated[Path | None, typer.Option(help="Check this folder instead.")] = None,
    size: flags.Size = "full",
    compression: Annotated[str, typer.Option(help="raw, c23, c40; each that is there if empty.")] = "",
    split: flags.Splits = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Decode first and last frame of each video and mask; find identical files."
        ),
    ] = False,
    as_json: flags.Json = False,
) -> None:
    """Compare what is on disk with the official protocol; exits with 1 on a shortfall.

    Without a name, everything that `data list` finds is checked; one that cannot be is told, and the rest goes on.
    Of a dataset of several compressions, each that is on disk is checked. JSON of a named dataset is that of the first,
    with the rest as "other_compressions".
    """
    from functools import partial

    from dfbench.cli import output
    from dfbench.errors import UsageError
    from dfbench.runs.datasets.checking import inspect_dataset
    from dfbench.runs.datasets.overview import NOT_CONFIGURED, overview, states_on_disk
    from dfbench.runs.planning.sources import configured_source, made_corpus

    setup, bars = setup_of(context), output.progress_bars()
    registry, settings = setup.registry, setup.settings
    source = configured_source(settings, registry)
    if data and dataset:
        selected = Selected(dataset, data, size, split or (), compression)
        source = selected.session(setup, bars, prepares=False).source
    elif data:
        source = made_corpus(data, registry, settings, size=size, seed=0, progress=bars)
    if not dataset and (root is not None or not (source.roots or source.unknown)):
        raise UsageError(
            "no dataset is named, and " + ("--root is of one dataset" if root else "no root is configured"),
            hints=("name a dataset: dfbench data check NAME", "dfbench data list names them"),
        )
    look = partial(
        inspect_dataset,
        source=source,
        root=root,
        splits=tuple(split or ()),
        deep=deep,
        workers=settings.workers,
        progress=bars,
    )
    if dataset:
        spec = registry.dataset(dataset)
        place = source.root_for(spec) if root is None else root
        checked = _usable(states_on_disk(spec, place, look=look, compression=compression))
    else:
        states = overview(registry, source, look=look, compression=compression)
        checked = [one for one in states if one.state != NOT_CONFIGURED]
    if as_json:
        content = [one.to_json() for one in checked]
        named = {**content[0], "other_compressions": content[1:]} if dataset else {}
        output.say_json(named or content)
    else:
        for number, one in enumerate(checked):
            output.say_lines(["", *one.lines()] if number else one.lines())
    if not all(one.complete for one in checked):
        raise typer.Exit(1)


@app.command("add")
def add_command(
    context: typer.Context,
    dataset: flags.Dataset,
    root: Annotated[Path, typer.Argument(help="The folder that it is in.")],
    compression: Annotated[
        str, typer.Option(help="raw, c23, c40: check this one alone; each that is there if empty.")
    ] = "",
) -> None:
    """Check a folder and write it to [data.roots]; a folder that is not the dataset is refused."""
    from dataclasses import replace
    from functools import partial

    from dfbench.cli import output
    from dfbench.config_file import config_path, write_root
    from dfbench.runs.datasets.checking import inspect_dataset
    from dfbench.runs.datasets.overview import states_on_disk
    from dfbench.runs.planning.sources import configured_source, with_corpora
    from dfbench.settings import load_settings

    setup = setup_of(context)
    registry, settings = setup.registry, setup.settings
    spec, place = registry.dataset(dataset), root.absolute()
    source = configured_source(settings, registry)
    look = partial(
        inspect_dataset,
        source=source,
        root=place,
        workers=settings.workers,
        progress=output.progress_bars(),
    )
    states = _usable(states_on_disk(spec, place, look=look, compression=compression))
    with_corpora(replace(source, roots={**source.roots, spec.name: place}), registry)
    before = source.roots.get(spec.name)
    for state in states:
        output.say_lines(state.lines())
    known = (spec.name, *spec.aliases)
    keys = [key for key in settings.data.roots if key.casefold() in {one.casefold() for one in known}]
    instead = f" (it was {before})" if before is not None and before != place else ""
    for key in keys or [spec.name]:  # the line of an alias is replaced, not joined by a second one
        write_root(key, place)
        output.say(f"{config_path()}: {key} = {place}{instead}")
        if load_settings().data.roots.get(key) != place:  # as the file and the variables say now
            output.say(f"warning: DFBENCH_DATA__ROOTS__{key.upper()} is set and beats the file", error=True)


@app.command("show")
def show_command(
    context: typer.Context,
    dataset: flags.Dataset,
    out: Annotated[Path | None, typer.Option(help="The PNG or JPEG; DATASET_faces.png if not given.")] = None,
    count: Annotated[int, typer.Option(min=1, max=400, help="How many videos.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Which random videos.")] = 0,
    data: flags.Data = "",
    split: flags.Splits = None,
    compression: flags.Compression = "",
    size: flags.Size = "full",
) -> None:
    """Draw a contact sheet of random faces with their labels, of videos that are on disk if any is."""
    import numpy as np

    from dfbench.cli import output
    from dfbench.data.datasets.contact_sheet import at_hand, choose, contact_sheet
    from dfbench.errors import StoreError, UsageError
    from dfbench.types import FrameChoice, PrepareSpec

    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if out is not None and out.suffix.casefold() not in kinds:
        raise UsageError(f"--out {out}: a contact sheet is a PNG or a JPEG", hints=("name it .png or .jpg",))
    setup, bars = setup_of(context), output.progress_bars()
    selected = Selected(dataset, data, size, split or (), compression)
    session = selected.session(setup, bars)
    videos = selected.videos(session)
    there = at_hand(videos)
    if len(there) < len(videos):
        bars.note(f"{len(there)} of {len(videos)} videos are on disk: the sheet is of these")
    chosen = choose(there, count, np.random.default_rng(seed))
    report = session.prepare(chosen, PrepareSpec(FrameChoice("uniform", 3)))
    path = out or Path(f"{setup.registry.dataset(dataset).name}_faces.png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(report.videos, columns=min(8, len(report.videos)))
        sheet.save(path, kinds[path.suffix.casefold()])
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hints=("choose another --out",)
        ) from error
    output.say(path)


def _usable(states: list[DatasetState]) -> list[DatasetState]:
    """`states`, of which one at least has an inventory. Raises the error of the first otherwise."""
    if states[0].error is not None and all(state.inventory is None for state in states):
        raise states[0].error
    return states


app.command("prepare")(prepare_command)
app.command("status")(status_command)
