"""ViT-B/16 on clips of four frames, 224 px: scoring and a training step, in turns with the plain way to write them.

Two of the twelve blocks show in every test run that all of it works. The figures to quote are those of `make
benchmark`, which passes --full-depth: of two blocks, scoring hardly computes the last, and what stochastic depth drops
is a matter of luck. No timed assertions.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.conftest import InTurns
from tests.benchmarks.plain_network import plain_forward
from torch import Tensor

from dfbench.training.devices import keep_freed_memory
from dfbench_fakestormer.detector import FakeSTormer
from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss
from dfbench_fakestormer.memory import close_gaps
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig, Output
from dfbench_fakestormer.scoring import ScoringNet

WIDTH, PLACES, FRAMES, HEADS = 768, 197, 4, 12
ROWS = FRAMES * PLACES
# Rows, inputs and outputs of the linear layers of one block of `ScoringNet`, for one clip.
LINEAR = (
    (ROWS, WIDTH, 3 * WIDTH),
    (ROWS, WIDTH, WIDTH),
    (ROWS, WIDTH, 3 * WIDTH),
    (ROWS, WIDTH, WIDTH),
    (ROWS + 1, WIDTH, 4 * WIDTH),
    (ROWS + 1, 4 * WIDTH, WIDTH),
)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def products(blocks: int, clips: int) -> tuple[Callable[[], None], float]:
    """The matrix products of scoring so many clips at once and nothing else, and how many GFLOP they are."""
    linear = [(random(clips * rows, inputs), random(outputs, inputs)) for rows, inputs, outputs in LINEAR]
    query, key = (random(clips * FRAMES * HEADS, PLACES, WIDTH // HEADS) for _ in range(2))
    weights = random(clips * FRAMES * HEADS, PLACES, PLACES)
    pixels, kernels = random(clips * (ROWS - FRAMES), WIDTH), random(WIDTH, WIDTH)

    def multiply() -> None:
        pixels @ kernels
        for _ in range(blocks):
            for left, right in linear:
                left @ right.T
            query @ key.transpose(1, 2)
            weights @ key

    flop = blocks * 2 * sum(rows * inputs * outputs for rows, inputs, outputs in LINEAR)
    flop += blocks * 4 * FRAMES * PLACES**2 * WIDTH + 2 * (ROWS - FRAMES) * WIDTH**2
    return multiply, clips * flop / 1e9


@pytest.fixture
def net(depth: int) -> FakeSTormerNet:
    return FakeSTormerNet(ModelConfig(depth=depth)).eval()


def test_the_plain_network_is_the_network() -> None:
    net = FakeSTormerNet(ModelConfig(size=32, patch=8, width=24, depth=2, heads=2), seed=1).double().train()
    net.keypoint_head["temp_loc"].eval()
    clips = random(3, 3, 4, 32, 32).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = plain_forward(net, clips)
        torch.manual_seed(0)
        ours = net(clips)
    for one, other in zip(plain, ours, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def compare_scoring(
    benchmark: BenchmarkFixture, in_turns: InTurns, net: FakeSTormerNet, *, batch: int, rounds: int
) -> None:
    keep_freed_memory()  # as scoring does; plain gains by it, too
    clips, scoring = random(batch, 3, 4, 224, 224), ScoringNet(net)
    multiply, gflop = products(net.config.depth - 1, batch)
    with torch.inference_mode():
        logit = in_turns(
            lambda: scoring(clips),
            rounds=rounds,
            plain=lambda: plain_forward(net, clips),
            whole=lambda: net(clips),
            products=multiply,
        )
        torch.testing.assert_close(logit, net(clips).logit[:, 0], rtol=1e-4, atol=1e-5)
    benchmark.extra_info["gflop"] = round(gflop, 1)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["clips_per_second"] = round(batch / seconds, 2)
        benchmark.extra_info["gflop_per_second"] = round(gflop / seconds, 1)


@pytest.mark.slow
def test_scoring_a_clip(benchmark: BenchmarkFixture, in_turns: InTurns, net: FakeSTormerNet) -> None:
    """`products_over_ours` is the roofline: the share of the time that the matrix products alone would take."""
    compare_scoring(benchmark, in_turns, net, batch=1, rounds=4)


@pytest.mark.slow
def test_scoring_eight_clips(benchmark: BenchmarkFixture, in_turns: InTurns, net: FakeSTormerNet) -> None:
    """The same for eight clips at once."""
    compare_scoring(benchmark, in_turns, net, batch=8, rounds=1 if net.config.depth < 12 else 3)


@pytest.mark.slow
def test_scoring_clips_in_int8(in_turns: InTurns, net: FakeSTormerNet) -> None:
    """Time alone: what int8 does to scores depends on the weights, and is told by `int8_scores.py`."""
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (2, 4, 224, 224, 3), dtype=torch.uint8, generator=generator)
    full = FakeSTormer(net, torch.device("cpu"))
    quantised = FakeSTormer(net, torch.device("cpu"), "int8")
    logits = in_turns(lambda: quantised.score(clips), rounds=3, float32=lambda: full.score(clips))
    assert torch.isfinite(logits).all()


def training_step(net: FakeSTormerNet, forward: Callable[[Tensor], Output]) -> None:
    """Forward and backward for two clips; no optimiser."""
    targets = Targets(
        torch.tensor([[0.0], [1.0]]),
        torch.full((2, 4), 0.5),
        random(2, 1, 4, 14, 14),
        torch.ones(2, 1, 4, 14, 14),
    )
    net.zero_grad(set_to_none=True)
    combined_loss(forward(random(2, 3, 4, 224, 224)), targets, LossWeights()).total.backward()  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_a_training_step(in_turns: InTurns, net: FakeSTormerNet, depth: int) -> None:
    """Stochastic depth as in the recipe: what it drops differs from step to step, so there are several."""
    net.train()
    close_gaps(net)  # as training does
    with torch.random.fork_rng():
        torch.manual_seed(0)
        in_turns(
            lambda: training_step(net, net),
            rounds=2 if depth < 12 else 5,
            plain=lambda: training_step(net, lambda clips: plain_forward(net, clips)),
        )
    gradient = net.backbone.blocks[0].get_parameter("mlp.fc1.weight").grad
    assert gradient is not None
    assert gradient.norm() > 0


PEAK = """
import sys
from pathlib import Path
import torch
from dfbench_fakestormer.memory import close_gaps
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig
from tests.benchmarks.plain_network import plain_forward
from tests.benchmarks.test_network_speed import training_step
plain, depth, steps = sys.argv[1] == "plain", int(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(0)
net = FakeSTormerNet(ModelConfig(depth=depth)).train()
close_gaps(net)
for _ in range(steps):
    training_step(net, (lambda clips: plain_forward(net, clips)) if plain else net)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.slow
def test_memory_of_a_training_step(benchmark: BenchmarkFixture, depth: int) -> None:
    """Peak resident MiB of a fresh process after eight steps (two of a small network), imports and weights included."""

    def peak(how: str) -> float:
        command = [sys.executable, "-c", PEAK, how, str(depth), "2" if depth < 12 else "8"]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        return float(done.stdout)

    ours = benchmark.pedantic(peak, args=("ours",), rounds=1, iterations=1)
    benchmark.extra_info["peak_mib"] = round(ours)
    if depth == 12:
        benchmark.extra_info["plain_peak_mib"] = round(peak("plain"))
    assert ours > 0
