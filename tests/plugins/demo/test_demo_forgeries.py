from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import DEMO_SEED as SEED

from dfbench_plugins.demo.camera import film
from dfbench_plugins.demo.manipulations.forge import directed, forge, similarity
from dfbench_plugins.demo.manipulations.recipes import Kind, draw_recipe
from dfbench_plugins.demo.people import PersonKey
from dfbench_plugins.demo.plan import FFPP_METHODS, plan
from dfbench_plugins.demo.styles import STYLES


def _frames(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_masks_cover_what_differs_from_the_real_video(demo_roots: Mapping[str, Path]) -> None:
    for job in plan("small", seed=SEED):
        if job.corpus not in ("ffpp", "dfd") or job.split == "train":
            continue
        root = demo_roots[job.corpus]
        for shot in job.shots:
            real_cut = shot.cuts[0]
            real = _frames(root / real_cut.path)
            for cut in shot.cuts[1:]:
                assert cut.mask is not None
                fake, mask = _frames(root / cut.path), _frames(root / cut.mask)[..., 0] > 128
                first = max(cut.start, real_cut.start)
                count = min(cut.start + cut.frames, real_cut.start + real_cut.frames) - first
                ours = slice(first - cut.start, first - cut.start + count, 3)
                theirs = slice(first - real_cut.start, first - real_cut.start + count, 3)
                change = np.abs(fake[ours].astype(np.float32) - real[theirs]).mean(axis=-1)
                inside, outside = change[mask[ours]].mean(), change[~mask[ours]].mean()
                assert 0.005 < mask.mean() < 0.25
                assert inside > 1.8 * outside, cut.path


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("Deepfakes", Kind.AUTOENCODER),
        ("Face2Face", Kind.EXPRESSION),
        ("FaceSwap", Kind.GRAPHICS),
        ("NeuralTextures", Kind.MOUTH),
        ("celeb_df_v2", Kind.AUTOENCODER),
        ("dfd", Kind.AUTOENCODER),
    ],
)
def test_each_method_is_its_own_manipulation(method: str, kind: Kind) -> None:
    assert {draw_recipe(method, rng=np.random.default_rng(seed)).kind for seed in range(20)} == {kind}


def test_dfdc_mixes_tools_and_forges_some_videos_in_part() -> None:
    recipes = [draw_recipe("dfdc", rng=np.random.default_rng(seed)) for seed in range(100)]
    assert {recipe.kind for recipe in recipes} == {Kind.AUTOENCODER, Kind.GRAPHICS, Kind.EXPRESSION}
    partial = [recipe.active for recipe in recipes if recipe.active != (0.0, 1.0)]
    assert 10 < len(partial) < 60
    assert all(0.0 <= start < end <= 1.0 and end - start >= 0.5 for start, end in partial)


def test_every_fake_has_a_method_of_its_corpus() -> None:
    for job in plan("full", seed=0):
        known = set(FFPP_METHODS) if job.corpus == "ffpp" else {job.corpus}
        assert {cut.method for shot in job.shots for cut in shot.cuts if cut.method} <= known


def test_similarity_recovers_a_known_motion() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(51, 2)).astype(np.float32) * 40
    angle, scale = 0.3, 1.7
    turn = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.float32
    )
    moved = (points @ turn.T + np.array((5.0, -3.0), dtype=np.float32)).astype(np.float32)
    found = similarity(points, moved)
    np.testing.assert_allclose(found[:, :2], turn, atol=1e-4)
    np.testing.assert_allclose(found[:, 2], (5.0, -3.0), atol=1e-3)


def test_similarity_keeps_the_spread_of_a_shape_that_fits_badly() -> None:
    # Least squares would shrink it, and every swapped face would be too small.
    rng = np.random.default_rng(1)
    points = rng.normal(size=(51, 2)).astype(np.float32) * 40
    other = points * 1.2 + rng.normal(size=(51, 2)).astype(np.float32) * 15
    move = similarity(points, other)
    carried = points @ move[:, :2].T + move[:, 2]
    assert carried.var(axis=0).sum() == pytest.approx(other.var(axis=0).sum(), rel=1e-4)
    np.testing.assert_allclose(carried.mean(axis=0), other.mean(axis=0), atol=1e-3)


def test_grain_gives_the_forged_face_the_noise_of_its_frame() -> None:
    rng = np.random.default_rng(0)
    shots = [
        film((PersonKey(5, "celeb_df_v2", number),), STYLES["celeb_df_v2"], frames=2, rng=rng)
        for number in (0, 1)
    ]
    plain = replace(draw_recipe("celeb_df_v2", rng=rng), jitter=0.0, tint=(0.0, 0.0, 0.0))

    def noise(grain: float) -> float:
        recipe = replace(plain, grain=grain)
        frames, masks = forge(shots[0], shots[1], recipe, start=0, frames=2, rng=np.random.default_rng(1))
        inside = cv2.erode(masks[0], np.ones((15, 15), dtype=np.uint8)) > 0
        return _noise(frames[0], inside) / _noise(shots[0].frames[0], inside)

    assert noise(0.0) < 0.6  # a generated face has less fine texture, too, so grain alone does not make it 1
    assert 0.65 < noise(1.0) < 1.2


def test_an_exaggerated_blink_is_an_eye_that_is_shut() -> None:
    rng = np.random.default_rng(0)
    key = PersonKey(5, "celeb_df_v2", 0)
    actor = film((key,), STYLES["celeb_df_v2"], frames=1, rng=rng).actors[0]
    shut = replace(actor.performance.expressions[0], blink=1.0)
    target = replace(actor, performance=replace(actor.performance, expressions=(shut,)))
    recipe = replace(draw_recipe("celeb_df_v2", rng=rng), fidelity=1.15)
    _, _, expression = directed(target, actor, recipe, 0)
    assert expression.blink == 1.0
    assert expression.opening == pytest.approx(1.15 * shut.opening)


def _noise(frame: NDArray[np.uint8], inside: NDArray[np.bool_]) -> float:
    """Mean strength of the second derivative over the lower three quarters: on skin, that is the noise."""
    strength = np.abs(cv2.Laplacian(frame, cv2.CV_32F))[inside]
    return float(strength[strength <= np.quantile(strength, 0.75)].mean())
