"""A dataset of two folders, and a corpus in its layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dfbench import DatasetIndex, Label, LayoutError, Progress, Video

_FILES = {"real": ("anna", "boris"), "fake": ("anna", "boris", "clara")}


class SampleDataset:
    """`real/NAME.mp4` and `fake/NAME.mp4`; NAME is the identity."""

    def __init__(self, root: Path, *, compression: str | None) -> None:
        del compression
        self._root = root

    def index(self) -> DatasetIndex:
        """List the two folders. Raises LayoutError if one is missing."""
        videos: list[Video] = []
        for folder in _FILES:
            if not (self._root / folder).is_dir():
                raise LayoutError(
                    f"{self._root} has no folder {folder}/", hints=("name the folder above it",)
                )
            videos.extend(_video(path, folder) for path in sorted((self._root / folder).glob("*.mp4")))
        return DatasetIndex(tuple(videos))


def _video(path: Path, folder: str) -> Video:
    return Video(
        dataset="sample_videos",
        video_id=f"{folder}/{path.stem}",
        path=path,
        label=Label.REAL if folder == "real" else Label.FAKE,
        split="test",
        manipulation=folder,
        compression="",
        identities=(path.stem,),
        group=path.stem,
    )


def write_corpus(folder: Path, *, size: str, seed: int, progress: Progress) -> Mapping[str, Path]:
    """Write the five files, empty."""
    del size, seed
    with progress.task("sample corpus", total=5) as task:
        for label, names in _FILES.items():
            (folder / label).mkdir(parents=True, exist_ok=True)
            for name in names:
                (folder / label / f"{name}.mp4").touch()
                task.advance()
    return {"sample_videos": folder}
