"""A stranger's plugin: everything comes from dfbench's public names, and every kind of hook is used once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench import (
    ClipSpec,
    CorpusSpec,
    Counts,
    DatasetSpec,
    DetectorSpec,
    FaceFinderSpec,
    ProtocolSpec,
    RunRecord,
    SynthesizerSpec,
    TrainingFacts,
    VideoSelection,
    hookimpl,
)

if TYPE_CHECKING:
    import pandas as pd
    import typer

events: list[str] = []


@hookimpl
def dfbench_datasets() -> list[DatasetSpec]:
    """Offer a dataset of two folders."""
    return [
        DatasetSpec(
            name="sample_videos",
            summary="Videos in the folders real/ and fake/.",
            build="dfbench_sample.dataset:SampleDataset",
            official={"test": Counts(real=2, fake=3)},
        )
    ]


@hookimpl
def dfbench_corpora() -> list[CorpusSpec]:
    """Offer a corpus of empty files, enough to be indexed."""
    return [
        CorpusSpec(
            name="sample_corpus",
            summary="Five empty files in the layout of sample_videos.",
            build="dfbench_sample.dataset:write_corpus",
        )
    ]


@hookimpl
def dfbench_synthesizers() -> list[SynthesizerSpec]:
    """Offer a synthesizer."""
    return [
        SynthesizerSpec(
            name="sample_flip",
            summary="The lower half of the face, mirrored.",
            build="dfbench_sample.synthesizer:MirroredMouth",
        )
    ]


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """Offer a detector that needs no training, and one that dfbench trains."""
    return [
        DetectorSpec(
            name="sample_brightness",
            summary="Dark clips are fake.",
            build="dfbench_sample.detector:BrightnessDetector",
            clips=ClipSpec(frames=2, size=32, per_video=2),
            trained_on=frozenset(),
            aliases=("brightness",),
        ),
        DetectorSpec(
            name="sample_linear",
            summary="A linear layer on the mean of a clip, trained on real videos and mirrored mouths.",
            method="dfbench_sample.method:METHOD",
        ),
    ]


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    """Offer a protocol."""
    return [
        ProtocolSpec(
            name="sample_protocol",
            summary="Test on sample_videos.",
            tests=(VideoSelection("sample_videos", ("test",)),),
        )
    ]


@hookimpl
def dfbench_face_finders() -> list[FaceFinderSpec]:
    """Offer a face finder."""
    return [
        FaceFinderSpec(
            name="sample_whole_frame",
            summary="The whole frame is the face.",
            build="dfbench_sample.detector:WholeFrameFinder",
        )
    ]


@hookimpl
def dfbench_commands(cli: typer.Typer) -> None:
    """Add the command `sample-hello`."""

    @cli.command("sample-hello")
    def hello() -> None:
        """Say hello."""
        print("hello from the sample plugin")


@hookimpl
def dfbench_run_started(run: RunRecord, folder: Path) -> None:
    """Note the start."""
    events.append(f"{run.entry} started in {folder.name}")


@hookimpl
def dfbench_run_finished(run: RunRecord, table: pd.DataFrame) -> None:
    """Note the end, with what came of it."""
    events.append(f"{run.entry} finished with {len(table)} rows")


@hookimpl
def dfbench_run_failed(run: RunRecord, error: BaseException) -> None:
    """Note the end, and why."""
    events.append(f"{run.entry} failed: {error}")


@hookimpl
def dfbench_training_started(plan: TrainingFacts) -> None:
    """Note the start."""
    events.append(f"{plan.detector} trains on {plan.train} videos")


@hookimpl
def dfbench_training_round(step: int, values: Mapping[str, float]) -> None:
    """Note the loss."""
    events.append(f"step {step}: loss {values['loss']:.1f}")


@hookimpl
def dfbench_training_finished(plan: TrainingFacts, weights: Path) -> None:
    """Note the end, with what came of it."""
    events.append(f"{plan.detector} trained: {weights.name}")


@hookimpl
def dfbench_training_failed(plan: TrainingFacts, error: BaseException) -> None:
    """Note the end, and why."""
    events.append(f"{plan.detector} not trained: {error}")
