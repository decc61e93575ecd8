"""The inventory: what is missing, empty, extra, and how the counts compare with the published ones."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from tests.data.sample_copy import SPEC, video, write_copy

from dfbench.data.datasets.corpus_card import corpus_name
from dfbench.data.datasets.manifest import manifest_digest
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.errors import LayoutError, UnknownNameError
from dfbench.exchanged import DatasetIndex
from dfbench.types import Counts, Label


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "Ein Ordner mit Straße"


@pytest.fixture
def index(root: Path) -> DatasetIndex:
    return write_copy(root)


def test_a_complete_copy(root: Path, index: DatasetIndex) -> None:
    inventory = take_stock(SPEC, root, index)
    assert inventory.complete
    assert [(row.split, row.manipulation, row.expected, row.found) for row in inventory.rows] == [
        ("test", "real", Counts(2, 0), Counts(2, 0)),
        ("test", "Swap", Counts(0, 1), Counts(0, 1)),
    ]
    assert inventory.corpus == "official"
    assert {row.split_hash for row in inventory.rows} == {manifest_digest(index.videos)}
    assert inventory.lines()[-1] == "complete"
    assert any("not needed for testing" in line for line in inventory.lines())


def test_a_training_video_leaves_the_hash_of_the_test_split(root: Path, index: DatasetIndex) -> None:
    before = take_stock(SPEC, root, index)
    more = [video(root, name, split="train") for name in ("t", "u")]
    hashes = [
        {
            row.split: row.split_hash
            for row in take_stock(SPEC, root, DatasetIndex((*index.videos, *train))).rows
        }
        for train in ([], more[:1], more)
    ]
    assert {one["test"] for one in hashes} == {before.rows[0].split_hash}
    assert hashes[1]["train"] != hashes[2]["train"]
    assert f"split hash {before.rows[0].split_hash[:12]})" in before.lines()[1]


def test_list_files_are_told_with_their_hash(root: Path, index: DatasetIndex) -> None:
    path = root / "list.txt"
    path.write_bytes(b"a\nb\nc\n")
    inventory = take_stock(SPEC, root, replace(index, lists=(path,)))
    digest = sha256(b"a\nb\nc\n").hexdigest()
    assert inventory.to_json()["lists"] == [{"file": "list.txt", "sha256": digest}]
    assert f"    {digest}  list.txt" in inventory.lines()
    path.unlink()
    with pytest.raises(LayoutError, match=r"list\.txt cannot be read"):
        take_stock(SPEC, root, replace(index, lists=(path,)))


def test_what_is_not_verified_of_the_layout_is_told(root: Path, index: DatasetIndex) -> None:
    words = "whether videos lie one folder deeper"
    for spec, verified, line in (
        (SPEC, True, ""),
        (
            replace(SPEC, unverified=words),
            False,
            f"  the layout is verified in part; not verified is {words}",
        ),
        (replace(SPEC, verified=False), False, "  the official layout is not verified"),
    ):
        inventory = take_stock(spec, root, index)
        assert inventory.to_json()["layout_verified"] is verified
        assert any(one.startswith(line) for one in inventory.lines())
        assert verified is not any("verified" in one for one in inventory.lines()[1:])


def test_a_missing_video_is_named(root: Path, index: DatasetIndex) -> None:
    index.videos[1].path.unlink()
    inventory = take_stock(SPEC, root, index)
    assert inventory.missing == ("real/b.mp4",)
    assert inventory.rows[0].found == Counts(1, 0)
    assert not inventory.complete
    assert "    real/b.mp4" in inventory.lines()
    assert inventory.lines()[-1].startswith("INCOMPLETE")


def test_a_missing_folder_is_as_many_missing_videos(root: Path, index: DatasetIndex) -> None:
    index.videos[2].path.unlink()
    index.videos[2].path.parent.rmdir()
    assert take_stock(SPEC, root, index).missing == ("Swap/c.mp4",)


def test_an_empty_file_and_a_dangling_link_are_not_found(root: Path, index: DatasetIndex) -> None:
    index.videos[0].path.write_bytes(b"")
    index.videos[1].path.unlink()
    index.videos[1].path.symlink_to(root / "gone")
    inventory = take_stock(SPEC, root, index)
    assert (inventory.empty, inventory.missing) == (("real/a.mp4",), ("real/b.mp4",))
    assert inventory.rows[0].found == Counts(0, 0)
    assert not inventory.complete


def test_an_extra_video_is_told_but_is_no_shortfall(root: Path, index: DatasetIndex) -> None:
    for name in ("extra.mp4", "notes.txt", "._a.mp4"):
        (root / "real" / name).write_bytes(b"video")
    inventory = take_stock(SPEC, root, index)
    assert inventory.extra == ("real/extra.mp4",)
    assert inventory.complete


def test_problems_of_the_lists_are_a_shortfall(root: Path, index: DatasetIndex) -> None:
    inventory = take_stock(SPEC, root, replace(index, problems=("list.txt, line 3: bad",)))
    assert not inventory.complete
    assert "    list.txt, line 3: bad" in inventory.lines()
    assert ("mend the list files" in "".join(inventory.remedies())) is bool(index.lists)


@pytest.mark.parametrize("official", [Counts(3, 1), Counts(1, 1), Counts(2, 2)])
def test_a_list_of_another_length_than_published_differs(
    root: Path, index: DatasetIndex, official: Counts
) -> None:
    inventory = take_stock(replace(SPEC, official={"test": official}), root, index)
    assert not inventory.complete
    assert any("DIFFERS" in line for line in inventory.lines())


def test_a_later_manipulation_is_counted_apart_and_only_if_it_is_there(
    root: Path, index: DatasetIndex
) -> None:
    later = video(root, "d", "Later")
    later.path.parent.mkdir()
    later.path.write_bytes(b"video")
    assert [one.part for one in take_stock(SPEC, root, index).official] == ["train", "test"]
    inventory = take_stock(SPEC, root, DatasetIndex((*index.videos, later)))
    assert [(one.part, one.listed) for one in inventory.official] == [
        ("train", None),
        ("test", Counts(2, 1)),
        ("test/Later", Counts(0, 1)),
    ]
    assert inventory.complete


def test_an_absent_test_split_and_a_split_asked_for_are_shortfalls(root: Path, index: DatasetIndex) -> None:
    spec = replace(SPEC, official={**SPEC.official, "val": Counts(1, 1)})
    assert not take_stock(spec, root, index).complete
    assert take_stock(spec, root, index, splits=("test",)).complete
    assert not take_stock(spec, root, index, splits=("train",)).complete


@pytest.mark.parametrize("official", [SPEC.official, {}])
def test_a_split_that_is_neither_listed_nor_official_is_unknown(
    root: Path, index: DatasetIndex, official: dict[str, Counts]
) -> None:
    with pytest.raises(UnknownNameError, match="no split 'tset' in sample") as caught:
        take_stock(replace(SPEC, official=official), root, index, splits=("test", "tset"))
    assert caught.value.hints[0] == "did you mean 'test'?"


def test_masks_that_are_not_where_the_index_says_are_missing(root: Path, index: DatasetIndex) -> None:
    with zipfile.ZipFile(root / "masks.zip", "w") as archive:
        archive.writestr("a/0.png", b"x")
        archive.writestr("hollow/0.png", b"")
    (root / "masks").mkdir()
    (root / "masks" / "b.mp4").write_bytes(b"x")
    fakes = [video for video in index.videos if video.label is Label.FAKE]
    assert len(fakes) == 1
    video = fakes[0]
    expected = {
        "masks.zip/a": ((), ()),
        "masks.zip/gone": (("masks.zip/gone",), ()),
        "masks.zip/hollow": ((), ("masks.zip/hollow",)),
        "masks/b.mp4": ((), ()),
        "masks/gone.mp4": (("masks/gone.mp4",), ()),
        "nowhere/b.mp4": (("nowhere/b.mp4",), ()),
    }
    for name, (missing, empty) in expected.items():
        masked = replace(video, mask_path=root / name)
        videos = tuple(masked if one is video else one for one in index.videos)
        inventory = take_stock(SPEC, root, replace(index, videos=videos))
        assert (inventory.missing, inventory.empty) == (missing, empty)
        assert inventory.complete is not bool(missing or empty)
        assert not inventory.extra


def test_a_wrong_root_is_an_error(root: Path, index: DatasetIndex) -> None:
    assert corpus_name(root / "nowhere") == "official"
    with pytest.raises(LayoutError, match="cannot be used: no such folder"):
        take_stock(SPEC, root / "nowhere", index)
    with pytest.raises(LayoutError, match="cannot be used: a file, not a folder"):
        take_stock(SPEC, index.videos[0].path, index)


def test_json_has_everything_and_lines_are_cut(root: Path, index: DatasetIndex) -> None:
    absent = tuple(video(root, f"x{number:02d}") for number in range(30))
    inventory = take_stock(SPEC, root, DatasetIndex((*index.videos, *absent)))
    content = json.loads(json.dumps(inventory.to_json()))
    assert content["missing"] == [f"real/x{number:02d}.mp4" for number in range(30)]
    assert content["complete"] is False
    assert content["splits"][0] == {
        "split": "test",
        "manipulation": "real",
        "expected": {"real": 32, "fake": 0},
        "found": {"real": 2, "fake": 0},
        "split_hash": inventory.rows[0].split_hash,
    }
    assert content["official"][0] == {
        "part": "train",
        "official": {"real": 9, "fake": 9},
        "listed": None,
        "agrees": True,
    }
    assert "    ... and 10 more (--json names all)" in inventory.lines()


def test_people_shared_by_ones_own_splits_are_a_shortfall(root: Path, index: DatasetIndex) -> None:
    own = replace(SPEC, official={})
    rows = [
        replace(one, split=split) for one, split in zip(index.videos, ("train", "val", "test"), strict=True)
    ]
    assert take_stock(own, root, DatasetIndex(tuple(rows))).complete
    rows[2] = replace(rows[2], group=rows[0].group, identities=("x",))
    rows[1] = replace(rows[1], identities=("x",))
    inventory = take_stock(own, root, DatasetIndex(tuple(rows)))
    assert inventory.leaks == (
        "1 group is in train and in test: a",
        "1 identity is in val and in test: x",
    )
    assert not inventory.complete
    assert inventory.to_json()["leaks"] == list(inventory.leaks)
    assert "  2 leaks between splits:" in inventory.lines()
    assert any(
        "put all videos of a person or source video into one split" in one for one in inventory.remedies()
    )
    assert inventory.lines()[-1] == "INCOMPLETE: numbers on it would mislead"
    assert take_stock(own, root, DatasetIndex(tuple(rows)), splits=("val",)).leaks == inventory.leaks[1:]


def test_people_shared_by_published_splits_are_a_note(root: Path, index: DatasetIndex) -> None:
    rows = tuple(
        replace(one, split=split, group="a")
        for one, split in zip(index.videos, ("train", "test", "test"), strict=True)
    )
    spec = replace(SPEC, official={"train": Counts(1, 0), "test": Counts(1, 1)})
    inventory = take_stock(spec, root, DatasetIndex(rows, notes=("known",)))
    assert inventory.notes == (
        "known",
        "leak between the published splits: 1 group is in train and in test: a",
    )
    assert inventory.complete
    assert not take_stock(replace(spec, official={"test": Counts(1, 1)}), root, DatasetIndex(rows)).complete


@pytest.mark.parametrize("how", ["link", "hard link", "other path"])
def test_one_file_in_two_splits_is_a_shortfall(root: Path, index: DatasetIndex, how: str) -> None:
    first = index.videos[0]
    again = replace(video(root, "again", split="train"), path=root / "Swap/../real/a.mp4")
    if how != "other path":
        again = video(root, "again", split="train")
        if how == "link":
            again.path.symlink_to(first.path)
        else:
            again.path.hardlink_to(first.path)
    own = replace(SPEC, official={})
    inventory = take_stock(own, root, DatasetIndex((*index.videos, again)))
    assert inventory.leaks == ("a (test, real) = again (train, real)",)
    assert not inventory.complete
    twice = take_stock(own, root, DatasetIndex((*index.videos, replace(again, split="test"))))
    assert twice.notes == ("one file: a (test, real) = again (test, real)",)
    assert twice.complete


def test_what_no_list_names_is_to_be_downloaded_and_what_a_list_lost_restored(
    root: Path, index: DatasetIndex
) -> None:
    spec = replace(SPEC, official={"test": Counts(363, 3068), "val": Counts(1, 1)})
    inventory = take_stock(spec, root, index)
    assert inventory.remedies() == [
        "download the rest of test: 2 of 363 real and 1 of 3068 fake videos of it are on disk; "
        "if a selection is meant, name it in dfbench-corpus.json",
        "download the rest of val: 0 of 1 real and 0 of 1 fake videos of it are on disk; "
        "if a selection is meant, name it in dfbench-corpus.json",
    ]
    assert (
        "  test: no list, on disk 2 real + 1 fake, official counts are 363 real + 3068 fake: DIFFERS"
        in inventory.lines()
    )
    (root / "list.txt").write_bytes(b"")
    listed = replace(index, lists=(root / "list.txt",), unlisted=("val",))
    kinds = [one.partition(" of ")[0].partition(";")[0] for one in take_stock(spec, root, listed).remedies()]
    assert kinds == ["download the rest", "restore the official lists"]
    (more,) = take_stock(replace(spec, official={"test": Counts(1, 1)}), root, index).remedies()
    assert more.startswith("move away what does not belong to test: 2 of 1 real and 1 of 1 fake videos")
