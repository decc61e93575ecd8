"""What a stage fills into the specs that it hands on."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from dfbench.errors import UsageError
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Registry
from dfbench.runs.provenance import run_identity
from dfbench.runs.sources import with_finder
from dfbench.settings import Settings
from dfbench.types import FaceFinderSpec, FrameChoice, PrepareSpec

SPEC = PrepareSpec(FrameChoice("uniform", 4))
SETTINGS = Settings()


def test_faces_of_another_version_of_the_finder_are_other_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Host.load().registry
    now = with_finder(SPEC, registry, SETTINGS)
    assert now.finder_version == registry.face_finder("mtcnn").version != ""
    assert with_finder(now, registry, SETTINGS) == now

    def newer(_: Registry, name: str) -> FaceFinderSpec:
        return FaceFinderSpec(name=name, summary="finds faces", build="a.b:c", version="next")

    monkeypatch.setattr(Registry, "face_finder", newer)
    later = with_finder(now, registry, SETTINGS)
    assert later.finder_version == "next"
    assert len({SPEC.digest(), now.digest(), later.digest()}) == 3


def test_faces_tracked_in_another_way_are_other_faces_and_make_another_run() -> None:
    later = replace(SPEC, tracking=SPEC.tracking + 1)
    assert later.digest() != SPEC.digest()
    assert run_identity(prepare=asdict(later)) != run_identity(prepare=asdict(SPEC))


def test_the_settings_name_the_finder_unless_the_spec_does() -> None:
    registry = Host.load().registry
    assert with_finder(SPEC, registry, SETTINGS).finder == "mtcnn"
    other = Settings(face_finder="dlib")
    assert with_finder(SPEC, registry, other).finder == "dlib"
    assert with_finder(PrepareSpec(SPEC.frames, finder="mtcnn"), registry, other).finder == "mtcnn"


def test_an_unknown_finder_is_named() -> None:
    with pytest.raises(UsageError, match="nobody"):
        with_finder(PrepareSpec(FrameChoice("uniform", 4), finder="nobody"), Host.load().registry, SETTINGS)
