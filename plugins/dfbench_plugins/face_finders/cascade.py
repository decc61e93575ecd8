"""The three networks of MTCNN, one after the other, with the weights and the boxes of facenet-pytorch.

facenet-pytorch shrinks the whole frame anew for each size of face, and cuts out each candidate from it, which takes most
of the time where faces are large. Here a frame is summed up once, and what is shrunk is read off these sums: they are
whole numbers, so that the networks are given the very same values, and the boxes are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import (
    batched_nms,
    batched_nms_numpy,
    bbreg,
    fixed_batch_process,
    generateBoundingBox,
    pad,
    rerec,
)
from numpy.typing import NDArray
from torch import Tensor

CELL = 12  # px, the face that the first network sees
Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Cascade:
    """Looks for faces in frames of one size."""

    def __init__(self, device: str) -> None:
        self._device = device
        # Their pooling is much faster so.
        self._nets = MTCNN(keep_all=True, device=device).eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def find(self, sums: Sequence[NDArray[np.int32]], smallest: float) -> list[Found]:
        """Boxes (k, 4), scores (k,) and points (k, 5, 2) of faces of `smallest` px and more in frames given by `summed`."""
        boxes, rows = self._proposals(sums, smallest)
        if len(boxes):
            boxes, rows = self._refined(sums, boxes, rows)
        points = torch.zeros(0, 5, 2)
        if len(boxes):
            boxes, rows, points = self._decided(sums, boxes, rows)
        whole, where, marks = (one.cpu().numpy() for one in (boxes, rows, points))
        return [
            (whole[where == row, :4], whole[where == row, 4], marks[where == row]) for row in range(len(sums))
        ]

    def _proposals(self, sums: Sequence[NDArray[np.int32]], smallest: float) -> tuple[Tensor, Tensor]:
        height, width = (one - 1 for one in sums[0].shape[:2])
        scale, found, rows = CELL / smallest, [], []
        side = min(height, width) * scale
        while side >= CELL:
            size = (int(height * scale + 1), int(width * scale + 1))
            moved, sure = self._nets.pnet(
                self._input([_shrunk(one, (0, 0, height, width), size) for one in sums])
            )
            boxes, inside = generateBoundingBox(moved, sure[:, 1], scale, self._nets.thresholds[0])
            kept = batched_nms(boxes[:, :4], boxes[:, 4], inside, 0.5)
            found.append(boxes[kept])
            rows.append(inside[kept])
            scale, side = scale * self._nets.factor, side * self._nets.factor
        boxes, row = torch.cat(found), torch.cat(rows)
        kept = batched_nms(boxes[:, :4], boxes[:, 4], row, 0.7)
        boxes, row = boxes[kept], row[kept]
        sides = (boxes[:, 2:4] - boxes[:, :2]).repeat(1, 2)
        return rerec(torch.cat([boxes[:, :4] + boxes[:, 5:9] * sides, boxes[:, 4:5]], dim=1)), row

    def _refined(
        self, sums: Sequence[NDArray[np.int32]], boxes: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        boxes, rows, cut = self._cut(sums, boxes, rows, 24)
        moved, sure = fixed_batch_process(cut, self._nets.rnet)
        kept = sure[:, 1] > self._nets.thresholds[1]
        boxes, rows, moved = torch.cat([boxes[kept, :4], sure[kept, 1:]], dim=1), rows[kept], moved[kept]
        best = batched_nms(boxes[:, :4], boxes[:, 4], rows, 0.7)
        return rerec(bbreg(boxes[best], moved[best])), rows[best]

    def _decided(
        self, sums: Sequence[NDArray[np.int32]], boxes: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        boxes, rows, cut = self._cut(sums, boxes, rows, 48)
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
        parts = [_shrunk(sums[where[k]], (y0[k] - 1, x0[k] - 1, y1[k], x1[k]), (side, side)) for k in inside]
        chosen = torch.from_numpy(inside).to(boxes.device)
        empty = np.zeros((0, side, side, 3), np.float32)
        return boxes[chosen], rows[chosen], self._input(parts if parts else empty)

    def _input(self, images: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> Tensor:
        planar = np.ascontiguousarray(np.asarray(images, np.float32).transpose(0, 3, 1, 2))
        return (torch.from_numpy(planar).to(self._device) - 127.5) * 0.0078125


def summed(frame: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H + 1, W + 1, 3): the sum of all pixels above and to the left of each place of an (H, W, 3) frame."""
    return np.asarray(cv2.integral(frame), np.int32)


def _shrunk(
    sums: NDArray[np.int32], part: tuple[int, int, int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """The mean colours (h, w, 3) of a `part` y0, x0, y1, x1 in `size` (h, w) bins, as torch's mode "area" has them."""
    (top, bottom), (left, right) = _bins(part[0], part[2], size[0]), _bins(part[1], part[3], size[1])
    lines: Any = sums.take(bottom, axis=0) - sums.take(top, axis=0)
    means = (lines.take(right, axis=1) - lines.take(left, axis=1)).astype(np.float32)
    means /= (bottom - top).astype(np.float32)[:, None, None]
    means /= (right - left).astype(np.float32)[:, None]
    return np.asarray(means, np.float32)


def _bins(start: int, stop: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where `count` bins between two places begin and end; they overlap where they do not fit."""
    steps = np.arange(count + 1, dtype=np.int64) * (stop - start)
    return start + steps[:-1] // count, start - -steps[1:] // count
