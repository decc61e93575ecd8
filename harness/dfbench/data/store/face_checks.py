"""What a face file may hold, looked at before memory is taken for it: a store may be a stranger's, or damaged.

Face files hold nothing compressed but the pictures themselves. An entry that inflates, an array of another shape, or a picture of
a size that no crop has is damage like any other, told as a ValueError, and the video is prepared anew.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_TRACK_BYTES = 2**30  # boxes and landmarks of all frames: 1.5 kB a frame
MOST_CROP_BYTES = 64 * 2**20
MOST_SIDE = 4096  # of a crop; `PrepareSpec.max_size` is 320 unless a detector asks for more

# Arrays of a track by name: what their numbers are (numpy's kinds), and their shape, where -1 is the number of frames and None
# any number.
_SHAPES: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "crop_boxes": ("f", (-1, 4)),
    "frame_indices": ("i", (-1,)),
    "boxes": ("f", (-1, 4)),
    "scores": ("f", (-1,)),
    "landmarks": ("f", (-1, None, 2)),
    "landmark_kind": ("U", ()),
    "frame_size": ("i", (2,)),
    "quality": ("f", (-1,)),
    "seen": ("f", (None, 17)),
}


def entry_bytes(archive: zipfile.ZipFile, name: str, *, most: int) -> bytes:
    """Read an entry of a face file that is stored as it is; returns its bytes. Raises KeyError, ValueError, BadZipFile."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
        raise ValueError(f"{name} in it is compressed, or has {info.file_size} bytes")
    return archive.read(info)


def track_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays in `track.npz`, of the kinds and shapes that a track has. Raises ValueError and what numpy raises."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # numpy takes the memory that a header claims, so that it must not claim more than there is.
        found = {name: _array(entry_bytes(archive, f"{name}.npy", most=len(content))) for name in _SHAPES}
    frames = found["frame_indices"].shape[0] if found["frame_indices"].ndim else 0
    for name, (kind, shape) in _SHAPES.items():
        array = found[name]
        wanted = tuple(frames if size == -1 else size for size in shape)
        fits = len(wanted) == array.ndim and all(
            size in (None, own) for size, own in zip(wanted, array.shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise ValueError(f"its {name} are {array.dtype} of the shape {array.shape}")
    return found


def require_crop(webp: bytes) -> None:
    """Raise ValueError if `webp` is not a lossless WebP of a size that crops have, by its header."""
    if webp[:4] != b"RIFF" or webp[8:16] != b"WEBPVP8L" or len(webp) < 25:
        raise ValueError("a frame in it is no lossless WebP")
    bits = int.from_bytes(webp[21:25], "little")  # 14 bits each, of one less (RFC 9649, section 3.4)
    width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if max(width, height) > MOST_SIDE:
        raise ValueError(f"a frame in it is said to have {width}x{height} pixels")


def _array(npy: bytes) -> NDArray[Any]:
    opened = io.BytesIO(npy)
    version = np.lib.format.read_magic(opened)
    if version != (1, 0):
        raise ValueError(f"an array in it is of version {version}")
    shape, order, dtype = np.lib.format.read_array_header_1_0(opened)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"an array in it is of {dtype} and the shape {shape}")
    count = 1
    for size in shape:  # of Python, which cannot overflow
        count *= size
    if count * dtype.itemsize != len(npy) - opened.tell():
        raise ValueError(f"an array in it is said to be {dtype} of the shape {shape}")
    return np.frombuffer(npy, dtype, count, opened.tell()).reshape(shape, order="F" if order else "C")
