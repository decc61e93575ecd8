"""Discovery and isolation of plugins: every entry point of the group `dfbench`, each loaded on its own.

pluggy's own `load_setuptools_entrypoints` stops at the first plugin that cannot be imported and lets a
misspelt hook pass unseen. A lab's half-written plugin is normal, so here each plugin gets a plugin manager of
its own, and whatever it does wrong is recorded against it alone: a failed plugin offers nothing, the others do
not notice.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from dfbench.hooks import specs
from dfbench.hooks.manners import kept
from dfbench.hooks.registry import (
    Failure,
    Kind,
    Offer,
    Registry,
    group_names,
    is_build_path,
    keys_of,
    one_line,
    plugin_traceback,
)
from dfbench.hooks.spec_faults import detector_fault
from dfbench.hooks.waiting import named_if_slow
from dfbench.names import name_fault, shown
from dfbench.specs import (
    PURPOSES,
    CorpusSpec,
    DatasetSpec,
    DetectorSpec,
    FaceFinderSpec,
    ProtocolSpec,
    Spec,
    SynthesizerSpec,
)
from dfbench.text import meant
from dfbench.types import COLUMN_ENDS, COLUMN_WORDS, OFFICIAL, OWN

if TYPE_CHECKING:
    import pandas as pd
    import typer
    from typer.models import CommandInfo, TyperInfo

ENTRY_POINT_GROUP = specs.PROJECT
DISABLE_VARIABLE = "DFBENCH_DISABLE_PLUGINS"
OWN_DISTRIBUTION = "dfbench-harness"
MOST_OFFERS = 10_000  # of a plugin; a generator that does not end would take all memory

OFFER_HOOKS: Mapping[str, tuple[Kind, type[Spec]]] = {
    "dfbench_datasets": (Kind.DATASET, DatasetSpec),
    "dfbench_corpora": (Kind.CORPUS, CorpusSpec),
    "dfbench_synthesizers": (Kind.SYNTHESIZER, SynthesizerSpec),
    "dfbench_detectors": (Kind.DETECTOR, DetectorSpec),
    "dfbench_protocols": (Kind.PROTOCOL, ProtocolSpec),
    "dfbench_face_finders": (Kind.FACE_FINDER, FaceFinderSpec),
}
EVENT_HOOKS = ("dfbench_commands", "dfbench_run_started", "dfbench_run_finished")
HOOK_NAMES = (*OFFER_HOOKS, *EVENT_HOOKS)


class PluginStatus(StrEnum):
    """How loading a plugin ended."""

    OK = "ok"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One plugin as `dfbench plugins list` shows it.

    `distribution` and `version` are empty for plugins handed over as objects. `offers`: names by kind; of a
    failed plugin those that it would have offered, as far as they are known. `hooks`: the names of the hooks
    that it implements. `error`: the reason on one line, `traceback`: the plugin's own part of it; both empty if
    all is well. `module` is the one that the hooks are in, or were to be.
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


class _WrongUseError(Exception):
    """A plugin uses a hook wrongly; the message says how, a traceback would add nothing."""


@dataclass(frozen=True, slots=True)
class _Source:
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


@dataclass(slots=True)
class _Loading:
    """A plugin on its way through loading: what was found so far, good and bad."""

    source: _Source
    manager: pluggy.PluginManager
    offers: list[Offer] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def attempt(self, action: Callable[[], object], doing: str) -> bool:
        """Whether `action` succeeded; if not, what it raised is recorded as a problem, introduced by `doing`."""
        try:
            action()
        except KeyboardInterrupt:
            raise
        except _WrongUseError as error:  # one of our own checks: the message says it all
            self.problems.append(str(error))
        except BaseException as error:  # noqa: BLE001 - strangers' code: sys.exit and Rust panics are no Exception
            self.problems.append(f"{doing}: {one_line(error)}")
            self.tracebacks.append(plugin_traceback(error))
        else:
            return True
        return False


class Host:
    """The loaded plugins, what they offer, and the events that they listen to."""

    def __init__(self, loadings: Iterable[tuple[PluginRecord, _Loading | None]]) -> None:
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
        """Find and load every plugin: ours first, then other distributions', then `extra_plugins` (objects).

        Never raises because of a plugin. The environment variable DFBENCH_DISABLE_PLUGINS holds names of
        plugins or distributions, separated by commas, that are listed but not imported.
        """
        disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")} - {""}
        loaded: list[tuple[PluginRecord, _Loading | None]] = []
        owners: dict[str, _Source] = {}
        offers: dict[tuple[Kind, str], Offer] = {}
        for source in (*_installed_sources(), *_object_sources(extra_plugins)):
            if disabled & {source.name, source.distribution}:
                loaded.append((_disabled_record(source), None))
                continue
            with (
                named_if_slow(lambda source=source: f"{source.words} to be loaded"),  # type: ignore[misc]
                kept(lambda source=source: source.words, "when it was loaded", generators=True),  # type: ignore[misc]
            ):
                loading = _load_one(source, owners.get(source.name), offers)
            owners.setdefault(source.name, source)
            if not loading.problems:
                offers.update((key, offer) for offer in loading.offers for key in keys_of(offer))
            loaded.append((_record(loading), loading))
        return cls(loaded)

    def call_run_started(self, plan: Mapping[str, object]) -> tuple[str, ...]:
        """Tell every plugin that scoring starts, each with its own copy of `plan`.

        Returns one note for each listener that failed; show them, the run goes on.
        """
        return self._tell("dfbench_run_started", lambda: {"plan": copy.deepcopy(dict(plan))})

    def call_run_finished(self, result: pd.DataFrame) -> tuple[str, ...]:
        """Tell every plugin that a run is complete, each with its own copy of `result`; notes as above."""
        return self._tell("dfbench_run_finished", lambda: {"result": result.copy()})

    def add_commands(self, cli: typer.Typer) -> tuple[str, ...]:
        """Let every plugin add commands to `cli`; notes as above.

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

    def _tell(self, hook: str, arguments: Callable[[], dict[str, Any]]) -> tuple[str, ...]:
        return tuple(
            note
            for loading in self._working
            if hook in loading.hooks
            for note in _call_listener(loading, hook, arguments())
        )


