"""Which videos a contact sheet shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfbench.data.datasets.contact_sheet import at_hand, choose
from dfbench.types import Label, Video


def videos(reals: int, fakes: int) -> list[Video]:
    labels = [Label.REAL] * reals + [Label.FAKE] * fakes
    return [
        Video("toy", f"{label.name}{row}", Path(), label, "test", "", "", (), "")
        for row, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("reals", "fakes", "count", "expected"),
    [
        (9, 9, 6, (3, 3)),
        (9, 9, 5, (3, 2)),
        (1, 9, 6, (1, 5)),
        (9, 1, 6, (5, 1)),
        (2, 1, 9, (2, 1)),
        (0, 4, 2, (0, 2)),
    ],
)
def test_half_and_half_as_far_as_there_are(
    reals: int, fakes: int, count: int, expected: tuple[int, int]
) -> None:
    chosen = choose(videos(reals, fakes), count, np.random.default_rng(0))
    labels = [video.label for video in chosen]
    assert (labels.count(Label.REAL), labels.count(Label.FAKE)) == expected
    assert len({video.video_id for video in chosen}) == len(chosen)
    assert labels == sorted(labels)


def test_the_seed_decides_which() -> None:
    first, again, other = (
        [video.video_id for video in choose(videos(50, 50), 10, np.random.default_rng(seed))]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_of_a_partial_copy_what_is_there(tmp_path: Path) -> None:
    rows = [replace(one, path=tmp_path / f"{one.video_id}.mp4") for one in videos(3, 3)]
    assert at_hand(rows) == rows
    rows[1].path.write_bytes(b"video")
    rows[2].path.touch()
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/1.png").write_bytes(b"frame")
    rows[5] = replace(rows[5], path=tmp_path / "frames")
    assert at_hand(rows) == [rows[1], rows[5]]
