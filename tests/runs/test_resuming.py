"""A run that is cut off and goes on ends as one that was not: the same scores, under the same identity, in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.toy_corpus import PER_SPLIT, write_toy
from tests.runs.conftest import Finished
from tests.runs.toy_runs import REQUEST, Cut, Notes, Scoring, open_toy, score_toy, toy_setup

from dfbench.errors import NewerFormatError, ScoreError, StoreError
from dfbench.hooks.third_party import PluginFacts
from dfbench.interfaces import Progress
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import LOCK, NAME, REPLACED
from dfbench.runs.records.score_files import MERGED, SHARDS
from dfbench.runs.records.score_table import ScoreWriter
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.turns import turn_at
from dfbench.runs.scoring.evaluation import score
from dfbench.runs.scoring.plan import plan_scoring
from dfbench.types import Status

WHOLE = 2 * PER_SPLIT


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scoring:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(write_toy(tmp_path / "toy")))
    return Scoring().install(monkeypatch)


def by_video(run: StoredRun) -> pd.DataFrame:
    """The pooled scores in the order of their names, without how long each took."""
    videos = run.videos().drop(columns="seconds")
    return videos.sort_values(["test", "video_id"], ignore_index=True)


@given(
    cuts=st.lists(st.integers(0, 15), min_size=1, max_size=3),
    failing=st.frozensets(st.integers(0, PER_SPLIT - 1).map(lambda number: f"test/{number}"), max_size=3),
)
@settings(max_examples=4, deadline=None)
def test_wherever_it_is_cut_off_the_scores_are_those_of_a_whole_run(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], failing: frozenset[str]
) -> None:
    root = tmp_path_factory.mktemp("runs")
    plans = [replace(finished.plan, folder=root / name) for name in ("whole", "cut")]
    with pytest.MonkeyPatch.context() as patch:
        whole = score(plans[0], finished.session) if Scoring(failing=failing).install(patch) else None
        for cut in cuts:
            Scoring(failing=failing, cut_after=cut).install(patch)
            with pytest.raises(Cut):
                score(plans[1], finished.session)
        last = Scoring(failing=failing).install(patch)
        resumed = score(plans[1], finished.session)
    assert whole is not None
    pd.testing.assert_frame_equal(by_video(resumed.run), by_video(whole.run))
    assert resumed.run.record.identity == whole.run.record.identity
    assert (resumed.run.record.status, resumed.run.record.error) == ("complete", "")
    # What was scored once is not scored again.
    assert len(last.scored) == WHOLE - sum(cuts)
    assert not (resumed.run.folder / SHARDS).exists()


def test_each_session_that_worked_on_a_run_is_noted(scoring: Scoring) -> None:
    setup = toy_setup()
    for cut in (5, 8):
        scoring.cut_after = cut
        with pytest.raises(Cut):
            score_toy(setup)
    scoring.cut_after = -1
    run = score_toy(setup).run
    sessions = run.record.sessions
    assert len(sessions) == 3
    assert all(one.finished >= one.started for one in sessions)
    assert sorted(one.started for one in sessions) == [one.started for one in sessions]
    assert run.record.started == sessions[0].started
    assert run.record.finished == sessions[-1].finished
    assert len(scoring.scored) == WHOLE


def test_missing_videos_and_errors_are_tried_again_and_others_are_not(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scoring
    setup = toy_setup()
    session = open_toy(setup)
    plan = plan_scoring(REQUEST, session)
    outcomes = {0: Status.MISSING, 1: Status.ERROR, 2: Status.NO_FACE, 3: Status.UNDECODABLE}
    plan.folder.mkdir(parents=True)
    (key, *_), videos = plan.videos, next(iter(plan.videos.values()))
    with ScoreWriter(plan.folder) as writer:
        for number, status in outcomes.items():
            writer.of_test(key).add_status(videos[number], status=status, reason="a reason")
    again = Scoring().install(monkeypatch)
    run = score(plan, session).run
    tried = {name for compression, name in again.scored if compression == "c23"}
    names = {number: videos[number].video_id for number in outcomes}
    assert {names[0], names[1]} <= tried
    assert not {names[2], names[3]} & tried
    statuses = dict(zip(run.videos()["video_id"], run.videos()["status"], strict=True))
    assert len(run.videos()) == WHOLE
    assert [statuses[names[number]] for number in range(2)] == ["ok", "ok"]


def test_a_complete_run_opens_no_detector(scoring: Scoring) -> None:
    setup, notes = toy_setup(), Notes()
    first = score_toy(setup)
    second = score_toy(setup, progress=notes)
    assert (first.computed, second.computed, scoring.opened) == (True, False, 1)
    assert first.run == second.run
    assert notes.said == [
        f"constant: this run is complete, nothing to compute ({first.run.folder})",
    ]


def test_what_another_program_finished_meanwhile_is_not_scored_again(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = toy_setup()

    @contextmanager
    def after_another(folder: Path, progress: Progress) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("dfbench.runs.scoring.evaluation.turn_at", turn_at)
            assert score_toy(setup).computed
        with turn_at(folder, progress):
            yield

    monkeypatch.setattr("dfbench.runs.scoring.evaluation.turn_at", after_another)
    waited = score_toy(setup)
    assert not waited.computed
    assert len(waited.run.record.sessions) == 1
    assert len(scoring.scored) == WHOLE


def test_where_all_is_scored_but_the_record_no_detector_is_opened(scoring: Scoring) -> None:
    """As after a kill between the last score and run.json."""
    setup = toy_setup()
    run = score_toy(setup).run
    running = run.record.to_json()
    running["status"] = "running"
    RunRecord.made(running).write(run.folder)
    again = score_toy(setup)
    assert (again.computed, scoring.opened, len(scoring.scored)) == (True, 1, WHOLE)
    assert again.run.record.complete
    assert len(again.run.record.sessions) == 2


def test_a_damaged_record_is_written_anew_and_the_scores_are_kept(scoring: Scoring) -> None:
    setup, notes = toy_setup(), Notes()
    scoring.cut_after = 9
    with pytest.raises(Cut):
        score_toy(setup)
    scoring.cut_after = -1
    folder = plan_scoring(REQUEST, open_toy(setup)).folder
    (folder / NAME).write_text("{")
    run = score_toy(setup, progress=notes).run
    assert any("it is written anew, what was scored already is kept" in said for said in notes.said)
    assert (run.record.complete, len(scoring.scored)) == (True, WHOLE)


def test_a_record_of_a_later_version_is_not_written_over(scoring: Scoring) -> None:
    del scoring
    setup = toy_setup()
    run = score_toy(setup).run
    content = run.record.to_json() | {"schema": 999}
    RunRecord.made(content).write(run.folder)
    before = (run.folder / NAME).read_bytes()
    with pytest.raises(NewerFormatError):
        score_toy(setup)
    assert (run.folder / NAME).read_bytes() == before


def test_scores_that_were_changed_are_not_gone_on_with(scoring: Scoring) -> None:
    setup = toy_setup()
    scoring.cut_after = 9
    with pytest.raises(Cut):
        score_toy(setup)
    (shard,) = plan_scoring(REQUEST, open_toy(setup)).folder.glob(f"{SHARDS}/*")
    content = shard.read_bytes()
    shard.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(StoreError, match="was changed since it was written") as caught:
        score_toy(setup)
    assert caught.value.hints[0].startswith(f"remove {shard}")
    assert len(scoring.scored) == 9  # refused before anything was scored
    shard.unlink()
    scoring.cut_after = -1
    assert score_toy(setup).run.record.complete


def test_by_force_all_is_scored_in_a_folder_of_its_own(scoring: Scoring) -> None:
    setup, notes = toy_setup(), Notes()
    first = score_toy(setup).run
    scores = (first.folder / MERGED).read_bytes()
    forced = score_toy(setup, progress=notes, force=True)
    assert (forced.computed, forced.run.folder, len(scoring.scored)) == (True, first.folder, 2 * WHOLE)
    (kept,) = (first.folder.parent / REPLACED).iterdir()
    assert (kept / MERGED).read_bytes() == scores
    assert not (kept / LOCK).exists()
    assert f"constant: computing again; the run that was there is kept in {kept}" in notes.said


def test_by_force_what_cannot_be_opened_leaves_the_run_as_it_was(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scoring
    setup = toy_setup()
    run = score_toy(setup).run

    def broken(*_: object) -> None:
        raise ScoreError("no such layer")

    monkeypatch.setattr("dfbench.runs.scoring.evaluation.opened_scorer", broken)
    with pytest.raises(ScoreError, match="no such layer"):
        score_toy(setup, force=True)
    assert StoredRun.read(run.folder) == run
    assert not (run.folder.parent / REPLACED).exists()


def test_a_plugin_that_changed_since_is_told_of_a_complete_run(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scoring
    setup, notes = toy_setup(), Notes()
    facts = [PluginFacts("lab", "lab-plugin", "1", "ab", ("detector constant",))]
    monkeypatch.setattr("dfbench.runs.scoring.plan.plugins_used", lambda *_, **__: tuple(facts))
    run = score_toy(setup).run
    facts[0] = replace(facts[0], sha256="cd")
    assert score_toy(setup, progress=notes).run.record == run.record
    assert notes.said[-1] == (
        "warning: plugin 'lab' has changed since this run was scored: --force scores it again"
    )


@pytest.mark.parametrize("listing", ["", "a b c"])
def test_what_the_lists_name_now_is_told_of_a_complete_run(scoring: Scoring, listing: str) -> None:
    """A line that cannot be used decides no score; what the record says of the lists is that of now."""
    del scoring
    setup = toy_setup()
    run = score_toy(setup).run
    older = run.record.to_json()
    for told in older["lists"].values():
        told["problems"] = [listing] if listing else []
    RunRecord.made(older).write(run.folder)
    again = score_toy(setup).run
    assert not again.record.tests["toy"].lists.problems  # type: ignore[union-attr]
    assert StoredRun.read(run.folder).record == again.record


def test_a_record_that_was_edited_gets_no_new_digest(scoring: Scoring) -> None:
    del scoring
    setup = toy_setup()
    run = score_toy(setup).run
    edited = run.record.to_json()
    edited["entry"] = "a better name"
    next(iter(edited["lists"].values()))["problems"] = ["line 3"]
    (run.folder / NAME).write_text(json.dumps(edited))
    before = (run.folder / NAME).read_bytes()
    score_toy(setup)
    assert (run.folder / NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"device": "cpu"}, True),
        ({"force": True}, True),
        ({"seed": 1}, False),
        ({"only": ("toy",)}, False),
        ({"protocol": "once"}, False),
    ],
)
def test_the_identity_changes_with_what_decides_the_scores_alone(
    finished: Finished, change: dict[str, object], same: bool
) -> None:
    request = replace(REQUEST, **change)  # type: ignore[arg-type]
    plan = plan_scoring(request, open_toy(finished.setup, request))
    assert (plan.record.identity == finished.plan.record.identity) is same
    assert (plan.folder == finished.plan.folder) is same


@given(order=st.permutations(range(PER_SPLIT)))
@settings(max_examples=5, deadline=None)
def test_the_order_of_a_list_decides_nothing(finished: Finished, order: list[int]) -> None:
    listing = finished.session.source.roots["toy"] / "videos.txt"
    before = listing.read_text()
    try:
        listing.write_text("\n".join(map(str, order)))
        again = plan_scoring(REQUEST, open_toy(finished.setup))
    finally:
        listing.write_text(before)
    assert again.record.identity == finished.plan.record.identity


def test_another_file_of_a_video_makes_another_run(finished: Finished) -> None:
    video = next(iter(finished.plan.videos.values()))[0]
    before = video.path.read_bytes()
    try:
        video.path.write_bytes(b"another film")
        again = plan_scoring(REQUEST, open_toy(finished.setup))
    finally:
        video.path.write_bytes(before)
    assert again.record.identity != finished.plan.record.identity
