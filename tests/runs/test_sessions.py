"""What `run.json` says of the sessions that worked on a run."""

from __future__ import annotations

from typing import Any

import pytest

from dfbench.runs.records.sessions import begin_session, end_session, sessions_of


def test_a_session_is_added_and_none_overwritten() -> None:
    first = end_session(begin_session({"seed": 1}, {}, device="cuda", threads=8))
    again = begin_session({"seed": 1}, first, device="cpu", threads=2)
    assert [(one["device"], one["threads"]) for one in again["sessions"]] == [("cuda", 8), ("cpu", 2)]
    assert again["sessions"][0] == first["sessions"][0]
    assert first["sessions"][0]["finished"] > first["sessions"][0]["started"] == first["started"]
    assert (again["sessions"][1]["finished"], again["finished"]) == ("", "")
    assert (again["started"], again["environment"]) == (first["started"], first["environment"])
    assert (again["environment"]["device"], again["environment"]["threads"]) == ("cuda", 8)
    ended = end_session(again)
    assert ended["sessions"][1]["finished"] > first["sessions"][0]["finished"]
    assert {**ended, "sessions": 0} == {**again, "sessions": 0}


def test_the_one_session_of_an_older_version_is_kept() -> None:
    environment = {"device": "", "threads": None, "packages": {"torch": "2.4"}}
    old = {"started": "2026-01-01", "finished": "", "environment": environment}
    record = begin_session({}, old, device="cpu", threads=2)
    assert record["sessions"][0] == {**old, "device": "", "threads": None}
    assert (record["started"], record["environment"]) == ("2026-01-01", environment)


@pytest.mark.parametrize(
    "record",
    [{}, {"sessions": 3}, {"sessions": [7], "environment": "x"}, {"environment": {}, "started": ""}],
)
def test_a_damaged_record_has_no_sessions(record: dict[str, Any]) -> None:
    assert sessions_of(record) == []
    assert len(begin_session({}, record, device="cpu", threads=1)["sessions"]) == 1
