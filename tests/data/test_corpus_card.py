"""The file that names the corpus of a folder, and says how many videos it should have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.sample_copy import SPEC, write_copy

from dfbench.data.datasets.corpus_card import CORPUS_FILE, corpus_name, refuse_cards_inside
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.errors import LayoutError, UnknownNameError
from dfbench.exchanged import DatasetIndex
from dfbench.types import Counts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "Ein Ordner mit Straße"


@pytest.fixture
def index(root: Path) -> DatasetIndex:
    return write_copy(root)


def test_the_splits_of_a_corpus_file_replace_the_published_ones(root: Path, index: DatasetIndex) -> None:
    (root / CORPUS_FILE).write_text('{"corpus": "demo", "official": {"val": {"real": 1, "fake": 1}}}')
    assert not take_stock(SPEC, root, index, splits=("val",)).complete  # promised, not there
    with pytest.raises(UnknownNameError, match="'train'"):
        take_stock(SPEC, root, index, splits=("train",))


def test_a_corpus_file_names_the_corpus_and_replaces_the_counts(root: Path, index: DatasetIndex) -> None:
    content = {"corpus": "demo", "official": {"test": {"real": 2, "fake": 1}, "val": {"real": 5, "fake": 5}}}
    (root / CORPUS_FILE).write_text(json.dumps(content))
    assert corpus_name(root) == "demo"
    inventory = take_stock(replace(SPEC, official={"test": Counts(2500, 2500)}), root, index)
    assert (inventory.corpus, [one.part for one in inventory.official]) == ("demo", ["test", "val"])
    assert inventory.official[0].agrees
    assert not inventory.complete  # val is promised and not there


def test_a_corpus_file_without_counts_keeps_the_published_ones(root: Path, index: DatasetIndex) -> None:
    (root / CORPUS_FILE).write_text('{"corpus": "mirror"}')
    inventory = take_stock(SPEC, root, index)
    assert (inventory.corpus, inventory.complete) == ("mirror", True)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"\xff", b"{}", b'{"corpus": 3}', b'{"corpus": " "}', b'{"corpus": "a\\u0000"}',
        b'{"corpus": "x", "official": []}',
        b'{"corpus": "x", "official": {"test": {"real": 1}}}',
        b'{"corpus": "x", "official": {"test": {"real": -1, "fake": 0}}}',
        b'{"corpus": "x", "official": {"test": {"real": true, "fake": 0}}}',
    ],
)  # fmt: skip
def test_a_damaged_corpus_file_is_an_error_that_shows_its_form(
    root: Path, index: DatasetIndex, content: bytes
) -> None:
    (root / CORPUS_FILE).write_bytes(content)
    for use in (lambda: corpus_name(root), lambda: take_stock(SPEC, root, index)):
        with pytest.raises(LayoutError, match=CORPUS_FILE) as caught:
            use()
        assert '"corpus": NAME' in caught.value.hints[0]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "official",
            "Official",
            "OFFICIAL ",
            "0fficial",
            "officia1",
            "off-icial",
            "official.2",
            "the-official",
        ),
        *("\u043efficial", "\uff4ffficial", "own", "Own", "0WN"),
        *(
            "/abs",
            "/../../../X",
            "..",
            "a/b",
            "a\\b",
            ".x",
            "x ",
            "con",
            "NUL.txt",
            "a\0",
            "a\n",
            "x" * 65,
            "caf\u00e9",
        ),
        *("", [], {}, None, 3, True),
    ],
)
def test_a_corpus_file_takes_no_name_that_leads_elsewhere_or_is_taken(
    root: Path, index: DatasetIndex, name: object
) -> None:
    counts = {"test": {"real": 2, "fake": 1}}
    (root / CORPUS_FILE).write_text(json.dumps({"corpus": name, "official": counts}))
    for use in (
        lambda: corpus_name(root),
        lambda: corpus_name(root, "own"),
        lambda: take_stock(SPEC, root, index),
    ):
        with pytest.raises(LayoutError, match='"corpus" is') as caught:
            use()
        assert caught.value.message.partition("cannot be used: ")[2].isascii()
        assert caught.value.message.isprintable()


@pytest.mark.usefixtures("index")
def test_counts_without_the_name_of_a_corpus_are_refused(root: Path) -> None:
    (root / CORPUS_FILE).write_text('{"official": {"test": {"real": 2, "fake": 1}}}')
    with pytest.raises(LayoutError, match='"corpus" is None, which is of the type NoneType'):
        corpus_name(root)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("name", ["office", "mine", "my-own", "Celeb-DF-v2-half", "demo", "unofficial"])
def test_other_names_are_free(root: Path, name: str) -> None:
    (root / CORPUS_FILE).write_text(json.dumps({"corpus": name}))
    assert corpus_name(root) == name


def test_counts_of_a_corpus_file_are_never_said_to_be_published(root: Path, index: DatasetIndex) -> None:
    card = {"corpus": "mine", "official": {"test": {"real": 2, "fake": 1}}}
    (root / CORPUS_FILE).write_text(json.dumps(card))
    by_card = take_stock(SPEC, root, index)
    (line,) = [line for line in by_card.lines() if "mine counts are" in line]
    assert line.endswith(f"2 real + 1 fake: as {CORPUS_FILE} says")
    assert not any("as published" in line for line in by_card.lines())
    assert by_card.to_json()["official_by"] == CORPUS_FILE
    (root / CORPUS_FILE).unlink()
    assert take_stock(SPEC, root, index).to_json()["official_by"] == "publication"


def test_a_corpus_file_further_inside_is_not_passed_over(root: Path, index: DatasetIndex) -> None:
    refuse_cards_inside(root, index.videos)
    (root / CORPUS_FILE).write_text('{"corpus": "mine"}')
    refuse_cards_inside(root, index.videos)  # of the root itself: it is in force
    folder = index.videos[0].path.parent
    while folder.parent != root:
        folder = folder.parent
    (folder / CORPUS_FILE).write_text('{"corpus": "other"}')
    with pytest.raises(LayoutError, match="belong to another corpus") as caught:
        refuse_cards_inside(root, index.videos)
    assert str(folder / CORPUS_FILE) in caught.value.message
