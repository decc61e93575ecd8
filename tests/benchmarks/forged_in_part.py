"""How well evidence over time tells which frames are forged, on the DFDC fakes of the demo that are forged in part.

python -m tests.benchmarks.forged_in_part WEIGHTS     # prints a row for each kind of evidence
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import mean_interval
from dfbench.progress import SilentProgress
from dfbench.runs.evidence.excerpts import Excerpt
from dfbench.runs.evidence.explaining import explain_excerpt, open_explainer
from dfbench.runs.evidence.scored_faces import faces_in
from dfbench.runs.planning.finders import face_finder
from dfbench.runs.planning.indexing import dataset_index
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import data_source
from dfbench.runs.scoring.prediction import given_files, prepared_files, session_of_files
from dfbench.specs import LoadOptions
from dfbench_plugins.demo.truth import forged_frames


def main(weights: Path) -> None:
    setup, progress = Setup(), SilentProgress()
    registry, settings = setup.registry, setup.settings
    source = data_source("demo", registry, settings, size="full", progress=progress)
    spec = registry.dataset("dfdc")
    root = source.root_for(spec)
    groups = {one.path: one.group for one in dataset_index(spec, root, None, roots={}).videos}
    finder, _ = face_finder(registry, device="cpu", name=settings.face_finder)
    detector = registry.detector("fakestormer")
    found: dict[str, list[float]] = {}
    clusters = []
    for name, (first, after, frames) in sorted(forged_frames("dfdc").items()):
        if (first, after) == (0, frames):
            continue
        with (
            tempfile.TemporaryDirectory() as scratch,
            open_explainer(detector, registry, LoadOptions(weights)) as opened,
        ):
            clips = opened.card.clips
            (one,) = prepared_files(given_files([root / name]), clips, session_of_files(setup, progress))
            scored = faces_in(one, clips)
            told = explain_excerpt(
                opened,
                root / name,
                scored,
                finder=finder,
                excerpt=Excerpt(),
                scratch=Path(scratch),
                progress=progress,
            )
            evidence = told.evidence
            truth = ((told.frame_indices >= first) & (told.frame_indices < after)).astype(np.int8)
            peaks = np.array([float(np.max(one)) for one in evidence.maps["heatmap"]])
            temporal = evidence.maps["temporal"].sum(axis=(1, 2), dtype=np.float64)
        kinds = {
            "frame": evidence.frame_logits,
            "clips": evidence.window_logits,
            "peak": peaks,
            "temporal": temporal,
        }
        known = np.isfinite(evidence.frame_logits)
        for kind, values in kinds.items():
            found.setdefault(kind, []).append(auc(values[known], truth[known]))
        clusters.append(groups[root / name])
    numbers = np.unique(np.array(clusters), return_inverse=True)[1]
    for kind, scores in found.items():
        rng = np.random.default_rng(0)
        interval = mean_interval(np.array(scores), numbers, rng=rng, draws=2000)
        print(f"{kind}\t{interval.point:.3f} [{interval.low:.2f}, {interval.high:.2f}]\t{len(scores)} videos")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
