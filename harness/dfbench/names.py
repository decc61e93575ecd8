"""The rule of names: what a dataset, corpus, protocol, detector or recipe may be called.

Names become parts of paths, and many are read from files that strangers made. What keeps to this rule is the same folder on
every disk, leads nowhere else, and looks like no other name: plain ASCII that begins with a letter or digit.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 64  # three of them and a digest fit into the name of a folder
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)  # on Windows, also with any ending


def name_fault(name: object) -> str:
    """Say why `name` is no usable name, as a clause that follows it; returns "" if it is one. It may be of any type."""
    if not isinstance(name, str):
        return f"is of the type {type(name).__name__}, and not text"
    return _text_fault(name)


@lru_cache(maxsize=1024)  # asked of each video
def _text_fault(name: str) -> str:
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST:
        return f"has {len(name)} characters, more than {LONGEST}"
    if not _NAME.fullmatch(name):
        return "holds other characters than ASCII letters, digits and _ . + - (one of the first two must begin it)"
    if name.endswith("."):
        return "ends with a dot, which not every disk keeps"
    if name.partition(".")[0].casefold() in _DEVICES:
        return "is what Windows calls a device"
    return ""


def member_of(name: str) -> tuple[str, str]:
    """Split the name of a detector of a family, "timm:resnet18", into both of its names; the second is "" of any other."""
    family, _, member = name.partition(":")
    return family, member


def shown(name: object) -> str:
    """A name from a file as it stands in a message: in quotes, ASCII alone, and cut where it is long."""
    text = ascii(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
