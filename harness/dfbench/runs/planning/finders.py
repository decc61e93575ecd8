"""The face finder that the settings or a spec name, as it is installed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dfbench.data.faces.landmarks import with_landmarks
from dfbench.data.faces.worker_finder import open_finder
from dfbench.errors import UsageError
from dfbench.hooks.plugin_code import plugin_error, running
from dfbench.hooks.registry import load_object
from dfbench.interfaces import FaceFinder
from dfbench.types import PrepareSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.settings import Settings


def with_finder(spec: PrepareSpec, registry: Registry, settings: Settings) -> PrepareSpec:
    """`spec` with its face finder and the like, as they are installed, which are part of what the faces are.

    Raises UsageError.
    """
    finder = registry.face_finder(spec.finder or settings.face_finder)
    spec = replace(spec, finder=finder.name, finder_version=finder.version)
    return with_landmarks(spec) if spec.landmarks else spec


def face_finder(registry: Registry, *, device: str, name: str) -> tuple[FaceFinder, str]:
    """A face finder, built, and its name and version. "auto" takes a CUDA device if there is one. Raises UsageError."""
    spec = registry.face_finder(name)
    build = load_object(spec.build)
    if not callable(build):
        raise UsageError(f"face finder '{spec.name}': {spec.build} is not callable")
    told = partial(plugin_error, spec, "to find faces")
    with running(spec, "when it was built"):
        return open_finder(build, device, told), f"{spec.name} {spec.version}"
