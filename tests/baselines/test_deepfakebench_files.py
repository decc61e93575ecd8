"""Checkpoints of DeepfakeBench and FaceForensics++, in their public layout, read as a user would have them read and scored."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.baselines.golden import GOLDEN, drawn, images, network_input, stored
from torch import Tensor

from dfbench import LoadOptions, StartWeights, WeightsError
from dfbench.hooks.host import Host
from dfbench.training import Method
from dfbench.training.readers import card_with
from dfbench_baselines.f3net import METHOD as F3NET
from dfbench_baselines.mesonet import MESO4, MESOINCEPTION4
from dfbench_baselines.mesonet_deepfakebench import SharingMesoNet
from dfbench_baselines.spsl import METHOD as SPSL
from dfbench_baselines.srm import METHOD as SRM
from dfbench_baselines.timm_frames import EFFICIENTNET_B4
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


def hollow(model: str) -> dict[str, Tensor]:
    """Tensors with the names and shapes that DeepfakeBench saves, without numbers of their own: small files."""
    listed = json.loads((GOLDEN / f"keys_{model}_deepfakebench.json").read_text(encoding="utf-8"))["keys"]
    return {key: torch.zeros(()).expand(shape) for key, shape, *_ in listed}


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
    torch.testing.assert_close(outputs, theirs, rtol=0, atol=2e-5)
    torch.testing.assert_close(scores.float(), theirs[:, 1] - theirs[:, 0], rtol=0, atol=4e-5)  # 1 is "fake"
    card = method.describe(LoadOptions(path))
    assert card.trained_on is None
    assert "unverified weights" in card.recipe


@pytest.mark.slow
def test_the_state_of_faceforensics_is_scored_at_its_size(tmp_path: Path) -> None:
    path = tmp_path / "xception.pth"
    torch.save(checkpoint("xception", keys="xception_ffpp"), path)
    outputs, _ = logits_of(XCEPTION, path, 299, 1, "input/299")
    theirs = torch.from_numpy(stored("xception.npz")["ffpp299/f64/logits"]).float()
    torch.testing.assert_close(outputs, theirs, rtol=0, atol=2e-5)


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


def efficientnet() -> dict[str, Tensor]:
    """DeepfakeBench's EfficientNet-B4 by the rule; `sbi_timm_keys.json` has the same names with other beginnings."""
    names: dict[str, str] = json.loads((GOLDEN / "sbi_timm_keys.json").read_text(encoding="utf-8"))
    net = EFFICIENTNET_B4.network(EFFICIENTNET_B4.load_recipe("deepfakebench"), seed=0).state_dict()
    state = {}
    for sbi, ours in names.items():
        key = sbi.replace("net._fc.", "backbone.last_layer.").replace("net.", "backbone.efficientnet.")
        shape = tuple(net[ours].shape)
        last = "last_layer" in key
        value = drawn(f"efficientnet_b4/{key}", (2, *shape[1:]) if last else shape, gain=2 if last else 1.35)
        state[key] = torch.from_numpy(np.asarray(value))
    return state


