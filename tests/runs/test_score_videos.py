"""Scoring prepared faces: whatever a detector does, each video has a row, and one that is broken ends the run soon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runs.toy_runs import Notes
from torch import Tensor

from dfbench.data.preparing.outcomes import Prepared
from dfbench.errors import NoFaceError, ScoreError, StoreError, TooShortError
from dfbench.interfaces import Progress
from dfbench.progress import SilentProgress
from dfbench.runs.scoring import score_videos as module
from dfbench.runs.scoring.score_videos import MAX_FAILURES, READ_AHEAD, score_videos
from dfbench.types import ClipSpec, GivenFile, Status

CLIPS = ClipSpec(frames=2, size=8, per_video=3)


class Rows:
    """What was written, in order."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def add_video(self, video: GivenFile, **facts: Any) -> None:
        assert video.video_id not in self.rows
        self.rows[video.video_id] = {"status": Status.OK, **facts}

    def add_status(self, video: GivenFile, **facts: Any) -> None:
        assert video.video_id not in self.rows
        self.rows[video.video_id] = facts

    @property
    def statuses(self) -> list[str]:
        return [str(row["status"]) for row in self.rows.values()]


class Brightness:
    """Scores a clip by its brightness, unless `fault` does something else with the number of the video."""

    def __init__(self, fault: Callable[[int], Any] = lambda _: None) -> None:
        self.fault, self.seen = fault, 0

    def score(self, clips: Tensor) -> Tensor:
        number = int(clips[0, 0, 0, 0, 0])
        self.seen += 1
        found = self.fault(number)
        return clips.double().mean(dim=(1, 2, 3, 4)) if found is None else found


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of video N have the value N in all pixels; N clips of them, at most three."""

    def read_clips(
        path: Path, clips: ClipSpec, *, wanted: object
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        del wanted
        number = int(path.name)
        if number >= 90:
            raise {90: StoreError, 91: NoFaceError, 92: TooShortError}[number](f"reason {number}")
        count = min(clips.per_video, number)
        shape = (count, clips.frames, clips.size, clips.size, 3)
        return np.full(shape, number, np.uint8), np.arange(2 * count).reshape(count, 2)

    monkeypatch.setattr(module, "read_clips", read_clips)


def prepared(number: int, status: Status = Status.OK, reason: str = "") -> Prepared[GivenFile]:
    path = Path(str(number))
    return Prepared(GivenFile("files", path.name, path), status, reason, path, face_frames=5, wanted_frames=7)


def scored(detector: Any, videos: Sequence[Prepared[GivenFile]], *, progress: Progress | None = None) -> Rows:
    rows = Rows()
    score_videos(
        detector,
        videos,
        clips=CLIPS,
        writer=rows,
        progress=progress or SilentProgress(),
        description="score",
        who="detector 'bright'",
    )
    return rows


@pytest.mark.usefixtures("cut")
def test_each_clip_has_a_logit_and_each_video_says_where_its_face_is() -> None:
    rows = scored(Brightness(), [prepared(1), prepared(5, reason="a remark")]).rows
    assert rows["1"]["logits"].tolist() == [1.0]
    assert rows["5"]["logits"].tolist() == [5.0] * 3
    assert rows["5"]["frames"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (rows["5"]["reason"], rows["5"]["face_frames"], rows["5"]["wanted_frames"]) == ("a remark", 5, 7)
    assert rows["5"]["seconds"] >= 0


@pytest.mark.usefixtures("cut")
def test_videos_without_faces_have_a_row_and_no_detector_sees_them() -> None:
    detector = Brightness()
    videos = [prepared(1, Status.MISSING, "gone"), prepared(2), prepared(3, Status.NO_FACE, "none")]
    rows = scored(detector, [*videos, prepared(90), prepared(91), prepared(92)]).rows
    assert detector.seen == 1
    told = {name: (str(row["status"]), row["reason"]) for name, row in rows.items() if name != "2"}
    assert told == {
        "1": ("missing", "gone"),
        "3": ("no_face", "none"),
        "90": ("error", "reason 90"),
        "91": ("no_face", "reason 91"),
        "92": ("too_short", "reason 92"),
    }


def raising(error: BaseException) -> Callable[[int], Any]:
    def fault(_: int) -> Any:
        raise error

    return fault


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (raising(ZeroDivisionError("no")), "the detector failed: ZeroDivisionError: no"),
        (raising(SystemExit(3)), "the detector failed: SystemExit: 3"),
        (raising(ScoreError("too large")), "the detector failed: too large"),
        (lambda _: [1.0, 2.0], "the detector returned list, not a tensor"),
        (lambda _: torch.zeros(2, 1), r"the detector returned shape (2, 1) for 2 clips"),
        (lambda _: torch.zeros(2, dtype=torch.complex64), "the detector returned complex numbers"),
        (lambda _: torch.tensor([0.0, float("inf")]), "the detector returned NaN or infinity"),
    ],
)
def test_what_is_no_score_ends_that_video_as_an_error(fault: Callable[[int], Any], reason: str) -> None:
    notes = Notes()
    rows = scored(
        Brightness(lambda n: fault(n) if n == 2 else None), [prepared(n) for n in (1, 2, 3)], progress=notes
    )
    assert rows.statuses == ["ok", "error", "ok"]
    assert rows.rows["2"]["reason"] == reason
    assert notes.said == [f"error: files/2: {reason}"]


@pytest.mark.usefixtures("cut")
def test_ctrl_c_is_no_fault_of_a_video() -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(Brightness(raising(KeyboardInterrupt())), [prepared(1)])


@pytest.mark.usefixtures("cut")
def test_scores_of_any_kind_of_number_are_taken() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.int64):
        rows = scored(Brightness(lambda _, dtype=dtype: torch.ones(1, dtype=dtype)), [prepared(1)]).rows  # type: ignore[misc]
        assert rows["1"]["logits"].dtype == np.float64
        assert rows["1"]["logits"].tolist() == [1.0]


def numbered(number: int) -> Any:
    raise ValueError(f"clip {number} of {number * 7} bytes at 0x{number}")


@pytest.mark.usefixtures("cut")
def test_a_detector_that_fails_alike_for_several_in_a_row_is_broken() -> None:
    rows = Rows()
    videos = [prepared(number) for number in range(1, MAX_FAILURES + 3)]
    with pytest.raises(ScoreError, match=f"{MAX_FAILURES} videos in a row, the last files/5") as caught:
        score_videos(
            Brightness(numbered),
            videos,
            clips=CLIPS,
            writer=rows,
            progress=SilentProgress(),
            description="score",
        )
    assert rows.statuses == ["error"] * MAX_FAILURES  # and those are kept
    assert isinstance(caught.value.__cause__, ValueError)
    assert any("plugins check" in hint for hint in caught.value.hints)


@pytest.mark.usefixtures("cut")
@given(faults=st.lists(st.sampled_from(["", "a", "b"]), max_size=14))
@settings(max_examples=40, deadline=None)
def test_it_is_broken_after_so_many_of_one_fault_without_another_outcome_between(faults: list[str]) -> None:
    def fault(number: int) -> Any:
        if faults[number - 1]:
            raise ValueError(f"{faults[number - 1]} {number}")

    longest, like, run = 0, "", 0
    ends_at = len(faults)
    for number, kind in enumerate(faults, 1):
        run = (run + 1 if kind == like else 1) if kind else 0
        like = kind
        longest = max(longest, run)
        if run == MAX_FAILURES:
            ends_at = number
            break
    detector, videos = Brightness(fault), [prepared(number) for number in range(1, len(faults) + 1)]
    if longest == MAX_FAILURES:
        with pytest.raises(ScoreError):
            scored(detector, videos)
    else:
        rows = scored(detector, videos)
        assert rows.statuses == ["error" if kind else "ok" for kind in faults]
    assert detector.seen == ends_at


def test_clips_are_read_a_few_videos_ahead_and_kept_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    most: list[int] = []

    def read_clips(path: Path, clips: ClipSpec, *, wanted: object) -> Any:
        del clips, wanted
        begun.append(int(path.name))
        return np.full((1, 2, 8, 8, 3), int(path.name), np.uint8), np.zeros((1, 2), np.int64)

    monkeypatch.setattr(module, "read_clips", read_clips)
    rows = scored(
        Brightness(lambda number: most.append(max(begun) - number)), [prepared(n) for n in range(40)]
    )
    assert list(rows.rows) == [str(number) for number in range(40)]
    assert [row["logits"].tolist() for row in rows.rows.values()] == [[number] for number in range(40)]
    assert max(most) <= READ_AHEAD
    assert sorted(begun) == list(range(40))
