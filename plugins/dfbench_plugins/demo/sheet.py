"""A contact sheet of the demo corpora: a row a corpus or method, real and fake side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from dfbench.data import MOST_SETTINGS, read_object, write_whole
from dfbench_plugins.demo.layouts import CARD
from dfbench_plugins.demo.pixels import U8
from dfbench_plugins.demo.plan import FFPP_METHODS, Job, plan

TITLES = {"celeb_df_v2": "Celeb-DF-v2", "dfdc": "DFDC", "dfd": "DFD"}


def contact_sheet(roots: Mapping[str, Path], path: Path, *, pairs: int = 3, height: int = 180) -> None:
    """Write a PNG to `path`: for each method of FF++ and each test corpus a row of `pairs` real-fake pairs.

    `roots` are what the corpus' `write` returned; `height` is a picture's, pixels.
    """
    rows = []
    for corpus, root in roots.items():
        card = read_object(root / CARD, most=MOST_SETTINGS)
        jobs = [
            job
            for job in plan(card["size"], seed=card["seed"])
            if job.corpus == corpus and job.split == "test"
        ]
        for method in FFPP_METHODS if corpus == "ffpp" else (corpus,):
            title = f"FF++ {method}" if corpus == "ffpp" else TITLES.get(corpus, corpus)
            rows.append(_row(title, _examples(jobs, root, method, pairs), height=height))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 6), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )
    done, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    assert done
    write_whole(path, lambda draft: draft.write_bytes(data.tobytes()))


def _examples(jobs: Sequence[Job], root: Path, method: str, pairs: int) -> list[tuple[U8, U8]]:
    """The same moment of a shot, real and forged, for the first `pairs` shots that have both at that moment."""
    found: list[tuple[U8, U8]] = []
    for shot in (shot for job in jobs for shot in job.shots):
        real = next(cut for cut in shot.cuts if not cut.method)
        fake = next((cut for cut in shot.cuts if cut.method == method), None)
        if fake is None or len(found) == pairs:
            continue
        low, high = max(real.start, fake.start), min(real.start + real.frames, fake.start + fake.frames)
        moment = (low + high) // 2
        found.append(
            (
                read_frame(root / real.path, moment - real.start),
                read_frame(root / fake.path, moment - fake.start),
            )
        )
    return found


def read_frame(path: Path, index: int) -> U8:
    """Frame `index` of a video, (h, w, 3) uint8 RGB. Raises IndexError if it is shorter."""
    with av.open(str(path.absolute())) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return cast(U8, frame.to_ndarray(format="rgb24"))
    raise IndexError(f"{path} has no frame {index}")


def _row(title: str, examples: Sequence[tuple[U8, U8]], *, height: int) -> U8:
    label = np.full((height, 150, 3), 255, dtype=np.uint8)
    cv2.putText(
        label,
        title.split(maxsplit=1)[0],
        (8, height // 2),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.55,
        (30, 30, 30),
        1,
        cv2.LINE_AA,
    )
    if " " in title:
        where = (8, height // 2 + 22)
        cv2.putText(
            label, title.split()[1], where, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (90, 90, 90), 1, cv2.LINE_AA
        )
    parts: list[U8] = [label]
    for real, fake in examples:
        for image, word, colour in ((real, "real", (40, 150, 70)), (fake, "fake", (200, 50, 40))):
            parts.append(_tile(image, word, colour, height=height))
        parts.append(np.full((height, 10, 3), 255, dtype=np.uint8))
    return cast(U8, np.concatenate(parts, axis=1))


def _tile(image: U8, word: str, colour: tuple[int, int, int], *, height: int) -> U8:
    wide = round(height * 4 / 3)
    grow = max(height / image.shape[0], wide / image.shape[1])
    size = (round(image.shape[1] * grow), round(image.shape[0] * grow))
    large = cv2.resize(image, size, interpolation=cv2.INTER_AREA if grow < 1 else cv2.INTER_LINEAR_EXACT)
    left, top = (size[0] - wide) // 2, (size[1] - height) // 2
    tile = np.ascontiguousarray(large[top : top + height, left : left + wide])
    cv2.rectangle(tile, (0, height - 20), (42, height), colour, -1)
    cv2.putText(tile, word, (5, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return tile
