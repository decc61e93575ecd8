"""Identities: fields that are added change none of them, and any value that has an effect changes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfbench.exchanged import TrainingNeeds
from dfbench.identity import (
    canonical_json,
    differences,
    digest_of,
    identity_of,
    neutral,
    neutral_values,
    with_neutral,
)
from dfbench.runs.records.provenance import recorded_identity, run_identity
from dfbench.runs.trainings.training_identity import StartingWeights, SynthesizerVersion, TrainingIdentity
from dfbench.training.recipe import Recipe
from dfbench.types import ClipSpec, FrameChoice, PrepareSpec, Sampling
from dfbench_fakestormer.recipe import FakeSTormerRecipe

SCORED = PrepareSpec(FrameChoice("uniform", 12, clip=2), finder="mtcnn", finder_version="3")
TRAINED = replace(SCORED, frames=FrameChoice("first", 40, clip=4), landmarks=True, detect_every=4)
HELD_OUT = replace(TRAINED, frames=FrameChoice("runs", 4, 2), detect_every=1)
CLIPS = ClipSpec(frames=2, size=112, per_video=6, margin=0.25)
NEEDS = TrainingNeeds(TRAINED, HELD_OUT, frozenset({0}), "self_blended_video", {"elastic": "released"})
TRAINING = TrainingIdentity(
    detector="fakestormer",
    version="5",
    recipe={"name": "demo", "lr": 0.005, "patience": 0},
    corpus="demo",
    train="a" * 64,
    validation="b" * 64,
    files="c" * 64,
    needs=NEEDS,
    seed=3,
)
SYNTHESIZER = SynthesizerVersion("self_blended_video", "2")
START = StartingWeights("timm", "d" * 64)
SCORING = {
    "schema": 1,
    "detector": {"name": "net", "version": "2", "weights_sha256": "e" * 64, "recipe": "demo"},
    **{"protocol": "cross-dataset", "corpus": "official", "seed": 0, "pooling": "mean_logit"},
    "clips": identity_of(CLIPS),
    "prepare": identity_of(SCORED),
    "datasets": {"dfd": {"manifest": "a" * 64, "files": "b" * 64, "videos": 7}},
}


def recipe_digest(name: str) -> str:
    return digest_of(FakeSTormerRecipe.load(name).identity())[:12]


# Computed by commit 017e8e7, before there were neutral values. If one of these changes, users find nothing of what they stored
# by it: a new field needs a neutral value, and a change of numbers a version that is raised, in a commit that says so.
GOLDEN: list[tuple[str, Callable[[], str], str]] = [
    ("faces as most detectors want them", PrepareSpec(FrameChoice("uniform", 32)).digest, "aacc6e56eb28"),
    ("faces with a finder", SCORED.digest, "6b25a34e2137"),
    (
        "faces to train on",
        replace(TRAINED, frames=FrameChoice("first", 256, clip=6), finder="dlib", finder_version="", margin=0.3,
                max_size=256).digest,
        "9e011bb37480",
    ),
    ("clips", lambda: run_identity(clips=ClipSpec(4, 224))[:12], "65cf753649ec"),
    (
        "clips of successive frames",
        lambda: run_identity(clips=ClipSpec(8, 64, sampling=Sampling.CONSECUTIVE, square=False))[:12],
        "68b98f31381c",
    ),
    ("what a training needs", lambda: run_identity(needs=NEEDS)[:12], "afab73682651"),
    ("training on fakes", TRAINING.digest, "7d98fb4c75b7"),
    ("training on pseudo-fakes", replace(TRAINING, synthesizer=SYNTHESIZER).digest, "9d18df2bb26c"),
    ("training from weights", replace(TRAINING, synthesizer=SYNTHESIZER, start=START).digest, "34f0346ca71a"),
    ("run", lambda: recorded_identity(SCORING)[:12], "df10657a739a"),
    (
        "run in another precision, with margins",
        lambda: recorded_identity({**SCORING, "margins": {"dfd": 0.2}, "precision": "bf16"})[:12],
        "8e005b4ecb42",
    ),
    ("recipe base_c23", lambda: recipe_digest("base_c23"), "48e58752478e"),
    ("recipe base_c0", lambda: recipe_digest("base_c0"), "a38d99e489c7"),
    ("recipe base_c40", lambda: recipe_digest("base_c40"), "3033ce2931ac"),
    ("recipe released", lambda: recipe_digest("released"), "e369b55053b0"),
    ("recipe small", lambda: recipe_digest("small"), "a346a4070efc"),
    ("recipe demo", lambda: recipe_digest("demo"), "915cc906e928"),
]  # fmt: skip


@pytest.mark.parametrize(("compute", "golden"), [one[1:] for one in GOLDEN], ids=[one[0] for one in GOLDEN])
def test_what_is_stored_is_found_by_the_digest_that_it_was_stored_by(
    compute: Callable[[], str], golden: str
) -> None:
    assert compute() == golden


def test_each_recipe_has_a_golden_digest() -> None:
    assert {f"recipe {name}" for name in FakeSTormerRecipe.names()} <= {name for name, _, _ in GOLDEN}


def test_defaults_of_recipes_never_change() -> None:
    """Identities leave out recipe fields that have their default, which is the value without effect: see `Recipe`."""
    known = {
        **{"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "sampling": "uniform"},
        **{"pooling": "mean_logit", "fakes": "pseudo", "synthesizer": "", "synthesizer_options": ""},
        **{"train_sampling": "successive", "train_stride": 1, "train_clips": 0, "balance": "none"},
        **{"augmentation": "", "detect_every": 1, "validation_fakes": "pseudo", "validation_clips": 1},
        **{
            "validate_every": 1,
            "best_by": "video_auc",
            "patience": 0,
            "momentum": 0,
            "beta1": 0.9,
            "beta2": 0.999,
        },
        **{"weight_decay": 0, "sam_rho": 0, "sam_running_stats": "once", "clip_norm": 0, "ema_decay": 0},
        **{"schedule": "constant", "lr_boost": 1, "start_decay": 4, "warmup_steps": 0, "frozen_epochs": 0},
        **{"accumulate": 1, "precision": "32", "compile": "none", "checkpoint_steps": 250},
    }
    found = {name: one.default for name, one in Recipe.model_fields.items() if not one.is_required()}
    assert {name: found.get(name) for name in known} == known


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 1.0, -0.5, 1e-9])
    | st.sampled_from(["", "a", "1"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2)
FIELDS = st.dictionaries(st.sampled_from(["one", "other", "third"]), VALUES, max_size=3)
NEW_FIELDS = st.dictionaries(st.sampled_from(["new", "newer"]), VALUES, max_size=2)


few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spec_of(values: dict[str, Any], added: dict[str, tuple[Any, Any]]) -> Any:
    """A spec of these fields; `added`, by name: the value of a field that was added later, and its neutral value."""
    names = [(name, Any) for name in values]
    later = [
        (name, Any, field(default=None, metadata=neutral(neutral_value)))
        for name, (_, neutral_value) in added.items()
    ]
    kind = make_dataclass("Spec", [*names, *later], frozen=True)
    return kind(**values, **{name: value for name, (value, _) in added.items()})


@few
@given(FIELDS, NEW_FIELDS)
def test_fields_that_hold_their_neutral_value_change_nothing(
    values: dict[str, Any], new: dict[str, Any]
) -> None:
    before, after = spec_of(values, {}), spec_of(values, {name: (one, one) for name, one in new.items()})
    assert run_identity(**identity_of(after)) == run_identity(**identity_of(before))
    assert run_identity(spec=after) == run_identity(spec=before)


@few
@given(FIELDS, VALUES, VALUES)
def test_any_other_value_changes_the_identity(values: dict[str, Any], value: Any, neutral_value: Any) -> None:
    before, after = spec_of(values, {}), spec_of(values, {"new": (value, neutral_value)})
    same = canonical_json(value) == canonical_json(neutral_value)
    assert (digest_of(identity_of(after)) == digest_of(identity_of(before))) is same


@few
@given(st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES), VALUES)
def test_specs_of_different_values_never_share_an_identity(
    one: tuple[Any, Any], other: tuple[Any, Any], neutral_value: Any
) -> None:
    first, second = (spec_of({"old": old}, {"new": (new, neutral_value)}) for old, new in (one, other))
    same = canonical_json(one) == canonical_json(other)
    assert (digest_of(identity_of(first)) == digest_of(identity_of(second))) is same


@dataclass(frozen=True, slots=True)
class Inner:
    size: int
    blur: float = field(default=0.5, metadata=neutral(0.0))


@dataclass(frozen=True, slots=True)
class Outer:
    """`version` was counted from the start; nobody has chosen an inner spec before it was there."""

    inner: Inner
    others: tuple[Inner, ...] = ()
    named: dict[str, Inner] = field(default_factory=dict)
    version: int = field(default=4, metadata=neutral(1, counted=True))
    chosen: Inner | None = field(default=None, metadata=neutral(None))


def test_specs_in_specs_leave_out_what_has_no_effect_too() -> None:
    plain = Inner(3, blur=0.0)
    spec = Outer(plain, others=(plain, Inner(4)), named={"a": plain})
    assert json.loads(canonical_json(identity_of(spec))) == {
        "inner": {"size": 3},
        "others": [{"size": 3}, {"size": 4, "blur": 0.5}],
        "named": {"a": {"size": 3}},
        "version": 4,
    }
    assert identity_of(replace(spec, version=1))["version"] == 1
    assert identity_of(replace(spec, chosen=plain))["chosen"] == {"size": 3}


def test_a_default_that_changes_leaves_both_identities_what_they_were() -> None:
    """The default of a version rises with each change: what was stored by version 1 is not found by those of version 2."""
    before = make_dataclass("Spec", [("version", int, field(default=1, metadata=neutral(1)))], frozen=True)
    after = make_dataclass("Spec", [("version", int, field(default=2, metadata=neutral(1)))], frozen=True)
    assert identity_of(before()) == identity_of(after(version=1)) == {}
    assert identity_of(after()) == {"version": 2}


@pytest.mark.parametrize("kind", [PrepareSpec, ClipSpec, FrameChoice, TrainingIdentity])
def test_a_record_of_before_says_the_neutral_values(kind: type[Any]) -> None:
    declared = neutral_values(kind)
    assert declared
    assert set(declared) <= {one.name for one in fields(kind)}
    assert with_neutral({}, declared) == {name: one.value for name, one in declared.items()}
    kept = dict.fromkeys(declared, "otherwise")
    assert with_neutral(kept, declared) == kept


@pytest.mark.parametrize(
    "changed",
    [
        {"decoding": 2},
        {"landmarking": 2},
        {"landmark_kind": "template"},
        {"tracking": 1},
        {"finder_version": "4"},
    ],
)
def test_whatever_makes_other_faces_makes_another_training_and_another_run(changed: dict[str, Any]) -> None:
    other = replace(TRAINED, **changed)
    assert other.digest() != TRAINED.digest()
    assert replace(TRAINING, needs=replace(NEEDS, prepare=other)).digest() != TRAINING.digest()
    record = {**SCORING, "prepare": identity_of(replace(SCORED, **changed))}
    assert recorded_identity(record) != recorded_identity(SCORING)


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "6"},
        {"cropping": 2},
        {"loop": 2},
        {"synthesizer": SynthesizerVersion("self_blended_video", "3")},
        {"start": START},
        {"recipe": {**TRAINING.recipe, "lr": 0.01}},
    ],
)
def test_whatever_makes_other_weights_makes_another_training(changed: dict[str, Any]) -> None:
    known = replace(TRAINING, synthesizer=SYNTHESIZER)
    assert replace(known, **changed).digest() != known.digest()


def test_what_differs_is_named_with_both_values() -> None:
    other = {"seed": 1, "needs": {"labels": [0], "prepare": {"margin": 0.5}}, "files": "a" * 64, "gone": ""}
    wanted = {
        "seed": 2,
        "needs": {"labels": [0], "prepare": {"margin": 0.25}},
        "files": "b" * 64,
        "new": True,
    }
    assert differences(other, other) == []
    assert differences(other, wanted) == [
        "files is another",
        'gone is "", not without a value',
        "needs.prepare.margin is 0.5, not 0.25",
        "new is without a value, not true",
        "seed is 1, not 2",
    ]
    assert (
        differences({"labels": "frozenset({0})"}, {"labels": frozenset({0})}) == []
    )  # as records of trainings have it


def test_a_training_is_kept_as_it_was() -> None:
    """Seeds of a training of before and of one of today are on one row of a board: their records must say the same."""
    (note,) = (Path(__file__).parent / "historic/017e8e7/cache/weights").rglob("dfbench-training.json")
    stored = json.loads(note.read_text(encoding="utf-8"))["identity"]
    train, held_out = [
        PrepareSpec(**{**one, "frames": FrameChoice(**one["frames"])})
        for one in (stored["needs"]["prepare"], stored["needs"]["prepare_validation"])
    ]
    needs = TrainingNeeds(train, held_out, frozenset({0}), "self_blended_video")
    parts = {name: stored[name] for name in ("detector", "version", "recipe", "corpus", "seed")}
    parts |= {name: stored[name] for name in ("train", "validation", "files")}
    training = TrainingIdentity(**parts, needs=needs, synthesizer=SYNTHESIZER)
    assert json.loads(json.dumps(training.to_json(), default=str)) == stored
    assert note.parent.name == f"demo-own-{training.digest()}"
