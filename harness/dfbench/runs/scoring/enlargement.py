"""How far the crops of a run were enlarged, worked out from the face store when the run is done.

A detector's clips are cut from faces at most as large as in their video: where a face has fewer pixels than a clip shows of it,
it is enlarged, and a reader of the scores must know that. A run that was interrupted has it of all its videos all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import clip_positions, enlargements
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import read_track
from dfbench.errors import DfbenchError
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.records.facts import Enlargement
from dfbench.runs.records.score_table import read_scores
from dfbench.runs.scoring.plan import ScoringPlan
from dfbench.types import ClipSpec, Status, Video


def enlargement_of_tests(
    plan: ScoringPlan, session: ProtocolSession, prepared: Mapping[tuple[str, str], PreparedResult]
) -> dict[str, Enlargement]:
    """Return how far the crops of each test's scored videos were enlarged, by the key of the test.

    `prepared`: the faces that are at hand, by test and video; those of videos that were scored before are looked up. A test of
    whose videos no faces are there any more is left out; of the others, `videos` says how many were counted.
    """
    scores = read_scores(plan.folder, columns=("test", "video_id", "status"))
    scored = scores[scores["status"] == Status.OK]
    found: dict[str, Enlargement] = {}
    for key, videos in plan.videos.items():
        names = set(scored.loc[scored["test"] == key, "video_id"])
        wanted = [video for video in videos if video.video_id in names]
        faces = _faces(key, wanted, plan, session, prepared)
        counted = [values for one in faces if (values := _of_video(one, plan)) is not None]
        if counted:
            values = np.concatenate(counted)
            largest, median = float(values.max()), float(np.median(values))
            found[key] = Enlargement(round(largest, 4), round(median, 4), len(values), len(counted))
    return found


def _faces(
    key: str,
    videos: Sequence[Video],
    plan: ScoringPlan,
    session: ProtocolSession,
    prepared: Mapping[tuple[str, str], PreparedResult],
) -> Iterator[PreparedResult]:
    """The faces of videos, from `prepared` or the store."""
    before = [video for video in videos if (key, video.video_id) not in prepared]
    yield from (prepared[key, video.video_id] for video in videos if (key, video.video_id) in prepared)
    if before:
        yield from (one for one in session.prepared(before, plan.prepare) if one is not None)


def _of_video(faces: PreparedResult, plan: ScoringPlan) -> NDArray[np.float64] | None:
    """The enlargement of each crop of a video's clips, (n,); None if its faces are not there any more."""
    if faces.status is not Status.OK:
        return None
    clips: ClipSpec = plan.detector.card.clips_of(faces.video.dataset)
    try:
        track = read_track(faces.path).track
        rows = np.concatenate(clip_positions(track.frame_indices, clips))
    except DfbenchError:
        return None
    return enlargements(track, rows.tolist(), clips, plan.prepare)
