"""Your own videos: a list `videos.csv`, or the folders `real/` and `fake/`.

Datasets whose official layout is not verified are read in this form too, under their own names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from dfbench import OWN, DatasetIndex, DatasetSpec, Label, LayoutError, Video, storable
from dfbench.data import folder_fault, is_archive_name, is_companion_name, is_frame_name, is_video_name
from dfbench_plugins.datasets import listfiles, tree
from dfbench_plugins.datasets.walking import Walk

SPEC = DatasetSpec(
    name="folder",
    title="Your own videos",
    summary="videos.csv (path,label,split,group), or the folders real/ and fake/.",
    build="dfbench_plugins.datasets.folder:FolderDataset",
    homepage="docs/datasets/folder.md",
    licence="yours",
    citation="@misc{folder, title = {Videos of one's own}}",
    aliases=("own",),
    compressions=("original",),
    corpus=OWN,
)

LIST_NAME = "videos.csv"
_FOLDERS = {"real": Label.REAL, "fake": Label.FAKE}
_NEEDED = ("path", "label")
_OPTIONAL = ("split", "group", "manipulation", "identities")
_COLUMNS = (*_NEEDED, *_OPTIONAL)
_SPLITS = {
    "": "test",
    "training": "train",
    "validation": "val",
    "valid": "val",
    "dev": "val",
    "testing": "test",
}
_FORM = f"its first line is a header with the columns {','.join(_COLUMNS)}, of which {' and '.join(_NEEDED)} are needed"


def is_own_form(root: Path) -> bool:
    """Whether a root holds a list of the user's, or the two folders: datasets with trees of their own are read so too."""
    if folder_fault(root):
        return False
    return (root / LIST_NAME).is_file() or all((root / word).is_dir() for word in _FOLDERS)


class FolderDataset:
    """Videos by a list, or by two folders; a video is a file, a folder of frames, or such a folder in an archive.

    With `videos.csv`, that list is all: `path` below the root (or absolute, or from "~/"), `label` real or fake (or 0, 1),
    `split` (in lower case, "test" if empty, "validation" as "val"), `group` (the path), `manipulation` ("fake", "real")
    and `identities` (joined by ";").
    Without it, every video below `real/` and `fake/` is a test video; a folder below `fake/` is its manipulation.
    """

    def __init__(self, root: Path, *, compression: str | None, spec: DatasetSpec = SPEC) -> None:
        """`spec`: the dataset whose name the videos carry. Raises UsageError for an unknown compression."""
        self._root = root
        self._spec = spec
        self._compression = tree.compression_of(compression, dataset=spec.name, offered=spec.compressions)

    def index(self) -> DatasetIndex:
        """In the order of the list, or by name, reals first. Raises LayoutError if there is neither, or no video."""
        if fault := folder_fault(self._root):
            raise LayoutError(
                f"the root of {self._spec.name}, {self._root}, cannot be used: {fault}",
                hints=(f"point it at the folder that holds {LIST_NAME}, or real/ and fake/",),
            )
        lists = [path for path in (self._root / LIST_NAME,) if path.exists()]
        folders, files = tree.listing(self._root)
        halves = [name for word in _FOLDERS for name in folders if name.casefold() == word]
        if not lists and not halves:
            raise LayoutError(
                f"the root of {self._spec.name}, {self._root}, has neither {LIST_NAME} nor the folders real/ and fake/",
                hints=(
                    f"write {self._root / LIST_NAME}: {_FORM}",
                    f"docs/datasets/{self._spec.name}.md says more",
                ),
            )
        problems: list[str] = []
        notes: list[str] = []
        if lists:
            videos = list(self._listed(lists[0], problems))
        else:
            walk = Walk(self._root, [self._root / half for half in halves])
            videos = [video for half in halves for video in self._found(half, walk, problems, notes)]
            walk.close(problems, notes)
            for name in filter(is_video_name, files):
                wrong, remedy = "lies neither in real/ nor in fake/ and is left out", "move it there"
                problems.append(listfiles.describe(self._root, "entry", name, wrong, remedy))
            if others := [f"{name}/" for name in folders if name not in halves]:
                notes.append(f"not looked into, as neither real/ nor fake/: {', '.join(others)}")
        if not videos:
            raise listfiles.no_video(f"{self._root} holds", problems)
        return DatasetIndex(tuple(videos), tuple(problems), tuple(notes), tuple(lists))

    def _listed(self, path: Path, problems: list[str]) -> Iterator[Video]:
        lines = listfiles.read_lines(path, problems)
        header = [field.casefold() for field in listfiles.csv_fields(lines[0][1])] if lines else []
        if not set(_NEEDED) <= set(header) <= set(_COLUMNS) or len(set(header)) != len(header):
            found = lines[0][1] if lines else ""
            where = f"line {lines[0][0]}" if lines else "line 1"
            wrong, other = "is not the header", _delimiter(found)
            if other:
                wrong += f": its fields are parted by {other!r}, and must be by ','"
            problems.append(listfiles.describe(path, where, found, wrong, _FORM))
            return
        seen: dict[str, int] = {}
        for number, line in lines[1:]:
            fields = listfiles.csv_fields(line)
            row = dict(zip(header, fields, strict=False))
            wrong = f"has {len(fields)} fields where {len(header)} were expected"
            if len(fields) == len(header):
                wrong = _fault(row, seen)
            if wrong:
                remedy = f"correct the line: {','.join(header)}"
                problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))
                continue
            name = PurePosixPath(row["path"]).as_posix()
            seen[name] = number
            label = listfiles.label_of(row["label"])
            split = row.get("split", "").casefold()
            yield self._video(
                name,
                label or Label.REAL,
                split=_SPLITS.get(split, split),
                group=row.get("group") or name,
                manipulation="real" if label is Label.REAL else row.get("manipulation") or "fake",
                identities=tuple(one.strip() for one in row.get("identities", "").split(";") if one.strip()),
            )

    def _found(self, word: str, walk: Walk, problems: list[str], notes: list[str]) -> Iterator[Video]:
        label = _FOLDERS[word.casefold()]
        left_out = _LeftOut(self._root / word)
        for inside, files in walk.below(self._root / word):
            folder = PurePosixPath(word, inside)
            names = [str(folder / name) for name in files if is_video_name(name)]
            frames = [name for name in files if is_frame_name(name)]
            if len(folder.parts) == 1 and frames:
                left_out.told(
                    folder, "holds frames themselves", "give each video a folder of its own", problems
                )
            elif names and frames:
                wrong = f"holds videos and {len(frames)} pictures, which are left out"
                left_out.told(
                    folder, wrong, "give frames a folder of their own, or move the pictures away", problems
                )
            elif frames:
                names.append(str(folder))
            left_out.see(folder, files)
            for name in names:
                if not listfiles.is_clean(storable(name)):
                    wrong, remedy = "has a name that cannot be stored", "rename it"
                    problems.append(listfiles.describe(self._root / word, "entry", name, wrong, remedy))
                    continue
                below = PurePosixPath(name).parts[1:-1]
                fake = below[0] if below else "fake"
                yield self._video(
                    name,
                    label,
                    split="test",
                    group=name,
                    manipulation="real" if label is Label.REAL else fake,
                    identities=(),
                )
        left_out.close(problems, notes)

    def _video(
        self,
        name: str,
        label: Label,
        *,
        split: str,
        group: str,
        manipulation: str,
        identities: tuple[str, ...],
    ) -> Video:
        return Video(
            dataset=self._spec.name,
            video_id=name,
            path=self._root / _at_home(name),
            label=label,
            split=split,
            manipulation=manipulation,
            compression=self._compression,
            identities=identities,
            group=group,
        )


