"""How many videos a selection should have, whatever the lists name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.data.datasets.official import (
    Listing,
    counts_of,
    left_out,
    misspelt_splits,
    official_counts,
    published,
)
from dfbench.errors import LayoutError
from dfbench.specs import DatasetSpec, VideoSelection
from dfbench.types import Counts, Label, Video

OFFICIAL = {
    "train": Counts(72, 288),
    "test": Counts(14, 56),
    "test/Later": Counts(0, 14),
}
METHODS = ("A", "B", "C", "D")


def videos(real: int, split: str = "test", **fakes: int) -> list[Video]:
    """So many videos of a split: reals, and fakes of each manipulation."""
    return [
        Video(
            "d",
            f"{split}/{name}/{number}",
            Path("x"),
            Label(name != "real"),
            split,
            name,
            "",
            (),
            str(number),
        )
        for name, count in {"real": real, **fakes}.items()
        for number in range(count)
    ]


FULL = videos(14, A=14, B=14, C=14, D=14)


@pytest.mark.parametrize(
    ("manipulations", "expected"),
    [
        ((), Counts(14, 56)),
        (("real", *METHODS), Counts(14, 56)),
        (METHODS, Counts(0, 56)),
        (("real",), Counts(14, 0)),
        (("real", "A"), Counts(14, 14)),
        (("A", "C", "D"), Counts(0, 42)),
    ],
)
def test_of_a_complete_list_what_is_listed_is_expected(
    manipulations: tuple[str, ...], expected: Counts
) -> None:
    selection = VideoSelection("d", ("test",), manipulations)
    assert official_counts(OFFICIAL, FULL, selection) == expected
    chosen = [video for video in FULL if not manipulations or video.manipulation in manipulations]
    assert counts_of(chosen) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 14), st.integers(1, 14), st.sampled_from([(), ("real", *METHODS), ("real", "B")]))
def test_however_short_a_list_is_as_many_are_expected(
    reals: int, fakes: int, manipulations: tuple[str, ...]
) -> None:
    short = videos(reals, A=fakes, B=fakes, C=fakes, D=fakes)
    selection = VideoSelection("d", ("test",), manipulations)
    assert official_counts(OFFICIAL, short, selection) == official_counts(OFFICIAL, FULL, selection)


def test_manipulations_counted_apart_are_expected_where_they_are_listed() -> None:
    later = [*FULL, *videos(0, Later=3)]
    assert official_counts(OFFICIAL, later, VideoSelection("d", ("test",))) == Counts(14, 70)
    assert official_counts(OFFICIAL, later, VideoSelection("d", ("test",), ("real", "Later"))) == Counts(
        14, 14
    )
    assert official_counts(OFFICIAL, later, VideoSelection("d", ("test",), ("real", *METHODS))) == Counts(
        14, 56
    )


def test_splits_add_up_and_unpublished_ones_are_unknown() -> None:
    both = VideoSelection("d", ("train", "test"))
    assert official_counts(OFFICIAL, FULL, both) == Counts(86, 344)
    assert official_counts(OFFICIAL, FULL, VideoSelection("d")) == Counts(14, 56)  # no training part on disk
    more = [*FULL, *videos(1, split="train")]
    assert official_counts(OFFICIAL, more, VideoSelection("d")) == Counts(86, 344)
    assert official_counts(OFFICIAL, videos(1, split="dev"), VideoSelection("d", ("dev",))) is None
    assert official_counts({}, FULL, VideoSelection("d", ("test",))) is None


def test_a_corpus_file_says_what_is_expected_of_its_root_and_of_no_other_dataset_in_it(
    tmp_path: Path,
) -> None:
    spec = DatasetSpec("d", "", "", official=OFFICIAL)
    assert published(spec, tmp_path) == OFFICIAL
    card = tmp_path / "dfbench-corpus.json"
    card.write_text('{"corpus": "mine", "official": {"test": {"real": 2, "fake": 3}}}')
    assert published(spec, tmp_path) == {"test": Counts(2, 3)}
    assert published(spec, tmp_path, within=True) == {}
    card.write_text("{")
    with pytest.raises(LayoutError, match="corpus file"):
        published(spec, tmp_path)


def test_a_run_stores_twenty_problems_and_their_number() -> None:
    problems = tuple(f"line {number}" for number in range(50))
    stored = Listing(Counts(1, 2), None, problems).to_json()
    assert (stored["n_problems"], stored["problems"]) == (50, list(problems[:20]))
    assert (stored["listed"], stored["official"]) == ({"real": 1, "fake": 2}, None)
    assert Listing(Counts(1, 2), Counts(3, 4)).to_json()["official"] == {"real": 3, "fake": 4}


def test_splits_that_look_like_a_selected_one_are_counted_and_folds_are_not() -> None:
    rows = [video for split in ("test", "tests", "holdout", "train", "val") for video in videos(1, split)]
    rows += videos(2, "tset")
    assert misspelt_splits(rows, VideoSelection("d", ("test",))) == {"tests": 1, "tset": 2}
    assert misspelt_splits(rows, VideoSelection("d", ("test", "tset", "tests"))) == {}
    assert misspelt_splits(rows, VideoSelection("d", ("train",))) == {}
    assert misspelt_splits(rows, VideoSelection("d")) == {}
    folds = [*videos(1, "fold1"), *videos(1, "fold2")]
    assert misspelt_splits(folds, VideoSelection("d", ("fold1",))) == {}
    assert left_out({"tset": 2, "tests": 1}) == [
        "2 videos of the split 'tset' are left out",
        "1 video of the split 'tests' is left out",
    ]
    assert Listing(Counts(1, 2), misspelt={"tset": 2}).to_json()["misspelt"] == {"tset": 2}
