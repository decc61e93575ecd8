"""A trained network as a detector: clips are normalised by the recipe, and scored alike alone and beside others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.lines import METHOD, line_recipe, network
from torch import Tensor, nn

from dfbench.errors import ScoreError
from dfbench.training.scorer import MethodDetector, Scoring, normalise, plain_scoring

CPU = torch.device("cpu")
RECIPE = line_recipe()


def clips(count: int, seed: int = 0, *, frames: int = RECIPE.frames, size: int = RECIPE.size) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, frames, size, size, 3), generator=generator, dtype=torch.uint8)


@given(
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.05, 1)] * 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_normalising_is_that_of_the_definition(
    mean: tuple[float, float, float], std: tuple[float, float, float], seed: int
) -> None:
    given_clips = clips(2, seed)
    found = normalise(given_clips, dtype=torch.float64, mean=mean, std=std)
    wanted = (given_clips.numpy() / 255 - np.array(mean)) / np.array(std)
    assert found.shape == (2, 3, RECIPE.frames, RECIPE.size, RECIPE.size)
    np.testing.assert_allclose(found.permute(0, 2, 3, 4, 1).numpy(), wanted, rtol=1e-9, atol=1e-9)
    single = normalise(given_clips, mean=mean, std=std)
    assert single.dtype == torch.float32


def detector(scoring: Scoring) -> MethodDetector:
    return MethodDetector("line", scoring, CPU, frames=RECIPE.frames, size=RECIPE.size)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_clip_has_its_score_alone_and_in_any_batch(one_by_one: bool) -> None:
    net = network(RECIPE, seed=1).double().eval()
    scoring = Scoring(lambda seen: METHOD.logit(net, seen.double()), one_by_one=one_by_one)
    whole = detector(scoring).score(clips(5))
    alone = torch.cat([detector(scoring).score(clip[None]) for clip in clips(5)])
    assert (whole.shape, whole.dtype) == ((5,), torch.float32)
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-6)
    assert len(set(whole.tolist())) == 5


def test_clips_that_would_change_each_other_are_passed_singly() -> None:
    """As by a network that quantises by the largest value that it sees."""
    sizes: list[int] = []

    def logits(seen: Tensor) -> Tensor:
        sizes.append(len(seen))
        return (seen - seen.mean()).flatten(1)[:, 0]

    together = detector(Scoring(logits)).score(clips(3))
    singly = detector(Scoring(logits, one_by_one=True)).score(clips(3))
    assert sizes == [3, 1, 1, 1]
    assert not torch.allclose(together, singly)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_scoring_leaves_the_network_in_evaluation_and_keeps_no_gradient(precision: str) -> None:
    net = network(line_recipe(dropout=0.5), seed=1)
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    scores = detector(plain_scoring(METHOD, net, precision, CPU)).score(clips(4))
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not scores.requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_half_precision_is_near_the_full_one_and_not_equal() -> None:
    full, half = (
        detector(plain_scoring(METHOD, network(RECIPE, seed=1), precision, CPU)).score(clips(6))
        for precision in ("32", "bf16")
    )
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0.05, atol=0.05)
    assert not torch.equal(half, full)


@pytest.mark.parametrize(
    "wrong",
    [
        clips(1, frames=3),
        clips(1, size=9),
        clips(1)[0],
        clips(1).float(),
    ],
    ids=["frames", "size", "no batch", "float"],
)
def test_clips_that_the_weights_do_not_want_are_refused_with_both_shapes(wrong: Tensor) -> None:
    scoring = plain_scoring(METHOD, network(RECIPE, seed=1), "32", CPU)
    with pytest.raises(ScoreError, match="line was handed clips of") as caught:
        detector(scoring).score(wrong)
    assert f"these weights want ({RECIPE.frames}, {RECIPE.size}, {RECIPE.size}, 3)" in caught.value.message


def test_the_normalisation_of_the_recipe_is_what_the_network_sees() -> None:
    seen: list[Tensor] = []

    class Keep(nn.Module):
        def forward(self, given_clips: Tensor) -> Tensor:
            seen.append(given_clips)
            return given_clips.flatten(1)[:, :1]

    recipe = line_recipe(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))
    METHOD.detector(Keep(), recipe, "cpu").score(torch.full((1, 2, 8, 8, 3), 255, dtype=torch.uint8))
    (values,) = seen
    assert [float(value) for value in values[0, :, 0, 0, 0]] == pytest.approx([2, 1, 0.5])
