"""Real and fake must not be told apart by an accident: file size, bit rate, length, colour, sharpness, background.

Nor by the sharpness of the face alone where a detector is tested: forged faces are a little softer on purpose, and
the Deepfakes of FF++ much softer.

Logistic regressions on such cues, cross-validated with folds grouped by source identity, stay near chance in every
corpus, over two generator seeds. Shorter videos of the same pipeline keep this affordable: a video gives one value of
each cue, and its frames hardly differ in it, so what decides how small a leak shows is the number of people.
"""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dfbench.data.faces.cutting import sharpness
from dfbench.progress import SilentProgress
from dfbench_plugins.demo.corpora import write
from dfbench_plugins.demo.plan import plan
from dfbench_plugins.face_finders.mtcnn import Mtcnn

SEEDS = (11, 12)
CUES = {
    "weight": slice(0, 2),  # file size and bit rate
    "shape": slice(2, 6),  # frames, width, height, rate
    "colour": slice(6, 9),
    "sharpness": slice(9, 10),
    "background": slice(10, 13),
    "all": slice(0, 13),
    "face": slice(13, 14),
}
FAR = 0.15  # from chance
ON_PURPOSE = {("ffpp", "face")}


def _cues(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    size = path.stat().st_size
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[::3]]
    reach = frames.shape[1] // 6
    corners = np.stack([np.hstack((image[:reach, :reach], image[:reach, -reach:])) for image in grey])
    sharp = np.mean([cv2.Laplacian(image, cv2.CV_32F).var() for image in grey])
    corner_sharp = np.mean([cv2.Laplacian(image, cv2.CV_32F).var() for image in corners])
    return [
        float(np.log(size)),
        float(np.log(size * rate / len(frames))),
        len(frames),
        frames.shape[2],
        frames.shape[1],
        rate,
        *(float(value) for value in np.mean([cv2.mean(frame)[:3] for frame in frames], axis=0)),
        float(np.log(sharp)),
        float(corners.mean()),
        float(corners.std()),
        float(np.log(corner_sharp + 0.01)),
    ]


def _face_sharpness(path: Path, finder: Mtcnn) -> float:
    """Of the largest face of the first frame that shows one."""
    with av.open(str(path)) as container:
        for decoded in container.decode(video=0):
            frame = decoded.to_ndarray(format="rgb24")
            (faces,) = finder.find([frame])
            if len(faces.boxes):
                sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
                return float(np.log(sharpness(frame, faces.boxes[sides.prod(axis=1).argmax()])))
    raise AssertionError(path)


def _auc(cues: NDArray[np.float64], fake: NDArray[np.bool_], people: NDArray[np.int64]) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    guess = cross_val_predict(model, cues, fake, groups=people, cv=GroupKFold(5), method="decision_function")
    return float(roc_auc_score(fake, guess))


@pytest.mark.parametrize("leak", [0.0, 1.0])
def test_a_leak_of_one_standard_deviation_would_be_seen(leak: float) -> None:
    """With as many people as a test corpus has: 40 reals and the fakes of the same 40."""
    rng = np.random.default_rng(0)
    people, fake = np.tile(np.arange(40), 2), np.repeat([False, True], 40)
    found = [_auc(rng.normal(size=(80, 1)) + leak * fake[:, None], fake, people) for _ in SEEDS]
    assert (abs(np.mean(found) - 0.5) > FAR) == (leak > 0)


@pytest.mark.slow
def test_trivial_cues_do_not_separate_real_from_fake(tmp_path: Path) -> None:
    finder = Mtcnn("cpu")
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in SEEDS:
        roots = write(tmp_path / str(seed), size="cues", seed=seed, progress=SilentProgress())
        for corpus, root in roots.items():
            videos = [
                (root / cut.path, bool(cut.method), shot.people[0].number)
                for job in plan("cues", seed=seed)
                if job.corpus == corpus
                for shot in job.shots
                for cut in shot.cuts
            ]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                cues = np.array(list(pool.map(_cues, [path for path, _, _ in videos])))
            faces = [[_face_sharpness(path, finder)] for path, _, _ in videos]
            cues = np.hstack([cues, faces])
            fake, people = np.array([one[1] for one in videos]), np.array([one[2] for one in videos])
            for name, part in CUES.items():
                if (corpus, name) in ON_PURPOSE:
                    continue
                found[corpus, name].append(_auc(cues[:, part], fake, people))
    far = {key: values for key, values in found.items() if abs(float(np.mean(values)) - 0.5) > FAR}
    assert not far, far
