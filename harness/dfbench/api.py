"""The three sentences of dfbench as functions that return DataFrames."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from dfbench.arguments import names_checked
from dfbench.errors import CoverageWarning, UsageError
from dfbench.escaping import for_terminal
from dfbench.interfaces import Progress
from dfbench.progress import SilentProgress
from dfbench.runs.planning.setup import Setup
from dfbench.types import COVERAGE_LIMIT, FULL_PRECISION, OFFICIAL

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.results.boards.board import Board
    from dfbench.results.paired import Comparison
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.runs.records.stored_run import StoredRun
    from dfbench.runs.scoring.prediction import Predictions


# What `run` or `open_run` returned, or the folder or name of a stored run.
Run: TypeAlias = "str | Path | pd.DataFrame | StoredRun"


@names_checked
def run(
    detector: str | Sequence[str],
    protocol: str = "cross-dataset",
    *,
    data: str = "",
    only: str | Sequence[str] = (),
    dataset: str = "",
    splits: str | Sequence[str] = (),
    compression: str = "",
    weights: Path | str | Mapping[str, Path | str] | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = FULL_PRECISION,
    size: str = "full",
    recipe: str = "",
    train_compression: str = "",
    synthesizer: str = "",
    overrides: Mapping[str, object] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Score a detector, or several, by a protocol, or on one dataset, and return the result table.

    `detector` is a name, or a list of names: the faces of all are then prepared in one pass over the videos, and each is scored
    as if it were alone. "all" stands for every detector that can be scored without a training; a warning tells of the others.

    `data` selects the data: "demo" for corpora that are generated here, of a `size`; "" for the configured roots. `only`
    restricts the tests of the protocol. `dataset` tests a single dataset instead, such as your own videos (`run("chance",
    dataset="folder")`): its `splits` (default: the test split) at a `compression` (default: the dataset's standard one).

    `weights` is a weights file, or of several detectors a mapping of names to files. Without one, the weights of the training
    are used that `recipe`, `overrides` (recipe fields by name), `train_compression`, `synthesizer` (as in `train`) and `seed`
    describe. With a file that stores no recipe, `recipe` and `overrides` say how to read it. `device` is "cpu", "cuda",
    "cuda:1", "mps" or "auto"; `precision` is one that the detector offers. `force` scores everything again and keeps the
    earlier run.

    results/README.md describes the columns. The last one, `run`, is the name of the run, by which `open_run`, `scores` and
    `compare` find it. Warns (CoverageWarning) with the notes of the table, for example if videos are missing or an estimate
    rests on too few. Raises DfbenchError.
    """
    import pandas as pd

    from dfbench.results.evaluating import evaluate_all, require_all_scored
    from dfbench.results.table_notes import warnings_of
    from dfbench.runs.planning.requests import ScoringRequest, request_each
    from dfbench.runs.scoring.several import FailedRun

    shared = ScoringRequest(
        detector="",
        protocol=protocol,
        data=data,
        only=_names(only),
        dataset=dataset,
        splits=_names(splits),
        compression=compression,
        seed=seed,
        device=device,
        precision=precision,
        size=size,
        recipe=recipe,
        train_compression=train_compression,
        synthesizer=synthesizer,
        overrides=_texts(overrides),
        force=force,
    )
    given = weights if isinstance(weights, Mapping) else [weights] if weights else []
    requests = request_each(_names(detector), given, shared)
    tables, failed = [], []
    for done in evaluate_all(requests, Setup(), progress=progress or SilentProgress()):
        if isinstance(done, FailedRun):
            failed.append(done)
            if done.left_out:
                warnings.warn(for_terminal(done.left_out), CoverageWarning, stacklevel=3)
            continue
        stored, table = done
        for sentence in warnings_of(table):
            warnings.warn(for_terminal(sentence), CoverageWarning, stacklevel=3)
        tables.append(table.assign(run=stored.name).astype({"run": "str"}))
    require_all_scored(failed, [str(table["run"].iloc[0]) for table in tables])
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


