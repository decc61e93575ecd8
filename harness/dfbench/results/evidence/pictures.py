"""Evidence as pictures: a face crop beside the same crop under its map, with a colour bar, a score and a caption.

Colours mean the same throughout a video. Where there is little evidence the face shows through; maps that only rise run
over "inferno", maps with two signs over red (fake) and blue (real).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dfbench.drawing import draw_on
from dfbench.escaping import for_terminal
from dfbench.runs.evidence.explaining import Explanation, OpenExplainer
from dfbench.runs.evidence.windows import LARGE
from dfbench.runs.records.score_table import sigmoid
from dfbench.specs import EvidenceMap

INK, MUTED, PAPER, LINE = "#1b1f24", "#66707b", "#ffffff", "#d5dae0"
LOUD = "#b3361f"
DISCLAIMER = "Evidence of what this detector saw, not proof of a forgery."
SAMPLE = 64  # frames from which the range of a map without a fixed span is taken
EDGE = 12
BAR = 96

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours of a map run over, in a whole video."""

    low: float
    high: float
    signed: bool
    unit: str

    @property
    def colours(self) -> Any:
        """The matplotlib colour map."""
        return mpl.colormaps["RdBu_r" if self.signed else "inferno"]

    def place(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Values as places on the colour bar, in [0, 1]; NaN where there is none."""
        spread = (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)
        return np.asarray(np.clip(spread, 0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A map of a video as it is drawn: its values (n, h, w), and the colours that they have in all n frames."""

    kind: EvidenceMap
    values: NDArray[np.floating[Any]]
    scale: Scale


def drawn_maps(explanation: Explanation, maps: Sequence[EvidenceMap]) -> tuple[Drawn, ...]:
    """What the video shows: the first of `maps`, and the first temporal one among the others."""
    values = explanation.evidence.maps
    kinds = (maps[0], *[one for one in maps[1:] if one.temporal][:1])
    return tuple(Drawn(one, values[one.name], scale_of(one, values[one.name])) for one in kinds)


def scale_of(kind: EvidenceMap, maps: NDArray[np.floating[Any]]) -> Scale:
    """The map's own span, or what 99.5 % of its cells in this video (n, h, w) reach, about 0 if it has two signs."""
    if kind.span is not None:
        return Scale(*kind.span, kind.signed, kind.unit)
    rows = np.unique(np.linspace(0, len(maps) - 1, min(SAMPLE, len(maps))).round().astype(int))
    seen = np.stack([shown(np.asarray(maps[row], dtype=np.float32)) for row in rows])
    seen = seen[np.isfinite(seen)]
    if kind.signed:
        reach = float(np.quantile(np.abs(seen), 0.995)) if len(seen) else 0.0
        return Scale(-(reach or 1.0), reach or 1.0, True, kind.unit)
    low, high = (float(one) for one in np.quantile(seen, (0.005, 0.995))) if len(seen) else (0.0, 1.0)
    return Scale(min(low, 0.0), high if high > min(low, 0.0) else min(low, 0.0) + 1.0, False, kind.unit)


def shown(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map as it is drawn: one a pixel is smoothed over 1.5 % of its side, since single pixels cannot be read."""
    if values.size <= LARGE:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 0.015 * values.shape[0]), dtype=np.float32)


def overlay(crop: Picture, values: NDArray[np.floating[Any]], scale: Scale, side: int) -> Picture:
    """The crop in grey under the colours of its map, (side, side, 3) uint8; the more evidence, the more colour."""
    face = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None].repeat(3, axis=2)
    if not np.isfinite(values).all():
        return np.asarray(0.6 * grey + 60, dtype=np.uint8)
    # Drawn between cells before values are cut off at the ends of the scale, or its edges would show as squares.
    wide = cv2.resize(
        shown(np.asarray(values, dtype=np.float32)), (side, side), interpolation=cv2.INTER_LINEAR
    )
    place = scale.place(wide)
    colour = scale.colours(place)[..., :3] * 255
    strength = np.abs(2 * place - 1) if scale.signed else place
    alpha = 0.85 * (strength if scale.signed else np.sqrt(strength))[..., None]
    return np.asarray((1 - alpha) * grey + alpha * colour, dtype=np.uint8)


@lru_cache(maxsize=16)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that pictures look the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def wrapped(text: str, *, width: float, size: int, bold: bool = False) -> list[str]:
    """Text, escaped, as lines of at most `width` pixels in this font; words are broken where one alone is wider."""
    text = for_terminal(text)
    letters, lines = len(text), [text]
    while letters > 1 and max(font(size, bold=bold).getlength(line) for line in lines) > width:
        letters -= 1
        lines = textwrap.wrap(text, letters)
    return lines


def heading_picture(explanation: Explanation, opened: OpenExplainer, *, width: int) -> Image.Image:
    """What a picture is of, `width` pixels wide and as high as it needs to be."""
    title, facts = heading(explanation, opened)
    loud = [(text, 14, LOUD, True) for text in [warning(opened)] if text]
    return _lines(((title, 18, INK, True), *loud, (facts, 13, MUTED, False)), width=width)


def caption_picture(*drawn: Drawn, width: int) -> Image.Image:
    """The caption, `width` pixels wide and as high as it needs to be."""
    return _lines(((caption(*drawn), 13, MUTED, False),), width=width)


def _lines(paragraphs: Sequence[tuple[str, int, str, bool]], *, width: int) -> Image.Image:
    """Paragraphs of text, size, colour and whether it is bold, wrapped."""
    placed, height = [], 0
    for text, size, colour, bold in paragraphs:
        for line in wrapped(text, width=width, size=size, bold=bold):
            placed.append((height, line, colour, font(size, bold=bold)))
            height += round(1.45 * size)
    picture = Image.new("RGB", (width, height), PAPER)
    draw = draw_on(picture)
    for top, line, colour, face in placed:
        draw.text((0, top), line, fill=colour, font=face)
    return picture


def colour_bar(draw: ImageDraw.ImageDraw, scale: Scale, *, left: int, top: int, height: int) -> None:
    """A vertical bar with its ends and middle, its unit below, and which end speaks for what."""
    width, size = 16, 12
    for step in range(height):
        place = 1 - step / max(1, height - 1)
        colour = tuple(int(255 * part) for part in scale.colours(place)[:3])
        draw.line([(left, top + step), (left + width, top + step)], fill=colour)
    draw.rectangle([left, top, left + width, top + height - 1], outline=LINE)
    middle = (scale.low + scale.high) / 2
    for value, y in (
        (scale.high, top),
        (middle, top + height // 2 - 7),
        (scale.low, top + height - 15),
    ):
        draw.text((left + width + 6, y), f"{value:.2g}", fill=INK, font=font(size))
    draw.text((left, top + height + 4), scale.unit, fill=MUTED, font=font(size))
    draw.text((left, top - 18), "fake" if scale.signed else "more", fill=MUTED, font=font(size))
    if scale.signed:
        draw.text((left + 42, top + height + 4), "real", fill=MUTED, font=font(size))


def heading(explanation: Explanation, opened: OpenExplainer) -> tuple[str, str]:
    """What a picture is of: the video with its score, and who gave it."""
    probability = float(sigmoid(np.array([explanation.logit]))[0])
    clips, length = len(explanation.evidence.logits), opened.card.clips.frames
    windows = f"the {clips} clips that are scored" if explanation.scored else f"{clips} clips"
    kind = "frames" if explanation.scored else "successive frames"
    score = f"{explanation.path.name}:  P(fake) = {probability:.3f}"
    facts = [
        opened.spec.name,
        f"recipe {opened.card.recipe}" if opened.card.recipe else "",
        f"weights {opened.weights_sha256[:8]}" if opened.weights_sha256 else "no weights",
        f"logit {explanation.logit:+.2f} over {windows}, of {length} {kind}",
        f"the face is in {explanation.held} of {explanation.looked_at} frames",
    ]
    return score, ", ".join(fact for fact in facts if fact)


def warning(opened: OpenExplainer) -> str:
    """What forbids to trust the score, as a sentence; "" if nothing does."""
    return f"{opened.notice[0].upper()}{opened.notice[1:]}." if opened.notice else ""


def caption(*drawn: Drawn) -> str:
    """Which maps they are, their resolution, and what they are not."""
    said = []
    for one in drawn:
        _, rows, columns = one.values.shape
        smooth = ", smoothed for display" if rows * columns > LARGE else ""
        said.append(f"Map '{one.kind.name}' ({rows} x {columns} cells{smooth}): {one.kind.summary}.")
    return " ".join([*said, DISCLAIMER])


def contact_sheet(
    explanation: Explanation, opened: OpenExplainer, drawn: Drawn, *, columns: int = 5
) -> Image.Image:
    """Ten frames spread over the video, each above itself under the map."""
    count = len(explanation.frame_indices)
    rows = np.unique(np.linspace(0, count - 1, min(2 * columns, count)).round().astype(int))
    side, label = 190, 20
    bands = -(-len(rows) // columns)
    across = min(columns, len(rows))
    width = max(720, EDGE + across * (side + EDGE) + BAR)
    top = heading_picture(explanation, opened, width=width - 2 * EDGE)
    below = caption_picture(drawn, width=width - 2 * EDGE)
    head, band = 10 + top.height + 10, 2 * side + label + 10
    sheet = Image.new("RGB", (width, head + bands * band + below.height + 5), PAPER)
    sheet.paste(top, (EDGE, 10))
    sheet.paste(below, (EDGE, head + bands * band))
    draw = draw_on(sheet)
    for number, row in enumerate(rows):
        x = EDGE + (number % columns) * (side + EDGE)
        y = head + (number // columns) * band
        draw.text((x, y), frame_label(explanation, int(row)), fill=INK, font=font(12))
        face = cv2.resize(explanation.crops[row], (side, side), interpolation=cv2.INTER_AREA)
        sheet.paste(Image.fromarray(face), (x, y + label))
        over = overlay(explanation.crops[row], drawn.values[row], drawn.scale, side)
        sheet.paste(Image.fromarray(over), (x, y + label + side + 2))
    bar_left = EDGE + across * (side + EDGE) + 4
    colour_bar(draw, drawn.scale, left=bar_left, top=head + label + side + 2, height=side)
    return sheet


def frame_label(explanation: Explanation, row: int) -> str:
    """The frame's number, its time, and its own probability where the detector gives one."""
    frame = int(explanation.frame_indices[row])
    when = f", {frame / explanation.info.fps:.2f} s" if explanation.info.fps else ""
    own = explanation.evidence.frame_logits[row]
    soft = f", P {float(sigmoid(np.array([own]))[0]):.2f}" if np.isfinite(own) else ""
    return f"#{frame}{when}{soft}"
