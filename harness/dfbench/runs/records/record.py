"""The record of a run, `run.json`, as a type: what was scored, by what, on which videos, and what computed it.

All formats so far have the number 1: fields were added, and none changed its meaning, so that what a run of an earlier version
does not say reads as not known. The JSON itself is kept beside what was read from it: the digest in the file is of exactly this,
and a field that this version does not know stays where it is.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dfbench.errors import AbsentError, StoreError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.formats import refuse_newer
from dfbench.hooks.third_party import PluginFacts
from dfbench.identity import digest_of
from dfbench.runs.records.facts import (
    ContentFacts,
    DetectorFacts,
    Enlargement,
    ListFacts,
    ProtocolFacts,
    ReadAs,
    RecordedSession,
    RecordedTest,
    ScoringFacts,
    TrainedFacts,
    moment,
)
from dfbench.runs.records.fields import Fields, RecordFault
from dfbench.runs.records.private import Redaction
from dfbench.runs.records.provenance import recorded_identity
from dfbench.runs.records.recorded_names import unusable_name
from dfbench.runs.records.run_file import ELSEWHERE, NAME, damaged
from dfbench.runs.records.sessions import begin_session, end_session, sessions_of
from dfbench.untrusted import MOST_RECORD, parsed_object, read_bytes

SCHEMA = 1  # the format of run.json
RUNNING, COMPLETE, FAILED = "running", "complete", "failed"
DIGEST = "record_sha256"  # the field that says what all other fields were when the record was written
CONTENT = "content"  # SHA-256 by name of each file beside it
MEASURED_BY = "measured_by"  # in the content: the code that made the tables
LEFT_OUT = "left_out"  # in a copy that was given away
_PRIVATE = ("leaks", "training", "read_as", "environment", "sessions")  # fields that may tell of the machine


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run says of itself. Made by `parse` or `read`, and changed by methods that return another one.

    `version`: of the format, 0 if it says none. `identity`: hex digits that change with everything that can change a score.
    `status`: "running" (or killed), "complete" or "failed", and `error` then says why. `entry`: its name on a board. `seed`: of
    the command. `tests` by key, in order. `plugins`: those of others that took part. `started` and `finished`: ISO 8601, ""
    if not known or not yet. `sessions`: each time that a program worked on it, first one first. `content`: what the files
    beside it are, None in a run of before these were noted. `left_out`: what a copy does not tell, in sentences.

    Two records are equal if their JSON is.
    """

    version: int = field(compare=False)
    identity: str = field(compare=False)
    status: str = field(compare=False)
    entry: str = field(compare=False)
    detector: DetectorFacts = field(compare=False)
    protocol: ProtocolFacts = field(compare=False)
    corpus: str = field(compare=False)
    seed: int | None = field(compare=False)
    scoring: ScoringFacts = field(compare=False)
    tests: Mapping[str, RecordedTest] = field(compare=False)
    training: TrainedFacts = field(compare=False)
    read_as: ReadAs = field(compare=False)
    plugins: tuple[PluginFacts, ...] = field(compare=False)
    started: str = field(compare=False)
    finished: str = field(compare=False)
    sessions: tuple[RecordedSession, ...] = field(compare=False)
    content: ContentFacts | None = field(compare=False)
    error: str = field(compare=False)
    left_out: tuple[str, ...] = field(compare=False)
    _json: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> RunRecord:
        """Read what a `run.json` holds, in which a detector is named; returns the record.

        Raises ValueError, with a clause that names the field, if a field holds what it cannot hold, or a name in it is none.
        """
        record = Fields(content)
        detector = content.get("detector")
        if (
            not isinstance(detector, Mapping)
            or not isinstance(detector.get("name"), str)
            or not detector["name"]
        ):
            raise RecordFault("it names no detector")
        if fault := unusable_name(content):
            raise RecordFault(fault)
        status = record.text("status")
        if status not in ("", RUNNING, COMPLETE, FAILED):
            raise RecordFault(
                f"its status is {status[:80]!a}, and none of {RUNNING}, {COMPLETE} and {FAILED}"
            )
        scoring = ScoringFacts.parse(record)
        return cls(
            version=record.whole("schema") or 0,
            identity=record.text("identity"),
            status=status,
            entry=record.text("entry"),
            detector=DetectorFacts.parse(record.part("detector")),
            protocol=ProtocolFacts(record.text("protocol"), record.text("purpose") or "test"),
            corpus=record.text("corpus"),
            seed=record.whole("seed"),
            scoring=scoring,
            tests=_tests(record),
            training=TrainedFacts.parse(record),
            read_as=ReadAs.parse(record.part("read_as")),
            plugins=tuple(_plugin(one) for one in record.objects("plugins")),
            started=record.time("started"),
            finished=record.time("finished"),
            sessions=_sessions(record, content, scoring),
            content=_content(record),
            error=record.text("error"),
            left_out=record.texts(LEFT_OUT) or (),
            _json=content,
        )

    @classmethod
    def made(cls, content: Mapping[str, Any]) -> RunRecord:
        """Make a record of values that JSON has or that have a text, such as paths; returns it as it will be read.

        A number that is none (the score of a validation that there was not) becomes null: JSON has no word for it.
        """
        plain = json.loads(json.dumps(content, default=str), parse_constant=lambda _: None)
        return cls.parse(plain)

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read the record of the run in `folder`; returns it.

        Raises StoreError, which names the file and the field, if it is absent, may not be read, is damaged, or a name in it is
        none, and NewerFormatError if a later dfbench wrote it.
        """
        path = folder / NAME
        try:
            raw = read_bytes(path, most=MOST_RECORD)
        except UnreadableError as error:
            absent = isinstance(error, AbsentError)
            hint = f"is {folder} the folder of a run?" if absent else f"make {path} a file that can be read"
            raise StoreError(error.message, hints=(hint,)) from error
        try:
            content = parsed_object(path, raw)
        except UnreadableError as error:
            raise damaged(path, error.reason) from error
        environment = content.get("environment")
        writer = environment.get("dfbench") if isinstance(environment, dict) else ""
        refuse_newer(
            path, "the record of a run", found=content.get("schema"), known=SCHEMA, written_by=writer
        )
        try:
            return cls.parse(content)
        except RecordFault as error:
            raise damaged(path, str(error)) from error

    def write(self, folder: Path) -> RunRecord:
        """Write run.json, whole or not at all, with the digest of what it says; returns the record with it. Raises StoreError."""
        written = self._with(**{DIGEST: self.digest()})
        write_text_whole(folder / NAME, json.dumps(written._json, indent=1), hints=(ELSEWHERE,))
        return written

    def to_json(self) -> dict[str, Any]:
        """Return the whole content of run.json, which is the caller's own."""
        return copy.deepcopy(dict(self._json))

    def digest(self) -> str:
        """SHA-256 (hex) of all that the record says beside its digest.

        Raises ValueError, TypeError or RecursionError for what cannot have been written by `write`.
        """
        return digest_of({name: value for name, value in self._json.items() if name != DIGEST})

    @property
    def told_digest(self) -> object:
        """The digest that the record holds of itself: of any type in one that was changed, None if there is none."""
        return self._json.get(DIGEST)

    @property
    def has_digest(self) -> bool:
        """Whether the record is of a version that notes its digest."""
        return DIGEST in self._json

    def own_identity(self) -> str:
        """The identity of what the record says, which `identity` should be. Raises TypeError for what is no run's."""
        return recorded_identity(self._json)

    @property
    def complete(self) -> bool:
        """Whether the run went through all its videos."""
        return self.status == COMPLETE

    @property
    def began(self) -> datetime:
        """When the run was begun; the first of all times if that is not known."""
        return moment(self.started)

    @property
    def ended(self) -> datetime:
        """When the run was complete, or else begun; the first of all times if neither is known."""
        return moment(self.finished or self.started)

    def test(self, key: str) -> RecordedTest:
        """What is recorded of a test; of one that is not, that its videos are of the dataset `key`."""
        return self.tests.get(key) or RecordedTest(dataset=key)

    def begun(self, earlier: RunRecord | None, *, device: str, threads: int) -> RunRecord:
        """Return this record with a session that starts now, after those of the `earlier` record of the same run.

        Nothing of an earlier session is overwritten, and its plugins stay beside those of now.
        """
        facts = {"precision": self.scoring.precision, "face_finder": self.scoring.finder}
        before = {} if earlier is None else earlier._json
        sessions = begin_session({}, before, device=device, threads=threads, facts=facts)
        plugins = dict.fromkeys([*(earlier.plugins if earlier else ()), *self.plugins])
        return self._with(plugins=[plugin.to_json() for plugin in plugins], **sessions)

    def session_ended(self) -> RunRecord:
        """Return this record with its last session ended now."""
        return self._with(**end_session(self._json))

    def completed(self, content: Mapping[str, str]) -> RunRecord:
        """Return this record as that of a complete run, beside which files of this `content` lie (SHA-256 by name)."""
        ended = self.session_ended()
        return ended._with(status=COMPLETE, finished=ended.sessions[-1].finished, **{CONTENT: dict(content)})

    def with_enlargement(self, found: Mapping[str, Enlargement]) -> RunRecord:
        """Return this record with how far the crops of tests were enlarged; itself if that is known of none."""
        return self._with(enlargement={key: asdict(one) for key, one in found.items()}) if found else self

    def failed(self, error: str) -> RunRecord:
        """Return this record as that of a run that ended early, for this reason."""
        return self.session_ended()._with(status=FAILED, error=error)

    def with_content(self, content: Mapping[str, str], *, measured_by: str = "") -> RunRecord:
        """Return this record with what the files beside it are: SHA-256 by name, and the digest of the code that made tables."""
        return self._with(**{CONTENT: {**content, **({MEASURED_BY: measured_by} if measured_by else {})}})

    def with_lists_of(self, other: RunRecord) -> RunRecord:
        """Return this record with what `other` says of the lists; itself if it says the same."""
        lists = other._json.get("lists")
        return self if lists == self._json.get("lists") else self._with(lists=lists)

    def redacted(self, private: Redaction) -> tuple[RunRecord, list[str]]:
        """Return a record without folders, names of machines and messages about files, and a sentence for each thing that was
        left out of it, now or before; what the files beside it are is not told either."""
        told = {name: value for name, value in self._json.items() if name not in (DIGEST, CONTENT, LEFT_OUT)}
        left_out = list(self.left_out)
        if any(test.lists is not None and test.lists.problems for test in self.tests.values()):
            left_out.append("which lines of the lists could not be used (how many stays)")
        lists = told.get("lists") or {}
        told["lists"] = {key: {**listing, "problems": []} for key, listing in lists.items()}
        for name in _PRIVATE:
            if name in told:
                redacted = private.value(told[name], messages=name == "leaks")
                if redacted != told[name]:
                    left_out.append(f"folders, machines and kernels in `{name}`")
                told[name] = redacted
        return RunRecord.made(told), left_out

    def with_left_out(self, left_out: Sequence[str]) -> RunRecord:
        """Return this record with these sentences, each once, of what a copy does not tell."""
        return self._with(**{LEFT_OUT: list(dict.fromkeys(left_out))})

    def _with(self, **changes: Any) -> RunRecord:
        return RunRecord.made({**self._json, **changes})


