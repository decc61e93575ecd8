"""The faces that are scored of a video: its file in the face store; of a run, found again or made again as the run made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.data.datasets.manifest import file_fingerprints
from dfbench.data.fingerprints import ABSENT
from dfbench.errors import (
    MissingVideoError,
    NoFaceError,
    StoreError,
    TooShortError,
    UndecodableVideoError,
    VideoError,
)
from dfbench.escaping import for_shell
from dfbench.runs.planning.session import Session
from dfbench.types import (
    CROPPING,
    DECODING,
    TRACKING,
    ClipSpec,
    PrepareSpec,
    Status,
    Video,
)

if TYPE_CHECKING:
    from dfbench.data.preparing.outcomes import Prepared, PreparedResult
    from dfbench.runs.records.stored_run import StoredRun

_ERRORS = {one.status: one for one in (MissingVideoError, UndecodableVideoError, NoFaceError, TooShortError)}


@dataclass(frozen=True, slots=True)
class ScoredFaces:
    """What is scored of a video: the file of its faces, and the clips that are cut out of it; `wanted`: as in `Prepared`."""

    path: Path
    clips: ClipSpec
    wanted: PrepareSpec | None = None


def scored_faces(run: StoredRun, video: Video, session: Session, *, test: str) -> ScoredFaces:
    """The faces of `video` as `run` scored them for a test with this key, prepared again if they are no longer in the store.

    Raises VideoError with the status of a video that has none, or if its file or mask is not the one it was; StoreError if
    they can only be made otherwise now.
    """
    key, now = (test, video.video_id), file_fingerprints([video], test=test)
    then = run.files().get(key, now[key])
    if now[key] != then and now[key][0] != ABSENT:
        what = "file" if now[key][0] != then[0] else "mask"
        raise VideoError(
            f"{video.path}: its {what} is not the one that it had when run {run.name} scored it",
            hints=_again(video),
        )
    spec, clips = run.prepare_spec(), run.clips_of(video.dataset)
    if clips.cropping != CROPPING:
        raise StoreError(
            f"clips are cut in another way now than when run {run.name} scored them",
            hints=_again(video),
        )
    known = session.prepared_as([video], spec)[0]
    return faces_in(known or _made_again(run, video, spec, session), clips)


def faces_in(outcome: Prepared[Any], clips: ClipSpec) -> ScoredFaces:
    """The faces of a video that was prepared, of which these clips are scored. Raises VideoError if it has none."""
    if outcome.status is not Status.OK:
        raise _ERRORS.get(str(outcome.status), VideoError)(outcome.reason)
    return ScoredFaces(outcome.path, clips, outcome.wanted)


def _again(video: Video) -> tuple[str, str]:
    """What to do where a run's clips cannot be had again."""
    return (
        "run again, and explain that run",
        f"or explain the file:   dfbench explain {for_shell(video.path)}",
    )


def _made_again(run: StoredRun, video: Video, spec: PrepareSpec, session: Session) -> PreparedResult:
    versions = (spec.tracking, spec.decoding)
    if versions != (TRACKING, DECODING) or session.with_finder(spec) != spec:
        raise StoreError(
            f"the faces that run {run.name} scored are not in the store any more, "
            "and faces are found in another way now",
            hints=_again(video),
        )
    return session.prepare([video], spec).videos[0]
