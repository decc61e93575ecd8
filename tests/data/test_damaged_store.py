"""Damaged files in a face store: whatever stands in them, a video counts as done or is prepared anew."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.data.fingerprints import fingerprint
from dfbench.data.outcomes import known_outcome, store_failure
from dfbench.data.store import StoredFaces, read_faces, read_origin, write_faces
from dfbench.errors import StoreError
from dfbench.types import FaceTrack, Label, Status, Video

RECORDS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just("no_face")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["status", "reason", "source", "more"]), inner, max_size=4),
    ),
    max_leaves=8,
)


@given(content=st.one_of(st.binary(max_size=99), RECORDS.map(lambda one: json.dumps(one).encode())))
@settings(deadline=None, max_examples=150)
def test_whatever_stands_where_an_outcome_should(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.faces"
        video = Video("toy", "a", Path(folder) / "a.mp4", Label.REAL, "test", "real", "c23", (), "a")
        video.path.write_bytes(b"no video")
        path.with_suffix(".json").write_bytes(content)
        path.write_bytes(content)
        source = fingerprint(video.path)
        assert known_outcome(video, path, source) is None
        again = store_failure(video, path, Status.UNDECODABLE, "not a readable video")
        assert known_outcome(video, path, source) == again


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4), st.floats(0, 1))
@settings(deadline=None, max_examples=300)
def test_a_changed_face_file_is_whole_or_made_anew(changes: list[tuple[float, int]], cut: float) -> None:
    content = bytearray(face_file())
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.faces"
        path.write_bytes(content[: int(cut * len(content))] if cut < 0.2 else content)
        whole = read_origin(path, whole=True) is not None
        try:
            faces = read_faces(path)
        except StoreError as error:
            assert not whole
            assert str(path) in error.message  # noqa: PT017
        else:
            assert len(faces.crops) == 4


@pytest.mark.parametrize("origin", [None, b"[]", b'{"source": "5f", "who": "knows"}', b"{"])
def test_a_face_file_that_does_not_say_what_it_was_made_of_is_made_anew(
    tmp_path: Path, origin: bytes | None
) -> None:
    """Such as those of earlier versions."""
    path = tmp_path / "a.faces"
    with zipfile.ZipFile(io.BytesIO(face_file())) as whole, zipfile.ZipFile(path, "w") as written:
        for name in whole.namelist():
            if name != "origin.json":
                written.writestr(name, whole.read(name))
        if origin is not None:
            written.writestr("origin.json", origin)
    assert read_origin(path, whole=False) is None
    with pytest.raises(StoreError, match=r"a\.faces"):
        read_faces(path)
    assert not path.exists()


@cache
def face_file() -> bytes:
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in range(4)]
    boxes = np.tile(np.asarray([0, 0, 9, 9], np.float32), (4, 1))
    none = np.zeros((4, 0, 2), np.float32)
    track = FaceTrack(
        np.arange(4), boxes, np.ones(4, np.float32), none, "none", (9, 9), np.ones(4, np.float32)
    )
    with tempfile.TemporaryDirectory() as folder:
        write_faces(Path(folder) / "a.faces", StoredFaces(crops, boxes, track))
        return (Path(folder) / "a.faces").read_bytes()
