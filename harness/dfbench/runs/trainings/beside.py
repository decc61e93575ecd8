"""Weights of other trainings beside the wanted one, so that nobody trains for days what differs in a word of the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench.identity import differences
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.records.trained import trained_identities
from dfbench.runs.trainings.plan import TrainingPlan

MOST_FIELDS = 3  # that are named of a training


@dataclass(frozen=True, slots=True)
class OtherWeights:
    """The weights file of a finished training, and in which fields its identity is another than the wanted one."""

    weights: Path
    differs: tuple[str, ...]

    def in_words(self) -> str:
        """Name the file and the first fields in which its training is another, as a clause."""
        more = f", and in {len(self.differs) - MOST_FIELDS} more" if len(self.differs) > MOST_FIELDS else ""
        return f"{self.weights}: {'; '.join(self.differs[:MOST_FIELDS])}{more}"


def weights_beside(cache: Path, detector: str, identity: Mapping[str, Any]) -> list[OtherWeights]:
    """Find the finished trainings of a detector whose identity is another than `identity`; returns the nearest first."""
    found = [
        OtherWeights(weights, tuple(differences(other, identity)))
        for weights, other in trained_identities(cache, detector)
    ]
    return sorted((one for one in found if one.differs), key=lambda one: (len(one.differs), one.weights))


def others_beside(plan: TrainingPlan, session: ProtocolSession) -> list[str]:
    """Name the weights of other trainings that lie beside those of a plan, and in what they differ; the nearest first."""
    beside = weights_beside(session.settings.cache, session.spec.name, plan.identity.to_json())
    return [f"weights of another training lie beside, {other.in_words()}" for other in beside]
