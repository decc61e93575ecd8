"""Which names are names: those that are the same folder on every disk, and look like no other one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench.hooks.host import Host
from dfbench.names import LONGEST, name_fault, shown
from dfbench.text import folder_name

GOOD = [
    "ffpp",
    "Celeb-DF-v2",
    "dfdc_3215",
    "demo-tiny-seed3",
    "c++",
    "0",
    "base.c23",
    "CONsole",
    "x" * LONGEST,
]
BAD = {
    "": "is empty",
    "  ": "is empty",
    "x" * (LONGEST + 1): "has 65 characters",
    ".": "holds other",
    "..": "holds other",
    ".hidden": "holds other",
    "-rf": "holds other",
    "a/b": "holds other",
    "/abs": "holds other",
    "..\\x": "holds other",
    "C:x": "holds other",
    "a\0": "holds other",
    "a\n": "holds other",
    "a b": "holds other",
    "\u043efficial": "holds other",  # its first letter is Cyrillic
    "\uff44emo": "holds other",
    "caf\u00e9": "holds other",
    "\u0661": "holds other",
    "demo.": "ends with a dot",
    "CON": "Windows",
    "aux.txt": "Windows",
    "Com1": "Windows",
}


@pytest.mark.parametrize("name", GOOD)
def test_names(name: str) -> None:
    assert name_fault(name) == ""


@pytest.mark.parametrize(("name", "fault"), BAD.items())
def test_what_is_no_name(name: str, fault: str) -> None:
    assert fault in name_fault(name)


@pytest.mark.parametrize("name", [None, 3, True, ["a"], {"a": 1}, b"a"])
def test_what_is_no_text(name: object) -> None:
    assert name_fault(name) == f"is of the type {type(name).__name__}, and not text"


@given(st.text())
def test_a_name_is_one_folder_below_any_other(name: str) -> None:
    if not name_fault(name):
        assert (Path("/root") / name).parts == ("/", "root", name)
        assert Path(f"/root/{name}").resolve().parent == Path("/root").resolve()
    assert shown(name).isascii()
    assert shown(name).isprintable()


def test_all_that_is_installed_keeps_to_the_rule() -> None:
    registry = Host.load().registry
    kinds = ("dataset", "corpus", "synthesizer", "detector", "protocol", "face_finder")
    names = [name for kind in kinds for name in registry.names(kind)]
    assert len(names) > 20
    assert [name for name in names if name_fault(name)] == []


@given(st.text(max_size=300), st.text(max_size=300))
def test_every_text_has_a_folder_of_its_own(first: str, second: str) -> None:
    one = folder_name(first)
    assert len(one.encode()) <= 100
    assert not set(one) & set("/\\\0:")
    assert (one == folder_name(second)) == (first == second)
