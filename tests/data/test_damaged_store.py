"""Damaged files in a face store: whatever stands in them, a video counts as done or is prepared anew."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chance import examples

from dfbench.data.fingerprints import fingerprint
from dfbench.data.preparing.outcomes import known_outcome, store_failure
from dfbench.data.store.face_files import StoredFaces, read_faces, read_origin, write_faces
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
@settings(deadline=None, max_examples=examples(150))
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
@settings(deadline=None, max_examples=examples(300))
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


def rewritten(
    path: Path, entries: Mapping[str, bytes] | None = None, *, kind: int = zipfile.ZIP_STORED, **named: bytes
) -> Path:
    """The face file `face_file`, with other entries (named without their suffix) and another compression, at `path`."""
    with zipfile.ZipFile(io.BytesIO(face_file())) as source, zipfile.ZipFile(path, "w", kind) as target:
        for info in source.infolist():
            target.writestr(
                info.filename, {**named, **(entries or {})}.get(Path(info.filename).stem, source.read(info))
            )
    return path


def arrays(**changes: object) -> bytes:
    """The arrays of `face_file` with others in their place; None leaves one out."""
    with zipfile.ZipFile(io.BytesIO(face_file())) as source:
        found = dict(np.load(io.BytesIO(source.read("track.npz"))))
    content = io.BytesIO()
    np.savez(content, **{name: one for name, one in {**found, **changes}.items() if one is not None})
    return content.getvalue()


def claiming(shape: str, dtype: str = "<f8") -> bytes:
    """The arrays of `face_file`, of which the scores are said to be of a shape that they do not have."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(16)
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(arrays())) as source, zipfile.ZipFile(content, "w") as target:
        for info in source.infolist():
            target.writestr(info.filename, npy if info.filename == "scores.npy" else source.read(info))
    return content.getvalue()


def declared(width: int, height: int) -> bytes:
    """The header of a lossless WebP that says that it is this large."""
    bits = (width - 1) | (height - 1) << 14
    return (
        b"RIFF"
        + bytes([40, 0, 0, 0])
        + b"WEBPVP8L"
        + bytes([20, 0, 0, 0])
        + b"/"
        + bits.to_bytes(4, "little")
        + bytes(16)
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda path: rewritten(path, track=arrays(boxes=np.zeros((2, 3), np.float32))),
        lambda path: rewritten(path, track=arrays(boxes=np.zeros(0, np.float32))),
        lambda path: rewritten(path, track=arrays(frame_indices=np.array(["0", "1"]))),
        lambda path: rewritten(path, track=arrays(frame_size=np.array(5))),
        lambda path: rewritten(path, track=arrays(seen=np.zeros((1, 16)))),
        lambda path: rewritten(path, track=arrays(landmark_kind=np.array(1))),
        lambda path: rewritten(path, track=arrays(quality=None)),
        lambda path: rewritten(path, track=claiming("(10**12,)")),
        lambda path: rewritten(path, track=claiming("(1000000000000,)")),
        lambda path: rewritten(path, track=claiming("(-2,)")),
        lambda path: rewritten(path, track=claiming(f"({'9' * 5000},)")),
        lambda path: rewritten(path, track=claiming("(2,)", "|O")),
        lambda path: rewritten(path, track=b"no zip"),
        lambda path: rewritten(path, origin=b"[]"),
        lambda path: rewritten(path, origin=b"null"),
        lambda path: rewritten(path, origin=b'{"source": 1}'),
        lambda path: rewritten(path, origin=b'{"face_frames": 1e400}'),
        lambda path: rewritten(path, origin=b'{"face_frames": "many"}'),
        lambda path: rewritten(path, origin=b"[" * 10**5),
        lambda path: rewritten(path, {"000000": declared(16384, 16384)}),
        lambda path: rewritten(path, {"000000": declared(8, 8)}),
        lambda path: rewritten(path, {"000000": b""}),
        lambda path: rewritten(path, kind=zipfile.ZIP_DEFLATED),
    ],
)
def test_a_face_file_of_another_shape_is_damaged(made: Callable[[Path], Path], tmp_path: Path) -> None:
    path = made(tmp_path / "a.faces")
    with pytest.raises(StoreError, match=r"a\.faces is damaged"):
        read_faces(path)


def test_what_is_no_file_is_no_face_file(tmp_path: Path) -> None:
    for target in ("/dev/zero", str(tmp_path), "pipe"):
        path = tmp_path / "a.faces"
        path.symlink_to(target)
        if target == "pipe":
            os.mkfifo(tmp_path / "pipe")
        assert read_origin(path, whole=True) is None
        with pytest.raises(StoreError, match=r"a\.faces is damaged"):
            read_faces(path)
        path.unlink()
