"""Weights files: what is written is read back, what others wrote is believed field by field, and nothing trained is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.training.lines import METHOD, LineRecipe, line_recipe, network, request, write_face
from torch import Tensor, nn

from dfbench import Label, LoadOptions, StartWeights, Trained, UsageError, WeightsError
from dfbench.exchanged import Started
from dfbench.training.weights_file import (
    BEST,
    LAST,
    clear_checkpoints,
    fitted,
    is_own_file,
    read_header,
    require_finite,
    write_trained,
    write_weights,
)

RECIPE = line_recipe()
HINTS = ("train again",)
FIELDS: dict[str, Any] = {
    "family": "line",
    "recipe": RECIPE.identity(),
    "trained_on": ["toys"],
    "train_compression": "c23",
    "provenance": {},
}
STATE = {"line.weight": torch.ones(1, 3)}


def written(folder: Path, state: Mapping[str, Tensor] = STATE, **fields: Any) -> Path:
    path = folder / "weights.safetensors"
    write_weights(path, state, **{**FIELDS, **fields})
    return path


def header_of(path: Path) -> Any:
    return read_header(path, family="line", parse=LineRecipe.parse, hints=HINTS)


def edited(path: Path, **metadata: str | None) -> Path:
    """The file with other metadata: as somebody would make it who is no friend of ours; None takes a field away."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        found = dict(file.metadata())
    found = {name: value for name, value in {**found, **metadata}.items() if value is not None}
    save_file(load_file(path), path, metadata=found)
    return path


@given(
    seed=st.integers(0, 2**32 - 1),
    trained_on=st.lists(st.sampled_from(["toys", "ffpp", "b", "a"]), min_size=1, max_size=4),
    compression=st.sampled_from(["", "c23", "c23+c40"]),
    corpus=st.sampled_from(["official", "demo", None]),
)
@settings(max_examples=15, deadline=None)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    trained_on: list[str],
    compression: str,
    corpus: str | None,
) -> None:
    identity = {"seed": seed, "corpus": corpus}
    path = written(
        tmp_path_factory.mktemp("weights"),
        trained_on=trained_on,
        train_compression=compression,
        provenance={"identity": identity, "leaks": {"toys": ["leak: a person"]}},
    )
    header = header_of(path)
    assert header.recipe == RECIPE
    assert header.trained_on == tuple(sorted(trained_on))
    assert header.provenance["leaks"] == {"toys": ["leak: a person"]}
    card = header.card()
    assert (card.seed, card.train_compression) == (seed, compression)
    assert card.corpora == (None if corpus is None else frozenset({corpus}))
    assert card.trained_on == frozenset(trained_on)
    assert card.clips == RECIPE.clips()
    assert is_own_file(path)


