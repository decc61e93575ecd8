"""Which results are of datasets that the detector was trained on: what a board marks, and no paper calls cross-dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.runs.records.facts import TrainedFacts


def is_cross(dataset: str, corpus: str, training: TrainedFacts) -> bool | None:
    """Whether a detector with this training was not trained on `dataset` of `corpus`; None if nobody knows, as where it was
    trained on datasets of unknown names.

    A dataset of the same name in another corpus is another one. Where the corpora of the training are unknown, all count.
    """
    if training.datasets is None:
        return None
    if training.corpora is not None and corpus not in training.corpora:
        return True
    if dataset in training.datasets:
        return False
    return None if training.unknown else True


def marked_anew(table: pd.DataFrame, corpus: str, training: TrainedFacts, *, mean: str) -> pd.DataFrame:
    """Set `cross_dataset` in a result table on `corpus` by this training; returns the table. `mean` names the row of the mean
    over datasets."""
    cross = {name: is_cross(name, corpus, training) for name in table["dataset"] if name != mean}
    known = list(cross.values())
    cross[mean] = None if None in known else all(known)
    return table.assign(cross_dataset=table["dataset"].map(cross).astype("boolean"))
