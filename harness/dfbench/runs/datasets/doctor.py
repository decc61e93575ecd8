"""What a run needs from this machine, looked at one by one."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.config_file import config_path
from dfbench.data.folders import folder_fault, unmakeable
from dfbench.errors import SettingsError
from dfbench.hooks.host import PluginRecord, PluginStatus
from dfbench.hooks.registry import one_line
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import configured_source
from dfbench.settings import Settings
from dfbench.text import storable

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "facenet-pytorch",
    "av",
    "opencv-python-headless",
    "lightning",
    "pyarrow",
    "pytorchvideo",
)
# Of these, that they are installed says little: without a release for years, they may break beside any newer package.
IMPORTED = {"pytorchvideo": "pytorchvideo.models.hub"}
LOW_DISK_GIB = 2.0
_PLUGIN_STATES = {PluginStatus.OK: "ok", PluginStatus.DISABLED: "note", PluginStatus.FAILED: "broken"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `state` is "ok", "note" or "broken"; `detail` is made `storable`."""

    what: str
    state: str
    detail: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", storable(self.detail))


def diagnose(setup: Setup) -> list[Finding]:
    """Look at everything; returns the findings, most basic first."""
    settings = setup.settings
    return [
        _settings_file(),
        *_packages(),
        _device(),
        *_folders(settings),
        *_roots(settings, setup.registry),
        *_plugins(setup.host.plugins),
    ]


def _settings_file() -> Finding:
    """Which file is in force; variables beat it."""
    path = config_path()
    if path.is_file():
        return Finding("settings", "ok", str(path.absolute()))
    return Finding("settings", "note", f"no {path} here or in a folder above: everything has its default")


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            version = metadata.version(name)
            fault = _import_fault(IMPORTED[name]) if name in IMPORTED else ""
            told = f"{version} cannot be imported: {fault}" if fault else version
            found.append(Finding(name, "broken" if fault else "ok", told))
        except metadata.PackageNotFoundError:
            found.append(Finding(name, "broken", "not installed; reinstall dfbench-harness"))
    both = [name for name in ("opencv-python", "opencv-contrib-python") if _installed(name)]
    if both:
        found.append(
            Finding("opencv", "note", f"{both[0]} beside opencv-python-headless: uninstall one of them")
        )
    if find_spec("_dlib_pybind11") is None and find_spec("dlib") is None:
        found.append(Finding("dlib", "note", "absent: landmarks come from a five-point template"))
    return found


def _import_fault(module: str) -> str:
    """Say why a module cannot be imported, in one line; returns "" if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(module)
    except Exception as error:  # noqa: BLE001 - an old package beside new ones may raise anything
        return one_line(error)
    return ""


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _device() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:  # not installed, or a library that it needs is not there
        return Finding("device", "broken", f"torch cannot be imported: {error}")
    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}")
    return Finding("device", "note", f"no CUDA device; {torch.get_num_threads()} CPU threads")


def _folders(settings: Settings) -> list[Finding]:
    found = []
    for what, folder in (("cache", settings.cache), ("runs", settings.runs)):
        if fault := unmakeable(folder):
            found.append(Finding(what, "broken", f"{folder} cannot be made: {fault}"))
            continue
        existing = next((p for p in (folder, *folder.absolute().parents) if not folder_fault(p)), Path("/"))
        free = shutil.disk_usage(existing).free / 2**30
        state = "note" if free < LOW_DISK_GIB else "ok"
        told = f"{folder} ({free:.0f} GiB free)"
        if not os.access(existing, os.W_OK | os.X_OK):
            state, told = "note", f"{told}: may be read, and not written to"
        found.append(Finding(what, state, told))
    return found


def _roots(settings: Settings, registry: Registry) -> list[Finding]:
    if not settings.data.roots:
        return [Finding("data", "note", f"no data roots in {config_path()}: runs use the demo corpora")]
    try:
        source = configured_source(settings, registry)
    except SettingsError as error:
        return [Finding("data", "broken", error.message)]
    found = [
        Finding(f"data {name}", "broken" if fault else "ok", f"{root}: {fault}" if fault else str(root))
        for name, root in source.roots.items()
        for fault in (folder_fault(root),)
    ]
    for name, (root, unknown) in source.unknown.items():
        found.append(
            Finding(f"data {name}", "broken", ": ".join([str(root), unknown.message, *unknown.hints[:1]]))
        )
    return found


def _plugins(records: Sequence[PluginRecord]) -> list[Finding]:
    return [
        Finding(
            f"plugin {record.name}",
            _PLUGIN_STATES[record.status],
            record.error or record.distribution,
        )
        for record in records
    ]
