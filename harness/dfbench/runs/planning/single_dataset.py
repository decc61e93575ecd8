"""The test of a single dataset, of which no protocol of a plugin need know: one's own videos above all.

It has the form of a protocol, under a name that no plugin can give to one of its own, so that its numbers stand on a board
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dfbench.errors import UsageError
from dfbench.escaping import for_shell
from dfbench.runs.records.dataset_tests import STANDARD, protocol_name
from dfbench.specs import DatasetSpec, ProtocolSpec, VideoSelection
from dfbench.types import Video


def dataset_protocol(
    spec: DatasetSpec,
    videos: Iterable[Video],
    *,
    splits: Sequence[str] = (),
    compression: str = "",
    training: ProtocolSpec | None = None,
) -> ProtocolSpec:
    """The protocol that tests `splits` of a dataset whose videos are `videos`; without any, its test split or only split.

    `compression`: "" for the standard one. `training`: the protocol by whose sets a detector is trained, None if it is not.
    Raises UsageError if no split is named and several are there, none of them "test".
    """
    rows = list(videos)
    on_disk = rows[0].compression if compression and rows else ""  # "c0" is called "raw" there
    found = tuple(dict.fromkeys(video.split for video in rows))
    chosen = tuple(dict.fromkeys(splits)) or ((STANDARD,) if STANDARD in found else found)
    if not splits and len(chosen) > 1:
        raise UsageError(
            f"{spec.name} has several splits, and none is called {STANDARD!r}: {', '.join(found)}",
            hints=(f"say which one to test:  --split {for_shell(found[0])}",),
        )
    return ProtocolSpec(
        name=protocol_name(spec.name, chosen, "" if on_disk in spec.compressions[:1] else on_disk),
        summary=f"Test on {spec.title or spec.name}.",
        train=training.train if training is not None else None,
        validation=training.validation if training is not None else None,
        tests=(VideoSelection(spec.name, chosen, compression=on_disk or None),),
    )
