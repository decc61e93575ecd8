"""Back from a stored run to what it scored: the run by its name, its weights by their digest, its videos and their faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import Finished
from tests.runs.toy_runs import Prepared

from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.errors import (
    MissingVideoError,
    NoFaceError,
    StoreError,
    UnknownNameError,
    UsageError,
    VideoError,
    WeightsError,
)
from dfbench.progress import SilentProgress
from dfbench.runs.evidence.recorded import open_run, options_of, session_of, video_of, weights_of
from dfbench.runs.evidence.scored_faces import faces_in, scored_faces
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.listing import listed_runs
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import NAME
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.trained import TRAINING_FILE
from dfbench.settings import Settings
from dfbench.types import CROPPING, Status, Video

KEYS = ["toy", "toy-c40"]


def settings_of(run: StoredRun) -> Settings:
    return Settings(runs=run.folder.parent, cache=run.folder.parents[1] / "cache")


def changed(run: StoredRun, change: Callable[[dict[str, Any]], None]) -> StoredRun:
    """The run with another record."""
    content = run.record.to_json()
    change(content)
    return replace(run, record=RunRecord.made(content))


def setter(part: str, fields: Mapping[str, object], content: dict[str, Any]) -> None:
    """Set fields of a part of a record."""
    content[part].update(fields)


def test_a_run_is_found_by_its_folder_its_name_or_a_beginning_of_it(
    run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(run)
    for name in (str(run.folder), run.name, run.name[:-3], run.name[:5]):
        assert open_run(name, settings) == run
    monkeypatch.chdir(run.folder)
    assert open_run(".", settings).record == run.record


def test_a_beginning_of_several_runs_is_none_of_them_and_a_whole_name_is(run: StoredRun) -> None:
    settings = settings_of(run)
    longer = run.folder.with_name(f"{run.name}-again")
    longer.mkdir()
    (longer / NAME).write_bytes((run.folder / NAME).read_bytes())
    assert open_run(run.name, settings).name == run.name
    with pytest.raises(UnknownNameError, match="several runs begin with 'constant'") as caught:
        open_run("constant", settings)
    assert run.name in caught.value.hints[0]
    with pytest.raises(UnknownNameError, match="there is no run 'konstant-both'") as caught:
        open_run("konstant-both", settings)
    with pytest.raises(UnknownNameError, match="there is no run 'x'"):
        open_run("x", Settings(runs=run.folder / "nowhere"))


def test_runs_are_listed_with_what_they_are_and_what_is_wrong_with_them(run: StoredRun) -> None:
    runs = run.folder.parent
    broken = runs / "broken"
    broken.mkdir()
    (broken / NAME).write_text("{")
    (runs / "no run").mkdir()
    cut = runs / "cut"
    cut.mkdir()
    run.record.failed("power cut").write(cut)
    first, whole, last = listed_runs(runs)
    assert (first.run, first.status, first.entry) == ("broken", "unreadable", "")
    assert "is damaged" in first.problem
    assert (whole.run, whole.entry, whole.status, whole.problem) == (
        *(run.name, run.record.entry, "complete", ""),
    )
    assert (whole.protocol, whole.corpus, whole.finished) == ("both", "official", run.record.finished)
    assert whole.to_json()["started"] == run.record.started
    assert (last.run, last.status, last.problem) == ("cut", "failed", "power cut")
    assert listed_runs(runs / "nowhere") == []


@pytest.fixture
def weighed(run: StoredRun) -> tuple[StoredRun, Path]:
    """The run as if it had weights, and the file of these, outside of the cache."""
    path = run.folder.parents[1] / "mine.pt"
    path.write_bytes(b"weights")
    sha = file_sha256(path)
    return changed(run, lambda content: content["detector"].update(weights_sha256=sha)), path


@pytest.mark.parametrize("place", ["a/model.pt", "a/model.ckpt", "b-c/weights.safetensors"])
def test_weights_are_found_in_the_cache_by_what_they_hold(
    weighed: tuple[StoredRun, Path], place: str
) -> None:
    run, mine = weighed
    settings = settings_of(run)
    folder = settings.cache / "weights" / "constant"
    for name, content in {"0/model.pt": b"other weights", place: b"weights"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert weights_of(run, settings, None) == folder / place
    assert weights_of(run, settings, mine) == mine


def test_weights_under_any_name_are_found_by_the_note_of_their_training(
    weighed: tuple[StoredRun, Path],
) -> None:
    run, _ = weighed
    folder = settings_of(run).cache / "weights" / "constant" / "a"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    with pytest.raises(WeightsError, match=r"the weights of run .* are not in") as caught:
        weights_of(run, settings_of(run), None)
    assert caught.value.hints == ("say where they are:   --weights PATH/TO/WEIGHTS",)
    (folder / TRAINING_FILE).write_text('{"weights": "model.bin"}')
    assert weights_of(run, settings_of(run), None) == folder / "model.bin"


def test_other_weights_than_those_of_the_run_are_refused(
    run: StoredRun, weighed: tuple[StoredRun, Path]
) -> None:
    with_weights, mine = weighed
    other = mine.with_name("other.pt")
    other.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match=r"other.pt is not what run .* was scored with$"):
        weights_of(with_weights, settings_of(run), other)
    for given in (mine, mine.with_name("gone.pt")):
        with pytest.raises(WeightsError, match="was scored with: it was scored without weights"):
            weights_of(run, settings_of(run), given)
    assert weights_of(run, settings_of(run), None) is None


def test_a_detector_is_loaded_as_the_run_loaded_it(run: StoredRun) -> None:
    def read_as(content: dict[str, Any]) -> None:
        content["read_as"] = {"recipe": "small", "changes": {"pooling": "max"}}
        content["seed"] = 7

    options = options_of(changed(run, read_as), Path("w.pt"))
    assert (options.weights, options.seed, options.recipe) == (Path("w.pt"), 7, "small")
    assert options.changes == {"pooling": "max"}
    plain = options_of(run, None)
    assert (plain.weights, plain.seed, plain.recipe, dict(plain.changes)) == (None, 0, "", {})

    def later(content: dict[str, Any]) -> None:
        content["read_as"] = {"recipe": "small", "changes": {}, "layers": 3}

    with pytest.raises(StoreError, match="its read_as tells what this version does not know: 'layers'"):
        options_of(changed(run, later), None)


def test_the_data_of_a_run_are_the_configured_ones_or_those_of_its_corpus(
    finished: Finished, run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(run, finished.setup, SilentProgress())
    assert session.source.corpus == "official"
    assert set(session.source.roots) == {"toy"}
    asked: list[tuple[str, str]] = []

    def data_source(name: str, *_: object, size: str = "full", **__: object) -> Any:
        asked.append((name, size))
        return finished.session.source

    monkeypatch.setattr("dfbench.runs.evidence.recorded.data_source", data_source)
    for corpus in ("demo", "demo-small"):
        made = StoredRun(run.folder, RunRecord.made({**run.record.to_json(), "corpus": corpus}))
        session_of(made, finished.setup, SilentProgress())
    assert asked == [("demo", "full"), ("demo", "small")]
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__TOY", raising=False)
    nowhere = Setup(finished.setup.host)
    with pytest.raises(UsageError, match="was made on the corpus 'official', and no data roots"):
        session_of(run, nowhere, SilentProgress())


def test_a_video_is_named_by_its_test_where_several_have_it(finished: Finished, run: StoredRun) -> None:
    for key, compression in zip(KEYS, ("c23", "c40"), strict=True):
        video, facts = video_of(run, f"{key}/test/3", finished.session)
        assert (video.video_id, video.compression) == ("test/3", compression)
        assert (facts["test"], facts["dataset"], facts["label"]) == (key, "toy", 1)
        assert facts["run"] == run.name
        assert 0 < facts["run_probability"] < 1
    with pytest.raises(UnknownNameError, match="'test/3' is in several tests") as caught:
        video_of(run, "test/3", finished.session)
    assert caught.value.hints == ("say --video toy/test/3",)
    with pytest.raises(UnknownNameError, match="has no video 'test/33'") as caught:
        video_of(run, "test/33", finished.session)
    assert "test/3" in caught.value.hints[0]


def test_a_video_that_failed_has_its_status_and_no_probability(finished: Finished, run: StoredRun) -> None:
    _, facts = video_of(run, "toy/test/4", finished.session)
    assert (facts["run_status"], facts["run_probability"]) == ("no_face", None)


def test_a_video_that_the_data_do_not_list_any_more_is_told(finished: Finished, run: StoredRun) -> None:
    root = finished.session.source.roots["toy"]
    before = (root / "videos.txt").read_text()
    try:
        (root / "videos.txt").write_text("0\n1")
        fresh = session_of(run, Setup(finished.setup.host, data={"roots": {"toy": root}}), SilentProgress())
        with pytest.raises(StoreError, match="toy has no video 'test/3' any more"):
            video_of(run, "toy/test/3", fresh)
    finally:
        (root / "videos.txt").write_text(before)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every video is in the face store."""
    monkeypatch.setattr(Session, "prepared_as", lambda _, videos, __: Prepared(videos).videos)


