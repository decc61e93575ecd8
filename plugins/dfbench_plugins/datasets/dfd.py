"""DFD, the DeepFakeDetection videos of Google and Jigsaw: 28 paid actors, 363 real and 3,068 forged videos.

It is distributed inside the FaceForensics++ tree and has no official split, so every video is a test video
(ondyari/FaceForensics issue 63). There is no list either: what is on disk is what is expected, and the official
counts say whether that is all of it. Several people may be in view while only one face is forged.
"""

from __future__ import annotations

import re
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="dfd",
    title="DeepFakeDetection (DFD)",
    summary="Scenes played by 28 actors, faces swapped between them; several people in view.",
    build="dfbench_plugins.datasets.dfd:DeepFakeDetection",
    homepage="https://github.com/ondyari/FaceForensics",
    licence="FaceForensics Terms of Use (non-commercial research and education)",
    citation="""@misc{dufour2019dfd,
  title        = {Contributing Data to Deepfake Detection Research},
  author       = {Dufour, Nick and Gully, Andrew},
  howpublished = {Google AI Blog},
  year         = {2019}
}""",
    aliases=("DFD", "DeepFakeDetection"),
    compressions=("c23", "c40", "raw"),
    official={"test": Counts(363, 3068)},
    root_of="ffpp",
)

_REALS = "original_sequences/actors"
_FAKES = "manipulated_sequences/DeepFakeDetection"
_REAL_NAME = re.compile(r"([0-9]{2})__[^/]+\.mp4")
_FAKE_NAME = re.compile(r"([0-9]{2})_([0-9]{2})__[^/]+__[A-Z0-9]{8}\.mp4")


class DeepFakeDetection:
    """DFD at one compression, every video in the split "test".

    Names are `<actor>__<scene>` and `<target>_<source>__<scene>__<8 characters>`. `identities` are (actor,) or
    (target, source); `group` is the actor whose footage it is, the target.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None means c23. Raises UsageError for one that DFD does not have."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Every video on disk, reals first. Raises LayoutError if the root is wrong."""
        tree.require_root(
            self._root, dataset=SPEC.name, signs=(_REALS, _FAKES), expected=f"{_REALS} and {_FAKES}"
        )
        tree.require_compression(
            self._root,
            [self._root / _REALS, self._root / _FAKES],
            dataset=SPEC.name,
            compression=self._compression,
            offered=SPEC.compressions,
        )
        problems: list[str] = []
        masks = frozenset(tree.video_files(self._root / _FAKES / "masks" / "videos"))
        videos = [
            *self._folder(_REALS, _REAL_NAME, Label.REAL, frozenset(), problems),
            *self._folder(_FAKES, _FAKE_NAME, Label.FAKE, masks, problems),
        ]
        if not videos:
            raise LayoutError(
                f"{self._root} holds no video named as DFD names them",
                hints=problems[:5] or [f"download the {self._compression} videos"],
            )
        return DatasetIndex(tuple(videos), tuple(problems))

    def _folder(
        self, source: str, pattern: re.Pattern[str], label: Label, masks: frozenset[str], problems: list[str]
    ) -> list[Video]:
        folder = self._root / source / self._compression / "videos"
        videos = []
        for number, name in enumerate(tree.video_files(folder), start=1):
            match = pattern.fullmatch(name)
            if match is None:
                wrong, remedy = "is not named as DFD names its videos", "rename the file or move it away"
                problems.append(listfiles.describe(folder, f"entry {number}", name, wrong, remedy))
                continue
            identities = match.groups()
            videos.append(
                Video(
                    dataset=SPEC.name,
                    video_id=f"{Path(source).name}/{name.removesuffix('.mp4')}",
                    path=folder / name,
                    label=label,
                    split="test",
                    manipulation="real" if label is Label.REAL else "DeepFakeDetection",
                    compression=self._compression,
                    identities=identities,
                    group=identities[0],
                    mask_path=self._root / _FAKES / "masks" / "videos" / name if name in masks else None,
                )
            )
        return videos
