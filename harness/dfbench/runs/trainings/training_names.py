"""Which datasets a detector was trained on, by whatever names its card, the header of its weights or the record of a run has.

A name that is not recognised would cost the mark of a test on training data, so that spellings are read generously: as
`--dataset` reads them, and besides without blanks, hyphens and the like, with a compression or split behind them, or several
in one text. What no dataset here is called stays, and counts as unknown training data, beside any dataset that stands in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dfbench.data.datasets.corpus_card import posing_as
from dfbench.hooks.registry import Kind
from dfbench.names import name_fault
from dfbench.specs import DetectorCard
from dfbench.text import storable

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.runs.records.record import RunRecord

_MOST = 200  # characters of a name that is kept
_TAIL = re.compile(r"(?P<name>.+?)[\s/:_@(\[-]+(?P<tail>[A-Za-z0-9]+)[)\]]?")
_SEVERAL = (re.compile(r"[,;|&]|\band\b"), re.compile(r"\+"))
_BREAKS = re.compile(r"[\s,;|&/:@()\[\]]+")
_SPLITS = frozenset({"train", "training", "val", "validation", "test", "all"})


@dataclass(frozen=True, slots=True)
class NamedTraining:
    """The `datasets` of a training, sorted, by their own names where they are known, and those that are `unknown`.

    `compressions`: what stood behind the names, "c23" of "ffpp/c23", sorted.
    """

    datasets: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ()


class DatasetNames:
    """Recognises datasets by what people call them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._spelt: dict[str, str] = {}
        taken: set[str] = set()
        for name in registry.names(Kind.DATASET):
            spec = registry.dataset(name)
            for spelling in {_squashed(one) for one in (name, *spec.aliases, spec.title)} - {""}:
                if self._spelt.setdefault(spelling, name) != name:
                    taken.add(spelling)
        for spelling in taken:
            del self._spelt[spelling]

    def resolve(self, names: Iterable[str], *, also: Collection[str] = ()) -> NamedTraining:
        """Find the datasets that `names` mean; returns each once. `also`: names that are known besides, as they are spelt."""
        datasets: set[str] = set()
        unknown: set[str] = set()
        compressions: set[str] = set()
        for name in names:
            found = {(name, "")} if name in also else self._means(name)
            if not found:
                unknown.add(storable(name.strip())[:_MOST])
                found = self._in(name)
            datasets |= {dataset for dataset, _ in found}
            compressions |= {compression for _, compression in found} - {""}
        return NamedTraining(
            tuple(sorted(datasets | unknown)), tuple(sorted(unknown - datasets)), tuple(sorted(compressions))
        )

    def _means(self, text: str) -> set[tuple[str, str]]:
        """The datasets that a text means, each with its compression, if it says one; empty if any part of it means none."""
        if one := self._one(text):
            return {one}
        for sign in _SEVERAL:
            parts = [self._one(part) for part in sign.split(text) if part.strip()]
            found = {part for part in parts if part is not None}
            if len(parts) > 1 and None not in parts:
                return found
        return set()

    def _in(self, text: str) -> set[tuple[str, str]]:
        """The datasets that stand in a text of which nobody knows what it means as a whole: "ffpp" in "ffpp/c99"."""
        tail = _TAIL.fullmatch(text[:_MOST].strip())
        parts = [*_BREAKS.split(text[:_MOST]), *text[:_MOST].split("+"), *([tail["name"]] if tail else [])]
        return {found for part in parts if (found := self._one(part)) is not None}

    def _one(self, text: str) -> tuple[str, str] | None:
        text = text.strip()
        offer = self._registry.offer(Kind.DATASET, text)
        known = offer.spec.name if offer is not None else self._spelt.get(_squashed(text))
        if known is not None:
            return known, ""
        found = _TAIL.fullmatch(text[:_MOST])
        before = self._one(found["name"]) if found else None
        if found is None or before is None:
            return None
        name, compression = before
        tail = found["tail"].casefold()
        offered = {one.casefold(): one for one in self._registry.dataset(name).compressions}
        on_disk = offered.get("raw" if tail == "c0" else tail, "")
        return (name, compression or on_disk) if on_disk or tail in _SPLITS else None


def named_card(card: DetectorCard, registry: Registry) -> DetectorCard:
    """`card` with the datasets of its training under their own names; those that none here is called are its `unknown`.

    A corpus of a name that no corpus may have is one that nobody knows.
    """
    corpora = card.corpora
    if corpora is not None and any(name_fault(one) or posing_as(one) not in ("", one) for one in corpora):
        card = replace(card, corpora=None)
    if not card.trained_on:
        return card
    named = DatasetNames(registry).resolve(card.trained_on)
    return replace(
        card,
        trained_on=frozenset(named.datasets),
        train_compression=card.train_compression or "+".join(named.compressions),
        unknown=frozenset(named.unknown),
    )


def recorded_training(
    record: RunRecord, names: Callable[[], DatasetNames], *, as_written: bool
) -> NamedTraining | None:
    """The training in the record of a run; None if nothing is known of it.

    `names` is called only where it is needed. `as_written`: it is certain that nobody edited the record, whose own word of
    which names were known then counts: the plugin of a dataset need not be installed where a board is made.
    """
    said, unknown = record.training.datasets, record.training.unknown
    if said is None:
        return None
    if as_written and unknown is not None:
        return NamedTraining(tuple(sorted(said)), tuple(sorted(set(said) & set(unknown))))
    also = [test.dataset for test in record.tests.values()]
    return names().resolve(said, also=also) if said else NamedTraining(())


def _squashed(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text[:_MOST]).casefold().replace("+", "p")
    return re.sub(r"[^a-z0-9]", "", plain)
