"""A contact sheet: faces of random videos with their labels, to see at a glance what a dataset is and if labels fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dfbench.data.images.sequences import source_size
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import read_faces
from dfbench.escaping import for_terminal
from dfbench.types import Label, Status, Video

if TYPE_CHECKING:
    from PIL.Image import Image

TILE = 160  # pixels of a face
_CAPTION = 34
_GAP = 6
_COLOURS = {Label.REAL: (24, 128, 56), Label.FAKE: (178, 34, 34)}


def at_hand(videos: Sequence[Video]) -> list[Video]:
    """Those of `videos` whose file is there; all of them if none is."""
    return [video for video in videos if source_size(video.path) > 0] or list(videos)


def choose(videos: Sequence[Video], count: int, rng: np.random.Generator) -> list[Video]:
    """`count` random videos (all if there are fewer), as near to half real and half fake as can be, reals first."""
    by_label = {label: [video for video in videos if video.label is label] for label in Label}
    fakes = min(len(by_label[Label.FAKE]), max(count // 2, count - len(by_label[Label.REAL])))
    wanted = {Label.REAL: min(len(by_label[Label.REAL]), count - fakes), Label.FAKE: fakes}
    return [
        by_label[label][row]
        for label, number in wanted.items()
        for row in rng.permutation(len(by_label[label]))[:number]
    ]


def contact_sheet(results: Sequence[PreparedResult], *, columns: int) -> Image:
    """The middle stored face of each result in a grid, framed green (real) or red (fake), or the status without one.

    Below a face stand its label and split, and its video_id. Raises StoreError if a face file is damaged.
    """
    from PIL import Image, ImageFont

    from dfbench.drawing import draw_on

    rows = -(-len(results) // columns)
    wide, high = TILE + 2 * _GAP, TILE + _CAPTION + 2 * _GAP
    sheet = Image.new("RGB", (columns * wide, max(1, rows) * high), "white")
    draw = draw_on(sheet)
    font = ImageFont.load_default(11)
    for number, result in enumerate(results):
        x, y = number % columns * wide + _GAP, number // columns * high + _GAP
        colour = _COLOURS[result.video.label]
        if result.status is Status.OK:
            sheet.paste(_face(result), (x, y))
        else:
            draw.rectangle((x, y, x + TILE, y + TILE), fill=(225, 225, 225))
            draw.text((x + 8, y + TILE // 2), str(result.status), fill="black", font=font)
        draw.rectangle((x, y, x + TILE, y + TILE), outline=colour, width=3)
        video = result.video
        label = f"{video.label.name.lower()} {video.split}"
        method = "" if video.label is Label.REAL else f" {video.manipulation}"
        for line, text in enumerate((label + method, video.video_id)):
            draw.text((x, y + TILE + 4 + 14 * line), _fitted(text, font.getlength), fill=colour, font=font)
    return sheet


def _face(result: PreparedResult) -> Image:
    from PIL import Image

    faces = read_faces(result.path, wanted=result.wanted)
    crop = faces.crops[len(faces.crops) // 2]
    return Image.fromarray(crop).resize((TILE, TILE), Image.Resampling.LANCZOS)


def _fitted(text: str, measure: Callable[[str], float]) -> str:
    """`text`, escaped, cut in its middle until it is no wider than a tile."""
    shown = text = for_terminal(text)
    kept = len(text)
    while measure(shown) > TILE and kept > 4:
        kept -= 1
        shown = f"{text[: kept // 2]}\u2026{text[len(text) - (kept - kept // 2) :]}"
    return shown
