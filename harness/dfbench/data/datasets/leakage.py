"""Leakage: people, source videos and files that two sets of videos share, such as a training set and a test set.

A detector that saw a person, or the footage that a fake was made of, in training is tested on what it knows. Groups and
identities are unique in their dataset only, so that they are compared within a dataset; files are compared everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dfbench.types import Video

LEAK = "leak: "  # what a sentence about a leak begins with in notes
_SHOWN = 5
_USED = ("train", "val")  # splits that a detector is made with


@dataclass(frozen=True, slots=True)
class Leak:
    """What two sets of videos, by their names `first` and `second`, share of one `dataset`.

    `kind` is "group" (the cluster that intervals resample) or "identity" (someone in the video); `names` are sorted. `test`
    is the key of the test that shares them, "" for a leak between two other sets.
    """

    dataset: str
    kind: str
    first: str
    second: str
    names: tuple[str, ...]
    test: str = ""

    def words(self) -> str:
        """The leak as a sentence: "3 groups are in train and in test: anna, boris, carl"."""
        one = len(self.names) == 1
        what = {"group": ("group is", "groups are"), "identity": ("identity is", "identities are")}[self.kind]
        return (
            f"{len(self.names)} {what[0 if one else 1]} in {self.first} and in {self.second}: "
            f"{first_few(self.names)}"
        )


def leaks(first: str, videos: Iterable[Video], second: str, others: Iterable[Video]) -> list[Leak]:
    """The groups, and the identities that are no such group, that `videos` share with `others`; by dataset."""
    found = []
    mine, theirs = _by_dataset(videos), _by_dataset(others)
    for dataset in mine:
        if dataset not in theirs:
            continue
        groups = {video.group for video in mine[dataset]} & {video.group for video in theirs[dataset]}
        people = (_names(mine[dataset]) & _names(theirs[dataset])) - groups
        for kind, names in (("group", groups), ("identity", people)):
            if names:
                found.append(Leak(dataset, kind, first, second, tuple(sorted(names))))
    return found


def leaks_between_splits(videos: Sequence[Video]) -> list[Leak]:
    """What each training or validation split ("train", "val") shares with each other split of one dataset."""
    by_split: dict[str, list[Video]] = {}
    for video in videos:
        by_split.setdefault(video.split, []).append(video)
    splits = sorted(by_split, key=lambda name: (*_USED, name).index(name))
    return [
        leak
        for number, first in enumerate(splits)
        if first in _USED
        for second in splits[number + 1 :]
        for leak in leaks(first, by_split[first], second, by_split[second])
    ]


def shared_videos(videos: Iterable[Video], others: Iterable[Video]) -> list[Video]:
    """Return those of `videos` that are also in `others`: the same dataset and video_id, or the same path under another name.

    Links are not followed, as each file of both sets would have to be looked at once more.
    """
    rows = list(others)
    keys = {(video.dataset, video.video_id) for video in rows}
    paths = {video.path for video in rows}
    return [video for video in videos if (video.dataset, video.video_id) in keys or video.path in paths]


def differ(copies: Sequence[Video]) -> bool:
    """Whether videos with one content differ in label or split, so that one of them is wrong or leaks."""
    return len({(video.label, video.split) for video in copies}) > 1


def equation(copies: Sequence[Video]) -> str:
    """Videos with one content in words: "a.mp4 (train, real) = b.mp4 (test, real)"."""
    return " = ".join(f"{video.video_id} ({video.split}, {video.label.name.lower()})" for video in copies)


def first_few(names: Sequence[str]) -> str:
    """The first five of `names`, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _by_dataset(videos: Iterable[Video]) -> Mapping[str, list[Video]]:
    found: dict[str, list[Video]] = {}
    for video in videos:
        found.setdefault(video.dataset, []).append(video)
    return found


def _names(videos: Iterable[Video]) -> set[str]:
    """Groups too: a group mostly is the identity whose footage it is."""
    return {name for video in videos for name in (video.group, *video.identities)}
