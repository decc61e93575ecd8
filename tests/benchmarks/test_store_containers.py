"""What a container of face crops costs: bytes, frames a second, and whether damage is noticed. No timed assertions."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.containers import CONTAINERS, Container

FRAMES, SMOKE_FRAMES = 32, 4
DAMAGES, SMOKE_DAMAGES = 40, 4


@pytest.fixture(scope="module")
def crops(face_frames: list[NDArray[np.uint8]], smoke: bool) -> list[NDArray[np.uint8]]:
    """32 crops (317, 317, 3) of one moving face, with the noise of a camera and what H.264 leaves of it; 4 for a smoke test."""
    rng = np.random.default_rng(0)
    made = []
    for t in range(SMOKE_FRAMES if smoke else FRAMES):
        moved = np.roll(face_frames[t % 4], (t % 5 - 2, t % 7 - 3), axis=(0, 1)).astype(np.float32)
        noise = cv2.GaussianBlur(rng.normal(0, 3, moved.shape).astype(np.float32), (0, 0), 0.8)
        made.append(np.clip(moved + noise, 0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda one: one.name.replace(" ", "_"))
def test_container(
    benchmark: BenchmarkFixture,
    container: Container,
    crops: list[NDArray[np.uint8]],
    tmp_path: Path,
    smoke: bool,
) -> None:
    path = tmp_path / "crops"
    begun = time.perf_counter()
    container.write(path, crops)
    written = time.perf_counter() - begun
    rng = np.random.default_rng(1)
    drawn = [sorted(rng.choice(len(crops), 4, replace=False).tolist()) for _ in range(8)]

    def clips() -> list[list[NDArray[np.uint8]]]:
        return [container.read(path, rows) for rows in drawn]

    read = benchmark.pedantic(clips, rounds=5, iterations=1, warmup_rounds=1)
    for rows, found in zip(drawn, read, strict=True):
        assert all(np.array_equal(one, crops[row]) for row, one in zip(rows, found, strict=True))
    benchmark.extra_info["kib_a_frame"] = round(path.stat().st_size / 1024 / len(crops), 1)
    benchmark.extra_info["written_frames_per_second"] = round(len(crops) / written)
    if benchmark.stats:
        benchmark.extra_info["read_frames_per_second"] = round(32 / benchmark.stats.stats.median)
    benchmark.extra_info["damage"] = _damage(container, path, crops, SMOKE_DAMAGES if smoke else DAMAGES)


def _damage(container: Container, path: Path, crops: list[NDArray[np.uint8]], damages: int) -> dict[str, int]:
    """How many of `damages` files with one wrong byte are refused, read right all the same, and read wrong unnoticed."""
    rng = np.random.default_rng(2)
    whole = path.read_bytes()
    outcomes = {"refused": 0, "right": 0, "wrong": 0}
    for at in rng.integers(0, len(whole), damages):
        data = bytearray(whole)
        data[at] ^= 0xFF
        broken = path.with_name("broken")
        broken.write_bytes(bytes(data))
        try:
            found = container.read(broken, range(len(crops)))
        except Exception:  # noqa: BLE001 - each library has errors of its own
            outcomes["refused"] += 1
            continue
        same = len(found) == len(crops) and all(map(np.array_equal, found, crops))
        outcomes["right" if same else "wrong"] += 1
    return outcomes
