"""The face store among several roots: faces and failures count for the file that they were made of, and for no other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.toy_stage import SPEC, ToyStage, grey_video, toy_stage

from dfbench.data.datasets.manifest import file_fingerprints, fingerprints_digest
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.fingerprints import fingerprint
from dfbench.data.preparing import prepare
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import read_faces
from dfbench.errors import MissingVideoError, VideoError
from dfbench.progress import SilentProgress
from dfbench.types import Status, Video


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyStage:
    folder = tmp_path / "toy"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return toy_stage(folder, 1)


def project(toy: ToyStage, name: str, greys: dict[str, int]) -> list[Video]:
    """Uncompressed videos, which are all of one size: another grey is all that differs."""
    root = toy.folder / name
    root.mkdir()
    return [
        replace(
            toy.videos[0],
            video_id=f"real/{one}",
            path=grey_video(root / f"{one}.avi", grey, codec="rawvideo"),
        )
        for one, grey in greys.items()
    ]


def made(
    toy: ToyStage, videos: list[Video], *, retry: bool = False, verify: bool = False
) -> list[PreparedResult]:
    return list(toy.prepare_some(videos, "store", workers=1, retry=retry, verify=verify).videos)


def told(toy: ToyStage, videos: list[Video], *, verify: int = 0) -> list[Status | None]:
    """What `dfbench data status` would say."""
    known = prepare.prepared(
        videos,
        SPEC,
        store_root=toy.folder / "store",
        corpus="toy",
        progress=SilentProgress(),
        verify=verify,
    )
    return [None if one is None else one.status for one in known]


def grey_of(result: PreparedResult) -> int:
    assert result.status is Status.OK, result.reason
    return 10 * round(float(np.mean([crop.mean() for crop in read_faces(result.path).crops])) / 10)


def statuses(results: list[PreparedResult]) -> list[Status]:
    return [one.status for one in results]


def test_two_projects_of_the_same_names_have_faces_of_their_own(toy: ToyStage) -> None:
    a = project(toy, "A", {"1": 40, "2": 60})
    b = project(toy, "B", {"1": 80, "2": 100})
    assert [one.path.stat().st_size for one in a] == [one.path.stat().st_size for one in b]
    assert [grey_of(one) for one in made(toy, a)] == [40, 60]
    assert told(toy, b) == [None, None]
    assert [grey_of(one) for one in made(toy, b)] == [80, 100]
    assert [grey_of(one) for one in made(toy, a)] == [40, 60]  # neither replaces the other
    assert toy.log() == {4: 1, 6: 1, 8: 1, 10: 1}
    assert fingerprints_digest(file_fingerprints(a)) != fingerprints_digest(file_fingerprints(b))


@pytest.mark.parametrize("how", ["deleted", "unmounted"])
def test_a_video_that_is_gone_is_missing_whatever_the_store_holds(toy: ToyStage, how: str) -> None:
    videos = project(toy, "A", {"1": 40, "2": 60})
    before = fingerprints_digest(file_fingerprints(videos))
    assert statuses(made(toy, videos)) == [Status.OK] * 2
    gone = videos[1].path
    gone.rename(gone.with_name("kept"))
    if how == "unmounted":
        gone.symlink_to("/mnt/unmounted/2.avi")
    assert told(toy, videos) == told(toy, videos, verify=1) == [Status.OK, Status.MISSING]
    results = made(toy, videos)
    assert statuses(results) == [Status.OK, Status.MISSING]
    assert str(gone) in results[1].reason
    assert "no such file" in results[1].reason
    assert statuses(made(toy, videos, retry=True)) == [Status.OK, Status.MISSING]
    assert fingerprints_digest(file_fingerprints(videos)) != before
    gone.unlink(missing_ok=True)
    gone.with_name("kept").rename(gone)
    assert statuses(made(toy, videos)) == [Status.OK] * 2
    assert fingerprints_digest(file_fingerprints(videos)) == before
    assert toy.log() == {4: 1, 6: 1}


def test_a_root_that_moved_or_was_copied_keeps_its_faces(toy: ToyStage) -> None:
    videos = project(toy, "A", {"1": 40})
    (first,) = made(toy, videos)
    (toy.folder / "A").rename(toy.folder / "a")
    moved = [replace(videos[0], path=toy.folder / "a" / "1.avi")]
    shutil.copytree(toy.folder / "a", toy.folder / "copy", copy_function=shutil.copyfile)
    os.utime(toy.folder / "copy" / "1.avi", (1, 1))
    (toy.folder / "linked").symlink_to("copy")
    copies = [[replace(videos[0], path=toy.folder / where / "1.avi")] for where in ("copy", "linked")]
    for same in (moved, *copies):
        assert [one.path for one in made(toy, same)] == [first.path]
        assert fingerprints_digest(file_fingerprints(same)) == fingerprints_digest(file_fingerprints(moved))
    assert toy.log() == {4: 1}


def test_a_video_that_is_replaced_is_prepared_and_comes_back(toy: ToyStage) -> None:
    (video,) = project(toy, "A", {"1": 40})
    (other,) = project(toy, "B", {"1": 80})
    (first,) = made(toy, [video])
    kept, stat = video.path.read_bytes(), video.path.stat()
    video.path.write_bytes(other.path.read_bytes())
    os.utime(video.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing but the content tells
    assert told(toy, [video]) == [None]
    assert [grey_of(one) for one in made(toy, [video])] == [80]
    video.path.write_bytes(kept)
    assert [one.path for one in made(toy, [video])] == [first.path]
    assert toy.log() == {4: 1, 8: 1}


def test_the_failure_of_another_file_is_no_failure(toy: ToyStage) -> None:
    (black,) = project(toy, "A", {"1": 0})
    (face,) = project(toy, "B", {"1": 40})
    os.utime(face.path, ns=(0, black.path.stat().st_mtime_ns))
    assert statuses(made(toy, [black])) == [Status.NO_FACE]
    assert told(toy, [face]) == [None]
    assert [grey_of(one) for one in made(toy, [face])] == [40]
    assert statuses(made(toy, [black])) == [Status.NO_FACE]
    assert toy.log() == {0: 1, 4: 1}


def test_what_failed_is_tried_again_where_a_byte_is_another(toy: ToyStage) -> None:
    """A damaged file that was downloaded again may differ where no sample is taken; a copy does not."""
    (black,) = project(toy, "A", {"1": 0})
    with black.path.open("ab") as opened:
        opened.write(bytes(10**6))
    for seconds in (1, 2, 1):
        os.utime(black.path, (seconds, seconds))
        assert statuses(made(toy, [black])) == [Status.NO_FACE]
    assert toy.log() == {0: 1}
    with black.path.open("r+b") as opened:
        opened.seek(10**5)
        opened.write(b"!")
    assert told(toy, [black]) == [None]
    assert statuses(made(toy, [black])) == [Status.NO_FACE]
    assert toy.log() == {0: 2}


def test_faces_that_lie_under_another_name_are_not_taken(toy: ToyStage) -> None:
    """A store whose files were copied about: the name says which video it is, and so does the content."""
    (video,) = project(toy, "A", {"1": 40})
    (other,) = project(toy, "B", {"1": 80})
    (first,), (second,) = made(toy, [video]), made(toy, [other])
    shutil.copyfile(first.path, second.path)
    assert told(toy, [video, other]) == [Status.OK, None]
    assert grey_of(made(toy, [other])[0]) == 80


def test_verifying_reads_all_of_a_video(toy: ToyStage) -> None:
    """Noise of equal size, whose change is where no sample is taken."""
    (video,) = project(toy, "A", {"1": 40})
    (result,) = made(toy, [video])
    stat = video.path.stat()
    padded = video.path.read_bytes() + bytes(10**6)
    video.path.write_bytes(padded)
    assert told(toy, [video]) == [None]
    (result,) = made(toy, [video])
    with video.path.open("r+b") as opened:
        opened.seek(len(padded) // 10)
        opened.write(b"!")
    os.utime(video.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert told(toy, [video]) == [Status.OK]
    assert told(toy, [video], verify=2) == [None]
    assert toy.log() == {4: 2}
    assert made(toy, [video], verify=True)[0].path == result.path
    assert toy.log() == {4: 3}
    assert told(toy, [video], verify=2) == [Status.OK]


@pytest.mark.parametrize(("change", "error"), [("replaced", VideoError), ("deleted", MissingVideoError)])
def test_a_video_that_changes_while_its_faces_are_looked_for_has_none(
    toy: ToyStage, monkeypatch: pytest.MonkeyPatch, change: str, error: type[VideoError]
) -> None:
    import importlib

    (video,) = project(toy, "A", {"1": 40})
    finder = importlib.import_module("toy_finder").Finder("cpu")
    find: Callable[..., object] = finder.find

    def changing(frames: object) -> object:
        video.path.unlink()
        if change == "replaced":
            grey_video(video.path, 80, codec="rawvideo")
        return find(frames)

    monkeypatch.setattr(finder, "find", changing)
    with pytest.raises(error) as caught:
        prepare_video(video.path, SPEC, finder, toy.folder / "1.faces")
    assert type(caught.value) is error
    assert str(video.path) in caught.value.message
    assert not (toy.folder / "1.faces").exists()


def test_a_video_that_is_another_than_when_the_command_began_is_an_error(
    toy: ToyStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the machine that works on it sees another file there."""
    (video,) = project(toy, "A", {"1": 40})

    def before(paths: list[Path]) -> list[str]:
        return ["5f" * 16 for _ in paths]

    monkeypatch.setattr(prepare, "fingerprints", before)
    (result,) = made(toy, [video])
    assert result.status is Status.ERROR
    assert "changed since this command began" in result.reason
    monkeypatch.undo()
    monkeypatch.syspath_prepend(toy.folder)
    assert statuses(made(toy, [video])) == [Status.OK]  # the error is not kept
    assert read_faces(made(toy, [video])[0].path).origin.source == fingerprint(video.path)
