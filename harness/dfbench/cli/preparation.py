"""`dfbench data prepare` and `status`: the faces of a dataset, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of
from dfbench.escaping import for_shell

if TYPE_CHECKING:
    from dfbench.data.preparing.outcomes import PreparedResult
    from dfbench.hooks.registry import Registry
    from dfbench.interfaces import Progress
    from dfbench.runs.planning.session import Session
    from dfbench.runs.planning.setup import Setup
    from dfbench.types import PrepareSpec, Video

# Options of both prepare and status.
_Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Check every byte of the face files that are there, and of their videos; what does not fit counts as not prepared.",
    ),
]
_Purpose = Annotated[
    str,
    typer.Option(
        "--for", help="scoring; training or validation: the frames and landmarks that its trainer needs."
    ),
]
_Recipe = Annotated[
    str, typer.Option(help="Recipe of the training; if empty, the one that `train` and `run` would take.")
]
_Changes = Annotated[list[str] | None, typer.Option("--set", help="Recipe field, e.g. --set frames=8.")]
_Weights = Annotated[
    Path | None, typer.Option(help="Weights that will score the videos, for the clips that they want.")
]


def prepare_command(
    context: typer.Context,
    dataset: flags.Dataset,
    detector: Annotated[
        list[str],
        typer.Option("--detector", "-d", help="Prepare the frames that this detector scores; repeatable."),
    ],
    data: flags.Data = "",
    split: flags.Splits = None,
    compression: flags.Compression = "",
    size: flags.Size = "full",
    shard: Annotated[str, typer.Option(help="Only this share: 3/8 is the third of eight.")] = "1/1",
    scheduler: Annotated[
        str, typer.Option(help="Work on this dask cluster: tcp://HOST:8786, or its scheduler FILE.json.")
    ] = "",
    video_seconds: Annotated[
        float | None, typer.Option(help="A video that takes longer ends as an error; 1800 if not set.")
    ] = None,
    retry: Annotated[str, typer.Option(help="'failed': prepare again what failed, and nothing else.")] = "",
    verify: _Verify = False,
    purpose: _Purpose = "scoring",
    recipe: _Recipe = "",
    synthesizer: flags.Synthesizer = "",
    changes: _Changes = None,
    weights: _Weights = None,
) -> None:
    """Decode, find and store the faces of a dataset; goes on where it was interrupted.

    Each video is decoded once for all detectors, and what one of them has stored serves the others as far as it goes. Of
    several detectors, --recipe, --set and --synthesizer are for those that train. All boxes of the dataset that were found so
    far end in one table, tracks.parquet; not with --shard. Exits with 1 if none of the videos could be prepared.
    """
    from collections import Counter

    from dfbench.cli import output
    from dfbench.data.preparing.shard import parse_shard
    from dfbench.errors import RunError, UsageError
    from dfbench.runs.planning.sources import corpus_to_make
    from dfbench.types import Status

    if retry not in ("", "failed"):
        raise UsageError(f"--retry {retry}: only failures can be retried", hints=("use --retry failed",))
    share = parse_shard(shard)
    given = {"scheduler": scheduler or None, "video_seconds": video_seconds}
    changed = {name: value for name, value in given.items() if value is not None}
    setup, bars = setup_of(context).with_settings(**changed), output.progress_bars()
    asked = _Asked(purpose, recipe, tuple(changes or ()), weights, synthesizer)
    made = bool(corpus_to_make(data, setup.settings))
    needs = _needs_of_all(detector, asked, setup.registry, made=made)
    selected = Selected(dataset, data, size, split or (), compression)
    session = selected.session(setup, bars)
    videos = selected.videos(session)
    # A video is in the same share for all detectors, so that one task decodes it for all.
    videos = [video for video in videos if any(need.of([video]) for need in needs)]
    own = share.of(videos)
    if not own:
        output.say(f"nothing to do: share {shard} of {len(videos)} videos is empty")
    wanted = [(need.of(own), need.prepare) for need in needs]
    if retry:
        for need, (videos, spec) in zip(needs, wanted, strict=True):
            before = session.prepared(videos, spec)
            if all(one is None or one.status is Status.OK for one in before):
                output.say(
                    *need.named,
                    f"nothing to retry: {before.count(None)} of {len(videos)} videos are not prepared yet, none failed",
                )
    reports = session.prepare_all(wanted, retry=retry == "failed", verify=verify)
    for need, report in zip(needs, reports, strict=True):
        for status, count in sorted(Counter(str(one.status) for one in report.videos).items()):
            output.say(*need.named, status, count)
    if share.count == 1:  # otherwise, others write at the same time
        _write_boxes(needs, selected, session)
    failed = [
        (need.detector, len(report.videos))
        for need, report in zip(needs, reports, strict=True)
        if report.videos and not any(one.status is Status.OK for one in report.videos)
    ]
    if failed:
        name, count = failed[0]
        whose = f" for {', '.join(name for name, _ in failed)}" if len(needs) > 1 else ""
        raise RunError(
            f"none of the {count} videos could be prepared{whose}",
            hints=(f"see why:   dfbench data status {for_shell(dataset)} --detector {for_shell(name)}",),
        )


def _write_boxes(needs: Sequence[_Need], selected: Selected, session: Session) -> None:
    """Write the table of all boxes of the dataset that are known, one for each folder of the store; prints where they are."""
    from dfbench.cli import output
    from dfbench.data.preparing.box_table import tracks_path, write_tracks
    from dfbench.types import Status

    root = session.source.root_for(session.registry.dataset(selected.dataset))
    everything = replace(selected, splits=()).videos(session)
    written: set[Path] = set()
    for need in needs:
        known = session.prepared(need.of(everything), need.prepare)
        done = [one for one in known if one is not None and one.status is Status.OK]
        # Where a larger store holds all of them, their boxes are in its table.
        if own_files := [one for one in done if one.wanted is None]:
            path = tracks_path(own_files[0].path, root)
            if path not in written:
                output.say(*need.named, "boxes", write_tracks(done, path), path)
            written.add(path)


def status_command(
    context: typer.Context,
    dataset: flags.Dataset,
    detector: Annotated[str, typer.Option("--detector", "-d", help="The detector that the frames are for.")],
    data: flags.Data = "",
    split: flags.Splits = None,
    compression: flags.Compression = "",
    size: flags.Size = "full",
    as_json: Annotated[bool, typer.Option("--json", help="Print a row for every video as JSON.")] = False,
    verify: _Verify = False,
    purpose: _Purpose = "scoring",
    recipe: _Recipe = "",
    synthesizer: flags.Synthesizer = "",
    changes: _Changes = None,
    weights: _Weights = None,
) -> None:
    """How far the preparation of a dataset is, and why videos failed; prepares nothing."""
    from collections import Counter

    from dfbench.cli import output
    from dfbench.runs.planning.sources import corpus_to_make

    setup, bars = setup_of(context), output.progress_bars()
    made = bool(corpus_to_make(data, setup.settings))
    asked = _Asked(purpose, recipe, tuple(changes or ()), weights, synthesizer)
    need = _needs(detector, asked, setup.registry, made=made)
    selected = Selected(dataset, data, size, split or (), compression)
    session = selected.session(setup, bars, prepares=False)
    videos = need.of(selected.videos(session))
    found = session.prepared(videos, need.prepare, verify=verify, beside=True)
    rows = [
        {
            "video": video.video_id,
            "split": video.split,
            "status": "not prepared" if one is None else str(one.status),
            "reason": "" if one is None else one.reason,
            "face_frames": None if one is None or one.wanted_frames < 0 else one.face_frames,
            "wanted_frames": None if one is None or one.wanted_frames < 0 else one.wanted_frames,
        }
        for video, one in zip(videos, found, strict=True)
    ]
    if as_json:
        output.say_json(rows)
        return
    for status, count in sorted(Counter(row["status"] for row in rows).items()):
        output.say(status, count)
    counted = [one for one in found if one is not None and one.wanted_frames > 0]
    if counted:
        held, looked_at = (
            sum(one.face_frames for one in counted),
            sum(one.wanted_frames for one in counted),
        )
        output.say("frames with the face", f"{held} of {looked_at}")
    for video, one in zip(videos, found, strict=True):
        if one is not None and (told := _told(one)):
            output.say(video.video_id, one.status, told)


def _told(result: PreparedResult) -> str:
    """What is to be said of a video: that its face is seldom there, and the reason for its status; "" if nothing is."""
    from dfbench.types import FEW_FACES

    # Where there are no faces to count frames of, both numbers are -1.
    seldom = 0 <= result.face_frames < FEW_FACES * result.wanted_frames
    faces = f"the face is in {result.face_frames} of {result.wanted_frames} frames"
    return "; ".join([*([faces] if seldom else []), *([result.reason] if result.reason else [])])


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options that say for what of a detector its frames are."""

    purpose: str
    recipe: str
    changes: tuple[str, ...]
    weights: Path | None
    synthesizer: str


