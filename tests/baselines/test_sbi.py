"""SBI: its network, crops and learning rates against stored numbers of the public code, and its samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.baselines.golden import GOLDEN, drawn, images, network_input, stored
from tests.synthesis.test_self_blended_golden import (
    SAMPLES,
    SIDE,
    WITH_PICTURES,
    arrays,
    facts,
    frame_of,
    parameters_of,
    picture,
    steps_of,
    unpacked,
)
from torch import Tensor, nn

from dfbench import Label, LoadOptions, Pooling, PseudoFake, SynthesisError, UsageError, WeightsError
from dfbench.hooks.conformance.drawn_face import drawn_face
from dfbench.hooks.host import Host
from dfbench.training import FaceClip
from dfbench.training.schedules import ramp_decay
from dfbench_baselines.sbi import METHOD, SbiRecipe, logit, network
from dfbench_baselines.sbi_files import timm_name
from dfbench_baselines.sbi_samples import DRAWN, cut, mirrored, sample_maker, view
from dfbench_synthesis.blending import blend, soften
from dfbench_synthesis.geometric import Window
from dfbench_synthesis.photometric import apply_steps, draw_final_steps
from dfbench_synthesis.self_blended_image import SelfBlendedImage

STANDARD = SbiRecipe.load("standard")
DEMO = SbiRecipe.load("demo", {"size": "64", "train_crop": "128", "frames": "4"})


def weights() -> dict[str, Tensor]:
    """The weights of the rule, under their names in timm."""
    names: dict[str, str] = json.loads((GOLDEN / "sbi_timm_keys.json").read_text())
    shapes = {name: value.shape for name, value in network(STANDARD, seed=0).state_dict().items()}
    return {
        ours: torch.from_numpy(
            drawn(f"sbi_b4/{theirs}", tuple(shapes[ours]), gain=2 if "_fc" in theirs else 1.35)
        )
        for theirs, ours in names.items()
    }


@pytest.fixture(scope="module")
def net() -> nn.Module:
    found = network(STANDARD, seed=0)
    found.load_state_dict(weights())
    return found.eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "count", "logits"),
    [
        ("input/380", 380, 1, "sbi380/f64/logits"),
        ("input/256", 256, 2, "sbi256/f64/logits_timm_dynamic_padding"),
    ],
)
def test_the_network_computes_what_theirs_does(
    net: nn.Module, name: str, size: int, count: int, logits: str
) -> None:
    clips = network_input(images(name, count=count, size=size), mean=0, std=1)
    expected = torch.from_numpy(stored("sbi_efficientnet_b4.npz")[logits])
    with torch.inference_mode():
        torch.testing.assert_close(net.double()(clips), expected, rtol=0, atol=1e-9)
        ours = logit(net, clips[:, :, None])
        torch.testing.assert_close(ours, expected[:, 1] - expected[:, 0], rtol=0, atol=1e-9)
        single = net.float()(clips.float())
        torch.testing.assert_close(single, expected.float(), rtol=0, atol=2e-5)


def theirs() -> dict[str, Tensor]:
    """The weights of the rule as the authors' checkpoint holds them."""
    names: dict[str, str] = json.loads((GOLDEN / "sbi_timm_keys.json").read_text())
    state = weights()
    return {public: state[ours] for public, ours in names.items()}


def test_names_are_translated_as_stored() -> None:
    names: dict[str, str] = json.loads((GOLDEN / "sbi_timm_keys.json").read_text())
    assert {public: timm_name(public.removeprefix("net.")) for public in names} == names
    assert len(names) == 706
    # Those that no such network has stay as they are, and fit none.
    assert [timm_name(f"_blocks.{odd}") for odd in ("x.weight", "1", "٣._bn1.bias")] == [
        f"_blocks.{odd}" for odd in ("x.weight", "1", "٣._bn1.bias")
    ]


