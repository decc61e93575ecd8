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
            if not folder.parent.name.endswith("mask"):
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
    assert [one.mask_path for one in index.videos][1] == ffiw_root / "target_mask/train/train_000.mp4"
    assert index.videos[0].mask_path is None


def test_wrong_roots(ffiw_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of ffiw"):
        FaceForensicsInTheWild(ffiw_root / "target_mask", compression=None).index()
    for path in list(ffiw_root.rglob("*.mp4")):
        path.unlink()
    with pytest.raises(LayoutError, match="holds no mp4"):
        FaceForensicsInTheWild(ffiw_root, compression=None).index()
