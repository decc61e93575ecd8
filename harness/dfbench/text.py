"""Names of files as text that can be stored: Linux allows any bytes in them, and tables, JSON and terminals do not."""

from __future__ import annotations

import re
from hashlib import sha256

_LONGEST = 100  # bytes of a name that becomes part of that of a folder, of which a disk takes 255
_UNFIT = re.compile(r"[^\w.+-]")  # in names of folders, also on disks of other systems
_ESCAPED = re.compile("[\udc80-\udcff]")  # how Python holds a byte of a name that is not UTF-8


def storable(text: str) -> str:
    r"""`text` as it can be encoded, bytes of a name that are not UTF-8 as `\xff`; everyday text is returned as it is."""
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
