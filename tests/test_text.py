from __future__ import annotations

import pytest

from dfbench.errors import UnknownNameError, unknown_name
from dfbench.text import closest, did_you_mean, meant


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("fpp", ["dfdc", "ffpp"], ("ffpp",)),
        ("DFD", ["dfdc", "dfd", "ffpp"], ("dfd", "dfdc")),  # the nearest first
        ("Deepfake", ["Deepfakes", "FaceSwap"], ("Deepfakes",)),
        ("x", ["ffpp"], ()),
        ("", ["ffpp"], ()),
        ("ffpp", [], ()),
    ],
)
def test_the_names_that_are_closest(name: str, known: list[str], found: tuple[str, ...]) -> None:
    assert closest(name, known) == found
    assert closest(name, known, count=1) == found[:1]
    assert meant(name, known) == did_you_mean(found)


def test_how_alike_names_must_be_can_be_said() -> None:
    assert closest("DFBENCH_CAHCE", ["DFBENCH_CACHE"], cutoff=0.85) == ("DFBENCH_CACHE",)
    assert closest("DFBENCH_X", ["DFBENCH_CACHE"], cutoff=0.85) == ()


def test_the_question_quotes_each_name() -> None:
    assert did_you_mean(("a",)) == "did you mean 'a'?"
    assert did_you_mean(("a", "b c")) == "did you mean 'a' or 'b c'?"
    assert did_you_mean(()) == ""


def test_an_unknown_name_asks_and_lists_what_is_known() -> None:
    error = unknown_name("split", "tset", ["train", "test"], where="ffpp")
    assert isinstance(error, UnknownNameError)
    assert (error.message, error.exit_code) == ("no split 'tset' in ffpp", 2)
    assert error.hints == ("did you mean 'test'?", "known: train, test")
    assert unknown_name("split", "tset", [], where="folder").hints == ("folder has none",)