@pytest.mark.slow
def test_the_authors_checkpoint_scores_as_they_do(tmp_path: Path) -> None:
    file = tmp_path / "FFraw.tar"
    torch.save({"model": theirs(), "optimizer": {"state": {}, "param_groups": []}, "epoch": 99}, file)
    card = METHOD.describe(LoadOptions(file))
    assert (card.clips, card.pooling, card.trained_on) == (STANDARD.clips(), STANDARD.pooling, None)
    assert card.recipe.startswith("standard, unverified weights ")
    clips = torch.from_numpy(images("input/380", count=1, size=380))[:, None]
    real, fake = stored("sbi_efficientnet_b4.npz")["sbi380/f64/logits"][0]
    logits = METHOD.build(LoadOptions(file)).score(clips)
    assert float(logits[0]) == pytest.approx(float(fake - real), abs=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net._fc.weight": torch.zeros(3, 1792), "net._fc.bias": torch.zeros(3)}, "does not fit"),
        ({"net._blocks.1._expand_conv.weight": torch.zeros(1)}, "does not fit"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    tmp_path: Path, change: dict[str, Tensor], words: str
) -> None:
    file = tmp_path / "other.tar"
    torch.save({"model": theirs() | change}, file)
    with pytest.raises(WeightsError, match=words):
        METHOD.load(file)


def test_the_recipe_is_that_of_the_paper() -> None:
    rates = [
        ramp_decay(
            epoch,
            base=STANDARD.lr,
            boost=STANDARD.lr_boost,
            epochs=STANDARD.epochs,
            start_decay=STANDARD.start_decay,
        )
        for epoch in range(100)
    ]
    np.testing.assert_allclose(rates, arrays()["lr/per_epoch"], rtol=1e-9)
    assert (STANDARD.optimizer, STANDARD.momentum, STANDARD.weight_decay) == ("sgd", 0.9, 0)
    assert (STANDARD.sharpness_aware, STANDARD.sam_rho, STANDARD.sam_running_stats) == (True, 0.05, "twice")
    assert (STANDARD.mean, STANDARD.std) == ((0, 0, 0), (1, 1, 1))
    assert STANDARD.needs().labels == frozenset({0})
    assert STANDARD.needs().validation_labels is None  # no deepfake is seen
    norms = [module for module in network(STANDARD, seed=0).modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_the_recipes_score_as_the_authors_do_and_the_demo_shares_faces() -> None:
    assert not STANDARD.clips().square
    assert STANDARD.pooling is Pooling.MEAN_PROB
    assert set(SbiRecipe.names()) == {"standard", "demo"}
    chance = Host.load().registry.detector("chance")
    assert SbiRecipe.load("demo").clips().frame_choice() == chance.clips.frame_choice()


def test_crops_reach_as_far_beyond_the_box_as_theirs() -> None:
    for row in arrays()["crop/table"]:
        height, width, *box, _ = (float(value) for value in row[:7])
        left, right, up, down = (DRAWN[0] + (DRAWN[1] - DRAWN[0]) * row[7:11]) * STANDARD.clip_margin
        fixed = STANDARD.clip_margin
        for reach, expected in (
            ((left, up, right, down), row[11:15]),
            ((fixed, fixed, fixed, fixed), row[15:19]),
        ):
            window = Window.about((box[0], box[1], box[2], box[3]), (int(height), int(width)), reach=reach)
            ours = (window.top, window.top + window.height, window.left, window.left + window.width)
            assert ours == tuple(expected)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_cropped_and_resized_to_the_bit(sample: str) -> None:
    parameters = parameters_of(sample)
    frames = frame_of(sample)[None]
    target = frames if parameters.on_source else apply_steps(frames, parameters.photometric)
    top, bottom, left, right = facts()["scenarios"][sample]["crops"][1]["box_y0_y1_x0_x1"]
    window = Window(left, top, right - left, bottom - top)
    real = cut(apply_steps(target, steps_of(sample)[1]), window, STANDARD.size)[0]
    np.testing.assert_array_equal(real[::4, ::4], arrays()[f"{sample}/out_real_u8_stride4"])
    if sample in WITH_PICTURES:
        soft = soften(unpacked(f"{sample}/mask_after_elastic_packed"), parameters.softening)
        source = picture(f"{sample}/src_after_affine_png")[None]
        blended = blend(source, target, soft[None], parameters.ratio)
        fake = cut(apply_steps(blended, steps_of(sample)[1]), window, STANDARD.size)[0]
        np.testing.assert_array_equal(fake[::4, ::4], arrays()[f"{sample}/out_fake_u8_stride4"])
    assert frames.shape[1] == SIDE


class Patch:
    """Makes a pseudo-fake by inverting the given bits of a small square."""

    def __init__(self, bits: int) -> None:
        self._bits = np.uint8(bits)

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        del landmarks, rng
        fake = frames.copy()
        fake[:, 60:70, 60:70] ^= self._bits
        return PseudoFake(frames, fake, np.ones(frames.shape[:3], np.float32))


def clip(label: Label = Label.REAL) -> FaceClip:
    frames, landmarks = drawn_face()
    return FaceClip(frames, landmarks, label)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_pair_is_altered_and_cropped_in_one_way() -> None:
    make = sample_maker(DEMO, Patch(255), training=True)
    for seed in range(8):
        sample = make(clip(), rng(seed))
        assert sample.clips.shape == (2, 4, 64, 64, 3)
        assert sample.labels.tolist() == [0, 1]
        differs = (sample.clips[0] != sample.clips[1]).any(axis=(0, 3))
        assert 0 < differs.mean() < 0.35  # but for what JPEG spreads over its blocks


def test_validation_sees_the_part_that_is_scored_and_alters_nothing() -> None:
    sample = sample_maker(DEMO, SelfBlendedImage(), training=False)(clip(), rng())
    pair = SelfBlendedImage().synthesize(clip().frames, clip().landmarks, rng())
    # 128 px are 1.6 boxes, and 1.25 of them are seen: from 0.175 boxes to 1.425, widened to whole pixels.
    window = Window(14, 14, 101, 101)
    np.testing.assert_array_equal(sample.clips[0], cut(pair.real, window, 64))
    np.testing.assert_array_equal(sample.clips[1], cut(pair.fake, window, 64))


def test_drawn_margins_are_between_a_twentieth_and_a_fifth_of_the_box() -> None:
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, None, :, None], (1, 128, 128, 3))
    recipe = DEMO.model_copy(update={"size": 128})
    found = []
    for seed in range(60):
        steps = draw_final_steps(draws := rng(seed))
        if not steps:  # what tells where it was cut is its brightness
            reach = 0.125 * draws.uniform(*DRAWN, size=4)
            row = view(np.ascontiguousarray(ramp), recipe, rng(seed))[0, 0, :, 0]
            assert row[0] == int(24 - 80 * reach[0])
            assert row[-1] == int(104 + 80 * reach[1])
            found.append(80 * reach[:2])
    assert len(found) > 3
    assert 4 <= np.min(found) < 8
    assert 12 < np.max(found) <= 16


