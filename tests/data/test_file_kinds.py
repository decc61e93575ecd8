"""What is listed by its name is read by the decoder, and what is not listed is told."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dfbench.data.decoding.video import probe, read_frames
from dfbench.data.images.file_kinds import (
    COMPANION_SUFFIXES,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    is_companion_name,
    is_frame_name,
    is_video_name,
)
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

H264, MPEG2, MPEG4 = ("libx264", "yuv420p"), ("mpeg2video", "yuv420p"), ("mpeg4", "yuv420p")
# Suffix -> container, codec and pixels of a file that carries it. Ogg's codec can be read and not written here.
WRITTEN = {
    **dict.fromkeys((".mp4", ".m4v", ".f4v", ".ismv", ".lrv", ".insv"), ("mp4", *H264)),
    **dict.fromkeys((".mov", ".qt"), ("mov", *H264)),
    ".mp4v": ("mp4", *MPEG4),
    **dict.fromkeys((".3gp", ".3gpp"), ("3gp", *H264)),
    ".3g2": ("3g2", *MPEG4),
    **dict.fromkeys((".mkv", ".mk3d"), ("matroska", *H264)),
    ".webm": ("webm", "libvpx", "yuv420p"),
    **dict.fromkeys((".avi", ".divx", ".xvid"), ("avi", *MPEG4)),
    **dict.fromkeys(
        (".mpg", ".mpeg", ".mpe", ".mpv", ".m2p", ".vob", ".vro", ".mod", ".tod"), ("vob", *MPEG2)
    ),
    ".m1v": ("mpeg1video", "mpeg1video", "yuv420p"),
    **dict.fromkeys((".m2v", ".mp2v"), ("mpeg2video", *MPEG2)),
    **dict.fromkeys((".ts", ".mts", ".m2ts", ".m2t", ".trp"), ("mpegts", *H264)),
    ".wmv": ("asf", "wmv2", "yuv420p"),
    ".asf": ("asf", "msmpeg4", "yuv420p"),
    ".dvr-ms": ("asf", *MPEG2),
    ".wtv": ("wtv", *MPEG2),
    ".flv": ("flv", "flv", "yuv420p"),
    ".mxf": ("mxf", "mpeg2video", "yuv422p"),
    ".nut": ("nut", *MPEG4),
    ".ivf": ("ivf", "libvpx", "yuv420p"),
    **dict.fromkeys((".rm", ".rmvb"), ("rm", "rv20", "yuv420p")),
    ".dv": ("dv", "dvvideo", "yuv420p"),
    **dict.fromkeys((".h264", ".264", ".avc"), ("h264", *H264)),
    **dict.fromkeys((".h265", ".265", ".hevc"), ("hevc", "libx265", "yuv420p")),
    ".obu": ("obu", "libsvtav1", "yuv420p"),
    **dict.fromkeys((".mjpeg", ".mjpg"), ("mjpeg", "mjpeg", "yuvj420p")),
    ".y4m": ("yuv4mpegpipe", "wrapped_avframe", "yuv420p"),
    ".gif": ("gif", "gif", "rgb8"),
    ".apng": ("apng", "apng", "rgb24"),
}
READ_ONLY = {".ogv", ".ogm"}
SLOW_TO_START = {".obu"}  # that encoder takes seconds; AV1 is tested with the decoder
COUNT = 7


def write(path: Path, container: str, codec: str, pixels: str) -> Path:
    """Seven grey frames, each brighter than the one before."""
    width, height = (720, 576) if codec == "dvvideo" else (176, 144)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(25), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for number in range(COUNT):
            image = np.full((height, width, 3), 30 * number + 10, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def test_each_suffix_is_tried_once() -> None:
    assert WRITTEN.keys() | READ_ONLY == VIDEO_SUFFIXES
    assert not VIDEO_SUFFIXES & IMAGE_SUFFIXES
    assert not COMPANION_SUFFIXES & (VIDEO_SUFFIXES | IMAGE_SUFFIXES)


@pytest.mark.parametrize("suffix", sorted(WRITTEN.keys() - SLOW_TO_START))
def test_a_file_that_is_listed_is_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix.upper()}", *WRITTEN[suffix])
    assert is_video_name(path.name)
    for choice, wanted in ((FrameChoice("first", 99), range(COUNT)), (FrameChoice("uniform", 3), (0, 3, 6))):
        frames = dict(read_frames(path, choice))
        assert list(frames) == list(wanted)
        assert [round((float(one.mean()) - 10) / 30) for one in frames.values()] == list(wanted)


@pytest.mark.parametrize("suffix", [".dv", ".mp4", ".nut"])
def test_the_rate_of_frames_is_a_likely_one(tmp_path: Path, suffix: str) -> None:
    assert probe(write(tmp_path / f"a{suffix}", *WRITTEN[suffix])).fps == pytest.approx(25)


def frames_of(path: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [frame for _, frame in read_frames(path, FrameChoice("first", 9))]


@pytest.mark.parametrize("suffix", [".tif", ".TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_frames_of_tiff(tmp_path: Path, suffix: str, mode: str) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    image = image if mode == "I;16" else image.convert(mode)
    assert image.mode == mode
    for number in range(2):
        image.save(tmp_path / f"{number}{suffix}", "TIFF")
    assert is_frame_name(f"0{suffix}")
    first, second = frames_of(tmp_path)
    assert first.tolist() == second.tolist() == np.repeat(grey[..., None], 3, axis=2).tolist()


def test_grey_png_of_16_bits_is_scaled_and_not_cut(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16).repeat(2, axis=0)
    Image.fromarray(values).save(tmp_path / "1.png")
    (frame,) = frames_of(tmp_path)
    assert frame[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_pixels_without_a_known_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "1.tif")
    with pytest.raises(UndecodableVideoError, match="nobody knows what is white"):
        frames_of(tmp_path)


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_an_animation_is_no_frame(tmp_path: Path, kind: str) -> None:
    pictures = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 90, 180)]
    content = io.BytesIO()
    pictures[0].save(content, kind, save_all=True, append_images=pictures[1:])
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / f"1.{kind.casefold()}").write_bytes(content.getvalue())
    with pytest.raises(UndecodableVideoError, match="an animation of 3 pictures and no frame"):
        frames_of(folder)
    if kind == "WEBP":
        (tmp_path / "a.webp").write_bytes(content.getvalue())
        with pytest.raises(UndecodableVideoError, match="not a readable video"):
            frames_of(tmp_path / "a.webp")


def test_a_jpeg_with_a_second_picture_is_the_first(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (8, 8), value) for value in ("white", "black")]
    pictures[0].save(tmp_path / "1.jpg", "MPO", save_all=True, append_images=pictures[1:])
    (frame,) = frames_of(tmp_path)
    assert int(frame.min()) == 255


def test_what_lies_beside_videos() -> None:
    assert all(map(is_companion_name, ("notes.TXT", "README", "a.wav", "landmarks.npy", ".hidden.mp4")))
    assert not any(map(is_companion_name, ("a.mp4.part", "a.r3d", "a.heic", "a.mp4")))
