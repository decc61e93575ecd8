"""The network against the stored outputs of the released code; its weights come in as the authors' checkpoints do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.fakestormer.tiny import TINY
from torch import Tensor, nn

from dfbench.training.state_files import read_pickle
from dfbench_fakestormer.checkpoints import network_from
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import Backbone, FakeSTormerNet, Heads, Output
from dfbench_fakestormer.recipe import load_recipe

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = {"out_cls": "logit", "out_temp_loc": "frame_logits", "out_hm": "heatmap"}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN / "model_tiny.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def checkpoint(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("released") / "checkpoint.pth"
    stored = {k.removeprefix("param/"): torch.tensor(v) for k, v in golden.items() if k.startswith("param/")}
    torch.save({"epoch": 7, "state_dict": stored, "optimizer": {}}, path)
    return path


def tiny(checkpoint: Path, dtype: torch.dtype = torch.float64) -> FakeSTormerNet:
    return network_from(read_pickle(checkpoint, hints=()), TINY, origin=checkpoint).to(dtype)


def clips(golden: dict[str, Any], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(golden["input"], dtype=dtype)


def first_sample(batch: Tensor) -> Tensor:
    return torch.zeros(len(batch), dtype=torch.int64)


def assert_output(output: Output, golden: dict[str, Any], prefix: str, *, rtol: float, atol: float) -> None:
    for stored, field in NAMES.items():
        got = getattr(output, field).detach().numpy()
        np.testing.assert_allclose(got, golden[f"{prefix}/{stored}"], rtol=rtol, atol=atol)


def test_float64_outputs_with_the_temporal_token_of_sample_0(
    golden: dict[str, Any], checkpoint: Path
) -> None:
    net, x = tiny(checkpoint), clips(golden)
    with torch.inference_mode():
        output = net(x, temporal_source=first_sample(x))
        trace = net.backbone(x, first_sample(x))
    assert_output(output, golden, "f64", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(trace.cls[:, None], golden["f64/backbone_cls"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(trace.embed, golden["f64/backbone_embed"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(trace.s_cls, golden["f64/backbone_s_cls_token"], rtol=1e-9, atol=1e-11)


def test_every_stored_intermediate(golden: dict[str, Any], checkpoint: Path) -> None:
    net, x = tiny(checkpoint), clips(golden)
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen[name] = output

        return hook

    blocks = net.backbone.blocks
    first = blocks[0]
    assert isinstance(first.temporal_attn, nn.Module)
    assert isinstance(first.temporal_fc, nn.Module)
    assert isinstance(first.attn, nn.Module)
    first.temporal_attn.register_forward_hook(keep("block0_temporal_attn"))
    first.temporal_fc.register_forward_hook(keep("block0_temporal_fc"))
    first.attn.register_forward_hook(keep("block0_spatial_attn"))
    net.backbone.patch_embed.register_forward_hook(keep("patch_embed"))
    with torch.inference_mode():
        cls, patches, temp = net.backbone.embed(x, first_sample(x))
        seen["tokens_in"] = sequence(cls, patches, temp)
        for i, block in enumerate(blocks):
            cls, patches, temp, s_cls = block(cls, patches, temp)
            seen[f"block{i}_tokens"], seen[f"block{i}_s_cls"] = sequence(cls, patches, temp), s_cls
    for name in ("block0_temporal_attn", "block0_temporal_fc"):
        seen[name] = seen[name].reshape(golden[f"f64/{name}"].shape)
    seen["patch_embed"] = seen["patch_embed"].flatten(2).transpose(1, 2)
    assert len(seen) == 11
    for name, value in seen.items():
        np.testing.assert_allclose(value, golden[f"f64/{name}"], rtol=1e-9, atol=1e-11, err_msg=name)


def sequence(cls: Tensor, patches: Tensor, temp: Tensor) -> Tensor:
    """The released token order: cls, patches with time running fastest, temp."""
    return torch.cat([cls[:, None], patches.flatten(1, 2), temp[:, None]], dim=1)


def test_float32_outputs(golden: dict[str, Any], checkpoint: Path) -> None:
    net, x = tiny(checkpoint, torch.float32), clips(golden, torch.float32)
    with torch.inference_mode():
        output = net(x, temporal_source=first_sample(x))
        trace = net.backbone(x, first_sample(x))
    assert_output(output, golden, "f32", rtol=0, atol=1e-5)
    np.testing.assert_allclose(trace.cls[:, None], golden["f32/backbone_cls"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(trace.s_cls, golden["f32/backbone_s_cls_token"], rtol=0, atol=1e-5)
    assert_output(output, golden, "f64", rtol=0, atol=1e-5)


@pytest.mark.parametrize("sample", [0, 1])
def test_a_batch_of_one_and_the_same_clip_in_any_batch(
    golden: dict[str, Any], checkpoint: Path, sample: int
) -> None:
    net, x = tiny(checkpoint), clips(golden)
    with torch.inference_mode():
        alone, together = net(x[sample : sample + 1]), net(x)
    assert_output(alone, golden, f"single{sample}", rtol=1e-9, atol=1e-11)
    for field in NAMES.values():
        np.testing.assert_allclose(
            getattr(together, field)[sample], getattr(alone, field)[0], rtol=1e-9, atol=1e-11
        )


def test_flip_test(golden: dict[str, Any], checkpoint: Path) -> None:
    net, x = tiny(checkpoint), clips(golden)
    with torch.inference_mode():
        flipped = net(x.flip(4), temporal_source=first_sample(x))
        averaged = net.flip_test(x[:1])
    assert_output(flipped, golden, "flipped", rtol=1e-9, atol=1e-11)
    for stored, field in NAMES.items():
        np.testing.assert_allclose(
            getattr(averaged, field)[0], golden[f"fliptest/{stored}"][0], rtol=1e-9, atol=1e-11
        )


def test_gradients(golden: dict[str, Any], checkpoint: Path) -> None:
    net, x = tiny(checkpoint), clips(golden).requires_grad_()
    output = net(x, temporal_source=first_sample(x))
    loss = torch.stack(
        [
            (getattr(output, field) * torch.tensor(golden[f"grad/w_{k[4:]}"])).sum()
            for k, field in NAMES.items()
        ]
    ).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    np.testing.assert_allclose(loss.item(), golden["grad/loss"], rtol=1e-9)
    np.testing.assert_allclose(x.grad[..., ::4, ::4], golden["grad/input_stride4_f64"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(x.grad, golden["grad/input_f32"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(x.grad.norm(), golden["grad/input_norm"], rtol=1e-9)
    parameters = dict(net.named_parameters())
    for name, norm in zip(golden["grad/param_names"], golden["grad/param_norms"], strict=True):
        gradient = parameters[str(name)].grad
        if np.isnan(norm) or norm == 0:
            assert gradient is None or not gradient.any(), name
        else:
            assert gradient is not None, name
            np.testing.assert_allclose(gradient.norm(), norm, rtol=1e-9, err_msg=str(name))


def test_train_mode_and_batch_norm_buffers(golden: dict[str, Any], checkpoint: Path) -> None:
    net, x = tiny(checkpoint).train(), clips(golden)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    output = net(x, temporal_source=first_sample(x))
    assert_output(output, golden, "train_nodrop", rtol=1e-9, atol=1e-11)
    state = net.state_dict()
    buffers = [k for k in golden if k.startswith("train_nodrop/keypoint_head")]
    assert len(buffers) == 6
    for key in buffers:
        np.testing.assert_allclose(
            state[key.removeprefix("train_nodrop/")], golden[key], rtol=1e-9, err_msg=key
        )


def test_tiny_names_are_the_released_ones_in_order(golden: dict[str, Any]) -> None:
    expected = [entry["key"] for entry in json.loads((GOLDEN / "model_tiny.json").read_text())["state_dict"]]
    assert list(FakeSTormerNet(network_config(TINY)).state_dict()) == expected


def test_base_names_shapes_and_sizes() -> None:
    listing = json.loads((GOLDEN / "model_base_keys.json").read_text())
    with torch.device("meta"):
        net = FakeSTormerNet.__new__(FakeSTormerNet)
        nn.Module.__init__(net)
        config = network_config(load_recipe("base_c23"))
        net.backbone, net.keypoint_head = Backbone(config), Heads(config)
    state = net.state_dict()
    assert [(k, list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in state.items()] == [
        (entry["key"], entry["shape"], entry["dtype"]) for entry in listing["state_dict"]
    ]
    assert sum(p.numel() for p in net.parameters()) == listing["n_params"] == 123_627_078
    assert sum(p.numel() for p in net.backbone.parameters()) == listing["n_params_backbone"]
