"""Single files, scored by the way of a run: an outcome for each in their order, and bounds that say how far clips agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.toy_corpus import ToyPlugin
from tests.runs.toy_runs import Notes

from dfbench.data.preparing.outcomes import Prepared
from dfbench.errors import ScoreError, StoreError, UsageError, WeightsError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.score_table import sigmoid
from dfbench.runs.scoring import prediction
from dfbench.runs.scoring.prediction import (
    clip_interval,
    given_files,
    predict_files,
    prepared_files,
    weights_for_files,
)
from dfbench.types import ClipSpec, GivenFile, Pooling, Status

HOST = Host.load([ToyPlugin()])
LOGITS = st.lists(st.floats(-8, 8), min_size=1, max_size=6).map(np.array)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(HOST, runs=tmp_path / "runs", cache=tmp_path / "cache", data={"roots": {}})


def pooled(logits: np.ndarray[Any, Any], pooling: Pooling) -> float:
    if pooling is Pooling.MEAN_PROB:
        return float(sigmoid(logits).mean())
    return float(sigmoid(np.array(logits.max() if pooling is Pooling.MAX else logits.mean())))


@given(logits=LOGITS, pooling=st.sampled_from(list(Pooling)))
@settings(max_examples=40, deadline=None)
def test_bounds_hold_the_probability_and_lie_within_the_clips(
    logits: np.ndarray[Any, Any], pooling: Pooling
) -> None:
    probability = pooled(logits, pooling)
    low, high = clip_interval(logits, probability, pooling, rng=np.random.default_rng(0))
    if len(logits) == 1:
        assert math.isnan(low)
        assert math.isnan(high)
        return
    lowest, highest = sigmoid(np.array([logits.min(), logits.max()]))
    assert lowest - 1e-12 <= low <= probability <= high <= highest + 1e-12
    again = clip_interval(logits, probability, pooling, rng=np.random.default_rng(0))
    assert (low, high) == again


def test_clips_that_agree_are_bounded_closer_than_those_that_do_not() -> None:
    rng = np.random.default_rng(0)
    near, far = np.array([0.9, 1.0, 1.1, 1.0]), np.array([-2.0, 1.0, 4.0, 1.0])
    widths = []
    for logits in (near, far):
        low, high = clip_interval(logits, pooled(logits, Pooling.MEAN_LOGIT), Pooling.MEAN_LOGIT, rng=rng)
        widths.append(high - low)
    assert widths[0] < widths[1] / 5


class Files:
    """Scores files without looking at them: `logits` and `failed` by name; the rest are not reached if `broken`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logits: dict[str, list[float]] = {}
        self.failed: dict[str, tuple[Status, str]] = {}
        self.broken = False
        self.prepared: list[tuple[list[str], bool]] = []
        self.seen: list[str] = []
        monkeypatch.setattr(prediction, "opened_scorer", lambda *_: nullcontext(object()))
        monkeypatch.setattr(prediction, "score_videos", self._score)
        monkeypatch.setattr(Session, "prepare", self._prepare)
        monkeypatch.setattr(prediction, "read_track", self._track)

    def _prepare(self, files: Sequence[GivenFile], _: object, *, retry: bool = False) -> Any:
        self.prepared.append(([file.path.name for file in files], retry))
        outcomes = [
            Prepared(file, *self.failed.get(file.path.name, (Status.OK, "")), file.path) for file in files
        ]
        return SimpleNamespace(videos=tuple(outcomes))

    def _track(self, path: Path) -> Any:
        if path.name == "bad.mp4":
            raise StoreError("it went bad")
        return SimpleNamespace(seen=SimpleNamespace(track=np.array([0, 0, 1, 2])))

    def _score(self, _: object, files: Sequence[Prepared[GivenFile]], *, writer: Any, **__: Any) -> None:
        for one in files:
            name = one.path.name
            self.seen.append(name)
            if one.status is not Status.OK:
                writer.add_status(one.video, status=one.status, reason=one.reason, seconds=0)
                continue
            if self.broken:
                raise ScoreError("5 files in a row")
            logits = np.array(self.logits.get(name, [1.0, 2.0]))
            frames = np.zeros((len(logits), 1), np.int64)
            writer.add_video(
                one.video,
                frames=frames,
                logits=logits,
                seconds=1.0,
                reason="a remark",
                face_frames=3,
                wanted_frames=4,
            )


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    return Files(monkeypatch)


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [folder / name for name in names]


REQUEST = ScoringRequest("constant")


def test_each_file_has_its_prediction_in_the_order_of_the_request(
    files: Files, setup: Setup, tmp_path: Path
) -> None:
    files.logits = {"a.mp4": [2.0], "b.mp4": [0.0, 4.0]}
    files.failed = {"c.mp4": (Status.NO_FACE, "no face in any frame")}
    a, b, c = touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    gone = tmp_path / "gone.mp4"
    files.failed["gone.mp4"] = (Status.MISSING, f"{gone}: no such file")
    found = predict_files([c, a, gone, b, a], REQUEST, setup, progress=SilentProgress())
    assert [one.path.name for one in found.files] == ["c.mp4", "a.mp4", "gone.mp4", "b.mp4", "a.mp4"]
    assert files.seen == ["c.mp4", "a.mp4", "gone.mp4", "b.mp4"]  # the same file is scored once
    none, first, missing, second, again = found.files
    assert first == again
    assert (first.logit, first.clips) == (2.0, 1)
    assert math.isnan(first.low)
    assert second.logit == pytest.approx(2.0)
    assert second.probability == pytest.approx(float(sigmoid(np.array(2.0))))
    assert second.low < second.probability < second.high
    assert (second.faces, second.faces_skipped, second.face_frames, second.wanted_frames) == (3, 2, 3, 4)
    assert (none.status, none.reason, none.faces) == (Status.NO_FACE, "no face in any frame", 0)
    assert math.isnan(none.probability)
    assert found.failed == (none, missing)
    assert (found.name, found.weights_sha256, found.notice) == ("constant", "", "")


