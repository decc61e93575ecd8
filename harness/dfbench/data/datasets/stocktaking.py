"""Stocktaking: the files of a dataset, held against its own list files and its published counts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from dfbench.data.datasets.corpus_card import read_card
from dfbench.data.datasets.inventory import Inventory, ListFile, OfficialRow, Row
from dfbench.data.datasets.leakage import differ, equation, leaks_between_splits
from dfbench.data.datasets.manifest import manifest_digest, refuse_duplicates
from dfbench.data.datasets.official import apart, counts_of, published
from dfbench.data.folders import folder_fault
from dfbench.data.images.archives import archive_of, packed_sizes
from dfbench.data.images.sequences import source_size
from dfbench.errors import LayoutError, UnreadableError, unknown_name
from dfbench.exchanged import DatasetIndex
from dfbench.specs import DatasetSpec
from dfbench.text import storable
from dfbench.types import Counts, Video
from dfbench.untrusted import MOST_LIST, read_bytes

# what is no folder anywhere
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class _File:
    """A file or folder of frames on disk: its bytes, and where it is, whatever its name (None if nobody can tell)."""

    size: int
    place: tuple[int, int] | None = None


def take_stock(
    spec: DatasetSpec, dataset_root: Path, index: DatasetIndex, *, splits: Sequence[str] = ()
) -> Inventory:
    """Compare `index` with the files below `dataset_root` and the published counts; returns the inventory.

    Looks at names and sizes only, also in archives, of which each is listed once; nothing is decoded. `splits` restricts the
    check (all if empty; a split asked for by name must be there). Raises LayoutError if the root is no folder or its corpus
    file is damaged, UnknownNameError for a split that is neither listed nor one of the published counts, and ManifestError
    if the index repeats a video.
    """
    if fault := folder_fault(dataset_root):
        raise LayoutError(
            f"the root of {spec.name}, {dataset_root}, cannot be used: {fault}",
            hints=("correct [data.roots] or --root",),
        )
    refuse_duplicates(index.videos)
    corpus, by_card = read_card(dataset_root, spec.corpus)
    official = published(spec, dataset_root)
    known = sorted({video.split for video in index.videos} | {part.split("/", 1)[0] for part in official})
    for split in splits:
        if split not in known:
            raise unknown_name("split", split, known, where=spec.name)
    videos = [video for video in index.videos if not splits or video.split in splits]
    named = {video.path for video in index.videos}
    files = _files(named)
    masks = _absent_masks(videos)
    packed, damaged = _packed_files((named | masks) - files.keys())
    files |= packed
    sizes = {path: file.size for path, file in files.items()}
    wanted = [*(video.path for video in videos), *masks]
    found = [video for video in videos if sizes.get(video.path, 0) > 0]
    leaks, known = _leaks(spec, index.videos, splits)
    same = [copies for copies in _same_files(index.videos, files) if not splits or _touches(copies, splits)]
    suffixes = {path.suffix for path in named} - {""}  # folders of frames have none to tell them by
    return Inventory(
        dataset=spec.name,
        title=spec.title or spec.name,
        corpus=corpus,
        root=dataset_root,
        compression=", ".join(sorted({video.compression for video in index.videos}))
        if len(spec.compressions) > 1
        else "",
        rows=_rows(videos, found),
        official=tuple(
            replace(row, by_list=bool(index.lists) and row.part.partition("/")[0] not in index.unlisted)
            for row in _compare(official, videos, splits)
        ),
        missing=_below(dataset_root, (path for path in wanted if path not in sizes)),
        empty=_below(dataset_root, (path for path in wanted if sizes.get(path) == 0)),
        extra=_below(
            dataset_root,
            (
                path
                for path in sizes
                if path not in named
                and path not in masks
                and path.suffix in suffixes
                and not path.name.startswith(".")
            ),
        ),
        problems=(*index.problems, *damaged),
        leaks=(*leaks, *(equation(copies) for copies in same if differ(copies))),
        notes=(
            *index.notes,
            *known,
            *(f"one file: {equation(copies)}" for copies in same if not differ(copies)),
        ),
        published=bool(spec.official),
        by_card=by_card is not None,
        lists=tuple(_hashed(dataset_root, path) for path in index.lists),
        verified=spec.verified,
        unverified=spec.unverified,
    )


def _leaks(spec: DatasetSpec, videos: Sequence[Video], splits: Sequence[str]) -> tuple[list[str], list[str]]:
    """What splits share, as shortfalls; and what published splits share, which are kept as they are, as notes."""
    shortfalls, notes = [], []
    for leak in leaks_between_splits(videos):
        if splits and not {leak.first, leak.second} & set(splits):
            continue
        if {leak.first, leak.second} <= spec.official.keys():
            notes.append(f"leak between the published splits: {leak.words()}")
        else:
            shortfalls.append(leak.words())
    return shortfalls, notes


def _touches(copies: Iterable[Video], splits: Sequence[str]) -> bool:
    return any(video.split in splits for video in copies)


def _same_files(videos: Iterable[Video], files: Mapping[Path, _File]) -> list[list[Video]]:
    """Groups of videos that are one file under several names: by a link, or as a relative and an absolute path."""
    by_place: dict[tuple[int, int], list[Video]] = {}
    for video in videos:
        file = files.get(video.path)
        if file is not None and file.place is not None and file.size > 0:
            by_place.setdefault(file.place, []).append(video)
    return [copies for copies in by_place.values() if len(copies) > 1 and _is_one_file(copies)]


def _is_one_file(copies: Sequence[Video]) -> bool:
    """Some network file systems number two files alike: a second look at those that seem to be one."""
    return (
        len({os.path.realpath(video.path) for video in copies}) == 1
        or min(video.path.stat().st_nlink for video in copies) > 1
    )


def _files(named: Iterable[Path]) -> dict[Path, _File]:
    """The videos `named` that are there, and the files beside them; one listing a folder."""
    files: dict[Path, _File] = {}
    videos = set(named)
    for folder in {video.parent for video in videos}:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        path = folder / entry.name
                        if entry.is_file():
                            seen = entry.stat()
                            files[path] = _File(seen.st_size, (seen.st_dev, seen.st_ino))
                        elif path in videos and entry.is_dir():  # a folder of frames
                            seen = entry.stat()
                            files[path] = _File(max(0, source_size(path)), (seen.st_dev, seen.st_ino))
                    except OSError:  # a dangling or looping link: as good as missing
                        continue
        except ValueError:  # no disk has a name with a null byte in it
            continue
        except OSError as error:
            if error.errno in _ABSENT:
                continue
            reason = error.strerror or type(error).__name__
            raise LayoutError(
                f"the folder {folder} cannot be listed: {reason}", hints=("make it readable",)
            ) from error
    return files


def _packed_files(absent: Iterable[Path]) -> tuple[dict[Path, _File], list[str]]:
    """Those of the videos and masks that are `absent` on disk which are folders of frames in an archive.

    The second of the pair says of which archives nobody can tell what is in them, a sentence each: what they should hold
    counts as empty.
    """
    files: dict[Path, _File] = {}
    problems: list[str] = []
    by_archive: dict[Path, list[Path]] = {}
    for path in absent:
        if (archive := archive_of(path)) is not None:
            by_archive.setdefault(archive, []).append(path)
    for archive, packed in by_archive.items():
        try:
            sizes = packed_sizes(archive, packed)
        except LayoutError as error:
            sizes = [0] * len(packed)
            problems.append(f"{error.message}: {'; '.join(error.hints)}")
        files |= {path: _File(size) for path, size in zip(packed, sizes, strict=True) if size >= 0}
    return files, sorted(problems)


def _absent_masks(videos: Iterable[Video]) -> set[Path]:
    """The masks of `videos` that are in no folder on disk; one listing a folder, and no look at the files."""
    there: dict[str, set[str]] = {}
    absent = set()
    for mask in [video.mask_path for video in videos if video.mask_path is not None]:
        folder, _, name = str(mask).rpartition(os.sep)  # as text, since there are thousands
        if folder not in there:
            try:
                there[folder] = set(os.listdir(folder or "."))  # noqa: PTH208 # the names alone
            except (OSError, ValueError):
                there[folder] = set()
        if name not in there[folder]:
            absent.add(mask)
    return absent


def _rows(videos: Sequence[Video], found: Sequence[Video]) -> tuple[Row, ...]:
    """A row for every split and manipulation, in the order in which the lists name them."""
    hashes = {
        split: manifest_digest(video for video in videos if video.split == split)
        for split in dict.fromkeys(video.split for video in videos)
    }
    return tuple(
        Row(
            split,
            manipulation,
            _count(videos, split, manipulation),
            _count(found, split, manipulation),
            hashes[split],
        )
        for split, manipulation in dict.fromkeys((video.split, video.manipulation) for video in videos)
    )


def _compare(
    official: Mapping[str, Counts], videos: Sequence[Video], splits: Sequence[str]
) -> tuple[OfficialRow, ...]:
    """Published against listed counts.

    A key "split/manipulation" is for a manipulation that not every copy has: it counts only if the lists name
    any of it, and then apart from its split.
    """
    rows = []
    for part, counts in official.items():
        split, _, manipulation = part.partition("/")
        if splits and split not in splits:
            continue
        others = apart(official, split)
        own = [
            video
            for video in videos
            if video.split == split
            and (video.manipulation == manipulation if manipulation else video.manipulation not in others)
        ]
        if own:
            rows.append(OfficialRow(part, counts, _count(own)))
        elif not manipulation:
            asked = split in splits
            rows.append(OfficialRow(part, counts, Counts(0, 0) if asked else None))
    return tuple(rows)


def _count(videos: Iterable[Video], split: str = "", manipulation: str = "") -> Counts:
    return counts_of(
        video
        for video in videos
        if (not split or video.split == split) and (not manipulation or video.manipulation == manipulation)
    )


def _hashed(root: Path, path: Path) -> ListFile:
    try:
        return ListFile(_name(root, path), sha256(read_bytes(path, most=MOST_LIST)).hexdigest())
    except UnreadableError as error:
        raise LayoutError(f"the list file {error.message}", hints=("make it readable",)) from error


def _below(root: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(_name(root, path) for path in paths))


def _name(root: Path, path: Path) -> str:
    return storable(str(path.relative_to(root) if path.is_relative_to(root) else path))
