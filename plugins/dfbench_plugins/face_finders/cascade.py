"""The three networks of MTCNN, one after the other, with the weights and the boxes of facenet-pytorch.

facenet-pytorch shrinks the whole frame anew for each size of face, and cuts out each candidate from it, which takes most
of the time where faces are large; and it searches whole frames alone. Here what is shrunk is read off sums of the frame
(`summed`), which gives the networks the very same values, and a part of a frame may be searched: the first network then
takes the steps in it that it takes in the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import (
    batched_nms,
    batched_nms_numpy,
    bbreg,
    fixed_batch_process,
    pad,
    rerec,
)
from numpy.typing import NDArray
from torch import Tensor

from dfbench_plugins.face_finders.shrinking import bins, means_of

CELL = 12  # px, the face that the first network sees
SIZES_NEARBY = 4  # of faces in a part: from the smallest to 2.8 times that, for a face of up to twice
STRIDE = 2  # px, from one place where it looks to the next
Part = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the frame
Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Cascade:
    """Looks for faces in frames of one size."""

    def __init__(self, device: str) -> None:
        self._device = device
        # Their pooling is much faster so.
        self._nets = MTCNN(keep_all=True, device=device).eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def find(
        self, sums: Sequence[NDArray[np.int32]], smallest: float, parts: Sequence[Part] | None = None
    ) -> list[Found]:
        """Boxes (k, 4), scores (k,) and points (k, 5, 2) of faces of `smallest` px and more in frames given by `summed`.

        With `parts`, one for each frame, only of faces that lie in it and are not above twice `smallest`; their boxes are
        the same as without.
        """
        boxes, rows = self._proposals(sums, smallest, parts)
        if len(boxes):
            boxes, rows = self._refined(sums, boxes, rows)
        points = torch.zeros(0, 5, 2)
        if len(boxes):
            boxes, rows, points = self._decided(sums, boxes, rows)
        whole, where, marks = (one.cpu().numpy() for one in (boxes, rows, points))
        return [
            (whole[where == row, :4], whole[where == row, 4], marks[where == row]) for row in range(len(sums))
        ]

    def _proposals(
        self, sums: Sequence[NDArray[np.int32]], smallest: float, parts: Sequence[Part] | None
    ) -> tuple[Tensor, Tensor]:
        height, width = (one - 1 for one in sums[0].shape[:2])
        scales = self._scales(smallest, min(height, width))
        if parts is None:
            parts = [(0, 0, width, height)] * len(sums)
        else:
            scales = scales[:SIZES_NEARBY]
        found, rows = [], []
        for scale in scales:
            down, across = int(height * scale + 1), int(width * scale + 1)
            tops, lines = _windows([(one[1], one[3]) for one in parts], scale, down)
            lefts, columns = _windows([(one[0], one[2]) for one in parts], scale, across)
            if min(lines, columns) >= CELL:
                shown = [
                    means_of(
                        one,
                        bins(0, height, down, top, top + lines),
                        bins(0, width, across, left, left + columns),
                    )
                    for one, top, left in zip(sums, tops, lefts, strict=True)
                ]
                corners = torch.tensor([lefts, tops], device=self._device).T
                boxes, inside = self._proposed(self._input(shown), corners, scale)
                kept = batched_nms(boxes[:, :4], boxes[:, 4], inside, 0.5)
                found.append(boxes[kept])
                rows.append(inside[kept])
        if not found:
            return torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64)
        boxes, row = torch.cat(found), torch.cat(rows)
        kept = batched_nms(boxes[:, :4], boxes[:, 4], row, 0.7)
        boxes, row = boxes[kept], row[kept]
        sides = (boxes[:, 2:4] - boxes[:, :2]).repeat(1, 2)
        return rerec(torch.cat([boxes[:, :4] + boxes[:, 5:9] * sides, boxes[:, 4:5]], dim=1)), row

    def _scales(self, smallest: float, side: int) -> list[float]:
        """How many times larger than its frame is what the first network sees, for each size of face in a full search."""
        scales = [CELL / smallest]
        while scales[-1] * side >= CELL:
            scales.append(scales[-1] * self._nets.factor)
        return scales[:-1]

    def _proposed(self, shown: Tensor, corners: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Boxes, scores and shifts (k, 9) in frame pixels, and of which image, in images with `corners` (n, 2), x and y."""
        moved, sure = self._nets.pnet(shown)
        inside, down, across = (sure[:, 1] >= self._nets.thresholds[0]).nonzero(as_tuple=True)
        places = corners[inside] + STRIDE * torch.stack([across, down], dim=1)
        first, last = ((places + 1) / scale).floor(), ((places + CELL) / scale).floor()
        scores = sure[inside, 1, down, across]
        return torch.cat([first, last, scores[:, None], moved[inside, :, down, across]], dim=1), inside

    def _refined(
        self, sums: Sequence[NDArray[np.int32]], boxes: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        boxes, rows, cut = self._cut(sums, boxes, rows, 24)
        if not len(cut):
            return boxes, rows
        moved, sure = fixed_batch_process(cut, self._nets.rnet)
        kept = sure[:, 1] > self._nets.thresholds[1]
        boxes, rows, moved = torch.cat([boxes[kept, :4], sure[kept, 1:]], dim=1), rows[kept], moved[kept]
        best = batched_nms(boxes[:, :4], boxes[:, 4], rows, 0.7)
        return rerec(bbreg(boxes[best], moved[best])), rows[best]

    def _decided(
        self, sums: Sequence[NDArray[np.int32]], boxes: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        boxes, rows, cut = self._cut(sums, boxes, rows, 48)
        if not len(cut):
            return boxes, rows, torch.zeros(0, 5, 2)
        moved, points, sure = fixed_batch_process(cut, self._nets.onet)
        kept = sure[:, 1] > self._nets.thresholds[2]
        boxes, rows, moved = torch.cat([boxes[kept, :4], sure[kept, 1:]], dim=1), rows[kept], moved[kept]
        sides, corner = boxes[:, 2:4] - boxes[:, :2] + 1, boxes[:, :2]
        across = sides[:, :1] * points[kept, :5] + corner[:, :1] - 1
        down = sides[:, 1:] * points[kept, 5:] + corner[:, 1:] - 1
        boxes = bbreg(boxes, moved)
        best = batched_nms_numpy(boxes[:, :4], boxes[:, 4], rows, 0.7, "Min")
        return boxes[best], rows[best], torch.stack([across, down], dim=2)[best]

    def _cut(
        self, sums: Sequence[NDArray[np.int32]], boxes: Tensor, rows: Tensor, side: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What of the boxes lies in the frame, `side` px large; boxes outside of it are left out."""
        height, width = (one - 1 for one in sums[0].shape[:2])
        y0, y1, x0, x1 = pad(boxes, width, height)
        inside = np.flatnonzero((y1 > y0 - 1) & (x1 > x0 - 1))
        where = rows.tolist()
        parts = [
            means_of(sums[where[k]], bins(y0[k] - 1, y1[k], side), bins(x0[k] - 1, x1[k], side))
            for k in inside
        ]
        chosen = torch.from_numpy(inside).to(boxes.device)
        empty = np.zeros((0, side, side, 3), np.float32)
        return boxes[chosen], rows[chosen], self._input(parts if parts else empty)

    def _input(self, images: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> Tensor:
        planar = np.ascontiguousarray(np.asarray(images, np.float32).transpose(0, 3, 1, 2))
        return (torch.from_numpy(planar).to(self._device) - 127.5) * 0.0078125


def _windows(ranges: Sequence[tuple[float, float]], scale: float, size: int) -> tuple[list[int], int]:
    """Where windows of one length begin among `size` shrunk pixels that show these ranges of the frame.

    They begin where the first network takes a step, and can all reach the end, where its last step is a shorter one.
    """
    firsts = [max(0, math.floor(start * scale)) // STRIDE * STRIDE for start, _ in ranges]
    length = max(math.ceil(stop * scale) - first for first, (_, stop) in zip(firsts, ranges, strict=True))
    length = min(size, max(0, length))
    length += (size - length) % STRIDE
    return [min(first, size - length) for first in firsts], length
