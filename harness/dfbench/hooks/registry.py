"""Register what plugins offer, by kind and name, and import the objects that specs describe.

An unknown name is an error that suggests the nearest names. A name that a failed plugin offers is an error that shows the
traceback of that plugin, since "unknown detector" would send its author looking in the wrong place.
"""

from __future__ import annotations

import importlib
import re
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from dfbench.errors import DfbenchError, PluginError, UnknownNameError
from dfbench.hooks.manners import generators_kept, kept
from dfbench.hooks.remedies import remedy
from dfbench.hooks.waiting import named_if_slow
from dfbench.names import member_of, name_fault
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

SpecT = TypeVar("SpecT", bound=Offer)
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_BUILD_PATH = re.compile(rf"({_DOTTED}):({_DOTTED})(?:\(([A-Za-z0-9_.+-]+)\)(?:\.({_DOTTED}))?)?")
_LOADER_FOLDERS = (str(Path(__file__).parent), str(Path(importlib.__file__).parent))
# The backport of importlib.metadata takes over once any package imports it.
_LOADER_PARTS = ("<frozen importlib", f"{Path('pluggy') / '_'}", f"{Path('importlib_metadata') / '_'}")


class Kind(StrEnum):
    """Names the kinds of things that a plugin offers."""

    DATASET = "dataset"
    CORPUS = "corpus"
    SYNTHESIZER = "synthesizer"
    DETECTOR = "detector"
    PROTOCOL = "protocol"
    FACE_FINDER = "face_finder"

    @property
    def words(self) -> str:
        """Return the kind as it reads in a sentence."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Registered:
    """Holds a spec, its kind, and the name of the plugin that offers it."""

    kind: Kind
    spec: Offer
    plugin: str

    @property
    def listed_as(self) -> str:
        """Return the name as lists show it: "timm:NAME" for a family of detectors."""
        return f"{self.spec.name}:NAME" if _is_family(self) else self.spec.name


@dataclass(frozen=True, slots=True)
class Failure:
    """Describes a plugin that failed: the reason, and the names that it would have offered, as far as they are known."""

    plugin: str
    reason: str
    traceback: str = ""
    names: tuple[tuple[Kind, str], ...] = ()


class Registry:
    """Finds specs by kind and name. Names and aliases are unique within a kind, ignoring case."""

    def __init__(self, offers: Iterable[Registered] = (), failures: Iterable[Failure] = ()) -> None:
        """Register `offers`. Raises PluginError if two of a kind share a name; the host refuses such plugins before."""
        self._offers: dict[tuple[Kind, str], Registered] = {}
        self._failures = tuple(failures)
        for offer in offers:
            for key in keys_of(offer):
                taken = self._offers.setdefault(key, offer)
                if taken is not offer:
                    raise PluginError(
                        f"{offer.kind.words} {key[1]!r} is offered by {taken.plugin!r} and by {offer.plugin!r}"
                    )

    def dataset(self, name: str) -> DatasetSpec:
        """Return the dataset called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.DATASET, name, DatasetSpec)

    def corpus(self, name: str) -> CorpusSpec:
        """Return the corpus called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.CORPUS, name, CorpusSpec)

    def synthesizer(self, name: str) -> SynthesizerSpec:
        """Return the synthesizer called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.SYNTHESIZER, name, SynthesizerSpec)

    def detector(self, name: str) -> DetectorSpec:
        """Return the detector called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.DETECTOR, name, DetectorSpec)

    def protocol(self, name: str) -> ProtocolSpec:
        """Return the protocol called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.PROTOCOL, name, ProtocolSpec)

    def face_finder(self, name: str) -> FaceFinderSpec:
        """Return the face finder called `name`. Raises UnknownNameError, or PluginError if its plugin failed."""
        return self._get(Kind.FACE_FINDER, name, FaceFinderSpec)

    def names(self, kind: Kind | str) -> tuple[str, ...]:
        """Return the sorted names of a kind ("dataset", "face_finder", ...), without aliases."""
        wanted = Kind(kind)
        return tuple(
            sorted(
                {
                    offer.spec.name
                    for (one, _), offer in self._offers.items()
                    if one is wanted and not _is_family(offer)
                }
            )
        )

    def families(self) -> tuple[str, ...]:
        """Return the sorted names of the families of detectors, whose members are called `NAME:MEMBER`."""
        return tuple(sorted({offer.spec.name for offer in self._offers.values() if _is_family(offer)}))

    def offer(self, kind: Kind | str, name: str) -> Registered | None:
        """Return what is registered under `name` (a name or an alias), or None; for a member of a family, its own spec."""
        kind = Kind(kind)
        family, member = member_of(name)
        found = self._offers.get((kind, family.casefold() if member else name.casefold()))
        if found is None or not member:
            return found
        if not isinstance(found.spec, DetectorSpec) or not found.spec.family or name_fault(member):
            return None
        return Registered(kind, found.spec.member(member), found.plugin)

    def _get(self, kind: Kind, name: str, spec_type: type[SpecT]) -> SpecT:
        offer = self.offer(kind, name)
        if offer is not None and isinstance(offer.spec, spec_type):
            if _is_family(offer):
                raise UnknownNameError(
                    f"{name!r} is a family of {kind.words}s, and none alone",
                    hints=(f"name one of them:  {offer.spec.name}:NAME",),
                )
            return offer.spec
        for failure in self._failures:
            if any(one is kind and known.casefold() == name.casefold() for one, known in failure.names):
                raise _failed_plugin(kind, name, failure)
        raise self._unknown(kind, name)

    def _unknown(self, kind: Kind, name: str) -> UnknownNameError:
        known = list(self.names(kind))
        if kind is Kind.DETECTOR:
            known += [f"{family}:NAME" for family in self.families()]
        spellings = [name for one, name in self._offers if one is kind]
        hints = [question] if (question := meant(name, spellings)) else []
        hints.append(f"known: {', '.join(known)}" if known else f"no plugin offers a {kind.words}")
        if self._failures:
            failed = "; ".join(f"{one.plugin!r} ({one.reason})" for one in self._failures)
            hints.append(f"plugins that failed, one of which may have offered it: {failed}")
            hints.append("see why:   dfbench plugins list")
        return UnknownNameError(f"no {kind.words} is called {name!r}", hints=hints)


