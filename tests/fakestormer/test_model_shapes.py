"""The released arithmetic, restated from its description, at other sizes than those of the stored numbers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tests.fakestormer.tiny import TINY
from tests.fakestormer.training_faces import write_network as write_weights
from torch import Tensor
from torch.nn import functional as F

from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.checkpoints import load_network
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet, Output
from dfbench_fakestormer.recipe import FakeSTormerRecipe as Recipe
from dfbench_fakestormer.recipe import load_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "model_tiny.npz"
State = dict[str, Tensor]
HEAD = "keypoint_head.temp_loc."


class Shape(NamedTuple):
    frames: int
    size: int
    patch: int
    width: int
    depth: int
    heads: int

    def fields(self) -> dict[str, str]:
        return {name: str(value) for name, value in self._asdict().items()}

    def recipe(self) -> Recipe:
        return load_recipe(
            "base_c23",
            {**self.fields(), "drop_path": "0", "temporal_token": "patch0", "embed_order": "released"},
        )


SHAPES = [
    Shape(frames=8, size=96, patch=16, width=48, depth=4, heads=4),
    Shape(frames=2, size=32, patch=16, width=24, depth=1, heads=2),
    Shape(frames=3, size=40, patch=8, width=32, depth=2, heads=4),
    Shape(frames=1, size=32, patch=16, width=24, depth=2, heads=3),
]


def released(state: State, clips: Tensor, *, patch: int, heads: int) -> Output:
    """All three heads for clips (B, 3, T, S, S) float64, with the temporal token of sample 0, out of plain tensors."""
    b, _, t, size, _ = clips.shape
    side, depth = (
        size // patch,
        len({key.split(".")[2] for key in state if key.startswith("backbone.blocks.")}),
    )
    n = side * side

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def attention(x: Tensor, name: str) -> Tensor:
        rows, length, d = x.shape
        q, k, v = linear(x, f"{name}.qkv").view(rows, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.mT / (d // heads) ** 0.5, dim=-1)
        return linear((weights @ v).transpose(1, 2).reshape(rows, length, d), f"{name}.proj")

    cut = clips.reshape(b, 3, t, side, patch, side, patch).permute(0, 3, 5, 2, 1, 4, 6).flatten(4)
    kernel = state["backbone.patch_embed.proj.weight"].flatten(1)
    patches = cut.reshape(b, n, t, -1) @ kernel.T + state["backbone.patch_embed.proj.bias"]
    positions, times = state["backbone.pos_embed"], state["backbone.time_embed"]
    patches = patches + positions[:, 1:, None] + times[:, None, :t]
    cls = (state["backbone.cls_token"] + positions[:, :1]).repeat(b, 1, 1)
    temp = patches[0, :b, 0][:, None]
    s_cls = cls
    for number in range(depth):
        name = f"backbone.blocks.{number}"
        along = torch.cat([patches, temp[:, None].repeat(1, n, 1, 1)], dim=2).flatten(0, 1)
        told = attention(norm(along, f"{name}.temporal_norm1"), f"{name}.temporal_attn")
        told = linear(told, f"{name}.temporal_fc").view(b, n, t + 1, -1)
        patches, temp = patches + told[:, :, :t], temp + told[:, :, t].mean(1, keepdim=True)
        across = torch.cat([cls[:, None].repeat(1, t, 1, 1), patches.transpose(1, 2)], dim=2).flatten(0, 1)
        told = attention(norm(across, f"{name}.norm1"), f"{name}.attn").view(b, t, n + 1, -1)
        s_cls = told[:, :, 0]
        patches, cls = patches + told[:, :, 1:].transpose(1, 2), cls + s_cls.mean(1, keepdim=True)

        def mlp(x: Tensor, name: str = name) -> Tensor:
            return x + linear(F.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1")), f"{name}.mlp.fc2")

        patches, cls, temp = mlp(patches), mlp(cls), mlp(temp)

    gathered = norm(s_cls, "backbone.norm_s_cls")
    narrowed = F.gelu(linear(gathered, f"{HEAD}fc1.0")).flatten(1)
    volume = norm(patches, "backbone.norm").reshape(b, t, side, side, -1).permute(0, 4, 1, 2, 3)

    def along_time(x: Tensor, name: str) -> Tensor:
        return F.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=(1, 0, 0))

    for name in ("before_proj.0", "proj.0"):
        layer = f"keypoint_head.hm.{name}"
        mean, variance, weight, bias = (
            state[f"{layer}.1.{one}"][:, None, None, None]
            for one in ("running_mean", "running_var", "weight", "bias")
        )
        volume = F.gelu((along_time(volume, f"{layer}.0") - mean) / (variance + 1e-5).sqrt() * weight + bias)
    return Output(
        linear(norm(temp[:, 0], "backbone.norm"), "keypoint_head.cls.fc_out"),
        linear(narrowed, f"{HEAD}fc_out"),
        along_time(volume, "keypoint_head.hm.proj.1"),
    )


def random_state(shape: Shape, *, hidden: int) -> State:
    """Random weights under the names of the released code; the temporal head is `hidden` wide."""
    generator = torch.Generator().manual_seed(7)
    shapes = {
        key: value.shape for key, value in FakeSTormerNet(network_config(shape.recipe())).state_dict().items()
    }
    shapes |= {
        f"{HEAD}fc1.0.weight": torch.Size((hidden, shape.width)),
        f"{HEAD}fc1.0.bias": torch.Size((hidden,)),
        f"{HEAD}fc_out.weight": torch.Size((shape.frames, shape.frames * hidden)),
    }
    state = {}
    for key, size in shapes.items():
        values = torch.randn(size, generator=generator) * 0.2
        state[key] = values.abs() + 0.5 if key.endswith(("running_var", "norm.weight")) else values
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
    return state


def random_clips(shape: Shape) -> Tensor:
    return torch.randn(
        (2, 3, shape.frames, shape.size, shape.size), generator=torch.Generator().manual_seed(3)
    ).double()


def doubled(state: State) -> State:
    return {key: value.double() if value.is_floating_point() else value for key, value in state.items()}


def assert_equal(output: Output, expected: Output) -> None:
    for name, got, wanted in zip(Output._fields, output, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-11, err_msg=name)


def test_the_restated_arithmetic_is_the_released_one() -> None:
    with np.load(GOLDEN) as golden:
        state = {
            k.removeprefix("param/"): torch.tensor(v) for k, v in golden.items() if k.startswith("param/")
        }
        stored = Output(*(torch.tensor(golden[f"f64/out_{name}"]) for name in ("cls", "temp_loc", "hm")))
        clips = torch.tensor(golden["input"]).double()
    assert_equal(released(doubled(state), clips, patch=TINY.patch, heads=TINY.heads), stored)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: f"{one.frames} frames")
def test_a_released_checkpoint_of_any_shape_gives_what_the_released_code_gives(
    shape: Shape, tmp_path: Path
) -> None:
    """The temporal head narrows each frame to the width over the number of frames."""
    state = random_state(shape, hidden=shape.width // shape.frames)
    torch.save({"epoch": 1, "state_dict": state, "optimizer": {}}, tmp_path / "theirs.pth")
    net, _ = load_network(tmp_path / "theirs.pth", recipe="base_c23", changes=shape.fields())
    clips = random_clips(shape)
    with torch.inference_mode():
        output = net.double()(clips, temporal_source=torch.zeros(2, dtype=torch.int64))
        assert_equal(output, released(doubled(state), clips, patch=shape.patch, heads=shape.heads))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: f"{one.frames} frames")
@pytest.mark.parametrize("older", [True, False])
def test_weights_of_ours_load_whatever_their_temporal_head(shape: Shape, older: bool, tmp_path: Path) -> None:
    """Those from before had one that was as wide for any number of frames as for four."""
    hidden = shape.width // (4 if older else shape.frames)
    state = random_state(shape, hidden=hidden)
    write_weights(tmp_path / "ours.safetensors", state, Header(shape.recipe(), ("ffpp",), "c23", {}))
    net, _ = load_network(tmp_path / "ours.safetensors")
    clips = random_clips(shape)[:1]
    with torch.inference_mode():
        expected = released(doubled(state), clips, patch=shape.patch, heads=shape.heads)
        assert_equal(net.double()(clips), expected)
