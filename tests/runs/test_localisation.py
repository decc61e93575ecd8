"""What the measurement of maps shows a detector."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from dfbench.data.clips import cut_crops
from dfbench.data.store.face_files import StoredFaces
from dfbench.runs.evidence.explaining import OpenExplainer
from dfbench.runs.evidence.localisation import _crops
from dfbench.specs import DetectorCard
from dfbench.types import ClipSpec, FaceTrack, Label, Video

MARGIN, TIGHT = 0.4, 0.1


def test_faces_are_cut_with_the_margin_of_their_dataset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    track = FaceTrack(
        frame_indices=np.arange(2),
        boxes=np.tile(np.array([20, 20, 60, 60], np.float32), (2, 1)),
        scores=np.ones(2, np.float32),
        landmarks=np.zeros((2, 0, 2), np.float32),
        landmark_kind="none",
        frame_size=(80, 80),
        quality=np.ones(2, np.float32),
    )
    crops = [rng.integers(0, 256, (80, 80, 3), dtype=np.uint8) for _ in range(2)]
    stored = StoredFaces(crops, np.tile(np.array([0, 0, 80, 80], np.float32), (2, 1)), track)
    card = DetectorCard(clips=ClipSpec(2, 32, margin=MARGIN), margins={"dfd": TIGHT})
    opened = cast("OpenExplainer", SimpleNamespace(card=card))
    for dataset, margin in (("ffpp", MARGIN), ("dfd", TIGHT)):
        video = Video(dataset, "one", tmp_path / "one.mp4", Label.FAKE, "test", "", "", (), "one")
        expected = cut_crops(stored, range(2), size=32, margin=margin)
        np.testing.assert_array_equal(_crops(stored, video, opened), expected)
