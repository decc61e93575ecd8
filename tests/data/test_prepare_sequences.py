"""Preparing sequences of face crops: the face is found again in the crop, or the video has no face."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.data.one_spec import prepare

from dfbench.data.datasets.manifest import file_fingerprints, fingerprints_digest
from dfbench.data.fingerprints import fingerprint
from dfbench.data.store.face_files import read_faces
from dfbench.progress import SilentProgress
from dfbench.types import FrameChoice, Label, PrepareSpec, Status, Video

FINDER = "dfbench_plugins.face_finders.mtcnn:Mtcnn"


def write_archive(path: Path, sequences: dict[str, list[NDArray[np.uint8]]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for folder, images in sequences.items():
            for number, image in enumerate(images):
                content = io.BytesIO()
                Image.fromarray(image).save(content, "png")
                info = tarfile.TarInfo(f"{folder}/{number}.png")
                info.size = content.tell()
                archive.addfile(info, io.BytesIO(content.getvalue()))
    return path


@pytest.mark.slow
def test_crops_in_an_archive(face_frames: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    crops = [np.asarray(Image.fromarray(frame[20:220, 50:250]).resize((224, 224))) for frame in face_frames]
    flat = [np.full((224, 224, 3), 90, dtype=np.uint8)] * 3
    archive = write_archive(tmp_path / "3.tar.gz", {"3/real/1": crops, "3/real/2": flat})

    def videos() -> list[Video]:
        return [
            Video(
                "toy", f"real_test/3/{n}", archive / f"3/real/{n}", Label.REAL, "test", "real", "", (), str(n)
            )
            for n in (1, 2)
        ]

    def statuses() -> list[Status]:
        report = prepare(
            videos(),
            PrepareSpec(FrameChoice("uniform", 4)),
            store_root=tmp_path / "store",
            corpus="toy",
            finder=FINDER,
            workers=1,
            progress=SilentProgress(),
        )
        paths.append(report.videos[0].path)
        return [one.status for one in report.videos]

    paths: list[Path] = []
    before = fingerprints_digest(file_fingerprints(videos()))
    assert statuses() == [Status.OK, Status.NO_FACE]
    faces = read_faces(paths[0])
    assert faces.track.frame_indices.tolist() == [0, 1, 2, 3]
    assert faces.track.frame_size == (224, 224)
    assert faces.origin.source == fingerprint(archive / "3/real/1")
    made = paths[0].stat().st_mtime_ns
    assert statuses() == [Status.OK, Status.NO_FACE]
    assert paths[0].stat().st_mtime_ns == made  # done already
    write_archive(archive, {"3/real/1": crops, "3/real/2": crops})  # another release of the archive
    assert fingerprints_digest(file_fingerprints(videos())) != before
    assert statuses() == [Status.OK, Status.OK]
