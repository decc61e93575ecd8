"""Videos a minute of preparation for scoring: decode, find the face, crop, store. No timed assertions."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.conftest import InTurns
from tests.benchmarks.naive_preparation import prepare_naively
from tests.benchmarks.talking_head import FRAMES, write_head
from tests.data.one_spec import prepare
from tests.data.test_long_videos import repeat

from dfbench import FrameChoice, Label, PrepareSpec, Status, Video
from dfbench.data import StoredFaces
from dfbench.data.decoding.frame_readers import is_worth_seeking
from dfbench.data.decoding.packet_index import index_packets
from dfbench.data.decoding.video import probe, read_frames, wanted_indices
from dfbench.data.faces import cutting
from dfbench.data.faces import search as searching
from dfbench.data.faces.tracking import MainFace, follow, overlap
from dfbench.data.faces.video_faces import WantedFrames, prepare_video
from dfbench.data.store.face_files import read_track, write_faces
from dfbench.progress import SilentProgress
from dfbench_plugins.face_finders.mtcnn import Mtcnn

SMOKE_FRAMES = 24  # of a video


@pytest.fixture(scope="module")
def frames(smoke: bool) -> int:
    """How many frames each video has."""
    return SMOKE_FRAMES if smoke else FRAMES


@pytest.fixture(scope="module")
def choice(smoke: bool) -> FrameChoice:
    """The frames of a video that are wanted."""
    return FrameChoice("uniform", 3 if smoke else 32)


@pytest.fixture(scope="module")
def talking_head(
    tmp_path_factory: pytest.TempPathFactory, face_frames: list[NDArray[np.uint8]], frames: int
) -> Path:
    """A video of 640x480 with a face of 220 px."""
    return write_head(tmp_path_factory.mktemp("video") / "talking.mp4", face_frames, 220, frames=frames)


def head_video(path: Path) -> Video:
    return Video("bench", path.stem, path, Label.REAL, "test", "real", "c23", (), path.stem)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A large photograph with a second one, and a small one; all sizes for the figures to quote."""
    if "head" in metafunc.fixturenames:
        sizes = [(220, 70), (60, 0)]
        if metafunc.config.getoption("--full-depth", default=False):
            sizes = [(60, 0), (80, 0), (100, 0), (130, 0), (180, 0), (220, 0), (260, 0), (220, 70)]
        elif metafunc.function is test_preparing_videos_on_two_cores:
            sizes = sizes[:1]
        metafunc.parametrize(("side", "second"), sizes)


@pytest.fixture
def head(tmp_path: Path, face_frames: list[NDArray[np.uint8]], side: int, second: int, frames: int) -> Video:
    """A photograph of `side` px, and one of `second` px if that is not 0."""
    return head_video(write_head(tmp_path / "0.mp4", face_frames, side, second=second, frames=frames))


def test_preparing_a_video(
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
    one_thread: None,
    head: Video,
    second: int,
    tmp_path: Path,
    depth: int,
    frames: int,
    choice: FrameChoice,
) -> None:
    """One core each, as when every core works on a video of its own."""
    finder, network = Mtcnn("cpu"), MTCNN(keep_all=True, device="cpu")
    positions = wanted_indices(choice, frames).tolist()
    boxes: list[NDArray[np.float32]] = []

    def ours() -> StoredFaces:
        prepare_video(head.path, PrepareSpec(choice), finder, tmp_path / "one.faces")
        return read_track(tmp_path / "one.faces")

    def naive() -> None:
        boxes.append(prepare_naively(head.path, positions, network, tmp_path / "naive"))

    stored = in_turns(ours, rounds=1 if depth < 12 else 3, naive=naive)
    seen = stored.seen
    main = seen.track == 0
    assert seen.frame_indices[main].tolist() == positions
    assert bool((~main).any()) == bool(second)
    overlaps = [overlap(one, other) for one, other in zip(seen.boxes[main], boxes[-1], strict=True)]
    assert np.mean(overlaps) >= 0.95
    benchmark.extra_info["mean_overlap_with_naive"] = round(float(np.mean(overlaps)), 4)
    benchmark.extra_info["seconds"] = stages(head, choice, finder, tmp_path / "stages.faces")
    if benchmark.stats:
        benchmark.extra_info["videos_per_minute_and_core"] = round(60 / benchmark.stats.stats.median, 1)


