"""run.json, read and written in one place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfbench.errors import StoreError
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import (
    FILES,
    LOCK,
    MANIFEST,
    NAME,
    REPLACED,
    SUMS,
    make_folder,
    read_files,
    refuse_unusable,
    refuse_unwritable,
    remove_run,
    run_folders,
    set_aside,
    write_files,
)

RECORD = {"detector": {"name": "net"}, "entry": "net \u00e9 (seed 0)"}
NET = RunRecord.made(RECORD)


def test_written_and_read_back(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "runs" / "a")
    written = RunRecord.made({**RECORD, "clips": {"frames": (1, Path("a"))}, "score": float("nan")}).write(
        folder
    )
    assert written.to_json() == {
        **RECORD,
        "clips": {"frames": [1, "a"]},
        "score": None,
        "record_sha256": written.digest(),
    }
    assert RunRecord.read(folder) == written
    assert written.told_digest == written.digest()
    assert RunRecord.made({**written.to_json(), "entry": "other"}).digest() != written.digest()
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert list(run_folders(tmp_path / "runs")) == [folder]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schema": 1}',
        b'{"detector": 3}',
        b'{"detector": {"name": ""}}',
        b"\x00",
        b"\xff\xfe",
        b"[" * 50_000,
    ],
)
def test_whatever_is_damaged_names_the_file_and_the_ways_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json is damaged") as caught:
        RunRecord.read(tmp_path)
    assert str(tmp_path / "run.json") in caught.value.message
    assert "what was scored already is kept" in caught.value.hints[0]
    assert str(tmp_path) in caught.value.hints[1]


def test_what_is_no_file_is_told_apart_from_what_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file") as caught:
        RunRecord.read(tmp_path)
    assert caught.value.hints == (f"is {tmp_path} the folder of a run?",)
    (tmp_path / "run.json").mkdir()
    with pytest.raises(StoreError, match="it is a folder"):
        RunRecord.read(tmp_path)


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/runs", "file/a/b"):
        with pytest.raises(StoreError, match="file: a file, not a folder"):
            refuse_unusable(tmp_path / place)
        with pytest.raises(StoreError, match="cannot be made"):
            make_folder(tmp_path / place)
    with pytest.raises(StoreError, match="cannot write"):
        NET.write(tmp_path / "file")
    assert list(run_folders(tmp_path / "file")) == list(run_folders(tmp_path / "absent")) == []
    refuse_unusable(tmp_path / "new" / "runs")
    assert not (tmp_path / "new").exists()


def test_a_run_without_scores_is_removed_and_nothing_else_with_it(tmp_path: Path) -> None:
    for name in ("empty", "kept"):
        NET.write(make_folder(tmp_path / name))
        (tmp_path / name / "scores").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    remove_run(tmp_path / "empty")
    remove_run(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "notes.txt").read_text() == "mine"


HOSTILE = ["/abs", "/../../../X", "..", "", "a b", "nul", "x" * 65, "\u043efficial", "a\0", 3, None, ["x"]]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_with_a_name_that_is_none_is_damaged(tmp_path: Path, name: object) -> None:
    key = name if isinstance(name, str) else f"{name}/"
    records: list[dict[str, object]] = [
        {"corpus": name},
        {"protocol": name},
        {"detector": {"name": name}},
        {"prepare": {"finder": name}},
        {"datasets": {key: {}}},
        {"training_corpora": [name]},
    ]
    for fields in records:
        (tmp_path / "run.json").write_text(json.dumps({"detector": {"name": "chance"}, **fields}))
        with pytest.raises(StoreError, match=r"run\.json is damaged") as caught:
            RunRecord.read(tmp_path)
        assert caught.value.message.isascii()
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["/abs", "..", "a b"])
def test_the_test_of_a_dataset_names_a_dataset(tmp_path: Path, name: str) -> None:
    known = {"detector": {"name": "chance"}, "protocol": f"dataset:{name}:test"}
    (tmp_path / "run.json").write_text(json.dumps(known))
    with pytest.raises(StoreError, match="its protocol is"):
        RunRecord.read(tmp_path)
    known["protocol"] = "dataset:folder:../some split:c40"  # splits are free text
    (tmp_path / "run.json").write_text(json.dumps(known))
    assert RunRecord.read(tmp_path).to_json() == known


def test_a_run_is_made_in_the_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="does not lie below"):
        make_folder(tmp_path / "runs" / "linked")


@pytest.mark.parametrize("other", ["", "notes.txt", "scores/part-00000.parquet"])
def test_of_a_run_without_scores_every_file_that_is_ours_goes(tmp_path: Path, other: str) -> None:
    run = tmp_path / "run"
    (run / "scores").mkdir(parents=True)
    for name in (NAME, FILES, MANIFEST, SUMS, LOCK, *([other] if other else [])):
        (run / name).touch()
    remove_run(run)
    left = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert left == ([other] if other else [])
    assert run.exists() is bool(other)


def test_what_cannot_be_moved_aside_is_told_and_stays(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    assert set_aside(run) is None
    run.mkdir(parents=True)
    (run / NAME).touch()
    (run.parent / REPLACED).touch()  # a file where the folder should be
    with pytest.raises(StoreError, match="cannot move"):
        set_aside(run)
    assert (run / NAME).exists()
    (run.parent / REPLACED).unlink()
    first = set_aside(run)
    run.mkdir()
    second = set_aside(run)
    assert first is not None
    assert second is not None
    assert first != second  # one is kept for each time
    assert (first / NAME).exists()


def test_runs_are_listed_by_name_and_other_things_left_out(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    for name in ("b", "a"):
        (tmp_path / name / NAME).touch()
    (tmp_path / "run.json").touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / NAME).symlink_to(tmp_path / "nowhere")  # reading it will say what is wrong
    assert [run.name for run in run_folders(tmp_path)] == ["a", "b", "d"]
    assert list(run_folders(tmp_path / "run.json")) == list(run_folders(tmp_path / "gone")) == []


def test_fingerprints_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    files = {("toy", "a"): ("1", "2"), ("toy", "b"): ("3",)}
    write_files(tmp_path, [{("toy", "a"): ("1", "2")}, {("toy", "b"): ("3",)}])
    assert read_files(tmp_path) == files
    for content in ("{", "[[1]]", "[3]", "3", '{"a": 1}'):
        (tmp_path / FILES).write_text(content)
        assert read_files(tmp_path) == {}
    (tmp_path / FILES).unlink()
    assert read_files(tmp_path) == {}


def test_a_folder_of_runs_that_cannot_be_used_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for refuse in (refuse_unusable, refuse_unwritable):
        refuse(tmp_path / "new" / "runs")
        with pytest.raises(StoreError, match="folder of runs") as caught:
            refuse(tmp_path / "file" / "runs")
        assert "set `runs` in dfbench.toml" in caught.value.hints[0]
    assert not (tmp_path / "new").exists()
