"""A figure of the evidence over time: each frame's soft label and its clips' score, and how strong the map is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dfbench.results.evidence_pictures import DISCLAIMER, heading
from dfbench.results.writing import write_whole
from dfbench.runs.explaining import Explanation, OpenExplainer
from dfbench.runs.scores import sigmoid
from dfbench.types import EvidenceMap

_INK, _MUTED, _FAKE, _CLIPS = "#1b1f24", "#66707b", "#b3361f", "#1f6feb"


def timeline_figure(path: Path, explanation: Explanation, opened: OpenExplainer, kind: EvidenceMap) -> None:
    """Draw it to `path`, whose suffix says the format. Raises StoreError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    evidence, rate = explanation.evidence, explanation.info.rate
    # NaN where frames are missing, so that no line joins what is on both sides of a gap.
    first, last = int(explanation.frame_indices[0]), int(explanation.frame_indices[-1])
    at = explanation.frame_indices - first
    times = np.arange(first, last + 1) / rate

    def over_time(values: np.ndarray) -> np.ndarray:
        spread = np.full(last - first + 1, np.nan)
        spread[at] = values
        return spread

    figure = Figure(figsize=(9, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    labels, strength = figure.subplots(2, 1, sharex=True)
    marker = "." if len(at) <= 150 else None
    for values, colour, label in (
        (evidence.frame_logits, _FAKE, "soft label of each frame"),
        (evidence.window_logits, _CLIPS, "clips that the frame is in"),
    ):
        if np.isfinite(values).any():
            labels.plot(times, over_time(sigmoid(values)), color=colour, marker=marker, label=label)
    labels.axhline(0.5, color=_MUTED, linewidth=0.8, linestyle="--")
    labels.set_ylim(-0.03, 1.03)
    labels.set_ylabel("P(fake)")
    labels.legend(frameon=False, fontsize=9, loc="best")
    maps = evidence.maps[kind.name]
    peaks = np.array([float(np.max(one)) for one in maps])
    means = np.array([float(np.mean(one, dtype=np.float64)) for one in maps])
    strength.plot(times, over_time(peaks), color=_FAKE, marker=marker, label="highest cell")
    strength.plot(times, over_time(means), color=_INK, marker=marker, label="mean over cells")
    strength.set_ylabel(f"{kind.name}" + (f" ({kind.unit})" if kind.unit else ""))
    strength.set_xlabel("seconds")
    strength.legend(frameon=False, fontsize=9, loc="best")
    for panel in (labels, strength):
        panel.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    title, facts = heading(explanation, opened)
    figure.suptitle(f"{title}\n", fontsize=12, fontweight="bold", color=_INK, x=0.01, ha="left")
    figure.text(0.0105, 0.925, facts, fontsize=9, color=_MUTED)
    figure.supxlabel(DISCLAIMER, fontsize=8.5, color=_MUTED)
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=120, facecolor="white"))
