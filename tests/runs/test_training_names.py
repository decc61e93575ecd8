"""What a detector was trained on, however it is spelt: recognised, refused, or marked as unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stored_records import record_of

from dfbench import ClipSpec, DetectorCard, DetectorSpec, LoadOptions, PluginError
from dfbench.hooks.detectors import card_of
from dfbench.hooks.host import Host
from dfbench.runs.records.trained import training_of
from dfbench.runs.trainings.training_names import DatasetNames, NamedTraining, named_card, recorded_training

REGISTRY = Host.load().registry
NAMES = DatasetNames(REGISTRY)
CARD = DetectorCard(ClipSpec(frames=1, size=8), trained_on=frozenset({"ffpp"}))


@pytest.mark.parametrize(
    ("spelt", "dataset", "compression"),
    [
        *(("CDF2", "celeb_df_v2", ""), ("cdf2", "celeb_df_v2", ""), ("Celeb-DF", "celeb_df_v2", "")),
        *((" ffpp ", "ffpp", ""), ("FFPP", "ffpp", ""), ("ff++", "ffpp", ""), ("FF ++", "ffpp", "")),
        *(("Celeb-DF (v2)", "celeb_df_v2", ""), ("celebdfv2", "celeb_df_v2", ""), ("celeb df v2", "celeb_df_v2", "")),
        *(("\uff26\uff26\uff30\uff30", "ffpp", ""), ("FaceForensics++", "ffpp", ""), ("celeb_df_pp", "celeb_df_pp", "")),
        *(("ffpp/c23", "ffpp", "c23"), ("FF++ (c40)", "ffpp", "c40"), ("ffpp_c0", "ffpp", "raw"), ("ffpp:C23", "ffpp", "c23")),
        *(("ffpp/train/c23", "ffpp", "c23"), ("ffpp/c23/train", "ffpp", "c23"), ("dfdc (train)", "dfdc", "")),
        *(("own", "folder", ""), ("DFDC-3215", "dfdc_3215", ""), ("DFDC preview", "dfdcp", "")),
    ],
)  # fmt: skip
def test_spellings(spelt: str, dataset: str, compression: str) -> None:
    compressions = (compression,) if compression else ()
    assert NAMES.resolve([spelt]) == NamedTraining((dataset,), (), compressions)


@pytest.mark.parametrize(
    "several", ["ffpp+dfd", "FF++, DFD", "ffpp;DeepFakeDetection", "FF++ and dfd", "ffpp/c23 + dfd/c40"]
)
def test_several_in_one_text(several: str) -> None:
    assert NAMES.resolve([several]).datasets == ("dfd", "ffpp")
    assert NAMES.resolve([several]).unknown == ()


@pytest.mark.parametrize("name", ["mystery", "", " ", "ff", "../x", "nothing", "none", "\0", "()"])
def test_what_no_dataset_is_called_is_unknown_and_never_nothing(name: str) -> None:
    named = NAMES.resolve(["CDF2", name])
    assert named.datasets == tuple(sorted({"celeb_df_v2", name.strip()}))
    assert named.unknown == (name.strip(),)
    assert NAMES.resolve([name], also=[name]).unknown == ()


@pytest.mark.parametrize("name", ["ffpp/c99", "ffpp+mystery", "FF++ (second half)", "ffpp_c99"])
def test_a_dataset_in_what_is_not_understood_is_marked_too(name: str) -> None:
    assert NAMES.resolve([name]) == NamedTraining(tuple(sorted(("ffpp", name))), (name,))


def test_every_name_alias_and_title_is_recognised() -> None:
    for name in REGISTRY.names("dataset"):
        spec = REGISTRY.dataset(name)
        for spelt in (
            name,
            *spec.aliases,
            *(one.upper() for one in spec.aliases),
            *([spec.title] * bool(spec.title)),
        ):
            assert NAMES.resolve([spelt]) == NamedTraining((name,)), spelt
        for compression in spec.compressions:
            named = NAMES.resolve([f"{name}/{compression}"])
            assert (named.datasets, named.unknown) == ((name,), ())


@given(st.lists(st.text(max_size=300), max_size=5))
def test_any_text_is_a_dataset_or_unknown(texts: list[str]) -> None:
    named = NAMES.resolve(texts)
    assert set(named.unknown) <= set(named.datasets)
    assert bool(named.datasets) == bool(texts)
    assert set(named.datasets) - set(named.unknown) <= set(REGISTRY.names("dataset"))


def test_a_card_has_own_names_and_the_compression_that_it_does_not_say_itself() -> None:
    card = named_card(replace(CARD, trained_on=frozenset({"FF++/c40", "CDF2", "mystery"})), REGISTRY)
    assert card.trained_on == frozenset({"ffpp", "celeb_df_v2", "mystery"})
    assert (card.unknown, card.train_compression) == (frozenset({"mystery"}), "c40")
    said = replace(CARD, trained_on=frozenset({"ffpp/c40"}), train_compression="c23")
    assert named_card(said, REGISTRY).train_compression == "c23"
    for known in (frozenset[str](), None):
        assert named_card(replace(CARD, trained_on=known), REGISTRY) == replace(CARD, trained_on=known)


@pytest.mark.parametrize("corpus", ["/abs", "", "Official", "0fficial", "a b", "x" * 65])
def test_a_corpus_that_can_be_none_is_unknown(corpus: str) -> None:
    assert named_card(replace(CARD, corpora=frozenset({"demo", corpus})), REGISTRY).corpora is None
    for known in ("official", "own", "demo-tiny"):
        assert named_card(replace(CARD, corpora=frozenset({known})), REGISTRY).corpora == frozenset({known})


def test_unknown_training_data_are_told_and_stand_in_the_name_of_the_entry() -> None:
    card = named_card(
        replace(CARD, trained_on=frozenset({"FF++", "a\nb"}), corpora=frozenset({"official"})), REGISTRY
    )
    training = training_of(card, given=True, seed=0)
    assert training.words("official") == "ffpp+unknown data"
    assert training.notice(REGISTRY).startswith(
        "it says that it was trained on 'a\\nb', as no dataset here is called"
    )
    assert "\n" not in training.notice(REGISTRY)
    alone = training_of(named_card(replace(card, trained_on=frozenset({"x"})), REGISTRY), given=False, seed=0)
    assert alone.words("official") == "unknown data"
    assert alone.notice(REGISTRY)


def test_a_record_is_resolved_unless_it_is_certainly_as_written() -> None:
    content = {"trained_on": ["CDF2", "lab"], "datasets": {"dfd": {}}, "training_unknown": []}
    record = record_of(content)

    def names() -> DatasetNames:
        return NAMES

    def none() -> DatasetNames:
        raise AssertionError("plugins were loaded for nothing")

    assert recorded_training(record, names, as_written=False) == NamedTraining(
        ("celeb_df_v2", "lab"), ("lab",)
    )
    assert recorded_training(record, none, as_written=True) == NamedTraining(("CDF2", "lab"))
    tested = record_of(content, datasets={"lab": {}})
    assert recorded_training(tested, names, as_written=False) == NamedTraining(("celeb_df_v2", "lab"))
    noted = record_of(content, training_unknown=["lab", "x"])
    assert recorded_training(noted, none, as_written=True) == NamedTraining(("CDF2", "lab"), ("lab",))
    assert recorded_training(record_of(content, trained_on=None), none, as_written=False) is None
    assert recorded_training(record_of(content, trained_on=[]), none, as_written=False) == NamedTraining(())


TYPES: list[object] = [
    "ffpp",
    ["ffpp"],
    ("ffpp",),
    {"ffpp"},
    {"ffpp": 1},
    3,
    frozenset({3}),
    frozenset({None}),
]


@pytest.mark.parametrize("field", ["trained_on", "corpora"])
@pytest.mark.parametrize("value", TYPES)
def test_a_card_of_a_plugin_with_no_names_is_refused(
    install: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, field: str
) -> None:
    card = replace(CARD, **{field: value})  # type: ignore[arg-type]
    spec = DetectorSpec("lab", "of a lab", "lab:Detector", describe="lab:describe")
    monkeypatch.setattr("dfbench.hooks.detectors.load_object", lambda _: lambda _: card)
    with pytest.raises(PluginError, match=f"returned {field} ") as caught:
        card_of(spec, LoadOptions(tmp_path / "w"))
    assert "a frozenset of names is meant" in caught.value.hints[0]
