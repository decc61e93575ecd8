"""Sharpness-aware steps against the stored ones: a toy net for three steps, the tiny model for one, by hand and as
trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.fakestormer.tiny import TINY_FIELDS
from tests.fakestormer.training_faces import rows_of
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from dfbench.progress import SilentProgress
from dfbench.training import FitPlan
from dfbench.training import module as training_module
from dfbench.training.loaders import ValidationBatch
from dfbench.training.loop import fit_module
from dfbench.training.module import VIDEO_AUC
from dfbench.training.order import ClipOrder
from dfbench.training.record import LOG, read_checkpoint
from dfbench.training.samples import Batch
from dfbench.training.sharpness import SharpnessAware, frozen_running_stats
from dfbench.training.weights_file import LAST
from dfbench_fakestormer import heap
from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss
from dfbench_fakestormer.method import METHOD, network_config
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig, Output
from dfbench_fakestormer.module import FakeSTormerModule
from dfbench_fakestormer.recipe import load_recipe

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN / "losses.npz") as file:
        return {key: file[key] for key in file.files if key.startswith("sam")}


def test_three_steps_of_a_toy_net(golden: dict[str, Any]) -> None:
    net = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 1)).double()
    net.load_state_dict(
        {k.removeprefix("sam/init/"): torch.tensor(v) for k, v in golden.items() if "/init/" in k}
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, betas=(0.9, 0.995), weight_decay=1e-4)
    sam = SharpnessAware(net.parameters(), rho=0.05)
    x, y = torch.tensor(golden["sam/x"]), torch.tensor(golden["sam/y"])
    for step in range(3):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = sam.step_aside()
        np.testing.assert_allclose(loss.item(), golden[f"sam/step{step}/loss0"], rtol=1e-9)
        np.testing.assert_allclose(norm, golden[f"sam/step{step}/grad_norm"], rtol=1e-9)
        for name, value in net.state_dict().items():
            key = f"sam/step{step}/perturbed/{name}"
            if key in golden:
                np.testing.assert_allclose(value, golden[key], rtol=1e-9)
        second = F.binary_cross_entropy_with_logits(net(x), y)
        second.backward()  # type: ignore[no-untyped-call]
        np.testing.assert_allclose(second.item(), golden[f"sam/step{step}/loss1"], rtol=1e-9)
        sam.step_back()
        optimizer.step()
        for name, value in net.state_dict().items():
            np.testing.assert_allclose(value, golden[f"sam/step{step}/after/{name}"], rtol=1e-9)


def test_one_step_of_the_tiny_model(golden: dict[str, Any]) -> None:
    config = ModelConfig(
        size=64,
        width=48,
        depth=3,
        heads=4,
        drop_path=0,
        head_dropout=0,
        temporal_token="patch0",
        embed_order="released",
    )
    net = FakeSTormerNet(config)
    with np.load(GOLDEN / "model_tiny.npz") as file:
        net.load_state_dict(
            {k.removeprefix("param/"): torch.tensor(file[k]) for k in file.files if "param/" in k}
        )
        x = torch.tensor(file["input"]).double()
    net.double().train()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.995), weight_decay=1e-4)
    sam = SharpnessAware(net.parameters(), rho=0.05)
    targets = Targets(
        *(torch.tensor(golden[f"sam_tiny/{n}"]) for n in ("label", "temp_loc_target", "hm_target", "hm_mask"))
    )

    def forward(number: int) -> None:
        losses = combined_loss(
            net(x, temporal_source=torch.zeros(2, dtype=torch.int64)), targets, LossWeights()
        )
        losses.total.backward()  # type: ignore[no-untyped-call]
        terms = {
            "hm": losses.heatmap,
            "cls": losses.classes,
            "temp_loc": losses.temporal,
            "total": losses.total,
        }
        for name, value in terms.items():
            np.testing.assert_allclose(value.item(), golden[f"sam_tiny/forward{number}/{name}"], rtol=1e-9)

    def gradient_norms() -> list[float]:
        own = dict(net.named_parameters())
        gradients = [own[str(name)].grad for name in golden["sam_tiny/param_names"]]
        return [float("nan") if g is None else g.norm().item() for g in gradients]

    forward(0)
    np.testing.assert_allclose(gradient_norms(), golden["sam_tiny/grad0_norms"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sam.step_aside(), golden["sam_tiny/grad_norm"], rtol=1e-9)
    forward(1)  # as released, the running statistics count the batch twice
    np.testing.assert_allclose(gradient_norms(), golden["sam_tiny/grad1_norms"], rtol=1e-9, atol=1e-12)
    sam.step_back()
    optimizer.step()
    moved = [(p.detach() - before[n]).norm().item() for n, p in net.named_parameters()]
    np.testing.assert_allclose(moved, golden["sam_tiny/update_norms"], rtol=1e-6)
    state = net.state_dict()
    for key in (k for k in golden if k.startswith("sam_tiny/after/")):
        np.testing.assert_allclose(
            state[key.removeprefix("sam_tiny/after/")], golden[key], rtol=1e-9, atol=1e-11
        )


class ReleasedNet(FakeSTormerNet):
    """Takes the temporal token of the batch's first clip, as the stored step did; notes whether each pass trains."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.passes: list[bool] = []

    def forward(self, clips: Tensor, *, temporal_source: Tensor | None = None) -> Output:
        assert temporal_source is None
        self.passes.append(self.training)
        return super().forward(clips, temporal_source=torch.zeros(len(clips), dtype=torch.int64))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("running_stats", "counted"), [("twice", 2), ("once", 1)])
