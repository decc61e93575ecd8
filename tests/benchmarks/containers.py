"""Containers that face crops could be stored in: each writes crops and reads some of them, without loss."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import blosc2
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Crops = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Container:
    """`read` gives the crops at the given places, or raises if it notices damage."""

    name: str
    write: Callable[[Path, Crops], None]
    read: Callable[[Path, Sequence[int]], list[NDArray[np.uint8]]]


def _zip_of(encode: Callable[[NDArray[np.uint8]], bytes]) -> Callable[[Path, Crops], None]:
    def write(path: Path, crops: Crops) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for number, crop in enumerate(crops):
                archive.writestr(f"{number:06d}", encode(crop))

    return write


def _read_zip(path: Path, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
    with zipfile.ZipFile(path) as archive:
        read = [np.frombuffer(archive.read(f"{row:06d}"), np.uint8) for row in rows]
    return [np.asarray(cv2.imdecode(one, cv2.IMREAD_COLOR_RGB), np.uint8) for one in read]


# Each row as its difference to the row above: of the PNG filters, the quickest to undo.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)


def _png(crop: NDArray[np.uint8]) -> bytes:
    return bytes(
        cv2.imencode(
            ".png",
            cv2.cvtColor(crop, cv2.COLOR_RGB2BGR),
            (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
        )[1]
    )


def _webp(crop: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "webp", lossless=True, quality=0, method=0)
    return out.getvalue()


def _write_ffv1(path: Path, crops: Crops) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.height, stream.width = crops[0].shape[:2]
        stream.pix_fmt = "bgr0"
        stream.options = {"level": "3", "slicecrc": "1", "g": "1"}
        for crop in crops:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(crop), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))


def _read_ffv1(path: Path, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for row in rows:
            time = round(row / 25 / stream.time_base)
            container.seek(time, stream=stream)
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts >= time:
                    found.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                    break
    return found


def _write_blosc2(path: Path, crops: Crops) -> None:
    path.unlink(missing_ok=True)
    shape = crops[0].shape
    blosc2.asarray(
        np.stack(crops),
        chunks=(1, *shape),
        blocks=(1, *shape),
        urlpath=str(path),
        cparams=blosc2.CParams(
            codec=blosc2.Codec.ZSTD,
            clevel=3,
            typesize=3,
            nthreads=1,
            filters=[blosc2.Filter.SHUFFLE],
        ),
    )


def _read_blosc2(path: Path, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
    stored = blosc2.open(str(path), mode="r", dparams=blosc2.DParams(nthreads=1))
    return [np.asarray(stored[row], np.uint8) for row in rows]


CONTAINERS = (
    Container("zip of PNG", _zip_of(_png), _read_zip),
    Container("zip of WebP", _zip_of(_webp), _read_zip),
    Container("FFV1 in Matroska", _write_ffv1, _read_ffv1),
    Container("Blosc2", _write_blosc2, _read_blosc2),
)
