"""Throughput of the three hot stages on one core: preparation, scoring, training samples. No timed assertions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from dfbench import FrameChoice, Label, PrepareSpec, Video
from dfbench.data.prepare import prepare_video
from dfbench.data.store import read_faces
from dfbench_fakestormer import DEMO_CLIPS
from dfbench_fakestormer.detector import untrained
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.sample import SampleSettings, make_sample
from dfbench_plugins.face_finders.mtcnn import Mtcnn

SHAPE = (DEMO_CLIPS.frames, DEMO_CLIPS.size, DEMO_CLIPS.size, 3)


def _video(path: Path) -> Video:
    return Video("bench", "face", path, Label.REAL, "test", "real", "c23", (), "face")


def test_preparation_frames_per_second(benchmark: BenchmarkFixture, face_video: Path, tmp_path: Path) -> None:
    spec, finder, out = PrepareSpec(FrameChoice("uniform", 16)), Mtcnn("cpu"), tmp_path / "one.faces"
    benchmark.pedantic(
        prepare_video, args=(_video(face_video), spec, finder, out), rounds=3, iterations=1, warmup_rounds=1
    )
    benchmark.extra_info["frames_per_second"] = 16 / benchmark.stats.stats.median if benchmark.stats else None
    assert len(read_faces(out).crops) == 16


def test_scoring_clips_per_second(benchmark: BenchmarkFixture) -> None:
    detector = untrained(weights=None, device="cpu", seed=0)
    clips = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, *SHAPE), dtype=np.uint8))
    with torch.inference_mode():
        logits = benchmark.pedantic(detector.score, args=(clips,), rounds=5, iterations=1, warmup_rounds=1)
    benchmark.extra_info["clips_per_second"] = 8 / benchmark.stats.stats.median if benchmark.stats else None
    assert logits.shape == (8,)


def test_training_samples_per_second(benchmark: BenchmarkFixture, face_video: Path, tmp_path: Path) -> None:
    spec = PrepareSpec(FrameChoice("first", 4), landmarks=True, max_size=180)
    prepare_video(_video(face_video), spec, Mtcnn("cpu"), tmp_path / "one.faces")
    stored = read_faces(tmp_path / "one.faces")
    frames = np.stack(stored.crops)
    scale = frames.shape[1] / (stored.crop_boxes[:, 2] - stored.crop_boxes[:, 0])
    landmarks = (stored.track.landmarks - stored.crop_boxes[:, None, :2]) * scale[:, None, None]
    synthesizer, settings = build({}), SampleSettings(size=112, grid=7)
    rng = np.random.default_rng(0)
    sample = benchmark.pedantic(
        lambda: make_sample(frames, landmarks, synthesizer=synthesizer, rng=rng, settings=settings),
        rounds=20,
        iterations=1,
        warmup_rounds=2,
    )
    benchmark.extra_info["samples_per_second"] = 1 / benchmark.stats.stats.median if benchmark.stats else None
    assert sample.fake.shape == (4, 112, 112, 3)
