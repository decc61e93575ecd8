"""The files of the zoo, each with the numbers of the frames that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.data.zoo import COUNT, EVERY, Coding, copy, encode, packed

X264, X265, MPEG2, MPEG4 = "libx264", "libx265", "mpeg2video", "mpeg4"
FAST = {"preset": "veryfast"}
OPEN = {**FAST, "g": "12", "bf": "3", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"}
REFRESH = {**FAST, "g": "12", "x264-params": "intra-refresh=1:scenecut=0"}
HEVC = {
    "preset": "ultrafast",
    "x265-params": "keyint=12:bframes=3:open-gop=1:scenecut=0:log-level=none:pools=1",
}
PLAIN = {**FAST, "g": "12", "bf": "0"}
B2 = {**FAST, "g": "12", "bf": "2"}
PARTS = {"movflags": "frag_keyframe+empty_moov"}


@dataclass(frozen=True)
class Specimen:
    """`build` writes the file `name`. `shown`: the numbers of its frames in order. `refused`: words of the reason where
    not all of them can be had; `remark`: words of what is said of it. `is_quick`: checked in every run of the tests."""

    name: str
    build: Callable[[Path], object]
    shown: Sequence[int] = EVERY
    refused: str = ""
    remark: str = ""
    is_quick: bool = False


def _coded(name: str, coding: Coding, *, is_quick: bool = False) -> Specimen:
    return Specimen(name, lambda path: encode(path, coding), coding.numbers, is_quick=is_quick)


def _changed(name: str, coding: Coding, change: Callable[[Path, Path], object], **more: object) -> Specimen:
    """`change` makes the file out of one that is coded as such, in a container of the same kind."""

    def build(path: Path) -> None:
        source = encode(path.with_name(f"source.{path.name}"), coding)
        change(source, path)
        source.unlink()

    return Specimen(name, build, **more)  # type: ignore[arg-type]


def _without(*numbers: int) -> Callable[[Path, Path], object]:
    return lambda source, target: copy(source, target, without=numbers)


def _from(start: int, shift: int = 0) -> Callable[[Path, Path], object]:
    return lambda source, target: copy(source, target, start=start, shift=shift)


def _from_key(source: Path, target: Path) -> object:
    return copy(source, target, keys=1)


def _joined(*codings: Coding) -> Callable[[Path], object]:
    def build(path: Path) -> None:
        content = b""
        for number, coding in enumerate(codings):
            part = encode(path.with_name(f"{number}.{path.name}"), coding)
            content += part.read_bytes()
            part.unlink()
        path.write_bytes(content)

    return build


def _kept(*lost: int) -> Sequence[int]:
    return [number for number in EVERY if number not in lost]


def _uneven(t: int) -> int:
    return 40 * t + 9 * (t % 4)


CODED = [
    _coded(
        "h264_b.mp4",
        Coding(options={**FAST, "g": "16", "bf": "3", "x264-params": "b-pyramid=normal"}),
        is_quick=True,
    ),
    _coded("h264_b.mkv", Coding(options={**FAST, "g": "16", "bf": "3"})),
    _coded("h264_b.mov", Coding(options=B2)),
    _coded("h264_b.ts", Coding(options=B2), is_quick=True),
    _coded("h264_b.m2ts", Coding(options=B2, container={"mpegts_m2ts_mode": "1"}, format="mpegts")),
    _coded("h264_b.flv", Coding(options=B2)),
    _coded("h264_b.nut", Coding(options=B2)),
    _coded("h264_b.avi", Coding(options=B2), is_quick=True),
    _coded("h264_b.3gp", Coding(options=B2)),
    _coded("h264_plain.avi", Coding(options=PLAIN)),
    _coded("h264.h264", Coding(options=B2), is_quick=True),
    _coded("h264_open.mp4", Coding(options=OPEN), is_quick=True),
    _coded("h264_open.ts", Coding(options=OPEN)),
    _coded("h264_refresh.mp4", Coding(options=REFRESH), is_quick=True),
    _coded("h264_one_key.mp4", Coding(options={**FAST, "g": "250"})),
    _coded("h264_intra.mp4", Coding(options={**FAST, "g": "1"})),
    _coded("h264_fields.mp4", Coding(options={**B2, "x264-params": "tff=1"}), is_quick=True),
    _coded("h264_fields.ts", Coding(options={**B2, "x264-params": "bff=1"})),
    _coded("h264_ten_bits.mp4", Coding(options=B2, pixels="yuv420p10le")),
    _coded("h264_444.mkv", Coding(options=B2, pixels="yuv444p", size=(97, 63))),
    _coded("h264_grey.mp4", Coding(options=B2, pixels="gray"), is_quick=True),
    _coded("h264_rgb.mkv", Coding("libx264rgb", PLAIN, pixels="rgb24")),
    _coded("h264_lossless.mp4", Coding(options={**B2, "qp": "0"})),
    _coded("h264_slices.mp4", Coding(options={**B2, "x264-params": "slices=3"})),
    _coded(
        "h264_references.mp4",
        Coding(options={**FAST, "g": "24", "bf": "5", "refs": "5", "x264-params": "b-pyramid=strict"}),
    ),
    _coded("h264_parts.mp4", Coding(options=B2, container=PARTS), is_quick=True),
    _coded("h264_live.mkv", Coding(options=B2, container={"live": "1"})),
    _coded("hevc.mp4", Coding(X265, HEVC), is_quick=True),
    _coded("hevc.mkv", Coding(X265, HEVC)),
    _coded("hevc.ts", Coding(X265, HEVC)),
    _coded("hevc.hevc", Coding(X265, HEVC)),
    _coded("hevc_ten_bits.mp4", Coding(X265, HEVC, pixels="yuv420p10le")),
    _coded(
        "vp8.webm",
        Coding("libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "12", "b": "200k"}),
        is_quick=True,
    ),
    _coded(
        "vp9.webm",
        Coding("libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "12", "cpu-used": "8"}),
        is_quick=True,
    ),
    _coded("vp9.mp4", Coding("libvpx-vp9", {"g": "12", "cpu-used": "8", "lag-in-frames": "0"})),
    _coded("vp9_odd.mkv", Coding("libvpx-vp9", {"g": "12", "cpu-used": "8"}, size=(97, 63))),
    _coded("vp9.ivf", Coding("libvpx-vp9", {"g": "12", "cpu-used": "8"})),
    _coded(
        "av1.mp4", Coding("libsvtav1", {"preset": "12", "g": "12", "svtav1-params": "lp=1"}, size=(128, 64))
    ),
    _coded("mpeg4.mp4", Coding(MPEG4, {"g": "12", "bf": "2"}), is_quick=True),
    _coded("mpeg4_plain.mp4", Coding(MPEG4, {"g": "12"})),
    _coded("mpeg4.mkv", Coding(MPEG4, {"g": "12", "bf": "2"})),
    _coded("mpeg4.ts", Coding(MPEG4, {"g": "12", "bf": "2"})),
    _coded("mpeg4.avi", Coding(MPEG4, {"g": "12", "bf": "2"})),
    _coded("mpeg4_plain.avi", Coding(MPEG4, {"g": "12"})),
    _coded("mpeg4.m4v", Coding(MPEG4, {"g": "12", "bf": "2"})),
    _coded("msmpeg4.avi", Coding("msmpeg4", {"g": "12"})),
    _coded("wmv2.wmv", Coding("wmv2", {"g": "12"})),
    _coded("sorenson.flv", Coding("flv", {"g": "12"})),
    _coded("h263.3gp", Coding("h263", {"g": "12"}, size=(128, 96))),
    _coded("rv20.rm", Coding("rv20", {"g": "12"}, size=(96, 64))),
    _coded("mpeg1.mpg", Coding("mpeg1video", {"g": "12", "bf": "2"})),
    _coded("mpeg2.mpg", Coding(MPEG2, {"g": "12", "bf": "2"}), is_quick=True),
    _coded("mpeg2.ts", Coding(MPEG2, {"g": "12", "bf": "2"})),
    _coded("mpeg2.mkv", Coding(MPEG2, {"g": "12", "bf": "2"})),
    _coded("mpeg2_fields.mpg", Coding(MPEG2, {"g": "12", "bf": "2", "flags": "+ildct+ilme"})),
    _coded("pictures.avi", Coding("mjpeg", pixels="yuvj420p")),
    _coded("pictures.mov", Coding("mjpeg", pixels="yuvj420p")),
    _coded("lossless.mkv", Coding("ffv1")),
    _coded("huffman.avi", Coding("huffyuv", pixels="yuv422p")),
    _coded("prores.mov", Coding("prores", pixels="yuv422p10le")),
    _coded("raw.avi", Coding("rawvideo")),
    _coded("raw.y4m", Coding("wrapped_avframe", format="yuv4mpegpipe")),
]
TIMED = [
    _coded("uneven.mkv", Coding(options=B2, times=_uneven), is_quick=True),
    _coded("uneven.mp4", Coding(options=B2, times=_uneven)),
    _coded("uneven_mpeg4.mkv", Coding(MPEG4, {"g": "12", "bf": "2"}, times=_uneven)),
    _coded("late.mkv", Coding(options=B2, times=lambda t: 3_600_000 + 40 * t)),
    _coded("pause.mp4", Coding(options=B2, times=lambda t: 40 * t + 5000 * (t > 20))),
    _coded("negative.mp4", Coding(options=B2, container={"use_editlist": "0"})),
    _coded("one.mp4", Coding(options=B2, numbers=[5]), is_quick=True),
    _coded("two.mp4", Coding(options=B2, numbers=[5, 6])),
    _coded("few.ts", Coding(options=B2, numbers=range(5, 12))),
]
CUT = "frames cannot be decoded and were left out"
LATE = (2**33 - 90_000) - 130_000  # the clock of a transport stream starts again a second after this
VP9 = Coding("libvpx-vp9", {"g": "12", "cpu-used": "8", "lag-in-frames": "0"})
MPEG4_B, MPEG2_B = Coding(MPEG4, {"g": "12", "bf": "2"}), Coding(MPEG2, {"g": "12", "bf": "2"})
LONG, LONG_B = Coding(options={**FAST, "g": "48", "bf": "0"}), Coding(options={**FAST, "g": "48", "bf": "2"})
SMALL, LARGE = (64, 48), (192, 128)
LATER = range(12, COUNT)
CUTS = [
    _changed("hevc_cut.ts", Coding(X265, HEVC), _from_key, shown=LATER, remark=CUT, is_quick=True),
    _changed("hevc_cut.mkv", Coding(X265, HEVC), _from_key, shown=LATER, remark=CUT),
    _changed("hevc_cut.mp4", Coding(X265, HEVC), _from_key, shown=LATER),
    _changed("h264_cut.mkv", Coding(options=OPEN), _from_key, shown=LATER, remark=CUT, is_quick=True),
    _changed("h264_cut.mp4", Coding(options=OPEN), _from_key, shown=LATER),
    _changed("h264_cut.ts", Coding(options=OPEN), _from_key, shown=LATER, remark=CUT),
    _changed(
        "refresh_cut.mkv",
        Coding(options=REFRESH),
        _from_key,
        shown=range(24, COUNT),
        remark=CUT,
        is_quick=True,
    ),
    _changed("mpeg2_cut.mpg", MPEG2_B, _from_key, shown=LATER, remark=CUT, is_quick=True),
    _changed("mpeg2_cut.ts", MPEG2_B, _from_key, shown=LATER, remark=CUT),
    _changed("mpeg4_cut.mp4", MPEG4_B, _from_key, shown=LATER),
    _changed("mpeg4_begins_late.mkv", MPEG4_B, _from(4), shown=LATER, remark=CUT, is_quick=True),
    _changed("h264_begins_late.mkv", Coding(options=PLAIN), _from(4), shown=LATER, remark=CUT, is_quick=True),
    _changed("h264_begins_late.ts", Coding(options=PLAIN), _from(4), shown=LATER, remark=CUT),
    _changed("vp9_begins_late.webm", VP9, _from(4), shown=LATER, remark=CUT),
    _changed("mpeg2_begins_late.ts", MPEG2_B, _from(4), shown=LATER, remark=CUT),
]
LOSSES = [
    _changed(
        "h264_lost.mkv",
        LONG,
        _without(9, 10),
        shown=range(9),
        refused="is damaged",
        is_quick=True,
    ),
    _changed(
        "h264_lost_b.mkv",
        LONG_B,
        _without(9, 10, 11),
        shown=(*range(8), 9),
        refused="is damaged",
        is_quick=True,
    ),
    _changed(
        "h264_lost.ts",
        LONG_B,
        _without(9, 10, 11),
        shown=(*range(8), 9),
        refused="is damaged",
    ),
    _changed(
        "h264_lost.flv",
        LONG_B,
        _without(9, 10, 11),
        shown=(*range(8), 9),
        refused="is damaged",
    ),
    _changed(
        "h264_lost_key.mkv",
        Coding(options=PLAIN),
        _without(12),
        shown=_kept(12),
        refused="wanted frames",
    ),
    _changed(
        "hevc_lost.mkv",
        Coding(X265, HEVC),
        _without(5, 6, 7),
        shown=_kept(5, 6, 8),
        refused="does not come out",
    ),
    _changed("mpeg4_lost.mkv", MPEG4_B, _without(7, 8), shown=(), remark="give no picture"),
    _changed("mpeg2_lost.ts", MPEG2_B, _without(9, 10, 11), shown=()),
    _changed("vp9_lost.webm", VP9, _without(5, 6), shown=()),
]
ODD = [
    Specimen("packed_1.avi", lambda path: packed(path, 1), is_quick=True),
    Specimen("packed_2.avi", lambda path: packed(path, 2), is_quick=True),
    Specimen("packed_3.avi", lambda path: packed(path, 3)),
    _changed("clock.ts", Coding(options=B2), _from(0, LATE)),
    Specimen(
        "sizes.ts", _joined(Coding(options=B2), Coding(options=B2, size=SMALL)), refused="differ in size"
    ),
    Specimen(
        "sizes.h264", _joined(Coding(options=B2), Coding(options=B2, size=SMALL)), refused="differ in size"
    ),
    Specimen("twice.ts", _joined(Coding(options=B2), Coding(options=B2)), (*EVERY, *EVERY)),
    Specimen("twice.mpg", _joined(MPEG2_B, MPEG2_B), (*EVERY, *EVERY)),
]
SPECIMENS = [*CODED, *TIMED, *CUTS, *LOSSES, *ODD]
