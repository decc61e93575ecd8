"""What a stage fills into the specs that it hands on."""

from __future__ import annotations

import pytest

from dfbench.errors import UsageError
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Registry
from dfbench.runs.sources import with_finder_version
from dfbench.types import FaceFinderSpec, FrameChoice, PrepareSpec

SPEC = PrepareSpec(FrameChoice("uniform", 4))


def test_faces_of_another_version_of_the_finder_are_other_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Host.load().registry
    now = with_finder_version(SPEC, registry)
    assert now.finder_version == registry.face_finder("mtcnn").version != ""
    assert with_finder_version(now, registry) == now

    def newer(_: Registry, name: str) -> FaceFinderSpec:
        return FaceFinderSpec(name=name, summary="finds faces", build="a.b:c", version="next")

    monkeypatch.setattr(Registry, "face_finder", newer)
    later = with_finder_version(now, registry)
    assert later.finder_version == "next"
    assert len({SPEC.digest(), now.digest(), later.digest()}) == 3


def test_an_unknown_finder_is_named() -> None:
    with pytest.raises(UsageError, match="nobody"):
        with_finder_version(PrepareSpec(FrameChoice("uniform", 4), finder="nobody"), Host.load().registry)
