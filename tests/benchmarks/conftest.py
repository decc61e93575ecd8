"""What the benchmarks share: stored face frames, and comparison within one run.

Other programs and the host itself change how fast a machine is from one minute to the next. What is compared is
therefore run in turns, and benchmarks store ratios of medians in `extra_info`.

In the test suite (`--benchmark-disable`) each benchmark runs once, at the first of its parameters and at a tiny size, which
shows that all of it works. `make benchmark` measures them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from tests.photographs import photographs

from dfbench import FaceTrack
from dfbench.data import StoredFaces
from dfbench.data.store.face_files import write_faces
from dfbench.training.loaders import start_worker
from dfbench_synthesis.landmarks import reorder_forehead

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "clip_pipeline.npz"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-depth", action="store_true", help="Benchmark ViT-B with all its twelve blocks.")


@pytest.hookimpl(trylast=True)  # after -k and -m have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first of each benchmark's parameters, where benchmarks are not measured."""
    if not is_smoke(config):
        return
    seen: set[str] = set()
    left_out = []
    for item in items:
        benchmark = item.nodeid.partition("[")[0]
        if HERE in item.path.parents and benchmark in seen:
            left_out.append(item)
        seen.add(benchmark)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def is_smoke(config: pytest.Config) -> bool:
    """True where benchmarks run once and are not measured, as in the test suite."""
    return bool(config.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    """True if the benchmark is to be as small as it can be: it is not measured."""
    return is_smoke(pytestconfig)


@pytest.fixture
def depth(request: pytest.FixtureRequest) -> int:
    """Blocks of ViT-B: two, or twelve with --full-depth."""
    return 12 if request.config.getoption("--full-depth", default=False) else 2


@pytest.fixture(autouse=True)
def all_cores(monkeypatch: pytest.MonkeyPatch, smoke: bool) -> Iterator[None]:
    """All cores for torch, here and in the processes that a benchmark starts; one in the test suite."""
    before, cores = torch.get_num_threads(), 1 if smoke else os.cpu_count() or 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    torch.set_num_threads(cores)
    yield
    torch.set_num_threads(before)


class InTurns:
    """Measures one function as the benchmark and others in turns with it."""

    def __init__(self, benchmark: BenchmarkFixture) -> None:
        self._benchmark = benchmark

    def __call__(self, ours: Callable[[], Any], *, rounds: int, **others: Callable[[], Any]) -> Any:
        """The result of `ours`; `extra_info` gets `NAME_over_ours`, the ratio of medians, for each of `others`."""
        seconds: dict[str, list[float]] = {name: [] for name in others}

        def run_others() -> None:
            for name, function in others.items():
                begun = time.perf_counter()
                function()
                seconds[name].append(time.perf_counter() - begun)

        if not self._benchmark.disabled:  # the first run of anything is slow
            run_others()
            ours()
            seconds = {name: [] for name in others}
        result = self._benchmark.pedantic(ours, setup=run_others, rounds=rounds, iterations=1)
        if self._benchmark.stats:
            own = self._benchmark.stats.stats.median
            for name, values in seconds.items():
                self._benchmark.extra_info[f"{name}_over_ours"] = round(median(values) / own, 3)
        return result


@pytest.fixture
def in_turns(benchmark: BenchmarkFixture) -> InTurns:
    return InTurns(benchmark)


@pytest.fixture(scope="session")
def face_frames() -> list[NDArray[np.uint8]]:
    """Four frames (317, 317, 3) uint8 RGB of one face."""
    return photographs()


@pytest.fixture(scope="session")
def face_file(
    tmp_path_factory: pytest.TempPathFactory, face_frames: list[NDArray[np.uint8]]
) -> Callable[..., Path]:
    """Writes a face file of `count` crops, `side` px wide, whose box is two thirds as wide."""

    def write(*, side: int, count: int) -> Path:
        shrunk = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in face_frames]
        crops = [np.asarray(shrunk[number % 4], np.uint8) for number in range(count)]
        with np.load(GOLDEN) as golden:
            points = reorder_forehead(golden["frames/landmarks81_dlib_order"].astype(np.float64))
        points = np.asarray(points, np.float64) * (side / 317)
        part = [round(side * one) for one in (1 / 6, 1 / 6, 5 / 6, 5 / 6)]
        track = FaceTrack(
            frame_indices=np.arange(count, dtype=np.int64),
            boxes=np.tile(np.array(part, np.float32), (count, 1)),
            scores=np.ones(count, np.float32),
            landmarks=np.stack([points[number % 4] for number in range(count)]).astype(np.float32),
            landmark_kind="dlib",
            frame_size=(side, side),
            quality=np.ones(count, np.float32),
        )
        whole = np.tile(np.array([0, 0, side, side], np.float32), (count, 1))
        path = tmp_path_factory.mktemp("faces") / f"{side}.faces"
        write_faces(path, StoredFaces(crops, whole, track))
        return path

    return write


@pytest.fixture
def one_thread() -> Iterator[None]:
    """What a data worker does when it starts."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    start_worker(0)
    yield
    cv2.setNumThreads(before[0])
    torch.set_num_threads(before[1])
