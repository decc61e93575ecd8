"""Back from a stored run to what it scored: its record, its weights, and the file and score of one of its videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfbench.data.folders import below
from dfbench.errors import StoreError, UnknownNameError, UsageError, WeightsError
from dfbench.escaping import for_shell
from dfbench.interfaces import Progress
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import data_source
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.run_file import NAME, run_folders
from dfbench.runs.records.score_table import video_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.trained import trained_weights
from dfbench.settings import Settings
from dfbench.specs import LoadOptions
from dfbench.text import closest, did_you_mean, folder_name, meant
from dfbench.types import Status, Video

WEIGHTS = ("*.safetensors", "*.pth", "*.pt", "*.ckpt")


def open_run(name: str, settings: Settings) -> StoredRun:
    """The run in the folder `name`, or the one of that name (or a unique beginning of it) among the stored runs.

    Raises UnknownNameError, StoreError.
    """
    folder = Path(name)
    if not (folder / NAME).is_file():
        known = [one.name for one in run_folders(settings.runs)]
        found = [one for one in known if one == name] or [one for one in known if one.startswith(name)]
        if len(found) != 1:
            question = did_you_mean(found[:4] or closest(name, known, count=3))
            what = "several runs begin with" if found else "there is no run"
            raise UnknownNameError(
                f"{what} {name!r} in {settings.runs}", hints=(question,) if question else ()
            )
        folder = settings.runs / found[0]
    return StoredRun.read(folder)


def weights_of(run: StoredRun, settings: Settings, given: Path | None) -> Path | None:
    """The weights file that the run used, by its digest: `given`, or one of those in the cache; None if it used none.

    Raises WeightsError if `given` is another file or the run used none, or if none is found.
    """
    detector, wanted = run.record.detector.name, run.record.detector.weights_sha256
    if given is not None:
        if not wanted or (given.is_file() and file_sha256(given) != wanted):
            without = "" if wanted else ": it was scored without weights"
            raise WeightsError(
                f"{given} is not what run {run.name} was scored with{without}",
                hints=(
                    "leave out --weights",
                    "or explain without the run: dfbench explain VIDEO --weights W",
                ),
            )
        return given
    if not wanted:
        return None
    folder = below(settings.cache / "weights", folder_name(detector))
    loose = [path for pattern in WEIGHTS for path in sorted(folder.glob(f"*/{pattern}"))]  # of older versions
    for path in dict.fromkeys([*trained_weights(settings.cache, detector), *loose]):
        if file_sha256(path) == wanted:
            return path
    raise WeightsError(
        f"the weights of run {run.name} (sha256 {wanted[:12]}...) are not in {folder}",
        hints=("say where they are:   --weights PATH/TO/WEIGHTS",),
    )


def options_of(run: StoredRun, weights: Path | None) -> LoadOptions:
    """How the run loaded its detector, with `weights` for those that it used. Raises StoreError."""
    read_as = run.record.read_as
    if read_as.others:
        raise run.unusable(
            f"its read_as tells what this version does not know: {', '.join(read_as.others)[:80]!a}"
        )
    return LoadOptions(weights, seed=run.record.seed or 0, recipe=read_as.recipe, changes=read_as.changes)


def session_of(run: StoredRun, setup: Setup, progress: Progress) -> Session:
    """Return a session on the data that the run was made on, by the name of its corpus. Raises UsageError, StoreError."""
    registry, settings = setup.registry, setup.settings
    corpus = run.record.corpus
    for name in registry.names("corpus"):
        for size in registry.corpus(name).sizes:
            if corpus in (f"{name}-{size}", name if size == registry.corpus(name).sizes[0] else ""):
                source = data_source(name, registry, settings, size=size, progress=progress)
                return Session(setup.host, settings, source, progress)
    if not settings.data.roots:
        raise UsageError(
            f"run {run.name} was made on the corpus {corpus!r}, and no data roots are configured",
            hints=("configure [data.roots] as for the run",),
        )
    return Session(setup.host, settings, data_source("", registry, settings, progress=progress), progress)


def video_of(run: StoredRun, name: str, session: Session) -> tuple[Video, dict[str, Any]]:
    """Return a video of the run, and what the run said of it. `name` is a video id, or TEST/VIDEO_ID.

    Raises UnknownNameError with the nearest names, StoreError.
    """
    scores = run.scores()
    names = scores["test"] + "/" + scores["video_id"]
    chosen = scores[(scores["video_id"] == name) | (names == name)]
    tests = sorted(set(chosen["test"]))
    if len(tests) != 1:
        if tests:
            raise UnknownNameError(
                f"{name!r} is in several tests",
                hints=(f"say --video {for_shell(f'{tests[0]}/{name}')}",),
            )
        question = meant(name, sorted({*names, *scores["video_id"]}), count=4)
        raise UnknownNameError(
            f"run {run.name} has no video {name!r}",
            hints=(question or "its scores.parquet lists them",),
        )
    row = video_scores(chosen, run.pooling).iloc[0]
    spec = session.registry.dataset(str(row["dataset"]))
    # The row's compression is what the dataset was indexed at; a dataset without compressions says "".
    compression = str(row["compression"]) if row["compression"] in spec.compressions else None
    index = session.index(spec.name, compression)
    video = next((one for one in index.videos if one.video_id == row["video_id"]), None)
    if video is None:
        raise StoreError(f"{spec.name} has no video {row['video_id']!r} any more", hints=("run again",))
    known = row["status"] == Status.OK
    facts = {
        "run": run.name,
        "test": tests[0],
        "dataset": spec.name,
        "video_id": str(row["video_id"]),
        "label": int(row["label"]),
        "manipulation": str(row["manipulation"]),
        "run_probability": float(row["score"]) if known else None,
        "run_status": str(row["status"]),
    }
    return video, facts
