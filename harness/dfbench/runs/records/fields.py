"""Typed fields out of JSON that a stranger may have written: each is what it should be, or the fault names it.

A field that is absent or null is the default: what an earlier version did not write is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from dfbench.names import shown

T = TypeVar("T")


class RecordFault(ValueError):  # noqa: N818 - it never leaves the readers, which make a StoreError of it
    """A field holds what it cannot hold; the message is a clause, such as `its seed is 'x', and no whole number`."""


class Fields:
    """The fields of a JSON object. `of`: whose they are, as in `its seed` or `the seed of test 'dfd'`.

    Raises RecordFault, here and in every method, for what is of another kind.
    """

    def __init__(self, content: object, of: str = "") -> None:
        if not isinstance(content, Mapping):
            raise RecordFault(f"{of or 'it'} is {shown(content)}, and no JSON object")
        self._content: Mapping[str, Any] = content
        self._of = of

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def text(self, name: str, default: str = "") -> str:
        """Read a text."""
        return str(self._read(name, default, lambda value: isinstance(value, str), "no text"))

    def whole(self, name: str) -> int | None:
        """Read a whole number."""
        known: int | None = self._read(name, None, _is_whole, "no whole number")
        return known

    def number(self, name: str) -> float | None:
        """Read a number."""
        known = self._read(name, None, _is_number, "no number")
        return None if known is None else float(known)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Read a list of texts."""
        known = self._read(name, None, _is_texts, "no list of texts")
        return None if known is None else tuple(known)

    def objects(self, name: str) -> list[Fields]:
        """Read a list of objects."""
        rows = self._read(name, (), lambda value: isinstance(value, list), "no list")
        return [Fields(row, f"one of {self._called(name)}") for row in rows]

    def part(self, name: str) -> Fields:
        """Read an object; an absent one has no fields."""
        return Fields(self.values(name), self._called(name))

    def by_name(self, name: str) -> dict[str, Fields]:
        """Read an object whose values are objects, under names that are not known before."""
        return {
            key: Fields(value, f"{self._called(name)} of {shown(key)}")
            for key, value in self.values(name).items()
        }

    def values(self, name: str) -> Mapping[str, Any]:
        """Read an object that is kept as it is: what a plugin says, or digests by the names of files. An empty list counts
        as an empty object."""
        return (
            self._read(name, {}, lambda value: isinstance(value, dict) or value == [], "no JSON object") or {}
        )

    def time(self, name: str) -> str:
        """Read a time as it is written (ISO 8601); "" if it is not known."""
        text = self.text(name)
        try:
            datetime.fromisoformat(text or "2026-01-01")
        except ValueError:
            raise self._fault(name, text, "no time") from None
        return text

    def choice(self, name: str, kind: Callable[[str], T]) -> T | None:
        """Read a text that `kind` makes something of, such as a member of an enumeration; None without one."""
        text = self.text(name)
        try:
            return kind(text) if text else None
        except ValueError:
            raise self._fault(name, text, "none that this version knows") from None

    def _read(self, name: str, default: Any, fits: Callable[[Any], bool], otherwise: str) -> Any:
        value = self._content.get(name)
        if value is None:
            return default
        if not fits(value):
            raise self._fault(name, value, otherwise)
        return value

    def _fault(self, name: str, value: object, otherwise: str) -> RecordFault:
        return RecordFault(f"{self._called(name)} is {shown(value)}, and {otherwise}")

    def _called(self, name: str) -> str:
        return f"the {name} of {self._of}" if self._of else f"its {name}"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
