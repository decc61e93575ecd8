"""Fingerprints: equal for one content wherever it lies and whenever it was written, unequal for another of the same size."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.data.file_content import BETWEEN, ENDS, PLACES, sampled_digest
from dfbench.data.fingerprints import (
    ABSENT,
    AT_ONCE,
    SAMPLED_FRAMES,
    UNREADABLE,
    content_digest,
    fingerprint,
    fingerprints,
    list_archives_anew,
)
from dfbench.data.images import archives
from dfbench.errors import LayoutError, MissingVideoError, UnreadableError

READ_WHOLE = 2 * ENDS + PLACES * BETWEEN


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@given(
    size=st.integers(1, 3 * READ_WHOLE),
    place=st.floats(0, 1, exclude_max=True),
    seconds=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=60)
def test_a_copy_is_the_same_and_a_changed_byte_that_is_read_is_not(
    size: int, place: float, seconds: int
) -> None:
    content = np.random.default_rng(size).bytes(size)
    with tempfile.TemporaryDirectory() as folder:
        first = write(Path(folder) / "A" / "1.mp4", content)
        copy = write(Path(folder) / "B" / "other name.avi", content)
        os.utime(copy, (seconds, seconds))
        assert fingerprint(copy) == fingerprint(first)
        assert content_digest(copy) == content_digest(first)
        at = int(place * size)
        changed = bytearray(content)
        changed[at] ^= 1
        os.utime(write(copy, bytes(changed)), ns=(0, first.stat().st_mtime_ns))
        if size <= READ_WHOLE or not ENDS <= at < size - ENDS:
            assert fingerprint(copy) != fingerprint(first)
        assert content_digest(copy) != content_digest(first)


def test_what_begins_and_ends_alike_is_told_apart_by_what_lies_between(tmp_path: Path) -> None:
    """Uncompressed videos of one length that fade in and out."""
    black = bytes(ENDS)
    found = {
        fingerprint(write(tmp_path / f"{grey}.avi", black + bytes([grey]) * 10**6 + black))
        for grey in range(4)
    }
    assert len(found) == 4


@pytest.mark.parametrize("part", [1 / 8, 1 / 4, 1 / 2, 3 / 4])
def test_a_byte_in_the_middle_tells(tmp_path: Path, part: float) -> None:
    content = bytearray(10**6)
    before = fingerprint(write(tmp_path / "1.avi", bytes(content)))
    for at in (int(part * len(content)) - 1, int(part * len(content))):
        changed = bytearray(content)
        changed[at] = 1
        assert fingerprint(write(tmp_path / "1.avi", bytes(changed))) != before


def test_size_alone_tells_files_of_one_byte_apart(tmp_path: Path) -> None:
    sizes = (0, 1, ENDS, READ_WHOLE, READ_WHOLE + 1, 10**6)
    assert len({fingerprint(write(tmp_path / str(size), bytes(size))) for size in sizes}) == len(sizes)


def test_links_lead_to_the_content_and_nothing_else_has_one(tmp_path: Path) -> None:
    video = write(tmp_path / "1.mp4", b"video")
    link, broken, loop, pipe = (tmp_path / name for name in ("link", "broken", "loop", "pipe"))
    link.symlink_to(video)
    broken.symlink_to(tmp_path / "unmounted" / "1.mp4")
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    (tmp_path / "empty").mkdir()
    assert fingerprint(link) == fingerprint(video)
    assert [fingerprint(path) for path in (broken, tmp_path / "gone.mp4", video / "inside")] == [ABSENT] * 3
    odd = (loop, pipe, tmp_path / "empty")
    assert [fingerprint(path) for path in odd] == [UNREADABLE] * 3
    many = [video, broken, link] * AT_ONCE + [loop]
    assert fingerprints(many) == [fingerprint(path) for path in many]
    with pytest.raises(UnreadableError, match="a named pipe"):
        sampled_digest(pipe)


def sequence(folder: Path, frames: Mapping[str, bytes]) -> Path:
    for name, content in frames.items():
        write(folder / name, content)
    return folder


def test_a_folder_of_frames_is_known_by_names_sizes_and_samples(tmp_path: Path) -> None:
    frames = {f"{number}.bmp": bytes([number]) * 99 for number in range(12)}
    path = sequence(tmp_path / "A" / "v", frames)
    assert fingerprint(sequence(tmp_path / "B" / "w", {**frames, "notes.txt": b"-"})) == fingerprint(path)
    changes: list[dict[str, bytes]] = [
        {"11.bmp": b"x" * 99},  # the last
        {"0.bmp": b"x" * 99},
        {"7.bmp": b"x" * 98},  # of another size
        {"12.bmp": b"x" * 99},  # one more
    ]
    others = [
        sequence(tmp_path / str(number), {**frames, **changed}) for number, changed in enumerate(changes)
    ]
    renamed = {f"{int(name[:-4]) + 1}.bmp": content for name, content in frames.items()}
    found = {fingerprint(one) for one in (path, *others, sequence(tmp_path / "renamed", renamed))}
    assert len(found) == len(changes) + 2
    unsampled = sequence(tmp_path / "C", {**frames, "1.bmp": b"x" * 99})
    assert len(frames) > SAMPLED_FRAMES
    assert content_digest(unsampled) != content_digest(path)


def pack(path: Path, frames: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name, content in frames.items():
                zipped.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in frames.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["3.tar.gz", "3.tar", "3.zip"])
def test_a_folder_in_an_archive_is_known_by_its_frames_and_not_by_the_archive(
    tmp_path: Path, name: str
) -> None:
    frames = {f"3/real/{folder}/{number}.png": bytes([number]) * 99 for folder in (1, 2) for number in (1, 2)}
    archive = pack(tmp_path / "A" / name, frames)
    one, two = archive / "3/real/1", archive / "3/real/2"
    before = fingerprint(one)
    assert fingerprint(two) == before  # the same frames
    assert content_digest(one)[: len(before)] == before
    assert fingerprint(archive / "3/real/9") == ABSENT
    with pytest.raises(MissingVideoError):
        content_digest(archive / "3/real/9")
    other = pack(tmp_path / "B" / name, {**frames, "3/real/2/2.png": b"x" * 99})
    assert fingerprint(other / "3/real/1") == before
    assert fingerprint(other / "3/real/2") != before
    stat = archive.stat()
    shutil.copyfile(other, archive)  # another release in its place, with the time of the first
    os.utime(archive, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(two) == fingerprint(other / "3/real/2")
    archive.write_bytes(archive.read_bytes()[:60])
    assert fingerprint(one) == UNREADABLE


def test_an_archive_is_listed_anew_where_that_is_asked_for(tmp_path: Path) -> None:
    """Another byte where no sample is taken, and the old time: only reading all of it tells."""
    rng = np.random.default_rng(0)
    frames = {f"v/{number}.png": rng.bytes(60_000) for number in range(9)}
    archive = pack(tmp_path / "3.tar", frames)
    stat, before = archive.stat(), fingerprint(archive / "v")
    with archive.open("r+b") as opened:
        opened.seek(stat.st_size // 10)  # between the first 16 KiB and the first sample
        opened.write(b"!")
    os.utime(archive, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(archive / "v") == before
    gone = tmp_path / "gone.tar"
    list_archives_anew([archive / "v", gone / "v", tmp_path / "1.mp4"])
    after = fingerprint(archive / "v")
    assert after not in (before, UNREADABLE)
    archives._known_listing.cache_clear()  # as in the next process
    assert fingerprint(archive / "v") == after
    write(tmp_path / "damaged.tar", b"x" * 9999)
    list_archives_anew([tmp_path / "damaged.tar" / "v"])
    with pytest.raises(LayoutError):
        content_digest(tmp_path / "damaged.tar" / "v")
