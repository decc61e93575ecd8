"""DeeperForensics-1.0: FaceForensics++ targets with the faces of 100 paid actors.

Source: Jiang et al., CVPR 2020, and https://github.com/EndlessSora/DeeperForensics-1.0. Its README says that the actors'
source videos are not its real part: the reals are the target videos, at c23, so that the root of FaceForensics++ is
needed as well. Its custom in papers is FaceForensics++'s split: 140 real and 140 fake test videos.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench_plugins.datasets import ffpp_splits, listfiles, tree

VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{count}_distortions" for count in (2, 3, 4)),
    "reenact_postprocess",
)
STANDARD = VARIANTS[0]
NAME = re.compile(r"([0-9]{3})_([A-Z][0-9]+)\.mp4")
_PARENTS = ("manipulated_videos", ".")
SIGNS = tuple(f"{parent}/{variant}" for parent in _PARENTS for variant in VARIANTS)
EXPECTED = f"the folders {STANDARD}, {VARIANTS[1]}, ..., in it or in manipulated_videos/"
LISTS = "lists/splits"
_SIZES = {"train": 720, "val": 140, "test": 140}

SPEC = DatasetSpec(
    name="deeperforensics",
    title="DeeperForensics-1.0",
    summary="1,000 FaceForensics++ targets with actors' faces, plain and in ten further variants.",
    build="dfbench_plugins.datasets.deeperforensics:DeeperForensics",
    homepage="https://github.com/EndlessSora/DeeperForensics-1.0",
    licence="DeeperForensics-1.0 Terms of Use (non-commercial research)",
    citation="""@inproceedings{jiang2020deeperforensics,
  title     = {{DeeperForensics-1.0}: A Large-Scale Dataset for Real-World Face Forgery Detection},
  author    = {Jiang, Liming and Li, Ren and Wu, Wayne and Qian, Chen and Loy, Chen Change},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2020}
}""",
    aliases=("DFo", "DeeperForensics-1.0", "DF1.0"),
    compressions=("original",),
    official={
        **{split: Counts(size, size) for split, size in _SIZES.items()},
        **{
            f"{split}/{variant}": Counts(0, size)
            for split, size in _SIZES.items()
            for variant in VARIANTS[1:]
        },
    },
    needs=("ffpp",),
)


class DeeperForensics:
    """DeeperForensics-1.0 by the splits of FaceForensics++.

    `identities` of a fake are (target, actor), and `group` is the target, whose footage it is: a real and the fakes
    made of it are resampled together. Fakes have the release's own compression, reals are c23.
    """

    def __init__(self, root: Path, *, compression: str | None, roots: Mapping[str, Path]) -> None:
        """`roots` gives the root of FaceForensics++ as "ffpp". Raises UsageError for an unknown compression."""
        self._root = root
        self._originals = roots.get("ffpp")
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Reals in the order of the split files, fakes by name. Raises LayoutError if a root is wrong."""
        folders = variant_folders(self._root, dataset=SPEC.name)
        if self._originals is None:
            raise LayoutError(
                f"{SPEC.name} takes its real videos from FaceForensics++, whose root is not known",
                hints=("configure the root of ffpp",),
            )
        problems: list[str] = []
        splits = ffpp_splits.read_splits(self._originals, problems)
        split_of = {one: split for split, pairs in splits.items() for pair in pairs for one in pair}
        videos = [
            *self._reals(split_of),
            *(
                video
                for variant, folder in folders.items()
                for video in self._fakes(variant, folder, split_of, problems)
            ),
        ]
        if not videos:
            raise listfiles.no_video(f"the split files below {self._originals} name", problems)
        lists = (*list_files(self._root).values(), *ffpp_splits.split_files(self._originals))
        return DatasetIndex(
            tuple(videos), tuple(problems), ffpp_splits.leaks(splits), lists, unlisted=ffpp_splits.SPLITS
        )

    def _reals(self, split_of: Mapping[str, str]) -> Iterator[Video]:
        if self._originals is None:
            return
        folder = self._originals / "original_sequences" / "youtube" / "c23" / "videos"
        for target, split in split_of.items():
            yield Video(
                dataset=SPEC.name,
                video_id=f"youtube/{target}",
                path=folder / f"{target}.mp4",
                label=Label.REAL,
                split=split,
                manipulation="real",
                compression="c23",
                identities=(target,),
                group=target,
            )

    def _fakes(
        self, variant: str, folder: Path, split_of: Mapping[str, str], problems: list[str]
    ) -> Iterator[Video]:
        for name in names_of(self._root, variant, folder, problems):
            target = name.split("_")[0]
            if target not in split_of:
                wrong = "is of a target that no split file of FaceForensics++ names"
                remedy = "restore its split files"
                problems.append(listfiles.describe(folder, "entry", name, wrong, remedy))
                continue
            yield fake(
                SPEC.name,
                folder / name,
                variant=variant,
                split=split_of[target],
                compression=self._compression,
            )


