"""What two sets of videos share: people, source videos, files."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dfbench.data.datasets.leakage import Leak, first_few, leaks, leaks_between_splits, shared_videos
from dfbench.types import Label, Video


def video(
    name: str,
    split: str = "test",
    *,
    group: str = "",
    identities: tuple[str, ...] = (),
    dataset: str = "own",
    path: str = "",
) -> Video:
    return Video(dataset, name, Path(path or name), Label.REAL, split, "real", "", identities, group or name)


def test_groups_and_identities_are_compared_and_told_apart() -> None:
    train = [video("a", group="anna"), video("b", group="boris", identities=("boris", "carl"))]
    test = [video("c", group="anna", identities=("anna",)), video("d", identities=("carl", "boris"))]
    assert leaks("train", train, "test", test) == [
        Leak("own", "group", "train", "test", ("anna",)),
        Leak("own", "identity", "train", "test", ("boris", "carl")),
    ]
    assert [one.words() for one in leaks("train", train, "test", test)] == [
        "1 group is in train and in test: anna",
        "2 identities are in train and in test: boris, carl",
    ]


def test_names_mean_nothing_in_another_dataset() -> None:
    assert leaks("train", [video("a", group="id0")], "test", [video("b", group="id0", dataset="other")]) == []


def test_only_splits_that_a_detector_is_made_with_can_leak() -> None:
    rows = [video(split, split, group="anna") for split in ("test", "val", "test-hard", "train")]
    assert [(one.first, one.second) for one in leaks_between_splits(rows)] == [
        ("train", "val"),
        ("train", "test"),
        ("train", "test-hard"),
        ("val", "test"),
        ("val", "test-hard"),
    ]
    assert leaks_between_splits([one for one in rows if one.split.startswith("test")]) == []


def test_a_file_under_another_name_is_the_same_video() -> None:
    seen = [video("a", path="/x/a.mp4"), video("b", dataset="other")]
    tested = [video("z", path="/x/a.mp4", dataset="other"), video("a", path="/y/a.mp4"), video("c")]
    assert [one.video_id for one in shared_videos(tested, seen)] == ["z", "a"]


def test_names_are_cut_after_five() -> None:
    assert first_few("abcde") == "a, b, c, d, e"
    assert first_few("abcdefg") == "a, b, c, d, e and 2 more"


NAMES = st.sampled_from("abcdef")
VIDEOS = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=2)), max_size=5)


@given(VIDEOS, VIDEOS)
def test_every_shared_name_is_told_once(
    mine: list[tuple[str, list[str]]], theirs: list[tuple[str, list[str]]]
) -> None:
    first, second = (
        [video(f"{side}{n}", group=group, identities=tuple(people)) for n, (group, people) in enumerate(rows)]
        for side, rows in (("x", mine), ("y", theirs))
    )
    names = [{name for group, people in rows for name in (group, *people)} for rows in (mine, theirs)]
    told = [name for leak in leaks("train", first, "test", second) for name in leak.names]
    assert sorted(told) == sorted(names[0] & names[1])
    back = [name for leak in leaks("test", second, "train", first) for name in leak.names]
    assert sorted(back) == sorted(told)
