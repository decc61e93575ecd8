from __future__ import annotations

import errno
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.stored_records import record_of

from dfbench.errors import StoreError, UsageError
from dfbench.results.renderings.run_table import render_table
from dfbench.results.table_notes import warnings_of
from dfbench.results.tables import ALL, COLUMNS, MEAN, read_table, result_table, write_table
from dfbench.runs.records.score_table import sigmoid

META: Mapping[str, Any] = {
    "detector": {"name": "frame", "version": "1"},
    "entry": "frame (demo, ffpp/c23, seed 0)",
    "protocol": "cross-dataset",
    "corpus": "demo",
    "trained_on": ["ffpp"],
}


def videos(**datasets: Mapping[str, int]) -> pd.DataFrame:
    """So many scored videos of each manipulation ("real" too) of each dataset."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "dataset": dataset,
            "video_id": f"{manipulation}/{number:03d}",
            "label": int(manipulation != "real"),
            "manipulation": manipulation,
            "group": f"id{number % 20}",
            "logit": rng.normal() + (manipulation != "real"),
        }
        for dataset, parts in datasets.items()
        for manipulation, count in parts.items()
        for number in range(count)
    ]
    table = pd.DataFrame(rows)
    score = sigmoid(table["logit"].to_numpy(dtype=np.float64))
    return table.assign(score=score, status="ok", reason="", face_frames=32, wanted_frames=32)


def fail(table: pd.DataFrame, chosen: pd.Series[bool], status: str = "no_face") -> pd.DataFrame:
    table = table.copy()
    table.loc[chosen, ["logit", "score"]] = math.nan
    table.loc[chosen, "status"] = status
    return table


def row_of(table: pd.DataFrame, dataset: str, manipulation: str = ALL) -> dict[str, Any]:
    found = table[(table["dataset"] == dataset) & (table["manipulation"] == manipulation)].to_dict("records")
    assert len(found) == 1
    return {str(key): value for key, value in found[0].items()}


@pytest.fixture(scope="module")
def two() -> pd.DataFrame:
    return videos(dfdc={"real": 40, "swap": 40, "reenact": 30}, dfd={"real": 30, "swap": 40})


def test_how_often_the_face_is_there_stands_in_the_table(two: pd.DataFrame) -> None:
    """Of what was scored; and scored videos that seldom show the face are noted."""
    some = two.copy()
    ids = some.index[some["dataset"] == "dfd"]
    some.loc[ids[:2], "face_frames"] = 16
    some.loc[ids[2:4], "face_frames"] = [15, 4]
    some = fail(some, some.index == ids[3])
    some.loc[ids[4], ["face_frames", "wanted_frames"]] = -1  # of a run from before
    table = result_table(some, record=record_of(META))
    whole = row_of(table, "dfd")
    assert whole["face_share"] == pytest.approx((65 * 32 + 2 * 16 + 15) / (68 * 32))
    assert "1 scored video has the face in less than half of the frames" in whole["note"]
    assert any("less than half of the frames" in one for one in warnings_of(table))
    other = row_of(table, "dfdc")
    assert (other["face_share"], other["note"]) == (1.0, "")
    assert row_of(table, MEAN)["face_share"] == pytest.approx((whole["face_share"] + 1) / 2)
    unknown = result_table(two.drop(columns=["face_frames", "wanted_frames"]), record=record_of(META))
    assert unknown["face_share"].isna().all()


def test_rows_and_numbers(two: pd.DataFrame) -> None:
    table = result_table(two, record=record_of(META))
    assert tuple(table.columns) == COLUMNS
    named = list(zip(table["dataset"], table["manipulation"], strict=True))
    assert named == [
        ("dfdc", ALL),
        ("dfdc", "swap"),
        ("dfdc", "reenact"),
        ("dfd", ALL),
        ("dfd", "swap"),
        (MEAN, ALL),
    ]
    part = two[(two["dataset"] == "dfdc") & (two["manipulation"] != "swap")]
    row = row_of(table, "dfdc", "reenact")
    assert row["auc"] == pytest.approx(roc_auc_score(part["label"], part["logit"]))
    assert row["ap"] == pytest.approx(average_precision_score(part["label"], part["logit"]))
    assert row["prevalence"] == pytest.approx(30 / 70)
    assert row["accuracy"] == pytest.approx(((part["score"] >= 0.5) == part["label"]).mean())
    assert (row["n_real"], row["n_fake"], row["coverage"]) == (40, 30, 1.0)
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    assert row["auc_if_missing_worst"] == row["auc_if_missing_best"] == row["auc"]
    assert (row["level"], row["interval"], row["threshold_source"]) == ("video", "clusters", "fixed 0.5")
    assert (row["detector"], row["entry"], row["corpus"]) == ("frame", META["entry"], "demo")
    assert table["cross_dataset"].tolist() == [True] * 6


def test_mean_row(two: pd.DataFrame) -> None:
    table = result_table(two, record=record_of(META))
    mean, parts = row_of(table, MEAN), [row_of(table, name) for name in ("dfdc", "dfd")]
    assert mean["auc"] == pytest.approx(np.mean([part["auc"] for part in parts]))
    assert mean["n_fake"] == 110
    widths = [row["auc_high"] - row["auc_low"] for row in [mean, *parts]]
    # Errors of independent datasets add in quadrature.
    assert widths[0] == pytest.approx(math.hypot(widths[1], widths[2]) / 2, rel=0.1)


def test_no_mean_over_less_than_everything(two: pd.DataFrame) -> None:
    one = two[two["dataset"] == "dfd"]
    assert MEAN not in set(result_table(one, record=record_of(META))["dataset"])
    expected = {**META, "datasets": {"dfd": {}, "celeb_df_v2": {}}}
    table = result_table(one, record=record_of(expected))
    assert MEAN not in set(table["dataset"])
    row = row_of(table, "celeb_df_v2")
    assert (row["n_real"], row["n_fake"], row["note"]) == (0, 0, "nothing scored")
    assert math.isnan(row["auc"])


def test_failed_videos_are_counted_and_bounded(two: pd.DataFrame) -> None:
    lost = fail(two, (two["dataset"] == "dfd") & two["video_id"].isin(["swap/000", "swap/001", "real/000"]))
    table = result_table(lost, record=record_of(META))
    row = row_of(table, "dfd")
    assert (row["n_real"], row["n_fake"], row["n_failed_real"], row["n_failed_fake"]) == (30, 40, 1, 2)
    assert row["coverage"] == pytest.approx(67 / 70)
    assert row["note"] == "not scored: 1 real, 2 fake"
    of_dfd = lost[lost["dataset"] == "dfd"]
    worst = of_dfd["logit"].fillna(of_dfd["label"].map({0: 1e9, 1: -1e9}))
    assert row["auc_if_missing_worst"] == pytest.approx(roc_auc_score(of_dfd["label"], worst))
    assert row["auc_if_missing_worst"] < row["auc"] < row["auc_if_missing_best"]
    assert row_of(table, "dfdc")["coverage"] == 1.0


def test_a_class_without_scores_is_shown_and_not_dropped(two: pd.DataFrame) -> None:
    lost = fail(two, (two["dataset"] == "dfd") & (two["label"] == 0))
    table = result_table(lost, record=record_of(META))
    row = row_of(table, "dfd")
    assert all(
        math.isnan(row[name]) for name in ("auc", "auc_low", "auc_high", "ap", "eer", "balanced_accuracy")
    )
    assert row["note"] == "not scored: 30 real, 0 fake; no real scored"
    assert (row["auc_if_missing_worst"], row["auc_if_missing_best"]) == (0.0, 1.0)
    assert MEAN not in set(table["dataset"])


def test_constant_scores_are_called_out(two: pd.DataFrame) -> None:
    table = result_table(two.assign(logit=0.25, score=0.56), record=record_of(META))
    assert set(table["note"]) == {"constant scores"}
    assert set(table["auc"]) == {0.5}
    assert "warning: dfdc: constant scores" in text_of(table)


def test_separated_classes_are_called_out(two: pd.DataFrame) -> None:
    table = result_table(
        two.assign(logit=two["label"] * 2.0 - 1 + two["logit"] * 1e-3), record=record_of(META)
    )
    row = row_of(table, "dfd")
    assert row["note"] == "classes separated: the interval counts identities alone"
    assert row["auc"] == row["auc_high"] == 1.0
    assert 0.5 < row["auc_low"] < 0.95


def test_saturated_scores_are_ranked_by_their_logits(two: pd.DataFrame) -> None:
    shifted = two.assign(logit=two["logit"] + 100, score=1.0)
    assert (
        row_of(result_table(shifted, record=record_of(META)), "dfd")["auc"]
        == row_of(result_table(two, record=record_of(META)), "dfd")["auc"]
    )


@pytest.mark.parametrize(
    ("trained_on", "cross"),
    [(None, [None, None, None]), ([], [True, True, True]), (["dfd"], [True, False, False])],
)
def test_cross_dataset_is_only_claimed_when_known(
    two: pd.DataFrame, trained_on: list[str] | None, cross: list[bool | None]
) -> None:
    table = result_table(two, record=record_of({**META, "trained_on": trained_on}))
    whole = table[table["manipulation"] == ALL]["cross_dataset"]
    assert [None if pd.isna(value) else bool(value) for value in whole] == cross


def test_an_interval_does_not_depend_on_other_datasets(two: pd.DataFrame) -> None:
    alone = result_table(two[two["dataset"] == "dfd"], record=record_of(META))
    both = result_table(two, record=record_of(META))
    pd.testing.assert_frame_equal(alone, both[both["dataset"] == "dfd"].reset_index(drop=True))
    other = result_table(two, record=record_of(META), seed=1)
    assert row_of(other, "mean")["auc_low"] != row_of(both, "mean")["auc_low"]


def test_an_only_manipulation_has_the_numbers_of_the_whole(two: pd.DataFrame) -> None:
    table = result_table(two, record=record_of(META))
    whole, swap = row_of(table, "dfd"), row_of(table, "dfd", "swap")
    assert {**whole, "manipulation": "swap"} == swap


def test_lacking_facts_of_the_run_are_named(two: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="entry, corpus"):
        result_table(two, record=record_of({"detector": META["detector"], "protocol": "p"}))


def test_written_and_read_back(two: pd.DataFrame, tmp_path: Path) -> None:
    table = result_table(two, record=record_of({**META, "trained_on": None}))
    csv, parquet = write_table(table, tmp_path / "run")
    pd.testing.assert_frame_equal(read_table(parquet), table)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet)[["auc"]], table[["auc"]])
    assert pd.read_csv(csv)["auc"].tolist() == pytest.approx(table["auc"].tolist())
    assert sorted(path.name for path in csv.parent.iterdir()) == ["table.csv", "table.parquet"]


def test_a_foreign_or_damaged_table_is_refused(two: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"auc": [1.0]}).to_parquet(path)
    with pytest.raises(StoreError, match="no dfbench table"):
        read_table(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="cannot be read"):
        read_table(path)
    with pytest.raises(StoreError, match="cannot be read"):
        read_table(tmp_path / "absent.parquet")


def test_a_full_disk_keeps_the_old_table(
    two: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = result_table(two, record=record_of(META), draws=20)
    write_table(table, tmp_path)

    def full(content: Any, where: Path) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(StoreError, match="No space left"):
        write_table(table, tmp_path)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), table)
    assert len(list(tmp_path.iterdir())) == 2


def text_of(table: pd.DataFrame) -> str:
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(render_table(table))
    return console.export_text()


def test_rendered_table_says_what_it_shows(two: pd.DataFrame) -> None:
    lost = fail(two, two["video_id"] == "real/000")
    text = text_of(result_table(lost, record=record_of({**META, "trained_on": ["dfd"]})))
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    for part in (
        "corpus: demo",
        "level: video",
        "source identities",
        "reenact",
        "had the missing scored worst or best",
    ):
        assert part in text
    assert "not cross-dataset, trained on it: dfd" in text
    unknown = text_of(result_table(two, record=record_of({**META, "trained_on": None})))
    assert "no result here counts as cross-dataset" in unknown


def test_tables_of_several_entries_fit(two: pd.DataFrame) -> None:
    both = [
        result_table(two, record=record_of({**META, "entry": name}), draws=50)
        for name in ("fakestormer (base, ffpp/c23, seed 0)", "chance [x]")
    ]
    text = text_of(pd.concat(both, ignore_index=True))
    assert max(map(len, text.splitlines())) <= 120
    assert "chance [x]" in text
    assert "0.7" in text


def test_what_the_training_shares_with_a_dataset_stands_in_its_note() -> None:
    leak = "leak: 1 group is in training and in test: anna"
    table = result_table(
        videos(own={"real": 20, "Swap": 20}, dfd={"real": 20, "X": 20}),
        record=record_of({**META, "datasets": {"own": {}}, "leaks": {"own": [leak]}}),
    )
    assert [row_of(table, name)["note"] for name in ("own", "dfd")] == [leak, ""]


@pytest.mark.parametrize(
    ("corpora", "corpus", "told"),
    [
        (["demo"], "official", True),
        (["demo"], "demo", False),
        (["official"], "official", False),
        (None, "demo", False),
    ],
)
def test_a_training_on_rendered_faces_is_told_where_the_test_is_not(
    two: pd.DataFrame, corpora: list[str] | None, corpus: str, told: bool
) -> None:
    warning = "these weights were trained on rendered faces of the demo corpus"
    of_run = {"corpus": corpus, "training_corpora": corpora, "trained_on": ["ffpp", "dfd"]}
    table = result_table(
        two, record=record_of({**META, **of_run, "training_warning": warning if corpora == ["demo"] else ""})
    )
    assert [warning in one for one in table.loc[table["manipulation"] == ALL, "note"]] == [told, told, False]
    assert [f"{name}: {warning}" in warnings_of(table) for name in ("dfdc", "dfd")] == [told, told]
    assert bool(row_of(table, "dfd")["cross_dataset"]) is told  # DFD of another corpus was not trained on
