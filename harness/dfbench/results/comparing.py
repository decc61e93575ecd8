"""Which of several runs are better, and which cannot be told apart: each pair, on the videos that both scored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dfbench.errors import RunError, UsageError
from dfbench.metrics.clustered import Combination, independent_sum
from dfbench.metrics.several import holm
from dfbench.results.paired import Comparison, aligned, comparison_of, error_of_difference
from dfbench.results.tables import ALL, MEAN

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""The level of a test: what is told apart is wrong in at most 5 of 100 whole comparisons."""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two runs in one test, or in the mean over tests. `p_holm`: the p value for as many pairs as the comparison tests."""

    first: str
    second: str
    found: Comparison
    p_holm: float = math.nan

    @property
    def told_apart(self) -> bool:
        """Whether the difference is more than chance: the adjusted p value is below 5 %."""
        return self.p_holm < LEVEL

    def to_json(self) -> dict[str, Any]:
        """Return what JSON holds of it; NaN becomes null."""
        found = self.found
        numbers = {
            "first_auc": found.first,
            "second_auc": found.second,
            "difference": found.difference.point,
            "difference_low": found.difference.low,
            "difference_high": found.difference.high,
            "p": found.p,
            "p_holm": self.p_holm,
            "smallest_difference": found.smallest,
        }
        return {
            "test": found.test,
            "manipulation": found.manipulation,
            "first": self.first,
            "second": self.second,
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "told_apart": self.told_apart,
            "videos": found.videos,
            "only_first": found.only_first,
            "only_second": found.only_second,
            "blank": found.blank,
        }


def compare_each(
    runs: Mapping[str, pd.DataFrame], *, by_manipulation: bool = False, tests: Sequence[str] = ()
) -> list[ComparedPair]:
    """Compare each pair of the runs in each test that both have; returns the pairs, test by test, the mean over tests last.

    `runs`: by name, a row for each video, as `scored_videos` returns them. `tests`: only these. `by_manipulation` adds the reals
    with the fakes of each manipulation. The p values of whole tests are adjusted for their number (Holm), those of manipulations
    for theirs, and those of means for theirs. Raises UsageError for fewer than two runs and for a test that no pair shares,
    RunError if no two runs share a test, or if runs tell other facts of a video.
    """
    if len(runs) < 2:
        raise UsageError("a comparison needs at least two runs", hints=("list them:  dfbench runs list",))
    wholes: list[ComparedPair] = []
    parts: list[ComparedPair] = []
    means: list[ComparedPair] = []
    for first, second in itertools.combinations(runs, 2):
        errors: list[tuple[str, Comparison, Combination]] = []
        pair = (runs[first], runs[second])
        for test in _shared(pair, tests):
            scores = aligned(pair, test)
            found = comparison_of(scores, test)
            wholes.append(ComparedPair(first, second, found))
            if not found.blank:
                errors.append((_dataset_of(pair[0], test), found, error_of_difference(scores)))
            if by_manipulation:
                parts += [ComparedPair(first, second, part) for part in _by_manipulation(pair, test)]
        if len(errors) > 1:
            means.append(ComparedPair(first, second, _mean(errors)))
    if not wholes:
        if tests:
            raise UsageError(
                f"no two of the runs have the test {' or '.join(tests)}", hints=_tests_hint(runs)
            )
        raise RunError("no two of the runs have a test in common", hints=_tests_hint(runs))
    adjusted = [one for family in (wholes, parts, means) for one in _adjusted(family)]
    order = {test: place for place, test in enumerate(dict.fromkeys(one.found.test for one in adjusted))}
    return sorted(adjusted, key=lambda one: (one.found.test == MEAN, order[one.found.test]))


def conclusions(pairs: Sequence[ComparedPair]) -> list[str]:
    """Say which of the two is better; returns a sentence for each pair of runs, by its mean over tests or else its last test.

    A pair of which no test has figures has none.
    """
    wholes = [one for one in pairs if one.found.manipulation == ALL and not one.found.blank]
    last = {(one.first, one.second): one for one in wholes}
    return [_conclusion(one) for one in last.values()]


def _conclusion(pair: ComparedPair) -> str:
    found = pair.found
    where = "in the mean over tests" if found.test == MEAN else f"on {found.test}"
    if pair.told_apart:
        better, worse = (pair.first, pair.second) if found.difference.point > 0 else (pair.second, pair.first)
        return f"{where}, {better} is better than {worse}"
    told = f"{where}, {pair.first} and {pair.second} cannot be told apart"
    if math.isnan(found.smallest):
        return f"{told}: they rank alike"
    return f"{told}: a difference of {found.smallest:.3f} would be found in 80 of 100 such tests"


def _shared(pair: Sequence[pd.DataFrame], tests: Sequence[str]) -> Iterator[str]:
    second = set(map(str, pair[1]["test"]))
    for test in dict.fromkeys(map(str, pair[0]["test"])):
        if test in second and (not tests or test in tests):
            yield test


def _by_manipulation(pair: Sequence[pd.DataFrame], test: str) -> Iterator[Comparison]:
    """The reals of a test with the fakes of each of its manipulations, if there are several."""
    videos = pair[0][pair[0]["test"] == test]
    names = list(dict.fromkeys(map(str, videos.loc[videos["label"] == 1, "manipulation"])))
    for name in names if len(names) > 1 else ():
        kept = [run[(run["label"] == 0) | (run["manipulation"] == name)] for run in pair]
        yield comparison_of(aligned(kept, test), test, name)


def _mean(errors: Sequence[tuple[str, Comparison, Combination]]) -> Comparison:
    """The plain mean over tests. Those of one dataset share people, and are taken as moving together altogether."""
    share = 1 / len(errors)
    of_datasets = [
        _together([error for dataset, _, error in errors if dataset == name], share)
        for name in dict.fromkeys(dataset for dataset, _, _ in errors)
    ]
    mean = independent_sum(of_datasets, np.ones(len(of_datasets)))
    found = [one for _, one, _ in errors]
    return Comparison(
        test=MEAN,
        first=float(np.mean([one.first for one in found])),
        second=float(np.mean([one.second for one in found])),
        difference=mean.interval_of_difference(),
        videos=sum(one.videos for one in found),
        left_out=tuple(video for one in found for video in one.left_out),
        blank="",
        p=mean.p_of_difference(),
        smallest=mean.smallest_difference(),
        only_first=sum(one.only_first for one in found),
        only_second=sum(one.only_second for one in found),
    )


def _together(parts: Sequence[Combination], share: float) -> Combination:
    """The sum, each by `share`, of differences that move together: their standard errors add up."""
    return Combination(
        value=share * sum(part.value for part in parts),
        variance=(share * sum(part.variance**0.5 for part in parts)) ** 2,
        freedom=min(part.freedom for part in parts),
        identities=parts[0].identities,
    )


def _adjusted(pairs: Sequence[ComparedPair]) -> list[ComparedPair]:
    return [
        ComparedPair(one.first, one.second, one.found, float(p))
        for one, p in zip(pairs, holm([one.found.p for one in pairs]), strict=True)
    ]


def _dataset_of(run: pd.DataFrame, test: str) -> str:
    return str(run.loc[run["test"] == test, "dataset"].iloc[0])


def _tests_hint(runs: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    return tuple(
        f"{name} has {', '.join(dict.fromkeys(map(str, run['test'])))}" for name, run in runs.items()
    )
