"""WildDeepfake: sequences of face crops, in archives and unpacked."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from dfbench import Counts, DatasetIndex, FrameChoice, Label, LayoutError
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.data.decoding.video import read_frames
from dfbench_plugins.datasets.wilddeepfake import NOTES, SPEC, WildDeepfake


def index_of(root: Path) -> DatasetIndex:
    return WildDeepfake(root, compression=None).index()


def unpack(root: Path, folder: str, *, keep: bool) -> None:
    archive = root / folder / "3.tar.gz"
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():  # `extractall` has a filter only from Python 3.11.4 on
            content = opened.extractfile(member)
            if content is not None:
                target = root / folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
    if not keep:
        archive.unlink()


def test_the_unit_is_the_sequence(wild_root: Path) -> None:
    index = index_of(wild_root)
    assert (index.problems, index.notes) == ((), NOTES)
    assert [(one.video_id, one.label, one.split, one.manipulation) for one in index.videos] == [
        ("real_train/3/9", Label.REAL, "train", "real"),
        ("real_train/3/10", Label.REAL, "train", "real"),
        ("fake_train/3/9", Label.FAKE, "train", "in the wild"),
        ("fake_train/3/10", Label.FAKE, "train", "in the wild"),
        ("real_test/3/9", Label.REAL, "test", "real"),
        ("real_test/3/10", Label.REAL, "test", "real"),
        ("fake_test/3/9", Label.FAKE, "test", "in the wild"),
        ("fake_test/3/10", Label.FAKE, "test", "in the wild"),
    ]
    assert all((video.identities, video.group) == ((), video.video_id) for video in index.videos)


def test_frames_come_in_the_order_of_their_numbers(wild_root: Path) -> None:
    video = next(one for one in index_of(wild_root).videos if one.video_id == "fake_test/3/10")
    seen = {at: int(frame[0, 0, 0]) for at, frame in read_frames(video.path, FrameChoice("uniform", 32))}
    assert seen == {0: 131, 1: 132, 9: 140}  # a gap in the numbers is one in time


def test_unpacked_shards_are_the_same_dataset(wild_root: Path) -> None:
    def content() -> dict[str, list[bytes]]:
        return {
            video.video_id: [frame.tobytes() for _, frame in read_frames(video.path, FrameChoice("first", 3))]
            for video in index_of(wild_root).videos
        }

    packed = content()
    for folder in ("real_train", "fake_test"):
        unpack(wild_root, folder, keep=False)
    assert content() == packed


def test_a_shard_in_both_forms_is_told_and_used_once(wild_root: Path) -> None:
    unpack(wild_root, "real_test", keep=True)
    index = index_of(wild_root)
    assert len(index.videos) == 8
    assert "real_test: 1 shards are there unpacked and as archives, 3 among them" in index.notes[-1]


def test_the_inventory_finds_sequences_in_archives_and_folders(wild_root: Path) -> None:
    unpack(wild_root, "real_test", keep=False)
    inventory = take_stock(SPEC, wild_root, index_of(wild_root))
    assert (inventory.missing, inventory.empty, inventory.extra) == ((), (), ())
    assert [(row.split, row.found.real, row.found.fake) for row in inventory.rows if row.split == "test"] == [
        ("test", 2, 0),
        ("test", 0, 2),
    ]
    assert any(line.startswith("  note: the unit is the sequence") for line in inventory.lines())


def test_a_sequence_under_the_wrong_label_is_told(wild_root: Path) -> None:
    unpack(wild_root, "real_test", keep=False)
    (wild_root / "real_test/3/real/9").rename(wild_root / "real_test/3/9")
    (wild_root / "real_test/3/fake").mkdir()
    (wild_root / "real_test/3/real/10").rename(wild_root / "real_test/3/fake/10")
    index = index_of(wild_root)
    assert len(index.videos) == 6
    assert len(index.problems) == 2
    assert all("does not lie in a folder 'real', as all of real_test does" in one for one in index.problems)


def test_a_damaged_shard_is_told_and_the_others_are_used(wild_root: Path) -> None:
    archive = wild_root / "fake_test/3.tar.gz"
    shutil.copy(archive, wild_root / "fake_test/4.tar.gz")
    archive.write_bytes(archive.read_bytes()[:100])
    index = index_of(wild_root)
    assert [one.video_id for one in index.videos if one.video_id.startswith("fake_test")] == [
        "fake_test/4/9",
        "fake_test/4/10",
    ]
    (problem,) = index.problems
    assert problem.startswith(f"{wild_root / 'fake_test'}, shard: '3.tar.gz' is left out")
    assert f"the archive {archive} cannot be read" in problem
    spec = replace(SPEC, official={"test": Counts(2, 2), "train": Counts(2, 2)})
    inventory = take_stock(spec, wild_root, index)
    assert all(one.agrees for one in inventory.official)
    assert not inventory.complete


def test_no_readable_shard_and_wrong_roots(wild_root: Path, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="layout of wilddeepfake") as caught:
        index_of(wild_root / "real_test")
    assert caught.value.hints[0].endswith(f"{wild_root}?")
    for archive in wild_root.rglob("*.tar.gz"):
        archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(LayoutError, match="hold no video") as caught:
        index_of(wild_root)
    assert [("3.tar.gz cannot be read" in hint) for hint in caught.value.hints] == [True] * 4
    (tmp_path / "empty/real_test").mkdir(parents=True)
    with pytest.raises(LayoutError, match="hold no video"):
        index_of(tmp_path / "empty")
