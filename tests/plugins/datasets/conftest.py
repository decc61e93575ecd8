"""Tiny datasets in the official layouts; a video is a few bytes, since an index never opens one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

WriteTree = Callable[[Path, Mapping[str, bytes | str]], Path]
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def _write_tree(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.fixture
def write_tree() -> WriteTree:
    """Write files below a root and return the root."""
    return _write_tree


@pytest.fixture
def ffpp_root(tmp_path: Path) -> Path:
    """One pair a split, c23, masks for all methods, the root named with a space and an umlaut."""
    pairs = {"train": ["071", "054"], "val": ["720", "672"], "test": ["953", "974"]}
    files: dict[str, bytes | str] = {
        f"splits/{split}.json": json.dumps([pair]) for split, pair in pairs.items()
    }
    for a, b in pairs.values():
        for one in (a, b):
            files[f"original_sequences/youtube/c23/videos/{one}.mp4"] = b"v"
        for method in METHODS:
            for name in (f"{a}_{b}", f"{b}_{a}"):
                files[f"manipulated_sequences/{method}/c23/videos/{name}.mp4"] = b"v"
                files[f"manipulated_sequences/{method}/masks/videos/{name}.mp4"] = b"m"
    return _write_tree(tmp_path / "Gesichter für Forensik++", files)


@pytest.fixture
def celeb_root(tmp_path: Path) -> Path:
    """All 518 test videos in a list without a newline at its end, and a few others."""
    youtube = [f"YouTube-real/{n:05d}.mp4" for n in range(170, 240)]
    real = [f"Celeb-real/id{n}_0001.mp4" for n in range(108)]
    fake = [f"Celeb-synthesis/id{n % 60}_id{n // 60 + 60}_0002.mp4" for n in range(340)]
    lines = [f"1 {name}" for name in youtube + real] + [f"0 {name}" for name in fake]
    others = ["YouTube-real/00000.mp4", "Celeb-real/id3_0004.mp4", "Celeb-synthesis/id3_id9_0007.mp4"]
    files: dict[str, bytes | str] = dict.fromkeys(youtube + real + fake + others, b"v")
    files["List_of_testing_videos.txt"] = "\n".join(lines)
    return _write_tree(tmp_path / "Celeb-DF-v2", files)


@pytest.fixture
def dfd_root(tmp_path: Path) -> Path:
    """Two real and two forged videos, one with a mask."""
    fakes = "manipulated_sequences/DeepFakeDetection"
    return _write_tree(
        tmp_path / "FF",
        {
            "original_sequences/actors/c23/videos/01__outside_talking_still_laughing.mp4": b"v",
            "original_sequences/actors/c23/videos/02__kitchen_still.mp4": b"v",
            f"{fakes}/c23/videos/01_02__outside_talking_still_laughing__YVGY8LOK.mp4": b"v",
            f"{fakes}/c23/videos/27_13__walking_and_outside_surprised__A1OSUJE9.mp4": b"v",
            f"{fakes}/masks/videos/01_02__outside_talking_still_laughing__YVGY8LOK.mp4": b"m",
        },
    )
