"""What int8 does to the scores of trained weights: every video of the demo's test sets, scored in both precisions.

python -m tests.benchmarks.int8_scores WEIGHTS     # prints a row for each data set

Weights need several blocks, because the last is never quantised, which is all that the demo recipe has:
`dfbench train -d fakestormer --data demo --set depth=3`. Both runs are stored as any other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dfbench.progress import SilentProgress
from dfbench.results.paired import Aligned, aligned, difference, scored_videos
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.score_table import sigmoid
from dfbench.runs.scoring.evaluation import score_detector


def main(weights: Path) -> None:
    runs = [scored(weights, precision) for precision in ("int8", "32")]
    print("videos\tlargest, mean change of P(fake)\tof the logit (std of it)\tAUC\tin int8\tchange of AUC")
    for key in dict.fromkeys(runs[0]["test"]):
        print(f"{key}\t{row(aligned(runs, key))}")


def scored(weights: Path, precision: str) -> pd.DataFrame:
    """Score the cross-dataset protocol; returns a row for each video."""
    request = ScoringRequest("fakestormer", data="demo", weights=weights, precision=precision)
    return scored_videos(score_detector(request, Setup(), progress=SilentProgress()).run)


def row(scores: Aligned) -> str:
    """The row of a test, of which the first run is in int8 and the second in full precision."""
    quantised, full = scores.logits
    moved = np.abs(sigmoid(quantised) - sigmoid(full))
    after, before = scores.aucs()
    change = difference(scores)
    return (
        f"{len(scores.videos)}\t{moved.max():.4f}, {moved.mean():.4f}"
        f"\t{np.abs(quantised - full).max():.4f} ({full.std():.2f})"
        f"\t{before:.4f}\t{after:.4f}\t{change.point:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
