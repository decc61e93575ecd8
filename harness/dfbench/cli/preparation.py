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
        str, typer.Option("--detector", "-d", help="Prepare the frames that this detector scores.")
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

    All boxes of the dataset that were found so far end in one table, tracks.parquet; not with --shard. Exits with 1 if
    none of the videos could be prepared.
    """
    from collections import Counter

    from dfbench.cli import output
    from dfbench.data.preparing.box_table import tracks_path, write_tracks
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
    registry = setup.registry
    made = bool(corpus_to_make(data, setup.settings))
    wanted, labels = _needs(
        detector, purpose, recipe, changes, registry, made=made, weights=weights, synthesizer=synthesizer
    )
    selected = Selected(dataset, data, size, split or (), compression)
    session = selected.session(setup, bars)
    videos = _labelled(selected.videos(session), labels)
    own = share.of(videos)
    if not own:
        output.say(f"nothing to do: share {shard} of {len(videos)} videos is empty")
    if retry:
        before = session.prepared(own, wanted)
        if all(one is None or one.status is Status.OK for one in before):
            output.say(
                f"nothing to retry: {before.count(None)} of {len(own)} videos are not prepared yet, none failed"
            )
    report = session.prepare(own, wanted, retry=retry == "failed", verify=verify)
    for status, count in sorted(Counter(str(one.status) for one in report.videos).items()):
        output.say(status, count)
    if share.count == 1:  # otherwise, others write at the same time
        everything = _labelled(replace(selected, splits=()).videos(session), labels)
        known = session.prepared(everything, wanted)
        done = [one for one in known if one is not None and one.status is Status.OK]
        # Where a larger store holds all of them, their boxes are in its table.
        if own_files := [one for one in done if one.wanted is None]:
            path = tracks_path(own_files[0].path, session.source.root_for(registry.dataset(dataset)))
            output.say("boxes", write_tracks(done, path), path)
    if report.videos and not any(one.status is Status.OK for one in report.videos):
        raise RunError(
            f"none of the {len(report.videos)} videos could be prepared",
            hints=(f"see why:   dfbench data status {for_shell(dataset)} --detector {for_shell(detector)}",),
        )


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
    registry = setup.registry
    made = bool(corpus_to_make(data, setup.settings))
    wanted, labels = _needs(
        detector, purpose, recipe, changes, registry, made=made, weights=weights, synthesizer=synthesizer
    )
    selected = Selected(dataset, data, size, split or (), compression)
    session = selected.session(setup, bars, prepares=False)
    videos = _labelled(selected.videos(session), labels)
    found = session.prepared(videos, wanted, verify=verify, beside=True)
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


def _needs(
    detector: str,
    purpose: str,
    recipe: str,
    changes: list[str] | None,
    registry: Registry,
    *,
    made: bool,
    weights: Path | None,
    synthesizer: str,
) -> tuple[PrepareSpec, frozenset[int] | None]:
    """What a detector needs of a video, and of which labels (None: of all)."""
    from dfbench.errors import UsageError
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.runs.planning.scored_clips import scored_clips
    from dfbench.runs.planning.trainers import needs_of, trainer_of
    from dfbench.training.state_files import check_weights_file

    spec, overrides = registry.detector(detector), parse_overrides(changes or [])
    if purpose not in ("scoring", "training", "validation"):
        raise UsageError(f"--for {purpose}: no such purpose", hints=("use scoring, training or validation",))
    if weights is not None:
        check_weights_file(weights)
    if purpose == "scoring":
        request = ScoringRequest(
            spec.name, weights=weights, recipe=recipe, overrides=overrides, synthesizer=synthesizer
        )
        clips = scored_clips(request, registry, made=made)
        return clips.prepare(), None
    if weights is not None:
        raise UsageError(
            f"--weights goes with scoring, and not with --for {purpose}", hints=("leave out --weights",)
        )
    _, trainer = trainer_of(spec, registry, recipe, overrides, made=made, synthesizer=synthesizer)
    needs = needs_of(spec, trainer)
    if purpose == "training":
        return needs.prepare, needs.labels
    return (
        needs.prepare_validation,
        needs.labels if needs.validation_labels is None else needs.validation_labels,
    )


def _labelled(videos: list[Video], labels: frozenset[int] | None) -> list[Video]:
    return videos if labels is None else [one for one in videos if one.label in labels]


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
