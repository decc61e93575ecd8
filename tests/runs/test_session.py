"""A session reads each list once, by any name of its data set, and says what is amiss with what it read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.toy_corpus import BUILT, PARSED, PER_SPLIT, Toy, ToyPlugin, write_toy
from tests.runs.toy_runs import Notes

from dfbench.data.fingerprints import fingerprints
from dfbench.errors import LayoutError, ManifestError, PluginError, SettingsError, UsageError
from dfbench.exchanged import DatasetIndex
from dfbench.hooks.host import Host
from dfbench.runs.planning.indexing import dataset_index
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.sources import DataSource
from dfbench.settings import Settings
from dfbench.specs import VideoSelection

HOST = Host.load([ToyPlugin()])
TOY = HOST.registry.dataset("toy")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    root = write_toy(tmp_path / "toy")
    BUILT.clear()
    PARSED.clear()
    return Session(HOST, Settings(), DataSource("official", {"toy": root}, made=False), Notes())


def said(session: Session) -> list[str]:
    progress: Any = session.progress
    found: list[str] = progress.said
    return found


def answers(monkeypatch: pytest.MonkeyPatch, change: Callable[[DatasetIndex], Any]) -> None:
    """Let the data set answer otherwise."""
    index = Toy.index
    monkeypatch.setattr(Toy, "index", lambda self: change(index(self)))


def test_a_list_is_read_once_under_whatever_name_and_at_each_compression(session: Session) -> None:
    first = session.index("toy")
    assert session.index("toys") is session.index("toy", "c23") is first
    session.videos(VideoSelection("toys", ("test",)))
    session.listed(VideoSelection("toy", ("val",), compression="c40"))
    session.videos_at_hand(VideoSelection("toy", compression="c40"))
    assert BUILT == PARSED == {"c23": 1, "c40": 1}
    other = replace(session, _parsed={})
    assert other.index("toy") is not first


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (VideoSelection("toy"), 3 * PER_SPLIT),
        (VideoSelection("toy", ("test",)), PER_SPLIT),
        (VideoSelection("toy", ("test", "val")), 2 * PER_SPLIT),
        (VideoSelection("toy", ("test",), manipulations=("swap",)), PER_SPLIT // 2),
        (VideoSelection("toys", ("test",), compression="c40"), PER_SPLIT),
    ],
)
def test_a_selection_is_what_its_words_say(session: Session, selection: VideoSelection, count: int) -> None:
    videos, listing = session.listed(selection)
    assert len(videos) == count == len({video.video_id for video in videos})
    assert {video.compression for video in videos} == {selection.compression or "c23"}
    assert (listing.listed.real + listing.listed.fake, listing.problems) == (count, ())
    assert said(session) == []


def test_problems_of_a_list_are_told_and_kept(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, lambda index: replace(index, problems=("line 3 names no video",)))
    _, listing = session.listed(VideoSelection("toy", ("test",)))
    assert listing.problems == ("line 3 names no video",)
    assert said(session) == ["warning: line 3 names no video"]


def test_a_data_set_that_is_not_configured_is_refused_or_not_at_hand(session: Session) -> None:
    nowhere = replace(session, source=DataSource("official", {}, made=False), _parsed={})
    assert nowhere.videos_at_hand(VideoSelection("toy")) == []
    with pytest.raises(SettingsError, match="no root is configured for dataset 'toy'"):
        nowhere.videos(VideoSelection("toy"))
    gone = DataSource("official", {"toy": Path("/gone")}, made=False)
    with pytest.raises(SettingsError, match="cannot be used"):  # what is configured has to be there
        replace(session, source=gone, _parsed={}).videos_at_hand(VideoSelection("toy"))


def test_a_file_is_looked_at_once_in_a_session(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def counted(paths: Any) -> Any:
        taken.append(len(paths))
        return fingerprints(paths)

    monkeypatch.setattr("dfbench.data.datasets.manifest.fingerprints", counted)
    videos = session.videos(VideoSelection("toy", ("test",)))
    first = session.file_fingerprints(videos, test="a")
    second = session.file_fingerprints(videos[:5], test="b")
    assert sum(taken) == PER_SPLIT
    assert set(first) == {("a", video.video_id) for video in videos}
    assert second == {("b", video.video_id): first["a", video.video_id] for video in videos[:5]}
    assert len(set(first.values())) == PER_SPLIT  # each has another content


@pytest.mark.parametrize(
    ("error", "told", "words"),
    [
        (ZeroDivisionError("no"), PluginError, "dataset 'toy' failed to read|ZeroDivisionError"),
        (LayoutError("no list"), LayoutError, "no list"),
        (
            PermissionError(13, "Permission denied", "videos.txt"),
            LayoutError,
            "videos.txt: Permission denied",
        ),
    ],
)
def test_what_a_data_set_raises_is_told_as_its_own_fault_or_that_of_the_disk(
    session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception], words: str
) -> None:
    def fail(_: DatasetIndex) -> DatasetIndex:
        raise error

    answers(monkeypatch, fail)
    with pytest.raises(told, match=words):
        session.index("toy")
    assert not session._parsed  # and is not kept


def test_videos_that_fit_in_no_table_are_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(index: DatasetIndex) -> DatasetIndex:
        first, *rest = index.videos
        return replace(index, videos=(replace(first, dataset="other"), *rest))

    answers(monkeypatch, spoilt)
    with pytest.raises((ManifestError, PluginError)):
        session.index("toy")


def test_what_builds_a_data_set_has_to_be_a_function(session: Session) -> None:
    broken = replace(TOY, build=f"{__name__}:HOST")
    with pytest.raises(UsageError, match="is not callable"):
        dataset_index(broken, session.source.roots["toy"], None)
