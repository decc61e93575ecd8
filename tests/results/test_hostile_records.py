"""Records of any shape: one bad run never takes the board down, and whoever asks for it gets an error that names it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.chance import examples
from tests.results.made_runs import expected, store_run
from tests.stored_records import seal

import dfbench
from dfbench.errors import DfbenchError, VideoError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.results import checked
from dfbench.results.boards.leaderboard import corpora, leaderboard
from dfbench.results.boards.stored import collect
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.renderings.terminal import terminal_table
from dfbench.results.tables import result_table
from dfbench.runs.evidence import scored_faces
from dfbench.runs.evidence.recorded import (
    open_run,
    options_of,
    session_of,
    weights_of,
)
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.provenance import recorded_identity
from dfbench.runs.records.record import DIGEST, RunRecord
from dfbench.runs.records.run_file import read_files
from dfbench.runs.records.stored_run import StoredRun
from dfbench.settings import load_settings

GOOD, BAD = "good", "bad"
DRAWS = 10
GONE = object()
VALUES: tuple[Any, ...] = (
    GONE,
    *(None, True, 0, -1, 2**62, 1.5, 1e308, "", "x", "\u202e", "=1+1", "a" * 5000, [], [[]], {}, {"": None}),
    *(["ffpp", 1], {"a": {"b": []}}, [None], "9" * 5000, "../../x", "2026-13-45", "\x1b[31m"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good run of each of two entries; the second is the one that is changed."""
    top = tmp_path_factory.mktemp("records")
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFBENCH_CACHE", str(top / "cache"))
        for name in (GOOD, BAD):
            videos = {"dfd": expected("dfd", 24)}
            logits = {("dfd", one.video_id): rng.normal(size=1) + int(one.label) for one in videos["dfd"]}
            record = {
                "detector": {"name": "chance", "version": "1", "weights_sha256": ""},
                "entry": f"chance {name}",
                "protocol": "cross-dataset",
                "corpus": "mine",
                "trained_on": ["ffpp"],
                "training_corpora": ["mine"],
                "training_seed": 0,
                "seed": 0,
                "started": "2026-01-01T00:00:00+00:00",
                "finished": "2026-02-01T00:00:00+00:00",
                "clips": {"frames": 1, "size": 8},
                "prepare": {"finder": "cascade", "frames": {"how": "first", "count": 1}},
                "lists": {
                    "dfd": {
                        "listed": {"real": 12, "fake": 12},
                        "official": None,
                        "problems": [],
                        "n_problems": 0,
                    }
                },
                "leaks": {"dfd": ["leak: 1 group is in training and in test: anna"]},
                "margins": {},
                "training": {"recipe": {}, "provenance": {"identity": {"seed": 0}}},
                "environment": {"dfbench": "1", "packages": {}},
                "read_as": {},
            }
            store_run(top / "runs" / name, record, videos, logits, draws=DRAWS)
    return top / "runs"


@pytest.fixture
def folder(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `runs`, with a cache that remembers the good one."""
    monkeypatch.setenv("DFBENCH_CACHE", str(runs.parent / "cache"))
    monkeypatch.setattr(checked, "result_table", partial(result_table, draws=DRAWS))
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def _places(value: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """Every field of a record, as the names that lead to it."""
    if above:
        yield above
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, *above, name)


def _changed(record: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    if value is GONE:
        del inner[place[-1]]
    return changed


def _rewrite(folder: Path, changed: dict[str, Any]) -> None:
    """Write a record as a forger would who knows of digests."""
    record = {name: value for name, value in changed.items() if name != DIGEST}
    with suppress(TypeError, ValueError, KeyError, AttributeError):  # of what has no identity
        record["identity"] = recorded_identity(record)
    seal(folder, record)


def _good_one_stands(folder: Path, *, always: bool = False) -> None:
    """Whatever the bad run is: the good one has no problem, and boards with both can be made and printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect(folder, Setup())
        assert [run.problem for run in found if run.folder.name == GOOD] == [""]
        if not always and any(run.problem for run in found):
            return  # the bad one is on no board
        for protocol in sorted({run.protocol for run in found if run.table is not None}):
            for corpus in corpora(found, protocol=protocol):
                for over_seeds in (False, True):
                    board = leaderboard(
                        found, where=folder, protocol=protocol, corpus=corpus, over_seeds=over_seeds
                    )
                    markdown_of(board, told=str)
                    terminal_table(board)
                    if (protocol, corpus, over_seeds) == ("cross-dataset", "mine", False):
                        assert f"chance {GOOD}" in list(frame_of(board)["entry"])


def _scored_faces(run: StoredRun) -> None:
    """As far as the record goes."""

    def enough(*_: object, **__: object) -> None:
        raise VideoError("the video is not there")

    nothing: Any = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "prepared_as", enough)
        session = Session(nothing, nothing, nothing, SilentProgress())
        scored_faces.scored_faces(run, expected("dfd", 1)[0], session, test="dfd")


