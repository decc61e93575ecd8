"""The selection of DFDC's test set that LipForensics made, by the user's list."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import Label, LayoutError
from dfbench_plugins.datasets.dfdc_3215 import ListedChallenge


def test_the_listed_videos_in_list_order_with_the_labels_of_dfdc(dfdc_root: Path) -> None:
    index = ListedChallenge(dfdc_root, compression=None).index()
    assert index.problems == ()
    assert [(one.dataset, one.video_id, one.label, one.path.is_file()) for one in index.videos] == [
        ("dfdc_3215", "test/adohikbdaz", Label.REAL, True),
        ("dfdc_3215", "test/aalscayrfi", Label.FAKE, True),
    ]


@pytest.mark.parametrize("name", ["dfdc_all_vids.txt", "test/dfdc_vids.txt", "test/dfdc_all_vids.txt"])
@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_where_the_list_may_be_and_how_it_may_name(dfdc_root: Path, name: str, suffix: str) -> None:
    (dfdc_root / "dfdc_vids.txt").unlink()
    (dfdc_root / name).write_text(f"abacadabra{suffix}\r\n")
    (video,) = ListedChallenge(dfdc_root, compression=None).index().videos
    assert video.video_id == "test/abacadabra"


def test_a_line_that_is_no_test_video_is_told(dfdc_root: Path) -> None:
    (dfdc_root / "dfdc_vids.txt").write_text("real.mp4\nabacadabra.mp4\nabacadabra\n../x.mp4\n")
    index = ListedChallenge(dfdc_root, compression=None).index()
    assert [video.video_id for video in index.videos] == ["test/abacadabra"]
    first, second, third = index.problems
    assert f"{dfdc_root / 'dfdc_vids.txt'}, line 1: 'real.mp4' is no video of the label file" in first
    assert "line 3: 'abacadabra' repeats a video" in second
    assert "line 4" in third


def test_without_a_list_or_a_listed_video(dfdc_root: Path) -> None:
    (dfdc_root / "dfdc_vids.txt").write_text("")
    with pytest.raises(LayoutError, match="names no video"):
        ListedChallenge(dfdc_root, compression=None).index()
    (dfdc_root / "dfdc_vids.txt").unlink()
    with pytest.raises(LayoutError, match="none of the lists dfdc_all_vids"):
        ListedChallenge(dfdc_root, compression=None).index()
