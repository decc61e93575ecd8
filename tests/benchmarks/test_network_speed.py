"""ViT-B/16 on clips of four frames, 224 px: scoring and a training step, in turns with the plain way to write them.

The figures to quote are those of `make benchmark`, which passes --full-depth: of two blocks, scoring hardly computes the last,
and what stochastic depth drops is a matter of luck. No timed assertions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.conftest import InTurns
from tests.benchmarks.plain_network import plain_forward
from torch import Tensor

from dfbench.training.devices import keep_freed_memory
from dfbench_fakestormer.detector import FakeSTormer
from dfbench_fakestormer.heap import close_gaps
from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig, Output
from dfbench_fakestormer.scoring import ScoringNet

SMOKE = ModelConfig(size=32, patch=8, width=24, depth=2, heads=2)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def products(config: ModelConfig, clips: int) -> tuple[Callable[[], None], float]:
    """The matrix products of scoring so many clips at once and nothing else, and how many GFLOP they are."""
    blocks, width, heads, frames = config.depth - 1, config.width, config.heads, config.frames
    places = config.grid**2 + 1
    rows = frames * places
    # Rows, inputs and outputs of the linear layers of one block of `ScoringNet`, for one clip.
    sizes = (
        (rows, width, 3 * width),
        (rows, width, width),
        (rows, width, 3 * width),
        (rows, width, width),
        (rows + 1, width, 4 * width),
        (rows + 1, 4 * width, width),
    )
    linear = [(random(clips * count, inputs), random(outputs, inputs)) for count, inputs, outputs in sizes]
    query, key = (random(clips * frames * heads, places, width // heads) for _ in range(2))
    weights = random(clips * frames * heads, places, places)
    values = 3 * config.patch**2  # of a patch
    pixels, kernels = random(clips * (rows - frames), values), random(values, width)

    def multiply() -> None:
        pixels @ kernels
        for _ in range(blocks):
            for left, right in linear:
                left @ right.T
            query @ key.transpose(1, 2)
            weights @ key

    flop = blocks * 2 * sum(count * inputs * outputs for count, inputs, outputs in sizes)
    flop += blocks * 4 * frames * places**2 * width + 2 * (rows - frames) * values * width
    return multiply, clips * flop / 1e9


@pytest.fixture
def config(depth: int, smoke: bool) -> ModelConfig:
    return SMOKE if smoke else ModelConfig(depth=depth)


@pytest.fixture
def net(config: ModelConfig) -> FakeSTormerNet:
    return FakeSTormerNet(config).eval()


def test_the_plain_network_is_the_network() -> None:
    net = FakeSTormerNet(SMOKE, seed=1).double().train()
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
    clips, scoring = random(batch, 3, 4, net.config.size, net.config.size), ScoringNet(net)
    multiply, gflop = products(net.config, batch)
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


def test_scoring_a_clip(benchmark: BenchmarkFixture, in_turns: InTurns, net: FakeSTormerNet) -> None:
    """`products_over_ours` is the roofline: the share of the time that the matrix products alone would take."""
    compare_scoring(benchmark, in_turns, net, batch=1, rounds=4)


def test_scoring_eight_clips(benchmark: BenchmarkFixture, in_turns: InTurns, net: FakeSTormerNet) -> None:
    """The same for eight clips at once."""
    compare_scoring(benchmark, in_turns, net, batch=8, rounds=1 if net.config.depth < 12 else 3)


def test_scoring_clips_in_int8(in_turns: InTurns, net: FakeSTormerNet) -> None:
    """Time alone: what int8 does to scores depends on the weights, and is told by `int8_scores.py`."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 4, net.config.size, net.config.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    full = FakeSTormer(net, torch.device("cpu"))
    quantised = FakeSTormer(net, torch.device("cpu"), "int8")
    logits = in_turns(lambda: quantised.score(clips), rounds=3, float32=lambda: full.score(clips))
    assert torch.isfinite(logits).all()


def training_step(net: FakeSTormerNet, forward: Callable[[Tensor], Output]) -> None:
    """Forward and backward for two clips; no optimiser."""
    size, grid = net.config.size, net.config.grid
    targets = Targets(
        torch.tensor([[0.0], [1.0]]),
        torch.full((2, 4), 0.5),
        random(2, 1, 4, grid, grid),
        torch.ones(2, 1, 4, grid, grid),
    )
    net.zero_grad(set_to_none=True)
    combined_loss(forward(random(2, 3, 4, size, size)), targets, LossWeights()).total.backward()  # type: ignore[no-untyped-call]


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
import json, sys
from pathlib import Path
import torch
from dfbench_fakestormer.heap import close_gaps
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig
from tests.benchmarks.plain_network import plain_forward
from tests.benchmarks.test_network_speed import training_step
plain, config, steps = sys.argv[1] == "plain", ModelConfig(**json.loads(sys.argv[2])), int(sys.argv[3])
torch.manual_seed(0)
net = FakeSTormerNet(config).train()
close_gaps(net)
for _ in range(steps):
    training_step(net, (lambda clips: plain_forward(net, clips)) if plain else net)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.slow
def test_memory_of_a_training_step(benchmark: BenchmarkFixture, net: FakeSTormerNet, depth: int) -> None:
    """Peak resident MiB of a fresh process after eight steps (two of a small network), imports and weights included."""
    weights = sum(weight.numel() * weight.element_size() for weight in net.parameters())

    def peak(how: str) -> float:
        config = json.dumps(asdict(net.config))
        command = [sys.executable, "-c", PEAK, how, config, "2" if depth < 12 else "8"]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        return float(done.stdout)

    ours = benchmark.pedantic(peak, args=("ours",), rounds=1, iterations=1)
    benchmark.extra_info["peak_mib"] = round(ours)
    if depth == 12:
        benchmark.extra_info["plain_peak_mib"] = round(peak("plain"))
    assert ours * 2**20 > 2 * weights  # and their gradients
