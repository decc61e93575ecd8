"""Leaderboards: the result tables of many runs side by side, and only what may be compared.

A board is of one protocol, one corpus and one level. Each dataset's column is of one list of videos, the one that
most entries were scored on, and one that agrees with the published counts if there is one: an entry scored on another
list, of which too few videos were scored, or trained on unknown data, is shown in a section of its own and without a
rank. What is left out is said, with its reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dfbench.csv_text import csv_of
from dfbench.data.datasets.leakage import LEAK
from dfbench.errors import RunError
from dfbench.escaping import for_shell
from dfbench.results import markdown
from dfbench.results.boards.seeds import over_seeds as pool_seeds
from dfbench.results.boards.stored import RunResult, collect
from dfbench.results.checked import OTHER_CODE
from dfbench.results.eligibility import NONE_SCORED, TOO_FEW, is_short, share
from dfbench.results.markdown import Own
from dfbench.results.tables import CONSTANT, LEVEL, MEAN, number_with_interval
from dfbench.results.writing import write_parquet, write_text
from dfbench.runs.records.entries import with_weights
from dfbench.runs.records.private import redaction
from dfbench.runs.records.verification import NO_MANIFEST
from dfbench.settings import load_settings
from dfbench.types import COVERAGE_LIMIT

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

SCHEMA_VERSION = 2  # 1 ranked whatever the coverage

RANKED = "ranked"
UNKNOWN_TRAINING = "training data unknown"
OTHER_VIDEOS = "other list of videos"
UNCHECKED = (NO_MANIFEST, OTHER_CODE)  # notes that the caption tells of all their entries at once
LOW_COVERAGE = "coverage below {limit}"

_CELL = {"": "float64", "_low": "float64", "_high": "float64", "_cross": "boolean", "_lists": "str"}
_FIRST = ("rank", "entry", "detector", "section")
_LAST = (
    "mean",
    "mean_low",
    "mean_high",
    "coverage",
    "scored",
    "expected",
    "trained_on",
    "plugins",
    "older_hidden",
    "note",
    "run",
)


def corpora(runs: Sequence[RunResult], *, protocol: str) -> list[str]:
    """The corpora that have a usable run of `protocol`, sorted: one board each."""
    return sorted({run.corpus for run in runs if run.protocol == protocol and run.table is not None})


def leaderboard(
    runs_dir: Path,
    *,
    protocol: str,
    corpus: str | None = None,
    over_seeds: bool = False,
    min_coverage: float = COVERAGE_LIMIT,
    collected: Sequence[RunResult] | None = None,
) -> pd.DataFrame:
    """The board of `protocol` on `corpus`, one row an entry, best mean AUC first.

    With `over_seeds`, entries that differ in their seed alone are one row: the mean of their AUCs, with an interval
    over source identities and seeds (`dfbench.results.boards.seeds`). An entry is not ranked if less than `min_coverage` of the
    expected videos of one of its datasets were scored.

    Columns: rank (<NA> outside the section "ranked"), entry, detector, section; for each dataset D: D, D_low and
    D_high (video AUC with its 95 % interval, NaN if there is none), D_cross (was it not trained on it; <NA> if
    unknown) and D_lists (how its lists differ from what was published, "" if they do not); mean, mean_low, mean_high (only
    if every dataset has a value); coverage (the lowest), scored and expected (videos of that dataset), trained_on, plugins (of
    others, that took part), older_hidden (other runs of the same entry), note, run (folder name). `attrs` holds protocol,
    corpus, level, datasets, over_seeds, min_coverage, and left_out (one sentence for each run that could not be used).
    `corpus` may be left out if there is but one. `collected`: the runs, if `collect` returned them before.
    Raises RunError if there is no run at all, or if several corpora are there and none is named.
    """
    runs = collect(runs_dir) if collected is None else collected
    if not runs:
        raise RunError(
            f"there are no runs in {runs_dir}",
            hints=(f"make one: dfbench run --detector fakestormer --protocol {for_shell(protocol)}",),
        )
    if corpus is None:
        found = corpora(runs, protocol=protocol)
        if len(found) > 1:
            raise RunError(
                f"runs on different corpora cannot share a leaderboard: {', '.join(found)}",
                hints=tuple(f"dfbench leaderboard --corpus {for_shell(name)}" for name in found),
            )
        corpus = found[0] if found else ""
    # Where no run of the protocol can be used, each of them is named, of whatever corpus.
    wanted = [run for run in runs if run.protocol == protocol and corpus in ("", run.corpus)]
    usable = [run for run in wanted if not run.problem]
    manifests = _reference_manifests(usable)
    chosen, hidden = _chosen(usable, manifests, min_coverage)
    chosen = _told_apart(chosen)
    datasets = _datasets(chosen)
    entries, unread = pool_seeds(chosen) if over_seeds else ([(run, (run,)) for run in chosen], [])
    rows = [
        {
            **_board_row(run, datasets, manifests, min_coverage),
            "older_hidden": sum(hidden[one.folder] for one in members),
            "run": "+".join(one.folder.name for one in members),
        }
        for run, members in entries
    ]
    board = _ordered(rows, datasets, _sections(min_coverage))
    board.attrs = {
        "protocol": protocol,
        "corpus": corpus,
        "level": LEVEL,
        "datasets": datasets,
        "over_seeds": over_seeds,
        "min_coverage": min_coverage,
        "left_out": [
            f"{r.folder.name}: {r.problem}"
            for r in runs
            if r.problem and (r in wanted or not r.corpus) and not _done_since(r, usable)
        ]
        + unread,
    }
    return board


def render_leaderboard(board: pd.DataFrame) -> Table:
    """A board for the terminal: each cell the AUC over its interval, the best ranked of a column starred."""
    from dfbench.results.terminal import DataTable, styled

    facts = board.attrs
    columns = [*facts["datasets"], MEAN] if len(facts["datasets"]) > 1 else list(facts["datasets"])
    title = f"{facts['protocol']} on the {facts['corpus'] or 'unknown'} corpus: {facts['level']} AUC"
    shown = DataTable(heading=title, legend=_caption(board), min_width=70)
    shown.data_column("#", right=True, no_wrap=True)
    shown.data_column("entry", max_width=36)
    for name in columns:
        shown.data_column(name, right=True, no_wrap=True)
    shown.data_column("scored", right=True, no_wrap=True)
    best = _best(board, columns)
    for section in _sections(facts["min_coverage"]):
        part = board[board["section"] == section]
        if len(part) and section != RANKED:
            shown.add_section()
            shown.add_row("", styled(f"not ranked: {section}", style="italic"), *[""] * (len(columns) + 1))
        for index, row in zip(part.index, part.to_dict("records"), strict=True):
            cells = [_cell(row, name, starred=index in best[name]) for name in columns]
            shown.add_row(
                "" if pd.isna(row["rank"]) else str(row["rank"]),
                str(row["entry"]),
                *cells,
                _scored(row),
            )
    return shown


def write_leaderboard(board: pd.DataFrame, folder: Path) -> tuple[Path, Path, Path]:
    """Write `leaderboard.csv`, `.parquet` and `.md` to `folder`. Raises StoreError."""
    csv, parquet, markdown = (folder / f"leaderboard.{kind}" for kind in ("csv", "parquet", "md"))
    facts = {name: board.attrs[name] for name in ("protocol", "corpus", "level")}
    flat = board.assign(**facts)
    flat.attrs = {}
    write_text(csv, csv_of(flat))
    write_parquet(parquet, flat, kind="leaderboard", version=SCHEMA_VERSION)
    write_text(markdown, markdown_of(board))
    return csv, parquet, markdown


def markdown_of(board: pd.DataFrame) -> str:
    """A board as a Markdown table with its caption, in which no folder of this machine is named."""
    facts = board.attrs
    private = redaction(load_settings())
    columns = [*facts["datasets"], MEAN] if len(facts["datasets"]) > 1 else list(facts["datasets"])
    best = _best(board, columns)
    rows = []
    for index, row in zip(board.index, board.to_dict("records"), strict=True):
        cells = []
        for name in columns:
            number = number_with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            cells.append(Own(f"{f'**{number}**' if index in best[name] else number}{marks(row, name)}"))
        entry = markdown.written(row["entry"])
        if row["section"] != RANKED:
            entry += f" (not ranked: {markdown.written(row['section'])})"
        rank = "" if pd.isna(row["rank"]) else str(row["rank"])
        rows.append([rank, Own(entry), *cells, Own(_scored(row))])
    where = f"{facts['protocol']} on the {facts['corpus']} corpus"
    text = [
        markdown.heading(where, Own(": "), facts["level"], Own(" AUC [95 %]")),
        "",
        *markdown.table(
            [Own("#"), "entry", *columns, "scored"], rows, right=[True, False, *[True] * (len(columns) + 1)]
        ),
        "",
        *markdown.lines(_caption(board, told=private.text)),
    ]
    return "\n".join([*text, ""])


def _chosen(
    runs: Sequence[RunResult], manifests: Mapping[str, str], limit: float
) -> tuple[list[RunResult], dict[Path, int]]:
    """One run of each entry and weights, and how many others the one in this folder hides.

    The newest of those that score the board's lists of videos, and among them of those with the most datasets, and of
    these with a coverage that is ranked: a later trial on a part of the protocol, or without a disk, does not hide the
    whole.
    """
    chosen: dict[tuple[str, str], RunResult] = {}
    hidden: Counter[Path] = Counter()

    def worth(run: RunResult) -> tuple[object, ...]:
        covers = not is_short(_lowest(run)["coverage"], limit)
        return _agrees(run, manifests), len(run.manifests), covers, run.finished, run.folder.name

    for run in sorted(runs, key=worth, reverse=True):
        shown = chosen.setdefault((run.entry, run.weights), run)
        hidden[shown.folder] += shown is not run
    return list(chosen.values()), dict(hidden)


def _done_since(run: RunResult, usable: Sequence[RunResult]) -> bool:
    """Whether a run that never ended was begun before one of the same entry that did: nobody waits for it any more."""
    return (
        bool(run.entry)
        and not run.complete
        and any(
            (one.entry, one.weights) == (run.entry, run.weights) and one.finished > run.started
            for one in usable
        )
    )


def _lowest(run: RunResult) -> dict[Any, Any]:
    """The row of the dataset of which the smallest share was scored."""
    rows = run.whole()
    records: list[dict[Any, Any]] = rows[rows["dataset"] != MEAN].to_dict("records")
    return min(records, key=lambda row: -1.0 if math.isnan(row["coverage"]) else float(row["coverage"]))


def _told_apart(runs: Sequence[RunResult]) -> list[RunResult]:
    """`runs` with a hash of the weights in the names that several have; their families, without a seed, stay."""
    counts = Counter(run.entry for run in runs)
    return [
        replace(run, entry=with_weights(run.entry, run.weights)) if counts[run.entry] > 1 else run
        for run in runs
    ]


def _agrees(run: RunResult, manifests: Mapping[str, str]) -> bool:
    return all(manifests[name] == digest for name, digest in run.manifests.items())


def _datasets(runs: Sequence[RunResult]) -> list[str]:
    names: dict[str, None] = {}
    for run in runs:
        names.update(dict.fromkeys(run.whole()["dataset"]))
    return [name for name in names if name != MEAN]


def _reference_manifests(runs: Sequence[RunResult]) -> dict[str, str]:
    """The list of videos of each dataset that most entries were scored on; of equally many, the newest.

    Lists that differ from the published counts have no vote where there is one that does not.
    """
    votes: dict[str, Counter[str]] = {}
    whole = {name for run in runs for name in run.manifests if not run.lists.get(name)}
    for entry, name, digest in dict.fromkeys(
        ((run.entry, run.weights), name, digest)
        for run in sorted(runs, key=lambda one: one.finished, reverse=True)
        for name, digest in run.manifests.items()
        if name not in whole or not run.lists.get(name)
    ):
        del entry
        votes.setdefault(name, Counter())[digest] += 1
    return {name: counted.most_common(1)[0][0] for name, counted in votes.items()}


def _sections(limit: float) -> tuple[str, ...]:
    """The sections of a board in their order; each but the first says why it is not ranked."""
    return RANKED, UNKNOWN_TRAINING, OTHER_VIDEOS, LOW_COVERAGE.format(limit=share(limit))


def _board_row(
    run: RunResult, datasets: Sequence[str], manifests: Mapping[str, str], limit: float
) -> dict[str, Any]:
    whole = run.whole().set_index("dataset")
    row: dict[str, Any] = {"entry": run.entry, "detector": whole["detector"].iloc[0]}
    row["section"] = RANKED
    if run.trained_on is None or run.unknown:
        row["section"] = UNKNOWN_TRAINING
    if not _agrees(run, manifests):
        row["section"] = OTHER_VIDEOS
    lowest = _lowest(run)
    if is_short(lowest["coverage"], limit):
        row["section"] = _sections(limit)[-1]
    complete = True
    for name in datasets:
        values = whole.loc[name].to_dict() if name in whole.index else None
        complete &= values is not None and not math.isnan(values["auc"])
        for suffix in ("", "_low", "_high"):
            row[name + suffix] = math.nan if values is None else values["auc" + suffix]
        row[f"{name}_cross"] = None if values is None else values["cross_dataset"]
        row[f"{name}_lists"] = "" if values is None else run.lists.get(name, "")
    has_mean = complete and MEAN in whole.index
    for suffix in ("", "_low", "_high"):
        row[MEAN + suffix] = whole.loc[MEAN, "auc" + suffix] if has_mean else math.nan
    if complete and len(datasets) == 1:
        row |= {MEAN + suffix: row[datasets[0] + suffix] for suffix in ("", "_low", "_high")}
    notes = [f"{name}: {note}" for name, note in whole["note"].items() if note and name != MEAN]
    return {
        **row,
        "coverage": lowest["coverage"],
        "scored": lowest["n_scored_real"] + lowest["n_scored_fake"],
        "expected": lowest["n_real"] + lowest["n_fake"],
        "trained_on": _training_data(run),
        "plugins": ", ".join(run.plugins),
        "note": "; ".join([*notes, *run.notes]),
    }


def _training_data(run: RunResult) -> str:
    """What an entry was trained on, with the corpora where they are others than the board's: `ffpp of demo`."""
    if not run.trained_on:
        return "unknown" if run.trained_on is None else "nothing"
    known = [name for name in run.trained_on if name not in run.unknown]
    what = "+".join([*known, *(["unknown"] if run.unknown else [])])
    if not known:
        return what
    return what if run.corpora in (None, (run.corpus,)) else f"{what} of {'+'.join(run.corpora or ())}"


