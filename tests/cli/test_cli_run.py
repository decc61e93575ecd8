"""The main job through the real entry point, on the small demo corpora."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dfbench_fakestormer.checkpoints import Header, network_config, write_weights
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

Run = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = Path(sys.executable).with_name("dfbench")
DATASETS = {"celeb_df_v2", "dfdc", "dfd"}


@pytest.fixture
def dfbench(shared_cache: Path, tmp_path: Path) -> Run:
    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DFBENCH_CACHE": str(shared_cache),
            "DFBENCH_RUNS": str(tmp_path / "runs"),
        }
        return subprocess.run(
            [PROGRAM, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, **variables},
        )

    return call


CHANCE = ("run", "--detector", "chance", "--data", "demo", "--size", "small")


@pytest.mark.slow
def test_chance_on_the_small_demo_corpora(dfbench: Run, tmp_path: Path) -> None:
    first = dfbench(*CHANCE, "--json")
    assert first.returncode == 0, first.stderr
    rows = pd.DataFrame(json.loads(first.stdout))
    assert set(rows["dataset"]) >= DATASETS
    whole = rows[(rows["manipulation"] == "all") & rows["dataset"].isin(DATASETS)]
    assert (whole["coverage"] > 0.9).all()
    assert set(whole["corpus"]) == {"demo-small"}
    (folder,) = (tmp_path / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "complete"
    scores = pd.read_parquet(folder / "scores.parquet")
    assert scores.groupby("dataset")["video_id"].nunique().to_dict() == {
        name: info["videos"] for name, info in record["datasets"].items()
    }
    stamp = (folder / "scores.parquet").stat().st_mtime_ns
    second = dfbench(*CHANCE)
    assert second.returncode == 0, second.stderr
    assert "nothing to compute" in second.stderr
    assert (folder / "scores.parquet").stat().st_mtime_ns == stamp
    other_seed = dfbench(*CHANCE, "--seed", "1")
    assert other_seed.returncode == 0, other_seed.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 2
    board = dfbench("leaderboard")
    assert board.returncode == 0, board.stderr
    assert "demo-small" in board.stdout
    assert "chance" in board.stdout


@pytest.mark.slow
def test_another_precision_is_another_entry(dfbench: Run, tmp_path: Path) -> None:
    refused = dfbench(*CHANCE, "--precision", "bf16")
    assert refused.returncode == 2
    assert "detector 'chance' cannot score with --precision bf16" in refused.stderr
    assert "it offers: 32" in refused.stderr
    untrained = ("run", "-d", "fakestormer-untrained", "--data", "demo", "--size", "small", "--only", "dfd")
    for precision in ("32", "int8"):
        done = dfbench(*untrained, "--precision", precision)
        assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/run.json")]
    full, quantised = sorted(records, key=lambda record: "precision" in record)
    assert full["entry"] == "fakestormer-untrained (seed 0)"
    assert (quantised["entry"], quantised["precision"]) == ("fakestormer-untrained (int8, seed 0)", "int8")
    assert full["identity"] != quantised["identity"]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_scores(
    dfbench: Run, shared_cache: Path, tmp_path: Path
) -> None:
    whole = dfbench(*CHANCE, DFBENCH_RUNS=str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    environment = {**os.environ, "DFBENCH_CACHE": str(shared_cache), "DFBENCH_RUNS": str(tmp_path / "killed")}
    running = subprocess.Popen(
        [PROGRAM, *CHANCE], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while running.poll() is None and not list((tmp_path / "killed").glob("*/scores/*.parquet")):
        pass
    running.send_signal(signal.SIGKILL)
    running.communicate()
    again = dfbench(*CHANCE, DFBENCH_RUNS=str(tmp_path / "killed"))
    assert again.returncode == 0, again.stderr
    expected, found = (
        pd.read_parquet(next((tmp_path / name).glob("*/scores.parquet")))
        .drop(columns="seconds")
        .sort_values(["dataset", "video_id", "clip"], ignore_index=True)
        for name in ("whole", "killed")
    )
    pd.testing.assert_frame_equal(found, expected)
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "killed").glob("*/run.json"))
    first, second = record["sessions"]
    assert (record["started"], record["environment"]) == (first["started"], first["environment"])
    assert (bool(first["finished"]), bool(second["finished"])) == (False, True)  # the first was killed
    assert first["started"] < second["started"] < second["finished"] == record["finished"]
    for session in (first, second):
        assert (session["device"], session["threads"]) == ("cpu", 1)
        assert session["environment"]["packages"]["torch"] == metadata.version("torch")


@pytest.mark.slow
def test_a_missing_video_keeps_its_row_and_lowers_coverage(
    dfbench: Run, shared_cache: Path, tmp_path: Path
) -> None:
    made = dfbench("data", "demo", "--size", "small")
    assert made.returncode == 0, made.stderr
    roots = dict(line.split("\t") for line in made.stdout.splitlines())
    copy = tmp_path / "celeb"
    subprocess.run(["cp", "-r", roots["celeb_df_v2"], copy], check=True)
    victim = next((copy / "Celeb-real").glob("*.mp4"))
    victim.unlink()
    config = tmp_path / "dfbench.toml"
    config.write_text(f'[data.roots]\nceleb_df_v2 = "{copy}"\n', encoding="utf-8")
    checked = dfbench("data", "check", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert checked.returncode == 1
    assert victim.name in checked.stdout
    ended = dfbench("run", "--detector", "chance", "--only", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert ended.returncode == 3, ended.stderr
    assert "coverage" in ended.stderr or "scored" in ended.stderr
    scores = pd.read_parquet(next((tmp_path / "runs").glob("*/scores.parquet")))
    assert (scores.loc[scores["video_id"].str.contains(victim.stem), "status"] == "missing").all()


@pytest.mark.slow
def test_a_file_that_is_replaced_is_scored_anew(dfbench: Run, tmp_path: Path) -> None:
    made = dfbench("data", "demo", "--size", "small")
    assert made.returncode == 0, made.stderr
    root = dict(line.split("\t") for line in made.stdout.splitlines())["celeb_df_v2"]
    copy = tmp_path / "celeb"
    shutil.copytree(root, copy)
    config = tmp_path / "dfbench.toml"
    config.write_text(f'[data.roots]\nceleb_df_v2 = "{copy}"\n', encoding="utf-8")
    command = ("run", "--detector", "chance", "--only", "celeb_df_v2")
    own = {"DFBENCH_CONFIG": str(config), "DFBENCH_CACHE": str(tmp_path / "cache")}
    assert dfbench(*command, **own).returncode == 0
    victim, other = sorted((copy / "Celeb-real").glob("*.mp4"))[:2]
    shutil.copyfile(other, victim)
    again = dfbench(*command, **own)
    assert again.returncode == 0, again.stderr
    assert "nothing to compute" not in again.stderr
    runs = [pd.read_parquet(folder / "scores.parquet") for folder in (tmp_path / "runs").iterdir()]
    assert len(runs) == 2
    scores = [
        run[run["video_id"] == f"Celeb-real/{victim.stem}"]["logit"].sort_index().tolist() for run in runs
    ]
    assert scores[0] != scores[1]
    rest = [run[run["video_id"] != f"Celeb-real/{victim.stem}"]["logit"].sum() for run in runs]
    assert rest[0] == pytest.approx(rest[1])


@pytest.mark.slow
def test_given_weights_take_the_released_margins_and_no_other_field(dfbench: Run, tmp_path: Path) -> None:
    recipe = load_recipe(
        "demo", {"size": "32", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    )
    weights = tmp_path / "weights.safetensors"
    net = FakeSTormerNet(network_config(recipe), seed=2)
    write_weights(weights, net.state_dict(), Header(recipe, ("ffpp",), "c23", {}))
    command = ("run", "-d", "fakestormer", "--weights", str(weights), "--data", "demo", "--size", "small")
    done = dfbench(*command, "--only", "dfd", "--set", "test_margins=released")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").glob("*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert "test_margins=released" in record["entry"]
    assert record["margins"] == {"dfd": pytest.approx(0.25 - 1.5 * 13 / 256)}
    refused = dfbench(*command, "--set", "lr=1e-4")
    assert refused.returncode == 2
    assert "--set lr=... cannot change weights" in refused.stderr
    assert "what may be set for them: test_margins" in refused.stderr


@pytest.mark.slow
def test_weights_that_carry_no_recipe_are_scored_and_explained_by_one(dfbench: Run, tmp_path: Path) -> None:
    weights, read_by = tmp_path / "authors.pth", {"size": "32", "width": "24", "depth": "1", "heads": "2"}
    recipe = load_recipe("base_c23", read_by | {"size": "64"})
    torch.save({"state_dict": FakeSTormerNet(network_config(recipe), seed=2).state_dict()}, weights)
    data = ("--data", "demo", "--size", "small", "--only", "dfd")
    command = ("run", "-d", "fakestormer", "--weights", str(weights), *data)
    fields = [part for field, value in read_by.items() for part in ("--set", f"{field}={value}")]
    unfit = dfbench(*command)
    assert unfit.returncode == 1
    assert "--recipe base_c23 --set size=64 --set width=24 --set depth=1 --set heads=HEADS" in unfit.stderr
    lone = dfbench(*command, *fields)
    assert lone.returncode == 2
    assert "or, if they carry no recipe, name it: --recipe NAME" in lone.stderr
    done = dfbench(*command, "--recipe", "base_c23", *fields)
    assert done.returncode == 0, done.stderr
    (path,) = (one.with_name("run.json") for one in (tmp_path / "runs").glob("*/scores.parquet"))
    record = json.loads(path.read_text(encoding="utf-8"))
    assert "released base_c23 with size=32 width=24 depth=1 heads=2" in record["entry"]
    assert "positions resized to 2 x 2" in record["training"]["source"]
    assert record["clips"]["size"] == 32
    scores = pd.read_parquet(path.parent / "scores.parquet")
    video_id = scores.loc[scores["status"] == "ok", "video_id"].iloc[0]
    of_run = ("explain", "--run", path.parent.name, "--video", f"dfd/{video_id}", "--map", "heatmap")
    explained = dfbench(*of_run, "--weights", str(weights))
    assert explained.returncode == 0, explained.stderr
    (folder,) = (tmp_path / "runs" / "explanations").iterdir()
    with np.load(folder / "evidence.npz") as arrays:
        assert arrays["map_heatmap"].shape[1:] == (2, 2)


ONE_MINUTE = ("epochs=2", "size=64", "width=32", "depth=1", "heads=2", "train_crop=96", "batch=4")


@pytest.mark.slow
def test_training_at_a_compression_that_is_not_there_says_what_is(dfbench: Run) -> None:
    small = ("train", "-d", "fakestormer", "--data", "demo", "--size", "small")
    absent = dfbench(*small, "--compression", "c0")
    assert absent.returncode == 1
    assert "raw" in absent.stderr
    assert "use --compression c23" in absent.stderr
    unknown = dfbench(*small, "--compression", "c32")
    assert unknown.returncode == 2
    assert "did you mean" in unknown.stderr


@pytest.mark.slow
def test_the_main_job_from_files_to_leaderboard(dfbench: Run, shared_cache: Path, tmp_path: Path) -> None:
    recipe = [part for field in ONE_MINUTE for part in ("--set", field)]
    command = ("run", "-d", "fakestormer", "-d", "fakestormer-untrained", "-d", "chance", *recipe)
    first = dfbench(*command, "--data", "demo", "--size", "small")
    assert first.returncode == 0, first.stderr
    assert "training it now" in first.stderr
    (weights,) = (shared_cache / "weights" / "fakestormer").glob("demo-demo-small-*/weights.safetensors")
    stamp = weights.stat().st_mtime_ns
    assert len((weights.parent / "log.csv").read_text(encoding="utf-8").splitlines()) > 2

    folders = {path.name.split("-cross-dataset")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert set(folders) == {"fakestormer", "fakestormer-untrained", "chance"}
    record = json.loads((folders["fakestormer"] / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "complete"
    assert record["trained_on"] == ["ffpp"]
    assert record["clips"]["size"] == 64
    scores = {name: pd.read_parquet(folder / "scores.parquet") for name, folder in folders.items()}
    videos = {name: set(zip(t["dataset"], t["video_id"], strict=True)) for name, t in scores.items()}
    assert videos["fakestormer"] == videos["fakestormer-untrained"] == videos["chance"]
    trained = scores["fakestormer"]
    assert trained.loc[trained["status"] == "ok", "logit"].nunique() > 10  # it tells clips apart

    second = dfbench(*command, "--data", "demo", "--size", "small")
    assert second.returncode == 0, second.stderr
    assert second.stderr.count("nothing to compute") == 3
    assert second.stdout == first.stdout
    assert weights.stat().st_mtime_ns == stamp

    refused = dfbench(*command, "--data", "demo", "--size", "small", "--seed", "1", DFBENCH_RUNS="/proc")
    assert refused.returncode == 1
    assert "no run can be stored in the folder of runs /proc" in refused.stderr
    assert "training it now" not in refused.stderr

    board = dfbench("leaderboard", "--json")
    assert board.returncode == 0, board.stderr
    (rows,) = json.loads(board.stdout).values()
    assert len(rows) == 3
    assert dfbench("leaderboard").returncode == 0
    written = tmp_path / "runs" / "leaderboards" / "cross-dataset-demo-small"
    assert {"leaderboard.csv", "leaderboard.parquet", "leaderboard.png"} <= {
        p.name for p in written.iterdir()
    }


@pytest.mark.slow
def test_a_training_on_two_devices_is_one_command(dfbench: Run) -> None:
    fields = [part for field in (*ONE_MINUTE[1:], "epochs=1") for part in ("--set", field)]
    command = ("train", "-d", "fakestormer", "--data", "demo", "--size", "small", "--device", "cpu", *fields)
    first = dfbench(*command, "--devices", "2")
    assert first.returncode == 0, first.stderr
    weights = Path(first.stdout.splitlines()[-1])
    assert weights.is_file()
    assert sorted(path.name for path in weights.parent.iterdir()) == [
        "dfbench-training.json",
        "log.csv",
        "tensorboard",
        "weights.safetensors",
    ]
    again = dfbench(*command)  # how many devices there were is no part of what was trained
    assert again.returncode == 0, again.stderr
    assert "using the weights trained before" in again.stderr
    assert Path(again.stdout.splitlines()[-1]) == weights
