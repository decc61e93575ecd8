"""The ranges of forged frames are those that the corpora were written with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfbench.data.decoding.video import read_range
from dfbench_plugins.demo.corpora import render_job
from dfbench_plugins.demo.plan import plan
from dfbench_plugins.demo.truth import forged_frames


def test_some_dfdc_fakes_are_forged_in_part_and_all_others_throughout() -> None:
    partial = {path: one for path, one in forged_frames("dfdc").items() if one[:2] != (0, one[2])}
    assert 0.2 < len(partial) / 44 < 0.5
    for first, after, frames in partial.values():
        assert 0 <= first < after <= frames
    for corpus in ("ffpp", "celeb_df_v2", "dfd"):
        assert all(first == 0 and after == count for first, after, count in forged_frames(corpus).values())


@pytest.mark.slow
def test_a_written_fake_differs_from_its_shot_in_these_frames_alone(tmp_path: Path) -> None:
    truth = forged_frames("dfdc")
    job, cuts = next(
        (job, shot.cuts)
        for job in plan("full", seed=0)
        if job.corpus == "dfdc"
        for shot in job.shots
        if truth[str(shot.cuts[1].path)][0] > 2
    )
    render_job(job, tmp_path)
    real, fake = (
        {cut.start + at: frame.astype(np.float32) for at, frame in read_range(tmp_path / cut.path, 0, 99)}
        for cut in cuts
    )
    first, after, _ = truth[str(cuts[1].path)]
    changed: list[float] = []
    same: list[float] = []
    for at in sorted(set(real) & set(fake)):
        change = float(np.quantile(np.abs(real[at] - fake[at]), 0.999))
        (changed if first <= at - cuts[1].start < after else same).append(change)
    assert min(len(changed), len(same)) > 2
    assert min(changed) > max(same)
