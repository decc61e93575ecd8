"""`dfbench explain`: where and when a detector saw a forgery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of

if TYPE_CHECKING:
    from dfbench.errors import DfbenchError
    from dfbench.hooks.registry import Registry
    from dfbench.interfaces import Progress
    from dfbench.results.evidence.explanations import Part
    from dfbench.runs.evidence.excerpts import Excerpt
    from dfbench.runs.evidence.explaining import OpenExplainer
    from dfbench.runs.evidence.scored_faces import ScoredFaces
    from dfbench.runs.planning.setup import Setup
    from dfbench.runs.records.stored_run import StoredRun
    from dfbench.specs import DetectorSpec
    from dfbench.types import ClipSpec


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A video file, how to come by the faces that are scored of it, and what a run said of it."""

    path: Path
    faces: Callable[[], ScoredFaces]
    facts: Mapping[str, Any] = field(default_factory=dict)


SAME_SCORE = 0.005  # between the probability of a run and that of an explanation of the same clips


def explain_command(
    context: typer.Context,
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", metavar="VIDEO")] = None,
    detector: Annotated[
        str, typer.Option("--detector", "-d", help="Who explains; the first that can if empty.")
    ] = "",
    weights: Annotated[Path | None, typer.Option(help="Weights of the detector.")] = None,
    data: Annotated[
        str, typer.Option(help="'demo': use the weights of the demo data, trained if need be.")
    ] = "",
    run: Annotated[
        str, typer.Option(help="A stored run, by folder or name: explain videos of it with its weights.")
    ] = "",
    video: Annotated[list[str] | None, typer.Option("--video", help="Video id in --run; repeatable.")] = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="A map to make; repeatable, the first is drawn.")
    ] = None,
    start: Annotated[
        float | None, typer.Option(min=0.0, callback=flags.finite, help="Begin at this second.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, callback=flags.finite, help="Explain so many seconds of it.")
    ] = None,
    hop: Annotated[
        int | None, typer.Option(min=1, help="Frames from clip to clip; half a clip if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; 'explanations' in the folder of runs if not given."),
    ] = None,
    device: flags.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Make anew what is there already.")] = False,
) -> None:
    """Write for each VIDEO an annotated mp4, a contact sheet, a figure over time and the raw maps.

    The very clips are explained that a run scored, or that `dfbench predict` scores; with --start, --seconds or --hop,
    successive frames of the same face.
    """
    from dfbench.cli import output
    from dfbench.errors import CoverageError
    from dfbench.runs.evidence.excerpts import Excerpt
    from dfbench.runs.evidence.explaining import open_explainer
    from dfbench.runs.evidence.recorded import open_run, options_of, weights_of
    from dfbench.runs.planning.refusals import check_explaining, check_maps
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.runs.scoring.prediction import weights_for_files
    from dfbench.specs import LoadOptions
    from dfbench.training.launchers import refuse_several

    refuse_several("dfbench explain")
    setup, bars = setup_of(context), output.progress_bars()
    registry, settings = setup.registry, setup.settings
    _check_subject(run, video, videos)
    wanted: list[_Wanted]
    options, finder_name = LoadOptions(), settings.face_finder
    if run:
        recorded = open_run(run, settings)
        spec = _detector_of(recorded, detector, registry)
        check_maps(spec, maps or ())
        options = options_of(recorded, weights_of(recorded, settings, weights))
        finder_name = recorded.record.scoring.finder
        wanted = _of_run(recorded, video or [], setup, bars)
    else:
        spec = _detector(detector, registry)
        check_explaining(
            spec,
            videos or [],
            maps=maps or (),
            data=data,
            device=device,
            weights=weights,
            registry=registry,
            settings=settings,
        )
        if weights is None:
            request = ScoringRequest(spec.name, data=data, device=device)
            weights = weights_for_files(request, spec, setup, bars, to="explain")
        options, wanted = LoadOptions(weights), []
    options = replace(options, device=device)
    with open_explainer(spec, registry, options, names=tuple(maps or ())) as opened:
        part = None
        if any(one is not None for one in (start, seconds, hop)):
            part = _part(Excerpt(start or 0.0, seconds, hop), registry, device=device, finder=finder_name)
        wanted = wanted or _of_files(videos or [], opened.card.clips, setup, bars)
        place = out or settings.runs / "explanations"
        failed = _explain_each(opened, wanted, part, out=place, force=force, bars=bars)
    if failed:
        raise CoverageError(
            f"{len(failed)} of {len(wanted)} videos could not be explained: {', '.join(failed)}",
            hints=("the reasons stand above",),
        )