@names_checked
def train(
    detector: str,
    protocol: str = "cross-dataset",
    *,
    data: str = "",
    seed: int = 0,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    size: str = "full",
    recipe: str = "",
    train_compression: str = "",
    synthesizer: str = "",
    overrides: Mapping[str, object] | None = None,
    start: str = "",
    progress: Progress | None = None,
) -> Path:
    """Train a detector on the training set of a protocol, or continue an interrupted training; return the path of its weights.

    `recipe` is the name of a recipe ("": the detector's default), and `overrides` changes its fields ({"lr": 1e-4}).
    `synthesizer` names the synthesizer whose pseudo-fakes to train on instead of the recipe's; "none" uses the fakes of the
    dataset. `start` is a weights file to start from. `devices` on each of `nodes` machines train together. The other arguments
    are as in `run`. Raises DfbenchError.
    """
    from dfbench.runs.planning.requests import TrainingOptions
    from dfbench.runs.trainings.processes import train_detector

    options = TrainingOptions(
        detector=detector,
        protocol=protocol,
        data=data,
        seed=seed,
        device=device,
        devices=devices,
        nodes=nodes,
        size=size,
        recipe=recipe,
        train_compression=train_compression,
        synthesizer=synthesizer,
        overrides=_texts(overrides),
        start=start,
    )
    return train_detector(options, Setup(), progress=progress or SilentProgress())


