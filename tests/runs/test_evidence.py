"""Windows cover every frame that they can; evidence of overlapping windows is averaged; summaries are paired."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dfbench import Evidence, EvidenceMap, Label, Pooling, ScoreError, TooShortError, Video
from dfbench.progress import SilentProgress
from dfbench.results.evidence.localisation import render_when, render_where, summarise, write_localisation
from dfbench.results.evidence.pictures import Scale, overlay, scale_of
from dfbench.runs.evidence.localisation import CENTRE, Localisation, _partner, on_grid
from dfbench.runs.evidence.windows import gather, pooled_logit, standard_maps, windows_of
from dfbench.runs.records.score_table import sigmoid


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 6), st.integers(1, 6))
def test_windows_cover_every_stretch_that_is_long_enough(frames: set[int], length: int, hop: int) -> None:
    hop = min(hop, length)
    indices = np.array(sorted(frames))
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    covered = {
        int(row) for one in np.split(np.arange(len(indices)), breaks) if len(one) >= length for row in one
    }
    if not covered:
        with pytest.raises(TooShortError):
            windows_of(indices, length, hop)
        return
    windows = windows_of(indices, length, hop)
    assert {int(row) for row in windows.ravel()} == covered
    assert (np.diff(indices[windows], axis=1) == 1).all()
    assert len(np.unique(windows[:, 0])) == len(windows)


def test_clips_pool_as_in_the_score_table() -> None:
    logits = np.array([-1.0, 0.5, 3.0])
    assert pooled_logit(logits, Pooling.MEAN_LOGIT) == pytest.approx(2.5 / 3)
    assert pooled_logit(logits, Pooling.MAX) == 3.0
    pooled = pooled_logit(logits, Pooling.MEAN_PROB)
    assert sigmoid(np.array([pooled]))[0] == pytest.approx(sigmoid(logits).mean())


class Brightness:
    """The map is the red channel on 2 x 2 cells plus the place of the frame in its clip."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def maps(self) -> Sequence[EvidenceMap]:
        return (EvidenceMap("red", "redness", standard=False),)

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        red = clips[..., 0].float()
        made = torch.nn.functional.adaptive_avg_pool2d(red, 2)
        made = made + torch.arange(clips.shape[1]).view(1, -1, 1, 1)
        logits = red.mean(dim=(1, 2, 3))
        frames = None if self.fault == "frames" else red.mean(dim=(2, 3))
        if self.fault == "logits":
            logits = logits[:, None]
        if self.fault == "shape":
            made = made[:, 0]
        return Evidence(logits, frames, {name: made for name in names if self.fault != "absent"})


def crops_of(levels: Sequence[int]) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def gathered(fault: str = "", folder: Path | None = None, indices: Sequence[int] = (0, 1, 2, 9)) -> object:
    windows = windows_of(np.array(indices), 2, 1)
    with SilentProgress().task("") as task:
        return gather(
            Brightness(fault), crops_of([10, 20, 30, 40]), windows, ["red"], folder=folder, task=task
        )


@pytest.mark.parametrize("on_disk", [False, True])
def test_evidence_is_averaged_over_windows_and_absent_where_there_is_none(
    tmp_path: Path, on_disk: bool
) -> None:
    found = gathered(folder=tmp_path if on_disk else None)
    np.testing.assert_array_equal(found.logits, [15, 25])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.frame_logits, [10, 20, 30, np.nan])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.window_logits, [15, 20, 25, np.nan])  # type: ignore[attr-defined]
    # The middle frame is second in one clip and first in the other.
    np.testing.assert_array_equal(found.maps["red"][:, 0, 0], [10, 20.5, 31, np.nan])  # type: ignore[attr-defined]


def test_a_detector_without_frame_logits_is_fine() -> None:
    assert np.isnan(gathered("frames").frame_logits).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", ["logits", "shape", "absent"])
def test_evidence_of_another_form_is_refused(fault: str) -> None:
    with pytest.raises(ScoreError, match="the explainer returned"):
        gathered(fault)


