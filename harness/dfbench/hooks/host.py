"""Discovery and isolation of plugins: every entry point of the group `dfbench`, each loaded on its own.

pluggy's own `load_setuptools_entrypoints` stops at the first plugin that cannot be imported and lets a
misspelt hook pass unseen. A lab's half-written plugin is normal, so here each plugin gets a plugin manager of
its own, and whatever it does wrong is recorded against it alone: a failed plugin offers nothing, the others do
not notice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dfbench.hooks.loading import Loading, load_plugin
from dfbench.hooks.manners import kept
from dfbench.hooks.registry import Failure, Kind, Registered, Registry, group_names, keys_of
from dfbench.hooks.sources import PluginSource, installed_sources, object_sources
from dfbench.hooks.waiting import named_if_slow

if TYPE_CHECKING:
    import typer
    from typer.models import CommandInfo, TyperInfo

DISABLE_VARIABLE = "DFBENCH_DISABLE_PLUGINS"


class PluginStatus(StrEnum):
    """Says how loading a plugin ended."""

    OK = "ok"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """Holds what `dfbench plugins list` shows about a plugin.

    `distribution` and `version` are empty for plugins that are passed as objects. `module` is the module with the hooks.
    `offers` has names by kind; for a failed plugin, those that it would have offered, as far as they are known. `hooks` names
    the implemented hooks. `error` is the reason of a failure on one line, `traceback` the part of it in the plugin's code;
    both are "" if there is none.
    """

    name: str
    distribution: str = ""
    version: str = ""
    module: str = ""
    status: PluginStatus = PluginStatus.OK
    offers: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()
    error: str = ""
    traceback: str = ""


class Host:
    """Holds the loaded plugins, with what they offer and which events they listen to."""

    def __init__(self, loadings: Iterable[tuple[PluginRecord, Loading | None]]) -> None:
        pairs = tuple(loadings)
        self.plugins: tuple[PluginRecord, ...] = tuple(record for record, _ in pairs)
        self._working = tuple(
            loading for record, loading in pairs if loading is not None and record.status is PluginStatus.OK
        )
        self.registry = Registry(
            (offer for loading in self._working for offer in loading.offers),
            (
                Failure(
                    record.name,
                    record.error,
                    record.traceback,
                    tuple((kind, name) for kind, names in record.offers.items() for name in names),
                )
                for record in self.plugins
                if record.status is not PluginStatus.OK
            ),
        )

    @classmethod
    def load(cls, extra_plugins: Iterable[object] = ()) -> Host:
        """Load every plugin: the bundled ones, then those of other distributions, then `extra_plugins` (objects).

        A plugin never makes this raise. The environment variable DFBENCH_DISABLE_PLUGINS holds names of plugins or
        distributions, separated by commas, that are listed but not imported.
        """
        disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")} - {""}
        loaded: list[tuple[PluginRecord, Loading | None]] = []
        owners: dict[str, PluginSource] = {}
        offers: dict[tuple[Kind, str], Registered] = {}
        for source in (*installed_sources(), *object_sources(extra_plugins)):
            if disabled & {source.name, source.distribution}:
                loaded.append((_disabled_record(source), None))
                continue
            with (
                named_if_slow(lambda source=source: f"{source.words} to be loaded"),  # type: ignore[misc]
                kept(lambda source=source: source.words, "when it was loaded", generators=True),  # type: ignore[misc]
            ):
                loading = load_plugin(source, owners.get(source.name), offers)
            owners.setdefault(source.name, source)
            if not loading.problems:
                offers.update((key, offer) for offer in loading.offers for key in keys_of(offer))
            loaded.append((_record(loading), loading))
        return cls(loaded)

    def add_commands(self, cli: typer.Typer) -> tuple[str, ...]:
        """Let every plugin add commands to `cli`; returns a note for each that failed.

        A plugin that fails, that adds what no command line can be built of, or that uses a name which the command
        line has already, adds nothing.
        """
        notes: list[str] = []
        for loading in self._working:
            before = (list(cli.registered_commands), list(cli.registered_groups), cli.registered_callback)
            taken = set(_command_names(cli))
            failed = _call_listener(loading, "dfbench_commands", {"cli": cli})
            added = (
                [command for command in cli.registered_commands if command not in before[0]],
                [group for group in cli.registered_groups if group not in before[1]],
            )
            if not failed and any(added):
                failed = _try(loading, lambda: _build_commands(*added), "its commands cannot be built")  # noqa: B023
            counts = Counter(_command_names(cli))
            if repeated := sorted(name for name in counts if counts[name] > 1 and name in taken):
                failed += (f"plugin {loading.source.name!r}: command {', '.join(repeated)} is taken",)
            if failed:
                cli.registered_commands, cli.registered_groups, cli.registered_callback = before
            notes.extend(failed)
        return tuple(notes)

    def listeners(self, hooks: Collection[str]) -> frozenset[str]:
        """Return the names of the plugins that implement one of these event hooks."""
        return frozenset(
            loading.source.name for loading in self._working if not set(hooks).isdisjoint(loading.hooks)
        )

    def tell(self, hook: str, arguments: Callable[[], dict[str, Any]]) -> tuple[str, ...]:
        """Call the event hook of every plugin that listens, each with `arguments` of its own.

        Returns a note for each listener that failed: show them, what they listen to goes on.
        """
        return tuple(
            note
            for loading in self._working
            if hook in loading.hooks
            for note in _call_listener(loading, hook, arguments())
        )


def _call_listener(loading: Loading, hook: str, arguments: dict[str, Any]) -> tuple[str, ...]:
    """Call one event hook of one plugin; a note if it raised."""
    return _try(loading, lambda: getattr(loading.manager.hook, hook)(**arguments), f"{hook} failed")


def _try(loading: Loading, work: Callable[[], object], what: str) -> tuple[str, ...]:
    trial = Loading(loading.source, loading.manager)
    words = loading.source.words
    with named_if_slow(lambda: words), kept(lambda: words, "when it was called", generators=True):
        trial.attempt(work, what)
    return tuple(f"plugin {loading.source.name!r}: {problem}" for problem in trial.problems)


def _build_commands(commands: list[CommandInfo], groups: list[TyperInfo]) -> None:
    """Build a command line of these alone, as building all of it takes a tenth of a second."""
    import typer
    from typer.main import get_command

    cli = typer.Typer()
    cli.registered_commands, cli.registered_groups = commands, groups
    get_command(cli)


def _command_names(cli: typer.Typer) -> Iterator[str]:
    """Return the names that typer will give to the commands and groups of `cli`."""
    for command in cli.registered_commands:
        callback = getattr(command.callback, "__name__", "")
        yield command.name or callback.lower().replace("_", "-")
    for group in cli.registered_groups:
        if group.name:
            yield group.name


def _record(loading: Loading) -> PluginRecord:
    source = loading.source
    named = [one for one in loading.offers if isinstance(one.spec.name, str)]
    return PluginRecord(
        name=source.name,
        distribution=source.distribution,
        version=source.version,
        module=source.module,
        status=PluginStatus.FAILED if loading.problems else PluginStatus.OK,
        offers=group_names((one.kind, one.listed_as) for one in named),
        hooks=loading.hooks,
        error="; ".join(loading.problems),
        traceback="\n\n".join(loading.tracebacks),
    )


def _disabled_record(source: PluginSource) -> PluginRecord:
    return PluginRecord(
        name=source.name,
        distribution=source.distribution,
        version=source.version,
        module=source.module,
        status=PluginStatus.DISABLED,
        error=f"disabled by {DISABLE_VARIABLE}",
    )