@pytest.mark.slow
def test_preparing_videos_on_two_cores(
    benchmark: BenchmarkFixture,
    monkeypatch: pytest.MonkeyPatch,
    head: Video,
    tmp_path: Path,
    depth: int,
    frames: int,
    choice: FrameChoice,
    smoke: bool,
) -> None:
    """Videos a minute of `prepare` with two workers, once both are at work, and of the naive way with torch's threads."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    copies = [
        head.path.with_name(f"{number}.mp4") for number in range(1, 4 if smoke else 8 if depth < 12 else 32)
    ]
    videos = [head, *(head_video(Path(shutil.copy(head.path, copy))) for copy in copies)]
    network = MTCNN(keep_all=True, device="cpu")
    positions = wanted_indices(choice, frames).tolist()
    seconds = []
    for _ in range(2 if depth < 12 else 4):
        begun = time.perf_counter()
        prepare_naively(head.path, positions, network, tmp_path / "naive")
        seconds.append(time.perf_counter() - begun)
    begun = time.time()
    report = benchmark.pedantic(
        prepare,
        (videos, PrepareSpec(choice)),
        {
            "store_root": tmp_path / "store",
            "corpus": "heads",
            "finder": "dfbench_plugins.face_finders.mtcnn:Mtcnn",
            "workers": 1 if smoke else 2,
            "progress": SilentProgress(),
        },
        rounds=1,
    )
    assert [one.status for one in report.videos] == [Status.OK] * len(videos)
    # The first two carry the start of the workers, and the last may have a core to itself.
    ends = sorted(one.path.stat().st_mtime for one in report.videos)
    each = (ends[-2] - ends[1]) / (len(videos) - 3)
    naive = float(np.median(seconds[1:]))
    benchmark.extra_info["seconds_until_both_work"] = round(ends[1] - begun - 2 * each, 2)
    benchmark.extra_info["videos_per_minute"] = round(60 / each, 1)
    benchmark.extra_info["naive_videos_per_minute"] = round(60 / naive, 1)
    benchmark.extra_info["naive_over_ours"] = round(naive / each, 2)


@pytest.mark.parametrize("seconds", [12, 120])
def test_ways_to_the_wanted_frames(
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
    talking_head: Path,
    tmp_path: Path,
    seconds: int,
    choice: FrameChoice,
) -> None:
    """The way that is chosen, and decoding everything: 32 frames of a short video and of a long one."""
    path = tmp_path / "video.mp4"
    repeat(talking_head, path, seconds // 12)

    def chosen() -> list[int]:
        return [position for position, _ in read_frames(path, choice)]

    def all_of_them() -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            wanted = set(positions)
            for position, frame in enumerate(container.decode(stream)):
                if position in wanted:
                    frame.to_ndarray(format="rgb24")

    positions = wanted_indices(choice, probe(path).frames).tolist()
    assert in_turns(chosen, rounds=3, decoding_all=all_of_them) == positions
    with av.open(str(path)) as container:
        index = index_packets(container, container.streams.video[0])
    benchmark.extra_info["frames_a_key_frame"] = round(index.frames / len(index.keys), 1)
    benchmark.extra_info["way"] = "seeking" if is_worth_seeking(index, positions) else "through"


@pytest.mark.parametrize("count", [10, 60])
def test_threads_that_decode_one_video(
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
    talking_head: Path,
    tmp_path: Path,
    count: int,
    smoke: bool,
) -> None:
    """Two threads and one: some, and all, of 60 frames of 1920x1080."""
    path = tmp_path / "large.mp4"
    size = (320, 180) if smoke else (1920, 1080)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for _, image in read_frames(talking_head, FrameChoice("first", 60)):
            large = cv2.resize(image, size)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
        container.mux(stream.encode(None))

    def read(threads: int) -> int:
        return sum(1 for _ in read_frames(path, FrameChoice("uniform", count), threads=threads))

    assert in_turns(lambda: read(2), rounds=3, one_thread=lambda: read(1)) == count


def main_face(search: searching.Search, choice: FrameChoice) -> MainFace:
    track = searching.ranked_tracks(search, search.found, choice)[0]
    return follow(track, search.looked_at, search.positions)


def stages(video: Video, choice: FrameChoice, finder: Mtcnn, path: Path) -> dict[str, float]:
    """Seconds that decoding, finding, cutting out and storing take, one after the other."""
    taken: dict[str, float] = {}

    def timed(name: str, function: Any, *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(*arguments)
        taken[name] = round(time.perf_counter() - begun, 3)
        return result

    frames = WantedFrames(video.path, choice)
    timed("decode", list, frames)
    search = timed("find", searching.look, frames, finder.of_video(), 1)
    main = main_face(search, choice)
    kept = [one for row, one in enumerate(frames) if row in set(main.rows.tolist())]
    faces = timed("cut", cutting.crop_track, kept, main, PrepareSpec(choice))
    timed("store", write_faces, path, faces)
    return taken


@pytest.mark.parametrize("every", [1, 2, 4, 8])
@pytest.mark.parametrize("side", [640, 400, 320])
def test_what_fewer_and_smaller_searches_cost(
    benchmark: BenchmarkFixture,
    one_thread: None,
    talking_head: Path,
    every: int,
    side: int,
    choice: FrameChoice,
) -> None:
    """Successive frames, of which each `every`-th is searched, `side` pixels large: overlap with a search of all."""
    first = FrameChoice("first", choice.count)
    frames = list(WantedFrames(talking_head, first))
    finder = Mtcnn("cpu", max_side=side)

    def boxes(finder: Mtcnn, every: int) -> NDArray[np.float32]:
        search = searching.look(frames, finder, every)
        main = main_face(search, first)
        assert len(main.rows) == len(frames)
        return main.boxes

    found = benchmark.pedantic(boxes, (finder, every), rounds=1, iterations=1, warmup_rounds=1)
    overlaps = [overlap(*pair) for pair in zip(found, boxes(Mtcnn("cpu"), 1), strict=True)]
    benchmark.extra_info["mean_overlap"] = round(float(np.mean(overlaps)), 3)
    benchmark.extra_info["smallest_overlap"] = round(float(np.min(overlaps)), 3)
    if benchmark.stats:
        benchmark.extra_info["ms_a_frame"] = round(1000 * benchmark.stats.stats.median / len(frames), 1)