def _tests(record: Fields) -> dict[str, RecordedTest]:
    """The tests, with what the fields `lists`, `leaks`, `margins` and `enlargement` say of each."""
    enlarged = {key: Enlargement.parse(one) for key, one in record.by_name("enlargement").items()}
    margins, leaks = record.part("margins"), record.part("leaks")
    lists = {key: ListFacts.parse(listing) for key, listing in record.by_name("lists").items()}
    return {
        key: replace(
            RecordedTest.parse(key, content),
            margin=margins.number(key),
            lists=lists.get(key),
            leaks=leaks.texts(key) or (),
            enlargement=enlarged.get(key),
        )
        for key, content in record.by_name("datasets").items()
    }


def _sessions(
    record: Fields, content: Mapping[str, Any], scoring: ScoringFacts
) -> tuple[RecordedSession, ...]:
    """The sessions; of a run of an older version, which knew the last one alone, that one."""
    record.objects("sessions")
    sessions = [Fields(session, "a session") for session in sessions_of(content)]
    return tuple(RecordedSession.parse(session, scoring) for session in sessions)


def _plugin(content: Fields) -> PluginFacts:
    return PluginFacts(
        name=content.text("name"),
        distribution=content.text("distribution"),
        version=content.text("version"),
        sha256=content.text("sha256"),
        offers=content.texts("offers") or (),
    )


def _content(record: Fields) -> ContentFacts | None:
    if CONTENT not in record:
        return None
    sums = record.part(CONTENT)
    noted = {name: sums.text(name) for name in record.values(CONTENT)}
    return ContentFacts(noted, noted.pop(MEASURED_BY, ""))
