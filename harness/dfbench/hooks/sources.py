"""Where plugins come from: the entry points of the installed distributions, and objects that are handed over."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from dfbench.hooks import specs

ENTRY_POINT_GROUP = specs.PROJECT
OWN_DISTRIBUTION = "dfbench-harness"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where a plugin comes from; `load` imports it."""

    name: str
    distribution: str
    version: str
    module: str
    load: Callable[[], object]

    @property
    def words(self) -> str:
        """The plugin as notes name it: `plugin 'name' (distribution 1.0)`."""
        where = f"{self.distribution} {self.version}".strip()
        return f"plugin {self.name!r}" + (f" ({where})" if where else "")


def installed_sources() -> list[PluginSource]:
    """Return the entry points of the group, our own distribution's first, each half by distribution and name."""
    return list(_sources_on(tuple((place, _changed(place)) for place in sys.path)))


# To read the files of a hundred distributions takes longer than to load the plugins.
@lru_cache(maxsize=1)
def _sources_on(path: tuple[tuple[str, int], ...]) -> tuple[PluginSource, ...]:
    """The entry points on a search path, whose folders were changed at these times."""
    del path
    details: dict[int, tuple[str, str]] = {}
    sources = [_entry_source(entry, details) for entry in entry_points(group=ENTRY_POINT_GROUP)]

    def order(source: PluginSource) -> tuple[bool, str, str]:
        return (source.distribution != OWN_DISTRIBUTION, source.distribution, source.name)

    return tuple(sorted(sources, key=order))


def _changed(place: str) -> int:
    """When something was last put into a folder of the search path or taken out of it, in nanoseconds; 0 if it is not there."""
    try:
        return os.stat(place or ".").st_mtime_ns  # noqa: PTH116 # "" stands for the working folder
    except OSError:
        return 0


def _entry_source(entry: EntryPoint, details: dict[int, tuple[str, str]]) -> PluginSource:
    dist = entry.dist
    if dist is None:
        return PluginSource(entry.name, "", "", entry.module, entry.load)
    if id(dist) not in details:  # reading the metadata file is the slow part, and six of the entries are ours
        metadata = dist.metadata
        details[id(dist)] = (metadata["Name"] or "", metadata["Version"] or "")
    return PluginSource(entry.name, *details[id(dist)], entry.module, entry.load)


def object_sources(plugins: Iterable[object]) -> Iterator[PluginSource]:
    """Yield where each plugin object comes from, under its own name, or NAME#2 where that is taken."""
    seen: Counter[str] = Counter()
    for plugin in plugins:
        name = str(getattr(plugin, "__name__", type(plugin).__name__))
        seen[name] += 1
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        yield PluginSource(unique, "", "", module, lambda plugin=plugin: plugin)  # type: ignore[misc] # mypy cannot infer it
