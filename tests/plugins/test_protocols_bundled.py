"""The bundled protocols, choosing tests of a protocol, and the two lints."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dfbench import (
    Distortion,
    Label,
    ProtocolSpec,
    RunError,
    TestSet,
    UnknownNameError,
    UsageError,
    Video,
    VideoSelection,
    hookimpl,
)
from dfbench.hooks.host import Host
from dfbench.runs.planning.protocols import (
    lint_protocol,
    named_tests,
    resolve_protocol,
    training_sets,
    with_own_names,
)
from dfbench_plugins.datasets import dfbench_datasets
from dfbench_plugins.protocols import dfbench_protocols

PROTOCOLS = {protocol.name: protocol for protocol in dfbench_protocols()}
CROSS = PROTOCOLS["cross-dataset"]


def video(video_id: str, dataset: str = "ffpp") -> Video:
    return Video(dataset, video_id, Path(video_id), Label.REAL, "test", "real", "c23", (), video_id)


def test_the_protocols_and_what_cross_dataset_is() -> None:
    leave_out = [f"leave-out-{method}" for method in ("deepfakes", "face2face", "faceswap", "neuraltextures")]
    within = ["in-dataset", "ffpp-validation", "cross-manipulation"]
    others = ["cross-dataset-full", "cross-forgery", "faceshifter"]
    assert list(PROTOCOLS) == ["cross-dataset", *within, *others, *leave_out]
    assert [test.dataset for test in CROSS.tests] == ["celeb_df_v2", "dfdc", "dfd"]
    tests = [test for protocol in PROTOCOLS.values() for test in protocol.test_sets()]
    assert {test.key for test in tests} == {
        test.dataset for test in tests
    }  # boards of before keep their columns
    splits = {test.dataset: test.selection.splits for test in tests}
    assert {name for name, split in splits.items() if split != ("test",)} == {"ffiw"}
    assert PROTOCOLS["cross-dataset-full"].tests[:3] == CROSS.tests
    assert PROTOCOLS["in-dataset"].tests == PROTOCOLS["cross-manipulation"].tests
    assert "per manipulation" in PROTOCOLS["cross-manipulation"].summary


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_each_is_fair(protocol: ProtocolSpec) -> None:
    assert resolve_protocol(protocol) == protocol.test_sets()
    assert protocol.train is not None
    assert protocol.validation is not None
    assert protocol.train.dataset == protocol.validation.dataset == "ffpp"
    assert protocol.train.compression == "c23"
    assert "FaceShifter" not in (*protocol.train.manipulations, *protocol.validation.manipulations)
    tested = {one for test in protocol.test_sets() for one in test.selection.manipulations}
    assert ("FaceShifter" in tested) is (protocol.name == "faceshifter")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_every_dataset_of_a_protocol_is_offered(protocol: ProtocolSpec) -> None:
    offered = {spec.name for spec in dfbench_datasets()}
    assert {test.dataset for test in protocol.tests} <= offered


@pytest.mark.parametrize("method", ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"])
def test_the_method_left_out_is_the_only_one_tested(method: str) -> None:
    protocol = PROTOCOLS[f"leave-out-{method.casefold()}"]
    assert protocol.train is not None
    assert protocol.validation is not None
    seen = {*protocol.train.manipulations, *protocol.validation.manipulations}
    assert protocol.test_sets()[0].selection.manipulations == ("real", method)
    assert seen == {"real", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"} - {method}


def test_only_keeps_the_order_of_the_protocol() -> None:
    assert [test.dataset for test in resolve_protocol(CROSS, ["DFD", "celeb_df_v2"])] == [
        "celeb_df_v2",
        "dfd",
    ]


def test_an_unknown_dataset_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'dfcd' in protocol 'cross-dataset'") as caught:
        resolve_protocol(CROSS, ["dfcd"])
    assert caught.value.hints[0] == "did you mean 'dfd' or 'dfdc'?"
    assert caught.value.hints[-1] == "known: celeb_df_v2, dfdc, dfd"


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (VideoSelection("ffpp", ("val",)), "validates on"),
        (VideoSelection("ffpp", ("train",), ("real",), "raw"), "trains on"),
        (VideoSelection("ffpp"), "trains on"),
    ],
)
def test_testing_on_what_was_used_is_refused(test: VideoSelection, words: str) -> None:
    with pytest.raises(RunError, match=f"tests on what it {words}"):
        resolve_protocol(replace(CROSS, tests=(*CROSS.tests, test)), ["dfd"])


def test_other_manipulations_of_a_split_are_other_videos() -> None:
    one = VideoSelection("ffpp", ("train",), ("Deepfakes",))
    lint_protocol(replace(CROSS, train=one, tests=(replace(one, manipulations=("FaceSwap",)),)))


def test_a_protocol_without_tests_is_refused() -> None:
    with pytest.raises(RunError, match="has no test"):
        resolve_protocol(ProtocolSpec(name="empty", summary=""))


C40 = VideoSelection("dfdc", ("test",), compression="c40")


@pytest.mark.parametrize(
    ("second", "keys"),
    [
        (VideoSelection("DFDC", ("test",), compression="c40"), ["dfdc", "dfdc-c40"]),
        (VideoSelection("dfdc", ("val",), ("dfdc",)), ["dfdc-test", "dfdc-val-dfdc"]),
        (VideoSelection("dfdc"), ["dfdc-test", "dfdc"]),
        (TestSet(C40, name="hard"), ["dfdc", "hard"]),
        (TestSet(replace(C40, compression=None), Distortion("blur", 3)), ["dfdc", "dfdc-blur-3"]),
        (TestSet(C40, Distortion("blur", 3, seed=7)), ["dfdc", "dfdc-c40-blur-3-seed7"]),
    ],
)
def test_the_tests_of_a_dataset_are_told_apart_by_what_they_differ_in(
    second: VideoSelection | TestSet, keys: list[str]
) -> None:
    twice = with_own_names(replace(CROSS, tests=(*CROSS.tests, second)), Host.load().registry)
    tests = twice.test_sets()
    assert [test.key for test in tests if test.dataset == "dfdc"] == keys
    assert [test.key for test in tests if test.dataset != "dfdc"] == ["celeb_df_v2", "dfd"]


def test_only_picks_a_test_by_its_key_and_all_tests_of_a_dataset_by_its_name() -> None:
    twice = replace(CROSS, tests=(*CROSS.tests, C40))
    for only, keys in (("DFDC-c40", ["dfdc-c40"]), ("dfdc", ["dfdc"]), ("dfd", ["dfd"])):
        assert [test.key for test in resolve_protocol(twice, [only])] == keys
    splits = replace(CROSS, tests=(*CROSS.tests, replace(C40, splits=("val",))))
    assert [test.key for test in resolve_protocol(splits, ["dfdc"])] == ["dfdc-test", "dfdc-c40-val"]
    registry = Host.load().registry
    assert named_tests(["CDF2", "dfdc-C40"], twice, registry) == ("celeb_df_v2", "dfdc-C40")
    with pytest.raises(UnknownNameError, match="no test dataset 'dfdc-c04'") as caught:
        named_tests(["dfdc-c04"], twice, registry)
    assert caught.value.hints[0].startswith("did you mean 'dfdc-c40'")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (VideoSelection("dfdc", ("test",)), "under the key 'dfdc', which another of its tests has too"),
        (TestSet(C40, name="DFD"), "under the key 'dfd', which another of its tests has too"),
        (TestSet(C40, name="mean"), "under the key 'mean', which tables use for something else"),
        (
            TestSet(C40, name="dfd_low"),
            "under the key 'dfd', which is, with '_low' behind it, the key of another",
        ),
        (TestSet(C40, name="c/40"), "under the key 'c/40', which holds other characters"),
    ],
)
def test_tests_that_nothing_tells_apart_are_refused(second: VideoSelection | TestSet, words: str) -> None:
    with pytest.raises(RunError, match=re.escape(words)) as caught:
        resolve_protocol(replace(CROSS, tests=(*CROSS.tests, second)), ["celeb_df_v2"])
    assert caught.value.hints == ('name the test:   TestSet(selection, name="...")',)


def test_a_perturbation_that_nobody_offers_is_refused() -> None:
    blurred = TestSet(VideoSelection("dfdc", ("test",)), Distortion("blur", 3))
    with pytest.raises(
        UnknownNameError, match="'cross-dataset' perturbs dfdc by 'blur', which nobody offers"
    ):
        resolve_protocol(replace(CROSS, tests=(blurred,)))


def test_a_protocol_may_call_datasets_by_their_aliases() -> None:
    registry = Host.load().registry
    by_alias = replace(CROSS, tests=(VideoSelection("CDF2", ("test",)), VideoSelection("stranger")))
    assert [test.dataset for test in with_own_names(by_alias, registry).tests] == ["celeb_df_v2", "stranger"]
    assert with_own_names(CROSS, registry) == CROSS
    assert CROSS.train is not None
    seen = replace(CROSS, tests=(replace(CROSS.train, dataset="FF++"),))
    with pytest.raises(RunError, match="tests on what it trains on"):
        lint_protocol(with_own_names(seen, registry))


@pytest.mark.parametrize(
    ("protocol", "lacks"),
    [
        (replace(CROSS, train=None), "training"),
        (replace(CROSS, validation=None), "validation"),
        (replace(CROSS, train=None, validation=None), "training"),
    ],
)
def test_what_trains_by_a_protocol_needs_both_of_its_sets(protocol: ProtocolSpec, lacks: str) -> None:
    registry = Host.load().registry
    detector = registry.detector("fakestormer")
    assert with_own_names(protocol, registry) == protocol
    lint_protocol(protocol)
    with pytest.raises(
        UsageError, match=f"by protocol 'cross-dataset', which names no {lacks} set"
    ) as caught:
        training_sets(protocol, detector, registry)
    assert "dfbench train --detector fakestormer --protocol NAME" in caught.value.hints[1]
    sets = training_sets(CROSS, detector, registry)
    assert (sets.train, sets.validation) == (CROSS.train, CROSS.validation)


def test_a_validation_set_is_tested_by_protocols_alone_that_say_so() -> None:
    protocol = PROTOCOLS["ffpp-validation"]
    assert (protocol.purpose, protocol.tests) == ("validation", (protocol.validation,))
    assert protocol.train is not None
    lint_protocol(protocol)
    with pytest.raises(RunError, match="tests on what it validates on"):
        lint_protocol(replace(protocol, purpose="test"))
    with pytest.raises(RunError, match="tests on what it trains on"):
        lint_protocol(replace(protocol, tests=(protocol.train,)))
    assert {one.name for one in PROTOCOLS.values() if one.purpose != "test"} == {"ffpp-validation"}


def test_a_purpose_that_is_none_is_told_when_the_plugin_is_loaded() -> None:
    odd = replace(CROSS, name="odd", purpose="exam")  # type: ignore[arg-type] # as a stranger may write
    host = Host.load([SimpleNamespace(__name__="lab", dfbench_protocols=hookimpl(lambda: [odd]))])
    (record,) = [one for one in host.plugins if one.name == "lab"]
    assert "protocol 'odd' has the purpose 'exam', which is none of test, validation" in record.error