def _ordered(rows: list[dict[str, Any]], datasets: Sequence[str], sections: Sequence[str]) -> pd.DataFrame:
    """Sections in their order; within one by mean, entries without a mean last, then by name."""
    rows = sorted(
        rows,
        key=lambda row: (
            sections.index(row["section"]),
            math.inf if math.isnan(row[MEAN]) else -row[MEAN],
            row["entry"],
        ),
    )
    for place, row in enumerate(rows, start=1):
        row["rank"] = place if row["section"] == RANKED and not math.isnan(row[MEAN]) else None
    cells = [name + suffix for name in datasets for suffix in _CELL]
    board = pd.DataFrame(rows, columns=[*_FIRST, *cells, *_LAST])
    kinds = {"rank": "Int64", "coverage": "float64"}
    kinds |= dict.fromkeys(("older_hidden", "scored", "expected"), "int64")
    kinds |= dict.fromkeys(("entry", "detector", "section", "trained_on", "plugins", "note", "run"), "str")
    kinds |= {name + suffix: kind for name in datasets for suffix, kind in _CELL.items()}
    kinds |= dict.fromkeys(("mean", "mean_low", "mean_high"), "float64")
    return board.astype(kinds)


def _best(board: pd.DataFrame, columns: Sequence[str]) -> dict[str, set[Any]]:
    """The index of the best ranked entries of each column; nobody is the best of one."""
    ranked = board[board["section"] == RANKED]
    best: dict[str, set[Any]] = {}
    for name in columns:
        values = ranked[name].dropna()
        best[name] = set(values.index[values == values.max()]) if len(values) > 1 else set()
    return best


