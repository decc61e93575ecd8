"""The record of a run as a type: what it reads, what it refuses, and what it keeps as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.stored_records import json_of, put, record_of, seal

from dfbench import RunRecord, StoredRun
from dfbench.errors import StoreError
from dfbench.hooks.third_party import PluginFacts
from dfbench.identity import identity_of
from dfbench.runs.records.facts import ContentFacts, ListFacts, ProtocolFacts
from dfbench.types import ClipSpec, Counts, FrameChoice, Pooling, PrepareSpec

HISTORIC = sorted((Path(__file__).parents[1] / "historic").glob("*/runs/*/run.json"))
CLIPS = ClipSpec(frames=2, size=16)
PREPARE = PrepareSpec(FrameChoice("uniform", 4), finder="mtcnn")
FIRST: dict[str, Any] = {  # as the first version wrote it: no corpora, no lists, no sessions, no digests
    "schema": 1,
    "detector": {"name": "net", "version": "1", "weights_sha256": "ab", "recipe": "demo"},
    "protocol": "cross-dataset",
    "corpus": "demo",
    "seed": 3,
    "pooling": "mean_prob",
    "clips": {"frames": 2, "size": 16, "per_video": 8, "sampling": "uniform", "margin": 0.25},
    "prepare": {"frames": {"how": "uniform", "count": 4, "length": 1}, "finder": "mtcnn", "margin": 0.5},
    "datasets": {"dfd": {"manifest": "cd", "videos": 20}},
    "identity": "ef",
    "status": "complete",
    "entry": "net (demo, seed 3)",
    "trained_on": ["ffpp"],
    "train_compression": "c23",
    "training": {"provenance": {"identity": {"seed": 5}}},
    "started": "2025-01-01T00:00:00+00:00",
    "finished": "2025-01-02T00:00:00+00:00",
    "environment": {"python": "3.11.2", "device": "cuda", "threads": 8, "packages": {"torch": "2.4"}},
}


@pytest.mark.parametrize("path", HISTORIC, ids=lambda path: path.parent.name)
def test_a_stored_record_is_kept_to_the_byte(path: Path, tmp_path: Path) -> None:
    record = RunRecord.read(path.parent)
    assert record.told_digest == record.digest()
    assert record.identity == record.own_identity()
    assert record.write(tmp_path) == record
    assert json_of(tmp_path) == json.loads(path.read_text(encoding="utf-8"))
    (session, *_) = record.sessions
    assert (session.device, session.finder) == ("cpu", record.scoring.finder)
    assert session.software.packages["torch"]


def test_the_first_format_says_what_it_knew() -> None:
    record = RunRecord.parse(FIRST)
    assert (record.version, record.complete, record.seed) == (1, True, 3)
    assert record.detector.weights_sha256 == "ab"
    assert record.protocol == ProtocolFacts("cross-dataset", "test")
    assert record.scoring.pooling is Pooling.MEAN_PROB
    test = record.tests["dfd"]
    assert (test.dataset, test.videos, test.manifest, test.files, test.lists, test.leaks) == (
        *("dfd", 20, "cd", "", None, ()),
    )
    training = record.training
    assert (training.datasets, training.unknown, training.corpora, training.compression) == (
        *(("ffpp",), None, None, "c23"),
    )
    assert (training.seed_told, training.identity["seed"]) == (False, 5)
    assert (record.content, record.plugins, record.left_out, record.read_as.recipe) == (None, (), (), "")
    (session,) = record.sessions
    assert (session.device, session.threads, session.precision, session.finder) == ("cuda", 8, "32", "mtcnn")
    assert session.software.packages == {"torch": "2.4"}
    assert record.began < record.ended


def test_a_record_of_today_says_everything() -> None:
    listing = {"listed": {"real": 1, "fake": 2}, "official": None, "n_problems": 1, "problems": ["x"]}
    plugin = PluginFacts("mine", "mine-plugin", "0.1", "1f", ("detector net",))
    record = record_of(
        datasets={"dfd": {"files": "9a"}, "dfd-c40": {"dataset": "dfd"}},
        margins={"dfd": 0.5, "dfd-c40": 1},
        lists={"dfd": listing},
        leaks={"dfd": ["leak"], "elsewhere": ["another"]},
        purpose="validation",
        protocol="dataset:dfd:val",
        precision="bf16",
        training_seed=None,
        training_unknown=["lab"],
        read_as={"recipe": "demo", "changes": {"lr": "1"}},
        plugins=[plugin.to_json()],
        content={"files.json": "00", "measured_by": "11"},
    )
    assert (record.tests["dfd"].margin, record.tests["dfd-c40"].margin) == (0.5, 1.0)
    assert record.tests["dfd"].lists == ListFacts(Counts(1, 2), None, 1, ("x",))
    assert record.tests["dfd"].leaks == ("leak",)
    assert record.tests["dfd-c40"].dataset == "dfd"
    assert record.test("unknown").dataset == "unknown"
    assert (record.protocol.purpose, record.protocol.dataset) == ("validation", "dfd")
    assert record.scoring.precision == "bf16"
    assert (record.training.seed, record.training.seed_told, record.training.unknown) == (
        None,
        True,
        ("lab",),
    )
    assert (record.read_as.recipe, record.read_as.changes) == ("demo", {"lr": "1"})
    assert record.plugins == (plugin,)
    assert record.content == ContentFacts({"files.json": "00"}, "11")


WRONG: dict[str, object] = {
    "schema": "1",
    "identity": 3,
    "status": "done",
    "entry": ["net"],
    "seed": True,
    "pooling": "median",
    "precision": 16,
    "clips": 3,
    "prepare": {"finder": 3},
    "datasets": {"dfd": 3},
    "margins": {"dfd": "wide"},
    "lists": {"dfd": {"n_problems": "many"}},
    "leaks": {"dfd": [3]},
    "plugins": ["mine"],
    "started": "2026-13-45",
    "finished": "yesterday",
    "sessions": [{"started": "x", "finished": "", "environment": {}}],
    "environment": {"dfbench": 7},
    "content": {"files.json": 3},
    "training": "x",
    "training_seed": 1.5,
    "training_unknown": [3],
    "read_as": {"changes": {"lr": 3}},
    "left_out": {"a": 1},
    "error": {},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_another_kind_is_named_with_its_file(name: str, tmp_path: Path) -> None:
    known = {"datasets": {"dfd": {}}, "started": "2026-01-01", "environment": {}}
    put(tmp_path, {"detector": {"name": "net"}, **known, name: WRONG[name]})
    with pytest.raises(StoreError, match=r"run\.json is damaged") as caught:
        RunRecord.read(tmp_path)
    words = caught.value.message
    inner = {"datasets": "dfd", "prepare": "finder", "sessions": "session", "environment": "dfbench"}
    assert inner.get(name, name.rpartition("_")[2]) in words
    assert words.isascii()


def test_what_is_empty_is_not_known() -> None:
    empty = dict.fromkeys(name for name in WRONG if name not in ("content", "training_seed"))
    assert record_of(empty).to_json() == {"detector": {"name": "net"}, **empty}
    known, nothing = record_of(empty), record_of()
    for name in ("status", "tests", "scoring", "training", "plugins", "sessions", "read_as"):
        assert getattr(known, name) == getattr(nothing, name)


def test_a_field_of_a_later_version_stays_where_it_is(tmp_path: Path) -> None:
    seal(tmp_path, {**FIRST, "weather": {"rain": 1}})
    record = RunRecord.read(tmp_path).failed("no power").write(tmp_path)
    assert json_of(tmp_path)["weather"] == {"rain": 1}
    assert (record.status, record.error) == ("failed", "no power")
    assert record.told_digest == record.digest()
    assert RunRecord.read(tmp_path) == record != RunRecord.parse(FIRST)


def test_a_resumed_run_adds_a_session_and_overwrites_none() -> None:
    asked = record_of(
        FIRST, status="running", precision="bf16", started=None, finished=None, environment=None
    )
    plugin, changed = (PluginFacts("mine", sha256=digit * 64) for digit in "12")
    first = record_of(asked.to_json(), plugins=[plugin.to_json()])
    first = first.begun(None, device="cuda", threads=8).failed("no power")
    again = record_of(asked.to_json(), plugins=[changed.to_json()]).begun(first, device="cpu", threads=2)
    ended = again.completed({"scores.parquet": "00"})
    assert [(one.device, one.threads) for one in ended.sessions] == [("cuda", 8), ("cpu", 2)]
    assert [(one.precision, one.finder) for one in ended.sessions] == [("bf16", "mtcnn")] * 2
    assert ended.to_json()["sessions"][0] == first.to_json()["sessions"][0]
    assert ended.sessions[0].finished <= ended.sessions[1].started < ended.sessions[1].finished
    assert (ended.started, ended.finished) == (first.sessions[0].started, ended.sessions[1].finished)
    assert ended.plugins == (plugin, changed)
    assert (ended.complete, ended.content) == (True, ContentFacts({"scores.parquet": "00"}))
    assert all(one.software.packages["numpy"] for one in ended.sessions)


def test_faces_and_clips_of_a_run_are_those_of_its_version(tmp_path: Path) -> None:
    of_now = {"clips": identity_of(CLIPS), "prepare": identity_of(PREPARE)}
    tests = {"datasets": {"dfd": {}, "b": {"dataset": "dfdc"}}, "margins": {"b": 0.4}}
    run = StoredRun(tmp_path, record_of(of_now, **tests))
    assert run.prepare_spec() == PREPARE
    assert run.clips_of("dfd") == CLIPS
    assert run.clips_of("dfdc").margin == 0.4
    before = StoredRun(tmp_path, RunRecord.parse(FIRST))
    assert (before.prepare_spec().tracking, before.clips_of("dfd").cropping) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clips", {}),
        ("clips", {"frames": 2, "size": 16, "sampling": "odd"}),
        ("clips", {**FIRST["clips"], "colours": 3}),
        ("clips", {**FIRST["clips"], "frames": 0}),
        ("prepare", {}),
        ("prepare", {"frames": 3}),
        ("prepare", {**FIRST["prepare"], "max_size": -1}),
    ],
)
def test_faces_that_this_version_does_not_know_are_no_crash(name: str, value: object, tmp_path: Path) -> None:
    run = StoredRun(tmp_path, record_of(FIRST, **{name: value}))
    with pytest.raises(StoreError, match=rf"run\.json is damaged: its {name} cannot be used"):
        _ = run.clips_of("dfd") if name == "clips" else run.prepare_spec()


def test_a_record_that_names_no_pooling_gives_no_figures(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not say how scores are pooled"):
        _ = StoredRun(tmp_path, record_of()).pooling
