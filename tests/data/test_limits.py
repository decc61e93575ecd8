"""Files that claim to be larger than anything is: refused with a reason, and before memory is taken for them."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.data.streams import declared_png, h264_stream

from dfbench.data.decoding.video import read_frames
from dfbench.data.images.archives import archive_folders
from dfbench.data.images.limits import MAX_FRAME_BYTES, MAX_PIXELS, MAX_SIDE, require_size
from dfbench.errors import LayoutError, UndecodableVideoError
from dfbench.types import FrameChoice

FOLDER = "3/real/12"
MIB = 2**20


def read(path: Path) -> list[tuple[int, tuple[int, ...]]]:
    return [(position, frame.shape) for position, frame in read_frames(path, FrameChoice("uniform", 4))]


@contextmanager
def in_little_memory() -> Iterator[None]:
    """What Python and its libraries allocate meanwhile, FFmpeg's frames excepted, fits into 16 MiB."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


@pytest.mark.parametrize("size", [(7680, 4320), (8192, 8192), (MAX_SIDE, MAX_PIXELS // MAX_SIDE)])
def test_8k_is_allowed(size: tuple[int, int]) -> None:
    require_size(Path("a.mp4"), *size)
    with pytest.raises(UndecodableVideoError, match=r"a\.mp4: declares frames of 8193x8192"):
        require_size(Path("a.mp4"), 8193, 8192)


PROBED = """
import resource, sys
from pathlib import Path
from dfbench.data.decoding.video import read_frames
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice
for name in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        print(len(list(read_frames(Path(name), FrameChoice("uniform", 4)))))
    except UndecodableVideoError as error:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(grown // 1024, error.message)
"""


@pytest.mark.slow
def test_a_stream_that_declares_huge_frames_is_refused_before_they_are_made(tmp_path: Path) -> None:
    names = {
        "at once.mp4": h264_stream((16000, 16000)),
        "never.mp4": h264_stream((16384, 16384)),  # more than FFmpeg itself takes
        "midway.mp4": h264_stream((64, 48), (16000, 16000)),
    }
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", PROBED, *names], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for line, name in zip(done.stdout.splitlines(), names, strict=True):
        grown, told = line.split(" ", 1)
        assert told.startswith(f"{name}: ")
        assert int(grown) < 200  # MiB; one such frame has 366 as it is stored, and 732 as RGB
    assert "declares frames of 16000x16000 pixels" in done.stdout


def test_a_size_that_changes_within_the_limit_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "shift.mp4"
    path.write_bytes(h264_stream((64, 48), (128, 96)))
    assert read(path) == [(at, (48, 64, 3)) for at in (0, 2, 5, 7)]


def test_a_shape_that_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "turn.mp4"
    path.write_bytes(h264_stream((64, 48), (48, 64)))
    with pytest.raises(UndecodableVideoError, match=r"turn\.mp4: the frames differ in size \(48x64, 64x48\)"):
        read(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n"),
        ("elsewhere", "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        ("script", "ffconcat version 1.0\nfile other.mp4\n"),
        ("endless", "ffconcat version 1.0\nfile endless.mp4\n"),
    ],
)
def test_a_text_that_leads_to_another_video_is_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "other.mp4").write_bytes(h264_stream((64, 48)))
    path = tmp_path / f"{name}.mp4"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UndecodableVideoError, match=rf"{name}\.mp4: not a readable video"):
        read(path)


def pack(path: Path, content: bytes) -> Path:
    """A sequence of one frame, in a folder or an archive; its path."""
    name = f"{FOLDER}/1.png"
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
    elif path.suffix:
        with tarfile.open(path, "w:gz") as tar:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    else:
        (path / FOLDER).mkdir(parents=True)
        (path / name).write_bytes(content)
    return path / FOLDER


@pytest.mark.parametrize("source", ["plain", "3.zip", "3.tar.gz"])
@pytest.mark.parametrize("size", [(50000, 50000), (10000, 10000), (MAX_SIDE + 1, 1)])
def test_a_tiny_image_that_declares_a_huge_one(tmp_path: Path, source: str, size: tuple[int, int]) -> None:
    path = pack(tmp_path / source, declared_png(*size))
    with in_little_memory(), pytest.raises(UndecodableVideoError, match=r"1\.png: ") as caught:
        read(path)
    # Pillow itself counts pixels, and knows no longest side.
    assert ("declares" if 1 in size else "exceeds limit") in caught.value.message


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GIF89a", b""])
def test_an_image_that_is_no_frame_is_not_interpreted(tmp_path: Path, content: bytes) -> None:
    path = pack(tmp_path / "plain", content)
    with pytest.raises(UndecodableVideoError, match=r"1\.png: not a readable image \(neither PNG, JPEG"):
        read(path)


def test_a_huge_frame_file_is_not_read(tmp_path: Path) -> None:
    path = pack(tmp_path / "plain", b"")
    with (path / "1.png").open("wb") as sparse:
        sparse.truncate(MAX_FRAME_BYTES + 1)
    with in_little_memory(), pytest.raises(UndecodableVideoError, match=r"1\.png .*268435457 bytes"):
        read(path)


def test_an_entry_of_a_zip_that_inflates_to_more_than_it_says(tmp_path: Path) -> None:
    archive = tmp_path / "3.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(f"{FOLDER}/1.png", bytes(64 * MIB))
    content = archive.read_bytes()
    told = struct.pack("<I", 64 * MIB)
    assert content.count(told) == 2  # in the header of the entry and in the directory
    archive.write_bytes(content.replace(told, struct.pack("<I", 1000)))
    with in_little_memory(), pytest.raises(UndecodableVideoError, match=r"3\.zip.*CRC"):
        read(archive / FOLDER)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_bounds_is_not_read(tmp_path: Path, method: int) -> None:
    archive = tmp_path / "3.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.writestr(f"{FOLDER}/1.png", declared_png(8, 8))
    with pytest.raises(UndecodableVideoError, match="neither stored nor deflated"):
        read(archive / FOLDER)


def entry(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("many", entry("junk.bin", 2**40), "inflates to more than 100 times"),
        ("long name", entry("x", 2**40, tarfile.GNUTYPE_LONGNAME), "a header claims"),
        ("pax", entry("x", 2**40, tarfile.XHDTYPE), "a header claims"),
    ],
)
def test_a_tar_that_inflates_without_end(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    archive = tmp_path / f"{name}.tar.gz"
    archive.write_bytes(gzip.compress(entry(f"{FOLDER}/1.png", 0) + content + bytes(64 * MIB), 1))
    with in_little_memory():
        with pytest.raises(LayoutError, match=reason) as caught:
            archive_folders(archive)
        assert str(archive) in caught.value.message
        with pytest.raises(UndecodableVideoError, match=reason):
            read(archive / FOLDER)


@pytest.mark.slow
def test_an_entry_of_a_tar_that_claims_to_be_huge(tmp_path: Path) -> None:
    archive = tmp_path / "3.tar"
    with archive.open("wb") as sparse:  # as large as it says, so that it is in proportion
        sparse.write(entry(f"{FOLDER}/1.png", MAX_FRAME_BYTES + 1))
        sparse.truncate(MAX_FRAME_BYTES + 20 * 512)
    with in_little_memory(), pytest.raises(UndecodableVideoError, match=r"1\.png claims 268435457 bytes"):
        read(archive / FOLDER)