def variant_folders(root: Path, *, dataset: str) -> dict[str, Path]:
    """The variants that are there, with their folders. Raises LayoutError if the plain one is not."""
    tree.require_root(root, dataset=dataset, signs=SIGNS, expected=EXPECTED)
    found: dict[str, Path] = {}
    for variant in VARIANTS:
        for parent in _PARENTS:
            if (root / parent / variant).is_dir():
                found.setdefault(variant, root / parent / variant)
    if STANDARD not in found:
        raise LayoutError(
            f"{root} has no folder {STANDARD}, only {', '.join(found)}",
            hints=(f"download {STANDARD}: every protocol uses it",),
        )
    return found


def names_of(root: Path, variant: str, folder: Path, problems: list[str]) -> list[str]:
    """The file names to expect of a variant: what is in its folder, and of the plain one also what the lists name."""
    names = dict.fromkeys(tree.video_files(folder))
    if variant == STANDARD:
        for listed in read_lists(root, problems).values():
            names |= dict.fromkeys(listed)
    good = []
    for name in sorted(names):
        if NAME.fullmatch(name):
            good.append(name)
        else:
            wrong, remedy = "is not named <target>_<actor>.mp4", "rename the file or move it away"
            problems.append(listfiles.describe(folder, "entry", name, wrong, remedy))
    return good


def read_lists(root: Path, problems: list[str]) -> dict[str, list[str]]:
    """The names of each list in `lists/splits` by split; the lists have no header, the first line is a video."""
    found: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for split, path in list_files(root).items():
        found[split] = []
        for number, line in listfiles.read_lines(path, problems):
            where = f"line {number}"
            if not NAME.fullmatch(line):
                wrong = "is not named <target>_<actor>.mp4"
            elif line in seen:
                wrong = f"stands in {seen[line]} already"
            else:
                seen[line] = f"{path.name}, {where}"
                found[split].append(line)
                continue
            problems.append(listfiles.describe(path, where, line, wrong, "restore the official file"))
    return found


def list_files(root: Path) -> dict[str, Path]:
    """The list of each split: the file in `lists/splits` whose name holds that of the split. One without is left out."""
    _, files = tree.listing(root / LISTS) if (root / LISTS).is_dir() else ([], [])
    named = {
        split: [root / LISTS / name for name in files if split in name and name.endswith(".txt")]
        for split in ffpp_splits.SPLITS
    }
    return {split: paths[0] for split, paths in named.items() if paths}


def fake(dataset: str, path: Path, *, variant: str, split: str, compression: str) -> Video:
    """A manipulated video; its name must match `NAME`."""
    target, actor = path.stem.split("_")
    return Video(
        dataset=dataset,
        video_id=f"{variant}/{path.stem}",
        path=path,
        label=Label.FAKE,
        split=split,
        manipulation=variant,
        compression=compression,
        identities=(target, actor),
        group=target,
    )
