"""Which tests of a protocol are run, and whether it is fair: what shares videos is refused, in whatever order it is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.cli.toy_corpus import ToyPlugin

from dfbench.errors import PluginError, RunError, UnknownNameError, UsageError
from dfbench.hooks.host import Host
from dfbench.runs.planning.protocols import (
    TrainingSets,
    lint_protocol,
    named_tests,
    resolve_protocol,
    training_sets,
    with_own_names,
)
from dfbench.specs import Distortion, ProtocolSpec, TestSet, VideoSelection

REGISTRY = Host.load([ToyPlugin()]).registry
TRAIN, VAL = VideoSelection("toy", ("train",)), VideoSelection("toy", ("val",))
SPLITS = ("train", "val", "test")


def protocol(*tests: VideoSelection | TestSet, **fields: Any) -> ProtocolSpec:
    return ProtocolSpec(
        name="p", summary="A protocol.", **{"train": TRAIN, "validation": VAL, "tests": tests, **fields}
    )


def selection(dataset: str = "toy", split: str = "test", **fields: Any) -> VideoSelection:
    return VideoSelection(dataset, (split,) if split else (), **fields)


SELECTIONS = st.builds(
    VideoSelection,
    st.sampled_from(["toy", "folder"]),
    st.lists(st.sampled_from(SPLITS), max_size=2, unique=True).map(tuple),
    manipulations=st.lists(st.sampled_from(["real", "swap"]), max_size=1).map(tuple),
    compression=st.sampled_from([None, "c23", "c40"]),
)


def share(one: VideoSelection, other: VideoSelection) -> bool:
    """Whether a video could be in both, told by trying each."""
    return any(
        all(
            picked.dataset == dataset
            and (not picked.splits or split in picked.splits)
            and (not picked.manipulations or kind in picked.manipulations)
            for picked in (one, other)
        )
        for dataset in ("toy", "folder")
        for split in SPLITS
        for kind in ("real", "swap")
    )


@given(
    train=SELECTIONS, validation=SELECTIONS, test=SELECTIONS, purpose=st.sampled_from(["test", "validation"])
)
def test_a_test_that_could_share_a_video_with_a_training_is_refused(
    train: VideoSelection, validation: VideoSelection, test: VideoSelection, purpose: Any
) -> None:
    made = protocol(test, train=train, validation=validation, purpose=purpose)
    seen = [("trains", train)] + ([("validates", validation)] if purpose == "test" else [])
    verbs = [verb for verb, used in seen if share(test, used)]
    if verbs:
        with pytest.raises(RunError, match=f"tests on what it {verbs[0]} on"):
            lint_protocol(made)
    else:
        lint_protocol(made)


@given(first=SELECTIONS, second=SELECTIONS)
def test_who_is_refused_is_refused_in_the_other_role_too(
    first: VideoSelection, second: VideoSelection
) -> None:
    def refused(train: VideoSelection, test: VideoSelection) -> bool:
        try:
            lint_protocol(protocol(test, train=train, validation=None))
        except RunError:
            return True
        return False

    assert refused(first, second) == refused(second, first)


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ((), "has no test"),
        ((selection(), selection()), "under the key 'toy', which another of its tests has too"),
        (
            (TestSet(selection(), name="Hard"), TestSet(selection("folder"), name="hard")),
            "which another of its tests has too",
        ),
        ((TestSet(selection(), name="mean"),), "under the key 'mean', which tables use for something else"),
        ((TestSet(selection(), name="a/b"),), "under the key"),
        (
            (TestSet(selection(), name="x"), TestSet(selection("folder"), name="x_low")),
            "is, with '_low' behind it",
        ),
    ],
)
def test_tests_that_cannot_be_told_apart_are_refused(
    tests: tuple[VideoSelection | TestSet, ...], words: str
) -> None:
    with pytest.raises(RunError, match=words):
        lint_protocol(protocol(*tests))


def test_a_perturbation_that_nobody_offers_is_named() -> None:
    blurred = TestSet(selection(), distortion=Distortion("blur", 3))
    with pytest.raises(UnknownNameError, match="perturbs toy by 'blur', which nobody offers"):
        lint_protocol(protocol(blurred))


THREE = protocol(selection(), selection(compression="c40"), TestSet(selection("folder"), name="mine"))
KEYS = [test.key for test in THREE.test_sets()]


def test_tests_are_called_by_what_tells_them_apart() -> None:
    assert KEYS == ["toy", "toy-c40", "mine"]


@given(only=st.lists(st.sampled_from(KEYS), unique=True), upper=st.booleans())
def test_tests_are_run_in_the_order_of_the_protocol_whatever_that_of_the_names(
    only: list[str], upper: bool
) -> None:
    named = [name.upper() if upper else name for name in only]
    found = [test.key for test in resolve_protocol(THREE, named)]
    assert found == [key for key in KEYS if key in only or not only]


def test_a_data_set_names_all_its_tests_unless_a_test_is_called_so() -> None:
    assert [test.key for test in resolve_protocol(THREE, ["folder"])] == ["mine"]
    assert [test.key for test in resolve_protocol(THREE, ["toy"])] == ["toy"]
    both = protocol(TestSet(selection(), name="a"), TestSet(selection(compression="c40"), name="b"))
    assert [test.key for test in resolve_protocol(both, ["toy"])] == ["a", "b"]


@given(name=st.text(min_size=1, max_size=8))
def test_a_name_that_is_no_test_is_told_with_those_that_are(name: str) -> None:
    assume(name.casefold() not in {*KEYS, "folder"})
    with pytest.raises(UnknownNameError, match="no test dataset") as caught:
        resolve_protocol(THREE, [name])
    assert "protocol 'p'" in caught.value.message


def test_aliases_stand_for_their_data_set() -> None:
    aliased = protocol(
        TestSet(selection("toys"), name="named"),
        selection("toys", "test", compression="c40"),
        train=replace(TRAIN, dataset="toys"),
        validation=replace(VAL, dataset="toys"),
    )
    own = with_own_names(aliased, REGISTRY)
    assert [test.dataset for test in own.test_sets()] == ["toy", "toy"]
    assert (own.train, own.validation) == (TRAIN, VAL)
    assert [test.key for test in own.test_sets()] == ["named", "toy-c40"]
    with pytest.raises(RunError, match="tests on what it trains on"):
        lint_protocol(with_own_names(replace(aliased, tests=(selection("toys", "train"),)), REGISTRY))
    strange = protocol(selection("not installed"), train=None, validation=None)
    assert with_own_names(strange, REGISTRY) == strange


@pytest.mark.parametrize(
    ("only", "found"),
    [(["toys"], ("toy",)), (["toy-c40", "folder"], ("toy-c40", "folder")), (["MINE"], ("MINE",)), ([], ())],
)
def test_names_of_tests_and_data_sets_are_told_apart(only: list[str], found: tuple[str, ...]) -> None:
    assert named_tests(only, THREE, REGISTRY) == found


def test_a_misspelt_test_is_likened_to_those_of_the_protocol() -> None:
    with pytest.raises(UnknownNameError, match="no test dataset 'tois'") as caught:
        named_tests(["tois"], THREE, REGISTRY)
    assert "toy" in str(caught.value.hints)


@pytest.mark.parametrize(
    ("lacks", "words"), [("train", "names no training set"), ("validation", "names no validation set")]
)
def test_who_trains_needs_both_sets(lacks: str, words: str) -> None:
    spec = REGISTRY.detector("trained")
    assert training_sets(protocol(), spec, REGISTRY) == TrainingSets(TRAIN, VAL)
    with pytest.raises(
        UsageError, match=f"'trained' cannot be trained by protocol 'p', which {words}"
    ) as caught:
        training_sets(protocol(**{lacks: None}), spec, REGISTRY)
    assert "dfbench train --detector trained --protocol NAME" in caught.value.hints[1]
    assert "splits" in caught.value.hints[2]


def test_nothing_is_built_of_a_protocol() -> None:
    assert protocol(build="").tests == ()
    with pytest.raises(PluginError, match="nothing is built of a protocol"):
        protocol(build="a:b")
