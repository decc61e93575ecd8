"""Videos that are folders of frames, on disk or in an archive."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dfbench.data.decoding.video import probe, read_frames
from dfbench.data.images import archives
from dfbench.data.images.archives import archive_folders, archive_of, packed_sizes
from dfbench.data.images.sequences import frame_names, source_size
from dfbench.errors import LayoutError, MissingVideoError, UndecodableVideoError, VideoError
from dfbench.types import FrameChoice

FOLDER = "3/real/12"


def png(value: int, size: tuple[int, int] = (8, 6), kind: str = "png") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(content, kind)
    return content.getvalue()


def frames(count: int = 12) -> dict[str, bytes]:
    """Frame t is of red t; 10 and 11 come before 2 for whoever sorts by letters."""
    return {f"{FOLDER}/{t}.png": png(t) for t in range(count)}


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write an archive of the kind that its name says, or a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif path.suffix:
        with tarfile.open(path, "w:gz" if path.suffix in {".gz", ".tgz"} else "w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def reds(path: Path, choice: FrameChoice) -> dict[int, int]:
    return {position: int(frame[0, 0, 0]) for position, frame in read_frames(path, choice)}


@pytest.mark.parametrize("name", ["plain", "a b.tar.gz", "x.tgz", "x.tar", "x.zip"])
def test_frames_are_read_in_natural_order_from_every_kind_of_source(tmp_path: Path, name: str) -> None:
    path = (
        write(tmp_path / name, {**frames(), f"{FOLDER}/notes.txt": b"x", f"{FOLDER}/._1.png": b"x"}) / FOLDER
    )
    assert (probe(path).frames, probe(path).width, probe(path).height) == (12, 8, 6)
    assert reds(path, FrameChoice("uniform", 4)) == {0: 0, 4: 4, 7: 7, 11: 11}
    assert reds(path, FrameChoice("first", 2)) == {0: 0, 1: 1}


def test_an_archive_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(
        tmp_path / "3.tar.gz", {**frames(2), "3/real/7/1.jpg": png(9, kind="jpeg"), "readme.txt": b"-"}
    )
    assert archive_folders(archive) == {"3/real/7": ("1.jpg",), FOLDER: ("0.png", "1.png")}
    archives._known_listing.cache_clear()  # as in the next process
    monkeypatch.setattr(archives, "_entries", lambda _: pytest.fail("listed again"))
    assert frame_names(archive / FOLDER) == ("0.png", "1.png")


def test_a_changed_archive_is_listed_anew(tmp_path: Path) -> None:
    archive = write(tmp_path / "3.zip", frames(2))
    assert len(archive_folders(archive)[FOLDER]) == 2
    assert len(archive_folders(write(archive, frames(3)))[FOLDER]) == 3


def test_names_that_lead_out_of_an_archive_are_no_frames(tmp_path: Path) -> None:
    archive = write(tmp_path / "3.zip", {"../evil/1.png": png(1), "/abs/1.png": png(1), "good/1.png": png(1)})
    assert list(archive_folders(archive)) == ["good"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("name", ["links.tar", "links.tar.gz"])
def test_a_frame_that_is_a_link_in_a_tar_archive_is_told(tmp_path: Path, kind: bytes, name: str) -> None:
    archive = tmp_path / name
    with tarfile.open(archive, "w:gz" if name.endswith("gz") else "w") as tar:
        for inside, content in frames(2).items():
            info = tarfile.TarInfo(inside)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo(f"{FOLDER}/2.png")
        info.type, info.linkname = kind, f"{FOLDER}/1.png"
        tar.addfile(info)
    with pytest.raises(LayoutError, match=r"links.tar.*2\.png in it is a link"):
        archive_folders(archive)
    with pytest.raises(UndecodableVideoError, match="is a link"):
        probe(archive / FOLDER)


def test_a_frame_that_is_a_link_in_a_zip_archive_is_told(tmp_path: Path) -> None:
    archive = write(tmp_path / "links.zip", frames(2))
    with zipfile.ZipFile(archive, "a") as opened:
        info = zipfile.ZipInfo(f"{FOLDER}/2.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(LayoutError, match=r"2\.png in it is a link"):
        archive_folders(archive)


def test_frames_in_a_folder_are_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "video", {f"{t}.png": png(t) for t in range(3)})
    (folder / "1.png").unlink()
    for target, said in (("/dev/zero", "device"), (str(tmp_path), "folder"), ("pipe", "pipe")):
        (folder / "1.png").symlink_to(target)
        if target == "pipe":
            os.mkfifo(folder / "pipe")
        with pytest.raises(UndecodableVideoError, match=said):
            list(read_frames(folder, FrameChoice("uniform", 3)))
        (folder / "1.png").unlink()
    (folder / "1.png").symlink_to(write(tmp_path / "elsewhere", {"1.png": png(1)}) / "1.png")
    assert reds(folder, FrameChoice("uniform", 3)) == {0: 0, 1: 1, 2: 2}


def test_sizes(tmp_path: Path) -> None:
    folder = write(tmp_path / "plain", frames(2)) / FOLDER
    archive = write(tmp_path / "3.tar.gz", frames(2))
    assert source_size(folder) == len(png(0)) + len(png(1))
    assert source_size(archive / FOLDER) == archive.stat().st_size
    assert archive_of(archive / FOLDER) == archive
    assert archive_of(folder) is None
    assert source_size(tmp_path / "gone.mp4") == -1


@pytest.mark.parametrize("name", ["3.tar.gz", "3.tar", "3.zip"])
def test_the_sizes_of_what_is_in_an_archive_and_of_what_is_not(tmp_path: Path, name: str) -> None:
    archive = write(tmp_path / name, {**frames(2), "3/real/hollow/0.png": b"", "3/notes/a.txt": b"a"})
    inside = [FOLDER, "3/real/hollow", "3/real", "3/notes", "3/real/13", f"{FOLDER}/0.png"]
    sizes = packed_sizes(archive, [archive / one for one in inside])
    assert sizes == [len(png(0)) + len(png(1)), 0, -1, -1, -1, -1]
    assert [source_size(archive / one) for one in inside] == [archive.stat().st_size, 0, -1, -1, -1, -1]


def test_asking_for_sizes_lists_once_and_again_when_the_content_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write(tmp_path / "3.tar.gz", frames(2))
    listed: list[Path] = []
    entries = archives._entries

    def counted(path: Path) -> Iterator[tuple[str, str, int]]:
        listed.append(path)
        yield from entries(path)

    monkeypatch.setattr(archives, "_entries", counted)
    archive_folders(archive)
    for _ in range(3):
        assert packed_sizes(archive, [archive / FOLDER]) == [len(png(0)) + len(png(1))]
    assert len(listed) == 1
    seen = archive.stat()
    write(archive, {"3/real/99/0.png": png(3)})
    os.utime(archive, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as a copy that keeps times
    assert packed_sizes(archive, [archive / FOLDER]) == [-1]
    assert len(listed) == 2


def test_a_list_of_an_earlier_version_does_not_tell_sizes(tmp_path: Path) -> None:
    archive = write(tmp_path / "3.zip", frames(2))
    archive_folders(archive)
    (kept,) = (tmp_path / "cache" / "archives").glob("*.json")
    listed = json.loads(kept.read_text())
    kept.write_text(json.dumps({folder: found[:2] for folder, found in listed.items()}))
    archives._known_listing.cache_clear()
    archives._sizes.clear()
    assert packed_sizes(archive, [archive / FOLDER, archive / "x"]) == [archive.stat().st_size, -1]
    assert archive_folders(archive) == {FOLDER: ("0.png", "1.png")}


@pytest.mark.parametrize("name", ["3.tar.gz", "3.tar", "3.zip"])
@pytest.mark.parametrize("kept", [0, 5, 400, 700])
def test_a_damaged_archive_is_a_layout_error(tmp_path: Path, name: str, kept: int) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    content = io.BytesIO()
    noise.save(content, "png")
    archive = write(tmp_path / name, {f"{FOLDER}/{t}.png": content.getvalue() for t in range(3)})
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(LayoutError, match="cannot be read"):
        archive_folders(archive)
    with pytest.raises(UndecodableVideoError, match="cannot be read"):
        reds(archive / FOLDER, FrameChoice("first", 1))


@pytest.mark.parametrize("name", ["plain", "3.zip", "3.tar.gz"])
def test_a_damaged_frame_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, {**frames(2), f"{FOLDER}/1.png": png(1)[:40]}) / FOLDER
    with pytest.raises(UndecodableVideoError, match=r"1\.png: not a readable image"):
        reds(path, FrameChoice("first", 2))


@pytest.mark.parametrize("name", ["plain", "3.zip"])
def test_a_sequence_that_is_not_there(tmp_path: Path, name: str) -> None:
    root = write(tmp_path / name, frames(1))
    with pytest.raises(MissingVideoError):
        reds(root / "3/real/13", FrameChoice("first", 1))


def test_an_empty_folder_and_frames_of_two_sizes(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UndecodableVideoError, match="no frames"):
        reds(tmp_path / "empty", FrameChoice("first", 1))
    mixed = write(tmp_path / "mixed", {"0.png": png(0), "1.png": png(1, (9, 6))})
    with pytest.raises(UndecodableVideoError, match="differ in size"):
        reds(mixed, FrameChoice("first", 2))


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(["3.tar.gz", "3.tar", "3.zip"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    kept=st.floats(0, 1),
)
def test_whatever_stands_in_an_archive_ends_in_folders_or_our_own_errors(
    name: str, changes: list[tuple[float, int]], kept: float
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFBENCH_CACHE", folder)
        archive = write(Path(folder) / name, frames(3))
        content = bytearray(archive.read_bytes())
        for place, value in changes:
            content[int(place * (len(content) - 1))] = value
        archive.write_bytes(content[: int(kept * len(content))] if kept < 0.5 else content)
        told: list[str] = []
        listed: dict[str, tuple[str, ...]] = {}
        try:
            listed = archive_folders(archive)
        except LayoutError as error:
            told.append(error.message)
        for inside in listed:
            try:
                assert len(reds(archive / inside, FrameChoice("first", 2))) <= 2
            except VideoError as error:
                told.append(error.message)
        assert all(str(archive) in message for message in told)
