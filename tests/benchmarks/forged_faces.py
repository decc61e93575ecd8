"""What tells the demo's forged faces from real ones without any detector: how sharp they are, and how large found.

python -m tests.benchmarks.forged_faces     # AUC of either alone, each fake beside its real video, and blurred real faces
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.decoding.video import read_frames
from dfbench.data.faces.cutting import sharpness
from dfbench.data.store.face_files import read_track
from dfbench.metrics.point import auc
from dfbench.progress import SilentProgress
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import data_source
from dfbench.types import FrameChoice, Label, Status, Video
from dfbench_fakestormer.recipe import load_recipe
from dfbench_plugins.demo.plan import plan
from dfbench_plugins.face_finders.mtcnn import Mtcnn

DATASETS = ("ffpp", "celeb_df_v2", "dfdc", "dfd")
BLURS = (0.01, 0.02, 0.03)  # standard deviations, in widths of the face
BLURRED = 60  # videos

Logs = NDArray[np.float64]  # (2,): logarithms of a face's sharpness and height


def main() -> None:
    setup, progress = Setup(), SilentProgress()
    registry, settings = setup.registry, setup.settings
    source = data_source("demo", registry, settings, size="full", progress=progress)
    session = Session(setup.host, settings, source, progress)
    spec = load_recipe("demo").clips().prepare()
    reals: list[Video] = []
    for name in DATASETS:
        dataset = registry.dataset(name)
        root = source.root_for(dataset)
        videos = [one for one in session.index(name).videos if one.split == "test"]
        reals += [one for one in videos if one.label is Label.REAL]
        report = session.prepare(videos, spec)
        ready = [one for one in report.videos if one.status is Status.OK]
        faces = {one.video.path: stored(one.path) for one in ready}
        fake = np.array([int(one.video.label) for one in ready], dtype=np.int8)
        sharp, tall = np.array([faces[one.video.path] for one in ready]).T
        print(
            f"{name}\tAUC of softness alone {auc(-sharp, fake):.3f}, of shortness alone {auc(-tall, fake):.3f}"
        )
        for method, changes in beside_their_real(name, root, faces).items():
            told(f"{name}, {method}, beside its real video", changes)
    finder = Mtcnn("cpu")
    for blur in BLURS:
        changed = [blurred(one, finder, blur) for one in reals[:: max(1, len(reals) // BLURRED)]]
        told(f"real, blurred inside by {blur} of its width", [one for one in changed if one is not None])


def stored(path: Path) -> Logs:
    track = read_track(path).track
    heights = track.boxes[:, 3] - track.boxes[:, 1]
    return np.array([np.log(track.quality.mean()), np.log(heights).mean()])


def beside_their_real(corpus: str, root: Path, faces: dict[Path, Logs]) -> dict[str, list[Logs]]:
    """By manipulation: what each fake adds to the real video of the same scene."""
    changes: dict[str, list[Logs]] = {}
    for shot in (shot for job in plan("full", seed=0) if job.corpus == corpus for shot in job.shots):
        real = [cut for cut in shot.cuts if not cut.method and root / cut.path in faces]
        for cut in shot.cuts:
            if cut.method and real and root / cut.path in faces:
                change = faces[root / cut.path] - faces[root / real[0].path]
                changes.setdefault(cut.method, []).append(change)
    return changes


def blurred(video: Video, finder: Mtcnn, blur: float) -> Logs | None:
    """What a blur of the inside of a real face adds to it; None if the face is lost."""
    _, image = next(read_frames(video.path, FrameChoice("first", 1)))
    before = largest(image, finder)
    if before is None:
        return None
    (x0, y0, x1, y1), mask = before, np.zeros(image.shape[:2], np.float32)
    middle, axes = (x0 + x1) / 2, (0.38 * (x1 - x0), 0.40 * (y1 - y0))
    cv2.ellipse(mask, ((middle, 0.45 * y0 + 0.55 * y1), (2 * axes[0], 2 * axes[1]), 0), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.03 * (x1 - x0))[..., None]
    soft = cv2.GaussianBlur(image, (0, 0), blur * (x1 - x0))
    mixed = np.rint(image * (1 - mask) + soft * mask).astype(np.uint8)
    after = largest(mixed, finder)
    if after is None:
        return None
    boxes = np.array([before, after])
    sharp = [sharpness(one, box.astype(np.float32)) for one, box in zip((image, mixed), boxes, strict=True)]
    return np.array([np.diff(np.log(sharp))[0], np.diff(np.log(boxes[:, 3] - boxes[:, 1]))[0]])


def largest(image: NDArray[np.uint8], finder: Mtcnn) -> list[float] | None:
    (found,) = finder.find([image])
    if not len(found.boxes):
        return None
    return [float(one) for one in max(found.boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))]


def told(what: str, changes: list[Logs]) -> None:
    values = np.reshape(changes, (-1, 2))
    sharper, taller = np.exp(values.mean(axis=0)) - 1
    error = values[:, 1].std() / len(values) ** 0.5
    print(
        f"{what} ({len(values)})\tsharpness {sharper:+.0%}, height {taller:+.1%} (standard error {error:.1%})"
    )


if __name__ == "__main__":
    main()
