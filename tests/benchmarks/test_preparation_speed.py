"""Frames a second of preparation: decode, find the face, crop, store. No timed assertions."""

from __future__ import annotations

from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from dfbench import FrameChoice, Label, PrepareSpec, Video
from dfbench.data.store import read_faces
from dfbench.data.video_faces import prepare_video
from dfbench_plugins.face_finders.mtcnn import Mtcnn


def test_preparation_frames_per_second(benchmark: BenchmarkFixture, face_video: Path, tmp_path: Path) -> None:
    video = Video("bench", "face", face_video, Label.REAL, "test", "real", "c23", (), "face")
    spec, finder, out = PrepareSpec(FrameChoice("uniform", 16)), Mtcnn("cpu"), tmp_path / "one.faces"
    benchmark.pedantic(
        prepare_video, args=(video, spec, finder, out), rounds=3, iterations=1, warmup_rounds=1
    )
    benchmark.extra_info["frames_per_second"] = 16 / benchmark.stats.stats.median if benchmark.stats else None
    assert len(read_faces(out).crops) == 16
