"""FaceForensics++: 1,000 YouTube sequences, each forged by four methods (five with FaceShifter).

Source: Rössler et al., ICCV 2019, and the `dataset` folder of https://github.com/ondyari/FaceForensics, whose
split files the user copies below the root. The splits are kept as published; where they leak, the index says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, Video
from dfbench_plugins.datasets import ffpp_splits, listfiles, tree

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
_SIGNS = ("original_sequences/youtube", *(f"manipulated_sequences/{method}" for method in METHODS))


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
        splits = ffpp_splits.read_splits(self._root, problems)
        videos = [video for split, pairs in splits.items() for video in self._videos(split, pairs, masks)]
        if not videos:
            raise listfiles.no_video(f"the split files below {self._root} name", problems)
        return DatasetIndex(
            tuple(videos), tuple(problems), ffpp_splits.leaks(splits), ffpp_splits.split_files(self._root)
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