@cache
def _host() -> Host:
    return Host.load()


def _ask(folder: Path) -> None:
    """All that reads the record of a run when somebody names it; a DfbenchError is what it may raise."""
    setup = Setup(_host(), runs=folder)
    own = setup.settings
    for ask in (
        lambda: dfbench.scores(folder / BAD),
        lambda: read_files(folder / BAD),
        lambda: weights_of(open_run(BAD, own), own, None),
        lambda: options_of(open_run(BAD, own), None),
        lambda: open_run(BAD, own).prepare_spec(),
        lambda: open_run(BAD, own).expected(),
        lambda: _scored_faces(open_run(BAD, own)),
        lambda: session_of(open_run(BAD, own), setup, SilentProgress()),
    ):  # fmt: skip
        with suppress(DfbenchError):
            ask()


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_a_record_of_any_shape_takes_no_board_down(folder: Path, data: st.DataObject) -> None:
    path = folder / BAD / "run.json"
    kept = path.read_text()
    record = json.loads(kept)
    place = data.draw(st.sampled_from(list(_places(record))))
    changed = _changed(record, place, data.draw(st.sampled_from(VALUES)))
    try:
        if data.draw(st.booleans()):
            path.write_text(json.dumps(changed))
        else:  # by a forger who knows of digests
            _rewrite(folder / BAD, changed)
        _good_one_stands(folder)
        _ask(folder)
    finally:
        path.write_text(kept)


@settings(
    max_examples=examples(2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_who_asks_for_a_run_of_any_shape_is_told_what_is_wrong(folder: Path, data: st.DataObject) -> None:
    path = folder / BAD / "run.json"
    record = _good_record(folder)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(_places(record))))
        record = _changed(record, place, data.draw(st.sampled_from(VALUES)))
    path.write_text(json.dumps(record))
    with suppress(DfbenchError):
        RunRecord.read(path.parent)
        open_run(BAD, load_settings(runs=folder))


@cache
def _good_record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / GOOD / "run.json").read_text())
    return content


TEXTS = (
    *("", "null", "[]", '"text"', "1", "{", "{}", '{"detector": null}', '{"detector": {"name": 1}}', "NaN", "[" * 10**5),
    *('{"detector": {"name": "x"}, "schema": 1e400}', '{"schema": ' + "9" * 10**6 + "}", '{"a": ' * 999 + "1" + "}" * 999),
    *('{"detector": {"name": "x"}, "schema": 1, "entry": "\\ud800"}', "\0" * 99),
)  # fmt: skip


OTHERS = ("files.json", "manifest.parquet", "table.parquet", "scores.parquet", "scores.sha256")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("run.json", text) for text in TEXTS),
        *((name, TEXTS[-1]) for name in OTHERS),
        ("files.json", "[[1], 2]"),
    ],
    ids=[*(f"run.json-{number}" for number in range(len(TEXTS))), *OTHERS, "files.json-rows"],
)
def test_a_file_of_any_content_takes_no_board_down(name: str, text: str, folder: Path) -> None:
    (folder / BAD / name).write_text(text)
    _good_one_stands(folder)
    _ask(folder)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 100 * 2**30)


MADE: dict[str, Callable[[Path], None]] = {
    "pipe": _pipe,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "loop": lambda path: path.symlink_to(path.name),
    "nowhere": lambda path: path.symlink_to("gone"),
    "sparse": _sparse,
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("run.json", kind) for kind in MADE),
        *((name, kind) for name in OTHERS for kind in ("pipe", "sparse")),
    ],
)
def test_what_is_no_file_takes_no_board_down(name: str, kind: str, folder: Path) -> None:
    (folder / BAD / name).unlink(missing_ok=True)
    MADE[kind](folder / BAD / name)
    _good_one_stands(folder)
    _ask(folder)


def test_a_bad_run_is_named_with_its_reason(folder: Path) -> None:
    (folder / BAD / "run.json").write_text("[" * 10**5)
    (problem,) = [run.problem for run in collect(folder, Setup()) if run.folder.name == BAD]
    assert "brackets" in problem
    _good_one_stands(folder, always=True)
    with pytest.raises(DfbenchError, match=r"bad/run\.json is damaged"):
        RunRecord.read(folder / BAD)
