"""`dfbench runs`: list, show, verify, export."""

from __future__ import annotations

import getpass
import json
import platform
import shutil
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import celeb, score_without_work
from tests.stored_records import json_of, seal

import dfbench as public
from dfbench.errors import UsageError
from dfbench.results.boards.stored import collect
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.score_table import read_scores

RUN = ("run", "-d", "chance", "--only", "celeb_df_v2")
HOST, USER, KERNEL = "gpu-17.secret.example", "mallory", "6.1.0-18-secret"


@pytest.fixture
def runs(dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one run, `chance`, on twelve reals and twelve fakes, of which two have no face."""
    root = celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(root))
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(platform, "release", lambda: KERNEL)
    score_without_work(
        monkeypatch,
        failed=lambda video: str(video.path).endswith(("Celeb-real/id0_0000.mp4", "id1_id2_0000.mp4")),
        reason=lambda video: f"{video.path}: no face; {USER}@{HOST} keeps more in /mnt/{USER}/x.mp4",
    )
    assert dfbench(*RUN, "--min-coverage", "0").code == 0
    return tmp_path / "runs"


@pytest.fixture
def run(runs: Path) -> Path:
    (folder,) = runs.iterdir()
    return folder


def test_a_run_is_shown_with_every_measure(dfbench: Dfbench, run: Path) -> None:
    ended = dfbench("runs", "show", run.name, "--by", "compression")
    assert ended.code == 0, ended.err
    assert f"{run.name}: chance (seed 0)" in ended.out
    assert "detector:  chance, without weights" in ended.out
    assert "protocol:  cross-dataset on the corpus mine" in ended.out
    assert ended.out.count("session:") == 1
    assert "pAUC 10 %" in ended.out
    assert "log loss" in ended.out
    told = json.loads(dfbench("runs", "show", run, "--json").out)
    (row,) = told["measures"]
    assert (row["test"], row["scored_real"], row["scored_fake"]) == ("celeb_df_v2", 11, 11)
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    assert told["problems"] == []
    assert dfbench("runs", "show", run.name, "--by", "colour").code == 2
    record = run / "run.json"
    record.write_text(record.read_text().replace("chance (seed 0)", "better (seed 0)"))
    ended = dfbench("runs", "show", run.name)
    assert ended.code == 0
    assert "not to be trusted: run.json was changed" in ended.err


def change_scores(run: Path, **changes: Any) -> None:
    table = pq.read_table(run / "scores.parquet")
    changed = table.from_pandas(
        table.to_pandas().assign(**changes), schema=table.schema, preserve_index=False
    )
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), run / "scores.parquet")


def without_manifest(run: Path, **changes: Any) -> None:
    """Make a run one of an earlier version."""
    record = {**json_of(run), **changes}
    for name in ("content", "record_sha256"):
        record.pop(name)
    for name in ("manifest.parquet", "scores.sha256"):
        (run / name).unlink()
    (run / "run.json").write_text(json.dumps(record))


def test_runs_are_listed(dfbench: Dfbench, runs: Path, run: Path) -> None:
    (runs / "damaged").mkdir()
    (runs / "damaged" / "run.json").write_text("{")
    ended = dfbench("runs", "list")
    assert ended.code == 0
    assert run.name in ended.out
    assert "damaged: " in ended.out
    listed = json.loads(dfbench("runs", "list", "--json").out)
    assert [(one["run"], one["status"]) for one in listed] == [
        (run.name, "complete"),
        ("damaged", "unreadable"),
    ]
    table = public.list_runs(runs)
    assert table["entry"].tolist() == ["chance (seed 0)", ""]
    assert dfbench("runs", "list", "--runs", runs / "empty").code == 0
    assert public.list_runs(runs / "empty").empty


def test_a_run_that_follows_is_verified_with_its_data(dfbench: Dfbench, run: Path) -> None:
    ended = dfbench("runs", "verify", "--json")
    assert ended.code == 0, ended.err
    (verified,) = json.loads(ended.out)
    assert (verified["state"], verified["problems"], verified["notes"]) == ("follows", [], [])
    assert verified["checked"] == [
        "record",
        "identity",
        "manifest.parquet",
        "files.json",
        "scores.parquet",
        "list of videos",
        "files",
        "scores",
        "table",
        "table.csv",
        "data",
    ]
    assert public.verify_runs(run)["state"].tolist() == ["follows"]


def test_verified_runs_fit_a_terminal(dfbench: Dfbench, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ended = dfbench("runs", "verify", run.name[:12])
    assert ended.code == 0
    assert "no proof against a forger" in ended.out
    assert "1 runs: 1 follows" in ended.out


def test_what_does_not_follow_ends_with_1_and_is_named(
    dfbench: Dfbench, runs: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, runs / "good")
    (run / "table.csv").write_text("auc\n5\n")
    ended = dfbench("runs", "verify")
    assert ended.code == 1
    assert f"{run.name}: table.csv was changed since it was written" in ended.out
    assert "of 2 runs: 1 follows, 1 does not follow" in ended.err
    change_scores(run, label=1)
    (runs / "damaged").mkdir()
    (runs / "damaged" / "run.json").write_text("[]")
    table = public.verify_runs().set_index("run")
    assert table["state"].to_dict() == {
        run.name: "does not follow",
        "damaged": "unreadable",
        "good": "follows",
    }
    assert "scores.parquet was changed since the run ended" in str(table.loc[run.name, "problems"])
    assert dfbench("runs", "verify", runs / "good").code == 0
    assert dfbench("runs", "verify", tmp_path / "nothing").code == 2
    assert dfbench("runs", "verify", "--runs", tmp_path / "nothing").code == 1


def test_what_was_not_finished_is_said_and_no_fault(dfbench: Dfbench, run: Path) -> None:
    seal(run, {**json_of(run), "status": "failed", "error": "no power"})
    (verified,) = json.loads(dfbench("runs", "verify", "--json").out)
    assert (verified["state"], verified["notes"]) == ("unfinished", ["failed: no power"])
    change_scores(run, seconds=1.0)
    (verified,) = json.loads(dfbench("runs", "verify", "--json").out)
    assert verified["state"] == "does not follow"
    assert verified["problems"] == ["scores.parquet was changed since it was written"]


def test_labels_and_files_are_compared_with_the_data_at_hand(
    dfbench: Dfbench, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "celeb" / "List_of_testing_videos.txt"
    whole = listed.read_text()
    listed.write_text("\n".join(whole.splitlines()[1:]))  # of which the first video is none of the test split
    refused = dfbench("runs", "verify")
    assert refused.code == 1
    assert "celeb_df_v2 at hand says otherwise of Celeb-real/id0_0000 (split)" in refused.out
    listed.write_text(whole)
    (tmp_path / "celeb" / "Celeb-real" / "id3_0000.mp4").write_bytes(b"another file")
    (verified,) = json.loads(dfbench("runs", "verify", "--json").out)
    assert verified["state"] == "follows"
    assert verified["notes"] == ["celeb_df_v2 at hand has other files than were scored: Celeb-real/id3_0000"]
    listed.write_text("\n".join(whole.splitlines()[1:]))
    without_manifest(run)
    assert "says otherwise of Celeb-real/id0_0000 (split)" in dfbench("runs", "verify").out
    listed.write_text(whole)
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2")
    (verified,) = json.loads(dfbench("runs", "verify", "--json").out)
    assert verified["state"] == "no manifest"
    assert verified["notes"][1:] == ["the data are not at hand: labels and groups are as the run has them"]


def test_an_exported_run_follows_and_tells_nothing_of_the_machine(
    dfbench: Dfbench, runs: Path, run: Path, tmp_path: Path
) -> None:
    (run / "notes of mallory.txt").write_text("mine")
    ended = dfbench("runs", "export", tmp_path / "given", run.name)
    assert ended.code == 0, ended.err
    copy = tmp_path / "given" / run.name
    assert f"wrote {copy}" in ended.out
    for what in ("the paths of videos and masks", "what is no part of a run: 1 in its folder"):
        assert f"left out: {what}" in ended.out
    assert sorted(file.name for file in copy.iterdir()) == [
        "files.json",
        "manifest.parquet",
        "run.json",
        "scores.parquet",
        "table.csv",
        "table.parquet",
    ]
    for secret in (HOST, USER, KERNEL, str(tmp_path), "/mnt/"):
        for file in copy.iterdir():
            assert secret.encode() not in file.read_bytes(), (secret, file)
    assert not read_scores(copy)["reason"].str.contains(USER).any()
    (found,) = collect(copy.parent, Setup())
    assert (found.problem, found.notes) == ("", ())
    assert public.verify_runs(copy)["state"].tolist() == ["follows"]
    pd.testing.assert_frame_equal(pd.read_csv(copy / "table.csv"), pd.read_csv(run / "table.csv"))
    record, original = json_of(copy), json_of(run)
    assert record["identity"] == original["identity"]
    assert record["left_out"]
    (again,) = public.export_runs(tmp_path / "again", copy)
    assert json_of(again)["left_out"] == record["left_out"]


def test_a_run_of_an_earlier_version_is_exported_without_its_folders(
    dfbench: Dfbench, run: Path, tmp_path: Path
) -> None:
    change_scores(run, reason=f"/home/{USER}/celeb/1.mp4 on {HOST}")
    kernel = {"platform": f"Linux-{KERNEL}-x86_64-with-glibc2.36", "python": "3.11"}
    sessions = [{**one, "environment": kernel} for one in json_of(run)["sessions"]]
    without_manifest(run, environment=kernel, sessions=sessions)
    assert dfbench("runs", "export", tmp_path / "given").code == 0
    copy = tmp_path / "given" / run.name
    for secret in (HOST, USER, KERNEL):
        for file in copy.iterdir():
            assert secret.encode() not in file.read_bytes(), (secret, file)
    assert set(read_scores(copy)["reason"]) == {".../1.mp4 on <host>"}
    assert json_of(copy)["environment"]["platform"] == "Linux x86_64 (glibc2.36)"
    (verified,) = json.loads(dfbench("runs", "verify", copy, "--json").out)
    assert verified["state"] == "no manifest"


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    dfbench: Dfbench, run: Path, tmp_path: Path
) -> None:
    refused = dfbench("runs", "export", run)
    assert refused.code == 2
    assert "is a run itself" in refused.err
    shutil.copytree(run, tmp_path / "other" / run.name)
    with pytest.raises(UsageError, match="two runs are called"):
        public.export_runs(tmp_path / "given", run, tmp_path / "other" / run.name)
    seal(run, {**json_of(run), "status": "running"})
    assert "is not complete" in dfbench("runs", "export", tmp_path / "given").err
    (run / "run.json").write_text((tmp_path / "other" / run.name / "run.json").read_text())
    change_scores(run, label=1)
    assert "does not follow from its record" in dfbench("runs", "export", tmp_path / "given").err
    assert not (tmp_path / "given").exists()