class Tied(nn.Module):
    """Two layers that are one, as of a network that reads what it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight


def test_layers_that_share_their_weights_are_written_both(tmp_path: Path) -> None:
    net = Tied()
    part = torch.arange(12.0)
    state = {**net.state_dict(), "whole": part, "half": part[:6], "turned": part.view(3, 4).T}
    found = load_file(written(tmp_path, state))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    assert net.second.weight is net.first.weight


@pytest.mark.parametrize("kind", ["another", "garbage", "gone", "another family"])
def test_what_dfbench_did_not_write_is_told_apart(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.safetensors"
    if kind == "another":
        save_file(STATE, path, metadata={"format": "pt"})
    elif kind == "garbage":
        path.write_bytes(b"{" * 40)
    elif kind == "another family":
        written(tmp_path, family="other")
    assert is_own_file(path) is (kind == "another family")
    with pytest.raises(WeightsError) as caught:
        header_of(path)
    assert HINTS[0] in caught.value.hints


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"version": "2"}, "of format 2, and dfbench .* reads formats up to 1"),
        ({"version": "0"}, "has format version 0; this version of dfbench reads 1"),
        ({"version": None}, "has format version None"),
        ({"recipe": None}, "header of .* is damaged: 'recipe'"),
        ({"recipe": "{"}, "is damaged"),
        ({"recipe": json.dumps({**RECIPE.identity(), "lr": -1})}, "is damaged: .*lr"),
        ({"recipe": json.dumps({**RECIPE.identity(), "depth": 3})}, "is damaged: .*'depth'"),
        ({"trained_on": "{}"}, '"trained_on" is no list of names'),
        ({"trained_on": "[1]"}, '"trained_on" is no list of names'),
        ({"provenance": "[]"}, "is damaged"),
        ({"provenance": '{"identity": []}'}, '"identity" in its provenance is no JSON object'),
        ({"provenance": '{"identity": {"seed": "x"}}'}, '"seed" of "identity" in its provenance is \'x\''),
        ({"provenance": '{"identity": {"seed": true}}'}, '"seed" of "identity" in its provenance is True'),
        ({"provenance": '{"identity": {"corpus": 3}}'}, '"corpus" of "identity" in its provenance is 3'),
        ({"provenance": '{"training": {"seed": 1.5}}'}, '"seed" of "training" in its provenance is 1.5'),
        ({"provenance": '{"start": {"file": "a"}}'}, "does not name a file and its sha256"),
        (
            {"provenance": '{"start": {"file": "a", "sha256": "b", "corpora": [3]}}'},
            '"corpora" of "start" in its provenance are no names',
        ),
    ],
)
def test_a_header_is_believed_field_by_field(
    tmp_path: Path, metadata: dict[str, str | None], words: str
) -> None:
    path = edited(written(tmp_path), **metadata)
    with pytest.raises(WeightsError, match=words) as caught:
        header_of(path)
    assert str(path) in caught.value.message
    assert HINTS[0] in caught.value.hints


@pytest.mark.parametrize(
    ("start", "corpora"),
    [
        ({"file": "a.pt", "sha256": "1f2e3d4c5b", "corpora": ["demo"]}, frozenset({"official", "demo"})),
        ({"file": "a.pt", "sha256": "1f2e3d4c5b", "corpora": None}, None),
    ],
)
def test_what_a_training_started_from_stands_on_its_card(
    tmp_path: Path, start: dict[str, Any], corpora: frozenset[str] | None
) -> None:
    path = written(tmp_path, provenance={"identity": {"corpus": "official"}, "start": start})
    card = header_of(path).card()
    assert card.recipe == f"{RECIPE.label()} from a.pt@1f2e3d4c"
    assert card.corpora == corpora


def test_weights_of_an_older_version_have_the_seed_of_their_training(tmp_path: Path) -> None:
    assert header_of(written(tmp_path, provenance={"training": {"seed": 5}})).card().seed == 5
    both = {"training": {"seed": 5}, "identity": {"seed": 6}}
    assert header_of(written(tmp_path, provenance=both)).card().seed == 6
    assert header_of(written(tmp_path)).card().seed is None


def test_a_training_that_names_no_data_set_has_unknown_ones(tmp_path: Path) -> None:
    """As an empty set says that a detector needs no training, these weights must not say it."""
    assert header_of(written(tmp_path, trained_on=[])).card().trained_on is None


@pytest.mark.parametrize("started", [None, Started("from a", frozenset({"ffpp"}), frozenset({"demo"}))])
def test_a_training_writes_what_it_saw_and_what_it_started_from(
    tmp_path: Path, started: Started | None
) -> None:
    faces = [write_face(tmp_path / f"{label}.faces", label, seed=1) for label in Label]
    start = StartWeights(tmp_path / "start.pt", "")
    start.path.write_bytes(b"weights")
    asked = request(faces[:1], faces[1:], tmp_path, start=start if started else None)
    trained = Trained(network(RECIPE, seed=1).state_dict(), {"step": 3}, started=started)
    path = write_trained(trained, asked, detector="line", recipe=RECIPE.identity())
    header = header_of(path)
    assert header.trained_on == (("ffpp", "toys") if started else ("toys",))
    assert header.train_compression == "c23"
    assert header.provenance["training"] == {"step": 3}
    if started:
        told = header.provenance["start"]
        assert (told["file"], told["corpora"]) == ("start.pt", ["demo"])
        assert told["sha256"] == hashlib.sha256(b"weights").hexdigest()
    else:
        assert "start" not in header.provenance
    net, recipe = METHOD.load(path)
    assert recipe == RECIPE
    assert not net.training


def test_checkpoints_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in (LAST, BEST, "log.csv"):
        (tmp_path / name).touch()
    clear_checkpoints(tmp_path)
    clear_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


OWN = {"a": torch.zeros(2, 3), "b": torch.tensor(0.0), "c": torch.zeros(1)}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"b": OWN["b"], "c": OWN["c"]}, "^it: a is missing!$"),
        ({**OWN, "a": torch.zeros(3, 2)}, "^it: a is 3x2 and should be 2x3!$"),
        ({**OWN, "a": torch.tensor(1.0)}, "^it: a is a scalar and should be 2x3!$"),
        ({**OWN, "d": OWN["a"]}, "^it: d is not known!$"),
        ({f"x{number}": OWN["a"] for number in range(4)}, "; x0 is not known; x1 is not known; and 2 more!$"),
    ],
)
def test_tensors_that_do_not_fit_are_named(state: dict[str, Tensor], words: str) -> None:
    assert fitted(OWN, dict(reversed(OWN.items())), says="it", hints=()) == OWN
    with pytest.raises(WeightsError, match=words) as caught:
        fitted(OWN, state, says="it", hints=HINTS, probably=lambda: "!")
    assert caught.value.hints == HINTS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor([0, float("nan")]), "holds NaN or infinite weights, first in b"),
        (torch.tensor([float("inf")], dtype=torch.float16), "holds NaN or infinite weights, first in b"),
        (torch.tensor([1j]), "holds b as no plain numbers"),
        (torch.eye(2).to_sparse(), "holds b as no plain numbers"),
        (torch.zeros(1, device="meta"), "holds b as no plain numbers"),
    ],
)
def test_weights_are_plain_finite_numbers(value: Tensor, words: str) -> None:
    good = {"a": torch.ones(2), "count": torch.tensor(3)}
    require_finite(good, origin=Path("w.pt"), hints=())
    with pytest.raises(WeightsError, match=f"w.pt {words}"):
        require_finite({**good, "b": value}, origin=Path("w.pt"), hints=())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weights": None}, WeightsError, "line needs trained weights"),
        ({"recipe": "demo"}, UsageError, "carries its own recipe, 'demo'"),
        ({"changes": {"depth": "3"}}, UsageError, "unknown recipe field 'depth'"),
        ({"changes": {"pooling": "median"}}, UsageError, "pooling"),
    ],
)
def test_weights_are_described_by_what_they_carry(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    state = network(RECIPE, seed=1).state_dict()
    given_options: dict[str, Any] = {"weights": written(tmp_path, state), **options}
    with pytest.raises(error, match=words):
        METHOD.describe(LoadOptions(**given_options))


def test_a_change_for_scoring_stands_on_the_card_and_in_the_detector(tmp_path: Path) -> None:
    path = written(tmp_path, network(RECIPE, seed=1).state_dict())
    changes = {"clips_per_video": "9", "pooling": "max"}
    card = METHOD.describe(LoadOptions(path, changes=changes))
    assert (card.clips.per_video, str(card.pooling)) == (9, "max")
    assert card.recipe == "demo with clips_per_video=9 pooling=max"
    plain = METHOD.describe(LoadOptions(path))
    assert plain.recipe == "demo"
    scores = [
        METHOD.build(LoadOptions(path, changes=given_changes)).score(
            torch.zeros((1, RECIPE.frames, RECIPE.size, RECIPE.size, 3), dtype=torch.uint8)
        )
        for given_changes in (changes, {})
    ]
    assert torch.equal(*scores)
