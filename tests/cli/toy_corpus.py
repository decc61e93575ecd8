"""A data set plugin in two compressions and three splits, with protocols, two detectors of which one is trained, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dfbench import (
    ClipSpec,
    DatasetIndex,
    DatasetSpec,
    DetectorSpec,
    FrameChoice,
    Label,
    PrepareSpec,
    ProtocolSpec,
    TestSet,
    TrainingNeeds,
    TrainingRequest,
    Video,
    VideoSelection,
    hookimpl,
)

NAME = "toy"
BUILT: Counter[str] = Counter()  # how often the data set was built, by compression
PARSED: Counter[str] = Counter()  # how often its list was parsed
PER_SPLIT = 24


class Toy:
    """`videos.txt` lists the numbers of the videos of every split: even ones are real."""

    def __init__(self, root: Path, *, compression: str | None) -> None:
        self._root = root
        self._compression = compression or "c23"
        BUILT[self._compression] += 1

    def index(self) -> DatasetIndex:
        PARSED[self._compression] += 1
        listing = self._root / "videos.txt"
        numbers = [int(line) for line in listing.read_text().split()]
        videos = [
            Video(
                dataset=NAME,
                video_id=f"{split}/{number}",
                path=self._root / self._compression / split / f"{number}.mp4",
                label=Label(number % 2),
                split=split,
                manipulation="swap" if number % 2 else "real",
                compression=self._compression,
                identities=(f"{split}{number // 2}",),
                group=f"{split}{number // 2}",
            )
            for split in ("train", "val", "test")
            for number in numbers
        ]
        return DatasetIndex(tuple(videos), lists=(listing,))


def write_toy(root: Path) -> Path:
    """Write the data set, its videos being files of a few bytes; returns `root`."""
    for compression in ("c23", "c40"):
        for split in ("train", "val", "test"):
            folder = root / compression / split
            folder.mkdir(parents=True)
            for number in range(PER_SPLIT):
                (folder / f"{number}.mp4").write_bytes(f"{compression} {split} {number}".encode())
    (root / "videos.txt").write_text("\n".join(map(str, range(PER_SPLIT))))
    return root


class Constant:
    """Scores nothing: tests put scores in the place of its."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        del weights, device, seed

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(clips))


class ToyTrainer:
    """Leaves weights without looking at a face."""

    def __init__(self, recipe: str, fields: Mapping[str, str]) -> None:
        self._recipe = {"recipe": recipe, **fields}

    def recipe(self) -> Mapping[str, Any]:
        return self._recipe

    def needs(self) -> TrainingNeeds:
        prepare = PrepareSpec(FrameChoice("first", 1))
        return TrainingNeeds(prepare=prepare, prepare_validation=prepare, labels=frozenset({0, 1}))

    def fit(self, request: TrainingRequest) -> Path:
        path = request.folder / "weights.pt"
        path.write_text("1")
        return path


class ToyPlugin:
    """The plugin."""

    @staticmethod
    @hookimpl
    def dfbench_datasets() -> list[DatasetSpec]:
        return [
            DatasetSpec(
                name=NAME,
                summary="Videos of a few bytes.",
                build=f"{__name__}:Toy",
                title="Toy",
                aliases=("toys",),
                compressions=("c23", "c40"),
            )
        ]

    @staticmethod
    @hookimpl
    def dfbench_detectors() -> list[DetectorSpec]:
        clips = ClipSpec(frames=1, size=16, per_video=1)
        return [
            DetectorSpec(
                name="constant",
                summary="Zeros.",
                build=f"{__name__}:Constant",
                clips=clips,
                trained_on=frozenset(),
            ),
            DetectorSpec(
                name="trained",
                summary="Zeros, after a training.",
                build=f"{__name__}:Constant",
                clips=clips,
                needs_weights=True,
                trainer=f"{__name__}:ToyTrainer",
                recipes=("plain",),
                default_recipe="plain",
            ),
        ]

    @staticmethod
    @hookimpl
    def dfbench_protocols() -> list[ProtocolSpec]:
        train, held_out = VideoSelection(NAME, ("train",)), VideoSelection(NAME, ("val",))
        test = VideoSelection(NAME, ("test",))
        hard = VideoSelection("toys", ("test",), compression="c40")
        named = TestSet(hard, name="low-quality")
        tested = {
            "once": (test,),
            "both": (test, hard),
            "named": (test, named),
            "three": (test, hard, named),
            "splits": (test, held_out),
        }
        return [
            ProtocolSpec(
                name=name,
                summary="Train on the train split, and validate on it or on the validation split.",
                train=train,
                validation=train if name == "splits" else held_out,
                tests=tests,
            )
            for name, tests in tested.items()
        ]
