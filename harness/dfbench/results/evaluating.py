"""Requests to score, carried out to their tables: of one detector, or of several whose faces are prepared in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dfbench.errors import RunError, UntrustedSettingError
from dfbench.hooks.events import Events
from dfbench.hooks.manners import generators_kept
from dfbench.interfaces import Progress
from dfbench.results.tabulation import table_of
from dfbench.runs.planning.requests import EVERY, ScoringRequest
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.scoring.evaluation import ScoredRun, score, score_detector
from dfbench.runs.scoring.several import (
    FailedRun,
    Member,
    failed,
    members_of,
    plan_together,
    prepare_together,
)

if TYPE_CHECKING:
    import pandas as pd

Evaluated: TypeAlias = "tuple[StoredRun, pd.DataFrame]"


def evaluate(request: ScoringRequest, setup: Setup, *, progress: Progress) -> Evaluated:
    """Score the requested videos as far as they are not scored yet, and return the run with its result table.

    The notes of the table say so if the run was altered after it was scored.
    """
    with generators_kept():
        scored = score_detector(request, setup, progress=progress)
    return _tabulated(scored, setup, progress)


def evaluate_all(
    requests: Sequence[ScoringRequest], setup: Setup, *, progress: Progress
) -> Iterator[Evaluated | FailedRun]:
    """Score several detectors, whose faces are prepared in one pass; yields what `evaluate` returns of each as it is done.

    The detector "all" stands for every one that can be scored with what is here. One that fails is yielded with its error, and
    the others go on; of a single one, the error is raised. Raises what `members_of` raises, before anything is done.
    """
    if len(requests) == 1 and requests[0].detector != EVERY:
        yield evaluate(requests[0], setup, progress=progress)
        return
    found = members_of(requests, setup)
    planned = plan_together([one for one in found if isinstance(one, Member)], setup, progress=progress)
    yield from (one for one in (*found, *planned) if isinstance(one, FailedRun))
    runs = [one for one in planned if not isinstance(one, FailedRun)]
    prepare_together(runs, progress=progress)
    for one in runs:
        try:
            with generators_kept():
                scored = score(one.plan, one.session, force=one.member.request.force)
            done = _tabulated(scored, setup, progress)
        except UntrustedSettingError:
            raise
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is of this detector alone
            yield failed(one.member, error)
        else:
            yield done


def require_all_scored(failures: Sequence[FailedRun], stored: Sequence[str]) -> None:
    """Raise RunError if a detector failed that was named, or if none was scored; it tells why, and which runs are `stored`."""
    named = [one for one in failures if one.member.named]
    if not named and stored:
        return
    told = named or failures
    names = ", ".join(one.member.request.detector for one in told)
    raise RunError(
        f"not scored: {names}" if told else "no detector is named",
        detail="\n".join(
            line
            for one in told
            for line in (
                f"{one.member.request.detector}: {one.error.message}",
                *(f"  {hint}" for hint in one.error.hints),
            )
        ),
        hints=("the same command goes on with these", *([f"scored: {', '.join(stored)}"] if stored else [])),
    )


def _tabulated(scored: ScoredRun, setup: Setup, progress: Progress) -> Evaluated:
    """Make the result table of a scored run, and tell listeners of a run that was computed; returns both."""
    run, events = scored.run, Events(setup.host, progress)
    try:
        table = table_of(scored, cache=setup.settings.cache, progress=progress)
    except BaseException as error:
        if scored.computed:
            events.run_failed(run.record, run.folder, error)
        raise
    if scored.computed:
        events.run_finished(run.record, run.folder, table)
    return run, table
