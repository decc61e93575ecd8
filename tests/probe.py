"""A plugin for tests of what the host does with a stranger's code: quick, and broken where PROBE_FAULT says.

PROBE_FAULT names the place that raises, such as `score`; `score:90` raises for clips whose brightest value is 90.
PROBE_RAISES names what else is raised there: "exit", "mute". PROBE_RETURNS names what `score` returns instead of logits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dfbench import (
    ClipSpec,
    DatasetIndex,
    DatasetSpec,
    DetectorCard,
    DetectorSpec,
    Evidence,
    EvidenceMap,
    FaceFinderSpec,
    Faces,
    FrameChoice,
    Label,
    PrepareSpec,
    ProtocolSpec,
    PseudoFake,
    SynthesizerSpec,
    TrainingNeeds,
    TrainingRequest,
    Video,
    VideoSelection,
    hookimpl,
)

CLIPS = ClipSpec(frames=1, size=16, per_video=1)


class MuteError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def maybe_fail(place: str) -> None:
    """Raise where PROBE_FAULT says so."""
    if os.environ.get("PROBE_FAULT") == place:
        if os.environ.get("PROBE_RAISES") == "exit":
            sys.exit(0)
        if os.environ.get("PROBE_RAISES") == "mute":
            raise MuteError
        raise ZeroDivisionError(f"the fault in {place} [/x]")


class Probe:
    def __init__(self, *, weights: Path | None = None, device: str = "cpu", seed: int = 0) -> None:
        del weights, device, seed
        maybe_fail("build")

    def score(self, clips: Tensor) -> Tensor:
        maybe_fail("score")
        bright = clips.float().mean(dim=(1, 2, 3, 4))
        if f"score:{round(float(clips.float().max()))}" == os.environ.get("PROBE_FAULT"):
            maybe_fail(os.environ["PROBE_FAULT"])
        returned: dict[str, Any] = {
            "nan": bright * float("nan"),
            "inf": bright + float("inf"),
            "shape": bright[:, None],
            "numpy": bright.numpy(),
            "text": "fake",
            "complex": bright * 1j,
        }
        logits: Tensor = returned.get(os.environ.get("PROBE_RETURNS", ""), bright / 64 - 2)
        return logits


class ProbeExplainer(Probe):
    def maps(self) -> Sequence[EvidenceMap]:
        maybe_fail("maps")
        return [EvidenceMap("light [red", "how bright")]

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        maybe_fail("explain")
        maps = {name: clips.float().mean(dim=4) for name in names}
        return Evidence(self.score(clips), None, maps)


def describe(weights: Path) -> DetectorCard:
    maybe_fail("describe")
    return DetectorCard(clips=CLIPS, trained_on=frozenset(), recipe="[/x] [bold]recipe")


class ProbeTrainer:
    def __init__(self, recipe: str, overrides: Mapping[str, str]) -> None:
        del recipe, overrides
        maybe_fail("trainer")

    def recipe(self) -> Mapping[str, Any]:
        maybe_fail("recipe")
        return {"name": "plain"}

    def needs(self) -> TrainingNeeds:
        maybe_fail("needs")
        wanted = PrepareSpec(FrameChoice("uniform", 1))
        return TrainingNeeds(wanted, wanted, frozenset({0}), synthesizer="probe_synthesizer")

    def fit(self, request: TrainingRequest) -> Path:
        maybe_fail("fit")
        path = request.folder / "weights.safetensors"
        path.write_bytes(b"weights")
        return path


class ProbeDataset:
    """Two videos."""

    def __init__(self, root: Path, *, compression: str | None = None) -> None:
        del compression
        maybe_fail("dataset")
        self._root = root

    def index(self) -> DatasetIndex:
        maybe_fail("index")
        labels = {"a": Label.REAL, "b": Label.FAKE}
        return DatasetIndex(
            tuple(
                Video(
                    "probe_data",
                    name,
                    self._root / name,
                    label,
                    "test",
                    ("real", "fake")[label],
                    "",
                    (),
                    name,
                )
                for name, label in labels.items()
            )
        )


class ProbeFinder:
    """Calls every frame a face."""

    def __init__(self, device: str) -> None:
        del device
        maybe_fail("finder")

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        maybe_fail("find")
        return [
            Faces(
                np.array([[0, 0, frame.shape[1], frame.shape[0]]], np.float32),
                np.ones(1, np.float32),
                np.full((1, 5, 2), np.nan, np.float32),
            )
            for frame in frames
        ]


class ProbeSynthesizer:
    def __init__(self, options: Mapping[str, object]) -> None:
        del options
        maybe_fail("synthesizer")

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        del landmarks, rng
        return PseudoFake(frames, frames, np.zeros(frames.shape[:3], np.float32))


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    plain = DetectorSpec(
        name="probe_net",
        summary="Brightness.",
        clips=CLIPS,
        build="tests.probe:Probe",
        trained_on=frozenset(),
        explain="tests.probe:ProbeExplainer",
    )
    trained = replace(
        plain,
        name="probe_trained",
        explain="",
        needs_weights=True,
        describe="tests.probe:describe",
        trainer="tests.probe:ProbeTrainer",
        recipes=("plain",),
        default_recipe="plain",
    )
    return [plain, trained]


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    def of(split: str) -> VideoSelection:
        return VideoSelection("folder", (split,))

    tests = (of("test"),)
    return [ProtocolSpec("own", "Own videos.", train=of("train"), validation=of("val"), tests=tests)]


@hookimpl
def dfbench_datasets() -> list[DatasetSpec]:
    return [DatasetSpec(name="probe_data", summary="Two videos.", build="tests.probe:ProbeDataset")]


@hookimpl
def dfbench_face_finders() -> list[FaceFinderSpec]:
    return [FaceFinderSpec(name="probe_finder", summary="All is face.", build="tests.probe:ProbeFinder")]


@hookimpl
def dfbench_synthesizers() -> list[SynthesizerSpec]:
    return [SynthesizerSpec(name="probe_synthesizer", summary="None.", build="tests.probe:ProbeSynthesizer")]
