"""The names of the protocols that test a single dataset, by which their runs are stored and found."""

from __future__ import annotations

from collections.abc import Sequence

STANDARD = "test"
_KIND = "dataset"
_JOINT = ":"  # in no name of a plugin


def protocol_name(dataset: str, splits: Sequence[str] = (STANDARD,), compression: str = "") -> str:
    """The name of the protocol: "dataset:folder" for the test split, else "dataset:folder:val", "dataset:ffpp:test:c40"."""
    parts = [_KIND, dataset]
    if compression or tuple(splits) != (STANDARD,):
        parts.append("+".join(sorted(splits)))
    return _JOINT.join([*parts, *([compression] if compression else [])])


def test_of(protocol: str) -> str:
    """The dataset of which a protocol of this name is the test; "" if it is a plugin's protocol."""
    kind, *parts = protocol.split(_JOINT)
    return parts[0] if kind == _KIND and parts else ""


def is_test_of(protocol: str, dataset: str) -> bool:
    """Whether a protocol of this name is the test of this dataset, on whatever splits and compression."""
    return test_of(protocol) == dataset


def is_test_on(protocol: str, splits: Sequence[str]) -> bool:
    """Whether the protocol that is the test of a dataset tests these splits."""
    tested = (protocol.split(_JOINT)[2:] or [STANDARD])[0]
    return tested == "+".join(sorted(splits))
