"""Celeb-DF++: Celeb-DF (v2) with 22 methods of forgery in three kinds.

Source: Li et al., 2025, and the README of https://github.com/OUC-VAS/Celeb-DF-PP, which describes the tree. The test list
comes with the videos; its form is taken to be that of Celeb-DF (v2), and every line that does not fit is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfbench import Counts, Dataset, DatasetIndex, DatasetSpec, Label, Video, storable
from dfbench_plugins.datasets import listfiles, tree
from dfbench_plugins.datasets.folder import FolderDataset, is_own_form
from dfbench_plugins.datasets.walking import Walk

SPEC = DatasetSpec(
    name="celeb_df_pp",
    title="Celeb-DF++",
    summary="Celebrity interviews forged by 22 methods; 5,418 test videos.",
    build="dfbench_plugins.datasets.celeb_df_pp:build",
    homepage="https://github.com/OUC-VAS/Celeb-DF-PP",
    licence="CC BY-NC 4.0",
    citation="""@article{li2025celebdfpp,
  title   = {{Celeb-DF++}: A Large-scale Challenging Video {DeepFake} Benchmark for Generalizable Forensics},
  author  = {Li, Yuezun and Zhu, Delong and Cui, Xinjie and Lyu, Siwei},
  journal = {arXiv preprint arXiv:2507.18015},
  year    = {2025}
}""",
    aliases=("CDF++", "Celeb-DF++", "Celeb-DF-PP"),
    compressions=("original",),
    official={"test": Counts(178, 5240)},
    unverified="the form of the test list: it is read as that of Celeb-DF (v2), a line <1 = real, 0 = fake> <path from the root>",
)

LIST_NAME = "List_of_testing_videos.txt"
KINDS = ("FaceSwap", "FaceReenact", "TalkingFace")
_REALS = ("Celeb-real", "YouTube-real")
_FAKES = "Celeb-synthesis"
_LABELS = {"1": Label.REAL, "0": Label.FAKE}
_IDENTITY = re.compile(r"id[0-9]+")
_FORM = f"<folder>/<file>.mp4 or {_FAKES}/<{', '.join(KINDS)}>/<method>/<file>.mp4"
NOTES = (
    "the label 1 is read as real and 0 as fake, as in the list of Celeb-DF (v2); folders and labels agree in every line",
)


class CelebDFPP:
    """Celeb-DF++: the split "test" is the list, "train" is everything else on disk.

    The manipulation of a fake is its method (`BlendFace`), or `Celeb-DF` for those of v2. `identities` are the ids in its
    name, target first, and `group` is the first of them; the video itself where the name holds none.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._places: dict[str, Path] = {}  # where the videos of each folder lie
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Test videos in the order of the list, then the others by name. Raises LayoutError if the root is wrong."""
        signs = tuple(f"{_FAKES}/{kind}" for kind in KINDS)
        expected = f"{LIST_NAME}, {', '.join(_REALS)} and {_FAKES}/{{{','.join(KINDS)}}}"
        tree.require_root(self._root, dataset=SPEC.name, signs=signs, expected=expected)
        path = tree.require_list(self._root / LIST_NAME)
        problems: list[str] = []
        self._places.clear()
        lines: dict[str, int] = {}
        test = list(self._listed(path, lines, problems))
        if not test:
            raise listfiles.no_video(f"{path} names", problems)
        others = [self._video(name, split="train") for name in self._on_disk(problems) if name not in lines]
        notes = NOTES if not problems else ()
        return DatasetIndex((*test, *others), tuple(problems), notes, (path,), unlisted=("train",))

    def _listed(self, path: Path, lines: dict[str, int], problems: list[str]) -> Iterator[Video]:
        """The videos of the good lines; `lines` is filled with every name in the list, also on a bad line."""
        for number, line in listfiles.read_lines(path, problems):
            label, _, name = line.partition(" ")
            name = name.strip().removeprefix("./")
            wrong = _fault(label, name)
            if not wrong and name in lines:
                wrong = f"repeats line {lines[name]}"
            lines.setdefault(name, number)
            if wrong:
                remedy = f"correct the line: <1 = real, 0 = fake> {_FORM}"
                problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))
            else:
                yield self._video(name, split="test")

    def _on_disk(self, problems: list[str]) -> Iterator[str]:
        for folder in _REALS:
            yield from self._names(Path(folder), problems)
        kinds = [kind for kind in KINDS if (self._root / _FAKES / kind).is_dir()]
        walk = Walk(
            self._root, [self._root / one for one in (*_REALS, *(f"{_FAKES}/{kind}" for kind in kinds))]
        )
        for kind in kinds:
            for method in tree.listing(self._root / _FAKES / kind)[0]:
                if walk.follows(self._root / _FAKES / kind / method):
                    yield from self._names(Path(_FAKES, kind, method), problems)
        walk.close(problems, problems)

    def _names(self, folder: Path, problems: list[str]) -> Iterator[str]:
        for name in tree.video_files(self._place(folder.as_posix())):
            inside = f"{folder.as_posix()}/{name}"
            if listfiles.is_clean(storable(inside)):
                yield inside
            else:
                wrong, remedy = "has a name that cannot be stored", "rename the file"
                problems.append(listfiles.describe(self._root / folder, "entry", name, wrong, remedy))

    def _place(self, folder: str) -> Path:
        if folder not in self._places:
            self._places[folder] = tree.place_of_videos(self._root / folder)
        return self._places[folder]

    def _video(self, name: str, *, split: str) -> Video:
        *folders, file = name.split("/")
        is_real = folders[0] in _REALS
        identities = () if folders[0] == "YouTube-real" else tuple(_IDENTITY.findall(file)[:2])
        video_id = name.removesuffix(".mp4")
        return Video(
            dataset=SPEC.name,
            video_id=video_id,
            path=self._place("/".join(folders)) / file,
            label=Label.REAL if is_real else Label.FAKE,
            split=split,
            manipulation="real" if is_real else folders[-1],
            compression=self._compression,
            identities=identities,
            group=identities[0] if identities else video_id,
        )


def build(root: Path, *, compression: str | None) -> Dataset:
    """Celeb-DF++ at `root`, in its own tree or by a list of the user's. Raises UsageError for an unknown compression."""
    if is_own_form(root):
        return FolderDataset(root, compression=compression, spec=SPEC)
    return CelebDFPP(root, compression=compression)


def _fault(label: str, name: str) -> str:
    """What is wrong with a line of the list, "" if nothing is."""
    if label not in _LABELS:
        return f"has the label {label!a}, which is neither 1 (real) nor 0 (fake)"
    *folders, file = name.split("/")
    is_real = len(folders) == 1 and folders[0] in _REALS
    is_fake = len(folders) == 3 and folders[0] == _FAKES and folders[1] in KINDS
    if not (is_real or is_fake) or not all(map(_is_folder_name, folders)) or not listfiles.is_file_name(file):
        return f"names {name!a}, which is not {_FORM}"
    if (_LABELS[label] is Label.REAL) != is_real:
        told = "real" if is_real else "fake"
        return f"has the label {label}, but everything in {folders[0]} is {told}: is the list inverted?"
    return ""


def _is_folder_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "\\" not in name and listfiles.is_clean(name)
