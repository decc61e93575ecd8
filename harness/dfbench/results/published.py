"""Numbers from papers and their repositories, each with its source and how it was checked.

They are what others printed, under their own lists, levels and training data; they never enter the
leaderboard of our own runs. The files are in the checkout's `results/published/` and shipped with the package.
"""

from __future__ import annotations

from importlib import resources

import pandas as pd

PAPERS = "published_results.csv"
DEEPFAKEBENCH = "deepfakebench_published.csv"

_TYPES: dict[str, str] = {
    "detector": "str",
    "paper": "str",
    "year": "Int64",
    "train_data": "str",
    "train_compression": "str",
    "test_dataset": "str",
    "test_subset": "str",
    "level": "str",
    "metric": "str",
    "value": "float64",
    "printed": "float64",
    "source": "str",
    "status": "str",
    "note": "str",
    "file": "str",
}


def published_results() -> pd.DataFrame:
    """Every published number, a row each.

    `value` is a fraction in [0, 1] and `printed` the number as its source prints it (percent in one file,
    fraction in the other). An empty text means that the source does not say; `year` is then missing.
    `status`: see results/README.md. `train_compression` of a DeepfakeBench row is read off its train set.
    """
    papers = _read(PAPERS)
    papers["value"] = papers["printed"] / 100
    bench = _read(DEEPFAKEBENCH).rename(columns={"train_set": "train_data", "test_set": "test_dataset"})
    bench["value"] = bench["printed"]
    bench["train_compression"] = bench["train_data"].str.extract(r"_(c\d+)$", expand=False).fillna("")
    # That file has no status of its own: its rows cite file and line, or say that they were transcribed.
    transcribed = bench["source"].str.contains("transcribed")
    bench["status"] = transcribed.map({True: "secondary_transcribed", False: "source_cited"})
    bench["note"] = bench["source"].str.extract(r"WARNING (.+)$", expand=False).fillna("")
    table = pd.concat([papers, bench], ignore_index=True).reindex(columns=list(_TYPES))
    texts = [name for name, kind in _TYPES.items() if kind == "str"]
    table[texts] = table[texts].fillna("")
    return table.astype(_TYPES)


def _read(name: str) -> pd.DataFrame:
    file = resources.files("dfbench.results").joinpath("published", name)
    with file.open("r", encoding="utf-8") as stream:
        table = pd.read_csv(stream, dtype={"value": "float64"}, keep_default_na=False)
    return table.rename(columns={"value": "printed"}).assign(file=name)
