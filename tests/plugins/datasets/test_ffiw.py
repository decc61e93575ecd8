"""FFIW-10K: sides and splits are folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import Label, LayoutError
from dfbench_plugins.datasets.ffiw import NOTES, FaceForensicsInTheWild


@pytest.mark.parametrize("inner", ["", "videos"])
def test_sides_and_splits(ffiw_root: Path, inner: str) -> None:
    if inner:
        for folder in list(ffiw_root.glob("[st]*/*")):
            folder.rename(ffiw_root / "moved")
            folder.mkdir()
            (ffiw_root / "moved").rename(folder / inner)
    index = FaceForensicsInTheWild(ffiw_root, compression=None).index()
    assert (index.problems, index.notes) == ((), NOTES)
    assert [(one.video_id, one.label, one.split, one.group) for one in index.videos] == [
        ("source/train/train_000", Label.REAL, "train", "train/train_000"),
        ("target/train/train_000", Label.FAKE, "train", "train/train_000"),
        ("source/val/val_000", Label.REAL, "val", "val/val_000"),
        ("source/val/val_001", Label.REAL, "val", "val/val_001"),
        ("target/val/val_000", Label.FAKE, "val", "val/val_000"),
        ("target/val/val_001", Label.FAKE, "val", "val/val_001"),
    ]
    assert all(video.path.is_file() for video in index.videos)
    masks = [one.mask_path for one in index.videos]
    assert masks[1] == ffiw_root / "target_mask/train" / inner / "train_000.mp4"
    assert [mask is not None and mask.is_file() for mask in masks] == [
        one.label is Label.FAKE for one in index.videos
    ]


def test_masks_are_found_where_the_videos_lie_otherwise(ffiw_root: Path) -> None:
    masks = ffiw_root / "target_mask/val"
    masks.rename(ffiw_root / "moved")
    masks.mkdir()
    (ffiw_root / "moved").rename(masks / "videos")
    videos = FaceForensicsInTheWild(ffiw_root, compression=None).index().videos
    fakes = [one for one in videos if one.label is Label.FAKE and one.split == "val"]
    assert [one.path.parent for one in fakes] == [ffiw_root / "target/val"] * 2
    assert [one.mask_path for one in fakes] == [masks / "videos" / one.path.name for one in fakes]


def test_wrong_roots(ffiw_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of ffiw"):
        FaceForensicsInTheWild(ffiw_root / "target_mask", compression=None).index()
    for path in list(ffiw_root.rglob("*.mp4")):
        path.unlink()
    with pytest.raises(LayoutError, match="holds no mp4"):
        FaceForensicsInTheWild(ffiw_root, compression=None).index()
