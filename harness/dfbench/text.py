"""Names as text: those of files, which may hold any bytes on Linux, in tables and JSON; and those that were misspelt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

_LONGEST = 100  # bytes of a name that becomes part of that of a folder, of which a disk takes 255
_UNFIT = re.compile(r"[^\w.+-]")  # in names of folders, also on disks of other systems
_ESCAPED = re.compile("[\udc80-\udcff]")  # how Python holds a byte of a name that is not UTF-8


def storable(text: str) -> str:
    r"""Return `text` in a form that can be encoded: bytes of a file name that are not UTF-8 become `\xff`; other text stays."""
    if text.isascii():
        return text
    shown = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def reversible(text: str) -> str:
    r"""As `storable`, but with `\` doubled, so that `restored` finds the very name again."""
    return storable(text.replace("\\", "\\\\"))


def restored(text: str) -> str:
    """The inverse of `reversible`."""
    return re.sub(
        r"\\(?:\\|x([0-9a-f]{2}))",
        lambda found: chr(0xDC00 + int(found[1], 16)) if found[1] else "\\",
        text,
    )


def folder_name(text: str) -> str:
    """`text` as the name of a folder, another one for every text: ":" becomes "=", what is unfit otherwise "%2f".

    A long one is cut, and ends with a digest of the whole.
    """
    plain = storable(text)
    name = _UNFIT.sub(lambda found: "=" if found[0] == ":" else f"%{ord(found[0]):02x}", plain)
    if len(name.encode()) <= _LONGEST:
        return name
    return (
        f"{name.encode()[: _LONGEST - 14].decode(errors='ignore')}-{sha256(plain.encode()).hexdigest()[:12]}"
    )


def closest(name: str, known: Sequence[str], *, count: int = 2, cutoff: float = 0.6) -> tuple[str, ...]:
    """Return up to `count` of `known` that `name` may be a misspelling of, nearest first; case does not matter.

    `cutoff`: how alike they must be, from 0 (any name) to 1 (the same).
    """
    import difflib  # needed where something is wrong already, and not by every command

    by_key = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), list(by_key), n=count, cutoff=cutoff)
    return tuple(by_key[key] for key in found)


def did_you_mean(close: Sequence[str]) -> str:
    """Return the question "did you mean 'a' or 'b'?" for names that are `close`, "" if there are none."""
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


def meant(name: str, known: Sequence[str], *, count: int = 2) -> str:
    """Return the question whether one of `known` was meant by `name`, "" if none is close to it."""
    return did_you_mean(closest(name, known, count=count))
