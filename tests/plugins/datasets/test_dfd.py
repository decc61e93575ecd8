"""DFD: names, actors, masks; no split."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import Label, LayoutError
from dfbench_plugins.datasets.dfd import DeepFakeDetection

FAKE = "DeepFakeDetection/01_02__outside_talking_still_laughing__YVGY8LOK"


def test_every_video_is_a_test_video(dfd_root: Path) -> None:
    index = DeepFakeDetection(dfd_root, compression=None).index()
    assert index.problems == ()
    assert [(video.video_id, video.label, video.split) for video in index.videos] == [
        ("actors/01__outside_talking_still_laughing", Label.REAL, "test"),
        ("actors/02__kitchen_still", Label.REAL, "test"),
        (FAKE, Label.FAKE, "test"),
        ("DeepFakeDetection/27_13__walking_and_outside_surprised__A1OSUJE9", Label.FAKE, "test"),
    ]


def test_actors_and_masks(dfd_root: Path) -> None:
    videos = {one.video_id: one for one in DeepFakeDetection(dfd_root, compression="c23").index().videos}
    fake, real = videos[FAKE], videos["actors/01__outside_talking_still_laughing"]
    assert (fake.identities, fake.group, real.identities, real.group) == (("01", "02"), "01", ("01",), "01")
    assert fake.mask_path is not None
    assert fake.mask_path.is_file()
    assert [one for one in videos.values() if one.mask_path] == [fake]


def test_a_file_with_a_foreign_name_is_told(dfd_root: Path) -> None:
    folder = dfd_root / "original_sequences/actors/c23/videos"
    (folder / "kitchen still.mp4").write_bytes(b"v")
    index = DeepFakeDetection(dfd_root, compression=None).index()
    assert len(index.videos) == 4
    assert len(index.problems) == 1
    assert "kitchen still.mp4" in index.problems[0]
    assert str(folder) in index.problems[0]


def test_wrong_roots_and_compressions(dfd_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of dfd") as caught:
        DeepFakeDetection(dfd_root.parent, compression=None).index()
    assert caught.value.hints[0] == f"did you mean the subfolder {dfd_root}?"
    with pytest.raises(LayoutError, match="no raw videos") as caught:
        DeepFakeDetection(dfd_root, compression="c0").index()
    assert "use --compression c23 (of `dfbench run`: --train-compression c23)" in caught.value.hints


def test_an_empty_folder_is_a_layout_error(dfd_root: Path) -> None:
    for path in list(dfd_root.rglob("*.mp4")):
        path.unlink()
    with pytest.raises(LayoutError, match="holds no video"):
        DeepFakeDetection(dfd_root, compression=None).index()
