"""What is known of the training behind given weights, how it is said, and where its file is found again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench import ClipSpec, DetectorCard, DetectorSpec, PluginError
from dfbench.hooks.host import Host
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.trained import (
    NOTHING_KNOWN,
    TRAINING_FILE,
    Training,
    checked_weights,
    finished_weights,
    is_made,
    known_card,
    note_training,
    trained_weights,
    training_of,
)

REGISTRY = Host.load().registry
FFPP = Training(datasets=("ffpp",), compression="c23", corpora=("official",), seed=3, given=True)
CARD = DetectorCard(ClipSpec(frames=1, size=8), trained_on=frozenset({"ffpp"}), train_compression="c23")
SPEC = DetectorSpec("lab", "of a lab", "lab:Detector", trainer="lab:Trainer")


@pytest.mark.parametrize(
    ("changes", "corpus", "words"),
    [
        ({}, "official", "ffpp/c23"),
        ({}, "demo", "ffpp/c23 of the official corpus"),
        ({"corpora": ("demo",)}, "official", "ffpp/c23 of the demo corpus"),
        ({"corpora": ("demo",)}, "demo", "ffpp/c23 of the demo corpus"),
        ({"corpora": ("demo", "official")}, "official", "ffpp/c23 of the demo and official corpora"),
        ({"corpora": None}, "official", "ffpp/c23 of an unknown corpus"),
        (
            {"datasets": None, "compression": "", "corpora": ("own",)},
            "own",
            "trained on data of the own corpus",
        ),
        ({"datasets": None, "compression": "", "corpora": None}, "official", ""),
        ({"datasets": (), "compression": "", "corpora": None, "given": False}, "demo", ""),
        ({"compression": ""}, "official", "ffpp"),
    ],
)
def test_the_corpus_stands_in_the_name_unless_all_is_official(
    changes: dict[str, object], corpus: str, words: str
) -> None:
    assert replace(FFPP, **changes).words(corpus) == words  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("training", "says"),
    [
        (FFPP, ""),
        (replace(FFPP, corpora=("own",)), ""),
        (replace(FFPP, corpora=("demo", "official")), ""),  # fine-tuned on real faces
        (
            replace(FFPP, corpora=("demo",)),
            "trained on rendered faces of the demo corpus: the probability says",
        ),
        (replace(FFPP, corpora=("demo-small-seed1",)), "rendered faces of the demo-small-seed1 corpus"),
        (replace(FFPP, corpora=None), "not known of which corpus"),
        (replace(FFPP, datasets=(), corpora=None), ""),
        (NOTHING_KNOWN, ""),
    ],
)
def test_rendered_faces_are_told_in_one_clause(training: Training, says: str) -> None:
    notice = training.notice(REGISTRY)
    assert (says in notice) if says else notice == ""
    assert "\n" not in notice


def test_made_corpora_are_known_by_the_names_that_plugins_offer() -> None:
    assert all(is_made(name, REGISTRY) for name in ("demo", "demo-small", "demo-seed3"))
    assert not any(is_made(name, REGISTRY) for name in ("official", "own", "demonstration", ""))


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Path]:
    """A finished training of these facts, with its weights in a file of this name."""

    def make(name: str = "best.bin", *, trained_on: object = ("dfdc",), **identity: object) -> Path:
        folder = tmp_path / "cache" / "weights" / "lab" / "demo-1"
        weights = folder / name
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(b"weights")
        facts = {"identity": identity, "trained_on": trained_on, "train_compression": "c40"}
        note_training(folder, weights, {"sha256": file_sha256(weights), **facts})
        return weights

    return make


def behind(weights: Path, card: DetectorCard = CARD) -> Training:
    return training_of(known_card(card, weights, file_sha256(weights)), given=True, seed=7)


def test_what_a_card_does_not_say_dfbench_knows_of_its_own_trainings(
    trained: Callable[..., Path], tmp_path: Path
) -> None:
    weights = trained(corpus="demo", seed=2)
    assert behind(weights) == Training(("ffpp",), "c23", ("demo",), 2, given=True)
    said = replace(CARD, corpora=frozenset({"official"}), seed=5)
    assert (behind(weights, said).corpora, behind(weights, said).seed) == (("official",), 5)
    # Weights that were changed, or lie elsewhere, are others.
    weights.write_bytes(b"others")
    (tmp_path / "copy.bin").write_bytes(b"weights")
    for other in (weights, tmp_path / "copy.bin"):
        assert (behind(other).corpora, behind(other).seed) == (None, None)


def test_a_card_that_knows_no_datasets_has_those_of_the_training(trained: Callable[..., Path]) -> None:
    silent = replace(CARD, trained_on=None, train_compression="")
    assert behind(trained(corpus="own", seed=1), silent) == Training(
        ("dfdc",), "c40", ("own",), 1, given=True
    )
    # Nothing is known of what the weights that it began with had seen, nor of a note that somebody edited.
    started = trained(corpus="own", seed=1, start={"sha256": "ab"})
    assert behind(started, silent) == Training(None, "", None, 1, given=True)
    edited = trained(corpus="own", seed=1, trained_on="dfdc")
    assert behind(edited, silent).datasets is None
    # A detector that says that it needs no training data is believed.
    assert behind(trained(corpus="own", seed=1), replace(silent, trained_on=frozenset())).datasets == ()


def test_a_training_from_given_weights_saw_more_than_its_own_corpus(trained: Callable[..., Path]) -> None:
    weights = trained(corpus="official", seed=0, start={"sha256": "ab"})
    assert (behind(weights).corpora, behind(weights).seed) == (None, 0)


def test_without_weights_the_seed_is_that_of_the_command() -> None:
    card = replace(CARD, trained_on=frozenset(), train_compression="")
    assert training_of(known_card(card, None, ""), given=False, seed=7) == Training(
        (), "", None, 7, given=False
    )


@pytest.mark.parametrize("name", ["model.pt", "weights.safetensors", "deep/er/model.ckpt"])
def test_weights_are_found_under_whatever_name(
    trained: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    weights = trained(name, corpus="demo", seed=1)
    folder = tmp_path / "cache" / "weights" / "lab" / "demo-1"
    assert finished_weights(folder) == weights
    content = weights.read_bytes()
    weights.write_bytes(b"")  # by a full disk: nothing that a run could be made of
    assert finished_weights(folder) is None
    weights.write_bytes(content)
    assert trained_weights(tmp_path / "cache", "lab") == [weights]
    assert behind(weights).seed == 1
    weights.unlink()
    assert finished_weights(folder) is None
    assert trained_weights(tmp_path / "cache", "lab") == []


@given(
    st.one_of(
        st.binary(max_size=20),
        st.builds(
            lambda one: json.dumps(one).encode(),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=5),
                lambda inner: st.dictionaries(
                    st.sampled_from(["weights", "sha256", "identity"]), inner, max_size=3
                ),
                max_leaves=5,
            ),
        ),
    )
)
def test_a_damaged_note_is_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("training")
    (folder / TRAINING_FILE).write_bytes(content)
    assert finished_weights(folder) is None
    (folder / "w").write_bytes(b"w")
    assert behind(folder / "w").seed is None


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda _: None, "returned None and no path"),
        (lambda folder: folder, "there is no such file"),
        (lambda folder: folder / "absent.pt", "there is no such file"),
        (lambda folder: folder / "empty.pt", "wrote an empty file"),
        (lambda folder: folder.parent / "elsewhere.pt", "which is not in"),
    ],
)
def test_a_trainer_without_weights_is_named(
    tmp_path: Path, returned: Callable[[Path], object], says: str
) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / "empty.pt").touch()
    (tmp_path / "elsewhere.pt").write_bytes(b"weights")
    with pytest.raises(PluginError, match=r"trainer of detector 'lab' \(lab:Trainer\)") as caught:
        checked_weights(returned(folder), folder, SPEC)
    assert says in caught.value.message


def test_a_path_may_be_a_text_or_begin_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    for returned in (tmp_path / "model.pt", str(tmp_path / "model.pt"), "model.pt"):
        assert checked_weights(returned, tmp_path, SPEC) == tmp_path / "model.pt"
