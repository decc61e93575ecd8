"""WildDeepfake: deepfakes from the internet, handed out as sequences of face crops, not as videos.

Source: Zi et al., ACM MM 2020. `{real,fake}_{train,test}/N.tar.gz` hold `N/<real or fake>/<sequence>/<frame>.png`,
224 x 224. The unit of every number is the sequence: the release does not say which sequences share a source video.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench.data import archive_folders, is_archive_name, is_frame_name, natural_key
from dfbench_plugins.datasets import listfiles, tree
from dfbench_plugins.datasets.walking import Walk

SPEC = DatasetSpec(
    name="wilddeepfake",
    title="WildDeepfake (DFW)",
    summary="Face crops from 707 internet videos; 806 test sequences. The unit is the sequence.",
    build="dfbench_plugins.datasets.wilddeepfake:WildDeepfake",
    homepage="https://github.com/OpenTAI/wild-deepfake",
    licence="WildDeepfake agreement (research only)",
    citation="""@inproceedings{zi2020wilddeepfake,
  title     = {{WildDeepfake}: A Challenging Real-World Dataset for Deepfake Detection},
  author    = {Zi, Bojia and Chang, Minghao and Chen, Jingjing and Ma, Xingjun and Jiang, Yu-Gang},
  booktitle = {ACM International Conference on Multimedia},
  year      = {2020}
}""",
    aliases=("DFW", "WDF", "wild-deepfake"),
    compressions=("original",),
    official={"train": Counts(3409, 3099), "test": Counts(396, 410)},
)

NOTES = (
    "the unit is the sequence of face crops, not the video",
    "the release names no source videos: sequences of one video count as independent, so intervals are too narrow",
)
_LABELS = {"real": Label.REAL, "fake": Label.FAKE}
_FOLDERS = {f"{word}_{split}": (word, split) for split in ("train", "test") for word in _LABELS}


class WildDeepfake:
    """WildDeepfake from its archives, from their content unpacked beside them, or from a mixture of both.

    `identities` are empty and `group` is the sequence itself. Archives are listed, which reads them once through.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """The sequences in natural order; those of a shard that cannot be read to its end are left out, as a problem.

        Raises LayoutError if the root is wrong or no sequence is left.
        """
        expected = ", ".join(_FOLDERS)
        tree.require_root(self._root, dataset=SPEC.name, signs=tuple(_FOLDERS), expected=expected)
        problems: list[str] = []
        notes = list(NOTES)
        there = [folder for folder in _FOLDERS if (self._root / folder).is_dir()]
        walk = Walk(self._root, [self._root / folder for folder in there])
        videos = [
            video
            for folder in there
            for shard in self._shards(self._root / folder, notes)
            for video in self._sequences(folder, shard, walk, problems)
        ]
        walk.close(problems, notes)
        if not videos:
            raise listfiles.no_video(f"{expected} in {self._root} hold", problems)
        return DatasetIndex(tuple(videos), tuple(problems), tuple(notes))

    def _shards(self, folder: Path, notes: list[str]) -> list[Path]:
        """Unpacked shards and archives; of a shard that is there as both, the unpacked one."""
        folders, files = tree.listing(folder)
        unpacked = {name: folder / name for name in folders}
        packed = {_shard(folder / name): folder / name for name in files if is_archive_name(name)}
        both = sorted(unpacked.keys() & packed.keys(), key=natural_key)
        if both:
            notes.append(f"{folder.name}: {len(both)} shards are there unpacked and as archives, {both[0]} among "
                         "them; the unpacked ones are used")  # fmt: skip
        shards = {**packed, **unpacked}
        return [shards[name] for name in sorted(shards, key=natural_key)]

    def _sequences(self, folder: str, shard: Path, walk: Walk, problems: list[str]) -> Iterator[Video]:
        word, split = _FOLDERS[folder]
        found = set()
        try:
            folders = _frame_folders(shard, walk)
        except LayoutError as error:
            reason = error.message if error.message.isprintable() else ascii(error.message)
            wrong = f"is left out, since it cannot be read ({reason})"
            problems.append(listfiles.describe(shard.parent, "shard", shard.name, wrong, "download it again"))
            return
        for inside in folders:
            parts = Path(inside).parts
            *above, sequence = parts if parts else ("",)
            if not above or above[-1] != word:
                wrong = f"does not lie in a folder {word!r}, as all of {folder} does"
                problems.append(listfiles.describe(shard, "folder", inside, wrong, "move it away"))
                continue
            if sequence in found:
                wrong = "is a second sequence of this name in its shard"
                problems.append(listfiles.describe(shard, "folder", inside, wrong, "remove one of the two"))
                continue
            found.add(sequence)
            yield Video(
                dataset=SPEC.name,
                video_id=(video_id := f"{folder}/{_shard(shard)}/{sequence}"),
                path=shard / inside,
                label=_LABELS[word],
                split=split,
                manipulation="real" if word == "real" else "in the wild",
                compression=self._compression,
                identities=(),
                group=video_id,
            )


def _shard(path: Path) -> str:
    return path.name.split(".", 1)[0] if is_archive_name(path.name) else path.name


def _frame_folders(shard: Path, walk: Walk) -> list[str]:
    """The folders with frames below a shard, as paths below it, in natural order."""
    if is_archive_name(shard.name) and shard.is_file():
        return list(archive_folders(shard))
    return [inside for inside, files in walk.below(shard) if any(map(is_frame_name, files))]
