"""Weights to start from: an image transformer's, by file or through timm, or another FakeSTormer's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.fakestormer.training_faces import OVERRIDES, Faces, make_trainer, request
from tests.fakestormer.training_faces import write_network as write_weights
from torch import Tensor

from dfbench import LoadOptions, UsageError, WeightsError
from dfbench.runs.planning.trainers import start_weights
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.trainings.plan import start_identity
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.checkpoints import describe
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig
from dfbench_fakestormer.pretrained import start_from
from dfbench_fakestormer.recipe import load_recipe

TINY = ModelConfig(frames=4, size=32, patch=8, width=48, depth=3, heads=4)
ORIGIN: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "model_base_keys.json").read_text()
)["mae_init"]


def image_transformer(*, seed: int = 3, grid: int = 4) -> dict[str, Tensor]:
    """The keys of MAE's ViT, as small as TINY, with those of its decoder."""
    generator = torch.Generator().manual_seed(seed)
    own = FakeSTormerNet(replace(TINY, size=8 * grid)).backbone.state_dict()
    state = {
        key: torch.randn(value.shape, generator=generator)
        for key, value in own.items()
        if "temporal" not in key and key not in ("temp_token", "time_embed") and "_cls." not in key
    }
    return {
        **state,
        "mask_token": torch.zeros(1, 1, 8),
        "decoder_embed.weight": torch.zeros(8, 48),
        "decoder_blocks.0.norm1.weight": torch.ones(8),
    }


def pattern(key: str) -> str:
    """The key with the number of its block replaced by *, as in the golden summary."""
    parts = key.split(".")
    return ".".join(
        "*" if before == "blocks" else part for before, part in zip(["", *parts], parts, strict=False)
    )


@pytest.mark.parametrize("container", ["state_dict", "model", "module", ""])
@pytest.mark.parametrize("prefix", ["", "module.", "encoder."])
def test_every_parameter_comes_from_where_the_released_code_takes_it(
    tmp_path: Path, container: str, prefix: str
) -> None:
    given = image_transformer()
    stored: dict[str, Any] = {prefix + key: value for key, value in given.items()}
    path = tmp_path / "mae.pth"
    torch.save({container: stored} if container else stored, path)
    net, constructed = FakeSTormerNet(TINY, seed=1), FakeSTormerNet(TINY, seed=1).state_dict()
    start = start_from(net, start_weights(str(path)))
    assert "time and heads begin anew" in start.says
    assert not start.trained_on
    state = net.state_dict()
    origins = {one["pattern"]: one["init"] for one in ORIGIN["summary"]}
    assert {pattern(key) for key in state} == set(origins)
    for key, value in state.items():
        origin, inner = origins[pattern(key)], key.removeprefix("backbone.")
        if origin.startswith("copied exactly from checkpoint key"):
            assert torch.equal(value, given[inner]), key
        elif origin == "reset to zero by TimeViT.init_weights" or origin.endswith("(all zero)"):
            assert not value.any(), key
        elif origin.endswith("(all one)"):
            assert bool((value == 1).all()), key
        elif origin == "re-initialised":  # with a standard deviation of 1e-6
            assert 0 < float(value.std()) < 2e-6, key
        else:
            assert origin == "kept constructor value"
            assert torch.equal(value, constructed[key]), key


def test_time_plays_no_part_at_first(tmp_path: Path) -> None:
    path = tmp_path / "mae.pth"
    torch.save({"model": image_transformer()}, path)
    net = FakeSTormerNet(TINY, seed=1).eval()
    start_from(net, start_weights(str(path)))
    clips = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _, patches, temp = net.backbone.embed(clips)
        _, after, still, _ = net.backbone.blocks[0](net.backbone.embed(clips)[0], patches, temp)
        frame = clips[:, :, :1].expand(-1, -1, 4, -1, -1)
        _, alone, _, _ = net.backbone.blocks[0](*net.backbone.embed(frame))
    assert torch.allclose(after[:, :, 0], alone[:, :, 0], atol=1e-5)  # the other frames do not matter
    assert still.isfinite().all()


def test_positions_are_resized_to_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(image_transformer(grid=7), path)
    net = FakeSTormerNet(TINY, seed=1)
    start_from(net, start_weights(str(path)))
    assert net.backbone.pos_embed.shape == (1, 17, 48)
    assert torch.equal(net.backbone.pos_embed[:, 0], image_transformer(grid=7)["pos_embed"][:, 0])


@pytest.mark.slow
def test_timm_reads_a_file_of_its_model(tmp_path: Path) -> None:
    import timm

    model = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    path = tmp_path / "tiny.safetensors"
    save_file(model.state_dict(), path)
    config = ModelConfig(frames=2, size=96, patch=16, width=192, depth=12, heads=3)
    net = FakeSTormerNet(config, seed=0)
    start_from(net, start_weights(f"timm:vit_tiny_patch16_224={path}"))
    own, timms = net.backbone.state_dict(), model.state_dict()
    for key in ("blocks.7.attn.qkv.weight", "norm.weight", "cls_token"):
        assert torch.equal(own[key], timms[key]), key
    with pytest.raises(UsageError, match="timm has no network 'vit_tinny'"):
        start_from(net, start_weights(f"timm:vit_tinny={path}"))
    with pytest.raises(UsageError, match="cannot understand --start"):
        start_from(net, start_weights(f"tinm:vit_tiny_patch16_224={path}"))
    with pytest.raises(WeightsError, match="timm cannot load"):
        start_from(net, start_weights(f"timm:vit_small_patch16_224={path}"))


