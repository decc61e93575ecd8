"""Celeb-DF++ in the tree of its own README."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dfbench import Dataset, Label, LayoutError
from dfbench.data.datasets.stocktaking import take_stock
from dfbench_plugins.datasets import celeb_df_pp

WriteTree = Callable[..., Path]
LINES = (
    "1 Celeb-real/id0_0000.mp4",
    "1 YouTube-real/00170.mp4",
    "0 Celeb-synthesis/FaceSwap/Celeb-DF/id0_id1_0000.mp4",
    "0 Celeb-synthesis/FaceReenact/LivePortrait/id1_id2_0003.mp4",
    "0 Celeb-synthesis/TalkingFace/EchoMimic/id3_0002.mp4",
)


def dataset(root: Path) -> Dataset:
    return celeb_df_pp.build(root, compression=None)


def test_the_tree_of_the_readme(celeb_pp_root: Path) -> None:
    index = dataset(celeb_pp_root).index()
    assert index.problems == ()
    assert index.lists == (celeb_pp_root / "List_of_testing_videos.txt",)
    assert [(one.video_id, one.manipulation, one.group) for one in index.videos if one.split == "test"] == [
        ("Celeb-real/id0_0000", "real", "id0"),
        ("YouTube-real/00170", "real", "YouTube-real/00170"),
        ("Celeb-synthesis/FaceSwap/Celeb-DF/id0_id1_0000", "Celeb-DF", "id0"),
        ("Celeb-synthesis/FaceReenact/LivePortrait/id1_id2_0003", "LivePortrait", "id1"),
        ("Celeb-synthesis/TalkingFace/EchoMimic/id3_0002", "EchoMimic", "id3"),
    ]
    assert [(one.video_id, one.label) for one in index.videos if one.split == "train"] == [
        ("Celeb-real/id4_0001", Label.REAL),
        ("Celeb-synthesis/FaceSwap/BlendFace/id4_id5_0000", Label.FAKE),
    ]
    assert index.videos[3].identities == ("id1", "id2")
    assert all(one.path.is_file() for one in index.videos)
    assert index.notes == celeb_df_pp.NOTES
    told = take_stock(celeb_df_pp.SPEC, celeb_pp_root, index)
    assert any("official counts are 178 real + 5240 fake: DIFFERS" in line for line in told.lines())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 Celeb-real/id0_0009.mp4", "everything in Celeb-real is real: is the list inverted?"),
        ("1 Celeb-synthesis/FaceSwap/GHOST/id0_id1_0000.mp4", "everything in Celeb-synthesis is fake"),
        ("2 Celeb-real/id0_0009.mp4", "has the label '2'"),
        ("0 FaceSwap/GHOST/id0_id1_0000.mp4", "which is not <folder>/<file>.mp4 or Celeb-synthesis/"),
        ("0 Celeb-synthesis/id0_id1_0000.mp4", "which is not"),
        ("0 Celeb-synthesis/FaceSwap/../id0_id1_0000.mp4", "which is not"),
        ("1 Celeb-real/id0_0000.mp4", "repeats line 1"),
        ("Celeb-real/id0_0009.mp4", "has the label 'Celeb-real/id0_0009.mp4'"),
    ],
)
def test_a_line_that_does_not_fit_is_told(celeb_pp_root: Path, line: str, words: str) -> None:
    path = celeb_pp_root / "List_of_testing_videos.txt"
    path.write_text("\n".join([*LINES, line]))
    index = dataset(celeb_pp_root).index()
    (problem,) = index.problems
    assert problem.startswith(f"{path}, line 6: ")
    assert words in problem
    assert len([one for one in index.videos if one.split == "test"]) == 5
    assert index.notes == ()


def test_a_bad_line_leaves_its_video_out_of_the_training_split(celeb_pp_root: Path) -> None:
    (celeb_pp_root / "List_of_testing_videos.txt").write_text(
        "\n".join([*LINES, "0 Celeb-real/id4_0001.mp4"])
    )
    assert "Celeb-real/id4_0001" not in [one.video_id for one in dataset(celeb_pp_root).index().videos]


def test_wrong_roots(celeb_pp_root: Path, celeb_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of celeb_df_pp"):
        dataset(celeb_root).index()
    (celeb_pp_root / "List_of_testing_videos.txt").write_text("nothing\n")
    with pytest.raises(LayoutError, match="names no video"):
        dataset(celeb_pp_root).index()
    (celeb_pp_root / "List_of_testing_videos.txt").unlink()
    with pytest.raises(LayoutError, match="has no List_of_testing_videos"):
        dataset(celeb_pp_root).index()


def test_a_list_of_the_users_is_read_instead(celeb_pp_root: Path) -> None:
    (celeb_pp_root / "videos.csv").write_text("path,label\nCeleb-real/id0_0000.mp4,real\n")
    assert [one.video_id for one in dataset(celeb_pp_root).index().videos] == ["Celeb-real/id0_0000.mp4"]
