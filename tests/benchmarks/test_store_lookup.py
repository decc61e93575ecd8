"""What it costs to know that stored faces are those of the file that is there. No timed assertions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from dfbench import FaceTrack
from dfbench.data import StoredFaces
from dfbench.data.datasets.manifest import file_fingerprints, fingerprints_digest
from dfbench.data.fingerprints import content_digest, fingerprint
from dfbench.data.preparing.prepare import prepared
from dfbench.data.store.face_files import Origin, face_path, read_faces, write_faces
from dfbench.progress import SilentProgress
from dfbench.types import FrameChoice, Label, PrepareSpec, Status, Video

VIDEOS, SMOKE_VIDEOS, CROPS, VIDEO_BYTES = 500, 5, 32, 200_000
SPEC = PrepareSpec(FrameChoice("uniform", CROPS))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, smoke: bool) -> tuple[Path, list[Video], list[Path]]:
    """A store, the videos, and their face files."""
    root = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in range(CROPS)]
    boxes = np.tile(np.asarray([0, 0, 9, 9], np.float32), (CROPS, 1))
    ones, none = np.ones(CROPS, np.float32), np.zeros((CROPS, 0, 2), np.float32)
    track = FaceTrack(np.arange(CROPS), boxes, ones, none, "none", (9, 9), ones)
    videos, paths = [], []
    for number in range(SMOKE_VIDEOS if smoke else VIDEOS):
        path = root / f"{number}.mp4"
        path.write_bytes(rng.bytes(VIDEO_BYTES))
        video = Video("toy", str(number), path, Label.REAL, "test", "real", "", (), str(number))
        source = fingerprint(path)
        place = face_path(root, video, corpus="toy", digest=SPEC.digest(), source=source)
        write_faces(place, StoredFaces(crops, boxes, track, origin=Origin(source, content_digest(path))))
        videos.append(video)
        paths.append(place)
    return root, videos, paths


@pytest.mark.parametrize("what", ["fingerprints", "lookup", "lookup, verify", "four crops of each"])
def test_lookup(benchmark: BenchmarkFixture, stored: tuple[Path, list[Video], list[Path]], what: str) -> None:
    root, videos, paths = stored

    def look(verify: int = 0) -> None:
        found = prepared(
            videos, SPEC, store_root=root, corpus="toy", progress=SilentProgress(), verify=verify
        )
        assert all(one is not None and one.status is Status.OK for one in found)

    works: dict[str, Callable[[], Any]] = {
        "fingerprints": lambda: fingerprints_digest(file_fingerprints(videos)),
        "lookup": look,
        "lookup, verify": lambda: look(verify=2),
        "four crops of each": lambda: [read_faces(path, frames=[1, 5, 9, 13]) for path in paths],
    }
    benchmark.pedantic(works[what], rounds=5, iterations=1, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["us_a_video"] = round(benchmark.stats.stats.median / VIDEOS * 1e6)
