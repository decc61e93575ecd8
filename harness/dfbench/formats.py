"""Formats of stored files: who meets a file of a later one is told which dfbench to install, and changes nothing.

Each kind of file says in it of which format it is, a whole number that rises with each change that older readers would
misread, and which dfbench wrote it.
"""

from __future__ import annotations

import re
from pathlib import Path

from dfbench.errors import NewerFormatError
from dfbench.version import VERSION

WRITTEN_BY = "dfbench.version"  # in the metadata of a file: the version of dfbench that wrote it
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!_-]{0,39}")
_NUMBER = re.compile(r"[0-9]{1,9}")


def refuse_newer(path: Path, what: str, *, found: object, known: int, written_by: object = "") -> None:
    """Raise NewerFormatError, which says what to install, if the file at `path` is of a later format than the `known` one.

    `what` the file is, in words; `found` and `written_by`: the format and the version of dfbench that it names, as text, bytes
    or number. What is no format is passed over: it is for whoever reads the file to say what is wrong with it.
    """
    number = _text(found)
    if isinstance(found, bool) or not _NUMBER.fullmatch(number) or int(number) <= known:
        return
    writer = _text(written_by)
    named = writer if _VERSION.fullmatch(writer) and writer != VERSION else ""
    raise NewerFormatError(
        f"{path} is {what} of format {number}, and dfbench {VERSION} reads formats up to {known}",
        hints=(
            f"install dfbench {named}, which wrote it, or a later one:   pip install 'dfbench-harness>={named}'"
            if named
            else "install a later dfbench:   pip install --upgrade dfbench-harness",
        ),
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
