"""What `write_whole` leaves behind when a disk is full, a writer is killed, or two write at once: the old file or the new."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dfbench.errors import StoreError
from dfbench.files import leftovers, write_text_whole, write_whole

HINT = "or write it elsewhere"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_file_and_the_folders_above_it_are_made(tmp_path: Path) -> None:
    write_text_whole(tmp_path / "a" / "b" / "ü.txt", "one\r\ntwo\n")
    assert content(tmp_path / "a" / "b") == {"ü.txt": b"one\r\ntwo\n"}
    write_whole(tmp_path / "a" / "b" / "ü.txt", lambda part: part.write_bytes(b"new"))
    assert content(tmp_path / "a" / "b") == {"ü.txt": b"new"}


@pytest.mark.parametrize(
    ("number", "message", "hints"),
    [
        (errno.ENOSPC, "cannot write {}: No space left on device", True),
        (errno.EDQUOT, "cannot write {}: Disk quota exceeded", True),
        (errno.EACCES, "cannot write {}: Permission denied", False),
    ],
)
def test_what_the_system_refuses_leaves_the_old_file_and_says_what_helps(
    tmp_path: Path, number: int, message: str, hints: bool
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def half(part: Path) -> None:
        part.write_bytes(b"ne")
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreError) as caught:
        write_whole(path, half, hints=(HINT,))
    assert caught.value.message == message.format(path)
    first = (f"free some space on the disk that holds {tmp_path}",)
    assert caught.value.hints == ((*first, HINT) if hints else (HINT,))
    assert content(tmp_path) == {"kept": b"old"}


# The system refuses what goes beyond 10 kB of a file, as a full disk does after what fits.
FULL = """
import resource, signal, sys
from pathlib import Path
from dfbench.errors import StoreError
from dfbench.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    write_whole(Path(sys.argv[1]), lambda part: part.write_bytes(bytes(20_000)))
except StoreError as error:
    print(error.message)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from dfbench.files import write_whole
def half(part):
    part.write_bytes(b"ne")
    os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path(sys.argv[1]), half)
"""


def in_a_process(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)


def test_a_disk_that_ends_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    ended = in_a_process(FULL, path)
    assert ended.stdout == f"cannot write {path}: File too large\n", ended.stderr
    assert content(tmp_path) == {"kept": b"old"}


def test_a_killed_writer_leaves_the_old_file_and_a_leftover_that_is_known_as_one(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    assert in_a_process(KILLED, path).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = leftovers(tmp_path)
    assert left.read_bytes() == b"ne"
    write_text_whole(path, "new")  # nothing is in its way
    assert path.read_bytes() == b"new"


def test_two_writers_at_once_leave_the_whole_of_one(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def write(letter: str) -> None:
        def slowly(part: Path) -> None:
            with part.open("x") as stream:  # of this writer alone
                stream.write(letter * 1000)
                both.wait(60)
                stream.write(letter * 1000)

        write_whole(tmp_path / "shared", slowly)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, "ab"))
    assert content(tmp_path) in ({"shared": b"a" * 2000}, {"shared": b"b" * 2000})


def test_an_error_of_the_writer_is_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    def broken(part: Path) -> None:
        part.touch()
        raise KeyError("a fault of the caller")

    with pytest.raises(KeyError, match="a fault of the caller"):
        write_whole(tmp_path / "never", broken)
    assert content(tmp_path) == {}


def test_a_link_in_its_place_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    write_text_whole(tmp_path / "link", "new")
    assert content(tmp_path) == {"victim": b"mine", "link": b"new"}
    assert not (tmp_path / "link").is_symlink()


def test_leftovers_are_told_from_files_whatever_version_wrote_them(tmp_path: Path) -> None:
    left = (
        f".a.json.7.{'0f' * 16}.part",
        "a.faces.1f.part",
        ".run.json.12.tmp",
        "w.12.partial",
    )
    kept = ("a.json", "a.faces", "part-00001.parquet", "tmp", ".hidden", "a.partial", "a.tmp")
    for name in (*left, *kept):
        (tmp_path / name).touch()
    assert {path.name for path in leftovers(tmp_path)} == set(left)
