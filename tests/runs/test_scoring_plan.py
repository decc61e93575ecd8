"""A run is planned once, before anything of it is done; the plan says all that its scoring needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from tests.cli.made_scores import score_without_work
from tests.cli.toy_corpus import BUILT, PARSED, PER_SPLIT, ToyPlugin, write_toy

from dfbench.errors import RunError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.scoring.evaluation import score
from dfbench.runs.scoring.plan import plan_scoring

REQUEST = ScoringRequest("constant", "both")
Opened = Callable[[ScoringRequest], ProtocolSession]


@pytest.fixture
def session_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(write_toy(tmp_path / "toy")))
    score_without_work(monkeypatch)
    setup = Setup(Host.load([ToyPlugin()]))
    BUILT.clear()
    PARSED.clear()
    return lambda request: open_scoring(request, setup, SilentProgress())


def test_a_plan_is_made_before_anything_is_done_and_changes_no_more(session_of: Opened) -> None:
    session = session_of(REQUEST)
    plan = plan_scoring(REQUEST, session)
    assert not plan.folder.exists()
    assert plan.folder.parent == session.settings.runs
    assert plan.folder.name.endswith(plan.record.identity[:12])
    assert {key: len(videos) for key, videos in plan.videos.items()} == {
        expected.test.key: PER_SPLIT for expected in plan.tests
    }
    assert [len(expected.files) for expected in plan.tests] == [PER_SPLIT, PER_SPLIT]
    with pytest.raises(FrozenInstanceError):
        plan.folder = Path("elsewhere")  # type: ignore[misc]


def test_a_session_reads_the_data_once_for_all_its_plans(session_of: Opened, tmp_path: Path) -> None:
    session = session_of(REQUEST)
    plan = plan_scoring(REQUEST, session)
    for video in next(iter(plan.videos.values())):
        video.path.unlink()
    again, other = plan_scoring(REQUEST, session), plan_scoring(replace(REQUEST, seed=1), session)
    assert BUILT == PARSED == {"c23": 1, "c40": 1}
    assert again.record.identity == plan.record.identity
    assert other.folder != plan.folder
    later = plan_scoring(REQUEST, session_of(REQUEST))  # in which the files are looked at again
    assert later.folder != plan.folder


def test_a_planned_run_is_scored_once_and_again_by_force(session_of: Opened) -> None:
    session = session_of(REQUEST)
    plan = plan_scoring(REQUEST, session)
    first = score(plan, session)
    assert (first.computed, first.run.folder, first.plan) == (True, plan.folder, plan)
    assert not score(plan_scoring(REQUEST, session), session).computed
    assert score(plan, session, force=True).computed
    assert len(list(session.settings.runs.iterdir())) == 2  # the run that was there is kept


def test_a_test_on_training_videos_is_refused_by_the_plan(session_of: Opened) -> None:
    request = ScoringRequest("trained", "once")
    session = session_of(request)
    train = session.training_sets().train
    seen = replace(session, protocol=replace(session.protocol, tests=(replace(train, compression="c23"),)))
    with pytest.raises(RunError, match="tests on what it trains on"):
        plan_scoring(request, seen)
    assert not (session.settings.cache / "weights").exists()
