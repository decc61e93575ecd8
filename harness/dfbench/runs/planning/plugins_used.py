"""The plugins of others that take part in a run or in a training, as their records have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from dfbench.hooks.events import RUN_EVENTS, TRAINING_EVENTS
from dfbench.hooks.registry import Kind
from dfbench.hooks.third_party import PluginFacts, third_parties

if TYPE_CHECKING:
    from dfbench.runs.planning.session import ProtocolSession

IN_TRAINING = "in the training"


def plugins_used(
    session: ProtocolSession, datasets: Iterable[str], *, finder: str
) -> tuple[PluginFacts, ...]:
    """Return the plugins of others that take part in a run, by name.

    They offer its detector, protocol, `datasets`, corpus or face finder, or are told of it while it goes on.
    """
    return third_parties(session.host, _offers(session, datasets, finder), told=RUN_EVENTS)


def plugins_of_training(
    session: ProtocolSession, datasets: Iterable[str], *, finder: str, synthesizer: str
) -> tuple[PluginFacts, ...]:
    """Return the plugins of others that take part in a training, by name; what they offer is marked as that of a training.

    They offer what those of a run may, or its synthesizer ("": it has none), or are told of it while it goes on.
    """
    used = [*_offers(session, datasets, finder), *([(Kind.SYNTHESIZER, synthesizer)] if synthesizer else [])]
    return tuple(
        replace(plugin, offers=tuple(f"{offer} ({IN_TRAINING})" for offer in plugin.offers))
        for plugin in third_parties(session.host, used, told=TRAINING_EVENTS)
    )


def _offers(session: ProtocolSession, datasets: Iterable[str], finder: str) -> list[tuple[Kind, str]]:
    corpus = session.source.corpus
    return [
        (Kind.DETECTOR, session.spec.name),
        (Kind.PROTOCOL, session.protocol.name),
        *((Kind.DATASET, name) for name in datasets),
        # A made corpus is called as what makes it, perhaps with its size and seed.
        *(
            (Kind.CORPUS, name)
            for name in session.registry.names(Kind.CORPUS)
            if session.source.made and (corpus == name or corpus.startswith(f"{name}-"))
        ),
        (Kind.FACE_FINDER, finder),
    ]
