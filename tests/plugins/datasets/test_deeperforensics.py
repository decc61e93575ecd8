"""DeeperForensics-1.0: reals from FaceForensics++, and the other convention under its own name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dfbench import DatasetIndex, Label, LayoutError
from dfbench_plugins.datasets import deeperforensics_sources
from dfbench_plugins.datasets.deeperforensics import DeeperForensics
from dfbench_plugins.datasets.deeperforensics_sources import SourceVideos


def index_of(root: Path, ffpp: Path) -> DatasetIndex:
    return DeeperForensics(root, compression=None, roots={"ffpp": ffpp}).index()


def test_reals_are_the_targets_and_splits_those_of_ffpp(dfo_root: Path, ffpp_root: Path) -> None:
    index = index_of(dfo_root, ffpp_root)
    assert index.problems == ()
    test = [video for video in index.videos if video.split == "test"]
    assert [(one.video_id, one.label, one.group, one.compression) for one in test] == [
        ("youtube/953", Label.REAL, "953", "c23"),
        ("youtube/974", Label.REAL, "974", "c23"),
        ("end_to_end/953_M101", Label.FAKE, "953", "original"),
        ("end_to_end/974_W011", Label.FAKE, "974", "original"),
        ("end_to_end_level_3/953_M101", Label.FAKE, "953", "original"),
        ("end_to_end_level_3/974_W011", Label.FAKE, "974", "original"),
    ]
    assert test[2].identities == ("953", "M101")
    assert {video.dataset for video in index.videos} == {"deeperforensics"}
    assert all(video.path.is_file() for video in index.videos)
    assert test[0].path.is_relative_to(ffpp_root)


def test_the_folders_may_lie_in_the_root_itself(dfo_root: Path, ffpp_root: Path) -> None:
    expected = [video.video_id for video in index_of(dfo_root, ffpp_root).videos]
    for folder in list((dfo_root / "manipulated_videos").iterdir()):
        folder.rename(dfo_root / folder.name)
    assert [video.video_id for video in index_of(dfo_root, ffpp_root).videos] == expected


def test_a_fake_that_only_a_list_names_is_expected(dfo_root: Path, ffpp_root: Path) -> None:
    expected = index_of(dfo_root, ffpp_root)
    (dfo_root / "manipulated_videos/end_to_end/953_M101.mp4").unlink()  # line 1 of the test list: no header
    assert index_of(dfo_root, ffpp_root) == expected
    shutil.rmtree(dfo_root / "lists")
    assert "end_to_end/953_M101" not in [one.video_id for one in index_of(dfo_root, ffpp_root).videos]


def test_what_does_not_fit_is_told(dfo_root: Path, ffpp_root: Path) -> None:
    folder = dfo_root / "manipulated_videos/end_to_end"
    for name in ("953.mp4", "999_M101.mp4"):
        (folder / name).write_bytes(b"v")
    (dfo_root / "lists/splits/val.txt").write_text("filename\n953_M101.mp4\n720_M004.mp4\n672_M101.mp4")
    index = index_of(dfo_root, ffpp_root)
    assert len(index.videos) == 18
    header, name, target, repeated = sorted(
        index.problems, key=lambda one: "stands" in one or "no split" in one
    )
    assert "val.txt, line 1: 'filename' is not named <target>_<actor>.mp4" in header
    assert "'953.mp4' is not named" in name
    assert "test.txt, line 1: '953_M101.mp4' stands in val.txt, line 2 already" in target
    assert "'999_M101.mp4' is of a target that no split file" in repeated


def test_the_leaks_of_ffpp_are_told(dfo_root: Path, ffpp_root: Path) -> None:
    (ffpp_root / "splits/train.json").write_text('[["071", "756"]]')
    (ffpp_root / "splits/test.json").write_text('[["953", "755"]]')
    (note,) = index_of(dfo_root, ffpp_root).notes
    assert note.startswith("leak: 755 (test) and 756 (train)")


def test_wrong_roots(dfo_root: Path, ffpp_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of deeperforensics"):
        index_of(ffpp_root, ffpp_root)
    with pytest.raises(LayoutError, match=r"no train\.json"):
        index_of(dfo_root, dfo_root)
    with pytest.raises(LayoutError, match="whose root is not known"):
        DeeperForensics(dfo_root, compression=None, roots={}).index()
    shutil.rmtree(dfo_root / "manipulated_videos/end_to_end")
    with pytest.raises(LayoutError, match="no folder end_to_end, only end_to_end_level_3"):
        index_of(dfo_root, ffpp_root)


def test_source_videos_as_reals_are_another_dataset(dfo_root: Path) -> None:
    index = SourceVideos(dfo_root, compression=None).index()
    assert index.problems == ()
    assert index.notes == deeperforensics_sources.NOTES
    assert [(one.video_id, one.label, one.group) for one in index.videos] == [
        ("source_videos/M101/light_down/surprise/M101_surprise", Label.REAL, "M101"),
        ("source_videos/M101/light_up/happy/M101_happy", Label.REAL, "M101"),
        ("source_videos/W011/light_up/W011_sad", Label.REAL, "W011"),
        ("end_to_end/953_M101", Label.FAKE, "953"),
        ("end_to_end/974_W011", Label.FAKE, "974"),
    ]
    assert {(one.dataset, one.split) for one in index.videos} == {("deeperforensics_sources", "test")}
    assert all(video.path.is_file() for video in index.videos)


def test_source_videos_need_the_test_list_and_the_folder(dfo_root: Path) -> None:
    (dfo_root / "source_videos").rename(dfo_root / "sources")
    with pytest.raises(LayoutError, match="no folder source_videos"):
        SourceVideos(dfo_root, compression=None).index()
    (dfo_root / "lists/splits/test.txt").unlink()
    with pytest.raises(LayoutError, match="no test list"):
        SourceVideos(dfo_root, compression=None).index()
