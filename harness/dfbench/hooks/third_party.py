"""Plugins that are not part of dfbench and that took part in a run: which, in what version, and a hash of their code.

A plugin runs as its user and can change any number, so that a number says whose code made it. The hash tells one state of that
code from another. It is no proof: a plugin could tell anything of itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dfbench.hooks.host import Host
from dfbench.hooks.registry import Kind
from dfbench.hooks.sources import OWN_DISTRIBUTION
from dfbench.specs import DetectorSpec, Offer
from dfbench.text import storable

MOST_FILES = 20_000
WHOLE_BYTES = 16 * 2**20  # of a larger file, such as weights in a package: its size, and as much of its ends
MOST_TOLD = 100  # plugins that a file may name, and offers of each
MOST_TEXT = 200  # characters of a name in a file
_TEXTS = ("name", "distribution", "version", "sha256")
_BUILT = ("build", "describe", "explain", "trainer")


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """A plugin that is not part of dfbench, and that took part in a run.

    `distribution` and `version` are those of the package that it was installed by, "" without any. `sha256` (hex): of the files
    of the packages that its code is in, "" if these could not be read. `offers`: what was used of it ("detector mine"), or
    "listens".
    """

    name: str
    distribution: str = ""
    version: str = ""
    sha256: str = ""
    offers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {**asdict(self), "offers": list(self.offers)}

    @property
    def words(self) -> str:
        """How a board names it: `name 1.0 [hash]`."""
        named = f"{self.distribution or self.name} {self.version or '(no version)'}"
        return f"{named} [{self.sha256[:12] or 'unread'}]"


def third_parties(
    host: Host, used: Iterable[tuple[Kind, str]], *, told: Collection[str] = ()
) -> tuple[PluginFacts, ...]:
    """Return the plugins of others that offer what was `used` or implement one of the event hooks `told`, by name.

    Names that nobody offers are passed over.
    """
    offers: dict[str, list[tuple[Kind, Offer]]] = {}
    for kind, name in dict.fromkeys(used):
        if (offer := host.registry.offer(kind, name)) is not None:
            offers.setdefault(offer.plugin, []).append((kind, offer.spec))
    for name in host.listeners(told):
        offers.setdefault(name, [])
    return tuple(
        PluginFacts(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            sha256=code_sha256([record.module, *_modules(spec for _, spec in offers[record.name])]),
            offers=tuple(f"{kind.words} {spec.name}" for kind, spec in offers[record.name]) or ("listens",),
        )
        for record in sorted(host.plugins, key=lambda record: record.name)
        if record.name in offers and record.distribution != OWN_DISTRIBUTION
    )


def told_plugins(content: object) -> tuple[PluginFacts, ...]:
    """Return the plugins that a weights file, or the record of a training, says took part in its training.

    Both may come from anywhere: what is no such list, or longer or wordier than one could be, is passed over.
    """
    found = []
    for one in content[:MOST_TOLD] if isinstance(content, list) else ():
        texts = {name: one.get(name) for name in _TEXTS} if isinstance(one, dict) else {}
        offers = one.get("offers") if texts else None
        if (
            all(isinstance(text, str) and len(text) <= MOST_TEXT for text in texts.values())
            and texts.get("name")
            and isinstance(offers, list)
            and all(isinstance(offer, str) and len(offer) <= MOST_TEXT for offer in offers[:MOST_TOLD])
        ):
            plain = {name: storable(str(text)) for name, text in texts.items()}
            found.append(PluginFacts(**plain, offers=tuple(map(storable, offers[:MOST_TOLD]))))
    return tuple(found)


def changed_since(before: Iterable[PluginFacts], now: Iterable[PluginFacts]) -> list[str]:
    """The names of the plugins in `now` whose code was another in each session that `before` tells of."""
    states: dict[str, set[str]] = {}
    for plugin in before:
        states.setdefault(plugin.name, set()).add(plugin.sha256)
    return [plugin.name for plugin in now if plugin.sha256 not in states.get(plugin.name, {plugin.sha256})]


def code_sha256(modules: Iterable[str]) -> str:
    """SHA-256 (hex) of the names and contents of all files of the packages that `modules` are in; of a module without a
    package, of its file. Compiled files do not count. "" if there are none, too many, or they cannot be read."""
    try:
        files = sorted(
            {found for root in dict.fromkeys(filter(None, map(_root, modules))) for found in _files(root)}
        )
        return _digest(tuple(files)) if 0 < len(files) <= MOST_FILES else ""
    except OSError:
        return ""


def _modules(specs: Iterable[Offer]) -> Iterator[str]:
    for spec in specs:
        for name in _BUILT if isinstance(spec, DetectorSpec) else _BUILT[:1]:
            yield str(getattr(spec, name, "")).partition(":")[0]


def _root(module: str) -> Path | None:
    """The folder of the package that a module is in, or its file where it is in none; a namespace is no package."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        found: Any = sys.modules.get(name)
        file = getattr(found, "__file__", None)
        if found is None:
            with suppress(Exception):  # a parent that cannot be imported
                found = importlib.util.find_spec(name)
                file = found.origin if found is not None and found.has_location else None
        if file:
            path = Path(file)
            return path.parent if path.name.startswith("__init__.") else path
    return None


def _files(root: Path) -> Iterator[tuple[str, str, int, int]]:
    """Name below the parent of `root`, path, size and time of each file at or below it. Raises OSError."""
    names = [str(root)]
    if root.is_dir():
        names = []
        for folder, below, files in os.walk(root):
            below[:] = [one for one in below if one != "__pycache__"]
            names += [os.path.join(folder, one) for one in files if not one.endswith((".pyc", ".pyo"))]  # noqa: PTH118
            if len(names) > MOST_FILES:
                break
    for name in names:
        status = os.stat(name)  # noqa: PTH116 - of thousands
        if stat.S_ISREG(status.st_mode):
            yield (os.path.relpath(name, root.parent), name, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)  # by size and time of every file
def _digest(files: tuple[tuple[str, str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, path, size, _ in files:
        content = hashlib.sha256()
        with open(path, "rb") as stream:  # noqa: PTH123 - of thousands
            if size <= WHOLE_BYTES:
                content.update(stream.read(size))
            else:
                content.update(stream.read(WHOLE_BYTES // 2))
                stream.seek(-WHOLE_BYTES // 2, os.SEEK_END)
                content.update(stream.read())
        whole.update(f"{name!r} {size} {content.hexdigest()}\n".encode())
    return whole.hexdigest()
