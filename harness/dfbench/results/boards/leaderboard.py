"""Leaderboards: the result tables of many runs side by side, and only what may be compared.

A board is of one protocol, one corpus and one level. Each test's column is of one list of videos, the one that
most entries were scored on, and one that agrees with the published counts if there is one: an entry scored on another
list, of which too few videos were scored, or trained on unknown data, is shown in a section of its own and without a
rank. What is left out is said, with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfbench.errors import RunError
from dfbench.escaping import for_shell
from dfbench.results.boards.board import Board, Column
from dfbench.results.boards.captions import captions_of
from dfbench.results.boards.choosing import choose_runs, unusable
from dfbench.results.boards.rows import row_of, sections_of
from dfbench.results.boards.seeds import over_seeds as pool_seeds
from dfbench.results.boards.stored import BoardRun
from dfbench.results.tables import MEAN
from dfbench.types import COVERAGE_LIMIT


def corpora(runs: Sequence[BoardRun], *, protocol: str) -> list[str]:
    """The corpora that have a usable run of `protocol`, sorted: one board each."""
    return sorted({run.corpus for run in runs if run.protocol == protocol and run.table is not None})


def leaderboard(
    runs: Sequence[BoardRun],
    *,
    where: Path,
    protocol: str,
    corpus: str | None = None,
    over_seeds: bool = False,
    min_coverage: float = COVERAGE_LIMIT,
) -> Board:
    """Build the board of `protocol` on `corpus` from the runs in the folder `where`, a row for each entry, best mean first.

    With `over_seeds`, entries that differ in their seed alone are one row: the mean of their AUCs, with an interval
    over source identities and seeds (`dfbench.results.boards.seeds`). An entry is not ranked if less than `min_coverage` of
    the expected videos of one of its tests were scored. `corpus` may be left out if there is but one.
    Raises RunError if there is no run at all, or if several corpora are there and none is named.
    """
    if not runs:
        raise RunError(
            f"there are no runs in {where}",
            hints=(f"make one: dfbench run --detector fakestormer --protocol {for_shell(protocol)}",),
        )
    corpus = _only_corpus(runs, protocol) if corpus is None else corpus
    # Where no run of the protocol can be used, each of them is named, of whatever corpus.
    wanted = [run for run in runs if run.protocol == protocol and corpus in ("", run.corpus)]
    usable = [run for run in wanted if not run.problem]
    chosen = choose_runs(usable, min_coverage=min_coverage)
    keys = _test_keys(chosen.runs)
    entries, unread = pool_seeds(chosen.runs) if over_seeds else ([(run, (run,)) for run in chosen.runs], [])
    sections = sections_of(
        (
            row_of(
                run,
                members,
                tests=keys,
                manifests=chosen.manifests,
                min_coverage=min_coverage,
                older_hidden=sum(chosen.hidden[member.folder] for member in members),
            )
            for run, members in entries
        ),
        min_coverage=min_coverage,
    )
    tests = tuple(Column(key, key) for key in keys)
    return Board(
        protocol=protocol,
        corpus=corpus,
        tests=tests,
        sections=sections,
        captions=captions_of(
            [row for section in sections for row in section.rows], tests, over_seeds=over_seeds
        ),
        left_out=(*unusable(runs, wanted, usable), *unread),
        over_seeds=over_seeds,
        min_coverage=min_coverage,
    )


def _only_corpus(runs: Sequence[BoardRun], protocol: str) -> str:
    """The corpus that has usable runs of `protocol`, "" if none has. Raises RunError if several have."""
    found = corpora(runs, protocol=protocol)
    if len(found) > 1:
        raise RunError(
            f"runs on different corpora cannot share a leaderboard: {', '.join(found)}",
            hints=tuple(f"dfbench leaderboard --corpus {for_shell(name)}" for name in found),
        )
    return found[0] if found else ""


def _test_keys(runs: Sequence[BoardRun]) -> list[str]:
    """The keys of the tests of these runs, in order of appearance."""
    keys = dict.fromkeys(str(key) for run in runs for key in run.whole()["test"])
    return [key for key in keys if key != MEAN]
