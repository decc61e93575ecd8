"""How an entry of a board is called, and what is the same of it for all seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench.runs.records.entries import entry_name, entry_of_seeds, with_weights, without_seed

WORD = st.text("abc 123=_", min_size=1, max_size=8)
FACTS = st.lists(st.one_of(WORD, st.just("")), max_size=3)


@given(detector=WORD, facts=FACTS, seeds=st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True))
def test_entries_that_differ_in_their_seed_alone_have_the_rest_in_common(
    detector: str, facts: list[str], seeds: list[int]
) -> None:
    entries = [entry_name(detector, facts, seed=seed) for seed in seeds]
    assert len(set(entries)) == len(seeds)
    families = {without_seed(entry, seed) for entry, seed in zip(entries, seeds, strict=True)}
    (family,) = families
    together = entry_of_seeds(family, seeds)
    assert together.endswith(f"{len(seeds)} seeds: {', '.join(map(str, sorted(seeds)))})")
    assert together.startswith(family)
    assert entry_of_seeds(family, seeds[:1]) == entries[0]


@given(detector=WORD, facts=FACTS, seed=st.integers(0, 99), other=st.integers(100, 999))
def test_a_name_without_that_seed_is_left_as_it_is(
    detector: str, facts: list[str], seed: int, other: int
) -> None:
    entry = entry_name(detector, facts, seed=seed)
    assert without_seed(entry, other) == without_seed(entry, None) == entry
    plain = entry_name(detector, facts, seed=None)
    assert without_seed(plain, seed) == plain


@pytest.mark.parametrize(
    ("facts", "seed", "expected"),
    [
        ((), None, "net"),
        (("",), None, "net"),
        (("ffpp/c23", "", "bf16"), None, "net (ffpp/c23, bf16)"),
        ((), 0, "net (seed 0)"),
        (("demo",), 3, "net (demo, seed 3)"),
    ],
)
def test_what_is_not_known_is_left_out(facts: tuple[str, ...], seed: int | None, expected: str) -> None:
    assert entry_name("net", facts, seed=seed) == expected


@pytest.mark.parametrize(
    ("entry", "sha256", "expected"),
    [
        ("net", "0123456789", "net (weights 01234567)"),
        ("net (demo, seed 3)", "0123456789", "net (demo, seed 3, weights 01234567)"),
        ("net (demo)", "", "net (demo, weights none)"),
    ],
)
def test_entries_of_one_name_are_told_apart_by_their_weights(entry: str, sha256: str, expected: str) -> None:
    assert with_weights(entry, sha256) == expected
