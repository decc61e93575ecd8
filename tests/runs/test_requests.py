"""What a user asks for: a request says what it was told, keeps it on its way to other processes, and takes no other types."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.errors import UsageError
from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
from dfbench.runs.trainings.processes import command_words

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
OPTIONS = st.builds(
    TrainingOptions,
    detector=WORDS,
    protocol=WORDS,
    data=WORDS,
    size=WORDS,
    seed=st.integers(-9, 2**40),
    device=WORDS,
    recipe=WORDS,
    train_compression=WORDS,
    synthesizer=WORDS,
    overrides=st.dictionaries(WORDS, WORDS, max_size=3),
    start=WORDS,
    devices=st.integers(-1, 9),
    nodes=st.integers(-1, 9),
)


@given(options=OPTIONS)
@settings(max_examples=40, deadline=None)
def test_options_reach_other_processes_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, options: TrainingOptions
) -> None:
    path = tmp_path_factory.getbasetemp() / "request.json"
    assert TrainingOptions.read(options.write(path)) == options


@given(options=OPTIONS)
@settings(max_examples=40, deadline=None)
def test_the_command_for_people_says_all_that_is_not_empty(options: TrainingOptions) -> None:
    words = command_words(options)
    assert words[0] == "train"
    said: dict[str, list[str]] = {}
    for name, value in zip(words[1::2], words[2::2], strict=True):
        said.setdefault(name, []).append(value)
    assert said.pop("--set", []) == [f"{name}={value}" for name, value in options.overrides.items()]
    wanted = {f"--{name.replace('_', '-')}": value for name, value in asdict(options).items()}
    del wanted["--overrides"]
    assert said == {name: [str(value)] for name, value in wanted.items() if value != ""}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        json.dumps({"detector": "a"}),
        json.dumps({"detector": "a", "overrides": []}),
        json.dumps({"detector": "a", "overrides": {}, "depth": 3}),
        json.dumps({"overrides": {}}),
    ],
)
def test_what_is_no_request_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is no request of this version of dfbench") as caught:
        TrainingOptions.read(path)
    assert str(path) in caught.value.message
    with pytest.raises(UsageError, match="is no request"):
        TrainingOptions.read(tmp_path / "gone.json")


@pytest.mark.parametrize("kind", [ScoringRequest, TrainingOptions])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detector": 3}, "detector=3 is of the type int, where str is meant"),
        ({"seed": "1"}, "seed='1' is of the type str, where int is meant"),
        ({"seed": True}, "seed=True is of the type bool, where int is meant"),
        ({"seed": 1.0}, "seed=1.0 is of the type float"),
        ({"device": None}, "device=None is of the type NoneType, where str is meant"),
        ({"recipe": Path("a")}, "where str is meant"),
    ],
)
def test_other_types_are_refused_with_what_to_write(
    kind: type[Any], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        kind(**{"detector": "any", **change})
    assert caught.value.hints[0].startswith(f"write {next(iter(change))}=")


def test_the_training_that_a_run_means_is_all_that_it_says_of_one() -> None:
    """A field that both have is handed on; what a run alone has is none of a training."""
    names = {field.name for field in fields(ScoringRequest)} & {
        field.name for field in fields(TrainingOptions)
    }
    given_values: dict[str, Any] = {name: f"a {name}" for name in names}
    given_values |= {"seed": 7, "overrides": {"lr": "1"}}
    training = ScoringRequest(**given_values).training()
    assert {name: getattr(training, name) for name in names} == given_values
    assert (training.devices, training.nodes, training.start) == (1, 1, "")
