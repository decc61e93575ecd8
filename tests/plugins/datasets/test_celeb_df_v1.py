"""Celeb-DF (v1): v2's layout and list under its own name."""

from __future__ import annotations

from pathlib import Path

from dfbench import Label
from dfbench.data.stocktaking import check
from dfbench_plugins.datasets import celeb_df_v1


def test_the_list_of_v1(celeb_v1_root: Path) -> None:
    index = celeb_df_v1.build(celeb_v1_root, compression=None).index()
    assert index.problems == ()
    assert {video.dataset for video in index.videos} == {"celeb_df_v1"}
    test = [(video.video_id, video.label) for video in index.videos if video.split == "test"]
    assert test == [
        ("YouTube-real/00008", Label.REAL),
        ("Celeb-real/id0_0003", Label.REAL),
        ("Celeb-synthesis/id0_id1_0003", Label.FAKE),
        ("Celeb-synthesis/id1_id0_0009", Label.FAKE),
    ]
    assert len([video for video in index.videos if video.split == "train"]) == 3


def test_v2_in_the_place_of_v1_differs_from_the_published_counts(celeb_root: Path) -> None:
    index = celeb_df_v1.build(celeb_root, compression=None).index()
    inventory = check(celeb_df_v1.SPEC, celeb_root, index)
    assert not inventory.complete
    assert (
        "  test: lists name 178 real + 340 fake, official counts are 38 real + 62 fake: DIFFERS"
        in inventory.lines()
    )
