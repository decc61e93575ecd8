"""Published counts: how many videos a selection should have, whatever the lists of this copy name.

A list that lost most of its lines is scored to the last of its videos, and would count as complete if nobody asked how
many there should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dfbench.data.datasets.corpus_card import read_card
from dfbench.specs import DatasetSpec, VideoSelection
from dfbench.text import closest
from dfbench.types import REAL, Counts, Label, Video

_TRAIN = "train"
_SPLITS = (_TRAIN, "val", "test")
_KEPT = 20  # problems of a dataset that are stored with a run; `data check` tells all


@dataclass(frozen=True, slots=True)
class Listing:
    """What the lists of this copy name of a selection, beside what was published of it (None: nothing was).

    `problems`: a sentence for each line or entry of the dataset's files that could not be used. `misspelt`: how many videos
    are left out for a split of which the name looks like that of a selected one, as `misspelt_splits` counts them.
    """

    listed: Counts
    official: Counts | None = None
    problems: tuple[str, ...] = ()
    misspelt: Mapping[str, int] = field(default_factory=dict)

    @property
    def shortfall(self) -> str:
        """How the lists differ from what was published, "" if they do not, or if nothing was."""
        return shortfall(self.listed, self.official)

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready; of many problems the first twenty, and their number."""
        return {
            "listed": asdict(self.listed),
            "official": None if self.official is None else asdict(self.official),
            "n_problems": len(self.problems),
            "problems": list(self.problems[:_KEPT]),
            "misspelt": dict(self.misspelt),
        }


def published(spec: DatasetSpec, root: Path, *, within: bool = False) -> Mapping[str, Counts]:
    """The published counts of a dataset by part; those of the corpus file in its root stand in their place.

    `within`: the root is that of another dataset, of which such a file speaks. Raises LayoutError if it is damaged.
    """
    replaced = read_card(root)[1]
    if replaced is None:
        return spec.official
    return {} if within else replaced


def apart(official: Mapping[str, Counts], split: str) -> dict[str, Counts]:
    """The manipulations of a split that have counts of their own ("test/FaceShifter"), by name: not every copy has them."""
    return {
        manipulation: counts
        for part, counts in official.items()
        for own, _, manipulation in [part.partition("/")]
        if own == split and manipulation
    }


def official_counts(
    official: Mapping[str, Counts], videos: Sequence[Video], selection: VideoSelection
) -> Counts | None:
    """How many videos `selection` should have, by the published counts; None if a split of it has none.

    `videos`: all that the lists name of the dataset. Manipulations with counts of their own are expected if any of them
    is listed. Where only some of those that were counted together are selected, these have their listed share of the
    count. A training split that is not listed at all is not expected unless it is named.
    """
    listed = {video.split for video in videos}
    known = {part.partition("/")[0] for part in official}
    splits = selection.splits or sorted(listed | (known - {_TRAIN}))
    real = fake = 0
    for split in splits:
        if split not in official:
            return None
        fakes = Counter(
            video.manipulation for video in videos if video.split == split and video.label is Label.FAKE
        )
        own = apart(official, split)
        pooled = {name: count for name, count in fakes.items() if name not in own}
        chosen = {name: count for name, count in pooled.items() if _wanted(name, selection)}
        if _wanted(REAL, selection):
            real += official[split].real
        if not selection.manipulations or len(chosen) == len(pooled) > 0:
            fake += official[split].fake
        elif chosen:
            fake += round(official[split].fake * sum(chosen.values()) / sum(pooled.values()))
        fake += sum(one.fake for name, one in own.items() if name in fakes and _wanted(name, selection))
    return Counts(real, fake)


def misspelt_splits(videos: Iterable[Video], selection: VideoSelection) -> dict[str, int]:
    """How many of `videos` are in splits whose names may be misspelt ones of the selection: `tset` beside `test`.

    Only the usual names count, since folds of one's own have names that are like one another on purpose.
    """
    wanted = [name for name in selection.splits if name in _SPLITS]
    others = Counter(video.split for video in videos if video.split not in (*_SPLITS, *selection.splits))
    return {name: count for name, count in others.items() if closest(name, wanted, count=1)}


def left_out(misspelt: Mapping[str, int]) -> list[str]:
    """A sentence for each split that `misspelt_splits` counted: `3 videos of the split 'tset' are left out`."""
    return [
        f"{count} video{'s' * (count != 1)} of the split {name!r} {'is' if count == 1 else 'are'} left out"
        for name, count in misspelt.items()
    ]


def counts_of(videos: Iterable[Video]) -> Counts:
    """How many of `videos` are real and fake."""
    labels = [video.label for video in videos]
    return Counts(labels.count(Label.REAL), labels.count(Label.FAKE))


def shortfall(listed: Counts, official: Counts | None) -> str:
    """How the lists of a copy differ from the published counts: `listed 24 of 518 (...)`; "" if they do not."""
    if official is None or listed == official:
        return ""
    parts = f"{listed.real} of {official.real} real, {listed.fake} of {official.fake} fake"
    return f"listed {listed.real + listed.fake} of {official.real + official.fake} ({parts})"


def _wanted(manipulation: str, selection: VideoSelection) -> bool:
    return not selection.manipulations or manipulation in selection.manipulations
