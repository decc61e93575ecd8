"""Frame folders from which frames are missing: no clip of successive frames goes over a gap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.test_sequences import png, reds, write

from dfbench.data.decoding.video import probe, read_frames, read_positions, read_range, wanted_indices
from dfbench.data.images.frame_places import frame_places, gaps_in, wanted_rows
from dfbench.data.stretches import stretches
from dfbench.types import FrameChoice


def named(numbers: Sequence[int], form: str = "{}.png") -> list[str]:
    return [form.format(number) for number in numbers]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (named([0, 1, 2, 3]), [0, 1, 2, 3]),
        (named([7, 8, 9], "clip12_{:04}.jpg"), [0, 1, 2]),
        (named([1, 2, 3, 7, 8], "f{:04}_face0.png"), [0, 1, 2, 6, 7]),
        (named([0, 10, 20, 50, 60]), [0, 1, 2, 5, 6]),  # every tenth frame was kept
        (named([0, 7, 15, 22, 30, 37]), [0, 1, 2, 3, 4, 5]),  # four of thirty a second
        (["1_2.png", "1_3.png", "2_1.png"], [0, 1, 2]),  # two numbers: nobody knows which
        (["a.png", "b.png", "d.png"], [0, 1, 2]),
        (["1.png", "01.png", "3.png"], [0, 1, 2]),
        (["5.png"], [0]),
        (named([1, 2, 20_240_101]), [0, 1, 10_001]),
    ],
)
def test_places(names: list[str], places: list[int]) -> None:
    assert frame_places(names) == places


def test_runs_lie_between_gaps(tmp_path: Path) -> None:
    numbers = [*range(6), *range(20, 25), *range(40, 43)]
    path = write(tmp_path / "video", {f"{number}.png": png(number) for number in numbers})
    remarks: list[str] = []
    found = dict(read_frames(path, FrameChoice("runs", 3, 4), remark=remarks.append))
    assert {at: int(frame[0, 0, 0]) for at, frame in found.items()} == {at: at for at in found}
    assert {end - start for start, end in stretches(np.asarray(list(found)))} <= {4, 5, 6}
    assert remarks == [
        "frames are missing in 2 places between its frames: no clip of successive frames goes over them"
    ]
    assert reds(path, FrameChoice("uniform", 3)) == {0: 0, 20: 20, 42: 42}
    assert [at for at, _ in read_positions(path, [3, 7, 21, 99])] == [3, 21]
    assert [at for at, _ in read_range(path, 4, 18)] == [4, 5, 20, 21]
    assert probe(path).frames == 43


@given(
    numbers=st.sets(st.integers(0, 80), min_size=1, max_size=40).map(sorted),
    count=st.integers(1, 4),
    length=st.integers(1, 8),
)
@settings(deadline=None, max_examples=100)
def test_clips_never_go_over_a_gap(numbers: list[int], count: int, length: int) -> None:
    places = frame_places(named(numbers))
    choice = FrameChoice("runs", count, length)
    regular = wanted_indices(choice, len(places))
    rows = wanted_rows(choice, places, regular=regular)
    assert rows == sorted(set(rows))
    room = [end - start for start, end in stretches(np.asarray(places))]
    if max(room) >= length:
        found = [places[row] for row in rows]
        assert all(end - start >= length for start, end in stretches(np.asarray(found)))
    if not gaps_in(places):
        assert rows == regular.tolist()
