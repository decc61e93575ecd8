"""Reading the list files that datasets ship: text and JSON, written by hand and by script, in every state.

Whatever is wrong with one line or entry becomes a sentence in `problems` (file, place, content, remedy) and
the rest of the file is still used. Only a file that cannot be opened at all raises LayoutError.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from typing import Any, TypeVar

from dfbench import Label, LayoutError, UnreadableError
from dfbench.data import MOST_JSON_LIST, MOST_LIST, foreign, parsed_json, read_bytes

_SHOWN = 80
_BOM = b"\xef\xbb\xbf"
_RESTORE = "restore the official file"
_LABEL_WORDS = {"real": Label.REAL, "fake": Label.FAKE}
_LABEL_NUMBER = re.compile(r"([01])(?:\.0*)?")  # 1.0 is what pandas writes once a column had a gap
JsonT = TypeVar("JsonT", list[Any], dict[str, Any])


def describe(path: Path, where: str, content: object, wrong: str, remedy: str) -> str:
    """One problem as a sentence; `where` is "line 3" or "entry 7", `content` is shown cut to 80 characters."""
    shown = ascii(content) if isinstance(content, bytes) or not is_clean(str(content)) else repr(content)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    return f"{path}, {where}: {shown} {wrong}; {remedy}"


def read_lines(path: Path, problems: list[str]) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1; the first and last included.

    A last line without a newline is a line (Celeb-DF's list ends so), a byte-order mark is skipped, and a line
    that is not UTF-8 goes to `problems`. Raises LayoutError if the file cannot be opened.
    """
    lines: list[tuple[int, str]] = []
    content = _read(path, MOST_LIST)
    if what := foreign(content):
        problems.append(describe(path, "line 1", content[:_SHOWN], f"is no text: {what}", _RESTORE))
        return lines
    for number, raw in enumerate(content.removeprefix(_BOM).splitlines(), start=1):
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            problems.append(describe(path, f"line {number}", raw, "is not UTF-8 text", _RESTORE))
            continue
        if text:
            lines.append((number, text))
    return lines


def read_json(path: Path, kind: type[JsonT], problems: list[str]) -> JsonT:
    """The content of a JSON file whose top is of type `kind` (list or dict); an empty one if it is not.

    Keys that an object repeats go to `problems`, the first value holds: plain `json` would keep the last one
    without a word. Raises LayoutError if the file cannot be opened.
    """

    def first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key, value in pairs:
            if key in content:
                remedy = "the first entry is used; remove one of them"
                problems.append(describe(path, f"entry {key!a}", value, "repeats this name", remedy))
            else:
                content[key] = value
        return content

    raw = _read(path, MOST_JSON_LIST)
    try:
        content = parsed_json(path, raw, pairs=first_of_each, surrogates=True)
    except UnreadableError as error:
        at, wrong = max(1, error.line), f"cannot be read as JSON: {error.reason}"
        problems.append(describe(path, f"line {at}", _line(raw, at), wrong, _RESTORE))
    else:
        if isinstance(content, kind):
            return content
        wrong = f"is a {type(content).__name__} where a {kind.__name__} was expected"
        problems.append(describe(path, "line 1", raw[:_SHOWN], wrong, _RESTORE))
    return kind()


def csv_fields(line: str) -> list[str]:
    """The fields of one line of a CSV file, without the spaces around them; the line itself if it is broken."""
    try:
        return [field.strip() for field in next(csv.reader([line], strict=True), [])]
    except csv.Error:  # an open quote, a field of 128 KiB
        return [line]


def label_of(field: str) -> Label | None:
    """The label that a field of a CSV file stands for, 1 for fake: "real", "FAKE", "0", "1.0"; None if it is neither.

    Lists with another convention (Celeb-DF's, where 1 is real) do not read theirs with this.
    """
    word = field.strip().casefold()
    if number := _LABEL_NUMBER.fullmatch(word):
        return Label(int(number[1]))
    return _LABEL_WORDS.get(word)


def no_video(what: str, problems: list[str]) -> LayoutError:
    """The error for lists that name no usable video; its hints are the first five `problems`."""
    return LayoutError(f"{what} no video", hints=problems[:5] or [f"the lists are empty: {_RESTORE}"])


def is_clean(text: str) -> bool:
    """Whether `text` holds no control characters and nothing that cannot be encoded."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def is_file_name(name: object) -> bool:
    """Whether `name` is the plain name of an mp4 file: no folders, no control characters, no broken text."""
    return (
        isinstance(name, str)
        and name.endswith(".mp4")
        and not name.startswith(".")
        and "/" not in name
        and "\\" not in name
        and is_clean(name)
    )


def _line(raw: bytes, number: int) -> bytes:
    lines = raw.splitlines()
    return lines[number - 1] if number <= len(lines) else b""


def _read(path: Path, most: int) -> bytes:
    try:
        return read_bytes(path, most=most)
    except UnreadableError as error:
        raise LayoutError(
            f"the list file {error.message}", hints=("restore the file, or make it readable",)
        ) from error