def _call_listener(loading: _Loading, hook: str, arguments: dict[str, Any]) -> tuple[str, ...]:
    """Call one event hook of one plugin; a note if it raised."""
    return _try(loading, lambda: getattr(loading.manager.hook, hook)(**arguments), f"{hook} failed")


def _try(loading: _Loading, work: Callable[[], object], what: str) -> tuple[str, ...]:
    trial = _Loading(loading.source, loading.manager)
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
    """The names of the commands and groups of `cli`, as typer will derive them."""
    for command in cli.registered_commands:
        callback = getattr(command.callback, "__name__", "")
        yield command.name or callback.lower().replace("_", "-")
    for group in cli.registered_groups:
        if group.name:
            yield group.name


def _installed_sources() -> list[_Source]:
    """The entry points of the group, our own distribution's first, each half by distribution and name."""
    details: dict[int, tuple[str, str]] = {}
    sources = [_entry_source(entry, details) for entry in entry_points(group=ENTRY_POINT_GROUP)]

    def order(source: _Source) -> tuple[bool, str, str]:
        return (source.distribution != OWN_DISTRIBUTION, source.distribution, source.name)

    return sorted(sources, key=order)


def _entry_source(entry: EntryPoint, details: dict[int, tuple[str, str]]) -> _Source:
    dist = entry.dist
    if dist is None:
        return _Source(entry.name, "", "", entry.module, entry.load)
    if id(dist) not in details:  # reading the metadata file is the slow part, and six of the entries are ours
        metadata = dist.metadata
        details[id(dist)] = (metadata["Name"] or "", metadata["Version"] or "")
    return _Source(entry.name, *details[id(dist)], entry.module, entry.load)