def _explain_each(
    opened: OpenExplainer,
    wanted: list[_Wanted],
    part: Part | None,
    *,
    out: Path,
    force: bool,
    bars: Progress,
) -> list[str]:
    """Explain each video and say where; returns the names of those that could not be explained, each with its status."""
    from dfbench.cli import output
    from dfbench.errors import PluginError, ScoreError, VideoError
    from dfbench.results.evidence.explanations import explain_to

    failed: list[str] = []
    for one in wanted:
        try:
            done = explain_to(
                opened,
                one.path,
                one.faces(),
                out=out,
                part=part,
                force=force,
                progress=bars,
                facts=one.facts,
            )
        except (VideoError, PluginError, ScoreError) as error:
            failed.append(f"{one.path.name} ({_status_of(error)})")
            bars.note(_said_of(one.path, error))
            continue
        if opened.notice:  # beside the verdict, and once
            bars.note(f"*** {opened.spec.name}: {opened.notice}")
        if part is None:
            _warn_of_another_score(one.path.name, done.probability, one.facts, bars)
        output.say(one.path.name, f"P(fake) {done.probability:.3f}", done.folder)
    return failed


def _part(excerpt: Excerpt, registry: Registry, *, device: str, finder: str) -> Part:
    from dfbench.results.evidence.explanations import Part
    from dfbench.runs.planning.finders import face_finder

    return Part(excerpt, *face_finder(registry, device=device, name=finder))


def _status_of(error: DfbenchError) -> str:
    """How a video ended that could not be explained."""
    from dfbench.errors import VideoError

    return error.status if isinstance(error, VideoError) else "error"


def _said_of(path: Path, error: DfbenchError) -> str:
    """Why a video could not be explained; of an error of the plugin, where in its code."""
    from dfbench.errors import VideoError

    if isinstance(error, VideoError):
        return f"{error.status}: {error.message}"
    return f"error: {path}: {' '.join((error.message, *error.hints[:2]))}"


def _warn_of_another_score(name: str, probability: float, facts: Mapping[str, Any], bars: Progress) -> None:
    """Say so if a run scored the clips that were explained otherwise."""
    then = facts.get("run_probability")
    if then is not None and abs(probability - then) > SAME_SCORE:
        bars.note(
            f"warning: {name}: P(fake) was {then:.3f} in the run; the detector, its precision or the device is not the one"
            " of the run"
        )


def _check_subject(run: str, video: list[str] | None, videos: list[Path] | None) -> None:
    """Raise UsageError unless either files are named or videos of a run."""
    from dfbench.errors import UsageError

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


def _detector(name: str, registry: Registry) -> DetectorSpec:
    from dfbench.errors import UsageError
    from dfbench.runs.planning.refusals import explaining_detectors

    if name:
        return registry.detector(name)
    able = explaining_detectors(registry)
    if not able:
        raise UsageError("no installed detector can explain itself", hints=("dfbench plugins list",))
    return registry.detector(able[0])


def _detector_of(run: StoredRun, name: str, registry: Registry) -> DetectorSpec:
    """The detector of a run, which `name` must not contradict."""
    from dfbench.errors import UsageError

    spec = registry.detector(run.record.detector.name)
    if name and registry.detector(name).name != spec.name:
        raise UsageError(
            f"run {run.name} is of detector {spec.name!r}, not {name!r}",
            hints=("leave out --detector",),
        )
    return spec


def _of_run(run: StoredRun, ids: list[str], setup: Setup, bars: Progress) -> list[_Wanted]:
    """Of each video the file, what the run said of it, and how to come by the faces that it scored."""
    from dfbench.runs.evidence.recorded import session_of, video_of
    from dfbench.runs.evidence.scored_faces import scored_faces

    session = session_of(run, setup, bars)
    found = [video_of(run, one, session) for one in ids]
    return [
        _Wanted(video.path, partial(scored_faces, run, video, session, test=facts["test"]), facts)
        for video, facts in found
    ]


def _of_files(paths: list[Path], clips: ClipSpec, setup: Setup, bars: Progress) -> list[_Wanted]:
    """Of each file, the faces that `dfbench predict` scores."""
    from dfbench.runs.evidence.scored_faces import faces_in
    from dfbench.runs.scoring.prediction import given_files, prepared_files, session_of_files

    prepared = prepared_files(given_files(paths), clips, session_of_files(setup, bars))
    return [_Wanted(one.video.path, partial(faces_in, one, clips)) for one in prepared]
