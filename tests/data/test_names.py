"""File names that are not UTF-8, or as long as a disk allows, from the folder to every table."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench import Dataset, DatasetIndex, Label, LayoutError, SettingsError, UndecodableVideoError, Video
from dfbench.config_file import write_root
from dfbench.data.datasets.manifest import manifest_digest, manifest_of, videos_of
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.data.decoding.video import probe
from dfbench.data.fingerprints import UNREADABLE, fingerprint
from dfbench.data.images.archives import archive_of
from dfbench.data.images.sequences import is_sequence, source_size
from dfbench.data.preparing.outcomes import known_outcome, store_failure
from dfbench.runs.records.score_table import ScoreWriter, read_scores
from dfbench.text import restored, reversible, storable
from dfbench.types import Status
from dfbench_plugins.datasets.folder import SPEC, FolderDataset

ODD = os.fsdecode(b"caf\xe9 \xff.mp4")
SHOWN = r"caf\xe9 \xff.mp4"
NAMES = st.binary(max_size=30).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(NAMES)
def test_every_name_is_stored_and_found_again(name: str) -> None:
    assert storable(name).encode().decode() == storable(name)
    assert restored(reversible(name)) == name
    assert reversible(name).encode().decode() == reversible(name)


def test_everyday_names_stay_as_they_are() -> None:
    for name in ("a/b.mp4", "видео 顔.mp4", r"back\slash"):
        assert storable(name) == name
    assert storable("\ud800") == r"\ud800"  # of a JSON file; no disk has it


def test_errors_and_problems_can_be_printed_and_cross_processes() -> None:
    error = pickle.loads(pickle.dumps(UndecodableVideoError(f"{ODD}: no", hints=(f"rename {ODD}",))))
    assert (error.message, str(error), error.hints) == (f"{SHOWN}: no", f"{SHOWN}: no", (f"rename {SHOWN}",))
    index = DatasetIndex((), (f"{ODD}, line 1: bad",), (ODD,))
    assert (index.problems, index.notes) == ((f"{SHOWN}, line 1: bad",), (SHOWN,))


@pytest.fixture
def own(tmp_path: Path) -> Dataset:
    for folder in ("real", "fake/caf\udce9"):
        (tmp_path / "own\udcfe" / folder).mkdir(parents=True)
    for name in (f"real/{ODD}", f"fake/caf\udce9/{ODD}", f"real/{'x' * 251}.mp4"):
        (tmp_path / "own\udcfe" / name).write_bytes(b"no video")
    return FolderDataset(tmp_path / "own\udcfe", compression=None)


def test_a_dataset_of_such_names_is_whole(own: Dataset, tmp_path: Path) -> None:
    index = own.index()
    assert not index.problems
    assert {video.video_id for video in index.videos} == {
        f"real/{SHOWN}",
        rf"fake/caf\xe9/{SHOWN}",
        f"real/{'x' * 251}.mp4",
    }
    assert {video.manipulation for video in index.videos} == {"real", r"caf\xe9"}
    assert all(video.path.is_file() for video in index.videos)
    assert videos_of(manifest_of(index.videos)) == list(index.videos)
    table = tmp_path / "manifest.parquet"
    manifest_of(index.videos).to_parquet(table)
    assert len(manifest_digest(index.videos)) == 64
    inventory = take_stock(SPEC, tmp_path / "own\udcfe", index)
    assert inventory.complete
    gone = take_stock(SPEC, tmp_path / "own\udcfe", replace(index, videos=index.videos[:1]))
    assert gone.extra
    for one in (inventory, gone):
        assert "\n".join(one.lines()).encode()
        assert json.dumps(one.to_json(), ensure_ascii=False).encode()


def test_a_reason_names_such_a_file_in_every_table(own: Dataset, tmp_path: Path) -> None:
    reasons = {}
    with ScoreWriter(tmp_path / "run") as writer:
        for number, video in enumerate(own.index().videos):
            with pytest.raises(UndecodableVideoError) as caught:
                probe(video.path)
            path = tmp_path / f"{number}.faces"
            kept = store_failure(video, path, Status.UNDECODABLE, f"{video.path}: broken")
            assert known_outcome(video, path, fingerprint(video.path)) == kept
            writer.add_status(video, status=kept.status, reason=f"{video.path}: broken")
            reasons[video.video_id] = caught.value.message
            assert kept.reason == f"{storable(str(video.path))}: broken"
            assert storable(str(video.path)) in caught.value.message
    scores = read_scores(tmp_path / "run")
    assert set(scores["video_id"]) == set(reasons)
    assert scores["reason"].str.contains(r"own\xfe", regex=False).all()


def test_a_root_that_no_configuration_can_hold(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not UTF-8"):
        write_root("folder", tmp_path / "own\udcfe")


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5000, "a\0b"])
def test_a_name_that_no_disk_has(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / f"{name}.mp4", tmp_path / f"{name}.zip" / "1"):
        assert not is_sequence(path)
        assert archive_of(path) is None
        assert source_size(path) == -1
        assert fingerprint(path) == UNREADABLE  # it is told as such, and not as missing
        with pytest.raises(UndecodableVideoError, match="cannot be read"):
            probe(path)
        video = Video("folder", "a", path, Label.REAL, "test", "real", "original", (), "a")
        (tmp_path / "real").mkdir(exist_ok=True)
        assert len(take_stock(SPEC, tmp_path, DatasetIndex((video,))).missing) == 1


def test_a_loop_of_links_is_one_unreadable_video(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    for loop in (tmp_path / "real" / "loop.mp4", tmp_path / "real" / "deep" / "loop"):
        loop.symlink_to(loop.name)
    (tmp_path / "real" / "deep" / "up").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "good.mp4").write_bytes(b"no video")
    index = FolderDataset(tmp_path, compression=None).index()
    assert [video.video_id for video in index.videos] == ["real/good.mp4", "real/loop.mp4"]
    with pytest.raises(UndecodableVideoError, match="Too many levels of symbolic links"):
        probe(index.videos[1].path)
    assert take_stock(SPEC, tmp_path, index).missing == ("real/loop.mp4",)


def test_a_root_that_is_no_folder_names_itself(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"own\\xfe"):
        FolderDataset(tmp_path / "own\udcfe", compression=None).index()
