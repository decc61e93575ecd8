"""Public checkpoints: what tells a kind, how tensors are renamed, and which of two outputs stands for fake."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dfbench import WeightsError
from dfbench.training.released import KnownFile, Released, kind_of, one_logit, read_released, renamed

KIND = Released(
    says="a public one",
    recipe="standard",
    tells=("net.first.weight", "*.last.bias", "extra.*"),
    convert=lambda state: renamed(state, {"net.": ""}, dropped=("extra.",)),
)
STATE = {
    "net.first.weight": torch.ones(2, 3),
    "net.last.bias": torch.ones(2),
    "extra.unused": torch.ones(1),
}


def test_a_kind_is_told_by_all_of_its_names() -> None:
    assert KIND.fits(STATE)
    for left_out in STATE:
        assert not KIND.fits({name: value for name, value in STATE.items() if name != left_out})


def test_kinds_of_the_same_names_are_told_by_what_their_kernels_see() -> None:
    grey, colour = (replace(KIND, channels={"net.first.weight": count}) for count in (1, 3))
    assert (grey.fits(STATE), colour.fits(STATE)) == (False, True)
    assert kind_of(STATE, [grey, colour]) is colour
    assert not replace(KIND, channels={"net.last.bias": 2}).fits(STATE)  # no kernel
    assert not replace(KIND, channels={"net.second.weight": 3}).fits(STATE)


def test_tensors_are_renamed_and_dropped_by_their_beginning() -> None:
    assert set(renamed(STATE, {"net.": "own."}, dropped=("extra.",))) == {"own.first.weight", "own.last.bias"}
    assert set(renamed(STATE, {})) == set(STATE)


@given(fake=st.sampled_from([0, 1]), seed=st.integers(0, 2**32 - 1))
def test_one_logit_is_the_log_odds_of_fake(fake: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, bias, inputs = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((2, 5), (2,), (7, 5))
    )
    made = one_logit({"head.weight": weight, "head.bias": bias, "other": bias}, "head", fake=fake)
    logit = torch.nn.functional.linear(inputs, made["head.weight"], made["head.bias"])[:, 0]
    odds = torch.nn.functional.linear(inputs, weight, bias).softmax(dim=1)[:, fake]
    torch.testing.assert_close(logit.sigmoid(), odds)
    assert torch.equal(made["other"], bias)


@pytest.mark.parametrize("outputs", [(), (1, 5), (3, 5)])
def test_another_number_of_outputs_is_refused(outputs: tuple[int, ...]) -> None:
    with pytest.raises(WeightsError, match="outputs, and real or fake are two"):
        one_logit({"head.weight": torch.ones(outputs), "head.bias": torch.ones(2)}, "head")


def test_known_files_are_called_by_name_and_others_unverified(tmp_path: Path) -> None:
    path = tmp_path / "public.pth"
    torch.save(STATE, path)
    found = read_released(path, [KIND], detector="d", hints=())
    assert found is not None
    assert set(found.state) == {"first.weight", "last.bias"}
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.known == KnownFile(f"standard, unverified weights {found.sha256[:8]}")
    known = Released(
        says=KIND.says,
        recipe=KIND.recipe,
        tells=KIND.tells,
        convert=KIND.convert,
        known={found.sha256: KnownFile("published", frozenset({"ffpp"}), "c23")},
    )
    again = read_released(path, [known], detector="d", hints=())
    assert again is not None
    assert (again.known.name, again.known.trained_on) == ("published", frozenset({"ffpp"}))


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    page = tmp_path / "page.pth"
    page.write_text("<!DOCTYPE html><html>")
    with pytest.raises(WeightsError, match="is a web page, not weights"):
        read_released(page, [KIND], detector="d", hints=())
    cut = tmp_path / "cut.pth"
    torch.save(STATE, cut)
    cut.write_bytes(cut.read_bytes()[:300])
    with pytest.raises(WeightsError, match="is not a readable checkpoint"):
        read_released(cut, [KIND], detector="d", hints=())


@pytest.mark.parametrize("saved", [torch.nn.Linear(3, 2), STATE | {"arguments": argparse.Namespace()}])
def test_what_could_run_code_is_never_unpickled(saved: object, tmp_path: Path) -> None:
    path = tmp_path / "xception-c23.p"  # as FaceForensics++ calls its pickled module
    torch.save(saved, path)
    with pytest.raises(WeightsError, match="loading it could run code") as caught:
        read_released(path, [KIND], detector="d", hints=())
    assert str(path) in caught.value.message
    assert "torch.save(model.state_dict(), FILE)" in caught.value.hints[0]
