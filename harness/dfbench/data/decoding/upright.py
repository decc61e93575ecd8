"""Decoded frames as arrays, turned and mirrored as a player would show them."""

from __future__ import annotations

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

Turn = tuple[int, int, int, int]  # a, b, c, d: a pixel at (x, y) is shown at (ax + cy, bx + dy)
AS_STORED: Turn = (1, 0, 0, 1)


def turn_of(frame: av.VideoFrame) -> Turn:
    """How a frame says that it is to be turned and mirrored, in quarters; the file, or the frame alone, may say so."""
    # `frame.side_data` would refer to the frame and the frame to it: its memory would be free only when Python looks for circles.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    if matrix is None:
        return AS_STORED
    # `rotation` would not tell a mirrored image.
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return 0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0
    return -1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1


def upright(
    frame: av.VideoFrame, turn: Turn, size: tuple[int, int], reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a frame, scaled to `size` (width, height) if it has another, then turned by `turn`.

    One `reformatter` for all frames: setting it up takes as long as using it.
    """
    if (frame.width, frame.height) == size:
        coloured = reformatter.reformat(frame, format="rgb24")
    else:
        coloured = reformatter.reformat(frame, *size, "rgb24", interpolation=Interpolation.BICUBIC)
    image = np.asarray(coloured.to_ndarray(), dtype=np.uint8)
    a, b, c, d = turn
    across, down = a, d
    if b:
        image, across, down = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