def _cell(row: Mapping[Any, Any], name: str, *, starred: bool) -> Text:
    from dfbench.results.terminal import styled

    value = row[name]
    if math.isnan(value):
        return styled("-")
    text = f"{value:.3f}{marks(row, name)}"
    shown = (f"*{text}", "bold green") if starred else text
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return styled(shown) if math.isnan(low) else styled(shown, "\n", (f"{low:.2f}-{high:.2f}", "dim"))


def marks(row: Mapping[Any, Any], name: str) -> str:
    """Mark a cell, or a mean by the cells that it stands for; returns a dagger where the entry was trained on the dataset
    that is tested, a double dagger where its lists are not as they were published, and a section sign where plugins took part
    that are not part of dfbench."""
    cells = [name] if name != MEAN else [key.removesuffix("_lists") for key in row if _is_lists(key)]
    trained = any(not pd.isna(row[f"{one}_cross"]) and not row[f"{one}_cross"] for one in cells)
    lists = any(row[f"{one}_lists"] for one in cells)
    return "\u2020" * trained + "\u2021" * lists + "\u00a7" * bool(row.get("plugins"))


def _is_lists(column: object) -> bool:
    return isinstance(column, str) and column.endswith("_lists")


def _scored(row: Mapping[Any, Any]) -> str:
    """The share that was scored, behind the counts unless it is all."""
    shown = "-" if math.isnan(row["coverage"]) else f"{row['coverage']:.1%}"
    return shown if row["scored"] == row["expected"] else f"{row['scored']}/{row['expected']} {shown}"


