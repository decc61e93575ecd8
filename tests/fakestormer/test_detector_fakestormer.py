"""The detector's contract: uint8 clips in, one logit a clip out, whatever else is in the batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench import Detector, LoadOptions, ScoreError, UsageError, WeightsError
from dfbench.training.scorer import normalise
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.detector import FakeSTormer, build, untrained
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.scoring import ScoringNet

SMALL = load_recipe(
    "demo", {"size": "32", "patch": "16", "width": "24", "depth": "2", "heads": "2", "train_crop": "48"}
)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FakeSTormer:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    net = FakeSTormerNet(network_config(SMALL), seed=2)
    write_weights(path, net.state_dict(), Header(SMALL, ("ffpp",), "c23", {}))
    return build(LoadOptions(path))


def some_clips(count: int, size: int = 32) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (count, 2, size, size, 3), dtype=np.uint8)
    )


def test_one_logit_a_clip_the_same_alone_and_in_any_batch(detector: FakeSTormer) -> None:
    clips = some_clips(7)
    together = detector.score(clips)
    assert isinstance(detector, Detector)
    assert together.shape == (7,)
    assert together.dtype == torch.float32
    assert torch.isfinite(together).all()
    assert together.std() > 0
    alone = torch.cat([detector.score(clip[None]) for clip in clips])
    reversed_order = detector.score(clips.flip(0)).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together, reversed_order, rtol=1e-5, atol=1e-6)


def no_memory_on(device: str) -> None:
    """Run out of memory: on the processor by asking for what no machine has."""
    if device == "cuda":
        raise torch.OutOfMemoryError("CUDA out of memory")
    torch.empty(2**50)


@pytest.mark.parametrize(("fits", "device"), [(3, "cuda"), (1, "cuda"), (3, "cpu")])
def test_clips_that_do_not_fit_together_are_scored_in_parts(
    detector: FakeSTormer, monkeypatch: pytest.MonkeyPatch, fits: int, device: str
) -> None:
    clips = some_clips(7)
    expected = detector.score(clips)
    original, sizes = ScoringNet.forward, []

    def limited(self: ScoringNet, clips: torch.Tensor) -> torch.Tensor:
        if len(clips) > fits:
            no_memory_on(device)
        sizes.append(len(clips))
        return original(self, clips)

    monkeypatch.setattr(ScoringNet, "forward", limited)
    torch.testing.assert_close(detector.score(clips), expected, rtol=1e-5, atol=1e-6)
    assert sum(sizes) == 7
    assert max(sizes) <= fits


@pytest.mark.parametrize("precision", ["32", "int8"])
def test_one_clip_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    def never(self: ScoringNet, clips: torch.Tensor) -> None:
        no_memory_on("cpu")

    monkeypatch.setattr(ScoringNet, "forward", never)
    detector = FakeSTormer(FakeSTormerNet(network_config(SMALL)), torch.device("cpu"), precision)
    with pytest.raises(ScoreError, match="does not fit into the memory of cpu"):
        detector.score(some_clips(4))


@pytest.mark.parametrize("shape", [(2, 2, 48, 48, 3), (2, 8, 32, 32, 3), (2, 2, 32, 32), (2, 3, 2, 32, 32)])
def test_clips_of_another_shape_are_refused(detector: FakeSTormer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ScoreError, match="these weights want"):
        detector.score(torch.zeros(shape, dtype=torch.uint8))


def test_float_clips_are_refused(detector: FakeSTormer) -> None:
    with pytest.raises(ScoreError, match=r"torch\.float32"):
        detector.score(torch.zeros(1, 2, 32, 32, 3))


def test_no_weights_is_an_error_with_the_ways_out() -> None:
    with pytest.raises(WeightsError) as caught:
        build(LoadOptions())
    assert any("dfbench train" in hint for hint in caught.value.hints)


def test_untrained_scores_depend_on_the_seed_alone() -> None:
    clips = some_clips(2, 144)
    one, same, other = (untrained(LoadOptions(seed=s)).score(clips) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    with pytest.raises(WeightsError, match="takes no weights"):
        untrained(LoadOptions(Path("x")))


def test_a_device_that_is_absent_or_unknown_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown device 'quantum'"):
        untrained(LoadOptions(device="quantum"))
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="'cuda' was asked for"):
            untrained(LoadOptions(device="cuda"))


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.05), ("int8", 0.1)])
def test_other_precisions_score_nearly_the_same_alone_and_in_any_batch(
    precision: str, tolerance: float
) -> None:
    clips, net = some_clips(5), FakeSTormerNet(network_config(SMALL), seed=2)
    exact = FakeSTormer(net, torch.device("cpu")).score(clips)
    detector = FakeSTormer(net, torch.device("cpu"), precision)
    scores = detector.score(clips)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, exact, rtol=0, atol=tolerance)
    assert not torch.equal(scores, exact)
    alone = torch.cat([detector.score(clip[None]) for clip in clips])
    torch.testing.assert_close(scores, alone, rtol=0, atol=1e-4)
    # The network itself still scores as it did.
    assert torch.equal(FakeSTormer(net, torch.device("cpu")).score(clips), exact)


def test_int8_is_refused_where_it_does_not_exist() -> None:
    net = FakeSTormerNet(network_config(SMALL))
    with pytest.raises(UsageError, match="int8 on the processor alone, not on cuda") as caught:
        FakeSTormer(net, torch.device("cuda"), "int8")
    assert any("--device cpu" in hint for hint in caught.value.hints)


def test_normalise_is_imagenets() -> None:
    clip = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 1, 1, 1, 3)
    got = normalise(clip)[0, :, 0, 0, 0]
    expected = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert got.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_entry_module_and_describing_weights_import_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    net = FakeSTormerNet(network_config(SMALL))
    write_weights(path, net.state_dict(), Header(SMALL, ("ffpp",), "c23", {}))
    code = (
        "import sys, pathlib, dfbench_fakestormer as plugin\n"
        "plugin.dfbench_detectors(); plugin.dfbench_synthesizers()\n"
        "from dfbench import LoadOptions\n"
        "from dfbench_fakestormer.checkpoints import describe\n"
        f"describe(LoadOptions(pathlib.Path({str(path)!r})))\n"
        "assert not {'torch', 'cv2', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
