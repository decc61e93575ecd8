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

from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import paired_bootstrap_draws, percentile_interval
from dfbench.progress import SilentProgress
from dfbench.runs.planning.stage import RunRequest
from dfbench.runs.scoring.evaluation import score_detector
from dfbench.runs.scoring.score_table import read_scores, video_scores
from dfbench.types import Status


def main(weights: Path) -> None:
    full, quantised = (scored(weights, precision) for precision in ("32", "int8"))
    both = full.merge(quantised, on=["dataset", "video_id"], suffixes=("", "_int8"), validate="1:1")
    print("videos\tlargest, mean change of P(fake)\tof the logit (std of it)\tAUC\tin int8\tchange of AUC")
    for dataset, part in both.groupby("dataset", sort=False):
        print(f"{dataset}\t{row(part)}")


def scored(weights: Path, precision: str) -> pd.DataFrame:
    """The scored videos of the cross-dataset protocol."""
    request = RunRequest("fakestormer", data="demo", weights=weights, precision=precision)
    done = score_detector(request, progress=SilentProgress())
    videos = video_scores(read_scores(done.folder), done.record["pooling"])
    return videos[videos["status"] == Status.OK]


def row(videos: pd.DataFrame) -> str:
    labels, groups = videos["label"].to_numpy(), pd.factorize(videos["group"])[0].astype(np.int64)
    scores = [videos[name].to_numpy() for name in ("logit", "logit_int8")]
    moved = (videos["score_int8"] - videos["score"]).abs()
    before, after = (auc(one, labels) for one in scores)
    drawn = paired_bootstrap_draws(scores, labels, groups, metric=auc, rng=np.random.default_rng(0))
    change = percentile_interval(after - before, drawn[1] - drawn[0])
    return (
        f"{len(videos)}\t{moved.max():.4f}, {moved.mean():.4f}"
        f"\t{np.abs(scores[1] - scores[0]).max():.4f} ({scores[0].std():.2f})"
        f"\t{before:.4f}\t{after:.4f}\t{change.point:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
