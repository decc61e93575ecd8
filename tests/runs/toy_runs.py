"""Runs and trainings of a toy, in this process and in a moment: no video is decoded, and each is scored by its number.

`Scoring` stands in the place of preparing and scoring. It notes what was scored, and may be cut off after so many videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.cli.toy_corpus import ToyPlugin

from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession, Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.scoring import evaluation
from dfbench.runs.scoring.plan import plan_scoring
from dfbench.types import Status, Video

if TYPE_CHECKING:
    import pytest

    from dfbench.interfaces import Progress
    from dfbench.runs.records.score_table import ScoreWriter

REQUEST = ScoringRequest("constant", "both")


class Notes(SilentProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


class Cut(Exception):  # noqa: N818 - it is no error of dfbench
    """Stands for whatever ends a run from outside."""


@dataclass
class Scoring:
    """How videos are scored. `cut_after`: so many videos (-1: never), by raising `error`; `failing`: ids that have no face."""

    cut_after: int = -1
    error: BaseException = field(default_factory=lambda: Cut("power cut"))
    failing: frozenset[str] = frozenset()
    scored: list[tuple[str, str]] = field(default_factory=list)
    opened: int = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Scoring:
        """Put this in the place of preparing and scoring; returns it."""
        monkeypatch.setattr(evaluation, "opened_scorer", self._open)
        monkeypatch.setattr(Session, "prepare", lambda _, videos, *__, **___: Prepared(videos))
        monkeypatch.setattr(evaluation, "score_videos", self._score)
        return self

    def _open(self, *_: object) -> nullcontext[object]:
        self.opened += 1
        return nullcontext(object())

    def _score(self, _: object, videos: Sequence[PreparedResult], *, writer: ScoreWriter, **__: Any) -> None:
        for one in videos:
            if len(self.scored) == self.cut_after:
                raise self.error
            video = one.video
            self.scored.append((video.compression, video.video_id))
            if video.video_id in self.failing:
                writer.add_status(video, status=Status.NO_FACE, reason="no face in any frame")
                continue
            number = int(video.video_id.rpartition("/")[2])
            logit = (number * 7 % 11) / 4 - 1 + int(video.label)
            writer.add_video(video, frames=np.zeros((1, 1), np.int64), logits=np.array([logit]))


@dataclass(frozen=True)
class Prepared:
    """What preparing returns: every video, as it lies."""

    expected: Sequence[Video]

    @property
    def videos(self) -> list[PreparedResult]:
        """The outcome of each."""
        return [PreparedResult(video, Status.OK, "", video.path) for video in self.expected]


def toy_setup(*listeners: object) -> Setup:
    """The toy's plugin and these; settings are those of the environment."""
    return Setup(Host.load([ToyPlugin(), *listeners]))


def score_toy(
    setup: Setup, request: ScoringRequest = REQUEST, *, progress: Progress | None = None, force: bool = False
) -> evaluation.ScoredRun:
    """Open a session, plan the run and score it, as `dfbench run` does."""
    session = open_toy(setup, request, progress=progress)
    return evaluation.score(plan_scoring(request, session), session, force=force)


def open_toy(
    setup: Setup, request: ScoringRequest = REQUEST, *, progress: Progress | None = None
) -> ProtocolSession:
    """Open the session of a request."""
    return open_scoring(request, setup, progress or SilentProgress())


def only_run(runs: Path) -> Path:
    """The folder of the one run that there is."""
    (run,) = (path.parent for path in runs.glob("*/run.json"))
    return run
