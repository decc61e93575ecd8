"""Several detectors in one command: each video is decoded once for all of them, and each is scored as if it were alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.command import Dfbench
from tests.cli.toy_lab import FITTED
from tests.cli.toy_several import FAULTS, WISHES, Counts, Sharp, open_several
from torch import Tensor

import dfbench as dfbench_api
from dfbench import open_run
from dfbench.errors import CoverageWarning, RunError
from dfbench.runs.records.facts import Enlargement
from dfbench.runs.records.score_table import read_scores


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counts:
    return open_several(tmp_path / "videos", monkeypatch)


def of(*detectors: str) -> list[str]:
    return [word for name in detectors for word in ("-d", name)]


def test_faces_for_several_detectors_are_decoded_and_searched_once(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", "--split", "test")
    ended = dfbench(*what, *of(*WISHES, "plain"))
    assert ended.code == 0, ended.err
    told = [line.split("\t")[:3] for line in ended.out.splitlines()]
    assert told[:3] == [[name, "ok", "6"] for name in WISHES]
    assert [line[1] for line in told[3:]] == ["boxes"]  # one table: all are served by the sharpest faces
    assert counts.decoded == {str(number): 1 for number in range(4, 10)}
    assert len(counts.searched) == 6 * 2
    assert set(counts.searched.values()) == {1}
    counts.clear()
    for name in WISHES:
        assert dfbench(*what, *of(name)).code == 0
        assert dfbench("data", "status", "folder", "--split", "test", *of(name)).out.startswith("ok\t6\n")
    assert not counts.decoded


def test_shares_for_several_detectors_are_of_videos(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", *of("plain", "lab"))
    for share, numbers in (("1/2", "02468"), ("2/2", "13579")):
        counts.clear()
        ended = dfbench(*what, "--set", "frames=2", "--shard", share)
        assert (ended.code, ended.out) == (0, "plain\tok\t5\nlab\tok\t5\n"), ended.err
        assert counts.decoded == dict.fromkeys(numbers, 1)


def test_preparing_for_several_detectors_refuses_what_is_of_one(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", *of("plain", "pair"))
    for option, value, words in (
        ("--weights", "x.pt", "--weights x.pt is of one detector, and there are 2: plain, pair"),
        ("--recipe", "plain", "cannot be trained, and has no recipe"),
    ):
        ended = dfbench(*what, option, value)
        assert (ended.code, words in " ".join(ended.err.split())) == (2, True), ended.err
    assert not counts.decoded


ONE = ("--dataset", "folder")
SIDE = "side by side"


def scored(folder: str) -> dict[str, pd.DataFrame]:
    """What is stored of each run in a folder of runs, by its name, without the time that it took."""
    return {run.name: read_scores(run).drop(columns="seconds") for run in sorted(Path(folder).iterdir())}


def require_equal(runs: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> None:
    assert runs.keys() == others.keys()
    for name, scores in runs.items():
        pd.testing.assert_frame_equal(scores, others[name], check_exact=True)


def test_each_of_several_is_scored_as_if_it_were_alone(dfbench: Dfbench, counts: Counts) -> None:
    ended = dfbench("run", *of(*WISHES), *ONE, DFBENCH_RUNS="together")
    assert ended.code == 0, ended.err
    assert counts.decoded == {str(number): 1 for number in range(4, 10)}
    assert set(counts.searched.values()) == {1}
    for name in WISHES:
        alone = dfbench("run", *of(name), *ONE, DFBENCH_RUNS="alone", DFBENCH_CACHE=name)
        assert (alone.code, SIDE in alone.out) == (0, False)
    require_equal(scored("together"), scored("alone"))
    assert len(scored("together")) == len(WISHES)
    counts.clear()
    again = dfbench("run", *of(*WISHES), *ONE, DFBENCH_RUNS="together")
    assert again.err.count("this run is complete, nothing to compute") == len(WISHES)
    assert not counts.decoded
    *_, table = again.out.partition(SIDE)
    assert all(name in table for name in WISHES)
    assert sum(line.startswith("stored in ") for line in again.out.splitlines()) == len(WISHES)


def test_one_that_fails_harms_no_other_and_is_told_at_the_end(dfbench: Dfbench, counts: Counts) -> None:
    del counts
    FAULTS["sharp"] = ZeroDivisionError("the fault")
    ended = dfbench("run", *of(*WISHES), *ONE, "--json")
    assert ended.code == 1
    assert {row["detector"] for row in json.loads(ended.out)} == {"plain", "pair"}
    assert "error: not scored: sharp" in ended.err
    assert "  | sharp: the detector failed: ZeroDivisionError: the fault" in ended.err
    FAULTS.clear()
    ended = dfbench("run", *of(*WISHES), *ONE, "--json")
    assert ended.code == 0
    assert len({row["entry"] for row in json.loads(ended.out)}) == len(WISHES)


def test_what_is_interrupted_goes_on(dfbench: Dfbench, counts: Counts) -> None:
    what = ("run", *of(*WISHES), *ONE)
    FAULTS["sharp"] = KeyboardInterrupt()
    assert dfbench(*what, DFBENCH_RUNS="cut").code == 130
    assert [name.split("-")[0] for name in scored("cut")] == ["plain"]
    FAULTS.clear()
    counts.clear()
    ended = dfbench(*what, DFBENCH_RUNS="cut")
    assert (ended.code, ended.err.count("nothing to compute")) == (0, 1), ended.err
    assert not counts.decoded
    assert dfbench(*what, DFBENCH_RUNS="whole").code == 0
    require_equal(scored("cut"), scored("whole"))


def test_all_are_those_that_can_be_scored_with_what_is_here(dfbench: Dfbench, counts: Counts) -> None:
    what = ("run", "-d", "all", "-p", "own-splits")
    ended = dfbench(*what)
    assert ended.code == 0, ended.err
    assert "absent is left out: " in ended.out
    assert "not_installed_anywhere" in ended.out
    assert "lab is left out: detector 'lab' is not trained yet" in ended.out
    assert all(name in ended.out.partition(SIDE)[2] for name in WISHES)
    assert counts.decoded == {str(number): 1 for number in range(4, 10)}
    assert dfbench("train", "-d", "lab", "-p", "own-splits").code == 0
    ended = dfbench(*what, "--json")
    assert {row["detector"] for row in json.loads(ended.out)} == {*WISHES, "lab"}
    assert "absent is left out: " in ended.err


def test_those_that_are_named_are_trained_first(
    dfbench: Dfbench, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__FOLDER")
    what = ("-p", "own-splits", "--data", "toys")
    assert dfbench("run", "-d", "all", *what).code == 0
    assert not FITTED.exists()
    counts.clear()
    ended = dfbench("run", *of("plain", "lab"), "-d", "all", *what, "--json")
    assert ended.code == 0, ended.err
    assert [row["detector"] for row in json.loads(ended.out)[::2]] == ["plain", "lab", "pair", "sharp"]
    assert FITTED.read_text() == "fit\n"
    assert counts.decoded == {str(number): 1 for number in range(4)}  # the others were


def test_weights_of_several_are_told_apart(dfbench: Dfbench, counts: Counts) -> None:
    del counts
    Path("lab.json").write_text('{"frames": 1, "scale": 2}')
    for detectors, given, words in (
        (("plain", "lab"), ("lab.json",), "of several detectors, it must be told whose they are"),
        (("plain", "lab"), ("labs=lab.json",), "--weights labs=lab.json: there is no --detector labs"),
        (("plain", "lab"), ("lab=a", "lab=b"), "--weights lab=... is given twice"),
        (("all",), ("lab.json",), "not with --detector all"),
    ):
        ended = dfbench("run", *of(*detectors), *ONE, *(word for one in given for word in ("--weights", one)))
        assert (ended.code, words in ended.err) == (2, True), ended.err
    what = (*ONE, "-p", "own-test", "--json")
    together = dfbench(
        "run", *of("plain", "lab"), *what, "--weights", "lab=lab.json", DFBENCH_RUNS="together"
    )
    assert together.code == 0, together.err
    for name, weights in (("plain", ()), ("lab", ("--weights", "lab.json"))):
        assert dfbench("run", *of(name), *what, *weights, DFBENCH_RUNS="alone").code == 0
    require_equal(scored("together"), scored("alone"))


def test_several_are_scored_from_python(counts: Counts) -> None:
    with pytest.warns(CoverageWarning) as told:
        table = dfbench_api.run("all", dataset="folder")
    assert [str(one.message).split(":")[0] for one in told][:2] == ["absent is left out", "lab is left out"]
    # Its training set is that of a protocol of papers' datasets, which are not here.
    assert "detector 'lab' is not trained, and cannot be here: " in str(told[1].message)
    assert set(table["detector"]) == set(WISHES)
    assert table.groupby("detector")["run"].nunique().tolist() == [1] * len(WISHES)
    assert counts.decoded == {str(number): 1 for number in range(4, 10)}
    FAULTS["pair"] = ZeroDivisionError("the fault")
    with pytest.raises(RunError, match="not scored: pair"), pytest.warns(CoverageWarning):
        dfbench_api.run(["plain", "pair"], dataset="folder", force=True)


def test_a_run_tells_how_far_its_crops_were_enlarged(
    dfbench: Dfbench, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A face of 48 px, shown with a tenth around it on 448 px, and with a quarter around it on 16 px."""
    del counts
    with monkeypatch.context() as patch:
        left, score = iter(range(4)), Sharp.score

        def cut(self: Sharp, clips: Tensor) -> Tensor:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return score(self, clips)

        patch.setattr(Sharp, "score", cut)
        assert dfbench("run", *of("plain", "sharp"), *ONE).code == 130
    ended = dfbench("run", *of("plain", "sharp"), *ONE)
    assert ended.code == 0, ended.err
    told = "crops were enlarged up to 7.78 times (median 7.78; 12 crops of 6 videos)"
    assert f"sharp: folder: {told}" in " ".join(ended.err.split())
    assert "plain: folder" not in " ".join(ended.err.split())
    plain, sharp = sorted(Path(os.environ["DFBENCH_RUNS"]).iterdir())
    assert open_run(sharp).record.tests["folder"].enlargement == Enlargement(
        7.7778, 7.7778, 12, 6
    )  # 448 / (1.2 * 48)
    assert f"folder: {told}" in dfbench("runs", "show", sharp).out
    assert "folder: none of 12 crops of 6 videos was enlarged" in dfbench("runs", "show", plain).out
    shown = json.loads(dfbench("runs", "show", plain, "--json").out)
    assert shown["enlargement"]["folder"]["largest"] == pytest.approx(16 / 72, abs=1e-4)
    verified = dfbench("runs", "verify")
    assert verified.code == 0, verified.out