class _LeftOut:
    """What lies in a folder and is no video, so that nothing is dropped without a word."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._archives = 0
        self._companions: Counter[str] = Counter()
        self._unknown: dict[str, list[str]] = {}

    def see(self, folder: PurePosixPath, files: Sequence[str]) -> None:
        """Count the files of a folder that are neither videos nor frames."""
        for name in files:
            if is_archive_name(name):
                self._archives += 1
            elif is_video_name(name) or is_frame_name(name):
                continue
            elif is_companion_name(name):
                self._companions[_kind(name)] += 1
            else:
                self._unknown.setdefault(_kind(name), []).append(str(folder / name))

    def told(self, folder: PurePosixPath, wrong: str, remedy: str, problems: list[str]) -> None:
        """Tell of a folder that is not read as it is."""
        problems.append(listfiles.describe(self._top, "folder", str(folder), wrong, remedy))

    def close(self, problems: list[str], notes: list[str]) -> None:
        """Tell what was counted: what may be a video as a problem, what lies beside videos as a note."""
        for kind, names in sorted(self._unknown.items()):
            wrong = f"is one of {len(names)} {kind} files, which are not read and left out"
            remedy = "convert them to MP4 or PNG, or move them away"
            problems.append(listfiles.describe(self._top, "entry", names[0], wrong, remedy))
        if self._archives:
            notes.append(
                f"{self._top.name}/ holds {self._archives} archives, which are not looked into: list them in {LIST_NAME}"
            )
        if self._companions:
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(self._companions.items()))
            notes.append(f"{self._top.name}/ holds files that are no videos, and are left out: {told}")


def _kind(name: str) -> str:
    suffix = PurePosixPath(name).suffix.casefold()
    return suffix if suffix.isprintable() and suffix else "without a suffix"


def _delimiter(header: str) -> str:
    """What parts the fields of a header in place of the comma, "" if nothing does."""
    for one in (";", "\t", "|"):
        if set(_NEEDED) <= {field.strip().casefold() for field in header.split(one)} <= set(_COLUMNS):
            return one
    return ""


def _at_home(name: str) -> Path:
    """The path `name`, its "~/" as the home folder of whoever asks."""
    path = Path(name)
    try:
        return path.expanduser() if name.startswith("~/") else path
    except RuntimeError:  # nobody knows where that is
        return path


def _fault(row: Mapping[str, str], seen: Mapping[str, int]) -> str:
    """What is wrong with a row, "" if nothing is."""
    name = PurePosixPath(row["path"]).as_posix()
    if not row["path"] or name == ".":
        return "names no path"
    if not all(map(listfiles.is_clean, row.values())):
        return "holds control characters"
    label = listfiles.label_of(row["label"])
    if label is None:
        return f"has the label {row['label']!a}, which is neither real (0) nor fake (1)"
    if name in seen:
        return f"repeats the video of line {seen[name]}"
    named = row.get("manipulation", "")
    if named and (named == "real") is not (label is Label.REAL):
        return f"has the manipulation {named!a}, which does not fit its label"
    return ""