def _object_sources(plugins: Iterable[object]) -> Iterator[_Source]:
    seen: Counter[str] = Counter()
    for plugin in plugins:
        name = str(getattr(plugin, "__name__", type(plugin).__name__))
        seen[name] += 1
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        yield _Source(unique, "", "", module, lambda plugin=plugin: plugin)  # type: ignore[misc] # mypy cannot infer it


def _load_one(source: _Source, owner: _Source | None, taken: Mapping[tuple[Kind, str], Offer]) -> _Loading:
    """Import one plugin, check its hooks and collect what it offers; everything wrong is in `problems`."""
    loading = _Loading(source, pluggy.PluginManager(specs.PROJECT))
    if owner is not None:
        where = f"{owner.distribution} {owner.version}".strip() or "a plugin object"
        loading.problems.append(f"plugin name {source.name!r} is taken by {where}")
        return loading
    found: list[object] = []
    if not loading.attempt(lambda: found.append(source.load()), "cannot be imported"):
        return loading
    loading.attempt(lambda: loading.problems.extend(_misnamed_hooks(found[0])), "its hooks cannot be read")
    loading.manager.add_hookspecs(specs)
    if not loading.attempt(lambda: _register(loading.manager, found[0], source.name), "its hooks fail"):
        return loading
    loading.hooks = tuple(sorted(caller.name for caller in loading.manager.get_hookcallers(found[0]) or ()))
    if not loading.hooks and not loading.problems:
        loading.problems.append("it implements no hook: is @hookimpl missing?")
    for hook in OFFER_HOOKS:
        if hook in loading.hooks:
            _collect(loading, hook)
    loading.problems.extend(_repeated_names(loading.offers, taken))
    return loading


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise _WrongUseError(f"a hook has the wrong signature: {' '.join(str(error).split())}") from error


def _misnamed_hooks(plugin: object) -> list[str]:
    """Functions that were meant as hooks and would never be called."""
    problems = []
    for name in dir(plugin):
        function = getattr(plugin, name)
        if not inspect.isroutine(function):
            continue
        mark = getattr(function, f"{specs.PROJECT}_impl", None)
        if mark is not None:
            hook = mark.get("specname") or name
            if hook not in HOOK_NAMES and not mark.get("optionalhook"):
                problems.append(_no_such_hook(hook))
        elif name.startswith(f"{specs.PROJECT}_") and _is_its_own(function, plugin):
            problems.append(f"function {name} lacks @hookimpl" if name in HOOK_NAMES else _no_such_hook(name))
    return problems


def _is_its_own(function: object, plugin: object) -> bool:
    """Whether a plugin module defines `function` itself; of any other object every method counts."""
    return not isinstance(plugin, ModuleType) or getattr(function, "__module__", None) == plugin.__name__


def _no_such_hook(name: str) -> str:
    question = meant(name, HOOK_NAMES, count=1)
    return f"there is no hook {name!r}" + (f": {question}" if question else "")


def _collect(loading: _Loading, hook: str) -> None:
    """Call one offering hook and keep its specs that are in order."""
    kind, spec_type = OFFER_HOOKS[hook]
    caller = getattr(loading.manager.hook, hook)
    wanted = f"not a list of {spec_type.__name__}"

    def call() -> None:
        results = caller()
        if len(results) < sum(not (one.wrapper or one.hookwrapper) for one in caller.get_hookimpls()):
            raise _WrongUseError(f"{hook} returned None, {wanted}: is `return` missing?")
        for result in results:
            for spec in _specs_in(result, hook, spec_type):
                if len(loading.offers) >= MOST_OFFERS:
                    raise _WrongUseError(f"{hook} offers more than {MOST_OFFERS} things: does it end?")
                loading.offers.append(Offer(kind, spec, loading.source.name))
                if problem := _spec_problem(spec):
                    loading.problems.append(f"{hook}: {kind.words} {spec.name!r} {problem}")

    loading.attempt(call, f"{hook} failed")


