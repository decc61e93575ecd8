"""Archives of frames (tar, tar.gz, zip): the path of a folder in one leads through it, `real_test/3.tar.gz/3/real/12`.

Nothing is ever unpacked to disk. A tar archive has no directory, so that it is read once to list it, and the list is kept
where `dfbench.data.reading` says.
"""

from __future__ import annotations

import json
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

from dfbench.data.file_content import BLOCK, sampled_digest
from dfbench.data.images.file_kinds import is_archive_name, is_frame_name, natural_key
from dfbench.data.images.frame_images import DAMAGE
from dfbench.data.images.limits import MAX_FRAME_BYTES, MAX_INFLATION, TarEntry
from dfbench.data.reading import reading
from dfbench.errors import LayoutError, MissingVideoError, StoreError, UndecodableVideoError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.untrusted import MOST_JSON_LIST, read_json


def archive_of(path: Path) -> Path | None:
    """The archive that `path` leads through; None if it leads through none."""
    for above in path.parents:
        if is_archive_name(above.name) and is_kind(stat.S_ISREG, above):
            return above
    return None


def is_kind(kind: Callable[[int], bool], path: Path) -> bool:
    """As `Path.is_file` and `Path.is_dir`, but false where those raise: too long a name, a folder that may not be read."""
    try:
        return kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def archive_folders(archive: Path) -> dict[str, tuple[str, ...]]:
    """Return the folders of an archive that contain frames, each with the names of its frames in natural order.

    Raises LayoutError if the archive cannot be read to its end.
    """
    return {folder: listed.names for folder, listed in archive_listing(archive).items()}


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A folder of an archive: the `names` of its frames, in natural order, and `content`, a digest of all their bytes.

    `size`: how many bytes these are; None in a list of an earlier version, which does not say.
    """

    names: tuple[str, ...]
    content: str
    size: int | None = None


_sizes: dict[str, Mapping[str, int | None]] = {}  # by the key of an archive: small, unlike the lists


def archive_listing(archive: Path, *, anew: bool = False) -> Mapping[str, ListedFolder]:
    """The folders of an archive that hold frames, and what is in them.

    The list of an archive is kept under the archive's path, time and sampled content, where `dfbench.data.reading` says; with
    `anew`, the archive is read all the same. Raises LayoutError if it cannot be read to its end.
    """
    key, lists = _key(archive), reading().archive_lists
    kept = None if lists is None else lists / f"{key}.json"
    if anew:
        if kept is not None:
            _keep(kept, _list(archive))
        _known_listing.cache_clear()
    return _known_listing(archive, key, kept)


@lru_cache(maxsize=4)  # each video of an archive asks for it
def _known_listing(archive: Path, key: str, kept: Path | None) -> Mapping[str, ListedFolder]:
    folders = None if kept is None else _kept_list(kept)
    if folders is None:
        folders = _list(archive)
        if kept is not None:
            _keep(kept, folders)
    _sizes[key] = {folder: one.size for folder, one in folders.items()}
    return folders


def _kept_list(kept: Path) -> dict[str, ListedFolder] | None:
    """What the file `kept` says that is in an archive; None if nothing was kept, or it is damaged."""
    try:
        listed = read_json(kept, most=MOST_JSON_LIST, surrogates=True)
        return {folder: _kept_folder(*facts) for folder, facts in listed.items()}
    except (UnreadableError, ValueError, AttributeError, TypeError):
        return None


def _kept_folder(names: list[str], content: str, *size: int) -> ListedFolder:
    """A folder as the cache says it. Raises TypeError, ValueError for what is no such thing."""
    if (
        not isinstance(names, list)
        or not names
        or not isinstance(content, str)
        or not all(map(is_frame_name, names))
    ):
        raise ValueError(f"{content!r} is no folder of frames"[:80])
    return ListedFolder(tuple(names), content, *map(int, size))


def _list(archive: Path) -> dict[str, ListedFolder]:
    found: dict[str, list[tuple[str, str, int]]] = {}
    try:
        for name, content, size in _entries(archive):
            inside = PurePosixPath(name)
            if is_frame_name(inside.name) and not inside.is_absolute() and ".." not in inside.parts:
                found.setdefault(str(inside.parent), []).append((inside.name, content, size))
    except DAMAGE as error:
        raise LayoutError(
            f"the archive {archive} cannot be read: {error}",
            hints=("it is cut short or damaged: download it again",),
        ) from error
    return {folder: _listed(found[folder]) for folder in sorted(found, key=natural_key)}


def _listed(frames: Sequence[tuple[str, str, int]]) -> ListedFolder:
    names = sorted(dict.fromkeys(name for name, _, _ in frames), key=natural_key)
    lines = "\n".join(f"{name}\t{content}" for name, content, _ in sorted(frames))
    digest = sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    return ListedFolder(tuple(names), digest, sum(size for _, _, size in frames))


def listed_folder(archive: Path, path: Path) -> ListedFolder:
    """What the list of `archive` says of the folder `path` in it. Raises MissingVideoError if it is not in it, LayoutError."""
    listed = archive_listing(archive).get(path.relative_to(archive).as_posix())
    if listed is None:
        raise MissingVideoError(f"{path}: the archive has no such folder")
    return listed


def packed_sizes(archive: Path, paths: Sequence[Path]) -> list[int]:
    """Bytes of the frames in each folder of `archive` that a path leads to; -1 for one that is not in it.

    Where an older list does not tell those of the folder, the bytes of the archive. Costs one listing, and next to nothing
    where the archive was listed in this process. Raises LayoutError if it cannot be read to its end.
    """
    known = _sizes.get(_key(archive))
    if known is None:
        known = {name: one.size for name, one in archive_listing(archive).items()}
    start = len(archive.as_posix()) + 1
    sizes = [known.get(path.as_posix()[start:], -1) for path in paths]
    return [archive.stat().st_size if size is None else size for size in sizes]


def archive_bytes(archive: Path, path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the `wanted` frames of the folder `path` in an archive as (name, content); what follows the last is not unpacked."""
    inside = path.relative_to(archive)
    left = {(PurePosixPath(inside.as_posix()) / name).as_posix(): name for name in wanted}
    if archive.suffix.casefold() == ".zip":
        with zipfile.ZipFile(archive) as opened:
            known = {_plain(info.filename): info for info in opened.infolist()}
            for entry, name in left.items():
                if entry in known:
                    yield name, _zip_bytes(opened, known[entry])
        return
    for stream, member in _members(archive):
        found = left.pop(_plain(member.name), None) if member.isfile() else None
        if found is None:
            continue
        _require_frame(member.name, member.size)
        content = stream.extractfile(member)
        if content is not None:
            yield found, content.read()
        if not left:
            return


