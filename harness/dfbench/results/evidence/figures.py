"""A figure of the evidence over time: each frame's soft label and its clips' score, and how strong the map is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfbench.results.evidence.pictures import DISCLAIMER, LOUD, heading, warning, wrapped
from dfbench.results.plotting import new_figure, save_figure
from dfbench.runs.evidence.explaining import Explanation, OpenExplainer
from dfbench.runs.records.score_table import sigmoid
from dfbench.specs import EvidenceMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, PANELS, DPI = 9.0, 4.4, 120  # width and height of the panels in inches, dots an inch
TITLE, FACTS, LEADING = 12, 9, 1.4  # points, points, from line to line in sizes of the font
POINT = 1 / 72  # inches
_INK, _MUTED, _FAKE, _CLIPS = "#1b1f24", "#66707b", "#b3361f", "#1f6feb"


def write_timeline(path: Path, explanation: Explanation, opened: OpenExplainer, kind: EvidenceMap) -> None:
    """Draw the figure to `path`, whose suffix says the format. Raises StoreError."""
    figure = timeline_figure(explanation, opened, kind)
    save_figure(figure, path, dpi=DPI)


def timeline_figure(explanation: Explanation, opened: OpenExplainer, kind: EvidenceMap) -> Figure:
    """Two panels over seconds, legends above them."""
    evidence, rate = explanation.evidence, explanation.info.rate
    # NaN where frames are missing, so that no line joins what is on both sides of a gap.
    first, last = int(explanation.frame_indices[0]), int(explanation.frame_indices[-1])
    at = explanation.frame_indices - first
    times = np.arange(first, last + 1) / rate

    def over_time(values: np.ndarray) -> np.ndarray:
        spread = np.full(last - first + 1, np.nan)
        spread[at] = values
        return spread

    figure = _headed_figure(*heading(explanation, opened), loud=warning(opened))
    labels, strength = figure.subplots(2, 1, sharex=True)
    marker = "." if len(at) <= 150 or explanation.scored else None
    for values, colour, label in (
        (evidence.frame_logits, _FAKE, "soft label of each frame"),
        (evidence.window_logits, _CLIPS, "clips that the frame is in"),
    ):
        if np.isfinite(values).any():
            labels.plot(times, over_time(sigmoid(values)), color=colour, marker=marker, label=label)
    labels.axhline(0.5, color=_MUTED, linewidth=0.8, linestyle="--")
    labels.set_ylim(-0.03, 1.03)
    labels.set_ylabel("P(fake)")
    maps = evidence.maps[kind.name]
    peaks = np.array([float(np.max(one)) for one in maps])
    means = np.array([float(np.mean(one, dtype=np.float64)) for one in maps])
    strength.plot(times, over_time(peaks), color=_FAKE, marker=marker, label="highest cell")
    strength.plot(times, over_time(means), color=_INK, marker=marker, label="mean over cells")
    strength.set_ylabel(f"{kind.name}" + (f" ({kind.unit})" if kind.unit else ""), parse_math=False)
    strength.set_xlabel("seconds")
    for panel in (labels, strength):
        # Above the panel: the data may be anywhere in it.
        panel.legend(
            frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0
        )
        panel.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.supxlabel(DISCLAIMER, fontsize=8.5, color=_MUTED)
    return figure


def _headed_figure(title: str, facts: str, *, loud: str) -> Figure:
    """A figure with these texts at its top, wrapped, and as much room below them whatever their length."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    texts = []
    top = 6 * POINT
    written_above = [(title, TITLE, _INK, True), (loud, FACTS, LOUD, True), (facts, FACTS, _MUTED, False)]
    for text, size, colour, bold in [one for one in written_above if one[0]]:
        lines = wrapped(text, width=0.94 * WIDTH * DPI, size=round(size * POINT * DPI), bold=bold)
        texts.append((top, "\n".join(lines), size, colour, bold))
        top += LEADING * size * POINT * len(lines)
    height = PANELS + top
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - top / height))
    figure = new_figure(WIDTH, height, layout=layout)
    for above, written, size, colour, bold in texts:
        figure.text(
            0.01,
            1 - above / height,
            written,
            fontsize=size,
            color=colour,
            fontweight="bold" if bold else "normal",
            verticalalignment="top",
            parse_math=False,  # a $ in the name of a file is no formula
            linespacing=LEADING / 1.2,  # matplotlib's own unit is the font's height, about 1.2 sizes
        )
    return figure
