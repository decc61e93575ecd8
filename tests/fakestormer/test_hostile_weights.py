"""Recipes of networks that no machine holds, and weights files of any content: refused by arithmetic, or by name."""

from __future__ import annotations

import json
import os
import struct
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.chance import examples
from tests.fakestormer.training_faces import read_header

from dfbench import DetectorCard, DfbenchError, LoadOptions, StartWeights, UsageError, WeightsError
from dfbench.training.state_files import read_pickle
from dfbench_fakestormer.checkpoints import describe, load_network
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.pretrained import start_from
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.sizes import parameter_count

SMALL = load_recipe("demo", {"size": "32", "patch": "16", "width": "24", "depth": "1", "heads": "2"})
HUGE = str(10**9)


def card_of(path: Path) -> DetectorCard:
    return describe(LoadOptions(path))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("small", {}),
        ("small", {"frames": "7", "mlp_ratio": "2.5"}),
        ("demo", {}),
        ("demo", {"width": "64", "heads": "4", "patch": "16", "size": "64", "depth": "2"}),
        ("released", {"width": "96", "depth": "2", "size": "64"}),
    ],
)
def test_parameters_are_counted_as_they_are_built(name: str, fields: Mapping[str, str]) -> None:
    recipe = load_recipe(name, fields)
    net = FakeSTormerNet(network_config(recipe))
    assert parameter_count(recipe) == sum(one.numel() for one in net.parameters())


HOSTILE = [
    {"width": HUGE, "heads": "1"},
    {"width": "65536", "heads": "1"},
    *({name: HUGE} for name in ("depth", "frames", "batch", "clips_per_video", "validation_clips", "train_frames")),
    *({name: HUGE} for name in ("train_crop",)),
    {"size": HUGE, "patch": "1000000000"},
    {"size": "16777216", "patch": "16"},
    {"size": "16000"},
    {"patch": "32768", "size": "32768"},
    {"patch": "536870912", "size": "536870912", "stem": "conv"},
    {"mlp_ratio": "1e6"},
    {"mlp_ratio": "1e308"},
    {"depth": "2000"},
    *({"epochs": text} for text in ("9" * 5000, "1" + "0" * 400, "1e400", "NaN", "-1", "1.5")),
    {"lr": "inf"},
    {"heads": "9" * 4299},
]  # fmt: skip


@pytest.mark.parametrize("fields", HOSTILE)
@pytest.mark.parametrize("name", ["base_c23", "demo"])
def test_a_recipe_that_no_machine_can_follow_is_refused_before_it_is(
    name: str, fields: Mapping[str, str]
) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError) as caught:
        load_recipe(name, fields)
    assert time.monotonic() - began < 1
    assert len(caught.value.message) < 1000


def _header(path: Path, **changes: Any) -> Path:
    """A weights file of ours with a tensor of no meaning and a changed header; None leaves an entry out."""
    header: dict[str, Any] = {
        "format": "dfbench-fakestormer",
        "version": "1",
        "recipe": SMALL.model_dump_json(),
        "trained_on": '["ffpp"]',
        "train_compression": "c23",
        "provenance": "{}",
        **changes,
    }
    save_file({"x": torch.zeros(1)}, path, {key: value for key, value in header.items() if value is not None})
    return path


DEEP = "[" * 10**5 + "]" * 10**5
VALUES = (
    "",
    "null",
    "[]",
    "{}",
    "1",
    '"text"',
    DEEP,
    "[1e400]",
    "9" * 10**6,
    '{"a": NaN}',
    r'"\ud800"',
    "\0",
    "{",
)


@pytest.mark.parametrize("field", ["recipe", "trained_on", "provenance"])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_header_of_any_shape_is_a_card_or_an_error_that_names_the_file(
    field: str, value: str, tmp_path: Path
) -> None:
    path = _header(tmp_path / "weights.safetensors", **{field: value})
    try:
        card_of(path)
    except WeightsError as error:
        assert str(path) in error.message[:1000]  # noqa: PT017 # whether it raises depends on the value
    else:
        assert (field, value) in {("trained_on", "[]"), ("provenance", "{}")}


@pytest.mark.parametrize(
    "fields", [{"width": 10**9, "heads": 1}, {"depth": 10**9}, {"batch": 10**12}, {"frames": "many"}]
)
def test_a_header_that_asks_for_a_network_of_any_size_is_refused(
    fields: Mapping[str, object], tmp_path: Path
) -> None:
    recipe = json.dumps({**SMALL.model_dump(), **fields})
    path = _header(tmp_path / "weights.safetensors", recipe=recipe)
    for read in (read_header, card_of, load_network):
        with pytest.raises(WeightsError, match=r"the header of .*weights\.safetensors is damaged"):
            read(path)


