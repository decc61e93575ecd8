"""Celeb-DF (v1): v2's layout and list under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import Label, LayoutError
from dfbench.data import CORPUS_FILE
from dfbench_plugins.datasets import celeb_df_v1, celeb_df_v2


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


def listing(real: int, fake: int) -> str:
    reals = [f"1 YouTube-real/{number:05d}.mp4" for number in range(real)]
    return "\n".join([*reals, *(f"0 Celeb-synthesis/id0_id1_{number:04d}.mp4" for number in range(fake))])


def test_v2_in_the_place_of_v1_is_told_by_its_list(celeb_root: Path) -> None:
    with pytest.raises(LayoutError) as caught:
        celeb_df_v1.build(celeb_root, compression=None).index()
    assert caught.value.message == (
        f"{celeb_root} is Celeb-DF (v2), not Celeb-DF (v1): List_of_testing_videos.txt names 178 real and 340 fake "
        "test videos"
    )
    assert caught.value.hints == (f"configure it as that:  dfbench data add celeb_df_v2 {celeb_root}",)
    assert celeb_df_v2.build(celeb_root, compression=None).index().problems == ()


@pytest.mark.parametrize(("real", "fake"), [(38, 62), (37, 62), (40, 62)])
def test_v1_in_the_place_of_v2_is_told_by_its_list(celeb_v1_root: Path, real: int, fake: int) -> None:
    (celeb_v1_root / "List_of_testing_videos.txt").write_text(listing(real, fake))
    with pytest.raises(LayoutError, match=r"is Celeb-DF \(v1\), not Celeb-DF \(v2\)"):
        celeb_df_v2.build(celeb_v1_root, compression=None).index()
    assert len(celeb_df_v1.build(celeb_v1_root, compression=None).index().videos) >= real + fake


def test_a_named_selection_may_have_a_list_of_any_length(celeb_v1_root: Path) -> None:
    (celeb_v1_root / "List_of_testing_videos.txt").write_text(listing(38, 62))
    (celeb_v1_root / CORPUS_FILE).write_text('{"corpus": "mine"}')
    assert celeb_df_v2.build(celeb_v1_root, compression=None).index().problems == ()