def _caption(board: pd.DataFrame, *, told: Callable[[str], str] = str) -> list[str]:
    """The lines below a board; `told` takes from what was left out that which its readers need not know."""
    facts = board.attrs
    if board.empty:
        lines = ["no complete run of this protocol on this corpus"]
    else:
        lines = [
            "95 % intervals: percentile bootstrap over source identities \u00b7 * best of its column",
            "scored: share of the expected videos, of the dataset where it is lowest; expected: as published, else as listed",
        ]
        if facts["over_seeds"]:
            lines.insert(
                1,
                "rows of several seeds: mean of their AUCs; interval over identities and seeds (Student's t)",
            )
    crosses = board[[f"{name}_cross" for name in facts["datasets"]]]
    if crosses.eq(False).to_numpy(dtype=bool, na_value=False).any():
        lines.append("\u2020 trained on this dataset: not a cross-dataset result")
    for name in facts["datasets"]:
        lines += [f"\u2021 {name}: {note}" for note in dict.fromkeys(board[f"{name}_lists"]) if note]
    if others := list(filter(None, dict.fromkeys(board.get("plugins", ())))):
        lines.append(f"\u00a7 by plugins that are not part of dfbench: {'; '.join(others)}")
    if board["mean"].isna().any():
        lines.append("no mean, no rank: not every dataset has a value")
    lines += [
        f"warning: {row['entry']}: {row['note']}"
        for row in board.to_dict("records")
        if any(words in row["note"] for words in (CONSTANT, LEAK, TOO_FEW, *NONE_SCORED))
    ]
    for note in UNCHECKED:
        if entries := [row["entry"] for row in board.to_dict("records") if note in row["note"]]:
            lines.append(f"{note}: {', '.join(entries)}")
    older = board[board["older_hidden"] > 0]
    lines += [f"{row['entry']}: other runs hidden: {row['older_hidden']}" for row in older.to_dict("records")]
    return [*lines, *(f"left out: {told(sentence)}" for sentence in facts["left_out"])]
