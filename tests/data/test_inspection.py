"""Looking into files: what cannot be decoded, what is there twice, and that no file stops the rest."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.test_decoding import moving

from dfbench.data.datasets import inspection
from dfbench.data.datasets.inspection import inspect
from dfbench.data.reading import Reading
from dfbench.progress import SilentProgress
from dfbench.types import Label, Video

WriteVideo = Callable[..., Path]


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 6), (value, 0, 0)).save(content, "png")
    return content.getvalue()


def sequence(folder: Path, *frames: bytes) -> Path:
    folder.mkdir()
    for number, content in enumerate(frames):
        (folder / f"{number}.png").write_bytes(content)
    return folder


def video(path: Path, label: Label = Label.REAL, split: str = "test", mask: Path | None = None) -> Video:
    return Video("sample", path.name, path, label, split, "", "", (), path.name, mask)


def test_unreadable_and_identical_sequences_are_named(tmp_path: Path) -> None:
    a, b, c = (sequence(tmp_path / name, png(0), png(1)) for name in "abc")
    d, e = sequence(tmp_path / "d", b"no image"), sequence(tmp_path / "e", png(1), png(2))
    videos = [video(path) for path in (a, b, d, e, tmp_path / "gone")]
    seen = inspect(videos, workers=2, progress=SilentProgress())
    assert (seen.videos, seen.conflicts) == (4, ())
    assert seen.duplicates == ("a (test, real) = b (test, real)",)
    assert len(seen.unreadable) == 1
    assert seen.unreadable[0].startswith("d: ")
    both = inspect([video(a), video(c, Label.FAKE, "train")], workers=1, progress=SilentProgress())
    assert both.conflicts == ("a (test, real) = c (train, fake)",)
    assert both.duplicates == ()


def test_no_pipe_is_waited_for_and_nothing_empty_compared(tmp_path: Path) -> None:
    videos = []
    for name, split in (("a", "test"), ("b", "train")):
        (folder := sequence(tmp_path / name, png(1))).joinpath("0.png").rename(folder / "1.png")
        os.mkfifo(folder / "0.png")
        (tmp_path / f"{name}.mp4").touch()
        videos += [video(path, split=split) for path in (tmp_path / name, tmp_path / f"{name}.mp4")]
    seen = inspect(videos, workers=2, progress=SilentProgress())
    assert (len(seen.unreadable), seen.duplicates, seen.conflicts) == (4, (), ())


def test_a_damaged_mask_is_named_and_a_missing_one_is_not(tmp_path: Path, write_video: WriteVideo) -> None:
    path = write_video("fake.mp4", [np.zeros((32, 32, 3), np.uint8)] * 2)
    broken = tmp_path / "mask.mp4"
    broken.write_bytes(b"no video")
    videos = [video(path, Label.FAKE, mask=mask) for mask in (path, broken, tmp_path / "gone.mp4")]
    seen = inspect(videos, workers=2, progress=SilentProgress())
    assert (seen.videos, seen.unreadable) == (3, ())
    assert [one.partition(": ")[2][: len(str(broken))] for one in seen.masks] == [str(broken)]


def test_a_download_that_was_cut_off_is_named(tmp_path: Path, write_video: WriteVideo) -> None:
    frames = list(moving(9, (96, 64)))
    fast, matroska = write_video("fast.mp4", frames, faststart=True), write_video("b.mkv", frames)
    whole = [video(fast), video(matroska)]
    assert inspect(whole, workers=1, progress=SilentProgress()).unreadable == ()
    for path, share in ((fast, 0.9), (matroska, 0.5)):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
    seen = inspect(whole, workers=1, progress=SilentProgress()).unreadable
    assert ["ends early" in one for one in seen] == [True, True]


def test_the_last_frame_is_looked_at_too(tmp_path: Path) -> None:
    path = sequence(tmp_path / "a", png(0), png(1), b"no image")
    (reason,) = inspect([video(path)], workers=1, progress=SilentProgress()).unreadable
    assert "2.png" in reason


def crash_or_hang(path: Path, _: Reading) -> str | None:
    """Instead of a decoder, in the process that decodes."""
    if path.name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if path.name == "hang":
        threading.Event().wait()
    return ""


def test_what_nobody_foresaw_is_told_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def strange(*_: object) -> Iterator[object]:
        raise RecursionError("too deep")

    monkeypatch.setattr("dfbench.data.decoding.video.read_frames", strange)
    assert inspection._look(tmp_path / "a", Reading()) == f"{tmp_path}/a: RecursionError: too deep"


@pytest.mark.slow
def test_a_file_that_crashes_or_hangs_the_decoder_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_look", crash_or_hang)
    videos = [video(tmp_path / name) for name in ("crash", "good", "hang", "better")]
    seen = inspect(videos, workers=1, progress=SilentProgress(), seconds=1)
    assert seen.videos == 4
    assert seen.unreadable == (
        f"crash: {tmp_path}/crash: the process that decoded frames died: SIGKILL",
        f"hang: {tmp_path}/hang: no frames after 1 s",
    )
