"""The door to a detector: the only place that builds a detector or an explainer, or asks one what its weights are.

Whatever a detector is made of (today a factory of a plugin), who wants to score or explain with it opens it here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dfbench.errors import PluginError
from dfbench.escaping import for_shell
from dfbench.hooks.plugin_code import ToldExplainer, running
from dfbench.hooks.registry import load_object
from dfbench.interfaces import Detector, Explainer, ScoresFiles
from dfbench.specs import DetectorCard, DetectorSpec, LoadOptions
from dfbench.types import FULL_PRECISION

OPTIONS = "options"  # the name of the first parameter of a factory that takes LoadOptions


@contextmanager
def opened(spec: DetectorSpec, options: LoadOptions) -> Iterator[Detector]:
    """Build a detector that scores clips, as `opened_scorer`; raises PluginError for any other too."""
    with opened_scorer(spec, options) as detector:
        if not isinstance(detector, Detector):
            raise _of_another_kind(spec, spec.build, detector, "score()")
        yield detector


@contextmanager
def opened_scorer(spec: DetectorSpec, options: LoadOptions) -> Iterator[Detector | ScoresFiles]:
    """Build the detector of `spec` as `options` say and yield it; its `close()`, if it has one, is called at the end.

    Raises PluginError for what the plugin raises and for an object without `score` and `score_files`, and the plugin's own
    DfbenchErrors.
    """
    with _built(spec, spec.build, options, "when it was built") as detector:
        if not isinstance(detector, Detector | ScoresFiles):
            raise _of_another_kind(spec, spec.build, detector, "score()")
        yield detector


@contextmanager
def opened_explainer(spec: DetectorSpec, options: LoadOptions) -> Iterator[Explainer]:
    """Build the explainer of a detector that has one (`spec.explain`) and yield it, as `opened`; it raises PluginError."""
    with _built(spec, spec.explain, options, "when its explainer was built") as explainer:
        if not isinstance(explainer, Explainer):
            raise _of_another_kind(spec, spec.explain, explainer, "maps() and explain()")
        yield ToldExplainer(explainer, spec)


def card_of(spec: DetectorSpec, options: LoadOptions) -> DetectorCard:
    """Return the card of a detector with the weights of `options`. Raises PluginError, and what its `describe` raises."""
    if options.weights is None or not spec.describe:
        return spec.card()
    describe = _factory(spec, spec.describe)
    with running(spec, f"to describe {options.weights}"):
        card: object = describe(options) if takes_options(describe) else _described(describe, options)
    if not isinstance(card, DetectorCard):
        raise PluginError(
            f"detector '{spec.name}': {spec.describe} returned {type(card).__name__}, not a DetectorCard"
        )
    if fault := card.clips.fault():
        raise PluginError(f"detector '{spec.name}': {spec.describe} returned clips whose {fault}")
    for name in ("trained_on", "corpora"):
        value: object = getattr(card, name)
        if value is not None and not _are_names(value):
            raise PluginError(
                f"detector '{spec.name}': {spec.describe} returned {name} {value!a}",
                hints=("a frozenset of names is meant, or None where they are unknown",),
            )
    return card


def takes_options(factory: Callable[..., object]) -> bool:
    """Return True if `factory` takes LoadOptions: its first parameter is called `options`, or is annotated so."""
    try:
        first = next(iter(inspect.signature(factory).parameters.values()), None)
    except (TypeError, ValueError):  # some that are written in C have no signature
        return False
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    told = first.annotation
    return (
        first.name == OPTIONS
        or told is LoadOptions
        or (isinstance(told, str) and told.rpartition(".")[2] == LoadOptions.__name__)
    )


@contextmanager
def _built(spec: DetectorSpec, path: str, options: LoadOptions, doing: str) -> Iterator[object]:
    """Build an object by the factory at `path` and yield it; it is closed at the end."""
    factory = _factory(spec, path)
    with running(spec, doing):
        made = factory(options) if takes_options(factory) else factory(**_keywords(options))
    try:
        yield made
    except BaseException:
        with suppress(PluginError):  # the error that ended its work is the one to tell
            _close(spec, made)
        raise
    _close(spec, made)


def _close(spec: DetectorSpec, made: object) -> None:
    with running(spec, "to close"):
        close = getattr(made, "close", None)
        if callable(close):
            close()


def _factory(spec: DetectorSpec, path: str) -> Callable[..., object]:
    factory = load_object(path)
    if not callable(factory):
        raise PluginError(f"detector '{spec.name}': {path} is not callable")
    return factory


def _keywords(options: LoadOptions) -> dict[str, Any]:
    """Return the arguments of a factory that takes keywords: three, and more if the request has a precision or a recipe."""
    words: dict[str, Any] = {
        "weights": options.weights,
        "device": options.device,
        "seed": options.seed,
    }
    if options.precision != FULL_PRECISION:
        words["precision"] = options.precision
    if options.recipe:
        words |= {"recipe": options.recipe, "changes": options.changes}
    return words


def _described(describe: Callable[..., object], options: LoadOptions) -> object:
    """Return what a `describe` of weights returns; changes and a recipe are passed if there are any."""
    changes = [options.changes] if options.changes or options.recipe else []
    recipe = {"recipe": options.recipe} if options.recipe else {}
    return describe(options.weights, *changes, **recipe)


def _of_another_kind(spec: DetectorSpec, path: str, made: object, lacks: str) -> PluginError:
    return PluginError(
        f"detector '{spec.name}': {path} made a {type(made).__name__} without {lacks}",
        hints=(f"see:   dfbench plugins check {for_shell(spec.name)}",),
    )


def _are_names(value: object) -> bool:
    return isinstance(value, frozenset) and all(isinstance(one, str) for one in value)
