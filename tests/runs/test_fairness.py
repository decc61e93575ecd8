"""Tests on what a detector was made with: refused for videos, told for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.data.datasets.leakage import Leak
from dfbench.errors import RunError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.planning.fairness import by_dataset, by_test, compare_videos, leaks_into_tests
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.sources import DataSource
from dfbench.settings import Settings
from dfbench.specs import TestSet, VideoSelection
from dfbench.types import Label, Video


def video(video_id: str, dataset: str = "ffpp", group: str = "") -> Video:
    path = Path(dataset) / f"{video_id}.mp4"
    return Video(dataset, video_id, path, Label.REAL, "train", "real", "c23", (), group or video_id)


def test_a_test_video_that_was_trained_on_is_refused() -> None:
    seen = [video(f"youtube/{number:03d}") for number in range(7)]
    fresh = [video("youtube/900"), video("youtube/000", "dfd")]
    assert compare_videos(train=seen, validation=[], tests={"ffpp": fresh}) == ()
    with pytest.raises(
        RunError, match="the test on ffpp holds 7 validation videos: ffpp youtube/000"
    ) as caught:
        compare_videos(train=[], validation=seen, tests={"dfd": fresh, "ffpp": iter(seen + fresh)})
    assert "and 2 more" in caught.value.message
    with pytest.raises(RunError, match="1 training videos: ffpp youtube/900"):
        compare_videos(train=[video("youtube/900")], validation=seen, tests={"ffpp": fresh})


def test_a_test_on_the_file_of_a_training_video_is_refused_whatever_its_name() -> None:
    seen = video("youtube/000")
    borrowed = replace(seen, dataset="deeperforensics")
    with pytest.raises(RunError, match="1 training videos: deeperforensics youtube/000"):
        compare_videos(train=[seen], validation=[], tests={"deeperforensics": [borrowed]})


def test_shared_people_are_told_by_role_and_once() -> None:
    sets = {name: [video(name, "folder", group="anna")] for name in ("a", "b", "c", "d")}
    found = compare_videos(
        train=sets["a"], validation=sets["b"], tests={"folder": [*sets["c"], *sets["d"]], "again": sets["c"]}
    )
    assert by_dataset(found) == {
        "folder": [
            "leak: 1 group is in training and in validation: anna",
            "leak: 1 group is in training and in test: anna",
            "leak: 1 group is in validation and in test: anna",
        ]
    }


def test_a_leak_is_told_of_the_test_that_has_it() -> None:
    selection = VideoSelection("folder", ("test",))
    tests = [TestSet(selection, key="folder"), TestSet(selection, key="again")]
    seen = Leak("folder", "group", "training", "test", ("anna",), test="again")
    between = Leak("folder", "group", "training", "validation", ("boris",))
    elsewhere = Leak("ffpp", "group", "training", "validation", ("carl",))
    told = {key: [len(sentences)] for key, sentences in by_test([seen, between, elsewhere], tests).items()}
    assert told == {"again": [2], "folder": [1], "ffpp": [1]}


@pytest.fixture
def session_of(tmp_path: Path) -> Callable[[str], ProtocolSession]:
    """A session on own videos of these lines, with the protocol that trains and validates on FF++, whose root is unknown."""

    def make(lines: str) -> ProtocolSession:
        (tmp_path / "videos.csv").write_text(f"path,label,split,group\n{lines}")
        host = Host.load()
        return ProtocolSession(
            host=host,
            settings=Settings(),
            source=DataSource("own", {"folder": tmp_path}, made=False),
            progress=SilentProgress(),
            spec=host.registry.detector("fakestormer"),
            protocol=host.registry.protocol("cross-dataset"),
        )

    return make


LEAK = Leak("folder", "group", "training", "test", ("anna",), test="folder")
LINES = "a.mp4,real,train,anna\nb.mp4,fake,val,boris\nc.mp4,fake,test,anna\nd.mp4,real,test,carl\n"


def test_weights_trained_on_the_tested_dataset_are_held_against_its_splits(
    session_of: Callable[[str], ProtocolSession],
) -> None:
    session = session_of(LINES)
    tests = {"folder": session.videos(VideoSelection("folder", ("test",)))}
    card = replace(session.spec.card(), trained_on=frozenset({"folder"}))
    assert leaks_into_tests(session, card, tests) == (LEAK,)
    for elsewhere in (frozenset({"ffpp"}), frozenset[str](), None):
        assert leaks_into_tests(session, replace(card, trained_on=elsewhere), tests) == ()
    with pytest.raises(RunError, match=r"holds 1 validation videos: folder b\.mp4"):
        leaks_into_tests(session, card, {"folder": session.videos(VideoSelection("folder", ("val",)))})
    choosing = replace(session, protocol=replace(session.protocol, purpose="validation"))
    assert (
        leaks_into_tests(choosing, card, {"folder": session.videos(VideoSelection("folder", ("val",)))}) == ()
    )
    with pytest.raises(RunError, match=r"holds 1 training videos: folder a\.mp4"):
        leaks_into_tests(choosing, card, {"folder": session.videos(VideoSelection("folder", ("train",)))})


def test_the_sets_of_the_protocol_are_meant_where_it_trains_on_the_dataset(
    session_of: Callable[[str], ProtocolSession],
) -> None:
    session = session_of(LINES.replace(",train,", ",fold1,").replace(",val,", ",fold2,"))
    train, held_out = VideoSelection("folder", ("fold1",)), VideoSelection("folder", ("fold2",))
    session = replace(session, protocol=replace(session.protocol, train=train, validation=held_out))
    card = replace(session.spec.card(), trained_on=frozenset({"folder"}))
    tests = {"folder": session.videos(VideoSelection("folder", ("test",)))}
    assert leaks_into_tests(session, card, tests) == (LEAK,)


def test_weights_of_another_corpus_saw_other_videos_of_the_same_name(
    session_of: Callable[[str], ProtocolSession],
) -> None:
    session = session_of(LINES)
    trained = session.videos(VideoSelection("folder", ("train",)))
    card = replace(session.spec.card(), trained_on=frozenset({"folder"}))
    for corpora in (frozenset({"own"}), frozenset({"own", "demo"}), None):
        with pytest.raises(RunError, match="holds 1 training videos"):
            leaks_into_tests(session, replace(card, corpora=corpora), {"folder": trained})
    rendered = replace(card, corpora=frozenset({"demo"}))
    assert leaks_into_tests(session, rendered, {"folder": trained}) == ()


@given(seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_sets_decides_no_leak(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = {
        name: [
            Video(
                "d",
                f"{name}{number}",
                Path(name) / str(number),
                Label.REAL,
                name,
                "real",
                "",
                (),
                f"g{group}",
            )
            for number, group in enumerate(rng.integers(0, 6, 4))
        ]
        for name in ("train", "val", "test", "more")
    }

    def found(order: int) -> set[Leak]:
        mixed = {name: [videos[at] for at in rng.permutation(4)] for name, videos in sets.items()}
        tests = {name: mixed[name] for name in ("test", "more")[:: 1 if order else -1]}
        leaks = compare_videos(train=mixed["train"], validation=mixed["val"], tests=tests)
        assert len(set(leaks)) == len(leaks)  # each is told once
        return set(leaks)

    assert found(0) == found(1)
    groups = {name: {video.group for video in videos} for name, videos in sets.items()}
    shared = {(leak.first, leak.second, leak.test): set(leak.names) for leak in found(0)}
    assert shared.get(("training", "validation", ""), set()) == groups["train"] & groups["val"]
    for test in ("test", "more"):
        assert shared.get(("training", "test", test), set()) == groups["train"] & groups[test]
        assert shared.get(("validation", "test", test), set()) == groups["val"] & groups[test]
