"""What a plugin asks for is counted before it is made: clips of terabytes, frames without end, fields of any type."""

from __future__ import annotations

from typing import Any

import pytest

from dfbench import ClipSpec, DetectorSpec, FrameChoice, PluginError, PrepareSpec, TrainingNeeds
from dfbench.hooks.spec_faults import detector_fault
from dfbench.runs.planning.trainers import needs_of

SPEC = DetectorSpec(name="x", summary="", clips=ClipSpec(4, 224), build="a:B", trained_on=frozenset())
FRAMES = FrameChoice("first", 8)


@pytest.mark.parametrize(
    "clips",
    [
        {"frames": 10**9, "size": 1},
        {"frames": 4, "size": 10**9},
        {"frames": 4, "size": 224, "per_video": 10**9},
        {"frames": 1000, "size": 4096, "per_video": 100},
        {"frames": 10**400, "size": 224},
        {"frames": 1, "size": 224, "margin": 1e400},
        {"frames": 1, "size": 224, "margin": 1e300},
        {"frames": 1, "size": 224, "margin": float("nan")},
        {"frames": True, "size": 224},
        {"frames": 4.0, "size": 224},
    ],
)
def test_clips_that_fit_into_no_memory_are_a_fault_of_their_spec(clips: dict[str, Any]) -> None:
    assert ClipSpec(**clips).fault()
    named = DetectorSpec(name="x", summary="", clips=ClipSpec(**clips), build="a:B", trained_on=None)
    assert "ClipSpec" in detector_fault(named)


@pytest.mark.parametrize(
    "clips", [ClipSpec(4, 224), ClipSpec(1, 1), ClipSpec(32, 512, 64), ClipSpec(90_000, 112, 1)]
)
def test_clips_of_every_size_in_use_are_none(clips: ClipSpec) -> None:
    assert clips.fault() == ""
    assert clips.frame_choice().fault() == ""
    assert PrepareSpec(clips.frame_choice()).fault() == ""


@pytest.mark.parametrize(
    "prepare",
    [
        PrepareSpec(FrameChoice("first", 10**9)),
        PrepareSpec(FrameChoice("runs", 10**5, 10**5)),
        PrepareSpec(FrameChoice("first", 8, clip=10**9)),
        PrepareSpec(FrameChoice("first", 0)),
        PrepareSpec(FrameChoice("last", 1)),
        PrepareSpec(FRAMES, max_size=10**9),
        PrepareSpec(FRAMES, margin=1e300),
        PrepareSpec(FRAMES, detect_every=0),
        PrepareSpec(8),  # type: ignore[arg-type] # as a stranger's code may have it
        None,
    ],
)
def test_what_a_trainer_wants_prepared_is_looked_at(prepare: Any) -> None:
    class Trainer:
        def needs(self) -> TrainingNeeds:
            return TrainingNeeds(
                prepare=PrepareSpec(FRAMES), prepare_validation=prepare, labels=frozenset({0})
            )

    with pytest.raises(PluginError, match=r"detector 'x'.*prepare_validation"):
        needs_of(SPEC, Trainer())  # type: ignore[arg-type] # the other methods are not asked
