"""`dfbench runs`: which runs are stored, whether they follow from their records, and copies of them to give away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags, output
from dfbench.cli.output import WholeSummaries
from dfbench.cli.shared import settings_of, setup_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dfbench.results.verified import Verified
    from dfbench.runs.records.stored_run import StoredRun

app = typer.Typer(help="List, verify and export stored runs.", no_args_is_help=True, cls=WholeSummaries)

_Runs = Annotated[
    Path | None, typer.Option("--runs", help="The folder of runs; the configured one if not given.")
]


@app.command("list")
def list_command(context: typer.Context, runs: _Runs = None, as_json: flags.Json = False) -> None:
    """List the stored runs: what each is, and how it ended."""
    from dfbench.results.terminal import DataTable
    from dfbench.runs.records.listing import listed_runs

    found = listed_runs(settings_of(context, runs).runs)
    if as_json:
        output.say_json([one.to_json() for one in found])
        return
    table = DataTable("run", "entry", "protocol", "corpus", "status", "finished")
    for one in found:
        table.add_row(one.run, one.entry, one.protocol, one.corpus, one.status, one.finished[:10])
    output.print_table(table)
    for one in found:
        if one.problem:
            output.say(f"{one.run}: {one.problem}")


@app.command("show")
def show_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run by name or folder.")],
    by: Annotated[
        str, typer.Option(help="Also by groups of videos: manipulation, compression or split.")
    ] = "",
    runs: _Runs = None,
    as_json: flags.Json = False,
) -> None:
    """Show a stored run: what it is, what worked on it, and every measure of its scores."""
    from dataclasses import asdict

    from dfbench.results.checked import check_run
    from dfbench.results.measures import measures_of, worst_groups
    from dfbench.results.paired import scored_videos
    from dfbench.results.renderings.measures import measures_tables
    from dfbench.runs.evidence.recorded import open_run

    settings = settings_of(context, runs)
    run = open_run(name, settings)
    problems = check_run(run, kept=settings.cache).problems
    found = measures_of(scored_videos(run), by=by)
    if as_json:
        output.say_json(
            {
                "run": run.folder.name,
                "entry": run.record.entry,
                "status": run.record.status,
                "problems": problems,
                "enlargement": {
                    key: asdict(test.enlargement)
                    for key, test in run.record.tests.items()
                    if test.enlargement is not None
                },
                "measures": [one.to_json() for one in found],
            }
        )
        return
    output.say_lines(_facts(run))
    for table in measures_tables(found):
        output.print_table(table)
    output.say_lines(worst_groups(found))
    for problem in problems:
        output.say(f"warning: not to be trusted: {problem}", error=True)


def _facts(run: StoredRun) -> Iterator[str]:
    """What a run says of itself, a line for each fact."""
    record = run.record
    weights = record.detector.weights_sha256
    yield f"{run.folder.name}: {record.entry}"
    yield f"  detector:  {record.detector.name}, {f'weights {weights}' if weights else 'without weights'}"
    yield f"  protocol:  {record.protocol.name} on the corpus {record.corpus}"
    yield f"  status:    {record.status}{record.error and f': {record.error}'}"
    for key, test in record.tests.items():
        if test.enlargement is not None:
            yield f"  crops:     {key}: {test.enlargement.in_words()}"
    for session in record.sessions:
        software = session.software
        where = ", ".join(filter(None, [session.device, software.cpu, software.platform]))
        until = session.finished or "killed"
        yield f"  session:   {session.started} to {until}, dfbench {software.dfbench}, {where}"
        if session.finder:
            yield f"  faces by:  {session.finder}"


@app.command("verify")
def verify_command(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs by name or folder, or folders of runs; all if not given."),
    ] = None,
    runs: _Runs = None,
    as_json: flags.Json = False,
) -> None:
    """Check that runs follow from their records: lists, scores, tables, and data where they are at hand; exits with 1 if not."""
    from dfbench.errors import RunError
    from dfbench.results.verified import WRONG, folders_of, states_of, verify

    settings = settings_of(context, runs)
    setup = setup_of(context)
    found: list[Verified] = []
    bars = output.progress_bars()
    folders = folders_of(names or [], settings)
    with bars.task("verify runs", len(folders)) as task:
        for folder in folders:
            found.append(verify(folder, setup, bars))
            task.advance(note=folder.name)
    if as_json:
        output.say_json([one.to_json() for one in found])
    else:
        _print(found)
    if wrong := [one.run for one in found if one.state in WRONG]:
        raise RunError(
            f"of {len(found)} runs: {states_of(found)}",
            hints=(f"not to be trusted: {', '.join(wrong[:3])}{' ...' * (len(wrong) > 3)}",),
        )


@app.command("export")
def export_command(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="The new folder for the copies.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="Runs by name or folder; all if not given.")
    ] = None,
    runs: _Runs = None,
    as_json: flags.Json = False,
) -> None:
    """Copy runs to DIR without what their readers need not know, such as folders and names of machines; says what it left out."""
    from dfbench.results.exporting import export_runs
    from dfbench.results.verified import folders_of

    settings = settings_of(context, runs)
    exported = export_runs(folders_of(names or [], settings), target, settings)
    if as_json:
        output.say_json(
            [{"run": one.run.name, "copy": str(one.copy), "left_out": one.left_out} for one in exported]
        )
        return
    for one in exported:
        output.say(f"wrote {one.copy}")
        for what in one.left_out:
            output.say(f"  left out: {what}")
    output.say(
        "ids of videos stay as the data sets have them: look at those of your own videos before you publish"
    )


def _print(found: Sequence[Verified]) -> None:
    from dfbench.results.terminal import DataTable
    from dfbench.results.verified import states_of

    table = DataTable(
        "run", "state", "checked", legend="This is no proof against a forger, who can make a whole other run."
    )
    for one in found:
        table.add_row(one.run, str(one.state), ", ".join(one.checked) or "-")
    output.print_table(table)
    for one in found:
        for problem in one.problems:
            output.say(f"{one.run}: {problem}")
        for note in one.notes:
            output.say(f"note: {one.run}: {note}")
    output.say(f"{len(found)} runs: {states_of(found)}")
