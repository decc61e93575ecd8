"""Faces of the same videos that were made otherwise are named before videos are prepared once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.one_spec import prepare
from tests.data.toy_stage import SPEC, ToyStage, toy_stage

from dfbench.data.store.specs_kept import KEPT
from dfbench.progress import SilentProgress
from dfbench.types import FrameChoice, PrepareSpec


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyStage:
    monkeypatch.syspath_prepend(tmp_path)
    return toy_stage(tmp_path, 3)


def notes_of(toy: ToyStage, spec: PrepareSpec) -> list[str]:
    progress = Notes()
    prepare(
        toy.videos,
        spec,
        store_root=toy.folder / "store",
        corpus="toy",
        finder="toy_finder:Finder",
        workers=1,
        progress=progress,
    )
    return progress.notes


def test_faces_that_differ_in_a_field_are_named_with_it(toy: ToyStage) -> None:
    assert notes_of(toy, SPEC) == []
    (kept,) = (toy.folder / "store").rglob(KEPT)
    kept.unlink()  # as in a store of before
    assert notes_of(toy, replace(SPEC, margin=0.4)) == []
    assert notes_of(toy, SPEC) == []  # they are there, and say their spec from now on
    told = notes_of(toy, replace(SPEC, max_size=64, finder_version="2"))
    fields = 'finder_version is "", not 2; max_size is 320, not 64'
    assert told == [f"2 face files of these videos, made otherwise, lie beside in {kept.parent}: {fields}"]


def test_faces_for_something_else_are_not_worth_a_word(toy: ToyStage) -> None:
    notes_of(toy, SPEC)
    assert notes_of(toy, replace(SPEC, frames=FrameChoice("uniform", 3))) == []