def _specs_in(result: object, hook: str, spec_type: type[Spec]) -> Iterator[Spec]:
    wanted = f"not a list of {spec_type.__name__}"
    if isinstance(result, Spec):
        raise _WrongUseError(f"{hook} returned one {type(result).__name__}, {wanted}: put it in a list")
    if isinstance(result, (str, bytes, Mapping)) or not isinstance(result, Iterable):
        raise _WrongUseError(f"{hook} returned {_shown(result)}, {wanted}")
    for spec in result:
        if not isinstance(spec, spec_type):
            raise _WrongUseError(f"{hook} returned an iterable that holds {_shown(spec)}, {wanted}")
        yield spec


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _spec_problem(spec: Spec) -> str:
    """What is wrong with the content of a spec, or nothing."""
    return _name_problem(spec) or _path_problem(spec)


def _name_problem(spec: Spec) -> str:
    if fault := name_fault(spec.name):
        return f"has no usable name: {shown(spec.name)} {fault}"
    aliases: object = spec.aliases
    if not isinstance(aliases, tuple):
        return f"has aliases {aliases!r}, which are not a tuple of names"
    for alias in aliases:
        if fault := name_fault(alias):
            return f"has no usable alias: {shown(alias)} {fault}"
    if isinstance(spec, DatasetSpec) and spec.name.casefold() in COLUMN_WORDS:
        return "has a name that result tables use for something else"
    names = {one.casefold() for one in (spec.name, *spec.aliases)}
    if isinstance(spec, CorpusSpec) and names & {OFFICIAL, OWN}:
        return "has the name of data that are not made: call it otherwise"
    return ""


def _path_problem(spec: Spec) -> str:
    if not isinstance(spec, ProtocolSpec) and not is_build_path(spec.build):
        return f'has build {spec.build!r}, which is not of the form "package.module:Name"'
    if isinstance(spec, DetectorSpec):
        return detector_fault(spec)
    if isinstance(spec, ProtocolSpec) and spec.purpose not in PURPOSES:
        return f"has the purpose {spec.purpose!r}, which is none of {', '.join(PURPOSES)}"
    return ""


def _repeated_names(offers: Iterable[Offer], taken: Mapping[tuple[Kind, str], Offer]) -> list[str]:
    """A sentence for each name that the plugin itself or an earlier one has used already."""
    problems = []
    own: dict[tuple[Kind, str], Offer] = {}
    for offer in offers:
        if _spec_problem(offer.spec):
            continue
        for key in keys_of(offer):
            what = f"{offer.kind.words} {key[1]!r}"
            if key in own:
                problems.append(f"it offers {what} twice")
            elif key in taken:
                problems.append(f"{what} of {offer.plugin!r} is already offered by {taken[key].plugin!r}")
            own.setdefault(key, offer)
    return [*problems, *_clashing_columns(own.values(), taken.values())]


def _clashing_columns(own: Iterable[Offer], taken: Iterable[Offer]) -> list[str]:
    """A sentence for each new dataset that a board could not tell from a column of another one ("x" and "x_low")."""
    new, old = (
        {offer.spec.name for offer in offers if offer.kind is Kind.DATASET} for offers in (own, taken)
    )
    return [
        f"the datasets {name!r} and {name + end!r} cannot stand on one board: it calls a column so"
        for name in sorted(new | old)
        for end in COLUMN_ENDS
        if name + end in new | old and {name, name + end} & new
    ]


def _record(loading: _Loading) -> PluginRecord:
    source = loading.source
    named = [one for one in loading.offers if isinstance(one.spec.name, str)]
    return PluginRecord(
        name=source.name,
        distribution=source.distribution,
        version=source.version,
        module=source.module,
        status=PluginStatus.FAILED if loading.problems else PluginStatus.OK,
        offers=group_names((one.kind, one.spec.name) for one in named),
        hooks=loading.hooks,
        error="; ".join(loading.problems),
        traceback="\n\n".join(loading.tracebacks),
    )


def _disabled_record(source: _Source) -> PluginRecord:
    return PluginRecord(
        name=source.name,
        distribution=source.distribution,
        version=source.version,
        module=source.module,
        status=PluginStatus.DISABLED,
        error=f"disabled by {DISABLE_VARIABLE}",
    )
