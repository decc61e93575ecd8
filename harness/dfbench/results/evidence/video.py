"""The annotated video: a face crop beside its maps, and the evidence over time with a moving mark below.

Beside the map that is shown stands a temporal one where the detector makes one; each panel then has a caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfbench.drawing import draw_on
from dfbench.errors import StoreError
from dfbench.interfaces import Progress
from dfbench.results.evidence.pictures import (
    BAR,
    EDGE,
    INK,
    LINE,
    MUTED,
    PAPER,
    Drawn,
    caption_picture,
    colour_bar,
    font,
    frame_label,
    heading_picture,
    overlay,
)
from dfbench.runs.evidence.explaining import Explanation, OpenExplainer
from dfbench.runs.records.score_table import sigmoid

SIDE, STRIP, LABEL = 384, 96, 26
SCORED_RATE = 2  # frames a second, of those that a run scored


@dataclass(frozen=True, slots=True)
class _Still:
    """What does not move, and where the rest goes: the frame's label, the panels, the mark on the curve."""

    picture: Image.Image
    label_top: int
    lefts: tuple[int, ...]
    top: int
    curve_top: int


def write_evidence_video(
    path: Path,
    explanation: Explanation,
    opened: OpenExplainer,
    drawn: Sequence[Drawn],
    *,
    progress: Progress,
) -> None:
    """Write an H.264 video at the source's rate, from its first to its last explained frame.

    Frames in which the face was not found are grey and say so. Of the clips that a run scored, which may be far apart,
    the frames alone are shown, one after the other. Raises StoreError if it cannot be written.
    """
    still = _still(explanation, opened, drawn)
    places = {int(frame): row for row, frame in enumerate(explanation.frame_indices)}
    first, last = int(explanation.frame_indices[0]), int(explanation.frame_indices[-1])
    shown = list(places) if explanation.scored else range(first, last + 1)
    rate = Fraction(SCORED_RATE if explanation.scored else explanation.info.rate).limit_denominator(1001)
    try:
        with (
            av.open(str(path.absolute()), "w") as container,
            progress.task(f"draw {explanation.path.name}, frames", len(shown)) as task,
        ):
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
            stream.width, stream.height = still.picture.size
            stream.pix_fmt = "yuv420p"
            for frame in shown:
                picture = np.asarray(_frame(still, explanation, drawn, places.get(frame), frame))
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


def _still(explanation: Explanation, opened: OpenExplainer, drawn: Sequence[Drawn]) -> _Still:
    lefts = tuple(EDGE + panel * (SIDE + EDGE) for panel in range(1 + len(drawn)))
    width = lefts[-1] + SIDE + EDGE + BAR
    heading = heading_picture(explanation, opened, width=width - 2 * EDGE)
    below = caption_picture(*drawn, width=width - 2 * EDGE)
    named = len(drawn) > 1
    label_top = 10 + heading.height
    top = label_top + LABEL + (LABEL if named else 0)
    curve_top = top + SIDE + EDGE
    height = curve_top + STRIP + below.height + 16
    picture = Image.new("RGB", (width, height + height % 2), PAPER)
    picture.paste(heading, (EDGE, 10))
    picture.paste(below, (EDGE, curve_top + STRIP + 8))
    draw = draw_on(picture)
    if named:
        for left, text in zip(lefts, ("face", *map(_name, drawn)), strict=True):
            draw.text((left, top - 22), text, fill=INK, font=font(14, bold=True))
    share = SIDE // len(drawn)
    for number, one in enumerate(drawn):
        bar_top = top + number * share + 20
        colour_bar(draw, one.scale, left=width - BAR, top=bar_top, height=share - 44)
    values, what = curve(explanation)
    right = width - EDGE
    for level in (0.0, 0.5, 1.0):
        y = _height(level, curve_top)
        draw.line([(EDGE + 30, y), (right, y)], fill=LINE)
        draw.text((EDGE, y - 7), f"{level:.1f}", fill=MUTED, font=font(11))
    points = [
        (_across(explanation, row, width), _height(float(value), curve_top))
        for row, value in enumerate(values)
        if np.isfinite(value)
    ]
    draw.line(points, fill="#b3361f", width=3, joint="curve")
    draw.text((EDGE + 30, curve_top + STRIP - 16), what, fill=MUTED, font=font(12))
    return _Still(picture, label_top, lefts, top, curve_top)


def _name(drawn: Drawn) -> str:
    """The caption of a panel."""
    kind = drawn.kind
    what = "over time" if kind.temporal else "where"
    return f"{what}: {kind.name}" + (f" ({kind.unit})" if kind.unit else "")


def _height(probability: float, top: int) -> int:
    return round(top + (STRIP - 24) * (1 - probability))


def _across(explanation: Explanation, row: int, width: int) -> int:
    frames = explanation.frame_indices
    left, right = EDGE + 30, width - EDGE
    share = int(frames[row] - frames[0]) / max(1, int(frames[-1] - frames[0]))
    return round(left + (right - left) * share)


def _frame(
    still: _Still, explanation: Explanation, drawn: Sequence[Drawn], row: int | None, frame: int
) -> Image.Image:
    picture, top = still.picture.copy(), still.top
    draw = draw_on(picture)
    if row is None:
        for left in still.lefts:
            draw.rectangle([left, top, left + SIDE - 1, top + SIDE - 1], fill="#8a929b")
            draw.text((left + 110, top + SIDE // 2), "no face in this frame", fill=PAPER, font=font(15))
        draw.text((EDGE, still.label_top), f"#{frame}", fill=INK, font=font(14))
        return picture
    crop = explanation.crops[row]
    face = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture.paste(Image.fromarray(face), (still.lefts[0], top))
    for left, one in zip(still.lefts[1:], drawn, strict=True):
        picture.paste(Image.fromarray(overlay(crop, one.values[row], one.scale, SIDE)), (left, top))
    draw.text((EDGE, still.label_top), frame_label(explanation, row), fill=INK, font=font(14))
    x = _across(explanation, row, picture.width)
    draw.line([(x, still.curve_top - 4), (x, still.curve_top + STRIP - 22)], fill=INK, width=2)
    return picture