def test_what_is_said_of_a_file_does_not_depend_on_the_others(
    files: Files, setup: Setup, tmp_path: Path
) -> None:
    files.logits = {"a.mp4": [0.0, 1.0, 5.0], "b.mp4": [-1.0, 3.0]}
    a, b = touch(tmp_path, "a.mp4", "b.mp4")
    both = predict_files([b, a], REQUEST, setup, progress=SilentProgress()).files[1]
    assert predict_files([a], REQUEST, setup, progress=SilentProgress()).files == (both,)


def test_a_detector_that_breaks_on_the_way_keeps_what_was_scored(
    files: Files, setup: Setup, tmp_path: Path
) -> None:
    a, b = touch(tmp_path, "a.mp4", "b.mp4")
    files.failed = {"a.mp4": (Status.NO_FACE, "none")}
    files.broken = True
    first, second = predict_files([a, b], REQUEST, setup, progress=SilentProgress()).files
    assert (first.status, second.status) == (Status.NO_FACE, Status.ERROR)
    assert second.reason == "not scored: 5 files in a row"


def test_files_that_are_all_gone_need_no_detector(files: Files, setup: Setup, tmp_path: Path) -> None:
    paths = [tmp_path / "x.mp4", tmp_path / "y.mp4"]
    configured = Setup(HOST, cache=tmp_path, data={"roots": {"toy": tmp_path}})
    found = predict_files(paths, ScoringRequest("trained", "once"), configured, progress=SilentProgress())
    assert [(one.status, one.reason) for one in found.files] == [
        (Status.MISSING, f"{path}: no such file or folder") for path in paths
    ]
    assert files.prepared == []
    with pytest.raises(UsageError, match="no file to score is named"):
        predict_files([], REQUEST, setup, progress=SilentProgress())


def test_a_folder_of_videos_is_told_what_to_do(files: Files, setup: Setup, tmp_path: Path) -> None:
    folder, frames = tmp_path / "videos", tmp_path / "frames"
    for one in (folder, frames):
        one.mkdir()
    touch(folder, "a.mp4")
    touch(frames, "1.png")
    files.failed = dict.fromkeys(("videos", "frames"), (Status.UNDECODABLE, "no frames"))
    first, second = predict_files([folder, frames], REQUEST, setup, progress=SilentProgress()).files
    assert first.reason == "no frames; it holds videos: name each of them, as in FOLDER/*"
    assert second.reason == "no frames"


def test_a_face_file_that_went_bad_counts_no_faces(files: Files, setup: Setup, tmp_path: Path) -> None:
    (bad,) = touch(tmp_path, "bad.mp4")
    (one,) = predict_files([bad], REQUEST, setup, progress=SilentProgress()).files
    assert (one.status, one.faces, one.faces_skipped) == (Status.OK, 0, 0)


@pytest.mark.parametrize(("retry", "expected"), [(False, [False]), (True, [True, False])])
def test_files_that_failed_are_looked_at_again_if_that_is_asked(
    files: Files, setup: Setup, tmp_path: Path, retry: bool, expected: list[bool]
) -> None:
    given_paths = given_files(touch(tmp_path, "a.mp4"))
    clips = ClipSpec(frames=1, size=16)
    session = prediction.session_of_files(setup, SilentProgress())
    prepared_files(given_paths, clips, session, retry=retry)
    assert [again for _, again in files.prepared] == expected
    assert (session.source.corpus, session.source.roots) == ("given", {})


def test_files_are_called_by_their_names_in_no_data_set(tmp_path: Path) -> None:
    one, root = given_files([tmp_path / "a b.mp4", Path("/")])
    assert (one.dataset, one.video_id, one.path) == ("files", "a b.mp4", tmp_path / "a b.mp4")
    assert root.video_id == "files"


def test_weights_are_looked_for_where_data_are_and_never_trained_for_a_file(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, constant = (HOST.registry.detector(name) for name in ("trained", "constant"))
    request = ScoringRequest("trained", "once")
    notes = Notes()
    assert weights_for_files(REQUEST, constant, setup, notes, to="score") is None
    with pytest.raises(WeightsError, match="detector 'trained' needs weights to explain anything") as caught:
        weights_for_files(request, trained, setup, notes, to="explain")
    assert any("--run RUN --video ID" in hint for hint in caught.value.hints)
    with pytest.raises(WeightsError, match="needs weights to score anything") as caught:
        weights_for_files(request, trained, setup, notes, to="score")
    assert not any("--run" in hint for hint in caught.value.hints)
    opened: list[str] = []

    def opening(asked: ScoringRequest, *_: object, purpose: str) -> str:
        opened.append(f"{asked.detector} to {purpose}")
        return "the session"

    monkeypatch.setattr(prediction, "open_scoring", opening)
    monkeypatch.setattr(prediction, "find_weights", lambda _, session: Path(session))
    configured = Setup(HOST, cache=tmp_path, data={"roots": {"toy": tmp_path}})
    assert weights_for_files(request, trained, configured, notes, to="score") == Path("the session")
    assert opened == ["trained to explain"]
