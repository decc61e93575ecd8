"""Several detectors in one command: planned one after another, and all their faces prepared in one pass over the videos.

What each of them scores, and where it is stored, is as if it were alone: a failure of one is kept for the end, and no other
notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dfbench.errors import DfbenchError, UntrustedSettingError, WeightsError
from dfbench.escaping import for_shell
from dfbench.hooks.manners import generators_kept
from dfbench.hooks.plugin_code import unexpected_error
from dfbench.interfaces import Progress
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.refusals import check_requests
from dfbench.runs.planning.requests import EVERY, ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.trained import finished_weights
from dfbench.runs.scoring.evaluation import left_of
from dfbench.runs.scoring.plan import ScoringPlan, plan_scoring
from dfbench.runs.trainings.plan import plan_training
from dfbench.types import PrepareSpec, Video


class UntrainedError(WeightsError):
    """A detector that could be trained here, and was not."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of the detectors of a command. `named`: by the user, and not as one of all: it is trained if need be, and it is an
    error if it cannot be scored."""

    request: ScoringRequest
    named: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class PlannedRun:
    """The run of a member: by which plan, in which session."""

    member: Member
    plan: ScoringPlan
    session: ProtocolSession


@dataclass(frozen=True, slots=True, eq=False)
class FailedRun:
    """A member that was not scored, and why."""

    member: Member
    error: DfbenchError

    @property
    def left_out(self) -> str:
        """Say why one of all detectors is left out; returns "" for one that was named, whose failure is an error."""
        return (
            "" if self.member.named else f"{self.member.request.detector} is left out: {self.error.headline}"
        )


def members_of(requests: Sequence[ScoringRequest], setup: Setup) -> list[Member | FailedRun]:
    """Check all requests of a command before the first is carried out; returns a member for each detector, once.

    A request for the detector "all" stands for each that no other request names: those that are refused come back as failed.
    Raises what `check_requests` raises, for a detector that is named.
    """
    registry = setup.registry
    named = [request for request in requests if request.detector != EVERY]
    checked = {registry.detector(one.detector).name: Member(one) for one in check_requests(named, setup)}
    members: list[Member | FailedRun] = list(checked.values())
    for request in (one for one in requests if one.detector == EVERY):
        for name in registry.names("detector"):
            if name not in checked:
                members += [_one_of_all(replace(request, detector=name), setup)]
        break
    return members


def plan_together(
    members: Sequence[Member], setup: Setup, *, progress: Progress
) -> list[PlannedRun | FailedRun]:
    """Plan the run of each member, after it was trained if that is needed; returns them in their order."""
    planned: list[PlannedRun | FailedRun] = []
    first: ProtocolSession | None = None
    for member in members:
        try:
            with generators_kept():
                session = open_scoring(member.request, setup, progress)
                session = session if first is None else session.reading_with(first)
                first = first or session
                if not member.named:
                    _require_weights(member, session)
                planned.append(PlannedRun(member, plan_scoring(member.request, session), session))
        except UntrustedSettingError:  # the user may agree to it
            raise
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is of this member alone
            planned.append(_not_planned(member, error, setup))
    return planned


def prepare_together(planned: Sequence[PlannedRun], *, progress: Progress) -> None:
    """Prepare what is left of the videos of all planned runs, each video once; a run that is alone does that as it scores.

    Where it cannot be done, each run finds out by itself.
    """
    if len(planned) < 2:
        return
    wanted = list(_wanted(planned))
    try:
        planned[0].session.prepare_all(wanted)
    except UntrustedSettingError:
        raise
    except DfbenchError as error:
        progress.note(f"warning: {error.message}: each detector's faces are prepared on their own")


def _not_planned(member: Member, error: Exception, setup: Setup) -> FailedRun:
    """Return that a member failed by `error` before it scored; one of all that must be trained first lacks weights above all."""
    found = failed(member, error)
    spec = setup.registry.detector(member.request.detector)
    if member.named or not spec.needs_weights or isinstance(error, UntrainedError):
        return found
    untrained = WeightsError(
        f"detector '{spec.name}' is not trained, and cannot be here: {found.error.headline}",
        hints=found.error.hints,
    )
    return FailedRun(member, untrained)


def failed(member: Member, error: Exception) -> FailedRun:
    """Return that a member failed by `error`, which may be of any kind."""
    return FailedRun(member, error if isinstance(error, DfbenchError) else unexpected_error(error))


def _wanted(planned: Sequence[PlannedRun]) -> Iterator[tuple[list[Video], PrepareSpec]]:
    """What is left to score of each test of each run, with what is to be prepared of it."""
    for run in planned:
        with suppress(DfbenchError):  # which ends this run when it is scored
            left = left_of(run.plan, run.session, force=run.member.request.force)
            yield from ((list(videos), run.plan.prepare) for videos in left.values() if videos)


def _one_of_all(request: ScoringRequest, setup: Setup) -> Member | FailedRun:
    """Check the request for a detector that nobody named. Fields of a training are for those that train."""
    if not setup.registry.detector(request.detector).needs_weights:
        request = replace(request, recipe="", train_compression="", synthesizer="", overrides={})
    member = Member(request, named=False)
    try:
        check_requests([request], setup)
    except UntrustedSettingError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin that cannot be imported, for one
        return _not_planned(member, error, setup)
    return member


def _require_weights(member: Member, session: ProtocolSession) -> None:
    """Raise WeightsError for a detector whose weights are still to be trained: who asks for all did not ask for that."""
    spec, request = session.spec, member.request
    if spec.needs_weights and finished_weights(plan_training(request.training(), session).folder) is None:
        name = for_shell(spec.name)
        raise UntrainedError(
            f"detector '{spec.name}' is not trained yet", hints=(f"train it: name it, as in  -d {name}",)
        )
