"""Read texts and records that others wrote: lists, cards, settings, run records, headers, caches.

Everything that dfbench reads from outside comes through here, so that a named pipe, a device, a sparse file of 100 GB, a
thousand brackets or a number of a million digits ends as an UnreadableError that names the file, and never as a process
that waits for ever, eats all memory, or falls over a RecursionError three calls later. A test looks for readers that go
around this module. Video files and tables have their own readers, which ask `require_regular` first.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

from dfbench.errors import AbsentError, UnreadableError

# The most bytes that are read of a file, by what it is. JSON takes up to thirty times its size in memory.
MOST_SETTINGS = 2**20  # bytes of dfbench.toml, of a corpus card, of the header in a weights file
MOST_RECORD = 16 * 2**20  # bytes of run.json, of the record of a training or an explanation
MOST_LIST = (
    256 * 2**20
)  # bytes of a dataset's list file with one line per video; MOST_JSON_LIST if it is JSON
MOST_JSON_LIST = 128 * 2**20  # bytes of a JSON list, such as files.json or the listing of an archive
MOST_DEPTH = 64  # brackets within brackets
MOST_NUMBER = 2**63  # whole numbers beyond it fit no array, no table and no seed

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "it is a folder, not a file"),
    (stat.S_ISFIFO, "it is a named pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)
_BOM = b"\xef\xbb\xbf"
_OTHERS = (  # what a file begins with that is not text in UTF-8
    (b"\x1f\x8b", "it is compressed with gzip: unpack it"),
    (b"BZh", "it is compressed with bzip2: unpack it"),
    (b"\xfd7zXZ\x00", "it is compressed with xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: unpack it"),
    (b"PK\x03\x04", "it is a zip archive: unpack it"),
    (b"\xff\xfe", "it is UTF-16, not UTF-8: save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16, not UTF-8: save it as UTF-8"),
)
# A string of JSON, closed or not: neither branch can match what the other does, so that the time is linear.
_STRING = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)
# What a number that is too large must hold; a call for each number would double the time of the parser.
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_NO_MARKS = bytes(sorted(set(range(256)) - set(b'[]{}"')))
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
Pairs = Callable[[list[tuple[str, Any]]], Any]


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading, links followed; returns it unbuffered.

    Raises AbsentError if nothing is there, UnreadableError for a pipe, a device, a socket, a folder, or what may not be read.
    """
    require_regular(path)
    try:
        # The file may have been exchanged since it was looked at; without NONBLOCK, opening a pipe waits for its writer.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise _unreadable(path, error) from error
    if fault := _fault(os.fstat(opened).st_mode):
        os.close(opened)
        raise UnreadableError(path, fault)
    return FileIO(opened, "rb")