@dataclass(frozen=True, slots=True)
class _Need:
    """What a detector needs of a video, and of which labels (None: of all). `named`: its name where there are several."""

    detector: str
    prepare: PrepareSpec
    labels: frozenset[int] | None
    named: tuple[str, ...] = ()

    def of(self, videos: Sequence[Video]) -> list[Video]:
        """Return those of `videos` that the detector needs."""
        return [video for video in videos if self.labels is None or video.label in self.labels]


def _needs_of_all(detectors: Sequence[str], asked: _Asked, registry: Registry, *, made: bool) -> list[_Need]:
    """What each of the detectors needs, once. Raises UsageError for weights of one of several, and what `_needs` raises."""
    from dfbench.errors import UsageError

    names = list(dict.fromkeys(registry.detector(name).name for name in detectors))
    if len(names) == 1:
        return [_needs(names[0], asked, registry, made=made)]
    if asked.weights is not None:
        raise UsageError(
            f"--weights {asked.weights} is of one detector, and there are {len(names)}: {', '.join(names)}",
            hints=("prepare for the detector of these weights alone",),
        )
    trains = [bool(registry.detector(name).trainer) for name in names]
    plain = replace(asked, recipe="", changes=(), synthesizer="")
    return [
        replace(_needs(name, asked if able or not any(trains) else plain, registry, made=made), named=(name,))
        for name, able in zip(names, trains, strict=True)
    ]


