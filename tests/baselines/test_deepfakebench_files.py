"""Checkpoints of DeepfakeBench and FaceForensics++, in their public layout, read as a user would have them read and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.baselines.golden import GOLDEN, drawn, images, stored
from torch import Tensor

from dfbench import LoadOptions, WeightsError
from dfbench.training import Method
from dfbench_baselines.deepfakebench_files import detector_of
from dfbench_baselines.f3net import METHOD as F3NET
from dfbench_baselines.spsl import METHOD as SPSL
from dfbench_baselines.srm import METHOD as SRM
from dfbench_baselines.xception import METHOD as XCEPTION

GAINS = {
    "xception": {"last_linear": 3.0},
    "f3net": {"last_linear": 3.0, "learnable": 1.6},
    "spsl": {"last_linear": 3.0},
    "srm": {"last_linear": 3.0, "linear1": 0.5, "linear2": 0.5, "key_conv": 0.35, "sharedMLP": 0.5},
}


def checkpoint(model: str, *, keys: str = "", prefix: str = "") -> dict[str, Tensor]:
    """All tensors that the public code saves, drawn by the rule; constants, which nothing may depend on, are zeros."""
    listed = json.loads(
        (GOLDEN / f"keys_{keys or f'{model}_deepfakebench'}.json").read_text(encoding="utf-8")
    )
    state = {}
    for key, shape, *constant in listed["keys"]:
        rule = key.replace("model.", "backbone.") if keys else key
        gain = next((gain for part, gain in GAINS[model].items() if part in key), 1.0)
        value = np.zeros(shape, np.float32) if constant else drawn(f"{model}/{rule}", tuple(shape), gain=gain)
        state[prefix + key] = torch.from_numpy(np.asarray(value))
    return state


def logits_of(method: Method, path: Path, size: int, count: int, name: str) -> tuple[Tensor, Tensor]:
    """Both outputs of the network that is read from a file, for golden images, and the scores of the detector."""
    net, recipe = method.load(path)
    assert (recipe.size, recipe.mean, recipe.std) == (size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pixels = torch.from_numpy(images(name, count=count, size=size))
    scores = method.build(LoadOptions(path)).score(pixels[:, None])
    frames = (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        return net(frames), scores


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "model", "prefix"),
    [(XCEPTION, "xception", ""), (F3NET, "f3net", "module."), (SPSL, "spsl", ""), (SRM, "srm", "module.")],
)
def test_a_checkpoint_gives_the_outputs_of_the_public_code(
    method: Method, model: str, prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "ckpt_best.pth"
    torch.save(checkpoint(model, prefix=prefix), path)
    outputs, scores = logits_of(method, path, 256, 2, "input/256")
    theirs = torch.from_numpy(stored(f"{model}.npz")["dfb256/f32/logits"])
    torch.testing.assert_close(outputs, theirs, rtol=0, atol=2e-4)
    torch.testing.assert_close(scores.float(), theirs[:, 1] - theirs[:, 0], rtol=0, atol=4e-4)  # 1 is "fake"
    card = method.describe(LoadOptions(path))
    assert card.trained_on is None
    assert "unverified weights" in card.recipe


@pytest.mark.slow
def test_the_state_of_faceforensics_is_scored_at_its_size(tmp_path: Path) -> None:
    path = tmp_path / "xception.pth"
    torch.save(checkpoint("xception", keys="xception_ffpp"), path)
    outputs, _ = logits_of(XCEPTION, path, 299, 1, "input/299")
    theirs = torch.from_numpy(stored("xception.npz")["ffpp299/f64/logits"]).float()
    torch.testing.assert_close(outputs, theirs, rtol=0, atol=2e-4)


@pytest.mark.slow
def test_a_checkpoint_of_another_detector_is_named(tmp_path: Path) -> None:
    states = {model: checkpoint(model) for model in GAINS}
    assert {model: detector_of(state) for model, state in states.items()} == {model: model for model in GAINS}
    assert detector_of({"conv.weight": torch.zeros(3)}) == ""
    for method, model, words in (
        (XCEPTION, "spsl", "those of spsl, not of xception"),
        (SPSL, "xception", "those of xception, not of spsl"),
    ):
        path = tmp_path / f"{model}.pth"
        torch.save(states[model], path)
        with pytest.raises(WeightsError, match=words) as caught:
            method.load(path)
        assert str(path) in caught.value.message
        assert caught.value.hints == (f"score it as what it is:  --detector {model}",)
    torch.save(states["srm"], tmp_path / "srm.pth")
    with pytest.raises(WeightsError, match="is no checkpoint that xception reads"):
        XCEPTION.load(tmp_path / "srm.pth")


def test_a_checkpoint_that_lacks_a_tensor_or_has_another_head_is_refused(tmp_path: Path) -> None:
    state = checkpoint("xception")
    path = tmp_path / "part.pth"
    torch.save({name: value for name, value in state.items() if "block7" not in name}, path)
    with pytest.raises(WeightsError, match="block7"):
        XCEPTION.load(path)
    three = state | {
        "backbone.last_linear.weight": torch.zeros(3, 2048),
        "backbone.last_linear.bias": torch.zeros(3),
    }
    torch.save(three, path)
    with pytest.raises(WeightsError, match="does not fit"):
        XCEPTION.load(path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"part\.pth"):
        XCEPTION.load(path)