def require_regular(path: Path, *, most: int | None = None) -> Path:
    """Return `path`, absolute, if a regular file of at most `most` bytes is there, links followed.

    For what a library opens by its name: opening a device may be all that it takes to do harm, and an absolute path is
    never taken for an option, an address or a protocol. Raises AbsentError, UnreadableError.
    """
    try:
        seen = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if fault := _fault(seen.st_mode):
        raise UnreadableError(path, fault)
    if most is not None and seen.st_size > most:
        raise _too_large(path, seen.st_size, most)
    return path.absolute()


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes. Raises AbsentError, UnreadableError."""
    with open_regular(path) as opened:
        try:
            size = os.fstat(opened.fileno()).st_size
            if size > most:
                raise _too_large(path, size, most)
            parts = [opened.read(size + 1)]
            held = len(parts[0])
            while (
                parts[-1] and held <= most
            ):  # it grows, or it is one of the system's, which all have the size 0
                parts.append(opened.read(2**20))
                held += len(parts[-1])
        except OSError as error:
            raise _unreadable(path, error) from error
    if held > most:
        raise _too_large(path, held, most)
    return b"".join(parts)


def read_text(path: Path, *, most: int) -> str:
    """Read a text in UTF-8; returns it without a byte-order mark. Raises AbsentError, UnreadableError."""
    return decoded(path, read_bytes(path, most=most))


def decoded(path: Path, raw: bytes) -> str:
    """Decode the content `raw` of the file `path` as UTF-8; returns it without a byte-order mark. Raises UnreadableError."""
    if what := foreign(raw):
        raise UnreadableError(path, what)
    if b"\x00" in raw:
        raise UnreadableError(path, "it holds null bytes, so that it is no text")
    try:
        return raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(path, f"it is not UTF-8 text (byte {error.start})") from error


def foreign(raw: bytes) -> str:
    """Return what `raw` is, judged by its first bytes, if it is compressed or UTF-16 instead of UTF-8 text; "" otherwise."""
    return next((what for start, what in _OTHERS if raw.startswith(start)), "")


def read_json(path: Path, *, most: int, surrogates: bool = False) -> Any:
    """Read a JSON file; returns its content, as `parsed_json` does. Raises AbsentError, UnreadableError."""
    return parsed_json(path, read_bytes(path, most=most), surrogates=surrogates)


def read_object(path: Path, *, most: int) -> dict[str, Any]:
    """Return the object in a JSON file of at most `most` bytes. Raises AbsentError, UnreadableError."""
    return parsed_object(path, read_bytes(path, most=most))


def parsed_object(path: Path, raw: bytes | str) -> dict[str, Any]:
    """Parse JSON that holds an object, and return it. Raises UnreadableError, which names the file `path` of the text."""
    content = parsed_json(path, raw)
    if not isinstance(content, dict):
        raise UnreadableError(path, "it is no JSON object")
    return content


def parsed_json(path: Path, raw: bytes | str, *, pairs: Pairs | None = None, surrogates: bool = False) -> Any:
    """Parse JSON and return its content. Nesting is at most MOST_DEPTH deep, numbers are finite, whole numbers fit 64 bits.

    `pairs` converts the (name, value) pairs of each object; it is called only after the depth was checked. `surrogates` allows
    strings with halves of surrogate pairs, which stand for bytes of file names and cannot be printed. Raises UnreadableError,
    which names the file `path` of the text.
    """
    content = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    _require_shallow(path, content)

    def whole(digits: str) -> int:
        if len(digits) > 20 or not -MOST_NUMBER <= (number := int(digits)) < MOST_NUMBER:
            raise UnreadableError(path, f"the number {digits[:20]}... has more than 64 bits")
        return number

    def real(digits: str) -> float:
        if not math.isfinite(number := float(digits)):
            raise UnreadableError(path, f"the number {digits[:20]} is too large")
        return number

    def constant(name: str) -> NoReturn:
        raise UnreadableError(path, f"{name} is no number of JSON")

    text = decoded(path, content)
    numbers: dict[str, Any] = {"parse_int": whole, "parse_float": real} if _may_be_large(content) else {}
    try:
        parsed = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, **numbers)
    except json.JSONDecodeError as error:
        raise UnreadableError(path, f"it is not JSON ({error})", line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(path, f"it is not JSON ({error})") from error
    if not surrogates and _SURROGATE.search(content):
        _require_encodable(path, parsed)
    return parsed


def read_toml(path: Path, *, most: int = MOST_SETTINGS) -> dict[str, Any]:
    """Read a TOML file; returns its tables. Raises AbsentError, UnreadableError."""
    return parsed_toml(path, read_text(path, most=most))


def parsed_toml(path: Path, text: str) -> dict[str, Any]:
    """Parse TOML; returns its tables, no more than MOST_DEPTH deep. Raises UnreadableError, which names the file `path`."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(path, f"it is not valid TOML: {error}") from error
    level: list[Any] = [content]
    for _ in range(MOST_DEPTH):
        level = [
            value
            for one in level
            for value in (one.values() if isinstance(one, dict) else one)
            if isinstance(value, (dict, list))
        ]
        if not level:
            return content
    raise UnreadableError(path, f"its tables are more than {MOST_DEPTH} deep")


def _require_shallow(path: Path, raw: bytes) -> None:
    """Raise UnreadableError if brackets stand more than MOST_DEPTH deep: what goes through them later calls itself."""
    if raw.count(b"[") + raw.count(b"{") <= MOST_DEPTH:
        return
    if b"\\" in raw:
        brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    else:  # every other part between quotes is a string, and two quotes in a row change nothing: many times as quick
        marks = raw.translate(None, _NO_MARKS).replace(b'""', b"")
        brackets = b"".join(marks.split(b'"')[::2])
    for _ in range(MOST_DEPTH):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not inner:
            return
        if len(inner) == len(
            brackets
        ):  # some are not closed, which the parser says, unless it goes too deep before
            if brackets.count(b"[") + brackets.count(b"{") <= MOST_DEPTH:
                return
            break
        brackets = inner
    raise UnreadableError(path, f"its brackets are more than {MOST_DEPTH} deep")


def _may_be_large(raw: bytes) -> bool:
    """Whether there may be a number in `raw` that has more than 64 bits, or is infinite as a float."""
    plain = raw.translate(_DIGITS)
    return any(sign in plain for sign in (b"0" * 19, b"0e0", b"0e+", b"0e-"))


def _require_encodable(path: Path, content: Any) -> None:
    try:
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableError(
            path, "a text in it holds half of a surrogate pair, which is no character"
        ) from error


def _fault(mode: int) -> str:
    """What a file of this mode is, "" if it is a regular one."""
    if stat.S_ISREG(mode):
        return ""
    return next((what for is_kind, what in _KINDS if is_kind(mode)), "it is no regular file")


def _too_large(path: Path, size: int, most: int) -> UnreadableError:
    return UnreadableError(path, f"it has {size} bytes, and at most {most} are read of such a file")


def _unreadable(path: Path, error: OSError | ValueError) -> UnreadableError:
    if not isinstance(error, OSError):
        return UnreadableError(path, "no name of a file")
    absent = isinstance(error, (FileNotFoundError, NotADirectoryError))
    return (AbsentError if absent else UnreadableError)(path, error.strerror or type(error).__name__)
