"""The main job through the real entry point, on the small demo corpora."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.cli.command import Dfbench
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

DATASETS = {"celeb_df_v2", "dfdc", "dfd"}
DEMO = ("--data", "demo", "--size", "small")
CHANCE = ("run", "--detector", "chance", *DEMO)
# Kills its own process when the first shard of scores is on disk, as a machine that loses its power.
KILLED = """
import os, signal, sys
from pathlib import Path
from dfbench.cli import main
replace = os.replace
def replace_and_die(source, target):
    replace(source, target)
    if Path(target).match("scores/*.parquet"):
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace_and_die
sys.argv[0] = "dfbench"
main()
"""


def test_chance_on_the_small_demo_corpora(on_demo: Dfbench, tmp_path: Path) -> None:
    first = on_demo(*CHANCE, "--json")
    assert first.code == 0, first.err
    rows = pd.DataFrame(json.loads(first.out))
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
    second = on_demo(*CHANCE)
    assert second.code == 0, second.err
    assert "nothing to compute" in second.err
    assert (folder / "scores.parquet").stat().st_mtime_ns == stamp
    other_seed = on_demo(*CHANCE, "--seed", "1")
    assert other_seed.code == 0, other_seed.err
    assert len(list((tmp_path / "runs").iterdir())) == 2
    board = on_demo("leaderboard")
    assert board.code == 0, board.err
    assert "demo-small" in board.out
    assert "chance" in board.out


def test_another_precision_is_another_entry(on_demo: Dfbench, tmp_path: Path) -> None:
    refused = on_demo(*CHANCE, "--precision", "bf16")
    assert refused.code == 2
    assert "detector 'chance' cannot score with --precision bf16" in refused.err
    assert "it offers: 32" in refused.err
    untrained = ("run", "-d", "fakestormer-untrained", *DEMO, "--only", "dfd")
    for precision in ("32", "int8"):
        done = on_demo(*untrained, "--precision", precision)
        assert done.code == 0, done.err
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/run.json")]
    full, quantised = sorted(records, key=lambda record: "precision" in record)
    assert full["entry"] == "fakestormer-untrained (seed 0)"
    assert (quantised["entry"], quantised["precision"]) == ("fakestormer-untrained (int8, seed 0)", "int8")
    assert full["identity"] != quantised["identity"]


def test_a_killed_run_goes_on_and_ends_with_the_same_scores(on_demo: Dfbench, tmp_path: Path) -> None:
    whole = on_demo(*CHANCE, DFBENCH_RUNS=str(tmp_path / "whole"))
    assert whole.code == 0, whole.err
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *CHANCE],
        env={**os.environ, "DFBENCH_RUNS": str(tmp_path / "killed")},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((tmp_path / "killed").glob("*/scores/*.parquet"))
    again = on_demo(*CHANCE, DFBENCH_RUNS=str(tmp_path / "killed"))
    assert again.code == 0, again.err
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


def test_a_missing_video_keeps_its_row_and_lowers_coverage(
    on_demo: Dfbench, demo_roots: Mapping[str, Path], tmp_path: Path
) -> None:
    made = on_demo("data", "demo", "--size", "small")
    assert made.code == 0, made.err
    assert f"celeb_df_v2\t{demo_roots['celeb_df_v2']}\n" in made.out
    copy = Path(shutil.copytree(demo_roots["celeb_df_v2"], tmp_path / "celeb"))
    victim = next((copy / "Celeb-real").glob("*.mp4"))
    victim.unlink()
    config = tmp_path / "dfbench.toml"
    config.write_text(f'[data.roots]\nceleb_df_v2 = "{copy}"\n', encoding="utf-8")
    checked = on_demo("data", "check", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert checked.code == 1
    assert victim.name in checked.out
    ended = on_demo("run", "--detector", "chance", "--only", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert ended.code == 3, ended.err
    assert "fewer than 95 % of the expected videos were scored: " in ended.err
    scores = pd.read_parquet(next((tmp_path / "runs").glob("*/scores.parquet")))
    assert (scores.loc[scores["video_id"].str.contains(victim.stem), "status"] == "missing").all()


def test_a_file_that_is_replaced_is_scored_anew(
    on_demo: Dfbench, demo_roots: Mapping[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(demo_roots["celeb_df_v2"], tmp_path / "celeb"))
    config = tmp_path / "dfbench.toml"
    config.write_text(f'[data.roots]\nceleb_df_v2 = "{copy}"\n', encoding="utf-8")
    command = ("run", "--detector", "chance", "--only", "celeb_df_v2")
    own = {"DFBENCH_CONFIG": str(config), "DFBENCH_CACHE": str(tmp_path / "cache")}
    assert on_demo(*command, **own).code == 0
    victim, other = sorted((copy / "Celeb-real").glob("*.mp4"))[:2]
    shutil.copyfile(other, victim)
    again = on_demo(*command, **own)
    assert again.code == 0, again.err
    assert "nothing to compute" not in again.err
    runs = [pd.read_parquet(folder / "scores.parquet") for folder in (tmp_path / "runs").iterdir()]
    assert len(runs) == 2
    scores = [
        run[run["video_id"] == f"Celeb-real/{victim.stem}"]["logit"].sort_index().tolist() for run in runs
    ]
    assert scores[0] != scores[1]
    rest = [run[run["video_id"] != f"Celeb-real/{victim.stem}"]["logit"].sum() for run in runs]
    assert rest[0] == pytest.approx(rest[1])


def test_given_weights_take_the_released_margins_and_no_other_field(on_demo: Dfbench, tmp_path: Path) -> None:
    recipe = load_recipe(
        "demo", {"size": "32", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    )
    weights = tmp_path / "weights.safetensors"
    net = FakeSTormerNet(network_config(recipe), seed=2)
    write_weights(weights, net.state_dict(), Header(recipe, ("ffpp",), "c23", {}))
    command = ("run", "-d", "fakestormer", "--weights", str(weights), *DEMO)
    done = on_demo(*command, "--only", "dfd", "--set", "test_margins=released")
    assert done.code == 0, done.err
    (path,) = (tmp_path / "runs").glob("*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert "test_margins=released" in record["entry"]
    assert record["margins"] == {"dfd": pytest.approx(0.25 - 1.5 * 13 / 256)}
    refused = on_demo(*command, "--set", "lr=1e-4")
    assert refused.code == 2
    assert "--set lr=... cannot change weights" in refused.err
    assert "what may be set for them: test_margins" in refused.err


def test_weights_that_carry_no_recipe_are_scored_and_explained_by_one(
    on_demo: Dfbench, tmp_path: Path
) -> None:
    weights, read_by = tmp_path / "authors.pth", {"size": "32", "width": "24", "depth": "1", "heads": "2"}
    recipe = load_recipe("base_c23", read_by | {"size": "64"})
    torch.save({"state_dict": FakeSTormerNet(network_config(recipe), seed=2).state_dict()}, weights)
    command = ("run", "-d", "fakestormer", "--weights", str(weights), *DEMO, "--only", "dfd")
    fields = [part for field, value in read_by.items() for part in ("--set", f"{field}={value}")]
    unfit = on_demo(*command)
    assert unfit.code == 1
    assert "--recipe base_c23 --set size=64 --set width=24 --set depth=1 --set heads=HEADS" in unfit.err
    lone = on_demo(*command, *fields)
    assert lone.code == 2
    assert "or, if they carry no recipe, name it: --recipe NAME" in lone.err
    done = on_demo(*command, "--recipe", "base_c23", *fields)
    assert done.code == 0, done.err
    (path,) = (one.with_name("run.json") for one in (tmp_path / "runs").glob("*/scores.parquet"))
    record = json.loads(path.read_text(encoding="utf-8"))
    assert "released base_c23 with size=32 width=24 depth=1 heads=2" in record["entry"]
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert f", unverified weights {sha256[:8]}, " in record["entry"]
    assert record["detector"]["recipe"].startswith("released base_c23 with")  # the identity is that of before
    assert "unverified" not in record["detector"]["recipe"]
    assert "positions resized to 2 x 2" in record["training"]["source"]
    assert record["clips"]["size"] == 32
    scores = pd.read_parquet(path.parent / "scores.parquet")
    video_id = scores.loc[scores["status"] == "ok", "video_id"].iloc[0]
    of_run = ("explain", "--run", path.parent.name, "--video", f"dfd/{video_id}", "--map", "heatmap")
    explained = on_demo(*of_run, "--weights", str(weights))
    assert explained.code == 0, explained.err
    (folder,) = (tmp_path / "runs" / "explanations").iterdir()
    with np.load(folder / "evidence.npz") as arrays:
        assert arrays["map_heatmap"].shape[1:] == (2, 2)


ONE_MINUTE = ("epochs=2", "size=64", "width=32", "depth=1", "heads=2", "train_crop=96", "batch=4")


def test_training_at_a_compression_that_is_not_there_says_what_is(on_demo: Dfbench) -> None:
    small = ("train", "-d", "fakestormer", *DEMO)
    absent = on_demo(*small, "--compression", "c0")
    assert absent.code == 1
    assert "raw" in absent.err
    assert "use --compression c23" in absent.err
    unknown = on_demo(*small, "--compression", "c32")
    assert unknown.code == 2
    assert "did you mean" in unknown.err


def test_the_main_job_from_files_to_leaderboard(on_demo: Dfbench, shared_cache: Path, tmp_path: Path) -> None:
    recipe = [part for field in ONE_MINUTE for part in ("--set", field)]
    command = ("run", "-d", "fakestormer", "-d", "fakestormer-untrained", "-d", "chance", *recipe)
    first = on_demo(*command, *DEMO)
    assert first.code == 0, first.err
    assert "training it now" in first.err
    folders = {path.name.split("-cross-dataset")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert set(folders) == {"fakestormer", "fakestormer-untrained", "chance"}
    record = json.loads((folders["fakestormer"] / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "complete"
    (weights,) = (
        path
        for path in (shared_cache / "weights" / "fakestormer").glob("demo-demo-small-*/weights.safetensors")
        if hashlib.sha256(path.read_bytes()).hexdigest() == record["detector"]["weights_sha256"]
    )
    stamp = weights.stat().st_mtime_ns
    assert len((weights.parent / "log.csv").read_text(encoding="utf-8").splitlines()) > 2
    assert record["trained_on"] == ["ffpp"]
    assert record["clips"]["size"] == 64
    scores = {name: pd.read_parquet(folder / "scores.parquet") for name, folder in folders.items()}
    videos = {name: set(zip(t["dataset"], t["video_id"], strict=True)) for name, t in scores.items()}
    assert videos["fakestormer"] == videos["fakestormer-untrained"] == videos["chance"]
    trained = scores["fakestormer"]
    assert trained.loc[trained["status"] == "ok", "logit"].nunique() > 10  # it tells clips apart

    second = on_demo(*command, *DEMO)
    assert second.code == 0, second.err
    assert second.err.count("nothing to compute") == 3
    assert second.out == first.out
    assert weights.stat().st_mtime_ns == stamp

    refused = on_demo(*command, *DEMO, "--seed", "1", DFBENCH_RUNS="/proc")
    assert refused.code == 1
    assert "no run can be stored in the folder of runs /proc" in refused.err
    assert "training it now" not in refused.err

    board = on_demo("leaderboard", "--json")
    assert board.code == 0, board.err
    (rows,) = json.loads(board.out).values()
    assert len(rows) == 3
    assert on_demo("leaderboard").code == 0
    written = tmp_path / "runs" / "leaderboards" / "cross-dataset-demo-small"
    assert {"leaderboard.csv", "leaderboard.parquet", "leaderboard.png"} <= {
        p.name for p in written.iterdir()
    }


def test_a_training_on_two_devices_is_one_command(on_demo: Dfbench) -> None:
    fields = [part for field in (*ONE_MINUTE[1:], "epochs=1") for part in ("--set", field)]
    command = ("train", "-d", "fakestormer", *DEMO, "--device", "cpu", *fields)
    first = on_demo(*command, "--devices", "2")
    assert first.code == 0, first.err
    weights = Path(first.out.splitlines()[-1])
    assert weights.is_file()
    assert sorted(path.name for path in weights.parent.iterdir()) == [
        "dfbench-training.json",
        "log.csv",
        "tensorboard",
        "weights.safetensors",
    ]
    again = on_demo(*command)  # how many devices there were is no part of what was trained
    assert again.code == 0, again.err
    assert "using the weights trained before" in again.err
    assert Path(again.out.splitlines()[-1]) == weights
