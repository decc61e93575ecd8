"""`dfbench localisation`: is the evidence where, and when, the forgery is?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of


def localisation_command(
    context: typer.Context,
    detector: Annotated[str, typer.Option("--detector", "-d", help="A detector that explains itself.")],
    data: flags.Data = "",
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only this dataset; repeatable. Every one with masks if not given."),
    ] = None,
    split: Annotated[str, typer.Option(help="The split whose fakes are explained.")] = "test",
    weights: Annotated[Path | None, typer.Option(help="Weights of the detector.")] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", help="Only this map; repeatable. The detector's standard ones if not given."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many fakes a dataset.")] = None,
    seed: flags.Seed = 0,
    device: flags.Device = "auto",
    size: flags.Size = "full",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the tables; 'localisation' in the folder of runs if not given."),
    ] = None,
) -> None:
    """Compare a detector's maps with the mask videos of fakes, and its evidence over time with spliced videos."""
    from dfbench.cli import output
    from dfbench.data.folders import below, require_below
    from dfbench.results.evidence.localisation import render_when, render_where, summarise, write_localisation
    from dfbench.runs.evidence.explaining import open_explainer
    from dfbench.runs.evidence.localisation import BORDER, MASK, localise, masked_videos
    from dfbench.runs.planning.opening import open_scoring
    from dfbench.runs.planning.refusals import check_maps, check_selection, load_options, require_explainer
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.runs.trainings.weights import find_weights
    from dfbench.text import folder_name
    from dfbench.training.launchers import refuse_several

    refuse_several("dfbench localisation")
    request = ScoringRequest(
        detector=detector, data=data, weights=weights, seed=seed, device=device, size=size
    )
    setup = setup_of(context)
    registry = setup.registry
    require_explainer(registry.detector(detector), registry)
    check_maps(registry.detector(detector), maps or ())
    for name in dataset or ():
        check_selection(
            name,
            compression="",
            splits=(split,),
            data=data,
            size=size,
            registry=registry,
            settings=setup.settings,
        )
    session = open_scoring(request, setup, output.progress_bars(), purpose="explain")
    videos = masked_videos(session, dataset or (), split)
    corpus = session.source.corpus_of(videos)
    options = load_options(request, session.spec)
    if weights is None and session.spec.needs_weights:
        options = replace(options, weights=find_weights(request, session))
    with open_explainer(session.spec, session.registry, options, names=tuple(maps or ())) as opened:
        if opened.notice:
            session.progress.note(f"*** {opened.spec.name}: {opened.notice}")
        result = localise(session, opened, videos, limit=limit)
    where, when = summarise(result)
    name = f"{folder_name(session.spec.name)}-{corpus}-{split}"
    tail = opened.weights_sha256[:8] or f"seed{seed}"
    place = session.settings.runs / "localisation"
    folder = out or require_below(session.settings.runs, below(place, folder_name(f"{name}-{tail}")))
    for target in (MASK, BORDER):
        output.print_table(render_where(where, target))
    if len(when):
        output.print_table(render_when(when))
    for reason in result.skipped:
        output.say(f"not used: {reason}", error=True)
    write_localisation(result, where, when, folder)  # last: where it cannot be written, it stands above
    output.say(f"written to {folder}")
