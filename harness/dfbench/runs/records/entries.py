"""How an entry of a result table or leaderboard is called."""

from __future__ import annotations

from collections.abc import Sequence

HASH_DIGITS = 8


def entry_name(detector: str, facts: Sequence[str], *, seed: int | None) -> str:
    """`detector (fact, fact, seed 0)`; empty facts are left out, and so is a seed that nobody knows."""
    told = [fact for fact in facts if fact]
    if seed is not None:
        return f"{detector} ({', '.join([*told, _tail([seed])])}"
    return f"{detector} ({', '.join(told)})" if told else detector


def with_weights(entry: str, sha256: str) -> str:
    """`detector (fact, seed 0, weights 1f2e3d4c)`: of several entries of one name, the one with these weights."""
    fact = f"weights {sha256[:HASH_DIGITS] or 'none'}"
    return f"{entry[:-1]}, {fact})" if entry.endswith(")") else f"{entry} ({fact})"


def without_seed(entry: str, seed: int | None) -> str:
    """What is the same for all seeds of an entry; the entry itself if its name does not end with `seed`."""
    return entry if seed is None else entry.removesuffix(_tail([seed]))


def entry_of_seeds(family: str, seeds: Sequence[int]) -> str:
    """`detector (fact, fact, 3 seeds: 0, 1, 2)` from what `without_seed` returned."""
    return family + _tail(seeds)


def _tail(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]})"
    return f"{len(seeds)} seeds: {', '.join(str(seed) for seed in sorted(seeds))})"
