"""The plugins of others that take part in a run, as its record has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dfbench.hooks.registry import Kind
from dfbench.hooks.third_party import third_parties

if TYPE_CHECKING:
    from dfbench.runs.planning.stage import Stage


def plugins_used(stage: Stage, datasets: Iterable[str], *, finder: str) -> list[dict[str, Any]]:
    """The plugins of others that offer the detector, protocol, `datasets`, corpus or face finder, as `third_parties` has them."""
    corpus = stage.source.corpus
    return third_parties(
        stage.host,
        [
            (Kind.DETECTOR, stage.spec.name),
            (Kind.PROTOCOL, stage.protocol.name),
            *((Kind.DATASET, name) for name in datasets),
            # A made corpus is called as what makes it, perhaps with its size and seed.
            *(
                (Kind.CORPUS, name)
                for name in stage.registry.names(Kind.CORPUS)
                if stage.source.made and (corpus == name or corpus.startswith(f"{name}-"))
            ),
            (Kind.FACE_FINDER, finder),
        ],
    )
