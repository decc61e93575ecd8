"""Where in time the frames of a folder stand: their names are numbered, and numbers may be missing.

Whoever cut frames out often left out those without a face. What moves from one frame to the next must not be told from two
frames that lie far apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from dfbench.types import FrameChoice

_GAP = 2  # usual steps from which on frames are missing; frames cut out at a rate of their own are not quite regular
_LONGEST = 10_000  # frames in a gap: a number may as well be a date


def frame_places(names: Sequence[str]) -> list[int]:
    """The position in time of each frame, from 0 on, ascending; `names` are in their natural order.

    Counted in the usual step from number to number, which is not 1 where every tenth frame was kept. Without a number that
    tells the frames apart, they follow one another.
    """
    numbers = _numbers(names)
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps or min(steps) < 1:
        return list(range(len(names)))
    counts = Counter(steps)
    usual = min(counts, key=lambda step: (-counts[step], step))
    places = (min(_LONGEST, round(step / usual)) if step >= _GAP * usual else 1 for step in steps)
    return list(accumulate(places, initial=0))


def gaps_in(places: Sequence[int]) -> int:
    """How often frames are missing between two that are there."""
    return sum(after - before > 1 for before, after in pairwise(places))


def _numbers(names: Sequence[str]) -> list[int]:
    """The number in each name that tells it from the others; none if there is no such number, or several."""
    split = [re.split(r"([0-9]+)", name) for name in names]
    if len({tuple(parts[::2]) for parts in split}) != 1:
        return []
    columns = [
        column for column in zip(*(parts[1::2] for parts in split), strict=True) if len(set(column)) > 1
    ]
    return [int(number) for number in columns[0]] if len(columns) == 1 else []


def wanted_rows(choice: FrameChoice, places: Sequence[int], *, regular: NDArray[np.int64]) -> list[int]:
    """The rows of the wanted frames among those at `places`, ascending; `regular`: those that are wanted where none is
    missing. Runs of successive frames lie between the gaps, if there is room for any."""
    if choice.how != "runs":
        return [int(row) for row in regular]
    last = choice.length - 1
    starts = [row for row in range(len(places) - last) if places[row + last] - places[row] == last]
    if not starts or not gaps_in(places):
        return [int(row) for row in regular]
    chosen = np.linspace(0, len(starts) - 1, choice.count).round().astype(int)
    return sorted({starts[one] + step for one in chosen for step in range(choice.length)})