@pytest.mark.slow
def test_efficientnet_is_padded_as_in_deepfakebench(tmp_path: Path) -> None:
    golden = stored("efficientnet_b4_deepfakebench.npz")
    pixels = images("input/256", count=2, size=256)
    assert zlib.crc32(pixels.tobytes()) == golden["input256_crc32"]
    path = tmp_path / "effnb4_best.pth"
    state = efficientnet()
    torch.save({f"module.{name}": value for name, value in state.items()}, path)
    net, recipe = EFFICIENTNET_B4.load(path)
    assert (recipe.size, recipe.mean, recipe.std) == (256, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert recipe.clip_margin == 0.15
    real, fake = golden["dfb256/f64/logits"].T
    scores = EFFICIENTNET_B4.build(LoadOptions(path)).score(torch.from_numpy(pixels)[:, None])
    np.testing.assert_allclose(scores.numpy(), fake - real, rtol=0, atol=4e-5)  # 2e-5 for each of both
    net.double()
    with torch.inference_mode():
        features = net.forward_features(network_input(pixels))  # type: ignore[operator]
        head = {name: state[f"backbone.last_layer.{name}"].double() for name in ("weight", "bias")}
        outputs = torch.nn.functional.linear(features.mean(dim=(2, 3)), head["weight"], head["bias"])
    np.testing.assert_allclose(features.mean(dim=(2, 3)), golden["dfb256/f64/feat_mean"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(outputs, golden["dfb256/f64/logits"], rtol=0, atol=1e-9)
    # As timm pads, the outputs are others, which were stored too.
    plain = EFFICIENTNET_B4.network(EFFICIENTNET_B4.load_recipe("standard"), seed=0).eval()
    plain.load_state_dict(net.state_dict())
    with torch.inference_mode():
        real, fake = golden["dfb256/f64/logits_timm_unchanged"].T
        found = plain(network_input(pixels).float())[:, 0]
        np.testing.assert_allclose(found, fake - real, rtol=0, atol=4e-5)
    card = EFFICIENTNET_B4.describe(LoadOptions(path))
    assert (card.trained_on, card.recipe.startswith("deepfakebench, unverified weights ")) == (None, True)


def test_an_efficientnet_of_three_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "three.pth"
    names = {"_conv_stem.weight": (48, 3, 3, 3), "last_layer.weight": (3, 1792), "last_layer.bias": (3,)}
    state = {f"backbone.efficientnet.{name}": torch.zeros(shape) for name, shape in names.items()}
    torch.save({name.replace("efficientnet.last", "last"): value for name, value in state.items()}, path)
    with pytest.raises(WeightsError, match="has 3 outputs, and real or fake are two") as caught:
        EFFICIENTNET_B4.load(path)
    assert str(path) in caught.value.message


def meso(model: str) -> dict[str, Tensor]:
    """DeepfakeBench's Meso4 or MesoInception4 by the rule."""
    listed = json.loads((GOLDEN / f"keys_{model}_deepfakebench.json").read_text(encoding="utf-8"))["keys"]
    return {
        key: torch.from_numpy(np.asarray(drawn(f"{model}_dfb/{key}", tuple(shape)))) for key, shape in listed
    }


mesonets = pytest.mark.parametrize(
    ("method", "model"), [(MESO4, "meso4"), (MESOINCEPTION4, "mesoInception4")], ids=["meso4", "inception"]
)


@mesonets
def test_mesonets_of_deepfakebench_are_networks_of_their_own(
    method: Method, model: str, tmp_path: Path
) -> None:
    golden = stored("mesonet_deepfakebench.npz")
    pixels = images("input/256", count=2, size=256)
    assert zlib.crc32(pixels.tobytes()) == golden["input_crc32"]
    path, state = tmp_path / "meso_best.pth", meso(model)
    torch.save({f"module.{name}": value for name, value in state.items()}, path)
    net, recipe = method.load(path)
    assert (recipe.size, recipe.mean, recipe.std) == (256, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (recipe.clip_margin, recipe.pooling) == (0.15, "mean_prob")
    real, fake = golden[f"{model}/f64/logits"].T
    scores = method.build(LoadOptions(path)).score(torch.from_numpy(pixels)[:, None])
    np.testing.assert_allclose(scores.numpy(), fake - real, rtol=0, atol=4e-5)  # 2e-5 for each of both
    assert isinstance(net, SharingMesoNet)
    with torch.inference_mode():
        features = net.double().features(network_input(pixels))
    np.testing.assert_allclose(features, golden[f"{model}/f64/feat"], rtol=0, atol=1e-9)
    card = method.describe(LoadOptions(path))
    assert (card.trained_on, card.recipe.startswith("deepfakebench, unverified weights ")) == (None, True)


@mesonets
def test_a_mesonet_of_three_classes_or_with_a_part_missing_is_refused(
    method: Method, model: str, tmp_path: Path
) -> None:
    path, state = tmp_path / "other.pth", meso(model)
    torch.save(state | {"backbone.fc2.weight": torch.zeros(3, 16), "backbone.fc2.bias": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="has 3 outputs, and real or fake are two"):
        method.load(path)
    del state["backbone.bn1.running_var"]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"norms\.\d\.running_var is missing"):
        method.load(path)


def test_a_keras_file_does_not_start_the_network_of_deepfakebench() -> None:
    net = MESO4.network(MESO4.load_recipe("deepfakebench"), seed=0)
    with pytest.raises(
        WeightsError, match=r"conv2d_\d+ has a bias, and the layers of this network have none"
    ):
        MESO4.begin(net, StartWeights(GOLDEN / "mesonet_meso4_random.h5"))


@pytest.mark.parametrize(
    ("asked", "model", "words", "readers"),
    [
        ("xception", "srm", "a checkpoint of DeepfakeBench's SRM, which xception does not read", ["srm"]),
        ("srm", "xception", "DeepfakeBench's Xception, or CORE, which srm does not", ["xception"]),
        ("f3net", "spsl", "DeepfakeBench's SPSL, which f3net does not", ["spsl"]),
        ("xception", "spsl", "DeepfakeBench's SPSL, which xception does not", ["spsl"]),
        ("spsl", "xception", "DeepfakeBench's Xception, or CORE, which spsl does not", ["xception"]),
        ("sbi", "meso4", "DeepfakeBench's Meso4, which sbi does not", ["meso4"]),
        ("meso4", "mesoInception4", "DeepfakeBench's MesoInception4, which meso4", ["mesoinception4"]),
        ("resnet50", "meso4", "DeepfakeBench's Meso4, which resnet50 does not", ["meso4"]),
    ],
)
def test_who_asks_the_wrong_detector_is_told_the_right_one(
    asked: str, model: str, words: str, readers: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "downloaded.pth"
    torch.save(meso(model) if model.startswith("meso") else hollow(model), path)
    registry = Host.load().registry
    with pytest.raises(WeightsError, match=words) as caught:
        card_with(registry.detector(asked), LoadOptions(path), registry)
    assert str(path) in caught.value.message
    assert caught.value.hints == tuple(f"score it as what it is:  --detector {name}" for name in readers)


def test_a_file_that_nobody_reads_is_refused_in_the_words_of_the_detector_that_was_asked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "unknown.pth"
    torch.save({"stem.weight": torch.zeros(3)}, path)
    registry = Host.load().registry
    with pytest.raises(WeightsError, match="is no checkpoint that xception reads"):
        card_with(registry.detector("xception"), LoadOptions(path), registry)
