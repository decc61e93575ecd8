"""The 3,215 videos of DFDC's test set that LipForensics and RealForensics report on, as a dataset of its own.

1,514 real and 1,701 fake. The user supplies the list (`dfdc_all_vids.txt` or `dfdc_vids.txt` of their repositories);
labels are those of DFDC. It has its own name because numbers on it are not comparable with those on all 5,000.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dfbench import Counts, DatasetIndex, LayoutError, Video
from dfbench_plugins.datasets import dfdc, listfiles

SPEC = replace(
    dfdc.SPEC,
    name="dfdc_3215",
    title="DFDC, the 3,215 videos of LipForensics",
    summary="The part of DFDC's test set on which LipForensics and RealForensics report.",
    build="dfbench_plugins.datasets.dfdc_3215:ListedChallenge",
    aliases=("DFDC-3215",),
    official={"test": Counts(1514, 1701)},
    root_of="dfdc",
    unverified="that a list names one video a line, with or without .mp4: any other line is told as a problem",
)

LISTS = ("dfdc_all_vids.txt", "dfdc_vids.txt")


class ListedChallenge:
    """DFDC's test videos that the list names, in its order; a line is a video's name, with or without `.mp4`."""

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._all = dfdc.DeepfakeDetectionChallenge(root, compression=compression)

    def index(self) -> DatasetIndex:
        """The listed videos. Raises LayoutError if the root is wrong, or there is no list or no listed video."""
        index = self._all.index()
        test = {video.path.stem: video for video in index.videos if video.split == "test"}
        problems = [one for one in index.problems if "dfdc_train_part_" not in one]
        path = self._list()
        videos: dict[str, Video] = {}
        for number, line in listfiles.read_lines(path, problems):
            name = line.removesuffix(".mp4")
            if name in videos:
                wrong = "repeats a video"
            elif name not in test:
                wrong = "is no video of the label file of DFDC's test set"
            else:
                videos[name] = replace(test[name], dataset=SPEC.name)
                continue
            remedy = "restore the official list: one video a line"
            problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))
        if not videos:
            raise listfiles.no_video(f"{path} names", problems)
        labels = tuple(one for one in index.lists if one.parent in (self._root, self._root / "test"))
        return DatasetIndex(tuple(videos.values()), tuple(problems), lists=(path, *labels))

    def _list(self) -> Path:
        for folder in (self._root, self._root / "test"):
            for name in LISTS:
                if (folder / name).exists():
                    return folder / name
        raise LayoutError(
            f"{self._root} has none of the lists {', '.join(LISTS)} (looked in the root and in test/)",
            hints=(f"copy one from the repository of LipForensics or RealForensics to {self._root}",),
        )
