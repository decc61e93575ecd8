"""GenD and Effort: outputs and losses of the public code, which of their weights are trained, and the files that they read."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.baselines.golden import GOLDEN, drawn, images, stored
from torch import Tensor

from dfbench import LoadOptions, StartWeights, UsageError, WeightsError
from dfbench.training import Method
from dfbench_baselines.foundation import EFFORT, GEND, EffortRecipe, GenDRecipe
from dfbench_baselines.foundation_files import clip_as_timm
from dfbench_baselines.foundation_layers import (
    FrameDetector,
    SplitLinear,
    alignment,
    split,
    split_attention,
    uniformity,
)

PUBLIC = stored("vit.npz")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BY = 1e-6  # the public code computes its softmax in float32


class TinyGenD(GenDRecipe):
    """The recipes of these tests."""

    package: ClassVar[str] = "tests.baselines.recipes.gend"


class TinyEffort(EffortRecipe):
    """The recipes of these tests."""

    package: ClassVar[str] = "tests.baselines.recipes.effort"


def tiny(method: Method) -> Method:
    """The method, with public checkpoints of the dimensions of the stored numbers."""
    recipe = TinyGenD if method is GEND else TinyEffort
    released = tuple(replace(kind, recipe="tiny") for kind in method.released)
    return replace(method, recipe=recipe, released=released)


def built(method: Method, *, seed: int = 0) -> FrameDetector:
    """A network of the dimensions of the stored numbers, with random weights."""
    net = tiny(method).network(tiny(method).recipe.load("tiny"), seed=seed)
    assert isinstance(net, FrameDetector)
    return net


def public_state(name: str, gain: tuple[str, float]) -> dict[str, Tensor]:
    """The tensors of a public checkpoint, drawn by the rule of weights."""
    keys = json.loads((GOLDEN / f"keys_{name}.json").read_text())["keys"]
    return {
        key: torch.from_numpy(
            np.array(drawn(f"{name}/{key}", tuple(shape), gain=gain[1] if gain[0] in key else 1.0))
        )
        for key, shape in keys
    }


STATES = {
    "gend": public_state("gend_tiny", ("model.linear.weight", 6)),
    "effort": public_state("effort_tiny", ("head.weight", 2)),
}
both = pytest.mark.parametrize("method", [GEND, EFFORT], ids=lambda method: method.name)


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """The images that the public code was fed, uint8 (2, 32, 32, 3)."""
    pixels = images("input/vit32", count=2, size=32)
    assert zlib.crc32(pixels.tobytes()) == PUBLIC["vit32/input_crc32"]
    return torch.from_numpy(pixels)


def normalised(frames: Tensor) -> Tensor:
    """Images (B, S, S, 3) as CLIP is fed them, computed in float32, (B, 3, S, S) float64."""
    scaled = frames.numpy().astype(np.float32) / np.float32(255)
    values = (scaled - np.asarray(MEAN, np.float32)) / np.asarray(STD, np.float32)
    return torch.from_numpy(values.astype(np.float64)).permute(0, 3, 1, 2).contiguous()


def saved(folder: Path, state: dict[str, Tensor], name: str = "public.pth") -> Path:
    path = folder / name
    torch.save({"state_dict": state}, path)
    return path


def one_logit_of(name: str) -> Tensor:
    logits = torch.from_numpy(PUBLIC[f"{name}_tiny/f64/logits"])
    return logits[:, 1] - logits[:, 0]  # fake is the second


@both
def test_public_checkpoints_give_the_public_scores(method: Method, frames: Tensor, tmp_path: Path) -> None:
    path = saved(tmp_path, STATES[method.name])
    net, recipe = tiny(method).load(path)
    assert isinstance(net, FrameDetector)
    assert recipe.name.startswith("tiny, unverified weights ")
    net = net.double()
    with torch.inference_mode():
        seen = normalised(frames)
        pooled = torch.from_numpy(PUBLIC[f"{method.name}_tiny/f64/pooler_output"])
        torch.testing.assert_close(net.backbone(seen), pooled, rtol=0, atol=BY)
        torch.testing.assert_close(net(seen), one_logit_of(method.name), rtol=0, atol=BY)
        if method is GEND:
            unit = torch.from_numpy(PUBLIC["gend_tiny/f64/l2"])
            torch.testing.assert_close(net.features(seen), unit, rtol=0, atol=BY)
        # A clip is the mean of its frames.
        detector = tiny(method).build(LoadOptions(path))
        (score,) = detector.score(frames[None])
    assert float(score) == pytest.approx(float(one_logit_of(method.name).mean()), abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method", "kind"),
    [("gend_clip_l14", GEND, 0), ("gend_pe_l14", GEND, 1), ("effort_clip_l14", EFFORT, 0)],
)
def test_the_published_files_have_the_tensors_of_the_networks(name: str, method: Method, kind: int) -> None:
    keys = json.loads((GOLDEN / f"keys_{name}.json").read_text())["keys"]
    with torch.device("meta"):
        state = {key: torch.empty(*shape) for key, shape in keys}
        assert [one.fits(state) for one in method.released].index(True) == kind
        own = method.released[kind].convert(state)
        net = method.network(method.recipe.load(method.released[kind].recipe), seed=0)
    assert {key: value.shape for key, value in own.items()} == {
        key: value.shape for key, value in net.state_dict().items()
    }


def test_the_losses_are_the_public_ones() -> None:
    features = torch.from_numpy(PUBLIC["gend_loss/embeddings"])
    labels = torch.from_numpy(PUBLIC["gend_loss/labels"])
    assert float(alignment(features, labels)) == pytest.approx(float(PUBLIC["gend_loss/alignment"]), abs=BY)
    assert float(uniformity(features)) == pytest.approx(float(PUBLIC["gend_loss/uniformity"]), abs=BY)
    assert float(alignment(features[:2], torch.tensor([0, 1]))) == 0  # no pair of a class
    assert float(uniformity(features[:1])) == 0


def test_matrices_are_split_as_the_public_code_does() -> None:
    main, left, values, right = split(torch.from_numpy(PUBLIC["effort_svd/weight"])[None], rank=1)
    torch.testing.assert_close(main[0], torch.from_numpy(PUBLIC["effort_svd/weight_main"]), rtol=0, atol=BY)
    torch.testing.assert_close(values[0], torch.from_numpy(PUBLIC["effort_svd/S_residual"]), rtol=0, atol=BY)
    residual = ((left * values[:, None]) @ right)[0]
    torch.testing.assert_close(residual, torch.from_numpy(PUBLIC["effort_svd/residual"]), rtol=0, atol=BY)


def test_only_what_the_papers_train_is_trained() -> None:
    gend = built(GEND)
    trained = {name for name, value in gend.named_parameters() if value.requires_grad}
    norms = {f"blocks.{block}.norm{number}" for block in (0, 1) for number in (1, 2)} | {"norm_pre", "norm"}
    expected = {f"backbone.{norm}.{what}" for norm in norms for what in ("weight", "bias")}
    assert trained == expected | {"head.weight", "head.bias"}

    effort = built(EFFORT)
    parts = {name.rpartition(".")[2] for name, value in effort.named_parameters() if value.requires_grad}
    assert parts == {"U_residual", "S_residual", "V_residual", "weight", "bias"}  # the last two: the head
    assert {
        name for name, value in effort.named_parameters() if value.requires_grad and "residual" not in name
    } == {
        "head.weight",
        "head.bias",
    }
    assert "backbone.blocks.0.attn.qkv.weight_main" in dict(effort.named_buffers())


def test_splitting_changes_no_output(frames: Tensor) -> None:
    gend = built(GEND, seed=3).double()
    before = gend.backbone(normalised(frames))
    split_attention(gend.backbone, rank=5)
    torch.testing.assert_close(gend.backbone(normalised(frames)), before, rtol=0, atol=1e-10)


@both
def test_a_training_starts_from_clip_as_it_is_published(
    method: Method, frames: Tensor, tmp_path: Path
) -> None:
    inside = {
        key.removeprefix("feature_extractor."): value
        for key, value in STATES["gend"].items()
        if key.startswith("feature_extractor.vision_model.")
    }
    path = tmp_path / "clip.safetensors"
    save_file(inside | {"text_model.final_layer_norm.weight": torch.ones(4)}, path)
    net = built(method)
    head = net.head.weight.detach().clone()
    started = tiny(method).begin(net, StartWeights(path))
    assert started.trained_on == frozenset()
    assert torch.equal(net.head.weight, head)
    pooled = torch.from_numpy(PUBLIC["gend_tiny/f64/pooler_output"])
    with torch.inference_mode():
        torch.testing.assert_close(net.double().backbone(normalised(frames)), pooled, rtol=0, atol=2 * BY)
    if method is EFFORT:
        layer = net.backbone.get_submodule("blocks.0.attn.qkv")
        assert isinstance(layer, SplitLinear)
        assert layer.U_residual.requires_grad
    timm_file = tmp_path / "timm.safetensors"
    save_file(
        clip_as_timm({key.removeprefix("vision_model."): value for key, value in inside.items()}), timm_file
    )
    again = built(method)
    tiny(method).begin(again, StartWeights(timm_file))
    assert all(
        torch.equal(value, net.float().state_dict()[name]) for name, value in again.state_dict().items()
    )


@both
def test_unverified_files_say_so_and_nothing_of_their_training(method: Method, tmp_path: Path) -> None:
    path = saved(tmp_path, STATES[method.name])
    card = tiny(method).describe(LoadOptions(path))
    assert card.recipe.startswith("tiny, unverified weights ")
    assert card.trained_on is None
    assert card.corpora is None
    with pytest.raises(UsageError, match="is scored by the recipe of such files"):
        tiny(method).describe(LoadOptions(path, recipe="tiny"))


@both
def test_what_is_no_such_file_is_named(method: Method, tmp_path: Path) -> None:
    other = STATES["effort" if method is GEND else "gend"]
    with pytest.raises(WeightsError, match=f"is no checkpoint that {method.name} reads") as caught:
        tiny(method).load(saved(tmp_path, other))
    assert any(method.released[0].says in hint for hint in caught.value.hints)

    head = "model.linear" if method is GEND else "head"
    three = STATES[method.name] | {f"{head}.weight": torch.ones(3, 48), f"{head}.bias": torch.ones(3)}
    with pytest.raises(WeightsError, match="has 3 outputs, and real or fake are two"):
        tiny(method).load(saved(tmp_path, three))

    lacking = {name: value for name, value in STATES[method.name].items() if name != f"{head}.bias"}
    with pytest.raises(WeightsError, match=rf"looks like .*, and {head}.bias is missing"):
        tiny(method).load(saved(tmp_path, lacking))

    broken = {name: value * torch.nan for name, value in STATES[method.name].items()}
    with pytest.raises(WeightsError, match="holds NaN or infinite weights"):
        tiny(method).load(saved(tmp_path, broken))


def test_a_detector_is_no_start_of_a_backbone(tmp_path: Path) -> None:
    net = built(GEND)
    with pytest.raises(WeightsError, match="does not fit"):
        tiny(GEND).begin(net, StartWeights(saved(tmp_path, STATES["gend"])))
