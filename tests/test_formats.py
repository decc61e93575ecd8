"""Files of a later format are refused with the version to install, and left as they are."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dfbench.data.store.face_files import SUFFIX, read_faces, read_origin, write_faces
from dfbench.errors import NewerFormatError, StoreError, WeightsError
from dfbench.formats import WRITTEN_BY, refuse_newer
from dfbench.results.boards.stored import collect
from dfbench.results.tables import read_table, write_table
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.listing import listed_runs
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_manifest import read_manifest, write_table_of_videos
from dfbench.runs.records.score_files import score_table, write_scores
from dfbench.runs.records.score_table import read_scores
from dfbench.runs.records.trained import TRAINING_FILE, finished_weights, trained_weights
from dfbench.training.recipe import Recipe
from dfbench.training.weights_file import WEIGHTS, read_header
from dfbench.version import VERSION

LATER = "7.1.0"
INSTALL = f"install dfbench {LATER}, which wrote it, or a later one:   pip install 'dfbench-harness>={LATER}'"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parent / "historic" / "017e8e7", tmp_path / "home"))


def run_of(home: Path) -> Path:
    return next((home / "runs").glob("chance-*"))


def training_of(home: Path) -> Path:
    return next((home / "cache" / "weights" / "fakestormer").iterdir())


def later_json(path: Path) -> Path:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    content |= {"schema": 2, "environment": {"dfbench": LATER}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def later_parquet(path: Path, kind: str) -> Path:
    table = pq.read_table(path)
    marks = {**table.schema.metadata, f"dfbench.{kind}".encode(): b"99", WRITTEN_BY.encode(): LATER.encode()}
    pq.write_table(table.replace_schema_metadata(marks), path)
    return path


def later_faces(path: Path) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("format-99", LATER)
    return path


def later_weights(path: Path) -> Path:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        metadata = {**file.metadata(), "version": "99", WRITTEN_BY: LATER}
    save_file(tensors, path, metadata)
    return path


def header_of(path: Path) -> object:
    return read_header(path, family="fakestormer", parse=Recipe.parse, hints=("train anew",))


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "run": (lambda home: later_json(run_of(home) / "run.json"), lambda path: RunRecord.read(path.parent)),
    "scores": (
        lambda home: later_parquet(run_of(home) / "scores.parquet", "scores"),
        lambda path: read_scores(path.parent),
    ),
    "videos": (
        lambda home: later_parquet(run_of(home) / "manifest.parquet", "manifest"),
        lambda path: read_manifest(path.parent),
    ),
    "table": (lambda home: later_parquet(run_of(home) / "table.parquet", "table"), read_table),
    "faces": (lambda home: later_faces(next(home.rglob(f"*{SUFFIX}"))), read_faces),
    "origin of faces": (
        lambda home: later_faces(next(home.rglob(f"*{SUFFIX}"))),
        lambda path: read_origin(path, whole=True),
    ),
    "training": (
        lambda home: later_json(training_of(home) / TRAINING_FILE),
        lambda path: finished_weights(path.parent),
    ),
    "weights": (lambda home: later_weights(training_of(home) / WEIGHTS), header_of),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_format_says_what_to_install(home: Path, kind: str) -> None:
    make, read = KINDS[kind]
    path = make(home)
    content = path.read_bytes()
    with pytest.raises(WeightsError if kind == "weights" else NewerFormatError) as caught:
        read(path)
    assert str(path) in caught.value.message
    assert f"and dfbench {VERSION} reads formats up to" in caught.value.message
    assert caught.value.hints[0] == INSTALL
    assert path.read_bytes() == content


def test_a_run_of_a_later_format_is_listed_with_what_to_do_and_hides_no_other(home: Path) -> None:
    later_json(run_of(home) / "run.json")
    later, *others = listed_runs(home / "runs")
    assert later.status == "unreadable"
    assert "of format 2" in later.problem
    assert [one.status for one in others] == ["complete", "failed"]
    found = collect(home / "runs", Setup(cache=home / "cache"))
    assert ["of format 2" in one.problem for one in found] == [True, False, False]


def test_weights_of_a_later_dfbench_hide_no_others(home: Path) -> None:
    training = training_of(home)
    shutil.copytree(training, training.with_name("other"))
    later_json(training / TRAINING_FILE)
    assert trained_weights(home / "cache", "fakestormer") == [training.with_name("other") / WEIGHTS]


@pytest.mark.parametrize("writer", ["", None, VERSION, "; rm -rf", "1" * 50, b"\xff"])
def test_who_does_not_say_who_wrote_it_gets_the_latest(writer: object) -> None:
    with pytest.raises(NewerFormatError) as caught:
        refuse_newer(Path("a"), "a file", found=b"3", known=2, written_by=writer)
    assert caught.value.hints == ("install a later dfbench:   pip install --upgrade dfbench-harness",)


@pytest.mark.parametrize("found", [None, "", "2", 2, b"1", "x", True, -3, 2.5, "9" * 10, [3]])
def test_what_is_no_later_format_is_left_to_who_reads_it(found: object) -> None:
    refuse_newer(Path("a"), "a file", found=found, known=2)


def test_files_say_which_dfbench_wrote_them(home: Path, tmp_path: Path) -> None:
    folder, new = run_of(home), tmp_path / "new"
    new.mkdir()
    write_scores(score_table([]), new / "scores.parquet", run=new)
    manifest = read_manifest(folder)
    assert manifest is not None
    write_table_of_videos(new, manifest)
    write_table(read_table(folder / "table.parquet"), new)
    for name in ("scores", "manifest", "table"):
        assert pq.read_schema(new / f"{name}.parquet").metadata[WRITTEN_BY.encode()] == VERSION.encode()
    pd.testing.assert_frame_equal(read_table(new / "table.parquet"), read_table(folder / "table.parquet"))
    before = next(home.rglob(f"*{SUFFIX}"))
    write_faces(new / "a.faces", read_faces(before))
    with zipfile.ZipFile(new / "a.faces") as archive:
        assert archive.read("format-3").decode() == VERSION
    assert read_origin(new / "a.faces", whole=True) == read_origin(before, whole=True)
    (new / "a.faces").write_bytes((new / "a.faces").read_bytes()[:-9])
    with pytest.raises(StoreError, match="is damaged"):
        read_faces(new / "a.faces")
