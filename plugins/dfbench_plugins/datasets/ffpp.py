"""FaceForensics++: 1,000 YouTube sequences, each forged by four methods (five with FaceShifter).

Source: Rössler et al., ICCV 2019, and the `dataset` folder of https://github.com/ondyari/FaceForensics, whose
split files the user copies below the root. Seven YouTube sources straddle the official splits (test ids 755 and
955 share theirs with train); the splits are kept as published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="ffpp",
    title="FaceForensics++",
    summary="1,000 YouTube sequences forged by Deepfakes, Face2Face, FaceSwap and NeuralTextures.",
    build="dfbench_plugins.datasets.ffpp:FaceForensics",
    homepage="https://github.com/ondyari/FaceForensics",
    licence="FaceForensics Terms of Use (non-commercial research and education)",
    citation="""@inproceedings{roessler2019faceforensicspp,
  title     = {{FaceForensics++}: Learning to Detect Manipulated Facial Images},
  author    = {R{\\"o}ssler, Andreas and Cozzolino, Davide and Verdoliva, Luisa and Riess, Christian
               and Thies, Justus and Nie{\\ss}ner, Matthias},
  booktitle = {International Conference on Computer Vision (ICCV)},
  year      = {2019}
}""",
    aliases=("FF++", "FaceForensics++", "FaceForensics"),
    compressions=("c23", "c40", "raw"),
    official={
        "train": Counts(720, 2880),
        "val": Counts(140, 560),
        "test": Counts(140, 560),
        "train/FaceShifter": Counts(0, 720),
        "val/FaceShifter": Counts(0, 140),
        "test/FaceShifter": Counts(0, 140),
    },
)

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
LATER_METHODS = ("FaceShifter",)  # added in 2020; expected only where its folder exists
SPLITS = ("train", "val", "test")
_SPLIT_FOLDERS = ("splits", "dataset/splits", ".")
_SIGNS = ("original_sequences/youtube", *(f"manipulated_sequences/{method}" for method in METHODS))
_ID = re.compile(r"[0-9]{3}")


class FaceForensics:
    """FaceForensics++ at one compression.

    A pair [a, b] of a split file stands for the reals a and b and, for every method, the fakes `a_b` and `b_a`
    (`<target>_<source>`). `identities` are (target, source). `group` is the target id, since a fake `a_b` is
    the footage of a with another face: so a real and all the fakes made from it are resampled together.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None means c23. Raises UsageError for one that FaceForensics++ does not have."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Every video of the splits that the user's files give. Raises LayoutError if the root is wrong."""
        expected = "original_sequences/youtube and manipulated_sequences/{Deepfakes,...}"
        tree.require_root(self._root, dataset=SPEC.name, signs=_SIGNS, expected=expected)
        forged = self._root / "manipulated_sequences"
        methods = METHODS + tuple(one for one in LATER_METHODS if (forged / one).is_dir())
        tree.require_compression(
            self._root,
            [self._root / "original_sequences" / "youtube", *(forged / method for method in methods)],
            dataset=SPEC.name,
            compression=self._compression,
            offered=SPEC.compressions,
        )
        problems: list[str] = []
        masks = {method: frozenset(tree.video_files(self._mask_folder(method))) for method in methods}
        videos = [
            video
            for split, pairs in self._pairs(problems).items()
            for video in self._videos(split, pairs, masks)
        ]
        if not videos:
            raise listfiles.no_video(f"the split files below {self._root} name", problems)
        return DatasetIndex(tuple(videos), tuple(problems))

    def _pairs(self, problems: list[str]) -> dict[str, list[tuple[str, str]]]:
        """The id pairs of each split; a missing split file, a bad entry and a repeated id are problems."""
        folder = self._split_folder()
        seen: dict[str, str] = {}
        found: dict[str, list[tuple[str, str]]] = {}
        for split in SPLITS:
            path = folder / f"{split}.json"
            found[split] = []
            if not path.exists():
                problems.append(
                    f"{path}, line 1: the file is missing; copy it from dataset/splits of {_REPOSITORY}"
                )
                continue
            for number, entry in enumerate(listfiles.read_json(path, list, problems), start=1):
                where = f"entry {number}"
                pair = _pair(entry)
                if pair is None:
                    remedy = "restore the official file (ids are strings and keep their leading zeros)"
                    wrong = 'is not a pair of two ids like ["071", "054"]'
                    problems.append(listfiles.describe(path, where, entry, wrong, remedy))
                    continue
                taken = [one for one in pair if one in seen]
                if taken:
                    wrong = f"repeats id {taken[0]}, which stands in {seen[taken[0]]}"
                    problems.append(listfiles.describe(path, where, entry, wrong, "remove one of the two"))
                    continue
                seen.update(dict.fromkeys(pair, f"{path.name}, {where}"))
                found[split].append(pair)
        return found

    def _split_folder(self) -> Path:
        for name in _SPLIT_FOLDERS:
            folder = self._root / name
            if any((folder / f"{split}.json").exists() for split in SPLITS):
                return folder
        raise LayoutError(
            f"{self._root} has no train.json, val.json or test.json (looked in the root, splits/ and dataset/splits/)",
            hints=(f"copy the folder dataset/splits of {_REPOSITORY} to {self._root / 'splits'}",),
        )

    def _videos(
        self, split: str, pairs: list[tuple[str, str]], masks: dict[str, frozenset[str]]
    ) -> Iterator[Video]:
        originals = self._root / "original_sequences" / "youtube" / self._compression / "videos"
        for one in (one for pair in pairs for one in pair):
            yield Video(
                dataset=SPEC.name,
                video_id=f"youtube/{one}",
                path=originals / f"{one}.mp4",
                label=Label.REAL,
                split=split,
                manipulation="real",
                compression=self._compression,
                identities=(one,),
                group=one,
            )
        for method, masked in masks.items():
            folder = self._root / "manipulated_sequences" / method / self._compression / "videos"
            for target, source in (order for a, b in pairs for order in ((a, b), (b, a))):
                name = f"{target}_{source}.mp4"
                yield Video(
                    dataset=SPEC.name,
                    video_id=f"{method}/{target}_{source}",
                    path=folder / name,
                    label=Label.FAKE,
                    split=split,
                    manipulation=method,
                    compression=self._compression,
                    identities=(target, source),
                    group=target,
                    mask_path=self._mask_folder(method) / name if name in masked else None,
                )

    def _mask_folder(self, method: str) -> Path:
        return self._root / "manipulated_sequences" / method / "masks" / "videos"


_REPOSITORY = "https://github.com/ondyari/FaceForensics"


def _pair(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, list) or len(entry) != 2:
        return None
    first, second = entry
    if not isinstance(first, str) or not isinstance(second, str) or first == second:
        return None
    return (first, second) if _ID.fullmatch(first) and _ID.fullmatch(second) else None
