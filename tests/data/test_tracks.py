"""The table of all boxes of a dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dfbench.data.preparing import box_table as tracks
from dfbench.data.preparing.box_table import TRACKS, tracks_path, write_tracks
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import Sightings, StoredFaces, write_faces
from dfbench.errors import StoreError
from dfbench.types import FaceTrack, Label, Status, Video

ROWS = 3


def stored(folder: Path, name: str, *, landmarks: int) -> PreparedResult:
    rng = np.random.default_rng(len(name))
    faces = StoredFaces(
        crops=[rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(ROWS)],
        crop_boxes=np.zeros((ROWS, 4), np.float32),
        track=FaceTrack(
            frame_indices=np.arange(ROWS, dtype=np.int64) * 5,
            boxes=rng.random((ROWS, 4), np.float32),
            scores=np.array([0.9, 0, 0.8], np.float32),
            landmarks=rng.random((ROWS, landmarks, 2), np.float32),
            landmark_kind="dlib" if landmarks else "none",
            frame_size=(40, 30),
            quality=np.array([1, 2, 3], np.float32),
        ),
        seen=Sightings(
            track=np.array([0, 0, 1], np.int32),
            frame_indices=np.array([0, 10, 10], np.int64),
            boxes=rng.random((3, 4), np.float32),
            scores=np.array([0.9, 0.8, 0.7], np.float32),
            points=rng.random((3, 5, 2), np.float32),
        ),
    )
    path = folder / f"{name}.faces"
    write_faces(path, faces)
    video = Video("toy", name, path, Label.REAL, "test", "real", "c23", (), name)
    return PreparedResult(video, Status.OK, "", path)


def test_the_table_has_what_was_cut_and_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "VIDEOS_AT_ONCE", 1)
    done = [stored(tmp_path, "a", landmarks=81), stored(tmp_path, "bb", landmarks=0)]
    failed = replace(done[0], status=Status.NO_FACE)
    path = tmp_path / "table" / "tracks.parquet"
    assert write_tracks([done[0], failed, done[1]], path) == 12
    table = pd.read_parquet(path)
    assert table["video_id"].tolist() == ["a"] * 6 + ["bb"] * 6
    cut, seen = table[table["cut"]], table[~table["cut"]]
    assert cut["frame"].tolist() == [0, 5, 10] * 2
    assert cut["track"].tolist() == [0] * 6
    assert cut["quality"].tolist() == [1, 2, 3] * 2
    assert seen["track"].tolist() == [0, 0, 1] * 2
    assert seen["frame"].tolist() == [0, 10, 10] * 2
    assert seen["quality"].isna().all()
    assert [len(one) for one in seen["points"]] == [10] * 6
    assert [len(one) for one in cut["landmarks"][:3]] == [162] * 3
    assert cut["landmarks"][6:].isna().all()
    assert [one.name for one in path.parent.iterdir()] == ["tracks.parquet"]
    again = tmp_path / "again.parquet"
    write_tracks([done[0], done[1]], again)
    assert again.read_bytes() == path.read_bytes()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"tracks\.parquet"):
        write_tracks([], tmp_path / "file" / "tracks.parquet")


def test_a_face_file_that_is_made_anew_just_now_is_left_out(tmp_path: Path) -> None:
    done = [stored(tmp_path, "a", landmarks=0), stored(tmp_path, "bb", landmarks=0)]
    done[0].path.unlink()
    assert write_tracks(done, tmp_path / "tracks.parquet") == 6
    assert not list(tmp_path.glob("*.part"))


def test_each_root_has_a_table(tmp_path: Path) -> None:
    faces = tmp_path / "store" / "1.faces"
    roots = [tmp_path / one / "own videos" for one in ("A", "B")]
    paths = {tracks_path(faces, root) for root in roots}
    assert len(paths) == 2
    assert {path.name for path in paths} == {TRACKS}
    assert {path.parent.parent for path in paths} == {faces.parent}
    assert tracks_path(faces, roots[0] / ".." / "own videos") in paths
