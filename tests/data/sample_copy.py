"""A copy of a made-up data set: two real videos and a fake one, of a few bytes each."""

from __future__ import annotations

from pathlib import Path

from dfbench.exchanged import DatasetIndex
from dfbench.specs import DatasetSpec
from dfbench.types import Counts, Label, Video

SPEC = DatasetSpec(
    name="sample",
    summary="Four videos.",
    build="",
    title="Sample",
    official={"train": Counts(9, 9), "test": Counts(2, 1), "test/Later": Counts(0, 1)},
)


def video(root: Path, video_id: str, manipulation: str = "real", split: str = "test") -> Video:
    label = Label.REAL if manipulation == "real" else Label.FAKE
    path = root / manipulation / f"{video_id}.mp4"
    return Video("sample", video_id, path, label, split, manipulation, "original", (), video_id)


def write_copy(root: Path) -> DatasetIndex:
    """Write the videos; returns what its lists say."""
    videos = (video(root, "a"), video(root, "b"), video(root, "c", "Swap"))
    for one in videos:
        one.path.parent.mkdir(parents=True, exist_ok=True)
        one.path.write_bytes(b"video")
    return DatasetIndex(videos)