@names_checked
def predict(
    paths: Path | str | Sequence[Path | str],
    *,
    detector: str,
    weights: Path | str | None = None,
    data: str = "",
    protocol: str = "cross-dataset",
    seed: int = 0,
    device: str = "auto",
    precision: str = FULL_PRECISION,
    size: str = "full",
    recipe: str = "",
    train_compression: str = "",
    synthesizer: str = "",
    overrides: Mapping[str, object] | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Score single video files with any detector and return a table with one row per file, in the given order.

    A file gets the same score as in a run. `paths` are video files, folders of frames, and folders of frames in archives
    (`frames.zip/real/12`). `weights` is a weights file; without one, the weights that a run with the same `data` would use.
    `data`: "demo" uses the weights of the demo data, which are trained if necessary. `protocol`, `seed`, `recipe`, `overrides`,
    `train_compression` and `synthesizer` describe the training as in `run`; for `weights` that store no recipe, `recipe` and
    `overrides` say how to read them. `retry` searches for faces again in files that failed before.

    Columns: file, status ("ok", "missing", "undecodable", "no_face", "too_short", "error"), reason, probability of "fake" in
    [0, 1] with low and high (95 % interval over resampled clips: how far the clips agree), logit, clips, faces (number of face
    tracks found), faces_skipped (all but the scored one), face_frames of wanted_frames (number of frames with the face),
    detector, weights_sha256, warning (a caveat about the training). A file that cannot be scored has a status and a reason.
    Faces are cached, so an interrupted call continues where it stopped.

    Raises UsageError, WeightsError or PluginError if the detector cannot score at all, and StoreError.
    """
    from dfbench.results.predictions import predictions_table
    from dfbench.runs.planning.requests import ScoringRequest

    request = ScoringRequest(
        detector=detector,
        protocol=protocol,
        data=data,
        weights=None if weights is None else Path(weights),
        seed=seed,
        device=device,
        precision=precision,
        size=size,
        recipe=recipe,
        train_compression=train_compression,
        synthesizer=synthesizer,
        overrides=_texts(overrides),
    )
    files = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(one) for one in paths]
    shown = progress or SilentProgress()
    return predictions_table(predictions_of(files, request, Setup(), retry=retry, progress=shown))


def predictions_of(
    files: Sequence[Path], request: ScoringRequest, setup: Setup, *, retry: bool = False, progress: Progress
) -> Predictions:
    """Score files as `predict` does, and return the predictions that the command prints."""
    from dfbench.hooks.manners import generators_kept
    from dfbench.runs.scoring.prediction import predict_files

    with generators_kept():
        return predict_files(files, request, setup, retry=retry, progress=progress)


@names_checked
def open_run(run: Run) -> StoredRun:
    """Open a stored run and return it: its `folder`, its `record`, and methods that read its scores and its list of videos.

    `run` is what `dfbench.run` returned, or the folder or name of a stored run. Raises UnknownNameError, StoreError, and
    UsageError for a table that names no run, or several.
    """
    from dfbench.runs.evidence.recorded import open_run as opened
    from dfbench.runs.records.stored_run import StoredRun

    if isinstance(run, StoredRun):
        return run
    return opened(str(run) if isinstance(run, (str, Path)) else _run_of(run), Setup().settings)


@names_checked
def scores(run: Run) -> pd.DataFrame:
    """Return the raw scores of a run: one row per clip, and one row with a reason for each video that could not be scored.

    `run` and the errors are as in `open_run`. `dfbench.runs.records.score_table` describes the columns.
    """
    return open_run(run).scores()


@names_checked
def compare(runs: Run | Sequence[Run], others: Run | Sequence[Run]) -> list[Comparison]:
    """Compare runs in pairs, such as without and with a change, and return a `Comparison` for each test that all runs share.

    `runs` and `others` are one run each, or equally long lists with one run per seed. A run is what `run` or `open_run`
    returned, or the folder or name of a stored run. A comparison holds the mean video AUCs on the videos that all runs scored,
    and their difference with a 95 % interval over source identities, and over seeds if there are several pairs. Raises
    UnknownNameError, UsageError, StoreError, and RunError if runs disagree about the label or identity of a video.
    """
    from dfbench.results.paired import compare_runs, scored_videos

    found = [[open_run(run) for run in _several(group)] for group in (runs, others)]
    first, second = ([scored_videos(run) for run in group] for group in found)
    return compare_runs(first, second)


def _several(runs: Run | Sequence[Run]) -> Sequence[Run]:
    """Return `runs` as a sequence; a single name or table is one run, although both are sequences too."""
    return runs if isinstance(runs, (list, tuple)) else (cast("Run", runs),)


def _run_of(table: pd.DataFrame) -> str:
    """Return the name of the run that a table is of, by its column `run`. Raises UsageError if it names none, or several."""
    names = list(dict.fromkeys(map(str, table["run"]))) if "run" in table.columns else []
    if len(names) != 1:
        told = f"is of several runs: {', '.join(names[:4])}" if names else "does not say of which run it is"
        raise UsageError(f"this table {told}", hints=("give the folder of the run, or its name",))
    return names[0]


@names_checked
def leaderboard(
    protocol: str = "cross-dataset",
    *,
    dataset: str = "",
    splits: str | Sequence[str] = (),
    corpus: str | None = None,
    runs: Path | str | None = None,
    over_seeds: bool = False,
    min_coverage: float = COVERAGE_LIMIT,
) -> pd.DataFrame:
    """Return the leaderboard of one corpus as a table: one row per entry, video AUC by dataset, sorted by their mean.

    `dataset` selects the runs on that dataset alone, and `splits` those on its splits. `corpus` None is the official corpus,
    or with `dataset` the only one that has runs. `over_seeds` joins entries that differ only in their seed. Entries with a
    coverage below `min_coverage` are not ranked. `boards` also returns what a table cannot hold, such as which runs were left
    out and why.
    """
    from dfbench.results.renderings.dataframe import frame_of

    (board,) = boards_in(
        Setup(),
        runs=runs,
        protocol=protocol,
        dataset=dataset,
        splits=_names(splits),
        corpora=[corpus or (None if dataset else OFFICIAL)],
        over_seeds=over_seeds,
        min_coverage=min_coverage,
    )
    return frame_of(board)


@names_checked
def boards(
    protocol: str = "cross-dataset",
    *,
    dataset: str = "",
    splits: str | Sequence[str] = (),
    corpus: str | None = None,
    runs: Path | str | None = None,
    over_seeds: bool = False,
    min_coverage: float = COVERAGE_LIMIT,
) -> list[Board]:
    """Return the leaderboard of each corpus that has runs, or of `corpus`, as `dfbench.Board` objects.

    A board has rows in sections, cells with their marks, captions, and a sentence for each run that was left out. The other
    arguments are as in `leaderboard`. Raises RunError if there is no run at all.
    """
    return boards_in(
        Setup(),
        runs=runs,
        protocol=protocol,
        dataset=dataset,
        splits=_names(splits),
        corpora=None if corpus is None else [corpus],
        over_seeds=over_seeds,
        min_coverage=min_coverage,
    )


def boards_in(
    setup: Setup,
    *,
    runs: Path | str | None,
    protocol: str,
    dataset: str,
    splits: Sequence[str],
    corpora: Sequence[str | None] | None,
    over_seeds: bool,
    min_coverage: float,
) -> list[Board]:
    """Read the stored runs once, and return the board of each of `corpora`, or of each corpus that has runs.

    In `corpora`, None stands for the only corpus that has runs. `runs` None is the configured folder of runs. Raises RunError.
    """
    from dfbench.results.boards.dataset_boards import board_of_dataset
    from dfbench.results.boards.leaderboard import corpora as corpora_of
    from dfbench.results.boards.leaderboard import leaderboard as build
    from dfbench.results.boards.stored import collect

    folder = Path(runs) if runs else setup.settings.runs
    name = setup.registry.dataset(dataset).name if dataset else ""
    collected = collect(folder, setup)
    if name:
        protocol = board_of_dataset(collected, name, splits, where=folder)
    # Without a usable run, the board says so, or why there is none.
    found: Sequence[str | None] = corpora_of(collected, protocol=protocol) if corpora is None else corpora
    return [
        build(
            collected,
            where=folder,
            protocol=protocol,
            corpus=corpus,
            over_seeds=over_seeds,
            min_coverage=min_coverage,
        )
        for corpus in found or [None]
    ]


@names_checked
def list_runs(runs: Path | str | None = None) -> pd.DataFrame:
    """Return the stored runs as a table: run, entry, protocol, corpus, status, started, finished, problem. Raises StoreError."""
    import pandas as pd

    from dfbench.runs.records.listing import ListedRun, listed_runs

    found = listed_runs(Path(runs) if runs else Setup().settings.runs)
    return pd.DataFrame([one.to_json() for one in found], columns=list(ListedRun("").to_json())).astype("str")


@names_checked
def verify_runs(*runs: Path | str, progress: Progress | None = None) -> pd.DataFrame:
    """Check that the results of runs follow from their records, and from the data if these are at hand; return a table.

    `runs` are names or folders of runs, or folders that contain runs; without any, all stored runs are checked. Columns: run,
    folder, state ("follows", "no manifest", "unfinished", "does not follow" or "unreadable"), checked, problems, notes. The
    check finds mistakes; it cannot rule out a forgery. Raises UnknownNameError, StoreError.
    """
    from dfbench.results.verified import folders_of, table_of, verify

    setup = Setup()
    shown = progress or SilentProgress()
    folders = folders_of([str(one) for one in runs], setup.settings)
    return table_of([verify(one, setup, shown) for one in folders])


def export_runs(target: Path | str, *runs: Path | str) -> list[Path]:
    """Copy complete runs to the new folder `target` without private details, and return the folders of the copies.

    `runs` are as in `verify_runs`. The record of each copy lists what was removed. Raises UsageError, RunError, StoreError.
    """
    from dfbench.results.exporting import export_runs as export
    from dfbench.results.verified import folders_of

    settings = Setup().settings
    exported = export(folders_of([str(one) for one in runs], settings), Path(target), settings)
    return [one.copy for one in exported]


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _texts(overrides: Mapping[str, object] | None) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else str(value) for name, value in (overrides or {}).items()
    }
