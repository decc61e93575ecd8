"""Which results are of datasets that the detector was trained on: what a board marks, and no paper calls cross-dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dfbench.runs.trainings.training_names import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd


def seen_datasets(meta: Mapping[str, Any]) -> frozenset[str] | None:
    """The datasets of a run's own corpus that its detector was trained on; None if that is unknown.

    A dataset of the same name in another corpus is another one. Where the corpora are unknown, all count.
    """
    trained_on, corpora = meta.get("trained_on"), meta.get("training_corpora")
    if trained_on is None:
        return None
    return frozenset(trained_on if corpora is None or meta["corpus"] in corpora else ())


def is_cross(dataset: str, meta: Mapping[str, Any]) -> bool | None:
    """Whether the detector of a run was not trained on `dataset`; None if nobody knows, as where it was trained on datasets
    of unknown names."""
    seen, corpora = seen_datasets(meta), meta.get("training_corpora")
    if seen is None or dataset in seen:
        return None if seen is None else False
    return None if meta.get(UNKNOWN) and (corpora is None or meta["corpus"] in corpora) else True


def marked_anew(table: pd.DataFrame, meta: Mapping[str, Any], *, mean: str) -> pd.DataFrame:
    """Set `cross_dataset` in a result table by what `meta` says of the training; returns the table. `mean` names the row of
    the mean over datasets."""
    cross = {name: is_cross(name, meta) for name in table["dataset"] if name != mean}
    known = list(cross.values())
    cross[mean] = None if None in known else all(known)
    return table.assign(cross_dataset=table["dataset"].map(cross).astype("boolean"))