def _is_family(offer: Registered) -> bool:
    return isinstance(offer.spec, DetectorSpec) and offer.spec.family


def keys_of(offer: Registered) -> tuple[tuple[Kind, str], ...]:
    """Return the keys of `offer`: its kind with its name and with each alias, in lower case, without duplicates."""
    names = dict.fromkeys(name.casefold() for name in (offer.spec.name, *offer.spec.aliases))
    return tuple((offer.kind, name) for name in names)


def is_build_path(path: object) -> bool:
    """Return True if `path` has the form `"package.module:Name"`, or `"package.module:factory(text).name"`."""
    return isinstance(path, str) and _BUILD_PATH.fullmatch(path) is not None


def load_object(path: str) -> object:
    """Import the object that `"package.module:Name"` names, and return it; `"package.module:factory(text)"` calls a factory.

    Raises PluginError with the traceback of the plugin's own code if the path has another form, if the module cannot be
    imported (this includes a call of `sys.exit`), or if it does not have the name.
    """
    if not is_build_path(path):
        raise PluginError(
            f"{path!r} is no import path",
            hints=('a spec\'s `build` is written "package.module:Name"',),
        )
    module_name, attributes, text, inner = _parts(path)
    told = f"{path!r} to be imported"
    try:
        with (
            named_if_slow(lambda: told, patience=2),  # torch alone may take five seconds from a cold disk
            kept(lambda: f"importing {path!r}", "of this process"),
            generators_kept(),  # libraries draw from them while they are imported: no fault of the plugin's
        ):
            found: object = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(
            f"{path!r} cannot be imported: {one_line(error)}{remedy(error)}",
            detail=plugin_traceback(error),
            hints=("look at the traceback above; `dfbench plugins list` says which plugin offers it",),
        ) from error
    found = _attribute(found, attributes, path)
    if not text:
        return found
    return _attribute(_made(found, text, path), inner, path) if inner else _made(found, text, path)


def _parts(path: str) -> tuple[str, str, str, str]:
    """Split an import path into the module, the name in it, what a factory is called with, and the name in what it makes."""
    match = _BUILD_PATH.fullmatch(path)
    assert match is not None  # asked by `is_build_path`
    module, name, text, inner = match.groups(default="")
    return module, name, text, inner


def _made(factory: object, text: str, path: str) -> object:
    """Return what a factory makes of a text. Raises PluginError for what it raises, unless that is an error of ours."""
    try:
        if not callable(factory):
            raise TypeError(f"{type(factory).__name__} is not callable")
        return factory(text)
    except DfbenchError:
        raise
    except Exception as error:
        raise PluginError(
            f"{path!r} cannot be made: {one_line(error)}", detail=plugin_traceback(error)
        ) from error


def _attribute(found: object, names: str, path: str) -> object:
    """Return the attribute of `found` at the end of dotted names. Raises PluginError."""
    for attribute in names.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            question = meant(attribute, dir(found), count=1)
            raise PluginError(
                f"{path!r} cannot be imported: {one_line(error)}",
                detail=plugin_traceback(error),
                hints=(question,) if question else (),
            ) from error
    return found


def one_line(error: BaseException) -> str:
    """Return the class and message of an exception on one line, as in "ModuleNotFoundError: No module named 'x'"."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a stranger's `__str__`
        message = "(its message cannot be read)"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def plugin_traceback(error: BaseException) -> str:
    """Return the traceback of `error` from the first line of the plugin's own code, with the causes of `error`."""
    return "".join(traceback.format_exception(type(error), error, _skip_loader(error.__traceback__))).rstrip()


def _skip_loader(trace: TracebackType | None) -> TracebackType | None:
    """Drop the leading frames of this package, pluggy and importlib: they are the same in every failure."""
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith(_LOADER_FOLDERS) and not any(part in filename for part in _LOADER_PARTS):
            return trace
        trace = trace.tb_next
    return None


def _failed_plugin(kind: Kind, name: str, failure: Failure) -> PluginError:
    offered = f"{kind.words} {name!r} is offered by plugin {failure.plugin!r}"
    return PluginError(
        f"{offered}, which failed: {failure.reason}",
        detail=failure.traceback,
        hints=(f"mend or uninstall {failure.plugin!r}; `dfbench plugins list` shows every plugin",),
    )


def group_names(names: Iterable[tuple[Kind, str]]) -> Mapping[Kind, tuple[str, ...]]:
    """Names by kind, in the order of `Kind`, leaving out kinds without a name."""
    pairs = tuple(names)
    grouped = {kind: tuple(name for one, name in pairs if one is kind) for kind in Kind}
    return {kind: found for kind, found in grouped.items() if found}
