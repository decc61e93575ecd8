"""DFDC preview: dataset.json, in the official and in the re-laid tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfbench import DatasetIndex, Label, LayoutError
from dfbench_plugins.datasets.dfdcp import Preview


def index_of(root: Path) -> DatasetIndex:
    return Preview(root, compression=None).index()


def test_labels_sets_and_actors(dfdcp_root: Path) -> None:
    index = index_of(dfdcp_root)
    assert index.problems == ()
    assert [(one.video_id, one.label, one.split, one.manipulation, one.group) for one in index.videos] == [
        ("method_A/643049/643049_A/643049_A_001", Label.FAKE, "train", "method_A", "643049"),
        ("method_A/1228787/1228787_C/1228787_C_000", Label.FAKE, "test", "method_A", "1228787"),
        ("method_B/1228787/1228787_D/1228787_D_000", Label.FAKE, "test", "method_B", "1228787"),
        ("original_videos/643049/643049_001", Label.REAL, "train", "real", "643049"),
        ("original_videos/1228787/1228787_000", Label.REAL, "test", "real", "1228787"),
    ]
    assert all(video.path.is_file() for video in index.videos)


def test_the_re_laid_tree_has_the_same_videos(dfdcp_root: Path) -> None:
    official = index_of(dfdcp_root)
    for folder in ("method_A", "method_B", "original_videos"):
        (dfdcp_root / folder).rename(dfdcp_root / "moved")
        (dfdcp_root / folder).mkdir()
        (dfdcp_root / "moved").rename(dfdcp_root / folder / "videos")
    relaid = index_of(dfdcp_root)
    assert [one.video_id for one in relaid.videos] == [one.video_id for one in official.videos]
    assert [one.path.relative_to(dfdcp_root).parts[1] for one in relaid.videos] == ["videos"] * 5
    assert all(video.path.is_file() for video in relaid.videos)


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("method_A/1/1_A/x.mp4", {"label": "FAKE", "set": "test"}, "label 'FAKE'"),
        ("method_A/1/1_A/x.mp4", {"label": 1, "set": "test"}, "label 1"),
        ("method_A/1/1_A/x.mp4", {"label": "fake", "set": "val"}, "set 'val'"),
        ("method_A/1/1_A/x.mp4", {"label": "fake"}, "set None"),
        ("method_A/1/1_A/x.mp4", {"label": "real", "set": "test"}, "does not fit its folder method_A"),
        (
            "original_videos/1/x.mp4",
            {"label": "fake", "set": "test"},
            "does not fit its folder original_videos",
        ),
        ("method_A/1/1_A/x.mp4", ["fake", "test"], "label None"),
        ("method_C/1/1_A/x.mp4", {"label": "fake", "set": "test"}, "is not named <one of"),
        ("x.mp4", {"label": "fake", "set": "test"}, "is not named <one of"),
        ("method_A/../../x.mp4", {"label": "fake", "set": "test"}, "is not named <one of"),
        ("method_A//1/x.mp4", {"label": "fake", "set": "test"}, "is not named <one of"),
        ("method_A/1/x.avi", {"label": "fake", "set": "test"}, "does not name an mp4 file"),
        ("method_A/1;2/x.mp4", {"label": "fake", "set": "test"}, "does not name an mp4 file"),
    ],
)
def test_a_bad_entry_is_told_by_name(dfdcp_root: Path, name: str, entry: object, words: str) -> None:
    good = {"original_videos/9/a.mp4": {"label": "real", "set": "test"}}
    (dfdcp_root / "dataset.json").write_text(json.dumps({name: entry, **good}))
    index = index_of(dfdcp_root)
    assert [video.video_id for video in index.videos] == ["original_videos/9/a"]
    (problem,) = index.problems
    assert problem.startswith(f"{dfdcp_root / 'dataset.json'}, entry {name!a}: ")
    assert words in problem


def test_a_listed_video_without_a_file_is_still_expected(dfdcp_root: Path) -> None:
    expected = index_of(dfdcp_root)
    expected.videos[0].path.unlink()
    assert index_of(dfdcp_root) == expected


def test_wrong_roots(dfdcp_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of dfdcp") as caught:
        index_of(dfdcp_root.parent)
    assert caught.value.hints[0] == f"did you mean the subfolder {dfdcp_root}?"
    (dfdcp_root / "dataset.json").write_text("{}")
    with pytest.raises(LayoutError, match="names no video"):
        index_of(dfdcp_root)
    (dfdcp_root / "dataset.json").unlink()
    with pytest.raises(LayoutError, match=r"has no dataset\.json"):
        index_of(dfdcp_root)
