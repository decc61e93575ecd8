"""A share of a list: what one task of an array of tasks works on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dfbench.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `index` (from 1) of `count`; the shares of one list are disjoint, and all of them are the whole list."""

    index: int = 1
    count: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """Every `count`-th item, so that each share has some of every part of the list."""
        return list(items[self.index - 1 :: self.count])


def parse_shard(text: str) -> Shard:
    """Read "3/8", the third of eight. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.index <= shard.count:
        raise UsageError(
            f"'{text}' is no shard",
            hints=("shards are 1/N, 2/N, ... N/N: --shard 3/8 is the third of eight",),
        )
    return shard
