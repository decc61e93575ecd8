"""Videos that are sequences of images: a folder of frames, or a folder inside an archive (see `archives`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.images.archives import archive_bytes, archive_of, is_kind, listed_folder, packed_sizes
from dfbench.data.images.file_kinds import is_frame_name, natural_key
from dfbench.data.images.frame_images import DAMAGE, frame_image
from dfbench.data.images.limits import MAX_FRAME_BYTES
from dfbench.errors import LayoutError, MissingVideoError, UndecodableVideoError
from dfbench.untrusted import read_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def is_sequence(path: Path) -> bool:
    """Whether `path` is a folder of frames or leads into an archive, rather than being a video file."""
    return archive_of(path) is not None or is_kind(stat.S_ISDIR, path)


def frame_names(path: Path) -> tuple[str, ...]:
    """The names of the frames of a sequence, in natural order.

    Raises MissingVideoError if there is no such folder, UndecodableVideoError if it cannot be listed or is empty.
    """
    archive = archive_of(path)
    try:
        if archive is None:
            names = tuple(
                sorted((one.name for one in path.iterdir() if is_frame_name(one.name)), key=natural_key)
            )
        else:
            names = listed_folder(archive, path).names
    except FileNotFoundError as error:
        raise MissingVideoError(f"{path}: no such folder") from error
    except LayoutError as error:
        raise UndecodableVideoError(f"{path}: {error.message}", hints=error.hints) from error
    except OSError as error:
        raise UndecodableVideoError(f"{path}: cannot be listed ({error.strerror})") from error
    if not names:
        raise UndecodableVideoError(f"{path}: the folder holds no frames", hints=("unpack it again",))
    return names


def read_images(path: Path, names: Sequence[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The frames `names` of a sequence as (name, (H, W, 3) uint8 RGB), in that order, one at a time.

    An archive is read once; what is wanted of it is held as it is packed. Raises UndecodableVideoError for a frame that
    is damaged, or missing by now.
    """
    archive = archive_of(path)
    left = set(names)
    try:
        source = (
            _folder_bytes(path, names)
            if archive is None
            else _in_order(dict(archive_bytes(archive, path, left)), names)
        )
        for name, content in source:
            yield name, frame_image(content, path / name)
            left.discard(name)
    except DAMAGE as error:
        raise UndecodableVideoError(
            f"{path}: a frame cannot be read ({error})", hints=("it is damaged: download it again",)
        ) from error
    if left:
        raise UndecodableVideoError(f"{path}: {len(left)} frames are gone, {min(left)} among them")


def _in_order(contents: dict[str, bytes], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    yield from ((name, contents.pop(name)) for name in names if name in contents)


def source_size(path: Path) -> int:
    """Bytes of what a video is read from: its file, the frames of its folder, the archive around it; -1 if absent.

    In an archive that cannot be read, a folder has 0, and so has one whose frames are empty.
    """
    try:
        if path.is_file():
            return path.stat().st_size
        if (archive := archive_of(path)) is not None:
            size = packed_sizes(archive, [path])[0]
            return archive.stat().st_size if size > 0 else size
        if not path.is_dir():
            return -1
        with os.scandir(path) as entries:
            return sum(one.stat().st_size for one in entries if is_frame_name(one.name) and one.is_file())
    except OSError:
        return -1
    except LayoutError:
        return 0


def _folder_bytes(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        yield name, read_bytes(path / name, most=MAX_FRAME_BYTES)
