from __future__ import annotations

from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

from dfbench.results.published import DEEPFAKEBENCH, PAPERS, published_results

FOLDER = Path(__file__).parent.parent.parent / "results" / "published"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return published_results()


def test_every_published_row_is_there(table: pd.DataFrame) -> None:
    assert table["file"].value_counts().to_dict() == {DEEPFAKEBENCH: 621, PAPERS: 401}
    assert table["value"].between(0, 1).all()
    assert (table["source"] != "").all()
    assert set(table["status"]) == {
        "verified_primary",
        "verified_issue",
        "secondary_quoted",
        "secondary_transcribed",
        "source_cited",
    }
    assert not table.drop(columns="year").isna().to_numpy().any()


def test_percent_and_fraction_meet(table: pd.DataFrame) -> None:
    chosen = table[(table["detector"] == "FakeSTormer") & (table["test_dataset"] == "CDF2")]
    row = chosen[(chosen["train_compression"] == "c23") & (chosen["metric"] == "AUC")].iloc[0]
    assert (row["value"], row["printed"]) == (pytest.approx(0.924), 92.4)
    meso = table[(table["detector"] == "Meso4") & (table["file"] == DEEPFAKEBENCH)].iloc[0]
    assert (meso["value"], meso["train_compression"]) == (0.6077, "c23")


def test_a_level_that_was_not_printed_is_empty(table: pd.DataFrame) -> None:
    effort = table[table["source"].str.contains("level not printed")]
    assert len(effort) == 221
    assert set(effort["level"]) == {""}


def test_statuses_are_documented(table: pd.DataFrame) -> None:
    text = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"`{status}`" in text for status in set(table["status"]))


@pytest.mark.parametrize("name", [PAPERS, DEEPFAKEBENCH])
def test_the_package_ships_the_files_of_the_checkout(name: str) -> None:
    shipped = resources.files("dfbench.results").joinpath("published", name)
    assert shipped.read_bytes() == (FOLDER / name).read_bytes()