def _needs(detector: str, asked: _Asked, registry: Registry, *, made: bool) -> _Need:
    """What a detector needs of a video. Raises UsageError, WeightsError, PluginError."""
    from dfbench.errors import UsageError
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.runs.planning.scored_clips import scored_clips
    from dfbench.runs.planning.trainers import needs_of, trainer_of
    from dfbench.training.state_files import check_weights_file

    spec, overrides = registry.detector(detector), parse_overrides(asked.changes)
    purpose, weights = asked.purpose, asked.weights
    if purpose not in ("scoring", "training", "validation"):
        raise UsageError(f"--for {purpose}: no such purpose", hints=("use scoring, training or validation",))
    if weights is not None:
        check_weights_file(weights)
    if purpose == "scoring":
        request = ScoringRequest(
            spec.name,
            weights=weights,
            recipe=asked.recipe,
            overrides=overrides,
            synthesizer=asked.synthesizer,
        )
        return _Need(spec.name, scored_clips(request, registry, made=made).prepare(), None)
    if weights is not None:
        raise UsageError(
            f"--weights goes with scoring, and not with --for {purpose}", hints=("leave out --weights",)
        )
    _, trainer = trainer_of(spec, registry, asked.recipe, overrides, made=made, synthesizer=asked.synthesizer)
    needs = needs_of(spec, trainer)
    if purpose == "training":
        return _Need(spec.name, needs.prepare, needs.labels)
    labels = needs.labels if needs.validation_labels is None else needs.validation_labels
    return _Need(spec.name, needs.prepare_validation, labels)


@dataclass(frozen=True, slots=True)
class Selected:
    """What the options `--data`, `--size`, `--split` and `--compression` name of one dataset."""

    dataset: str
    data: str
    size: str
    splits: Sequence[str]
    compression: str

    def session(self, setup: Setup, progress: Progress, *, prepares: bool = True) -> Session:
        """Refuse what is not there, then find the data or make them; returns a session on them.

        `prepares`: faces are found in them next, so that a missing face finder is refused too. Raises DfbenchError.
        """
        from dfbench.runs.planning.refusals import check_selection
        from dfbench.runs.planning.session import Session
        from dfbench.runs.planning.sources import data_source

        registry, settings = setup.registry, setup.settings
        check_selection(
            self.dataset,
            compression=self.compression,
            splits=self.splits,
            data=self.data,
            size=self.size,
            registry=registry,
            settings=settings,
            prepares=prepares,
        )
        source = data_source(self.data, registry, settings, size=self.size, progress=progress)
        return Session(setup.host, settings, source, progress)

    def videos(self, session: Session) -> list[Video]:
        """Return the videos of the selection. Raises DataError, UsageError."""
        from dfbench.data.datasets.manifest import select
        from dfbench.specs import VideoSelection

        spec, compression = session.registry.dataset(self.dataset), self.compression or None
        index = session.index(spec.name, compression)
        return select(
            index.videos, VideoSelection(spec.name, splits=tuple(self.splits), compression=compression)
        )
