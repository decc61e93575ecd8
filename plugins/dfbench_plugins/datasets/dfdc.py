"""DFDC, the Deepfake Detection Challenge dataset, full version (not the preview, which is another dataset).

Source: Dolhansky et al., 2020 (arXiv:2006.07397). The test set is distributed in two forms, with
`test/labels.csv` (`filename,label`) and with `test/metadata.json` (`is_fake`); both say 1 for fake. Training
parts `dfdc_train_part_*` carry a `metadata.json` of another shape (`label`, `original`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video, for_shell
from dfbench.data import folder_fault
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="dfdc",
    title="Deepfake Detection Challenge (DFDC)",
    summary="Paid actors, eight undisclosed manipulations, heavy augmentations; 5,000 test videos.",
    build="dfbench_plugins.datasets.dfdc:DeepfakeDetectionChallenge",
    homepage="https://ai.meta.com/datasets/dfdc/",
    licence="DFDC licence, accepted at registration (research)",
    citation="""@article{dolhansky2020dfdc,
  title   = {The {DeepFake} Detection Challenge ({DFDC}) Dataset},
  author  = {Dolhansky, Brian and Bitton, Joanna and Pflaum, Ben and Lu, Jikuo and Howes, Russ
             and Wang, Menglin and Canton Ferrer, Cristian},
  journal = {arXiv preprint arXiv:2006.07397},
  year    = {2020}
}""",
    aliases=("DFDC", "deepfake-detection-challenge"),
    compressions=("original",),
    official={"train": Counts(19154, 100000), "test": Counts(2500, 2500)},
)

_CSV, _JSON = "labels.csv", "metadata.json"
_PREVIEW = "dataset.json"
_TEST = (
    "test",
    ".",
)  # where the label file of the test set lies, with its videos beside it or in one of these:
_PLACES = ("videos", "download_videos", "test_videos", "test")
# The last is what Kaggle hands out for a first look: 400 videos of the training set.
_PARTS = ("dfdc_train_part_*", "train/dfdc_train_part_*", "train_sample_videos")
_SIGNS = (f"test/{_CSV}", f"test/{_JSON}", _CSV, *_PARTS)
_COLUMNS = ("filename", "label")


@dataclass(frozen=True, slots=True)
class _Row:
    """One usable entry of a list file: the video's file name, its label, the file it was forged from ("")."""

    name: str
    label: Label
    original: str = ""


class DeepfakeDetectionChallenge:
    """DFDC: the split "test" from `test/`, and "train" from the training parts that are there.

    Nobody knows who is in the test videos, nor which manipulation was used: `identities` are empty and the
    manipulation of fakes is "mixed". `group` is the video itself in test, and the original's name in train,
    which a real shares with the fakes made from it (the video itself if `original` is not given).
    Videos lie beside the list file, or in a folder `videos`, `download_videos`, `test_videos` or `test` next to it; the label
    file of the test set may lie in the root itself.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Test videos in list order, then the training parts in theirs. Raises LayoutError if the root is wrong."""
        expected = (
            "test/ with labels.csv or metadata.json, labels.csv itself, or training parts dfdc_train_part_*"
        )
        signs = (*_SIGNS, *([_JSON] if self._is_test_json(self._root / _JSON) else []))
        try:
            tree.require_root(self._root, dataset=SPEC.name, signs=signs, expected=expected)
        except LayoutError as error:
            raise LayoutError(error.message, hints=(*self._other_things(), *error.hints)) from error
        problems: list[str] = []
        videos = [
            *self._videos(
                self._test_folder(), self._test_rows(problems), part="test", split="test", problems=problems
            ),
            *self._train(problems),
        ]
        if not videos:
            raise listfiles.no_video(f"the list files below {self._root} name", problems)
        test = self._test_folder()
        lists = (test / _CSV, test / _JSON, *(part / _JSON for part in self._parts()))
        return DatasetIndex(
            tuple(videos),
            tuple(problems),
            lists=tuple(path for path in lists if path.exists()),
            unlisted=("train",),  # each part brings its own list
        )

    def _other_things(self) -> Iterator[str]:
        """What a root without the layout of DFDC is, as far as its files say; nothing of one that may not be looked into."""
        if folder_fault(self._root):
            return
        if (self._root / _PREVIEW).is_file():
            yield f"{_PREVIEW} is that of the preview, another dataset:  dfbench data add dfdcp {for_shell(self._root)}"
        parts = (glob.rpartition("/")[2] for glob in _PARTS)
        if (self._root / _JSON).is_file() and not any(map(self._root.absolute().match, parts)):
            yield (
                f"if {_JSON} is that of a training part, call the folder dfdc_train_part_0, or train_sample_videos, and point "
                "the root of dfdc at the folder above it"
            )

    def _test_folder(self) -> Path:
        """The folder of the test set: that with a label file; "test" if there is none."""
        for name in _TEST:
            folder = self._root / name
            if (folder / _CSV).exists() or self._is_test_json(folder / _JSON):
                return folder
        return self._root / _TEST[0]

    @staticmethod
    def _is_test_json(path: Path) -> bool:
        """Whether a metadata.json is that of the test set, and not of a training part, by its first entry."""
        if folder_fault(path.parent) or not path.is_file():
            return False
        entry = next(iter(listfiles.read_json(path, dict, []).values()), None)
        return isinstance(entry, dict) and "is_fake" in entry

    def _test_rows(self, problems: list[str]) -> list[_Row]:
        test = self._test_folder()
        labels, metadata = test / _CSV, test / _JSON
        by_json = list(_json_rows(metadata, problems)) if metadata.exists() else []
        if not labels.exists():
            return by_json
        by_csv = list(_csv_rows(labels, problems))
        if metadata.exists():
            first, second = ({row.name: row.label for row in rows} for rows in (by_csv, by_json))
            odd = sorted(name for name in first | second if first.get(name) != second.get(name))
            if odd:
                wrong = f"is one of {len(odd)} videos on which it and {labels.name} disagree"
                remedy = f"keep the right one of the two files; {labels.name} is used"
                problems.append(listfiles.describe(metadata, f"entry {odd[0]!a}", odd[0], wrong, remedy))
        return by_csv

    def _train(self, problems: list[str]) -> Iterator[Video]:
        seen: dict[str, Path] = {}
        for part in self._parts():
            path = part / _JSON
            if part.name in seen:
                problems.append(f"{path}, line 1: {seen[part.name]} is the same part and is used; remove one")
                continue
            seen[part.name] = part
            if not path.exists():
                wrong = "the file is missing, so nothing of this part is used; download it again"
                problems.append(f"{path}, line 1: {wrong}")
                continue
            rows = list(_json_rows(path, problems))
            yield from self._videos(part, rows, part=part.name, split="train", problems=problems)

    def _parts(self) -> list[Path]:
        found = (part for glob in _PARTS for part in self._root.glob(glob) if part.is_dir())
        return sorted(found, key=_natural)

    def _videos(
        self, folder: Path, rows: list[_Row], *, part: str, split: str, problems: list[str]
    ) -> Iterator[Video]:
        place = tree.place_of_videos(folder, _PLACES, problems=problems)
        for row in rows:
            stem = row.name.removesuffix(".mp4")
            yield Video(
                dataset=SPEC.name,
                video_id=f"{part}/{stem}",
                path=place / row.name,
                label=row.label,
                split=split,
                manipulation="real" if row.label is Label.REAL else "mixed",
                compression=self._compression,
                identities=(),
                group=row.original.removesuffix(".mp4") or stem,
            )


