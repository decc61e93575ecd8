"""How preparation scripts are usually written: what ours is compared with. Our own code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from facenet_pytorch import MTCNN
from numpy.typing import NDArray


def prepare_naively(
    video: Path, positions: Sequence[int], network: MTCNN, folder: Path
) -> NDArray[np.float32]:
    """Boxes (n, 4) of the largest face of each wanted frame; its crop is written as PNG to `folder`.

    Every frame is decoded, each wanted one is searched alone, at full size, for faces of 20 px and more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    capture = cv2.VideoCapture(str(video))
    wanted, boxes, at = set(positions), [], 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        if at in wanted:
            found, _ = network.detect(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            x0, y0, x1, y1 = max(found, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
            boxes.append((x0, y0, x1, y1))
            margin = 0.5 * max(x1 - x0, y1 - y0)
            top, bottom = max(0, round(y0 - margin)), round(y1 + margin)
            left, right = max(0, round(x0 - margin)), round(x1 + margin)
            cv2.imwrite(str(folder / f"{at:06d}.png"), frame[top:bottom, left:right])
        at += 1
    capture.release()
    return np.asarray(boxes, dtype=np.float32)
