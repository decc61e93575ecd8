"""Whether a detector was made with what it is tested on: the same videos, or the same people and source videos.

A test on seen videos is refused. People that both sets share make a number too good by an unknown amount: that is said
loudly, and stored with the weights and the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dfbench.data.datasets.leakage import LEAK, Leak, first_few, leaks, shared_videos
from dfbench.data.datasets.manifest import select
from dfbench.errors import DfbenchError, RunError
from dfbench.interfaces import Progress
from dfbench.runs.planning.session import ProtocolSession
from dfbench.specs import DetectorCard, TestSet, VideoSelection
from dfbench.types import Video

_ROLES = {"training": "train", "validation": "val"}


def compare_videos(
    *, train: Iterable[Video], validation: Iterable[Video], tests: Mapping[str, Iterable[Video]]
) -> tuple[Leak, ...]:
    """The groups and identities that two of the sets share; () if they share none.

    Raises RunError if a test video is also in `train` or `validation`: the same dataset and video_id, or the same path.
    """
    used = {"training": list(train), "validation": list(validation)}
    tested = {name: list(videos) for name, videos in tests.items()}
    for name, videos in tested.items():
        for role, others in used.items():
            if shared := shared_videos(videos, others):
                names = first_few(sorted(f"{video.dataset} {video.video_id}" for video in shared))
                raise RunError(
                    f"the test on {name} holds {len(shared)} {role} videos: {names}",
                    hints=("take them out of one of the two; a number on seen videos says nothing",),
                )
    found = leaks("training", used["training"], "validation", used["validation"])
    for role, others in used.items():
        for name, videos in tested.items():
            found += [replace(leak, test=name) for leak in leaks(role, others, "test", videos)]
    return tuple(found)


def by_dataset(found: Iterable[Leak]) -> dict[str, list[str]]:
    """Return a sentence for each leak, by its dataset: the form in which a training stores them."""
    told: dict[str, list[str]] = {}
    for leak in dict.fromkeys(replace(leak, test="") for leak in found):
        told.setdefault(leak.dataset, []).append(f"{LEAK}{leak.words()}")
    return told


def by_test(found: Iterable[Leak], tests: Iterable[TestSet]) -> dict[str, list[str]]:
    """Return a sentence for each leak by the key of its test, the form in which a run stores them.

    A leak between training and validation set is told of each test of its dataset, or under the name of that if there is none.
    """
    keys: dict[str, list[str]] = {}
    for test in tests:
        keys.setdefault(test.dataset, []).append(test.key)
    told: dict[str, list[str]] = {}
    for leak in found:
        for key in [leak.test] if leak.test else keys.get(leak.dataset, [leak.dataset]):
            told.setdefault(key, []).append(f"{LEAK}{leak.words()}")
    return told


def warn_of_leaks(found: Iterable[Leak], progress: Progress) -> None:
    """Say each loudly."""
    for leak in found:
        progress.note(f"*** warning: {leak.test or leak.dataset}: {LEAK}{leak.words()}")


def leaks_into_tests(
    session: ProtocolSession, card: DetectorCard, tests: Mapping[str, Sequence[Video]]
) -> tuple[Leak, ...]:
    """What a detector with this card shares with the videos that it is about to be tested on, as `compare_videos` says it.

    Its training and validation sets are those of the protocol, or else the splits "train" and "val" of the dataset that
    it was trained on, as far as the root of that is configured. Raises RunError for a test on videos of these.
    """
    used: dict[str, list[Video]] = {role: [] for role in _ROLES}
    for dataset in sorted(card.trained_on or ()):
        if card.corpora is not None and session.source.corpus_of([dataset]) not in card.corpora:
            continue  # a dataset of that name was rendered, or is not the official one: other videos
        protocol = {"training": session.protocol.train, "validation": session.protocol.validation}
        for role, split in _ROLES.items():
            if role == "validation" and session.protocol.purpose == "validation":
                continue  # tested on purpose: what comes of it is never ranked
            chosen = protocol[role]
            if chosen is None or chosen.dataset != dataset:
                chosen = VideoSelection(dataset, (split,))
            used[role] += _found(session, chosen)
    return compare_videos(train=used["training"], validation=used["validation"], tests=tests)


def _found(session: ProtocolSession, selection: VideoSelection) -> list[Video]:
    """The videos of a selection; none if its root is not configured, or it has none: then it is not tested on either."""
    try:
        return select(session.index(selection.dataset, selection.compression).videos, selection)
    except DfbenchError:
        return []
