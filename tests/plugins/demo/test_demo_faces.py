"""Real tools must see people here: MTCNN finds the faces, and dlib's landmarks agree with the renderer's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN

from dfbench_plugins.demo.camera import film
from dfbench_plugins.demo.people import PersonKey
from dfbench_plugins.demo.sheet import read_frame
from dfbench_plugins.demo.styles import STYLES


def test_mtcnn_finds_the_faces(demo_roots: Mapping[str, Path]) -> None:
    finder = MTCNN(keep_all=True)
    found = total = 0
    with torch.inference_mode():
        for root in demo_roots.values():
            for path in sorted(root.rglob("*.mp4"))[::2]:
                if "masks" in path.parts:
                    continue
                _, scores = finder.detect(read_frame(path, 7))
                total += 1
                found += scores[0] is not None and max(scores) > 0.8
    assert total >= 40
    assert found >= 0.95 * total


@pytest.mark.slow
def test_dlib_landmarks_agree_with_the_renderer() -> None:
    models = find_spec("face_recognition_models")
    assert models is not None
    assert models.origin is not None
    predictor = dlib.shape_predictor(
        str(Path(models.origin).parent / "models/shape_predictor_68_face_landmarks.dat")
    )
    errors = []
    for number in range(6):
        key = PersonKey(0, "celeb_df_v2", number)
        footage = film((key,), STYLES["celeb_df_v2"], frames=2, rng=key.generator(3))
        points = footage.landmarks[1, 0]
        low, high = points.min(axis=0), points.max(axis=0)
        box = dlib.rectangle(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        shape = predictor(footage.frames[1], box)
        seen = np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float32)
        between_eyes = float(np.linalg.norm(points[36] - points[45]))
        errors.append(float(np.linalg.norm(seen - points, axis=1)[17:].mean()) / between_eyes)
    assert np.median(errors) < 0.12
