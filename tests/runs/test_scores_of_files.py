"""A detector that scores video files: one row a video, and a file that has no score is no fault of the detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import Mock

import torch
from torch import Tensor

from dfbench.data.preparing.outcomes import Prepared
from dfbench.errors import UndecodableVideoError
from dfbench.exchanged import TrainingNeeds
from dfbench.progress import SilentProgress
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.training.conformance import made_faces
from dfbench.types import ClipSpec, PrepareSpec, Status

CLIPS = ClipSpec(frames=2, size=32, per_video=2)


class ByName:
    """Scores a file by the last number in its name; raises for one that it cannot open, and fails for another."""

    def score_files(self, paths: Sequence[Path]) -> Tensor:
        if paths[0].stem == "train-0-1":
            raise UndecodableVideoError(f"{paths[0].name}: not a readable video")
        if paths[0].stem == "train-1-0":
            return torch.zeros(2)
        return torch.tensor([float(path.stem.rpartition("-")[2]) for path in paths], dtype=torch.float64)


def test_each_file_has_a_score_of_its_own_or_the_reason_why_not(tmp_path: Path) -> None:
    prepare = PrepareSpec(CLIPS.frame_choice())
    files, _ = made_faces(tmp_path, TrainingNeeds(prepare, prepare, frozenset({0, 1})))
    rows = Mock()
    score_videos(
        ByName(),
        [Prepared(file.video, Status.OK, "", file.path) for file in files],
        clips=CLIPS,
        writer=rows,
        progress=SilentProgress(),
        description="score",
    )
    scored = {call.args[0].video_id: call.kwargs for call in rows.add_video.call_args_list}
    assert {name: told["logits"].tolist() for name, told in scored.items()} == {
        "train-0-0": [0.0],
        "train-1-1": [1.0],
    }
    assert {told["frames"].shape for told in scored.values()} == {(1, 2)}
    failed = {call.args[0].video_id: call.kwargs for call in rows.add_status.call_args_list}
    assert {name: (told["status"], told["reason"]) for name, told in failed.items()} == {
        "train-0-1": (Status.UNDECODABLE, "train-0-1.mp4: not a readable video"),
        "train-1-0": (Status.ERROR, "the detector returned shape (2,) for a file"),
    }