@pytest.mark.parametrize(
    "provenance",
    [
        {"start": "x"},
        {"start": {"file": 1, "sha256": "ab"}},
        {"start": {"file": "x"}},
        {"start": {"file": "x", "sha256": "ab", "corpora": "demo"}},
        {"start": {"file": "x", "sha256": "ab", "corpora": [["demo"]]}},
        {"identity": []},
        {"identity": {"corpus": ["x"]}},
        {"identity": {"seed": "1"}},
        {"identity": {"seed": True}},
        {"training": [1]},
        {"training": {"seed": {}}},
    ],
)
def test_provenance_of_another_shape_is_refused(provenance: object, tmp_path: Path) -> None:
    path = _header(tmp_path / "weights.safetensors", provenance=json.dumps(provenance))
    with pytest.raises(WeightsError, match=r"weights\.safetensors is damaged"):
        card_of(path)


@pytest.mark.parametrize("trained_on", ['"ffpp"', '{"ffpp": 1}', "[1]", '[["ffpp"]]', "null"])
def test_what_it_was_trained_on_is_a_list_of_names(trained_on: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="trained_on"):
        describe(LoadOptions(_header(tmp_path / "weights.safetensors", trained_on=trained_on)))


@pytest.mark.parametrize("length", [0, 7, 2**20, 2**31, 2**63, 2**64 - 1])
def test_the_length_of_a_header_may_be_any_number(length: int, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"__metadata__":{}}')
    for read in (read_header, load_network):
        with pytest.raises(WeightsError, match=r"weights\.safetensors"):
            read(path)
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        start_from(FakeSTormerNet(network_config(SMALL)), StartWeights(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_what_is_no_file_is_no_weights(suffix: str, tmp_path: Path) -> None:
    pipe, zero = tmp_path / f"pipe{suffix}", tmp_path / f"zero{suffix}"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    for path, said in ((pipe, "named pipe"), (zero, "device"), (tmp_path, "folder")):
        with pytest.raises(WeightsError, match=said):
            load_network(path)


def test_a_checkpoint_that_inflates_is_refused(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pth", tmp_path / "packed.pth"
    torch.save({"x": torch.zeros(10**6)}, plain)
    assert read_pickle(plain, hints=())["x"].shape == (10**6,)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    assert packed.stat().st_size < plain.stat().st_size / 100
    with pytest.raises(WeightsError, match=r"packed\.pth.*compressed"):
        read_pickle(packed, hints=())


@pytest.mark.parametrize(
    "made",
    [
        lambda: torch.zeros(24).to_sparse(),
        lambda: torch.zeros(24, dtype=torch.complex64),
        lambda: torch.zeros(1).expand(10**12),
        lambda: torch.zeros(24, device="meta"),
        lambda: torch.quantize_per_tensor(torch.zeros(24), 0.1, 0, torch.quint8),
        lambda: torch.zeros(0),
    ],
    ids=["sparse", "complex", "expanded", "meta", "quantized", "empty"],
)
@pytest.mark.filterwarnings("ignore")  # torch warns of kinds of tensors that it will not have for ever
def test_tensors_of_other_kinds_are_no_weights(made: Callable[[], torch.Tensor], tmp_path: Path) -> None:
    recipe = load_recipe(
        "base_c23", {"width": "24", "depth": "1", "heads": "2", "size": "32", "mlp_ratio": "1"}
    )
    state = FakeSTormerNet(network_config(recipe)).state_dict()
    state["backbone.norm.weight"] = made()
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": state}, path)
    changes = {"width": "24", "depth": "1", "heads": "2", "size": "32", "mlp_ratio": "1"}
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_network(path, recipe="base_c23", changes=changes)


_FIELDS = st.sampled_from([*SMALL.model_dump(), "identity", "seed", "trained_on", "x"])
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 2**62, 10**30, 0.5, "", "1", "ffpp", "CDF2", "/abs", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=examples(2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=_JSON, field=st.sampled_from(["recipe", "trained_on", "provenance"]), within=st.booleans())
def test_any_json_in_a_header_is_a_card_or_a_named_error(
    tmp_path: Path, value: Any, field: str, within: bool
) -> None:
    if within and isinstance(value, dict):  # some fields of a recipe changed, and not all of it
        value = {**SMALL.model_dump(mode="json"), **value}
    path = _header(tmp_path / "weights.safetensors", **{field: json.dumps(value)})
    try:
        card_of(path)
    except WeightsError as error:
        assert str(path) in error.message[:1000]  # noqa: PT017 # whether it raises depends on the value


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_a_file_is_told_as_such(tmp_path: Path, data: st.DataObject) -> None:
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.pth"
    if not ours.exists():
        _header(ours)
        torch.save({"state_dict": {"backbone.cls_token": torch.zeros(1, 1, 4)}}, theirs)
    path = data.draw(st.sampled_from([ours, theirs]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / f"damaged{path.suffix}"
    damaged.write_bytes(
        content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    )
    for read in (card_of, load_network):
        try:
            read(damaged)
        except DfbenchError as error:
            assert "damaged" in error.message  # noqa: PT017 # as above
