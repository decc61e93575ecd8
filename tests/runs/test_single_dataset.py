"""The test of a dataset alone: which splits it has, and under which name its numbers stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench.errors import RunError, SettingsError, UnknownNameError, UsageError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.protocols import lint_protocol
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.single_dataset import dataset_protocol
from dfbench.runs.records.dataset_tests import is_test_of, is_test_on, protocol_name
from dfbench.specs import DatasetSpec, ProtocolSpec, VideoSelection
from dfbench.text import folder_name
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench.types import Label, Video
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

SPEC = DatasetSpec("own", "", "", compressions=("c23", "c40", "raw"))


def videos(*splits: str, compression: str = "c23") -> list[Video]:
    return [
        Video("own", split, Path(split), Label.REAL, split, "real", compression, (), split)
        for split in splits
    ]


@pytest.mark.parametrize(
    ("there", "asked", "tested", "name"),
    [
        (("train", "test"), (), ("test",), "dataset:own"),
        (("test",), ("test",), ("test",), "dataset:own"),
        (("val",), (), ("val",), "dataset:own:val"),
        (("train", "val"), ("val",), ("val",), "dataset:own:val"),
        (("val", "test"), ("val", "test", "val"), ("val", "test"), "dataset:own:test+val"),
    ],
)
def test_the_test_split_is_tested_or_the_only_one_or_what_is_named(
    there: tuple[str, ...], asked: tuple[str, ...], tested: tuple[str, ...], name: str
) -> None:
    protocol = dataset_protocol(SPEC, videos(*there), splits=asked)
    assert (protocol.name, protocol.tests) == (name, (VideoSelection("own", tested),))


def test_without_a_test_split_one_is_to_be_named() -> None:
    with pytest.raises(UsageError, match="several splits, and none is called 'test': train, val") as caught:
        dataset_protocol(SPEC, videos("train", "val"))
    assert "--split train" in caught.value.hints[0]


@pytest.mark.parametrize(
    ("asked", "on_disk", "name"),
    [("", "c23", "dataset:own"), ("c23", "c23", "dataset:own"), ("c0", "raw", "dataset:own:test:raw")],
)
def test_another_compression_has_another_board_by_its_name_on_disk(
    asked: str, on_disk: str, name: str
) -> None:
    protocol = dataset_protocol(SPEC, videos("test", compression=on_disk), compression=asked)
    assert protocol.name == name
    assert protocol.test_sets()[0].selection.compression == (on_disk if asked else None)


def test_only_a_detector_that_is_trained_for_it_is_held_against_a_training_set() -> None:
    training = ProtocolSpec("any", "", train=VideoSelection("own", ("train",)))
    rows = videos("train", "test")
    lint_protocol(dataset_protocol(SPEC, rows, splits=("train",)))
    with pytest.raises(RunError, match="tests on what it trains on"):
        lint_protocol(dataset_protocol(SPEC, rows, splits=("train",), training=training))


NAMES = st.sampled_from(["ffpp", "own", "own2", "own.x"])
SPLITS = st.lists(st.sampled_from(["test", "val", "train", "fold 1", "a/b"]), min_size=1, unique=True)


@given(NAMES, SPLITS, st.sampled_from(["", "c40"]), NAMES, SPLITS)
def test_a_name_says_what_it_tests(
    dataset: str, splits: list[str], compression: str, other: str, others: list[str]
) -> None:
    name = protocol_name(dataset, splits, compression)
    assert is_test_of(name, dataset)
    assert is_test_of(name, other) is (dataset == other)
    assert is_test_on(name, splits)
    assert is_test_on(name, others) is (set(splits) == set(others))
    assert not is_test_of("cross-dataset", dataset)
    assert "/" not in folder_name(name)


@given(st.text(max_size=12), st.text(max_size=12))
def test_folders_of_different_names_differ(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) is (one == other)
    assert folder_name("dataset:folder") == "dataset=folder"
    assert folder_name("leave-out-x.1+2_3") == "leave-out-x.1+2_3"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "own"
    root.mkdir()
    (root / "videos.csv").write_text("path,label,split\na.mp4,real,test\nb.mp4,fake,val\n")
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    return root


def session_of(request: ScoringRequest) -> ProtocolSession:
    return open_scoring(request, Setup(), SilentProgress())


def test_a_request_for_a_dataset_is_a_protocol_of_its_own(own: Path) -> None:
    session = session_of(ScoringRequest("chance", dataset="OWN"))
    assert session.protocol.name == "dataset:folder"
    assert [one.path for one in session.videos(session.protocol.test_sets()[0].selection)] == [own / "a.mp4"]
    assert session_of(ScoringRequest("fakestormer", dataset="folder")).training_sets().train.dataset == "ffpp"
    recipe = load_recipe(
        "demo", {"size": "32", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    )
    net = FakeSTormerNet(network_config(recipe))
    write_weights(own / "w.safetensors", net.state_dict(), Header(recipe, ("ffpp",), "c23", {}))
    given = ScoringRequest("fakestormer", dataset="folder", weights=own / "w.safetensors")
    assert session_of(given).protocol.train is None


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (ScoringRequest("chance", dataset="foldr"), UnknownNameError, "no dataset is called 'foldr'"),
        (
            ScoringRequest("chance", dataset="uadfv"),
            SettingsError,
            "no root is configured for dataset 'uadfv'",
        ),
        (ScoringRequest("chance", dataset="folder", only=("dfd",)), UsageError, "--only picks tests"),
        (ScoringRequest("chance", splits=("val",)), UsageError, "--split goes with --dataset"),
        (ScoringRequest("chance", compression="c40"), UsageError, "--compression goes with --dataset"),
        (
            ScoringRequest("chance", dataset="folder", data="demo"),
            SettingsError,
            "has no dataset 'folder', only",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    own: Path, request_: ScoringRequest, error: type[Exception], words: str
) -> None:
    del own
    with pytest.raises(error, match=words):
        session_of(request_)
    assert not list(Path("cache").glob("corpora/*"))


def test_without_any_root_nothing_is_rendered_for_a_dataset_that_would_not_be_in_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no root is configured") as caught:
        session_of(ScoringRequest("chance", dataset="folder"))
    assert caught.value.hints == ("say where it is:   dfbench data add folder /path/to/it",)
    assert not (tmp_path / "cache").exists()


def test_the_datasets_of_the_demo_are_those_that_it_makes() -> None:
    registry = Host.load().registry
    names = registry.corpus("demo").datasets
    assert {registry.dataset(name).name for name in names} == {"ffpp", "celeb_df_v2", "dfdc", "dfd"}