def test_one_step_of_a_training(
    golden: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    running_stats: str,
    counted: int,
) -> None:
    recipe = load_recipe(
        "base_c23",
        {
            **TINY_FIELDS,
            **{"head_dropout": "0", "sam_running_stats": running_stats},
            **{"lr": "1e-3", "frozen_epochs": "0", "precision": "64", "batch": "1"},
        },
    )
    net = ReleasedNet(network_config(recipe))
    with np.load(GOLDEN / "model_tiny.npz") as file:
        stored = dict(file)
    net.load_state_dict(
        {k.removeprefix("param/"): torch.tensor(v) for k, v in stored.items() if k.startswith("param/")}
    )
    x = torch.tensor(stored["input"])
    named = {"frame_labels": "temp_loc_target", "heatmap": "hm_target", "keep": "hm_mask"}
    targets = {name: torch.tensor(golden[f"sam_tiny/{stored_as}"]) for name, stored_as in named.items()}
    batch = Batch(x, torch.tensor(golden["sam_tiny/label"])[:, 0].long(), targets, samples=1)
    seen = ValidationBatch(x, label=torch.tensor([0, 1]), video=torch.tensor([0, 1]))
    given_back: list[int] = []  # memory, as it is of a large network
    monkeypatch.setattr(heap, "LARGE", 0)
    monkeypatch.setattr(heap, "_give_back", lambda: given_back.append(1))
    # The stored clips are normalised already.
    monkeypatch.setattr(training_module, "normalise", lambda clips, dtype, **_: clips.to(dtype))
    order = ClipOrder([np.arange(6)], recipe=recipe, seed=0)  # one clip of four frames, wherever it begins
    module = FakeSTormerModule(
        METHOD,
        net,
        recipe=recipe,
        seed=0,
        order=order,
        train=DataLoader([batch], batch_size=None),  # type: ignore[arg-type]
        validation=DataLoader([seen], batch_size=None),  # type: ignore[arg-type]
    )
    plan = FitPlan(
        rounds=1, steps=1, validate_every=1, monitor=VIDEO_AUC, device="cpu", precision=recipe.precision
    )
    result = fit_module(module, folder=tmp_path, plan=plan, progress=SilentProgress(), title="one step")

    assert net.passes == [True, True]
    assert len(given_back) == 2 * len(net.passes)
    optimizer = read_checkpoint(tmp_path / LAST)["optimizer_states"][0]["state"]
    assert {int(one["step"]) for one in optimizer.values()} == {1}
    state = {key.removeprefix("net."): value for key, value in result.state.items()}
    # Where a batch counts once, buffers are those that the first pass alone leaves.
    once = {k.removeprefix("train_nodrop/"): v for k, v in stored.items() if "nodrop/keypoint_head" in k}
    twice = {k.removeprefix("sam_tiny/after/"): v for k, v in golden.items() if "sam_tiny/after/" in k}
    for key, value in (twice | once if running_stats == "once" else twice).items():
        np.testing.assert_allclose(state[key], value, rtol=1e-9, atol=1e-11, err_msg=key)
    for key in (one for one in state if one.endswith("num_batches_tracked")):
        assert state[key] == stored[f"param/{key}"] + counted
    for name, norm in zip(golden["sam_tiny/param_names"], golden["sam_tiny/update_norms"], strict=True):
        moved = state[str(name)] - torch.tensor(stored[f"param/{name}"]).double()
        np.testing.assert_allclose(moved.norm(), norm, rtol=1e-6, err_msg=str(name))
    (row,) = rows_of(tmp_path / LOG)
    for column, term in {"loss": "total", "heatmap": "hm", "classes": "cls", "temporal": "temp_loc"}.items():
        assert float(row[column]) == pytest.approx(float(golden[f"sam_tiny/forward0/{term}"]), rel=1e-6)


def test_frozen_running_stats_change_no_output_and_no_buffer() -> None:
    norm = nn.BatchNorm3d(3).train()
    x = torch.randn(2, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    with frozen_running_stats(norm):
        frozen = norm(x)
    state = norm.state_dict()  # shares memory with the module's buffers
    before = (state["running_mean"].clone(), int(state["num_batches_tracked"]))
    torch.testing.assert_close(frozen, norm(x))
    assert torch.equal(before[0], torch.zeros(3))
    assert before[1] == 0
    assert int(state["num_batches_tracked"]) == 1


def test_step_back_returns_exactly_where_no_gradient_flowed() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    used.grad = torch.tensor([3.0, 4.0])
    sam = SharpnessAware([used, unused], rho=0.5)
    assert sam.step_aside().item() == 5.0
    torch.testing.assert_close(used.detach(), torch.tensor([1.3, 1.4]))
    assert [one.grad for one in (used,)] == [None]  # cleared for the second backward pass
    sam.step_back()
    torch.testing.assert_close(used.detach(), torch.ones(2))
    assert torch.equal(unused.detach(), torch.ones(2))
