"""The training step and the validation of any method, without a trainer around them: optimisers, rates, averages, scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.lines import METHOD, LineRecipe, line_recipe, network
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dfbench.metrics.point import auc
from dfbench.training.loaders import ValidationBatch
from dfbench.training.method import Method, first_output
from dfbench.training.module import CLIP_ACCURACY, VIDEO_AUC, MethodModule
from dfbench.training.muon import MuonAdamW
from dfbench.training.order import ClipOrder
from dfbench.training.samples import Batch
from dfbench.training.schedules import ramp_decay, warmup_cosine


def module_of(recipe: LineRecipe, *, method: Method = METHOD, net: nn.Module | None = None) -> MethodModule:
    order = ClipOrder([np.arange(40)] * 3, recipe=recipe, seed=1)
    nothing: DataLoader[Any] = DataLoader([])  # type: ignore[arg-type]
    return MethodModule(
        method,
        net or network(recipe, seed=1),
        recipe=recipe,
        seed=1,
        order=order,
        train=nothing,
        validation=nothing,
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"optimizer": "adam"}, torch.optim.Adam),
        ({"optimizer": "adamw"}, torch.optim.AdamW),
        ({"optimizer": "sgd"}, torch.optim.SGD),
        ({"optimizer": "muon"}, MuonAdamW),
    ],
)
def test_each_optimiser_gets_the_numbers_of_the_recipe(fields: dict[str, Any], kind: type[Any]) -> None:
    given_fields = {
        "lr": 0.25,
        "weight_decay": 0.125,
        "momentum": 0.5,
        "beta1": 0.75,
        "beta2": 0.875,
        **fields,
    }
    optimizer = module_of(line_recipe(**given_fields)).configure_optimizers()
    assert type(optimizer) is kind
    for group in optimizer.param_groups:
        assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)
        if fields["optimizer"] == "sgd":
            assert group["momentum"] == 0.5
        else:
            assert group["betas"] == (0.75, 0.875)
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    assert count == len(list(network(line_recipe(), seed=1).parameters()))


@given(step=st.integers(0, 200), fields=st.sampled_from(["constant", "ramp_decay", "warmup_cosine"]))
@settings(max_examples=20, deadline=None)
def test_the_learning_rate_is_that_of_the_schedule_at_this_step(step: int, fields: str) -> None:
    recipe = line_recipe(schedule=fields, lr=0.5, epochs=8, lr_boost=2, start_decay=4, warmup_steps=3)
    module = module_of(recipe)
    a_round, rounds = module.order.steps, module.order.rounds_per_epoch
    steps = 8 * a_round * rounds
    wanted = {
        "constant": 0.5,
        "ramp_decay": ramp_decay(step // (a_round * rounds), base=0.5, boost=2, epochs=8, start_decay=4),
        "warmup_cosine": warmup_cosine(step, peak=0.5, warmup=3, steps=steps),
    }
    assert module.learning_rate(step) == wanted[fields]


def test_rates_rise_to_their_peak_and_fall_to_nothing() -> None:
    rates = [warmup_cosine(step, peak=2, warmup=4, steps=20) for step in range(21)]
    assert rates[0] > 0
    assert rates[4] == max(rates) == 2
    assert rates[:5] == sorted(rates[:5])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[20] == pytest.approx(0)
    assert warmup_cosine(0, peak=2, warmup=0, steps=1) == 2
    ramp = [ramp_decay(epoch, base=1, boost=3, epochs=8, start_decay=4) for epoch in range(9)]
    assert (ramp[0], ramp[2], ramp[8]) == (1, 3, 0)
    assert ramp_decay(0, base=1, boost=3, epochs=3, start_decay=4) == 3  # no epoch to rise in


def batch(count: int, *, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 255, (count, 2, 8, 8, 3), generator=generator, dtype=torch.uint8)
    return Batch(clips, torch.arange(count) % 2, {}, count)


def two_terms(net: nn.Module, clips: Tensor, seen: Batch, recipe: LineRecipe) -> dict[str, Tensor]:
    assert len(seen.labels) == len(clips)
    return {"a": net(clips).mean(), "b": torch.tensor(float(recipe.size))}


def test_the_loss_is_the_cross_entropy_of_the_logit_unless_the_method_says_otherwise() -> None:
    module = module_of(line_recipe())
    given_batch = batch(4)
    clips = module._normalised(given_batch.clips)
    (classes,) = module.losses(clips, given_batch).values()
    logits = first_output(module.net, clips)
    probability = torch.sigmoid(logits)
    wanted = -torch.where(given_batch.labels == 1, probability, 1 - probability).log().mean()
    torch.testing.assert_close(classes, wanted)
    own = Method(
        name="own",
        recipe=LineRecipe,
        network=network,
        loss=two_terms,
    )
    terms = module_of(line_recipe(), method=own).losses(clips, given_batch)
    assert set(terms) == {"a", "b"}
    assert float(terms["b"]) == 8


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2, 2)])
def test_the_first_output_of_each_clip_is_its_logit(shape: tuple[int, ...]) -> None:
    values = torch.arange(math.prod(shape)).view(shape).float()
    found = first_output(lambda _: values, torch.zeros(3, 1))
    assert found.tolist() == [float(values[row].reshape(-1)[0]) for row in range(3)]


def logged(module: MethodModule) -> dict[str, float]:
    """What a validation of the module logs at its end."""
    values: dict[str, float] = {}
    module.log = lambda name, value, **_: values.update({name: float(value)})  # type: ignore[method-assign]
    module.on_validation_epoch_end()
    return values


def scored_by(score: Callable[[Tensor], Tensor]) -> MethodModule:
    method = Method(name="score", recipe=LineRecipe, network=network, logit=lambda _, clips: score(clips))
    return module_of(line_recipe(mean=(0, 0, 0), std=(1, 1, 1)), method=method)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 250)), min_size=2, max_size=12
    )
)
@settings(max_examples=30, deadline=None)
def test_videos_are_judged_by_the_mean_of_their_clips(rows: list[tuple[int, int, int]]) -> None:
    """A pseudo-fake is another video than the one that it was made of."""
    module = scored_by(lambda clips: clips.mean(dim=(1, 2, 3, 4)) - 0.5)
    by_video: dict[tuple[int, int], list[float]] = {}
    for label, video, value in rows:
        clips = torch.full((1, 2, 8, 8, 3), value, dtype=torch.uint8)
        module.validation_step(ValidationBatch(clips, torch.tensor([label]), torch.tensor([video])), 0)
        by_video.setdefault((label, video), []).append(float(np.float32(value / 255)) - 0.5)
    if len({label for label, *_ in rows}) == 1:
        return
    values = logged(module)
    scores = np.array([np.mean(clips) for clips in by_video.values()])
    labels = np.array([label for label, _ in by_video], np.int8)
    right = [(score >= 0) == (label == 1) for (label, _), clips in by_video.items() for score in clips]
    assert values[CLIP_ACCURACY] == pytest.approx(np.mean(right))
    assert values[VIDEO_AUC] == pytest.approx(
        auc(scores, labels), abs=0.26
    )  # equal scores may part by rounding
    if len(set(np.round(scores, 4))) == len(scores):
        assert values[VIDEO_AUC] == pytest.approx(auc(scores, labels))


def test_a_round_begins_without_the_scores_of_the_one_before() -> None:
    module = scored_by(lambda clips: clips.mean(dim=(1, 2, 3, 4)) - 0.5)

    def seen(values: list[int]) -> float:
        clips = torch.stack([torch.full((2, 8, 8, 3), value, dtype=torch.uint8) for value in values])
        module.validation_step(ValidationBatch(clips, torch.tensor([0, 1]), torch.tensor([0, 0])), 0)
        return logged(module)[VIDEO_AUC]

    assert seen([10, 200]) == 1
    assert seen([200, 10]) == 0


def test_a_score_that_is_no_number_is_no_auc_and_an_empty_batch_is_none() -> None:
    module = scored_by(lambda clips: torch.full((len(clips),), math.nan))
    clips = torch.zeros((2, 2, 8, 8, 3), dtype=torch.uint8)
    nothing = torch.empty(0, dtype=torch.int64)
    module.validation_step(ValidationBatch(clips[:0], nothing, nothing), 0)
    module.validation_step(ValidationBatch(clips, torch.tensor([0, 1]), torch.tensor([0, 1])), 1)
    assert math.isnan(logged(module)[VIDEO_AUC])


def test_with_a_moving_average_that_is_what_is_validated() -> None:
    recipe = line_recipe(ema_decay=0.5)
    module = module_of(recipe)
    assert module.average is not None
    assert not any(parameter.requires_grad for parameter in module.average.parameters())
    with torch.no_grad():
        for parameter in module.net.parameters():
            parameter.fill_(1.0)
    clips = batch(2).clips
    module.eval()
    module.validation_step(ValidationBatch(clips, torch.tensor([0, 1]), torch.tensor([0, 1])), 0)
    (first,), (second,) = module._logits.values()
    wanted = first_output(network(recipe, seed=1).eval(), module._normalised(clips))
    assert [first, second] == pytest.approx(wanted.tolist(), rel=1e-5)


class Halves(nn.Module):
    """A backbone with a batch norm, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(384, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 1)

    def forward(self, clips: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(clips))
        return out


