"""Training in as many processes as were asked for: in this one, in those that it starts, or as one of several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dfbench.errors import RunError
from dfbench.hooks.manners import generators_kept
from dfbench.interfaces import Progress
from dfbench.progress import SilentProgress
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.opening import open_training
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.trained import finished_weights
from dfbench.runs.trainings.fitting import Planned, Plans, train_here
from dfbench.runs.trainings.plan import plan_training
from dfbench.training.launchers import started
from dfbench.types import World


def train_detector(options: TrainingOptions, setup: Setup, *, progress: Progress) -> Path:
    """Train, or go on with an interrupted training, or return the finished weights.

    With several devices, this process starts one for each and waits; on several machines, each of the processes that
    a scheduler started calls this.
    """

    def planned(shown: Progress) -> Planned:
        session = open_training(options, setup, shown)
        return session, plan_training(options, session)

    return train_planned(options, planned, progress=progress)


def train_planned(options: TrainingOptions, planned: Plans, *, progress: Progress) -> Path:
    """Carry out a training in this process, or in several; returns the path of the weights.

    `planned` plans it, or returns the plan that there is already, so that nothing is read again.
    """
    if started() is None:  # alone, whatever a scheduler's variables say
        if options.devices * options.nodes > 1:
            return _start_processes(options, planned, progress=progress)
        with generators_kept():
            return train_here(options, World(), planned, progress=progress)
    from dfbench.training.distributed import current_world, process_group

    world = current_world(options.devices, options.nodes)

    with process_group(world):
        return train_here(options, world, planned, progress=progress if world.first else SilentProgress())


def _start_processes(options: TrainingOptions, planned: Plans, *, progress: Progress) -> Path:
    """Start a process for each device and wait for them; returns the path of the weights that they leave."""
    from dfbench.training.distributed import launch

    device = choose_device(options.device, count=options.devices)  # before anything is started
    _, plan = planned(progress)
    folder = plan.folder
    finished = finished_weights(folder)
    if finished is None:
        asked = replace(options, device=device)
        with TemporaryDirectory(prefix="dfbench-train-") as place:
            file = asked.write(Path(place) / "request.json")
            launch(
                ["train", "--detector", asked.detector, "--request", str(file)],
                asked=command_words(asked),
                devices=options.devices,
                nodes=options.nodes,
            )
        finished = finished_weights(folder)
    if finished is None:
        raise RunError(
            f"{options.detector}: the processes of the training ended, and left no weights in {folder}"
        )
    progress.note(f"{options.detector}: the weights are {finished}")
    return finished


def command_words(options: TrainingOptions) -> list[str]:
    """The arguments of `dfbench` that train by these options, for people: processes of this machine get it as a file."""
    given = {
        "detector": options.detector,
        "protocol": options.protocol,
        "data": options.data,
        "recipe": options.recipe,
        "train-compression": options.train_compression,
        "synthesizer": options.synthesizer,
        "seed": options.seed,
        "device": options.device,
        "size": options.size,
        "start": options.start,
        "devices": options.devices,
        "nodes": options.nodes,
    }
    words = ["train"]
    for name, value in given.items():
        words += [f"--{name}", str(value)] if value != "" else []
    for name, value in options.overrides.items():
        words += ["--set", f"{name}={value}"]
    return words
