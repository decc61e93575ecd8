"""Attributions: the open forward pass is the network's own, sums are complete, and what alone moves a logit is found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dfbench_fakestormer
from dfbench import ScoreError, UsageError
from dfbench_fakestormer.attribution import (
    attention_rollout,
    integrated_gradients,
    open_forward,
    smoothed,
    temporal_evidence,
    to_patches,
    token_gradients,
    token_sensitivity,
)
from dfbench_fakestormer.detector import FakeSTormer
from dfbench_fakestormer.explain import MAPS, FakeSTormerExplainer
from dfbench_fakestormer.model import Block, FakeSTormerNet, ModelConfig

README = Path(__file__).parents[2] / "fakestormer_plugin" / "README.md"
GOLDEN = Path(__file__).parents[1] / "golden" / "model_tiny.npz"
TINY = ModelConfig(
    size=64, width=48, depth=3, heads=4, drop_path=0.0, temporal_token="patch0", embed_order="released"
)
DEMO_LIKE = ModelConfig(frames=2, size=32, width=16, depth=1, heads=2, drop_path=0.0, stem="conv")
DEEP = ModelConfig(frames=3, size=32, width=16, depth=3, heads=2, drop_path=0.0)
CONFIGS = {"demo-like": DEMO_LIKE, "deep": DEEP, "patch0": TINY}


def noise(config: ModelConfig, count: int = 2) -> Tensor:
    shape = (count, 3, config.frames, config.size, config.size)
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def network(config: ModelConfig) -> FakeSTormerNet:
    return FakeSTormerNet(config, seed=3).double().eval().requires_grad_(False)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_open_forward_pass_is_the_networks_own(name: str) -> None:
    net, x = network(CONFIGS[name]), noise(CONFIGS[name])
    logit, attentions = open_forward(net, *net.backbone.embed(x))
    torch.testing.assert_close(logit, net.logit(x), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(logit, net(x).logit[:, 0], rtol=1e-9, atol=1e-11)
    for pair in attentions:
        for weights in pair:
            if weights is not None:
                torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert attentions[-1][1] is None


def test_the_open_forward_pass_gives_the_stored_logit_of_the_released_code() -> None:
    with np.load(GOLDEN) as file:
        stored: dict[str, Any] = dict(file)
    net = FakeSTormerNet(TINY)
    net.load_state_dict(
        {k.removeprefix("param/"): torch.tensor(v) for k, v in stored.items() if k.startswith("param/")}
    )
    net = net.double().eval()
    first = torch.tensor(stored["input"][:1], dtype=torch.float64)
    with torch.no_grad():
        logit, _ = open_forward(net, *net.backbone.embed(first))
    np.testing.assert_allclose(logit.numpy(), stored["f64/out_cls"][0], rtol=1e-9)


@pytest.mark.parametrize("name", ["demo-like", "deep"])
def test_integrated_gradients_are_complete(name: str) -> None:
    net, x = network(CONFIGS[name]), noise(CONFIGS[name])
    start = smoothed(x, sigma=0.5)
    found = integrated_gradients(net.logit, x, start, steps=64)
    expected = net.logit(x) - net.logit(start)
    torch.testing.assert_close(found.flatten(1).sum(1), expected, rtol=0.05, atol=1e-3)
    pixels = found.sum(dim=1)
    torch.testing.assert_close(
        to_patches(pixels, net.config.grid).flatten(1).sum(1), pixels.flatten(1).sum(1), rtol=1e-9, atol=1e-9
    )


def test_integrated_gradients_of_a_known_function_are_exact() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    found = integrated_gradients(lambda v: (v**2).sum(1), x, torch.ones_like(x), steps=4)
    torch.testing.assert_close(found, torch.tensor([[0.0, 3.0, 8.0]], dtype=torch.float64))


def test_smoothing_keeps_what_is_even_and_takes_what_is_fine() -> None:
    even = torch.full((1, 3, 2, 32, 32), 0.7, dtype=torch.float64)
    torch.testing.assert_close(smoothed(even, sigma=2.0), even)
    ramp = torch.arange(32, dtype=torch.float64).expand(1, 3, 2, 32, 32)
    inside = (..., slice(8, 24), slice(8, 24))
    torch.testing.assert_close(smoothed(ramp, sigma=2.0)[inside], ramp[inside])
    grain = noise(DEMO_LIKE)
    assert smoothed(grain, sigma=2.0).std() < 0.2 * grain.std()


def planted(clips: Tensor) -> Tensor:
    """A logit that only the patch in row 2, column 1 of a 4 x 4 grid of 8 pixels moves."""
    return clips[..., 16:24, 8:16].abs().mean(dim=(1, 2, 3, 4)) * 5


def test_integrated_gradients_find_the_patch_that_alone_moves_the_logit() -> None:
    x = noise(DEMO_LIKE)
    made = to_patches(integrated_gradients(planted, x, torch.zeros_like(x), steps=8).sum(1), 4)
    assert made.shape == (2, 2, 4, 4)
    assert (made.flatten(2).argmax(-1) == 2 * 4 + 1).all()
    others = made.clone()
    others[:, :, 2, 1] = 0
    assert others.abs().max() == 0


def test_sensitivity_is_the_length_of_the_slope() -> None:
    net, x = network(DEEP), noise(DEEP, 1)
    found = token_sensitivity(net, x)
    cls, patches, temp = net.backbone.embed(x)
    patches.requires_grad_(True)
    (slope,) = torch.autograd.grad(open_forward(net, cls, patches, temp)[0].sum(), patches)
    for place, frame in ((0, 0), (3, 2)):
        expected = slope[:, place, frame].square().sum(-1).sqrt()
        torch.testing.assert_close(found[:, frame, place // 2, place % 2], expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_token_gradients_are_the_slope_along_each_patch(name: str) -> None:
    net, x = network(CONFIGS[name]), noise(CONFIGS[name], 1)
    found = token_gradients(net, x)
    cls, patches, temp = net.backbone.embed(x)
    centred = patches - patches.mean(dim=(1, 2), keepdim=True)
    for place, frame in ((0, 0), (1, 1), (3, 0)):
        step = torch.zeros_like(patches)
        step[:, place, frame] = 1e-5 * centred[:, place, frame]
        up, _ = open_forward(net, cls, patches + step, temp)
        down, _ = open_forward(net, cls, patches - step, temp)
        grid = CONFIGS[name].grid
        expected = (up - down) / 2e-5
        torch.testing.assert_close(
            found[:, frame, place // grid, place % grid], expected, rtol=1e-4, atol=1e-7
        )


def test_rollout_moves_with_the_picture() -> None:
    net, x = network(DEEP), noise(DEEP, 1)
    net.backbone.pos_embed.zero_()  # so that no place is special
    found = attention_rollout(net, x)
    assert found.shape == (1, 3, 2, 2)
    assert (found >= 0).all()
    assert found.std() > 0
    torch.testing.assert_close(attention_rollout(net, x.roll(16, dims=-1)), found.roll(1, dims=-1))
    torch.testing.assert_close(attention_rollout(net, x.roll(16, dims=-2)), found.roll(1, dims=-2))


def test_rollout_of_one_block_is_the_temporal_tokens_own_attention() -> None:
    net, x = network(DEMO_LIKE), noise(DEMO_LIKE, 1)
    cls, patches, temp = net.backbone.embed(x)
    logit, [(weights, _)] = open_forward(net, cls, patches.requires_grad_(True), temp)
    (slope,) = torch.autograd.grad(logit.sum(), weights)
    expected = (weights * slope).clamp_min(0).mean(dim=1)[:, -1, :2] / len(weights)  # (N, T), asked by temp
    torch.testing.assert_close(
        attention_rollout(net, x)[0].flatten(1).T, expected.detach(), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_temporal_evidence_is_complete(name: str) -> None:
    net, x = network(CONFIGS[name]), noise(CONFIGS[name])
    with torch.no_grad():
        tokens = net.backbone.embed(x)
        hears_all, _ = open_forward(net, *tokens)
        hears_none, _ = open_forward(net, *tokens, heard=0.0)
    found = temporal_evidence(net, x, steps=64)
    assert found.shape == (2, net.config.frames, net.config.grid, net.config.grid)
    torch.testing.assert_close(found.flatten(1).sum(1), hears_all - hears_none, rtol=1e-3, atol=1e-4)


def test_temporal_evidence_moves_with_the_picture_and_the_frames() -> None:
    net, x = network(DEEP), noise(DEEP, 1)
    net.backbone.pos_embed.zero_()  # so that no place is special,
    net.backbone.time_embed.zero_()  # and no time
    found = temporal_evidence(net, x, steps=2)
    assert found.std() > 0
    torch.testing.assert_close(temporal_evidence(net, x.roll(16, dims=-1), steps=2), found.roll(1, dims=-1))
    torch.testing.assert_close(temporal_evidence(net, x.flip(2), steps=2), found.flip(1))


def test_a_frame_that_says_nothing_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(DEMO_LIKE), noise(DEMO_LIKE, 1)
    block = net.backbone.blocks[0]
    assert isinstance(block, Block)
    says = block.temporal_attn.qkv.weight[2 * DEMO_LIKE.width :]  # the values of attention
    says.zero_()
    says[:, 0] = 1  # a token says its first number, after its norm
    cls, patches, temp = net.backbone.embed(x)
    patches[:, 2, 1, 0] = patches[:, 2, 1, 1:].mean()  # which the norm makes 0
    monkeypatch.setattr(net.backbone, "embed", lambda _: (cls, patches, temp))
    found = temporal_evidence(net, x, steps=4)[0].flatten(1)
    assert found[1, 2].abs() < 1e-12
    assert found[0, 2].abs() > 1e-6


def explainer(config: ModelConfig) -> FakeSTormerExplainer:
    return FakeSTormerExplainer(FakeSTormerNet(config, seed=3), torch.device("cpu"))


def bytes_of(config: ModelConfig, count: int = 3) -> Tensor:
    shape = (count, config.frames, config.size, config.size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_map_has_its_shape_and_the_logits_are_the_scores(name: str) -> None:
    config = CONFIGS[name]
    clips = bytes_of(config, 2)
    assert tuple(one.name for one in MAPS) == dfbench_fakestormer.MAPS
    evidence = explainer(config).explain(clips, [one.name for one in MAPS])
    scores = FakeSTormer(FakeSTormerNet(config, seed=3), torch.device("cpu")).score(clips)
    torch.testing.assert_close(evidence.logits, scores)
    assert evidence.frame_logits is not None
    assert evidence.frame_logits.shape == (2, config.frames)
    for one in MAPS:
        side = config.size if one.name == "pixels" else config.grid
        made = evidence.maps[one.name]
        assert made.shape == (2, config.frames, side, side)
        assert made.dtype == torch.float32
        assert torch.isfinite(made).all()
        assert one.signed or one.name == "heatmap" or made.min() >= 0
    torch.testing.assert_close(
        to_patches(evidence.maps["pixels"], config.grid), evidence.maps["attribution"], rtol=1e-4, atol=1e-5
    )


def test_the_readme_names_every_map_that_its_table_has() -> None:
    section = README.read_text(encoding="utf-8").split("## Where and when")[1]
    rows = re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)
    assert sorted(re.findall(r"--map ([a-z]+)", section)) == sorted(rows) == sorted(one.name for one in MAPS)


def test_only_the_maps_that_are_asked_for_are_made() -> None:
    evidence = explainer(DEMO_LIKE).explain(bytes_of(DEMO_LIKE), ["pixels"])
    assert list(evidence.maps) == ["pixels"]


def test_it_explains_inside_inference_mode_too() -> None:
    clips = bytes_of(DEMO_LIKE)
    built = explainer(DEMO_LIKE)
    outside = built.explain(clips, ["attribution"]).maps["attribution"]
    with torch.inference_mode():
        inside = built.explain(clips, ["attribution"]).maps["attribution"]
    torch.testing.assert_close(inside, outside)


@pytest.mark.parametrize("name", ["sensitivity", "attribution", "rollout", "gradient"])
def test_gradients_that_do_not_fit_together_are_taken_in_parts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, built = bytes_of(DEEP), explainer(DEEP)
    expected, original = built.explain(clips, [name]), torch.autograd.grad
    tries: list[Tensor] = []

    def limited(outputs: Tensor, *arguments: Any, **options: Any) -> Any:
        tries.append(outputs)
        if len(tries) == 1:
            torch.empty(2**50)
        return original(outputs, *arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", limited)
    found = built.explain(clips, [name])
    assert len(tries) >= 3
    torch.testing.assert_close(found.maps[name], expected.maps[name], rtol=1e-3, atol=1e-6)
    assert found.frame_logits is not None
    assert expected.frame_logits is not None
    torch.testing.assert_close(found.frame_logits, expected.frame_logits)

    monkeypatch.setattr(torch.autograd, "grad", lambda *_, **__: torch.empty(2**50))
    with pytest.raises(ScoreError, match="does not fit into the memory of cpu"):
        built.explain(clips, [name])


def test_wrong_maps_and_wrong_clips_are_refused() -> None:
    with pytest.raises(UsageError, match="no map 'heatmpa'"):
        explainer(DEMO_LIKE).explain(bytes_of(DEMO_LIKE), ["heatmpa"])
    with pytest.raises(ScoreError, match="these weights want"):
        explainer(DEMO_LIKE).explain(bytes_of(DEEP), ["heatmap"])
