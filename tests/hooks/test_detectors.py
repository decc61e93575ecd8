"""Whatever a factory takes, the door hands it what was asked for, and closes what it made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import dfbench
from dfbench import (
    ClipSpec,
    DetectorCard,
    DetectorSpec,
    Evidence,
    EvidenceMap,
    LoadOptions,
    PluginError,
    UsageError,
)
from dfbench.hooks.detectors import card_of, opened, opened_explainer, takes_options

ASKED = LoadOptions(Path("w"), "cpu", 3, "bf16", "base", {"size": "256"})
CLIPS = ClipSpec(frames=2, size=8)


class Toy:
    """Keeps what it was built with."""

    def __init__(self, **given: Any) -> None:
        self.given, self.closed = given, 0

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.float().mean(dim=(1, 2, 3, 4))

    def maps(self) -> tuple[EvidenceMap, ...]:
        return (EvidenceMap("light", "how bright"),)

    def explain(self, clips: torch.Tensor, names: tuple[str, ...]) -> Evidence:
        return Evidence(self.score(clips), None, {name: clips.float().mean(dim=4) for name in names})

    def close(self) -> None:
        self.closed += 1


def three_words(*, weights: Path | None, device: str, seed: int) -> Toy:
    return Toy(weights=weights, device=device, seed=seed)


def by_name(options: Any) -> Toy:
    return Toy(options=options)


def by_annotation(asked: LoadOptions) -> Toy:
    return Toy(options=asked)


def by_quoted_annotation(asked: dfbench.LoadOptions, /) -> Toy:
    return Toy(options=asked)


class ByName(Toy):
    def __init__(self, options: Any) -> None:
        super().__init__(options=options)


class Stubborn(Toy):
    def close(self) -> None:
        raise ZeroDivisionError("will not close")


def mute(options: Any) -> object:
    return object()


def picky(options: LoadOptions) -> Toy:
    raise UsageError(f"not in {options.precision}")


class Weights:
    """Each way in which `describe` was ever called."""

    @staticmethod
    def alone(weights: Path) -> DetectorCard:
        return DetectorCard(CLIPS, recipe=str(weights))

    @staticmethod
    def with_changes(
        weights: Path, changes: Mapping[str, str] | None = None, recipe: str = ""
    ) -> DetectorCard:
        return DetectorCard(CLIPS, recipe=f"{weights} {dict(changes or {})} {recipe}")

    @staticmethod
    def by_options(options: LoadOptions) -> DetectorCard:
        return DetectorCard(CLIPS, recipe=f"{options.weights} {options.changes} {options.recipe}")


def spec_of(name: str, **fields: Any) -> DetectorSpec:
    return DetectorSpec("toy", "A toy.", f"{__name__}:{name}", clips=CLIPS, **fields)


def given_to(name: str, options: LoadOptions) -> dict[str, Any]:
    with opened(spec_of(name), options) as detector:
        assert isinstance(detector, Toy)
        return detector.given


@pytest.mark.parametrize("name", ["by_name", "by_annotation", "by_quoted_annotation", "ByName"])
def test_a_factory_of_options_is_handed_all_of_them(name: str) -> None:
    assert given_to(name, ASKED) == {"options": ASKED}


def test_a_factory_of_three_keywords_goes_on_to_work() -> None:
    plain = LoadOptions(Path("w"), "cpu", 3, changes={"test_margins": "released"})
    assert given_to("three_words", plain) == {"weights": Path("w"), "device": "cpu", "seed": 3}
    assert given_to("Toy", plain) == {"weights": Path("w"), "device": "cpu", "seed": 3}


def test_a_factory_of_keywords_is_told_what_else_was_asked_for() -> None:
    more = {"precision": "bf16", "recipe": "base", "changes": {"size": "256"}}
    assert given_to("Toy", ASKED) == {"weights": Path("w"), "device": "cpu", "seed": 3, **more}
    with pytest.raises(PluginError, match=r"failed when it was built: TypeError.*precision"):
        given_to("three_words", ASKED)


@pytest.mark.parametrize(
    ("describe", "options", "said"),
    [
        ("alone", LoadOptions(Path("w")), "w"),
        ("with_changes", LoadOptions(Path("w")), "w {} "),
        ("with_changes", LoadOptions(Path("w"), changes={"a": "1"}), "w {'a': '1'} "),
        ("with_changes", ASKED, "w {'size': '256'} base"),
        ("by_options", ASKED, "w {'size': '256'} base"),
    ],
)
def test_describe_is_called_as_it_was_written(describe: str, options: LoadOptions, said: str) -> None:
    spec = spec_of("Toy", describe=f"{__name__}:Weights.{describe}")
    assert card_of(spec, options).recipe == said
    assert card_of(spec, LoadOptions()).clips == CLIPS  # without weights, there is nothing to describe


def test_what_was_opened_is_closed_however_it_was_used() -> None:
    with opened(spec_of("Toy"), LoadOptions()) as detector:
        assert isinstance(detector, Toy)
        assert detector.closed == 0
    assert detector.closed == 1
    with pytest.raises(KeyError), opened(spec_of("Toy"), LoadOptions()) as failed:
        raise KeyError
    assert isinstance(failed, Toy)
    assert failed.closed == 1


def test_a_detector_that_cannot_be_closed_hides_no_other_error() -> None:
    assert "to close: ZeroDivisionError: will not close" in refused("Stubborn")
    with pytest.raises(KeyError), opened(spec_of("Stubborn"), LoadOptions()):
        raise KeyError


def test_what_is_no_detector_or_explainer_is_named() -> None:
    assert "made a object without score()" in refused("mute")
    assert "is not callable" in refused("ASKED")
    spec = spec_of("Toy", explain=f"{__name__}:mute")
    with (
        pytest.raises(PluginError, match=r"without maps\(\) and expl"),
        opened_explainer(spec, LoadOptions()),
    ):
        pass


def refused(name: str) -> str:
    """What is said of the detector that the factory `name` makes."""
    with pytest.raises(PluginError) as caught, opened(spec_of(name), LoadOptions()):
        pass
    return caught.value.message


def test_an_error_of_dfbench_comes_through_and_an_explainer_explains() -> None:
    with pytest.raises(UsageError, match="not in bf16"), opened(spec_of("picky"), ASKED):
        pass
    with opened_explainer(spec_of("Toy", explain=f"{__name__}:by_name"), ASKED) as explainer:
        evidence = explainer.explain(torch.full((1, 2, 8, 8, 3), 7, dtype=torch.uint8), ["light"])
    assert evidence.logits.tolist() == [7.0]


def several(*options: str) -> None:
    """Take any number of arguments, none of which is for LoadOptions."""
    print(options)


def test_what_has_no_parameter_of_options_is_called_by_keywords() -> None:
    assert not takes_options(dict)
    assert not takes_options(several)
    assert not takes_options(three_words)
