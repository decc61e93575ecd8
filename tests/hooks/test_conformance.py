"""Each check finds the fault that it is there for, and only that one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfbench import (
    ClipSpec,
    Counts,
    DatasetIndex,
    DatasetSpec,
    DetectorSpec,
    Evidence,
    EvidenceMap,
    Label,
    LayoutError,
    PseudoFake,
    SynthesizerSpec,
    UsageError,
    Video,
)
from dfbench.hooks.conformance import CheckResult, check_dataset, check_detector, check_synthesizer
from dfbench.hooks.host import Host

REGISTRY = Host.load().registry
WEIGHTLESS = [name for name in REGISTRY.names("detector") if not REGISTRY.detector(name).needs_weights]


def failed(results: list[CheckResult]) -> list[str]:
    return [result.name for result in results if not result.passed]


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTLESS)
def test_every_registered_detector_conforms(name: str) -> None:
    results = check_detector(REGISTRY.detector(name))
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("name", REGISTRY.names("synthesizer"))
def test_every_registered_synthesizer_conforms(name: str) -> None:
    assert [result for result in check_synthesizer(REGISTRY.synthesizer(name)) if not result.passed] == []


class Sound:
    """Mean brightness in logits."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        del weights, device
        self.seed = seed
        self.calls = 0

    def score(self, clips: Tensor) -> Any:
        return clips.double().mean(dim=(1, 2, 3, 4)) / 255


class NoScore:
    def __init__(self, **_: object) -> None: ...


class Column(Sound):
    def score(self, clips: Tensor) -> Any:
        return super().score(clips)[:, None]


class Squeezed(Sound):
    def score(self, clips: Tensor) -> Any:
        return super().score(clips).squeeze()


class Whole(Sound):
    def score(self, clips: Tensor) -> Any:
        return (super().score(clips) * 100).long()


class Infinite(Sound):
    def score(self, clips: Tensor) -> Any:
        return super().score(clips).log()


class BatchNormalised(Sound):
    def score(self, clips: Tensor) -> Any:
        scores = super().score(clips)
        return scores - scores.mean()


class Restless(Sound):
    def score(self, clips: Tensor) -> Any:
        self.calls += 1
        return super().score(clips) + self.calls


class Unseeded(Sound):
    built = 0

    def score(self, clips: Tensor) -> Any:
        return super().score(clips) + self.offset

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        type(self).built += 1
        self.offset = type(self).built


class InPlace(Sound):
    def score(self, clips: Tensor) -> Any:
        scores = super().score(clips)
        clips[:, 0, 0, 0] = clips[:, 0, 0, 0] // 2 + 1
        return scores


class Raising(Sound):
    def score(self, clips: Tensor) -> Any:
        if len(clips) == 1:
            raise IndexError("one is too few")
        return super().score(clips)


BATCH_OF_ONE = "accepts a batch of one"
SAME_IN_BATCH = "same score alone and in any batch"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Sound, set()),
        (NoScore, {"builds"}),
        (Column, {"returns a floating (B,) tensor", BATCH_OF_ONE}),
        (Squeezed, {BATCH_OF_ONE, SAME_IN_BATCH}),
        (Whole, {"returns a floating (B,) tensor", BATCH_OF_ONE}),
        (Infinite, {"scores are finite"}),
        (BatchNormalised, {SAME_IN_BATCH}),
        (Restless, {SAME_IN_BATCH, "same score when asked again", "same score when built again"}),
        (Unseeded, {"same score when built again"}),
        (InPlace, {"leaves its input unchanged"}),
        (Raising, {BATCH_OF_ONE, SAME_IN_BATCH}),
    ],
)
def test_each_detector_fault_is_found(kind: type, expected: set[str]) -> None:
    spec = DetectorSpec(name="x", summary="", build=f"{__name__}:{kind.__name__}", clips=ClipSpec(2, 16))
    assert set(failed(check_detector(spec))) == expected


@pytest.mark.parametrize(("margin", "wrong"), [(0.5, []), (0.8, ["builds"])])
def test_a_margin_beyond_the_stored_crops_is_found(margin: float, wrong: list[str]) -> None:
    spec = DetectorSpec("wide", "", f"{__name__}:Sound", clips=ClipSpec(frames=2, size=16, margin=margin))
    assert failed(check_detector(spec)) == wrong
    card = replace(spec, clips=ClipSpec(frames=2, size=16)).card()
    assert not card.bad_margin()
    assert bool(replace(card, margins={"dfd": margin}).bad_margin()) == bool(wrong)


