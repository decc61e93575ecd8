"""What weights say they were trained on, from their header to the mark on the board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.cli.command import Dfbench
from tests.cli.made_scores import celeb, score_without_work
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny weights, Celeb-DF to score them on, and no work to do it."""
    monkeypatch.setenv(
        "DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12)))
    )
    score_without_work(monkeypatch)
    changes = {"size": "32", "patch": "16", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    recipe = load_recipe("demo", changes)
    path = tmp_path / "weights.safetensors"
    provenance = {"identity": {"corpus": "mine", "seed": 3}}
    state = FakeSTormerNet(network_config(recipe)).state_dict()
    write_weights(path, state, Header(recipe, ("ffpp",), "c23", provenance))
    return path


def said(weights: Path, trained_on: object) -> Path:
    """The weights with a header that says this; returns their path."""
    with safe_open(weights, framework="pt") as file:
        header = file.metadata()
    save_file(load_file(weights), weights, {**header, "trained_on": json.dumps(trained_on)})
    return weights


def run(dfbench: Dfbench, weights: Path) -> tuple[int, str]:
    ended = dfbench(
        "run", "-d", "fakestormer", "--weights", weights, "--dataset", "celeb_df_v2", "--min-coverage", "0"
    )
    return ended.code, " ".join(ended.err.split())


@pytest.mark.slow
def test_an_alias_keeps_the_mark_and_an_unknown_name_the_rank(dfbench: Dfbench, weights: Path) -> None:
    assert run(dfbench, said(weights, ["CDF2", "FF++/c40"]))[0] == 0
    code, told = run(dfbench, said(weights, ["celeb-df v2", "mystery"]))
    assert code == 0
    assert "it says that it was trained on 'mystery', as no dataset here is called" in told
    records = [json.loads(path.read_text()) for path in Path("runs").glob("*/run.json")]
    assert sorted(tuple(one["trained_on"]) for one in records) == [
        ("celeb_df_v2", "ffpp"),
        ("celeb_df_v2", "mystery"),
    ]
    assert sorted(one["training_unknown"] for one in records) == [[], ["mystery"]]
    ended = dfbench("leaderboard", "--dataset", "celeb_df_v2", "--json")
    board = {row["trained_on"]: row for row in json.loads(ended.out)["mine"]}
    assert {name: row["section"] for name, row in board.items()} == {
        "celeb_df_v2+ffpp": "ranked",
        "celeb_df_v2+unknown": "training data unknown",
    }
    assert [row["celeb_df_v2_cross"] for row in board.values()] == [False, False]
    assert [row["entry"].partition("(")[2].split(", ")[1] for row in board.values()] == [
        "celeb_df_v2+ffpp/c23 of the mine corpus",
        "celeb_df_v2+unknown data/c23 of the mine corpus",
    ]
    assert "\u2020" in dfbench("leaderboard", "--dataset", "celeb_df_v2").out


def test_what_is_no_list_of_names_is_refused_before_anything_is_scored(
    dfbench: Dfbench, weights: Path
) -> None:
    for wrong in ("CDF2", None, {"CDF2": 1}, ["CDF2", 3]):
        code, told = run(dfbench, said(weights, wrong))
        assert (code, '"trained_on" is no list of names' in told) == (1, True)
    assert not list(Path("runs").glob("*/run.json"))
