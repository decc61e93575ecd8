"""Which board the runs on a single dataset stand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfbench.errors import RunError
from dfbench.escaping import for_shell
from dfbench.results.boards.stored import BoardRun
from dfbench.runs.records.dataset_tests import is_test_of, is_test_on


def board_of_dataset(
    runs: Sequence[BoardRun], dataset: str, splits: Sequence[str] = (), *, where: Path
) -> str:
    """Return the protocol of the runs in the folder `where` that are on this dataset alone, and on these splits if any are named.

    Raises RunError if there is no such run, or if there are runs on several splits or compressions.
    """
    known = {run.protocol for run in runs if is_test_of(run.protocol, dataset)}
    found = sorted(name for name in known if not splits or is_test_on(name, splits))
    if len(found) == 1:
        return found[0]
    if not found:
        others = [f"there are runs of:  --protocol {for_shell(name)}" for name in sorted(known)]
        on = f" on {'+'.join(splits)}" if splits else " alone"
        raise RunError(
            f"there are no runs of dataset {dataset!r}{on} in {where}",
            hints=(*others, f"make one: dfbench run --detector fakestormer --dataset {for_shell(dataset)}"),
        )
    raise RunError(
        f"there are runs of several parts of dataset {dataset!r}, each with a board of its own",
        hints=tuple(f"dfbench leaderboard --protocol {for_shell(name)}" for name in found),
    )
