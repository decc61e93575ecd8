"""The plugins of others that take part in a run, as its record has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dfbench.hooks.events import RUN_EVENTS
from dfbench.hooks.registry import Kind
from dfbench.hooks.third_party import PluginFacts, third_parties

if TYPE_CHECKING:
    from dfbench.runs.planning.session import ProtocolSession


def plugins_used(
    session: ProtocolSession, datasets: Iterable[str], *, finder: str
) -> tuple[PluginFacts, ...]:
    """Return the plugins of others that take part in a run, by name.

    They offer its detector, protocol, `datasets`, corpus or face finder, or are told of it while it goes on.
    """
    corpus = session.source.corpus
    return third_parties(
        session.host,
        [
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
        ],
        told=RUN_EVENTS,
    )
