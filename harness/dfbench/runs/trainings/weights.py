"""The weights that a run needs: trained before, trained now, or an error that says how to get them."""

from __future__ import annotations

from pathlib import Path

from dfbench.data.folders import unwritable
from dfbench.errors import WeightsError
from dfbench.escaping import for_shell
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.records.run_file import refuse_unwritable
from dfbench.runs.records.trained import finished_weights
from dfbench.runs.trainings.beside import others_beside
from dfbench.runs.trainings.plan import plan_training
from dfbench.runs.trainings.processes import train_planned

_BESIDE = 2  # trainings that are named


def find_weights(request: ScoringRequest, session: ProtocolSession, *, stored: bool = False) -> Path:
    """Weights of the recipe that fits the data: trained here if the corpus was made here, else looked up.

    `stored`: a run with them is to be stored. Raises StoreError if they are still to be trained, and it could not be.
    """
    spec = session.spec
    train = session.training_sets().train
    untrained = WeightsError(
        f"no trained weights for detector '{spec.name}' on {train.dataset}",
        hints=(
            f"train them:            dfbench train --detector {for_shell(spec.name)} --protocol {for_shell(request.protocol)}",
            "or use given ones:     dfbench run ... --weights PATH/TO/checkpoint",
            f"or those of the demo:  dfbench train --detector {for_shell(spec.name)} --data demo (prints their path)"
            if request.dataset
            else "or try the demo data:  dfbench run ... --data demo",
        ),
    )
    if request.dataset and not session.source.has(session.registry.dataset(train.dataset)):
        raise untrained  # who scores videos of their own need not have the training set
    closed = stored and bool(unwritable(session.settings.runs))
    options = request.training()
    plan = plan_training(options, session)
    finished = finished_weights(plan.folder)
    if closed and session.source.made and finished is None:
        refuse_unwritable(session.settings.runs)
    if session.source.made or finished is not None:
        return train_planned(options, lambda _: (session, plan), progress=session.progress)
    hints = (*untrained.hints, *others_beside(plan, session)[:_BESIDE])
    raise WeightsError(untrained.headline, hints=hints)
