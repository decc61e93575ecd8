"""Runs in a moment: Celeb-DF in its official layout with empty files, and scores that nobody computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import write

from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.runs.planning.session import Session
from dfbench.runs.records.score_table import ScoreWriter
from dfbench.runs.scoring import evaluation
from dfbench.types import Status, Video

TEST_LIST = "List_of_testing_videos.txt"


def celeb(
    root: Path, *, reals: int, fakes: int, lines: Sequence[str] = (), card: tuple[int, int] | None = None
) -> Path:
    """Celeb-DF (v2) with a test list of so many videos and further `lines`; returns `root`.

    `card`: the counts of reals and fakes that a corpus of its own, "mine", is said to have.
    """
    names = [f"1 Celeb-real/id{number}_0000.mp4" for number in range(reals)]
    names += [f"0 Celeb-synthesis/id{number}_id{number + 1}_0000.mp4" for number in range(fakes)]
    files = {line.split()[1]: b"" for line in names}
    files[TEST_LIST] = "\n".join([*names, *lines]).encode()
    if card is not None:
        counts = {"test": {"real": card[0], "fake": card[1]}}
        files["dfbench-corpus.json"] = json.dumps({"corpus": "mine", "official": counts}).encode()
    return write(root, files)


@dataclass(frozen=True, slots=True)
class _Report:
    videos: Sequence[PreparedResult]


def score_without_work(
    monkeypatch: pytest.MonkeyPatch,
    *,
    failed: Callable[[Video], bool] = lambda _: False,
    reason: Callable[[Video], str] = lambda _: "no face in any frame",
) -> None:
    """Make every run score its videos at once, each by its number in its name; those that `failed` picks have no face, for a
    `reason`."""

    def prepare(_: Session, videos: Sequence[Video], *__: Any, **___: Any) -> _Report:
        return _Report(
            [PreparedResult(video, Status.OK, "", video.path.with_suffix(".faces")) for video in videos]
        )

    def score(_: object, videos: Sequence[PreparedResult], *, writer: ScoreWriter, **__: Any) -> None:
        rng = np.random.default_rng(0)
        for one in videos:
            logit = rng.normal() + int(one.video.label)
            if failed(one.video):
                writer.add_status(one.video, status=Status.NO_FACE, reason=reason(one.video))
            else:
                writer.add_video(one.video, frames=np.zeros((1, 1), np.int64), logits=np.array([logit]))

    monkeypatch.setattr(evaluation, "opened_scorer", lambda *_: nullcontext(object()))
    monkeypatch.setattr(Session, "prepare", prepare)
    monkeypatch.setattr(evaluation, "score_videos", score)
