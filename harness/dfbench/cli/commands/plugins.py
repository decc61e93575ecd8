"""`dfbench plugins`: what is installed, what is wrong with it, and how to begin one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import output
from dfbench.cli.output import WholeSummaries
from dfbench.cli.shared import setup_of
from dfbench.errors import PluginError
from dfbench.escaping import for_shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dfbench.hooks.host import PluginRecord

app = typer.Typer(help="List, check and begin plugins.", no_args_is_help=True, cls=WholeSummaries)


@app.command("list")
def list_plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a script.")] = False,
) -> None:
    """Show every plugin, what it offers, and why it failed if it did; exits with 1 if one did."""
    from dfbench.hooks.host import PluginStatus

    records = setup_of(context).host.plugins
    if as_json:
        output.say_json([_as_json(record) for record in records], indent=2)
    else:
        _print_records(records)
    failed = [record.name for record in records if record.status is PluginStatus.FAILED]
    if failed:
        raise PluginError(
            f"{len(failed)} of {len(records)} plugins failed: {', '.join(failed)}",
            hints=("why stands above; to go on without one: DFBENCH_DISABLE_PLUGINS=NAME",),
        )


@app.command("new")
def new_plugin(
    context: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="What to begin: detector or trainable-detector.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, a lower-case Python identifier.")],
    folder: Annotated[Path | None, typer.Option(help="Where to write it [default: ./NAME].")] = None,
) -> None:
    """Write a minimal package that can be installed and run at once."""
    from dfbench.hooks.scaffold import new_plugin as write_plugin

    written = write_plugin(kind, name, folder or Path(name), host=setup_of(context).host)
    output.say(f"wrote {written}; now:")
    # A bare name would be looked up on the package index, where a stranger's package may have it.
    place = written if written.is_absolute() else Path(".", written)
    shown = str(place) if place.is_absolute() else f"./{place}"
    output.say(f"  pip install --no-deps --no-build-isolation {for_shell(shown)}")
    output.say(f"  dfbench plugins check {for_shell(name)}")
    output.say(f"  dfbench run --detector {for_shell(name)} --protocol cross-dataset")


@app.command("check")
def check_plugin(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DETECTOR", help="The name of a detector.")],
    device: Annotated[str, typer.Option(help="Where to run it: cpu, cuda, cuda:1, ...")] = "cpu",
    weights: Annotated[Path | None, typer.Option(help="Its weights, if it needs any.")] = None,
) -> None:
    """Check that a detector behaves: shapes, same score alone and in any batch, repeatability. One that dfbench trains is
    trained for a few steps on made-up faces if it is given no weights."""
    from dfbench.hooks.conformance import check_detector
    from dfbench.results.terminal import styled

    registry = setup_of(context).registry
    spec = registry.detector(name)
    if spec.method and weights is None:
        from dfbench.training.conformance import check_training

        results = check_training(spec, registry, device=device)
    else:
        results = check_detector(spec, device=device, weights=weights)
    console = output.console()
    for result in results:
        state = ("ok    ", "green") if result.passed else ("failed", "red")
        console.print(styled(state, f" {result.name}"), soft_wrap=True)
        output.say_block(result.detail, indent=" " * 9)
    failed = sum(not result.passed for result in results)
    if failed:
        raise PluginError(
            f"detector {name!r} failed {failed} of {len(results)} checks",
            hints=("each check is described in docs/plugins.md",),
        )
    output.say(f"detector {name!r} passed all {len(results)} checks")


def _as_json(record: PluginRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "status": record.status.value,
        "offers": {kind.value: list(names) for kind, names in record.offers.items()},
        "hooks": list(record.hooks),
        "error": record.error,
        "traceback": record.traceback,
    }


def _print_records(records: Sequence[PluginRecord]) -> None:
    from dfbench.hooks.host import PluginStatus
    from dfbench.hooks.loading import EVENT_HOOKS
    from dfbench.results.terminal import DataTable, styled

    colours = {PluginStatus.OK: "green", PluginStatus.FAILED: "red", PluginStatus.DISABLED: "yellow"}
    table = DataTable("plugin", "distribution", "status", "offers")
    for record in records:
        offers = [f"{kind.words}: {', '.join(names)}" for kind, names in record.offers.items()]
        offers += [hook for hook in record.hooks if hook in EVENT_HOOKS]
        origin = f"{record.distribution} {record.version}".strip() or "(object)"
        status = styled(record.status, style=colours[record.status])
        table.add_row(record.name, origin, status, offers if record.status is PluginStatus.OK else "")
    output.console().print(table)
    for record in records:
        if record.error:
            output.say(f"{record.status} {record.name!r}: {record.error}")
            output.say_block(record.traceback, indent="    ")