def test_at_least_one_map_is_standard() -> None:
    assert standard_maps(Brightness().maps()) == ["red"]


def test_colours_keep_their_meaning_and_no_evidence_has_none() -> None:
    fixed = scale_of(EvidenceMap("m", "", span=(0.0, 3.0)), np.full((2, 3, 3), 9.0))
    assert (fixed.low, fixed.high) == (0.0, 3.0)
    maps = np.linspace(-1, 2, 18).reshape(2, 3, 3)
    signed = scale_of(EvidenceMap("m", "", signed=True), maps)
    assert signed.low == -signed.high
    assert signed.high == pytest.approx(2.0, abs=0.1)
    flat = scale_of(EvidenceMap("m", ""), np.zeros((2, 3, 3)))
    assert flat.high > flat.low
    crop = np.full((8, 8, 3), 100, np.uint8)
    none = overlay(crop, np.zeros((2, 2)), Scale(0, 1, False, ""), 16)
    np.testing.assert_array_equal(none, 100)
    hot = np.array([[0.0, 0.0], [0.0, 1.0]])
    coloured = overlay(crop, hot, Scale(0, 1, False, ""), 16)
    assert coloured[15, 15, 0] > coloured[15, 15, 2] + 40
    np.testing.assert_array_equal(coloured[0, 0], 100)


def test_maps_meet_masks_cell_on_cell() -> None:
    coarse = np.zeros((9, 9), np.float32)
    coarse[2, 6] = 1
    fine = on_grid(coarse)
    row, column = np.unravel_index(int(fine.argmax()), fine.shape)
    assert [int(row * 9 / 48), int(column * 9 / 48)] == [2, 6]
    assert on_grid(np.ones((144, 144), np.float16)).mean() == 1


def video(video_id: str, label: Label, group: str) -> Video:
    return Video("d", video_id, Path(video_id), label, "test", "x", "", (group,), group)


def test_a_fake_is_spliced_with_the_real_of_its_scene() -> None:
    reals = [video(name, Label.REAL, "01") for name in ("actors/01__kitchen", "actors/01__podium")]
    fake = video("fakes/01_02__podium__ABC", Label.FAKE, "01")
    partner = _partner(fake, [*reals, video("actors/01_02__podium", Label.REAL, "09")])
    assert partner is reals[1]
    assert _partner(video("f", Label.FAKE, "77"), reals) is None


def measured() -> Localisation:
    result = Localisation(skipped=["d/x: no face"])
    for number in range(12):
        key = {
            "dataset": "d",
            "video_id": str(number),
            "manipulation": "ab"[number % 2],
            "group": str(number),
        }
        for target in ("mask", "border"):
            for name, value in (("heat", 0.8), (CENTRE, 0.6)):
                noise = 0.01 * (number % 3)
                row: dict[str, object] = {
                    **key,
                    "map": name,
                    "target": target,
                    "auc": value + noise,
                    "pointing": 1.0,
                    "frames": 4,
                }
                result.where.append(row)
        result.when.append({**key, "evidence": "frame logits", "auc": 0.7, "frames": 16})
    return result


def test_tables_are_paired_with_the_centre_prior_and_written(tmp_path: Path) -> None:
    where, when = summarise(measured())
    row = where[
        (where["map"] == "heat") & (where["target"] == "mask") & (where["manipulation"] == "all")
    ].iloc[0]
    assert row["videos"] == 12
    assert row["auc"] == pytest.approx(0.81)
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    # Both share their noise, so that their difference has none.
    assert (row["auc_gain_low"], row["auc_gain_high"]) == pytest.approx((0.2, 0.2))
    assert set(where["manipulation"]) == {"all", "a", "b"}
    assert when["auc"].tolist() == pytest.approx([0.7] * 3)
    assert render_where(where, "mask").row_count == 6
    assert render_when(when).row_count == 3
    write_localisation(measured(), where, when, tmp_path)
    assert len(pd.read_csv(tmp_path / "where_videos.csv")) == 48
    assert (tmp_path / "skipped.txt").read_text(encoding="utf-8") == "d/x: no face\n"