def test_a_raising_detector_is_shown_with_its_traceback() -> None:
    spec = DetectorSpec(name="x", summary="", build=f"{__name__}:Raising", clips=ClipSpec(2, 16))
    detail = {result.name: result.detail for result in check_detector(spec)}[BATCH_OF_ONE]
    assert detail.startswith("IndexError: one is too few")
    assert "in score" in detail


def test_unimportable_detector_fails_the_first_check() -> None:
    spec = DetectorSpec(name="x", summary="", build="no_such_module:X")
    (result,) = check_detector(spec)
    assert (result.name, result.passed) == ("builds", False)


def test_a_detector_that_needs_weights_is_refused_without() -> None:
    spec = DetectorSpec(name="x", summary="", build="os:path", needs_weights=True)
    with pytest.raises(UsageError, match="cannot be checked without weights"):
        check_detector(spec)


class SoundExplainer(Sound):
    """Explains `Sound` by the brightness of the four quarters of each frame."""

    fault = ""

    def maps(self) -> Any:
        offered = (
            EvidenceMap("light", "mean brightness"),
            EvidenceMap("dark", "its negative", standard=False),
        )
        return {"none": (), "twice": offered[:1] * 2}.get(self.fault, offered)

    def explain(self, clips: Tensor, names: Any) -> Any:
        made = clips.float().mean(dim=-1).unfold(2, 8, 8).unfold(3, 8, 8).mean(dim=(-1, -2))
        logits = self.score(clips) + (1 if self.fault == "logits" else 0)
        if self.fault == "batch":
            made = made - made.mean()
        if self.fault == "in place":
            clips.zero_()
        if self.fault == "nan":
            made = made.log() * float("nan")
        if self.fault == "tuple":
            return logits, None, {}
        frames = torch.zeros(len(clips), 1) if self.fault == "frames" else None
        return Evidence(logits, frames, {name: made if name == "light" else -made for name in names})


FORM = "makes every map that it offers"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()),
        ("twice", {"offers maps"}),
        ("logits", {"explains the score that it gives"}),
        ("batch", {"same evidence alone and in a batch"}),
        ("in place", {"leaves what it explains unchanged"}),
        ("nan", {FORM}),
        ("frames", {FORM}),
    ],
)
def test_each_explainer_fault_is_found(
    fault: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SoundExplainer, "fault", fault)
    spec = DetectorSpec(
        name="x",
        summary="",
        build=f"{__name__}:Sound",
        explain=f"{__name__}:SoundExplainer",
        clips=ClipSpec(2, 16),
    )
    assert set(failed(check_detector(spec))) == expected


def test_an_explainer_of_another_form_fails_and_no_map_is_no_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DetectorSpec(
        name="x", summary="", build=f"{__name__}:Sound", explain=f"{__name__}:Sound", clips=ClipSpec(2, 16)
    )
    assert failed(check_detector(spec)) == ["builds its explainer"]
    spec = DetectorSpec(
        name="x",
        summary="",
        build=f"{__name__}:Sound",
        explain=f"{__name__}:SoundExplainer",
        clips=ClipSpec(2, 16),
    )
    monkeypatch.setattr(SoundExplainer, "fault", "none")
    assert "offers maps" in failed(check_detector(spec))
    monkeypatch.setattr(SoundExplainer, "fault", "tuple")
    assert FORM in failed(check_detector(spec))


def video(video_id: str, label: Any, **changes: Any) -> Video:
    fields: dict[str, Any] = {
        "dataset": "tiny",
        "video_id": video_id,
        "path": Path(video_id),
        "label": label,
        "split": "test",
        "manipulation": "real" if label is Label.REAL else "swap",
        "compression": "",
        "identities": ("a",),
        "group": "a",
    }
    return Video(**(fields | changes))


class TinyDataset:
    """What `rows` holds is its index; a test sets it."""

    rows: Callable[[], tuple[Video, ...]]
    strict = True

    def __init__(self, root: Path, *, compression: str | None) -> None:
        del compression
        self.root = root

    def index(self) -> DatasetIndex:
        if self.strict and not any(self.root.iterdir()):
            raise LayoutError(f"{self.root} is empty")
        return DatasetIndex(type(self).rows())


