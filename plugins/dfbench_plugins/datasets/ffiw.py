"""FFIW-10K, Face Forensics in the Wild: several faces in a frame, of which one or more are forged.

Source: Zhou et al., CVPR 2021. `source` holds the reals, `target` the videos forged from them, `target_mask` where.
Several works test on its validation videos (SelfBlendedImages: 250 + 250).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video, storable
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="ffiw",
    title="FFIW-10K",
    summary="Internet videos with several people in view, some of the faces forged.",
    build="dfbench_plugins.datasets.ffiw:FaceForensicsInTheWild",
    homepage="https://github.com/tfzhou/FFIW",
    licence="FFIW agreement (research only)",
    citation="""@inproceedings{zhou2021ffiw,
  title     = {Face Forensics in the Wild},
  author    = {Zhou, Tianfei and Wang, Wenguan and Liang, Zhiyuan and Shen, Jianbing},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2021}
}""",
    aliases=("FFIW", "FFIW-10K", "FFIW10K"),
    compressions=("original",),
    official={"val": Counts(250, 250)},
    unverified="whether videos lie in the folders of the splits or in a folder videos in them: both are read",
)

_SIDES = {"source": Label.REAL, "target": Label.FAKE}
_SPLITS = ("train", "val", "test")
_SIGNS = tuple(f"{side}/{split}" for side in _SIDES for split in _SPLITS)
NOTES = ("several faces are in view and only some are forged: the main face may be a genuine one",)


class FaceForensicsInTheWild:
    """FFIW-10K from `{source,target,target_mask}/{train,val,test}`, videos in these or in a folder `videos` in them.

    There is no list: what is on disk is what is expected. Nothing says which fake was made from which real, so that
    `identities` are empty and `group` is the video's name, which a real shares with a fake of the same name.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Every video on disk, split by split, reals first. Raises LayoutError if the root is wrong."""
        expected = "{source,target}/{train,val}"
        tree.require_root(self._root, dataset=SPEC.name, signs=_SIGNS, expected=expected)
        problems: list[str] = []
        videos = [
            video for split in _SPLITS for side in _SIDES for video in self._videos(side, split, problems)
        ]
        if not videos:
            raise LayoutError(
                f"{self._root} holds no mp4 videos in {expected}",
                hints=problems[:5] or ("unpack the archives",),
            )
        return DatasetIndex(tuple(videos), tuple(problems), NOTES)

    def _videos(self, side: str, split: str, problems: list[str]) -> Iterator[Video]:
        place = tree.place_of_videos(self._root / side / split)
        masks = tree.place_of_videos(self._root / "target_mask" / split)
        masked = frozenset(tree.video_files(masks)) if side == "target" else frozenset()
        for name in tree.video_files(place):
            if not listfiles.is_clean(storable(name)):
                wrong, remedy = "has a name that cannot be stored", "rename the file"
                problems.append(listfiles.describe(place, "entry", name, wrong, remedy))
                continue
            stem = name.removesuffix(".mp4")
            yield Video(
                dataset=SPEC.name,
                video_id=f"{side}/{split}/{stem}",
                path=place / name,
                label=_SIDES[side],
                split=split,
                manipulation="real" if _SIDES[side] is Label.REAL else "FFIW",
                compression=self._compression,
                identities=(),
                group=f"{split}/{stem}",
                mask_path=masks / name if name in masked else None,
            )
