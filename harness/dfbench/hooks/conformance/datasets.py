"""Checks of a dataset plugin on a folder: what every later stage relies on."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from dfbench.errors import LayoutError
from dfbench.exchanged import DatasetIndex
from dfbench.hooks.conformance.checking import CheckResult, run_check
from dfbench.hooks.registry import load_object
from dfbench.interfaces import Dataset
from dfbench.specs import DatasetSpec


def check_dataset(
    spec: DatasetSpec,
    root: Path,
    *,
    compression: str | None = None,
    roots: Mapping[str, Path] | None = None,
) -> list[CheckResult]:
    """Index the dataset under `root` twice and check what every later stage relies on.

    Checks that it builds, that the index is a `DatasetIndex` with videos, that `video_id` is unique, that rows
    carry the dataset's name, a split, a group, and "real" as the manipulation of exactly the real videos (and fakes no
    word of result tables, "all" or "mean"), that a
    second index is equal to the first, and that an empty folder is refused with LayoutError. `roots` are those of the
    datasets that `spec` needs.
    """
    more = {"roots": roots or {}} if spec.needs else {}

    def index(folder: Path) -> DatasetIndex:
        factory = cast("Callable[..., Dataset]", load_object(spec.build))
        return factory(folder, compression=compression, **more).index()

    found: list[DatasetIndex] = []

    def check_index() -> str:
        result: object = index(root)
        if not isinstance(result, DatasetIndex):
            return f"index() returned {type(result).__name__}, not DatasetIndex"
        found.append(result)
        return "" if result.videos else f"no video in {root}"

    results = [run_check("indexes its root", check_index)]
    if not found:
        return results
    checks = [
        ("video ids are unique", lambda: _repeated_ids(found[0])),
        ("rows are complete and consistent", lambda: _bad_rows(found[0], spec.name)),
        ("a second index is equal", lambda: "" if index(root) == found[0] else "the two indexes differ"),
        ("an empty folder is refused", lambda: _accepts_empty_folder(index)),
    ]
    return results + [run_check(name, function) for name, function in checks]


def _repeated_ids(index: DatasetIndex) -> str:
    counts = Counter(video.video_id for video in index.videos)
    repeated = [video_id for video_id, count in counts.items() if count > 1]
    return f"repeated: {', '.join(repeated[:5])}" if repeated else ""


def _bad_rows(index: DatasetIndex, dataset: str) -> str:
    for video in index.videos:
        if video.dataset != dataset:
            return f"{video.video_id}: dataset is {video.dataset!r}, not {dataset!r}"
        if fault := video.fault():
            return f"{video.video_id!r}: {fault}"
    return ""


def _accepts_empty_folder(index: Callable[[Path], DatasetIndex]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            index(Path(folder))
        except LayoutError:
            return ""
    return "no LayoutError was raised"