def _zip_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """An entry, as long as it says it is: what it says may be a lie, and `ZipFile.read` inflates all there is."""
    _require_frame(info.filename, info.file_size)
    # The others cannot be inflated in parts.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UndecodableVideoError(
            f"{archive.filename}: {info.filename} is neither stored nor deflated",
            hints=("pack the archive again, in one of these ways",),
        )
    with archive.open(info) as entry:
        return entry.read(info.file_size)


def _require_frame(name: str, size: int) -> None:
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"{name} claims {size} bytes, and no frame has more than {MAX_FRAME_BYTES}")


def _entries(archive: Path) -> Iterator[tuple[str, str, int]]:
    """The names of the files in an archive, each with what tells its content, and its bytes: of a frame in a tar archive,
    which is read through in any case, a hash; a zip archive has checksums already."""
    if archive.suffix.casefold() == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    if stat.S_ISLNK(info.external_attr >> 16) and is_frame_name(info.filename):
                        raise _linked(archive, info.filename)
                    yield _plain(info.filename), f"{info.file_size} {info.CRC:08x}", info.file_size
        return
    for stream, member in _members(archive):
        digest = sha256()
        is_frame = is_frame_name(PurePosixPath(member.name).name)
        if is_frame and not member.isfile():
            raise _linked(archive, member.name)
        content = stream.extractfile(member) if is_frame else None
        while content is not None and (block := content.read(BLOCK)):
            digest.update(block)
        yield _plain(member.name), digest.hexdigest(), member.size


def _members(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """What is no folder in a tar archive, as long as what it inflates to is in proportion to it."""
    most = MAX_FRAME_BYTES + MAX_INFLATION * archive.stat().st_size
    with tarfile.open(archive, "r|*", tarinfo=TarEntry) as stream:
        for member in stream:
            if member.offset_data + member.size > most:
                raise tarfile.ReadError(
                    f"{member.name} inflates to more than {MAX_INFLATION} times the archive"
                )
            if not member.isdir():
                yield stream, member


def _linked(archive: Path, name: str) -> LayoutError:
    """What to raise where a frame in an archive is a link: without it, the video would be another, and nobody would know."""
    return LayoutError(
        f"the archive {archive} cannot be read: {name} in it is a link, and no frame",
        hints=("pack the files themselves, as tar --dereference --hard-dereference does",),
    )


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _key(archive: Path) -> str:
    """What changes with the content of an archive, and names its list in the cache. Raises LayoutError."""
    try:
        seen = archive.stat()
        state = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev)
        return _key_of(archive, seen.st_mtime_ns, state)
    except (OSError, UnreadableError) as error:
        reason = error.reason if isinstance(error, UnreadableError) else error.strerror
        raise LayoutError(
            f"the archive {archive} cannot be read: {reason}", hints=("make it readable",)
        ) from error


@lru_cache(maxsize=8192)
def _key_of(archive: Path, changed: int, state: tuple[int, ...]) -> str:
    """The key of an archive in a `state` in which the system says that nothing was written since."""
    del state
    key = f"{archive.resolve()}\n{changed}\n{sampled_digest(archive)}"
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _keep(path: Path, folders: Mapping[str, ListedFolder]) -> None:
    """A cache that cannot be written costs time and nothing else."""
    listed = {folder: [one.names, one.content, one.size] for folder, one in folders.items()}
    with suppress(StoreError, UnicodeEncodeError):
        write_text_whole(path, json.dumps(listed))
