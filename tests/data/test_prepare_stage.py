"""Preparation end to end on small real videos: statuses, resumption, damage, a full disk, kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.data.one_spec import prepare

from dfbench.data.clips import clip_positions, cut_crops, cut_landmarks, read_clips
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.fingerprints import content_digest, fingerprint
from dfbench.data.preparing.prepare import MAX_THREADS, threads_of_each
from dfbench.data.store import face_files as store
from dfbench.data.store.face_files import face_path, read_faces, read_origin
from dfbench.errors import NoFaceError, StoreError, TooShortError
from dfbench.progress import SilentProgress
from dfbench.types import ClipSpec, Faces, FrameChoice, Label, PrepareSpec, Sampling, Status, Video

FINDER = "dfbench_plugins.face_finders.mtcnn:Mtcnn"
SPEC = PrepareSpec(FrameChoice("uniform", 8), landmarks=True)

WriteVideo = Callable[..., Path]
Frames = list[NDArray[np.uint8]]


class OneFace:
    """A finder that knows where the face is: tests of tracking and storing need no network."""

    def __init__(self, box: tuple[float, float, float, float] = (90, 50, 210, 200)) -> None:
        self._box = np.asarray([box], dtype=np.float32)

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        points = np.asarray([[[125, 105], [175, 105], [150, 135], [130, 165], [170, 165]]], dtype=np.float32)
        return [Faces(self._box, np.ones(1, np.float32), points) for _ in frames]


class NoFace:
    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        none = Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
        return [none for _ in frames]


def test_cores_without_a_process_help() -> None:
    assert [threads_of_each(8, processes) for processes in (8, 16, 5, 4, 1)] == [1, 1, 1, 2, 8]
    assert threads_of_each(64, 1) == MAX_THREADS


def video_of(path: Path, name: str = "one") -> Video:
    return Video("toy", name, path, Label.REAL, "test", "real", "c23", (), name)


def test_crops_hold_the_pixels_of_the_frame(
    write_video: WriteVideo, face_frames: Frames, tmp_path: Path
) -> None:
    source = write_video("face.mp4", face_frames * 2)
    target = tmp_path / "one.faces"
    prepare_video(source, SPEC, OneFace(), target)
    stored = read_faces(target)
    assert stored.track.frame_indices.tolist() == list(range(8))
    assert stored.track.landmarks.shape == (8, 81, 2)
    assert stored.track.landmark_kind == "dlib"
    inside = (stored.track.landmarks[:, :68] > 60) & (stored.track.landmarks[:, :68] < 240)
    assert inside.mean() > 0.95
    crops = cut_crops(stored, [0, 3], size=64, margin=0.1)
    assert crops.shape == (2, 64, 64, 3)
    marks = cut_landmarks(stored, [0], size=64, margin=0.1)
    assert 0 < marks[0, 30, 0] < 64
    assert crops[0].std() > 20  # a face, not an edge repeated
    (part,) = read_faces(target, frames=[3]).crops
    np.testing.assert_array_equal(part, stored.crops[3])


def test_equal_content_gives_equal_bytes(
    write_video: WriteVideo, face_frames: Frames, tmp_path: Path
) -> None:
    source = write_video("face.mp4", face_frames)
    for name in ("a", "b"):
        prepare_video(source, SPEC, OneFace(), tmp_path / f"{name}.faces")
    assert (tmp_path / "a.faces").read_bytes() == (tmp_path / "b.faces").read_bytes()


def test_no_face_names_the_file(write_video: WriteVideo, face_frames: Frames, tmp_path: Path) -> None:
    source = write_video("wall.mp4", face_frames)
    with pytest.raises(NoFaceError, match=r"wall\.mp4"):
        prepare_video(source, SPEC, NoFace(), tmp_path / "one.faces")


def test_a_full_disk_stops_with_the_way_out(
    write_video: WriteVideo,
    face_frames: Frames,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = write_video("face.mp4", face_frames)

    class Full(zipfile.ZipFile):
        def writestr(self, *_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.zipfile, "ZipFile", Full)  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="No space left") as caught:
        prepare_video(source, SPEC, OneFace(), tmp_path / "faces" / "one.faces")
    assert any("DFBENCH_CACHE" in hint for hint in caught.value.hints)
    assert list((tmp_path / "faces").iterdir()) == []


def test_damage_is_noticed(write_video: WriteVideo, face_frames: Frames, tmp_path: Path) -> None:
    target = tmp_path / "one.faces"
    source = write_video("face.mp4", face_frames)
    prepare_video(source, SPEC, OneFace(), target)
    origin = read_origin(target, whole=True)
    assert origin is not None
    assert (origin.source, origin.content) == (fingerprint(source), content_digest(source))
    data = bytearray(target.read_bytes())
    data[len(data) // 3] ^= 0xFF
    target.write_bytes(bytes(data))
    assert read_origin(target, whole=True) is None
    with pytest.raises(StoreError, match=r"one\.faces"):
        read_faces(target)


def test_clip_positions() -> None:
    uniform = ClipSpec(frames=4, size=8, per_video=3)
    assert [p.tolist() for p in clip_positions(np.arange(10) * 5, uniform)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    runs = ClipSpec(frames=3, size=8, per_video=9, sampling=Sampling.CONSECUTIVE)
    found = clip_positions(np.asarray([0, 1, 2, 10, 12, 13, 14]), runs)
    assert [p.tolist() for p in found] == [[0, 1, 2], [4, 5, 6]]
    with pytest.raises(TooShortError, match="3 frames"):
        clip_positions(np.arange(3), uniform)


def test_face_paths_are_safe_and_unique(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "../../x", "é" * 300, "顔", ""]
    videos = [video_of(tmp_path / "x.mp4", name) for name in names]
    paths = [face_path(tmp_path, one, corpus="c", digest="e", source="5f") for one in videos]
    assert len(set(paths)) == len(names)
    folder = tmp_path / "c" / "toy-c23" / "e"
    assert all(path.parent == folder and len(path.name.encode()) < 200 for path in paths)


def test_faces_of_another_compression_are_other_faces(tmp_path: Path) -> None:
    video = video_of(tmp_path / "x.mp4")
    versions = [replace(video, compression=one) for one in ("raw", "c23", "c40", "")]
    assert len({face_path(tmp_path, one, corpus="c", digest="e", source="5f") for one in versions}) == 4


@pytest.mark.slow
def test_the_stage_with_mtcnn(write_video: WriteVideo, face_frames: Frames, tmp_path: Path) -> None:
    two = [np.concatenate([frame, frame[:, ::-1]], axis=1) for frame in face_frames]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video", encoding="utf-8")
    videos = [
        video_of(write_video("face.mp4", face_frames * 2), "face"),
        video_of(write_video("two.mp4", two * 2), "two"),
        video_of(write_video("wall.mp4", [np.full((240, 300, 3), 128, np.uint8)] * 8), "wall"),
        video_of(bad, "bad"),
        video_of(tmp_path / "gone.mp4", "gone"),
    ]

    def run() -> tuple[list[Status], dict[Path, int]]:
        report = prepare(
            videos,
            SPEC,
            store_root=tmp_path / "store",
            corpus="toy",
            finder=FINDER,
            workers=2,
            progress=SilentProgress(),
        )
        found = [one.path for one in report.videos if one.status is Status.OK]
        assert all(one.reason for one in report.videos if one.status is not Status.OK)
        return [one.status for one in report.videos], {path: path.stat().st_mtime_ns for path in found}

    first = run()
    assert first[0] == [Status.OK, Status.OK, Status.NO_FACE, Status.UNDECODABLE, Status.MISSING]
    assert run() == first  # nothing is done twice
    good, other = first[1]
    whole = good.read_bytes()
    good.write_bytes(whole[:1000])
    statuses, stamps = run()
    assert statuses == first[0]
    assert good.read_bytes() == whole  # the damaged file alone was remade
    assert stamps[other] == first[1][other]
    clips, positions = read_clips(good, ClipSpec(frames=4, size=32, per_video=2))
    assert clips.shape == (2, 4, 32, 32, 3)
    assert positions.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    write_video("face.mp4", two * 2)  # other pixels under the same name
    _, after = run()
    assert next(iter(after)) != good
    assert good.read_bytes() == whole  # it is still there for the video that it is of
    assert after[other] == stamps[other]


SCRIPT = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from dfbench.data.preparing.prepare import Preparation, prepare_all
from dfbench.progress import SilentProgress
from dfbench.types import FrameChoice, Label, PrepareSpec, Video
root = Path(sys.argv[1])
class Killing(SilentProgress):
    # kills this process and its workers when the first video is done
    @contextmanager
    def task(self, description, total=None):
        yield self
    def advance(self, count=1, note=""):
        os.killpg(0, signal.SIGKILL)
videos = [Video("toy", f"v{k}", root / "face.mp4", Label.REAL, "test", "real", "c23", (), str(k)) for k in range(8)]
if __name__ == "__main__":
    wanted = Preparation(videos, PrepareSpec(FrameChoice("uniform", 8)))
    [report] = prepare_all([wanted], store_root=root / "store", corpus="toy",
                           finder="dfbench_plugins.face_finders.mtcnn:Mtcnn", workers=1,
                           progress=Killing() if sys.argv[2] == "kill" else SilentProgress())
    print(*[one.status for one in report.videos])
"""


@pytest.mark.slow
def test_killed_and_started_again(write_video: WriteVideo, face_frames: Frames, tmp_path: Path) -> None:
    write_video("face.mp4", face_frames * 2)
    script = tmp_path / "stage.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path)]
    assert (
        subprocess.run([*command, "kill"], start_new_session=True, check=False).returncode == -signal.SIGKILL
    )
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.faces")}
    assert kept
    again = subprocess.run([*command, "whole"], capture_output=True, text=True, check=True)
    assert again.stdout.split() == ["ok"] * 8
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((tmp_path / "store").rglob("*.faces"))) == 8
