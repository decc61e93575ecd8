"""`dfbench explain`: where and when a detector saw a forgery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.interfaces import Progress
    from dfbench.runs.cards import Reading
    from dfbench.settings import Settings
    from dfbench.types import DetectorSpec


def explain_command(
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", metavar="VIDEO...")] = None,
    detector: Annotated[
        str, typer.Option("--detector", "-d", help="Who explains; the first that can if empty.")
    ] = "",
    weights: Annotated[Path | None, typer.Option(help="Weights of the detector.")] = None,
    data: Annotated[str, typer.Option(help="'demo': use the weights of the demo data.")] = "",
    run: Annotated[
        str, typer.Option(help="A stored run, by folder or name: explain videos of it with its weights.")
    ] = "",
    video: Annotated[list[str] | None, typer.Option("--video", help="Video id in --run; repeatable.")] = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="A map to make; repeatable, the first is drawn.")
    ] = None,
    start: Annotated[float, typer.Option(min=0.0, help="Begin at this second.")] = 0.0,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Explain so many seconds of it.")] = None,
    hop: Annotated[
        int | None, typer.Option(min=1, help="Frames from clip to clip; half a clip if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; 'explanations' in the folder of runs if not given."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Make anew what is there already.")] = False,
) -> None:
    """Write for each VIDEO an annotated mp4, a contact sheet, a figure over time and the raw maps."""
    from dfbench.cli import output
    from dfbench.errors import CoverageError, UsageError, VideoError
    from dfbench.hooks.host import Host
    from dfbench.results.explanations import explain_to
    from dfbench.runs.cards import Reading
    from dfbench.runs.explaining import Excerpt, open_explainer
    from dfbench.runs.launchers import refuse_several
    from dfbench.runs.sources import face_finder
    from dfbench.settings import load_settings

    refuse_several("dfbench explain")
    registry, settings, bars = Host.load().registry, load_settings(), output.progress()
    if bool(run) != bool(video):
        raise UsageError(
            "--run and --video go together", hints=("dfbench explain --run RUN --video DATASET/VIDEO_ID",)
        )
    if bool(run) == bool(videos):
        raise UsageError(
            "name either video files or videos of a run",
            hints=(
                "dfbench explain VIDEO.mp4 --weights W",
                "dfbench explain --run RUN --video DATASET/VIDEO_ID",
            ),
        )
    spec: DetectorSpec
    wanted: list[tuple[Path, dict[str, Any], float | None]]
    reading = Reading()
    if run:
        spec, weights, reading, wanted = _of_run(
            run, video or [], detector, weights, registry, settings, bars
        )
    else:
        spec = _detector(detector, registry)
        weights = weights or _made_weights(spec, data, device, bars)
        wanted = [(path, {}, None) for path in videos or []]
    opened = open_explainer(
        spec, registry, weights=weights, device=device, names=tuple(maps or ()), reading=reading
    )
    finder, version = face_finder(registry, device=device, name=settings.face_finder)
    failed: list[str] = []
    for path, facts, margin in wanted:
        try:
            done = explain_to(
                opened,
                path,
                out=out or settings.runs / "explanations",
                finder=finder,
                finder_version=version,
                excerpt=Excerpt(start=start, seconds=seconds, hop=hop),
                force=force,
                progress=bars,
                facts=facts,
                margin=margin,
            )
        except VideoError as error:
            failed.append(f"{path.name} ({error.status})")
            bars.note(f"{error.status}: {error.message}")
            continue
        typer.echo(f"{path.name}\tP(fake) {done.probability:.3f}\t{done.folder}")
    if failed:
        raise CoverageError(
            f"{len(failed)} of {len(wanted)} videos could not be explained: {', '.join(failed)}",
            hints=("the reasons stand above",),
        )


def _detector(name: str, registry: Registry) -> DetectorSpec:
    from dfbench.errors import UsageError
    from dfbench.runs.explaining import explaining_detectors

    if name:
        return registry.detector(name)
    able = explaining_detectors(registry)
    if not able:
        raise UsageError("no installed detector can explain itself", hints=("dfbench plugins list",))
    return registry.detector(able[0])


def _made_weights(spec: DetectorSpec, data: str, device: str, bars: Progress) -> Path | None:
    """Weights for made data, such as the demo's, trained now if need be; none if no data are named."""
    from dfbench.runs.stage import RunRequest, open_stage
    from dfbench.runs.weights import find_weights

    if not data or not spec.needs_weights:
        return None
    request = RunRequest(detector=spec.name, data=data, device=device)
    return find_weights(request, open_stage(request, bars))


def _of_run(
    name: str,
    ids: list[str],
    detector: str,
    weights: Path | None,
    registry: Registry,
    settings: Settings,
    bars: Progress,
) -> tuple[DetectorSpec, Path | None, Reading, list[tuple[Path, dict[str, Any], float | None]]]:
    """The detector, its weights, how they are read, and of each video the file, what the run said of it, its margin."""
    from dfbench.errors import UsageError
    from dfbench.runs.recorded import open_run, reading_of, source_of, video_of, weights_of

    run = open_run(name, settings)
    spec = registry.detector(str(run.record["detector"]["name"]))
    if detector and registry.detector(detector).name != spec.name:
        raise UsageError(
            f"run {run.folder.name} is of detector {spec.name!r}, not {detector!r}",
            hints=("leave out --detector",),
        )
    source = source_of(run, registry, settings, bars)
    found = [video_of(run, one, source, registry) for one in ids]
    margins = run.record.get("margins", {})
    wanted = [(one.path, facts, margins.get(one.dataset)) for one, facts in found]
    return spec, weights_of(run, settings, weights), reading_of(run), wanted
