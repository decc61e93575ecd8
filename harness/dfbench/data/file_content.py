"""What tells the content of one file from that of another: samples of it, which are read in no time, or all of its bytes.

A file's name, size and time do not: two projects have a `1.mp4`, uncompressed videos of one length have one size, and
copying sets times anew.
"""

from __future__ import annotations

import os
from hashlib import sha256
from io import BufferedReader
from pathlib import Path

from dfbench.untrusted import open_regular

BLOCK = 2**20
# Containers have their tables of frame sizes and times at one end or the other. What lies between tells uncompressed
# videos apart that begin and end with the same black.
ENDS = 16 * 2**10
BETWEEN, PLACES = 4 * 2**10, 7  # around the eighths of the file, its middle among them


def sampled_digest(path: Path) -> str:
    """SHA-256 (hex) of the size of a file, its first and last 16 KiB and seven blocks of 4 KiB between; of all of a small one.

    Raises AbsentError, UnreadableError for what is no regular file, OSError.
    """
    with _opened(path) as opened:
        size = os.fstat(opened.fileno()).st_size
        places = [(0, ENDS)]
        places += [(size * (k + 1) // (PLACES + 1) - BETWEEN // 2, BETWEEN) for k in range(PLACES)]
        places += [(size - ENDS, ENDS)]
        if size <= 2 * ENDS + PLACES * BETWEEN:
            places = [(0, size)]
        digest = sha256(f"{size}\n".encode())
        for place, length in places:
            opened.seek(place)
            digest.update(opened.read(length))
        return digest.hexdigest()


def whole_digest(*paths: Path) -> str:
    """SHA-256 (hex) of all bytes of the files, one after the other. Raises as `sampled_digest` does."""
    digest = sha256()
    for path in paths:
        with _opened(path) as opened:
            while block := opened.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _opened(path: Path) -> BufferedReader:
    return BufferedReader(open_regular(path), BETWEEN)