def _csv_rows(path: Path, problems: list[str]) -> Iterator[_Row]:
    """Rows of `labels.csv`; columns in the order of its header, or `filename,label` if it has none."""
    name_at, label_at = 0, 1
    seen: dict[str, int] = {}
    for count, (number, line) in enumerate(listfiles.read_lines(path, problems)):
        fields = listfiles.csv_fields(line)
        header = [field.casefold() for field in fields]
        if count == 0 and sorted(header) == sorted(_COLUMNS):
            name_at, label_at = header.index("filename"), header.index("label")
            continue
        if len(fields) != 2:
            wrong = f"has {len(fields)} fields where 2 were expected"
        elif not listfiles.is_file_name(fields[name_at]):
            wrong = "does not name an mp4 file"
        elif (label := listfiles.label_of(fields[label_at])) is None:
            wrong = f"has the label {fields[label_at]!a}, which is neither 1 (fake) nor 0 (real)"
        elif fields[name_at] in seen:
            wrong = f"repeats the video of line {seen[fields[name_at]]}"
        else:
            seen[fields[name_at]] = number
            yield _Row(fields[name_at], label)
            continue
        remedy = "correct the line: <file>.mp4,<1 = fake, 0 = real>"
        problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))


def _json_rows(path: Path, problems: list[str]) -> Iterator[_Row]:
    """Rows of a `metadata.json` of either shape."""
    for name, entry in listfiles.read_json(path, dict, problems).items():
        label = _json_label(entry) if isinstance(entry, dict) else None
        if not listfiles.is_file_name(name):
            wrong = "stands under a name that is no mp4 file"
        elif label is None:
            wrong = 'has neither "is_fake" (0, 1) nor "label" ("REAL", "FAKE")'
        else:
            original = entry.get("original")
            known = label is Label.FAKE and listfiles.is_file_name(original)
            yield _Row(name, label, str(original) if known else "")
            continue
        problems.append(
            listfiles.describe(path, f"entry {name!a}", entry, wrong, "restore the official file")
        )


def _json_label(entry: Mapping[str, Any]) -> Label | None:
    flag, word = entry.get("is_fake"), entry.get("label")
    if isinstance(flag, int) and flag in (0, 1):
        return Label.FAKE if flag else Label.REAL
    if isinstance(word, str) and word in ("REAL", "FAKE"):
        return Label[word]
    return None


def _natural(part: Path) -> tuple[int, str]:
    """Part 2 before part 10."""
    number = re.search(r"[0-9]+$", part.name)
    return (int(number.group()) if number else -1, str(part))
