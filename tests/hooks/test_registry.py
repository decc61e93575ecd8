"""Names, aliases, misspellings, and import paths."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench import DatasetSpec, DetectorSpec, PluginError, UnknownNameError, UsageError
from dfbench.hooks.registry import Kind, Registered, Registry, load_object


def detector(name: str, *aliases: str) -> Registered:
    return Registered(
        Kind.DETECTOR, DetectorSpec(name=name, summary="", build="os:path", aliases=aliases), "test"
    )


def test_names_and_aliases_resolve_in_any_case() -> None:
    registry = Registry([detector("FakeStormer", "fs"), detector("chance")])
    assert registry.detector("fakestormer").name == "FakeStormer"
    assert registry.detector("FS").name == "FakeStormer"
    assert registry.names("detector") == ("FakeStormer", "chance")
    assert registry.names(Kind.DATASET) == ()


def test_kinds_have_names_of_their_own() -> None:
    dataset = Registered(Kind.DATASET, DatasetSpec(name="same", summary="", build="os:path"), "test")
    registry = Registry([detector("same"), dataset])
    assert isinstance(registry.detector("same"), DetectorSpec)
    assert isinstance(registry.dataset("same"), DatasetSpec)


def test_unknown_name_says_what_was_meant_and_what_there_is() -> None:
    registry = Registry([detector("fakestormer"), detector("chance")])
    with pytest.raises(UnknownNameError, match="no detector is called 'fakestromer'") as caught:
        registry.detector("fakestromer")
    assert caught.value.hints == ("did you mean 'fakestormer'?", "known: chance, fakestormer")
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_getter(kind: Kind) -> None:
    with pytest.raises(UnknownNameError, match=f"no {kind.words} is called 'x'"):
        getattr(Registry(), kind.value)("x")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'detectors' is not a valid Kind"):
        Registry().names("detectors")


def test_repeated_name_is_refused() -> None:
    with pytest.raises(PluginError, match="'x' is offered by 'test' and by 'test'"):
        Registry([detector("x"), detector("y", "X")])


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.sets(st.text(string.ascii_lowercase, min_size=1, max_size=8), min_size=1, max_size=6), st.data())
def test_every_offered_name_is_found_in_any_spelling(names: set[str], data: st.DataObject) -> None:
    registry = Registry(detector(name) for name in names)
    name = data.draw(st.sampled_from(sorted(names)))
    assert registry.detector(name.upper()).name == name
    assert registry.names("detector") == tuple(sorted(names))


def test_load_object_imports_nested_names() -> None:
    assert load_object("string:Template.substitute") is string.Template.substitute
    assert load_object("string:digits") == string.digits


@pytest.mark.parametrize(
    "path", ["", "string", "string:", ":x", "string:a b", "string.digits", "a:b:c", ".a:b"]
)
def test_load_object_refuses_other_forms(path: str) -> None:
    with pytest.raises(PluginError, match="is no import path"):
        load_object(path)


def test_load_object_shows_the_traceback_and_the_near_name() -> None:
    with pytest.raises(PluginError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        load_object("no_such_module:Name")
    with pytest.raises(PluginError, match="AttributeError") as caught:
        load_object("string:Templat")
    assert caught.value.hints == ("did you mean 'Template'?",)
