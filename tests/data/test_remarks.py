"""What a person is told of a video that is read all the same."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.data.zoo import COUNT, SIZE, Coding, encode, number_in, packets_of

from dfbench.data.decoding.video import read_frames
from dfbench.types import FrameChoice

X264 = {"preset": "veryfast", "g": "12", "bf": "0"}
HALF_TURN = (
    b"\0\0\1\x06\x2f\x03\x10\0\x14\x80"  # an SEI of H.264: display orientation, 180 degrees, for this frame
)
SLICES = [b"\0\0\1" + bytes([header]) for header in (0x65, 0x41, 0x61, 0x01, 0x21)]


def told(path: Path, count: int = COUNT) -> tuple[dict[int, NDArray[np.uint8]], set[str]]:
    remarks = set[str]()
    frames = dict(read_frames(path, FrameChoice("uniform", count), remark=remarks.add))
    return frames, remarks


@pytest.mark.parametrize(("transfer", "kind"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG"), ("bt709", "")])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_hdr_is_told(transfer: str, kind: str, container: str, tmp_path: Path) -> None:
    options = {**X264, "x264-params": f"transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc"}
    path = encode(tmp_path / f"hdr.{container}", Coding(options=options, pixels="yuv420p10le"))
    expected = f"it is HDR ({kind}), and its brightness was taken as if it were not: faces look pale"
    assert told(path, 4)[1] == ({expected} if kind else set())


@pytest.mark.parametrize(("ratio", "shape"), [("4/3", "wider"), ("8/9", "narrower"), ("1/1", "")])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_pixels_that_are_not_square_are_told(ratio: str, shape: str, container: str, tmp_path: Path) -> None:
    coding = Coding(options={**X264, "x264-params": f"sar={ratio}"})
    frames, remarks = told(encode(tmp_path / f"wide.{container}", coding), 4)
    shown = ratio.replace("/", ":")
    expected = f"its pixels are not square ({shown}): players show faces {shape} than they were scored"
    assert remarks == ({expected} if shape else set())
    assert {frame.shape for frame in frames.values()} == {(SIZE[1], SIZE[0], 3)}


@pytest.mark.parametrize(("ratio", "shape"), [("4/3", "narrower"), ("8/9", "wider")])
def test_pixels_lie_on_their_side_where_the_video_does(ratio: str, shape: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "wide.mp4", Coding(options={**X264, "x264-params": f"sar={ratio}"}))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the display matrix follows 40 bytes of fields
    quarter = [one << 16 for one in (0, 1, 0, -1, 0, 0, 0, 0)]
    data[at : at + 36] = np.array([*quarter, 1 << 30], dtype=">i4").tobytes()
    path.write_bytes(bytes(data))
    frames, remarks = told(path, 4)
    assert {frame.shape for frame in frames.values()} == {(*SIZE, 3)}
    assert [f"show faces {shape} than" in one for one in remarks] == [True]


def with_half_turns(path: Path, turned: Collection[int]) -> Path:
    """A file of which the frames `turned` alone say that they stand on their head."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, (content, is_key) in enumerate(packets_of(Coding(options=X264))):
            at = min(at for at in map(content.find, SLICES) if at >= 0)
            whole = content[:at] + HALF_TURN + content[at:] if number in turned else content
            packet = av.Packet(whole)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), is_key
            packet.pts = packet.dts = number
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("turned", "is_turned", "is_told"),
    [
        (range(COUNT), True, False),
        ([0], True, True),
        ([0, 12, 24, 36], True, True),
        (range(20, COUNT), False, True),
        ([], False, False),
    ],
)
def test_all_frames_are_turned_as_the_first(
    turned: Collection[int], is_turned: bool, is_told: bool, tmp_path: Path
) -> None:
    path = with_half_turns(tmp_path / "turned.ts", turned)
    everything, remarks = told(path)
    upright = {at: frame[::-1, ::-1] if is_turned else frame for at, frame in everything.items()}
    assert {at: number_in(frame) for at, frame in upright.items()} == {at: at for at in range(COUNT)}
    said = "some of its frames are said to be turned otherwise than the first: all were turned as the first"
    assert remarks == ({said} if is_told else set())
    few, _ = told(path, 5)
    assert all(np.array_equal(frame, everything[at]) for at, frame in few.items())