@pytest.mark.parametrize("key", KEYS)
def test_a_file_that_is_another_now_is_not_taken_for_what_was_scored(
    finished: Finished, run: StoredRun, prepared: None, key: str
) -> None:
    """Also in a test that is called otherwise than its data set."""
    del prepared
    video, facts = video_of(run, f"{key}/test/3", finished.session)
    assert scored_faces(run, video, finished.session, test=facts["test"]).path == video.path
    before = video.path.read_bytes()
    try:
        video.path.write_bytes(b"another film")
        with pytest.raises(VideoError, match=r"its file is not the one that it had when run .* scored it"):
            scored_faces(run, video, finished.session, test=facts["test"])
        video.path.unlink()  # of what is gone, the faces that were kept are those of then
        assert scored_faces(run, video, finished.session, test=facts["test"]).path == video.path
    finally:
        video.path.write_bytes(before)


def test_clips_and_faces_of_another_version_are_not_taken_for_those_of_the_run(
    finished: Finished, run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, _ = video_of(run, "toy/test/3", finished.session)
    other = changed(run, lambda content: content["clips"].update(cropping=CROPPING + 1))
    with pytest.raises(StoreError, match="clips are cut in another way now"):
        scored_faces(other, video, finished.session, test="toy")
    monkeypatch.setattr(Session, "prepared_as", lambda *_: [None])
    for fields in ({"finder_version": "0"}, {"tracking": 999}):
        other = changed(run, partial(setter, "prepare", fields))
        with pytest.raises(StoreError, match="faces are found in another way now"):
            scored_faces(other, video, finished.session, test="toy")
    monkeypatch.setattr(Session, "prepare", lambda _, videos, __: Prepared(videos))
    assert (
        scored_faces(run, video, finished.session, test="toy").path == video.path
    )  # made again as they were


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.MISSING, MissingVideoError),
        (Status.NO_FACE, NoFaceError),
        (Status.ERROR, VideoError),
    ],
)
def test_a_video_without_faces_says_with_its_status_why(
    finished: Finished, run: StoredRun, status: Status, error: type[Exception]
) -> None:
    video: Video = finished.plan.videos["toy"][0]
    outcome = PreparedResult(video, status, "the reason", video.path)
    with pytest.raises(error, match="the reason"):
        faces_in(outcome, run.clips_of("toy"))