@pytest.mark.parametrize("frozen_epochs", [0, 1, 2])
def test_the_frozen_part_stands_still_for_so_many_epochs_with_its_statistics(frozen_epochs: int) -> None:
    recipe = line_recipe(frozen_epochs=frozen_epochs)
    method = Method(name="halves", recipe=LineRecipe, network=network, frozen=lambda net: net.body)
    net = Halves()
    module = module_of(recipe, method=method, net=net)
    an_epoch = module.order.steps * module.order.rounds_per_epoch
    for step in (0, an_epoch - 1, an_epoch, 2 * an_epoch):
        moves = step // an_epoch >= frozen_epochs
        before = net.body[2].running_mean.clone()  # type: ignore[operator]
        with module._held_still(step):
            assert all(parameter.requires_grad is moves for parameter in net.body.parameters())
            assert all(parameter.requires_grad for parameter in net.head.parameters())
            net.train()(torch.rand(4, 3, 2, 8, 8))
        assert torch.equal(before, net.body[2].running_mean) is not moves  # type: ignore[arg-type]
        assert net.body[2].track_running_stats


def test_gradients_are_clipped_where_the_recipe_says_so() -> None:
    for clip_norm, expected in ((0.0, None), (0.5, 0.5)):
        module = module_of(line_recipe(clip_norm=clip_norm))
        for parameter in module.net.parameters():
            parameter.grad = torch.ones_like(parameter)
        module.on_before_optimizer_step(torch.optim.SGD(module.net.parameters(), lr=1))
        norm = math.sqrt(
            sum(float(p.grad.square().sum()) for p in module.net.parameters() if p.grad is not None)
        )
        assert norm == pytest.approx(expected) if expected else norm > 10


def test_a_skipped_step_in_fp16_repeats_what_was_logged_before() -> None:
    module = module_of(line_recipe(precision="fp16"))
    values: list[dict[str, Tensor]] = []
    module.log_dict = lambda told, **_: values.append(dict(told))  # type: ignore[method-assign]
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    good, bad = torch.tensor(0.5), torch.tensor(math.inf)
    for term in (good, bad, good + 1):
        module._log_losses({"classes": term}, 4, 0)
    assert [float(told["loss"]) for told in values] == [0.5, 0.5, 1.5]
    plain = module_of(line_recipe())
    plain.log_dict, plain.log = module.log_dict, module.log  # type: ignore[method-assign]
    plain._log_losses({"classes": bad}, 4, 0)
    assert math.isinf(float(values[-1]["loss"]))  # which ends a training in full precision


def test_loaders_begin_at_the_round_that_the_trainer_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of(line_recipe(checkpoint_steps=2))
    rounds: list[int] = []
    monkeypatch.setattr(module.order, "set_epoch", rounds.append)
    for step in (0, module.order.steps, 3 * module.order.steps):
        module._trainer = SimpleNamespace(global_step=step)  # type: ignore[assignment]
        module.train_dataloader()
    assert rounds == [0, 1, 3]
