"""The measures of a run as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dfbench.results.measures import Measures
from dfbench.results.numbers import number, number_with_interval
from dfbench.results.tables import ALL, INTERVALS

if TYPE_CHECKING:
    from dfbench.results.terminal import DataTable

_RANKING = {
    "pAUC 10 %": "partial_auc_10",
    "TPR 1 %": "tpr_at_fpr_1",
    "TPR 5 %": "tpr_at_fpr_5",
    "EER": "eer",
}
_PROBABILITIES = {
    "acc": "accuracy",
    "bal.acc": "balanced_accuracy",
    "Brier": "brier",
    "log loss": "log_loss",
    "ECE": "ece",
    "ECE by mass": "ece_by_mass",
}
_OF_RANKING = (
    f"level: video · 95 % intervals: {INTERVALS}",
    "pAUC: up to a false positive rate of 10 %, 0.5 is chance (McClish) · TPR: at a false positive rate of 1 % and 5 %",
)
_OF_PROBABILITIES = ("accuracy at 0.5 · ECE: 15 bins of equal width, and 15 of equally many videos",)


def measures_tables(found: Sequence[Measures]) -> tuple[DataTable, DataTable]:
    """Return two tables with a row for each test and each group of its videos: of how it ranks, and of its probabilities."""
    from dfbench.results.terminal import DataTable

    blank = [f"{one.test}, {one.group}: {one.blank}" for one in found if one.blank]
    ranking = DataTable(legend=[*_OF_RANKING, *blank])
    probabilities = DataTable(legend=_OF_PROBABILITIES)
    _add_columns(ranking, ("AUC [95 %]", *_RANKING, "AP (chance)", "real+fake"))
    _add_columns(probabilities, _PROBABILITIES)
    for one in found:
        title = one.test if one.group == ALL else f"  {one.group}"
        precision = f"{number(one.figures['ap'])} ({one.figures['prevalence']:.2f})" if one.figures else "-"
        auc = number_with_interval(one.auc.point, one.auc.low, one.auc.high)
        ranking.add_row(title, auc, *_numbers(one, _RANKING), precision, f"{one.real}+{one.fake}")
        probabilities.add_row(title, *_numbers(one, _PROBABILITIES))
    return ranking, probabilities


def _add_columns(table: DataTable, names: Iterable[str]) -> None:
    table.data_column("test", no_wrap=True)
    for name in names:
        table.data_column(name, right=True, no_wrap=True)


def _numbers(one: Measures, columns: Mapping[str, str]) -> list[str]:
    return [number(one.figures[name]) if one.figures else "-" for name in columns.values()]