TINY = DatasetSpec(name="tiny", summary="", build=f"{__name__}:TinyDataset", official={"test": Counts(1, 1)})
GOOD = (video("r", Label.REAL), video("f", Label.FAKE))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (GOOD, []),
        ((), ["indexes its root"]),
        ((*GOOD, GOOD[0]), ["video ids are unique"]),
        ((video("r", Label.REAL, dataset="other"),), ["rows are complete and consistent"]),
        ((video("r", Label.REAL, manipulation="swap"),), ["rows are complete and consistent"]),
        ((video("r", Label.REAL, group=""),), ["rows are complete and consistent"]),
        ((video("r", 0),), ["rows are complete and consistent"]),
    ],
)
def test_each_dataset_fault_is_found(
    rows: tuple[Video, ...], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").touch()
    monkeypatch.setattr(TinyDataset, "rows", staticmethod(lambda: rows), raising=False)
    assert failed(check_dataset(TINY, tmp_path)) == expected


def test_an_unstable_or_lenient_dataset_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list.txt").touch()
    orders = iter([GOOD, GOOD[::-1], GOOD])
    monkeypatch.setattr(TinyDataset, "rows", staticmethod(lambda: next(orders)), raising=False)
    monkeypatch.setattr(TinyDataset, "strict", False)
    assert failed(check_dataset(TINY, tmp_path)) == ["a second index is equal", "an empty folder is refused"]


class SoundSynthesizer:
    def __init__(self, options: Mapping[str, object]) -> None:
        self.fault = options.get("fault")

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> Any:
        mask = np.zeros(frames.shape[:3], dtype=np.float32)
        fake = frames.copy()
        if self.fault == "tuple":
            return (frames, fake, mask)
        if self.fault != "idle":
            fake[:, :32] = rng.integers(0, 256, fake[:, :32].shape)
        if self.fault == "no seed":
            fake[:, :32] = np.random.default_rng().integers(0, 256, fake[:, :32].shape)
        if self.fault != "unmarked":
            mask[:, :32] = 2 if self.fault == "range" else 1
        if self.fault == "in place":
            landmarks += 1
        if self.fault == "dtype":
            mask = mask.astype(np.float64)
        return PseudoFake(real=frames.copy(), fake=fake, mask=mask)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", []),
        ("range", ["returns a PseudoFake in order"]),
        ("dtype", ["returns a PseudoFake in order"]),
        ("idle", ["marks what it changes"]),
        ("unmarked", ["marks what it changes"]),
        ("no seed", ["same fake with an equal generator"]),
        ("in place", ["leaves its input unchanged"]),
    ],
)
def test_each_synthesizer_fault_is_found(fault: str, expected: list[str]) -> None:
    spec = SynthesizerSpec(name="x", summary="", build=f"{__name__}:SoundSynthesizer")
    assert failed(check_synthesizer(spec, options={"fault": fault})) == expected


def test_the_manuals_synthesizer_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", manual.partition("## A synthesizer")[2], re.DOTALL)
    assert block is not None
    (tmp_path / "manuals_synthesizer.py").write_text(block.group(1))
    monkeypatch.syspath_prepend(tmp_path)
    spec = SynthesizerSpec(name="dark_mouth", summary="It darkens.", build="manuals_synthesizer:build")
    assert [result for result in check_synthesizer(spec) if not result.passed] == []


def test_a_synthesizer_that_returns_a_tuple_is_found() -> None:
    spec = SynthesizerSpec(name="x", summary="", build=f"{__name__}:SoundSynthesizer")
    results = check_synthesizer(spec, options={"fault": "tuple"})
    assert "synthesize() returned tuple, not PseudoFake" in [result.detail for result in results]


def test_scores_survive_inference_tensors() -> None:
    with torch.inference_mode():
        spec = DetectorSpec(name="x", summary="", build=f"{__name__}:Sound", clips=ClipSpec(2, 16))
        assert failed(check_detector(spec)) == []


class Wanderer:
    """Leaves another working folder behind."""

    def __init__(self, *, weights: object, device: str, seed: int) -> None:
        del weights, device, seed
        os.chdir("/")

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.float().mean(dim=(1, 2, 3, 4))


def test_a_plugin_that_changes_the_process_is_told_while_it_is_checked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = DetectorSpec(name="w", summary="", build=f"{__name__}:Wanderer", clips=ClipSpec(2, 16))
    assert all(result.passed for result in check_detector(spec))
    assert "detector 'w' changed the working folder when it was built: put back" in caplog.messages
    assert Path.cwd() == tmp_path
