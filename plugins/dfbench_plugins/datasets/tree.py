"""What the folder trees of datasets have in common: is this the right root, which compressions are there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dfbench import LayoutError, MissingCompressionError, for_shell
from dfbench.data import compression_of as compression_of  # noqa: PLC0414 - offered as tree.compression_of
from dfbench.data import folder_fault, natural_key

_VISITED = 500  # folders looked at in search of a hint; a home directory must not be walked for minutes


def require_root(root: Path, *, dataset: str, signs: Sequence[str], expected: str) -> None:
    """Raise LayoutError unless `root` is a folder that holds one of `signs` (glob patterns below it).

    `expected` describes the layout in words. If a subfolder or a parent has the layout, the hint names it.
    """
    fault = folder_fault(root)
    if not fault and has_layout(root, signs):
        return
    wrong = f"{root} does not have the layout of {dataset}: expected {expected}"
    if fault:
        wrong = f"the root of {dataset}, {root}, cannot be used: {fault}"
    hints = [f"did you mean {kind} {folder}?" for kind, folder in _near(root, signs)]
    hints.append(f"point the root of {dataset} at the folder that holds {expected}")
    raise LayoutError(wrong, hints=hints)


def require_list(path: Path) -> Path:
    """Return `path`, the list of a dataset's test videos. Raises LayoutError if it is not there."""
    if not path.exists():
        raise LayoutError(
            f"{path.parent} has no {path.name}",
            hints=(
                f"copy it from the dataset's archive to {path}; without it test and train cannot be told apart",
            ),
        )
    return path


def has_layout(root: Path, signs: Sequence[str]) -> bool:
    """Whether one of the glob patterns `signs` matches below `root`."""
    try:
        return any(next(root.glob(sign), None) is not None for sign in signs)
    except OSError:  # a folder that may not be listed
        return False


def require_compression(
    root: Path, sources: Sequence[Path], *, dataset: str, compression: str, offered: Sequence[str]
) -> None:
    """Raise MissingCompressionError if none of `sources` has a folder `<compression>/videos`; names the ones there are."""
    if any((source / compression / "videos").is_dir() for source in sources):
        return
    others = [one for one in offered if any((source / one / "videos").is_dir() for source in sources)]
    there = f"there are videos in: {', '.join(others)}" if others else "nor in any other compression"
    hints = [
        f"use --compression {for_shell(one)} (of `dfbench run`: --train-compression {for_shell(one)})"
        for one in others
    ]
    hints.append(f"download the {compression} videos to {sources[0] / compression / 'videos'}")
    raise MissingCompressionError(f"{root} holds no {compression} videos of {dataset} ({there})", hints=hints)


def place_of_videos(
    folder: Path, inside: Sequence[str] = ("videos",), *, problems: list[str] | None = None
) -> Path:
    """Where the videos of `folder` lie: in the first of its folders `inside` that holds any, else in `folder` itself, or, if
    there is none anywhere, in the first of `inside` that is there.

    Scripts of several detectors lay datasets out anew, with the videos in `videos/` and their frames beside it. Videos
    that lie in both places go to `problems`: those outside are not read.
    """
    for name in inside:
        if video_files(folder / name):
            if problems is not None and (stray := video_files(folder)):
                problems.append(
                    f"{folder}, entry 1: {stray[0]!a} is one of {len(stray)} videos beside the folder {name}, in which the "
                    "others lie, and are left out; move them there"
                )
            return folder / name
    there = [folder / name for name in inside if (folder / name).is_dir()]
    return there[0] if there and not video_files(folder) else folder


def video_files(folder: Path) -> list[str]:
    """The names of the mp4 files in `folder`, sorted; none if there is no such folder.

    Names that begin with a dot are not videos (macOS leaves `._000.mp4` beside `000.mp4`).
    """
    try:
        return sorted(one.name for one in folder.iterdir() if one.suffix == ".mp4" and one.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LayoutError(
            f"the folder {folder} cannot be listed: {reason}", hints=("make it readable",)
        ) from error


def listing(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in `folder`, each in natural order, links followed.

    Names that begin with a dot are left out. Raises LayoutError if the folder cannot be listed.
    """
    folders, files, _ = contents(folder)
    return folders, files


def contents(folder: Path) -> tuple[list[str], list[str], set[str]]:
    """List `folder`; returns what `listing` does, and the names of those that are links."""
    folders: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if _is_folder(entry) else files).append(entry.name)
                    if entry.is_symlink():
                        links.add(entry.name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LayoutError(
            f"the folder {folder} cannot be listed: {reason}", hints=("make it readable",)
        ) from error
    return sorted(folders, key=natural_key), sorted(files, key=natural_key), links


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except (
        OSError
    ):  # a link that leads to itself: a video that cannot be read, and no reason to give the rest up
        return False


def _near(root: Path, signs: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The nearest folder below, or else above `root`, that has the layout."""
    level = [root]
    visited = 0
    for _ in range(2):
        below: list[Path] = []
        for folder in level:
            below.extend(_subfolders(folder))
        for folder in below:
            visited += 1
            if visited > _VISITED:
                return
            if has_layout(folder, signs):
                yield "the subfolder", folder
                return
        level = below
    for folder in list(root.absolute().parents)[:3]:
        if has_layout(folder, signs):
            yield "the folder above it,", folder
            return


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return []
