"""Celeb-DF (v2): interviews of celebrities and face swaps between them.

Source: Li et al., CVPR 2020, and the files that https://github.com/yuezunli/celeb-deepfakeforensics hands out.
The test list says 1 for real and 0 for fake, the reverse of everybody else; it has no header and no newline at
its end: 518 lines, 178 real and 340 fake, where header-skipping readers and `wc -l` see 517.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video, for_shell
from dfbench.data import CORPUS_FILE
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="celeb_df_v2",
    title="Celeb-DF (v2)",
    summary="590 celebrity and 300 YouTube reals, 5,639 face swaps; 518 test videos.",
    build="dfbench_plugins.datasets.celeb_df_v2:build",
    homepage="https://github.com/yuezunli/celeb-deepfakeforensics",
    licence="Celeb-DF Terms of Use (research only)",
    citation="""@inproceedings{li2020celebdf,
  title     = {{Celeb-DF}: A Large-scale Challenging Dataset for {DeepFake} Forensics},
  author    = {Li, Yuezun and Yang, Xin and Sun, Pu and Qi, Honggang and Lyu, Siwei},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2020}
}""",
    aliases=("CDF2", "CDFv2", "Celeb-DF-v2", "Celeb-DF"),
    compressions=("original",),
    official={"train": Counts(712, 5299), "test": Counts(178, 340)},
)
# The first release, by which a list that is in the wrong folder is known; `celeb_df_v1` offers it.
FIRST = replace(
    SPEC,
    name="celeb_df_v1",
    title="Celeb-DF (v1)",
    summary="158 celebrity and 250 YouTube reals, 795 face swaps; 100 test videos.",
    build="dfbench_plugins.datasets.celeb_df_v1:build",
    aliases=("CDF1", "CDFv1", "Celeb-DF-v1"),
    official={"train": Counts(370, 733), "test": Counts(38, 62)},
)

LIST_NAME = "List_of_testing_videos.txt"
# Folder -> label and the form of its names; the groups are the identities, target first.
_FOLDERS = {
    "Celeb-real": (Label.REAL, re.compile(r"(id[0-9]+)_[0-9]+\.mp4")),
    "YouTube-real": (Label.REAL, re.compile(r"[0-9]+\.mp4")),
    "Celeb-synthesis": (Label.FAKE, re.compile(r"(id[0-9]+)_(id[0-9]+)_[0-9]+\.mp4")),
}
_LABELS = {"1": Label.REAL, "0": Label.FAKE}  # the odd convention of this list
_STRAY = 5  # lines by which a list of the other release may differ, and still is that


class CelebDF:
    """Celeb-DF of either version: the split "test" is the official list, "train" is everything else in the three folders.

    `identities` are the ids in the names, target first; nobody knows who is in YouTube-real, so there they are
    empty. `group` is the target id (`id3` for Celeb-real/id3_0004 and for Celeb-synthesis/id3_id9_0001), and
    the video itself for YouTube-real.
    """

    def __init__(
        self,
        root: Path,
        *,
        compression: str | None,
        spec: DatasetSpec = SPEC,
        other: DatasetSpec | None = None,
    ) -> None:
        """`compression` None and "original" mean the same; `spec`: v2, or v1, and `other` the release that it may be
        taken for. Raises UsageError for another compression."""
        self._root = root
        self._spec = spec
        self._other = other
        self._places: dict[str, Path] = {}  # where the videos of each folder lie
        self._compression = tree.compression_of(compression, dataset=spec.name, offered=spec.compressions)

    def index(self) -> DatasetIndex:
        """Test videos in the order of the list, then the others by name. Raises LayoutError if the root is wrong."""
        signs = (LIST_NAME, *_FOLDERS)
        expected = f"{LIST_NAME}, {', '.join(_FOLDERS)}"
        tree.require_root(self._root, dataset=self._spec.name, signs=signs, expected=expected)
        path = tree.require_list(self._root / LIST_NAME)
        problems: list[str] = []
        self._places = {
            folder: tree.place_of_videos(self._root / folder, problems=problems) for folder in _FOLDERS
        }
        test, listed = self._listed(path, problems)
        if not test:
            raise listfiles.no_video(f"{path} names", problems)
        self._refuse_other_release(path, test)
        others = self._others(listed, problems)
        return DatasetIndex((*test, *others), tuple(problems), lists=(path,), unlisted=("train",))

    def _refuse_other_release(self, path: Path, test: list[Video]) -> None:
        """Both releases have the same layout: their lists tell them apart by their length."""
        if self._other is None or (self._root / CORPUS_FILE).exists():  # a selection has a list of any length
            return
        real = sum(video.label is Label.REAL for video in test)
        theirs = self._other.official["test"]
        if abs(len(test) - theirs.real - theirs.fake) <= _STRAY:
            raise LayoutError(
                f"{self._root} is {self._other.title}, not {self._spec.title}: {path.name} names {real} real "
                f"and {len(test) - real} fake test videos",
                hints=(
                    f"configure it as that:  dfbench data add {for_shell(self._other.name)} {for_shell(self._root)}",
                ),
            )

    def _listed(self, path: Path, problems: list[str]) -> tuple[list[Video], set[str]]:
        """The test videos, and every name in the list: a video on a bad line must not end up in train."""
        videos: list[Video] = []
        lines: dict[str, int] = {}
        listed: set[str] = set()
        for number, line in listfiles.read_lines(path, problems):
            fields = line.split()
            listed.update(fields)
            wrong = _fault(fields)
            if not wrong and fields[1] in lines:
                wrong = f"repeats line {lines[fields[1]]}"
            if wrong:
                remedy = "correct the line: <1 = real, 0 = fake> <folder>/<file>.mp4"
                problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))
                continue
            lines[fields[1]] = number
            videos.append(self._video(*fields[1].split("/"), split="test"))
        return videos, listed

    def _others(self, listed: set[str], problems: list[str]) -> list[Video]:
        videos = []
        for folder, (_, pattern) in _FOLDERS.items():
            place = self._places[folder]
            for number, name in enumerate(tree.video_files(place), start=1):
                if f"{folder}/{name}" in listed:
                    continue
                if pattern.fullmatch(name):
                    videos.append(self._video(folder, name, split="train"))
                else:
                    wrong, remedy = (
                        "is not named as Celeb-DF names its videos",
                        "rename the file or move it away",
                    )
                    problems.append(listfiles.describe(place, f"entry {number}", name, wrong, remedy))
        return videos

    def _video(self, folder: str, name: str, *, split: str) -> Video:
        label, pattern = _FOLDERS[folder]
        match = pattern.fullmatch(name)
        identities = match.groups() if match else ()
        video_id = f"{folder}/{name.removesuffix('.mp4')}"
        return Video(
            dataset=self._spec.name,
            video_id=video_id,
            path=self._places[folder] / name,
            label=label,
            split=split,
            manipulation="real" if label is Label.REAL else folder,
            compression=self._compression,
            identities=identities,
            group=identities[0] if identities else video_id,
        )


def build(root: Path, *, compression: str | None) -> CelebDF:
    """The second release at `root`. Raises UsageError for a compression other than "original"."""
    return CelebDF(root, compression=compression, other=FIRST)


def _fault(fields: list[str]) -> str:
    """What is wrong with the fields of a line, "" if nothing is."""
    if len(fields) != 2:
        return f"has {len(fields)} fields where 2 were expected"
    label, name = fields
    folder, _, file = name.partition("/")
    if label not in _LABELS:
        return f"has the label {label!a}, which is neither 1 (real) nor 0 (fake)"
    if folder not in _FOLDERS:
        return f"names the folder {folder!a}, which is none of {', '.join(_FOLDERS)}"
    expected, pattern = _FOLDERS[folder]
    if not pattern.fullmatch(file):
        return f"names the file {file!a}, which is not how {folder} names its videos"
    if _LABELS[label] is not expected:
        return f"has the label {label}, but everything in {folder} is {expected.name.lower()}: is the list inverted?"
    return ""