def test_a_mirrored_clip_has_mirrored_landmarks_if_it_has_any() -> None:
    flipped = mirrored(clip())
    np.testing.assert_array_equal(flipped.frames, clip().frames[:, :, ::-1])
    np.testing.assert_allclose(flipped.landmarks[0, 8, 0], 127 - clip().landmarks[0, 8, 0])  # the chin
    bare = mirrored(replace(clip(), landmarks=np.zeros((4, 0, 2), np.float32)))
    assert bare.landmarks.shape == (4, 0, 2)


def test_clips_with_labels_are_samples_of_their_own() -> None:
    recipe = SbiRecipe.load("demo", {"size": "64", "train_crop": "128"}, synthesizer="none")
    bare = replace(clip(Label.FAKE), landmarks=np.zeros((4, 0, 2), np.float32))
    sample = sample_maker(recipe, None, training=True)(bare, rng())
    assert sample.clips.shape == (1, 4, 64, 64, 3)
    assert sample.labels.tolist() == [1]


def test_a_fake_that_is_its_original_is_no_sample() -> None:
    with pytest.raises(SynthesisError, match="does not differ"):
        sample_maker(DEMO, Patch(0), training=True)(clip(), rng())


def test_an_unknown_network_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="timm has no network 'resnet1000'"):
        METHOD.network(SbiRecipe.load("demo", {"backbone": "resnet1000"}), seed=0)
