"""Memory does not depend on how long a video is: ten minutes of 4K take what a second does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

SECONDS = (1, 600)
RATE = 25

PREPARE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from dfbench.data.store.face_files import read_track
from dfbench.data.faces.video_faces import prepare_video
from dfbench.types import Faces, FrameChoice, PrepareSpec

class InTheMiddle:
    def find(self, frames):
        box = np.array([[1800, 900, 2000, 1150]], np.float32)
        return [Faces(box, np.ones(1, np.float32), np.full((1, 5, 2), 1000, np.float32)) for _ in frames]

path, out = Path(sys.argv[1]), Path(sys.argv[2])
prepare_video(path, PrepareSpec(FrameChoice("uniform", int(sys.argv[3]))), InTheMiddle(), out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([peak * 1024, read_track(out).track.frame_indices.tolist()]))
"""


def second_of_4k(path: Path) -> None:
    rng = np.random.default_rng(0)
    place = cv2.resize(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), (4000, 2200))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(RATE), "x264-params": "open-gop=0"}
        for t in range(RATE):
            image = np.ascontiguousarray(place[t : t + 2160, 3 * t : 3 * t + 3840])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def repeat(source: Path, path: Path, times: int) -> None:
    """The same packets again and again: a long video without hours of encoding."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        template = given.streams.video[0]
        stream = container.add_stream_from_template(template)
        packets = [packet for packet in given.demux(template) if packet.size]
        length = sum(packet.duration or 0 for packet in packets)
        for number in range(times * len(packets)):
            told = packets[number % len(packets)]
            offset = number // len(packets) * length
            assert told.pts is not None
            assert told.dts is not None
            packet = av.Packet(bytes(told))
            packet.stream, packet.time_base = stream, told.time_base
            packet.pts, packet.dts, packet.duration = told.pts + offset, told.dts + offset, told.duration
            packet.is_keyframe = told.is_keyframe
            container.mux(packet)


@pytest.mark.slow
def test_ten_minutes_of_4k_take_the_memory_of_a_second(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    second_of_4k(tmp_path / "second.mp4")
    peaks = {}
    for seconds in SECONDS:
        path = tmp_path / f"{seconds}.mp4"
        repeat(tmp_path / "second.mp4", path, seconds)
        ended = subprocess.run(
            [sys.executable, "-c", PREPARE, str(path), str(tmp_path / "one.faces"), "25"],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[seconds], positions = json.loads(ended.stdout)
        record_property(f"peak_mib_{seconds}_s", round(peaks[seconds] / 2**20))
        assert len(positions) == 25
        assert positions[-1] == seconds * RATE - 1
    assert peaks[600] < peaks[1] + 100 * 2**20
