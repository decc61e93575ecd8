"""`run.json` in tests: as plain JSON, whatever that holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfbench.identity import digest_of
from dfbench.runs.records.provenance import recorded_identity
from dfbench.runs.records.record import DIGEST, RunRecord


def json_of(run: Path) -> dict[str, Any]:
    """What the record of the run in this folder holds."""
    content: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return content


def put(run: Path, content: Mapping[str, Any]) -> None:
    """Write a record of any content, as somebody would who edits it by hand."""
    (run / "run.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def seal(run: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write a record of any content with the digest that fits, as a forger would who knows of digests; returns its content."""
    plain = {name: value for name, value in content.items() if name != DIGEST}
    sealed = {**plain, DIGEST: digest_of(plain)}
    put(run, sealed)
    return sealed


def own_identity(content: Mapping[str, Any]) -> str:
    """The identity that a record of this content should say."""
    return recorded_identity(content)


def record_of(content: Mapping[str, Any] | None = None, /, **fields: Any) -> RunRecord:
    """A record of this content and these fields, of a detector called "net" if they name none."""
    return RunRecord.made({"detector": {"name": "net"}, **(content or {}), **fields})
