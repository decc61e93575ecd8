"""Load one plugin: import it, check its hooks, collect what it offers, and record what is wrong.

Each plugin has its own plugin manager, because pluggy's stops at the first plugin that cannot be imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType

import pluggy

from dfbench.hooks import specs
from dfbench.hooks.registry import Kind, Registered, one_line, plugin_traceback
from dfbench.hooks.remedies import remedy
from dfbench.hooks.sources import PluginSource
from dfbench.hooks.spec_faults import repeated_names, spec_fault
from dfbench.specs import (
    CorpusSpec,
    DatasetSpec,
    DetectorSpec,
    FaceFinderSpec,
    Offer,
    ProtocolSpec,
    SynthesizerSpec,
)
from dfbench.text import meant

MOST_OFFERS = 10_000  # of a plugin; a generator that does not end would take all memory

OFFER_HOOKS: Mapping[str, tuple[Kind, type[Offer]]] = {
    "dfbench_datasets": (Kind.DATASET, DatasetSpec),
    "dfbench_corpora": (Kind.CORPUS, CorpusSpec),
    "dfbench_synthesizers": (Kind.SYNTHESIZER, SynthesizerSpec),
    "dfbench_detectors": (Kind.DETECTOR, DetectorSpec),
    "dfbench_protocols": (Kind.PROTOCOL, ProtocolSpec),
    "dfbench_face_finders": (Kind.FACE_FINDER, FaceFinderSpec),
}
EVENT_HOOKS = (
    "dfbench_commands",
    "dfbench_run_started",
    "dfbench_run_finished",
    "dfbench_run_failed",
    "dfbench_training_started",
    "dfbench_training_round",
    "dfbench_training_finished",
    "dfbench_training_failed",
)
HOOK_NAMES = (*OFFER_HOOKS, *EVENT_HOOKS)


class WrongUseError(Exception):
    """Raised if a plugin uses a hook wrongly. The message explains it; a traceback would add nothing."""


@dataclass(slots=True)
class Loading:
    """Holds what was found so far while a plugin is loaded: its hooks and offers, and its problems."""

    source: PluginSource
    manager: pluggy.PluginManager
    offers: list[Registered] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def attempt(self, action: Callable[[], object], doing: str) -> bool:
        """Call `action` and return True if it succeeds; otherwise record its error as a problem, introduced by `doing`."""
        try:
            action()
        except KeyboardInterrupt:
            raise
        except WrongUseError as error:  # one of our own checks: the message says it all
            self.problems.append(str(error))
        except BaseException as error:  # noqa: BLE001 - strangers' code: sys.exit and Rust panics are no Exception
            self.problems.append(f"{doing}: {one_line(error)}{remedy(error)}")
            self.tracebacks.append(plugin_traceback(error))
        else:
            return True
        return False


def load_plugin(
    source: PluginSource, owner: PluginSource | None, taken: Mapping[tuple[Kind, str], Registered]
) -> Loading:
    """Import a plugin, check its hooks, collect what it offers, and return all of it with the `problems`.

    `owner` is an earlier plugin of the same name, if there is one; `taken` is what earlier plugins offer.
    """
    loading = Loading(source, pluggy.PluginManager(specs.PROJECT))
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
    loading.problems.extend(repeated_names(loading.offers, taken))
    return loading


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise WrongUseError(f"a hook has the wrong signature: {' '.join(str(error).split())}") from error


def _misnamed_hooks(plugin: object) -> list[str]:
    """Return a problem for each function that is meant as a hook but would never be called."""
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
    """Return True if a plugin module defines `function` itself; for other objects, every method counts."""
    return not isinstance(plugin, ModuleType) or getattr(function, "__module__", None) == plugin.__name__


def _no_such_hook(name: str) -> str:
    question = meant(name, HOOK_NAMES, count=1)
    return f"there is no hook {name!r}" + (f": {question}" if question else "")


def _collect(loading: Loading, hook: str) -> None:
    """Call one offering hook and keep its specs that are in order."""
    kind, spec_type = OFFER_HOOKS[hook]
    caller = getattr(loading.manager.hook, hook)
    wanted = f"not a list of {spec_type.__name__}"

    def call() -> None:
        results = caller()
        if len(results) < sum(not (one.wrapper or one.hookwrapper) for one in caller.get_hookimpls()):
            raise WrongUseError(f"{hook} returned None, {wanted}: is `return` missing?")
        for result in results:
            for spec in _specs_in(result, hook, spec_type):
                if len(loading.offers) >= MOST_OFFERS:
                    raise WrongUseError(f"{hook} offers more than {MOST_OFFERS} things: does it end?")
                loading.offers.append(Registered(kind, spec, loading.source.name))
                if problem := spec_fault(spec):
                    loading.problems.append(f"{hook}: {kind.words} {spec.name!r} {problem}")

    loading.attempt(call, f"{hook} failed")


def _specs_in(result: object, hook: str, spec_type: type[Offer]) -> Iterator[Offer]:
    wanted = f"not a list of {spec_type.__name__}"
    if isinstance(result, Offer):
        raise WrongUseError(f"{hook} returned one {type(result).__name__}, {wanted}: put it in a list")
    if isinstance(result, (str, bytes, Mapping)) or not isinstance(result, Iterable):
        raise WrongUseError(f"{hook} returned {_shown(result)}, {wanted}")
    for spec in result:
        if not isinstance(spec, spec_type):
            raise WrongUseError(f"{hook} returned an iterable that holds {_shown(spec)}, {wanted}")
        yield spec


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
