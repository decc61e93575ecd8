"""The sessions of a run: when each worked on it, on which device, with how many threads and which packages.

An interrupted run goes on on another day, often on another machine. Scores may then differ in the last digits within one run,
so that what computed them is told of every session, and none overwrites an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from dfbench.runs.records.provenance import environment

NO_FACTS: Mapping[str, str] = MappingProxyType({})


def begin_session(
    record: Mapping[str, Any],
    earlier: Mapping[str, Any],
    *,
    device: str,
    threads: int,
    facts: Mapping[str, str] = NO_FACTS,
) -> dict[str, Any]:
    """Returns `record` with the sessions of the `earlier` record of the same run ({} if there is none), and a new last one.

    `started` and `environment` of the whole are those of the first session. `facts`: what else is to be told of the session.
    """
    here = environment(device=device, threads=threads)
    session = {
        "started": datetime.now(UTC).isoformat(),
        "finished": "",  # stays so if the process is killed
        "device": device,
        "threads": threads,
        **facts,
        "environment": here,
    }
    sessions = [*sessions_of(earlier), session]
    first = sessions[0]
    return {
        **record,
        "started": first["started"],
        "finished": "",
        "environment": first["environment"],
        "sessions": sessions,
    }


def end_session(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `record` with its last session finished now."""
    *before, last = sessions_of(record)
    return {**record, "sessions": [*before, {**last, "finished": datetime.now(UTC).isoformat()}]}


def sessions_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sessions in a record, first one first; of an older version, which knew the last one alone, that one."""
    sessions = record.get("sessions")
    if isinstance(sessions, list) and all(_is_session(one) for one in sessions):
        return [dict(one) for one in sessions]
    known = {name: record.get(name) for name in ("started", "finished", "environment")}
    if not isinstance(known["environment"], Mapping) or not known["started"]:
        return []
    unknown = {name: known["environment"].get(name) for name in ("device", "threads")}
    return [{**known, **unknown}]


def _is_session(value: object) -> bool:
    return isinstance(value, Mapping) and {"started", "finished", "environment"} <= set(value)
