"""The annotated video: crop and overlay side by side, and the evidence over time with a moving mark below."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dfbench.errors import StoreError
from dfbench.interfaces import Progress
from dfbench.results.evidence_pictures import (
    BAR,
    EDGE,
    INK,
    LINE,
    MUTED,
    PAPER,
    Scale,
    caption,
    colour_bar,
    font,
    frame_label,
    heading,
    overlay,
    write_lines,
)
from dfbench.runs.explaining import Explanation, OpenExplainer
from dfbench.runs.scores import sigmoid
from dfbench.types import EvidenceMap

SIDE = 384
HEAD, STRIP, FOOT = 92, 96, 66
WIDTH = 2 * SIDE + 3 * EDGE + BAR
HEIGHT = HEAD + SIDE + EDGE + STRIP + FOOT


def write_evidence_video(
    path: Path,
    explanation: Explanation,
    opened: OpenExplainer,
    kind: EvidenceMap,
    scale: Scale,
    *,
    progress: Progress,
) -> None:
    """Write an H.264 video at the source's rate, from its first to its last explained frame.

    Frames in which the face was not found are grey and say so. Raises StoreError if it cannot be written.
    """
    still = _still(explanation, opened, kind, scale)
    places = {int(frame): row for row, frame in enumerate(explanation.frame_indices)}
    first, last = int(explanation.frame_indices[0]), int(explanation.frame_indices[-1])
    rate = Fraction(explanation.info.rate).limit_denominator(1001)
    try:
        with (
            av.open(str(path), "w") as container,
            progress.task(f"draw {explanation.path.name}, frames", last - first + 1) as task,
        ):
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for frame in range(first, last + 1):
                picture = np.asarray(_frame(still, explanation, kind, scale, places.get(frame), frame))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                task.advance()
            container.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError) as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hints=(f"check the disk of {path.parent}",)
        ) from error


def curve(explanation: Explanation) -> tuple[NDArray[np.float64], str]:
    """Probability of "fake" over time (n,), and what it is: each frame's own, else that of its windows."""
    evidence = explanation.evidence
    if np.isfinite(evidence.frame_logits).any():
        return sigmoid(evidence.frame_logits), "soft label of each frame"
    return sigmoid(evidence.window_logits), "P(fake) of the clips around each frame"


def _still(explanation: Explanation, opened: OpenExplainer, kind: EvidenceMap, scale: Scale) -> Image.Image:
    """Everything that does not move."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    title, facts = heading(explanation, opened)
    draw.text((EDGE, 10), title, fill=INK, font=font(19, bold=True))
    draw.text((EDGE, 38), facts, fill=MUTED, font=font(13))
    colour_bar(draw, scale, left=2 * SIDE + 3 * EDGE, top=HEAD + 20, height=SIDE - 44)
    values, what = curve(explanation)
    top, left, right = HEAD + SIDE + EDGE, EDGE + 30, WIDTH - EDGE
    for level in (0.0, 0.5, 1.0):
        y = _height(level, top)
        draw.line([(left, y), (right, y)], fill=LINE)
        draw.text((EDGE, y - 7), f"{level:.1f}", fill=MUTED, font=font(11))
    points = [
        (_across(explanation, row), _height(float(value), top))
        for row, value in enumerate(values)
        if np.isfinite(value)
    ]
    draw.line(points, fill="#b3361f", width=3, joint="curve")
    draw.text((left, top + STRIP - 16), what, fill=MUTED, font=font(12))
    maps = explanation.evidence.maps[kind.name]
    write_lines(draw, (EDGE, top + STRIP + 8), caption(kind, maps), width=WIDTH - 2 * EDGE, size=13)
    return picture


def _height(probability: float, top: int) -> int:
    return round(top + (STRIP - 24) * (1 - probability))


def _across(explanation: Explanation, row: int) -> int:
    frames = explanation.frame_indices
    left, right = EDGE + 30, WIDTH - EDGE
    share = int(frames[row] - frames[0]) / max(1, int(frames[-1] - frames[0]))
    return round(left + (right - left) * share)


def _frame(
    still: Image.Image,
    explanation: Explanation,
    kind: EvidenceMap,
    scale: Scale,
    row: int | None,
    frame: int,
) -> Image.Image:
    picture = still.copy()
    draw = ImageDraw.Draw(picture)
    boxes = ((EDGE, HEAD), (2 * EDGE + SIDE, HEAD))
    if row is None:
        for left, top in boxes:
            draw.rectangle([left, top, left + SIDE - 1, top + SIDE - 1], fill="#8a929b")
            draw.text((left + 110, top + SIDE // 2), "no face in this frame", fill=PAPER, font=font(15))
        draw.text((EDGE, 66), f"#{frame}", fill=INK, font=font(14))
        return picture
    crop, values = explanation.crops[row], explanation.evidence.maps[kind.name][row]
    face = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture.paste(Image.fromarray(face), boxes[0])
    picture.paste(Image.fromarray(overlay(crop, values, scale, SIDE)), boxes[1])
    draw.text((EDGE, 66), frame_label(explanation, row), fill=INK, font=font(14))
    x, top = _across(explanation, row), HEAD + SIDE + EDGE
    draw.line([(x, top - 4), (x, top + STRIP - 22)], fill=INK, width=2)
    return picture