class _Runs:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("it ran",)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("{}", "evil.pth"),
        ("timm:vit_tiny_patch16_224={}", "evil.pth"),
        ("timm:vit_tiny_patch16_224={}", "evil.pkl"),
        ("timm:vit_tiny_patch16_224={}", "evil"),
    ],
)
def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, form: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    torch.save({"model": _Runs()}, path)
    with pytest.raises(WeightsError, match="was refused"):
        start_from(FakeSTormerNet(TINY), start_weights(form.format(path)))
    assert "it ran" not in capsys.readouterr().out


def test_what_does_not_fit_says_what_it_was_made_for(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(image_transformer(), path)
    with pytest.raises(WeightsError, match="an image transformer of width 48, depth 3") as caught:
        start_from(FakeSTormerNet(replace(TINY, depth=4)), start_weights(str(path)))
    assert "blocks.3.norm1.weight is missing" in caught.value.message
    with pytest.raises(WeightsError, match=r"patches of 8 px; this .* patches of 4 px"):
        start_from(FakeSTormerNet(replace(TINY, patch=4)), start_weights(str(path)))
    with pytest.raises(WeightsError, match="stem is 'conv'"):
        start_from(FakeSTormerNet(replace(TINY, stem="conv")), start_weights(str(path)))
    broken = image_transformer()
    broken["norm.weight"][3] = float("nan")
    save_file(broken, path)
    with pytest.raises(WeightsError, match=r"NaN or infinite weights, first in norm\.weight"):
        start_from(FakeSTormerNet(TINY), start_weights(str(path)))
    path.write_bytes(b"no safetensors")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        start_from(FakeSTormerNet(TINY), start_weights(str(path)))
    with pytest.raises(WeightsError, match="there is no weights file"):
        start_from(FakeSTormerNet(TINY), start_weights(str(tmp_path / "none.pth")))


def test_the_grid_that_is_named_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(image_transformer(grid=8), path)
    with pytest.raises(WeightsError, match=r"a 8 x 8 grid .* this network is .* a 4 x 4 grid"):
        start_from(FakeSTormerNet(replace(TINY, depth=4)), start_weights(str(path)))
    save_file(FakeSTormerNet(replace(TINY, size=64)).state_dict(), path)
    with pytest.raises(WeightsError, match=r"a 8 x 8 grid .* this network is .* a 4 x 4 grid") as caught:
        start_from(FakeSTormerNet(replace(TINY, frames=2)), start_weights(str(path)))
    assert "pos_embed" not in caught.value.message  # which another grid does not keep from fitting


@pytest.mark.parametrize("shape", [(17, 48), (816,), (1, 18, 48), (1, 1, 48), (2, 17, 48), (1, 17, 24)])
@pytest.mark.parametrize("whole", [True, False])
def test_positions_of_no_square_grid_are_refused(tmp_path: Path, shape: tuple[int, ...], whole: bool) -> None:
    path = tmp_path / "odd.safetensors"
    state = FakeSTormerNet(TINY).state_dict() if whole else image_transformer()
    key = "backbone.pos_embed" if whole else "pos_embed"
    save_file({**state, key: torch.zeros(shape)}, path)
    said = "x".join(map(str, shape))
    with pytest.raises(WeightsError, match=rf"{key} is {said} and should be 1x17x48"):
        start_from(FakeSTormerNet(TINY), start_weights(str(path)))


def test_a_training_starts_from_the_weights_of_another(faces: Faces, tmp_path: Path) -> None:
    changes = OVERRIDES | {"epochs": "1", "lr": "1e-12"}
    recipe = load_recipe("demo", changes)
    other = FakeSTormerNet(network_config(recipe), seed=77).state_dict()
    path = tmp_path / "other.safetensors"
    write_weights(
        path, other, Header(recipe, ("celeb_df_v2",), "c23", {"identity": {"corpus": "demo", "seed": 5}})
    )
    provenance = {"identity": {"corpus": "official", "seed": 1}}
    asked = replace(request(faces, tmp_path / "run"), start=start_weights(str(path)), provenance=provenance)
    from safetensors.torch import load_file

    trained = make_trainer("demo", changes).fit(asked)
    key = "backbone.blocks.0.mlp.fc1.weight"
    assert torch.allclose(load_file(trained)[key], other[key], atol=1e-9)
    card = describe(LoadOptions(trained))  # whatever the start was trained on counts as trained on
    assert card.trained_on == frozenset({"ffpp", "celeb_df_v2"})
    assert (card.corpora, card.seed) == (frozenset({"official", "demo"}), 1)
    assert f"from other.safetensors@{file_sha256(path)[:8]}" in card.recipe
    write_weights(path, other, Header(recipe, (), "c23", {}))
    assert start_from(FakeSTormerNet(network_config(recipe)), start_weights(str(path))).trained_on == {
        "unknown"
    }
    headless = tmp_path / "headless.safetensors"
    save_file(other, headless)
    with pytest.raises(WeightsError, match="was not written by dfbench"):
        start_from(FakeSTormerNet(network_config(recipe)), start_weights(str(headless)))


def test_the_content_of_the_file_is_part_of_the_identity(tmp_path: Path) -> None:
    one, two = tmp_path / "one=.pth", tmp_path / "two.pth"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    plain, same = start_identity(str(one)), start_identity(str(one))
    assert plain == same
    assert plain.read_as == ""
    assert start_identity(f"timm:vit={two}").read_as == "timm:vit"
    assert start_identity(str(two)).sha256 == start_identity(f"timm:vit={two}").sha256
    odd = tmp_path / "b=c.pth"
    odd.write_bytes(b"3")
    assert start_identity(f"timm:vit={odd}").sha256 == start_identity(str(odd)).sha256
    with pytest.raises(WeightsError, match="there is no weights file"):
        start_identity("timm:vit=nowhere.pth")
