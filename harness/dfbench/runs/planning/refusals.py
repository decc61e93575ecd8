"""What of a request can be refused before any data are touched: names, numbers, files, and what a plugin says of them.

Corpora are rendered in minutes and faces found in hours or days; a wrong word must not be told after that. Everything
that a request names is looked up here, the trainer is made with its recipe, and the weights are read as far as their
header. `runs.planning.opening` calls this first; a command of several detectors calls `check_requests` before any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dfbench.data.datasets.manifest import compression_of
from dfbench.data.preparing.executor import check_scheduler
from dfbench.errors import MissingVideoError, PluginError, UsageError, unknown_name
from dfbench.escaping import for_shell
from dfbench.hooks.plugin_code import running
from dfbench.hooks.registry import load_object
from dfbench.interfaces import ChecksStart, NeedsStart
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.protocols import (
    lint_protocol,
    named_tests,
    resolve_protocol,
    training_sets,
    with_own_names,
)
from dfbench.runs.planning.sources import check_corpus, configured_source, corpus_to_make, refuse_unmade
from dfbench.runs.planning.trainers import needs_of, start_weights, synthesizer_of, trainer_of
from dfbench.runs.records.run_file import refuse_unwritable
from dfbench.runs.records.trained import trained_weights
from dfbench.specs import LoadOptions, VideoSelection
from dfbench.training.readers import card_with
from dfbench.training.state_files import check_weights_file
from dfbench.trust import require_trusted

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
    from dfbench.runs.planning.setup import Setup
    from dfbench.settings import Settings
    from dfbench.specs import DatasetSpec, DetectorSpec, ProtocolSpec

Purpose = Literal["score", "explain"]
MAX_SEED = 2**32 - 1  # what every random generator takes


def explaining_detectors(registry: Registry) -> list[str]:
    """The names of the detectors that can explain themselves, in the order of the plugins."""
    return [name for name in registry.names("detector") if registry.detector(name).explain]


def require_explainer(spec: DetectorSpec, registry: Registry) -> None:
    """Raise UsageError if the detector cannot explain itself."""
    if not spec.explain:
        able = explaining_detectors(registry)
        raise UsageError(
            f"detector {spec.name!r} cannot explain itself",
            hints=(f"detectors that can: {', '.join(able) or 'none is installed'}",),
        )


def check_maps(spec: DetectorSpec, names: Sequence[str]) -> None:
    """Raise UnknownNameError for a map that the spec of a detector does not name, if it names any."""
    for name in names:
        if spec.maps and name not in spec.maps:
            raise unknown_name("map", name, spec.maps, where=spec.name)


def check_explaining(
    spec: DetectorSpec,
    videos: Sequence[Path],
    *,
    maps: Sequence[str],
    data: str,
    device: str,
    weights: Path | None,
    registry: Registry,
    settings: Settings,
) -> None:
    """Refuse what cannot explain `videos`, before weights are looked for, which may be a training.

    Raises UsageError, WeightsError, PluginError, and MissingVideoError if none of the videos is there.
    """
    require_explainer(spec, registry)
    check_maps(spec, maps)
    check_device(device)
    check_preparation(registry, settings)
    if data:
        check_corpus(data, registry.corpus(data).sizes[0], registry)
    if weights is not None:
        check_weights_file(weights)
    if videos and not any(path.exists() for path in videos):
        raise MissingVideoError(f"there is no file {videos[0]}", hints=("correct the path of the video",))


def check_requests(requests: Sequence[ScoringRequest], setup: Setup) -> list[ScoringRequest]:
    """Check all `requests` of a command before the first is carried out; returns those to carry out.

    A recipe that is given for several detectors is for those that train, of which there must be one: the others come back
    without it. Raises what `check_scoring` raises.
    """
    registry = setup.registry
    trains = any(_trains(registry.detector(one.detector), one) for one in requests)
    for request in requests:
        check_scoring(request, setup, beside_trained=trains)
    return [
        replace(one, recipe="", train_compression="", synthesizer="", overrides={})
        if one.weights is None and not _trains(registry.detector(one.detector), one)
        else one
        for one in requests
    ]


def check_scoring(
    request: ScoringRequest, setup: Setup, *, purpose: Purpose = "score", beside_trained: bool = False
) -> None:
    """Refuse what cannot be carried out.

    `purpose`: to "score" the tests of the protocol, or to "explain" videos that the request does not name.
    `beside_trained`: another detector of the same command trains, and fields of a training are meant for that one.
    Raises UsageError, WeightsError for weights that cannot be used, SettingsError for roots that are not there,
    PluginError for a plugin that cannot be imported, StoreError for a run that cannot be stored once its weights are trained.
    """
    registry, settings = setup.registry, setup.settings
    spec = registry.detector(request.detector)
    protocol = with_own_names(registry.protocol(request.protocol), registry)
    alone = tested_dataset(request, setup)
    if alone is None:
        tests = resolve_protocol(protocol, named_tests(request.only, protocol, registry))
        tested = [test.selection for test in tests]
    else:
        tested = [VideoSelection(alone.name, request.splits, compression=request.compression or None)]
    _check_seed(request.seed)
    check_device(request.device)
    check_precision(spec, request.precision)
    load_object(spec.build)
    trains = _trains(spec, request)
    used = tested if purpose == "score" else []
    # Of configured data, the weights of a training that was done elsewhere may be looked for, or told to be absent.
    if trains and corpus_to_make(request.data, settings):
        sets = training_sets(protocol, spec, registry)
        used += [sets.train, sets.validation]
    check_data(request.data, request.size, used, registry, settings)
    check_preparation(registry, settings)
    if trains:
        _check_training(request.training(), spec, protocol, registry, settings)
        if purpose == "score" and corpus_to_make(request.data, settings):
            _refuse_training_in_vain(spec, settings)
    elif request.weights is None:
        _refuse_training_fields(request, spec, beside_trained=beside_trained)
    if request.weights is not None:
        of_training = {
            "--train-compression": request.train_compression,
            "--synthesizer": request.synthesizer,
        }
        for option in (option for option, given in of_training.items() if given):
            raise UsageError(
                f"{option} is of a training, and the weights are given with --weights",
                hints=("leave out one of them",),
            )
        check_weights_file(request.weights)
        card_with(spec, load_options(request, spec), registry)


def check_training(options: TrainingOptions, setup: Setup) -> None:
    """Refuse a training that cannot be carried out. Raises what `check_scoring` raises."""
    registry, settings = setup.registry, setup.settings
    spec = registry.detector(options.detector)
    protocol = with_own_names(registry.protocol(options.protocol), registry)
    lint_protocol(protocol)
    _check_seed(options.seed)
    for name, count in (("--devices", options.devices), ("--nodes", options.nodes)):
        if count < 1:
            raise UsageError(f"{name} {count}: at least 1 is needed", hints=(f"correct {name}",))
    check_device(options.device, count=options.devices)
    load_object(spec.build)
    sets = training_sets(protocol, spec, registry)
    check_data(options.data, options.size, (sets.train, sets.validation), registry, settings)
    check_preparation(registry, settings)
    _check_training(options, spec, protocol, registry, settings)


def tested_dataset(request: ScoringRequest, setup: Setup) -> DatasetSpec | None:
    """The dataset that is to be tested instead of a protocol.

    Raises UsageError if it is unknown, or options do not fit, and SettingsError if it is not in the corpus that would be
    made for it.
    """
    if request.dataset:
        if request.only:
            raise UsageError("--only picks tests of a protocol, and --dataset is a test of its own")
        spec = setup.registry.dataset(request.dataset)
        if request.data or not setup.settings.data.roots:
            refuse_unmade(spec, request.data, setup.registry)
        return spec
    for option, given in (("--split", request.splits), ("--compression", request.compression)):
        if given:
            raise UsageError(
                f"{option} goes with --dataset: a protocol says itself what it tests",
                hints=("name the dataset to test:  --dataset NAME",),
            )
    return None


def check_selection(
    dataset: str,
    *,
    compression: str,
    splits: Sequence[str],
    data: str,
    size: str,
    registry: Registry,
    settings: Settings,
    prepares: bool = True,
) -> None:
    """Refuse a dataset, split or compression that cannot be selected, as far as that is known without the data.

    `prepares`: faces are found in it next, so that a face finder which is not there is refused too. That imports
    the finder, which takes seconds.
    """
    spec = registry.dataset(dataset)
    selection = VideoSelection(spec.name, tuple(splits), compression=compression or None)
    check_data(data, size, (selection,), registry, settings)
    if prepares:
        check_preparation(registry, settings)


def check_data(
    data: str, size: str, used: Sequence[VideoSelection], registry: Registry, settings: Settings
) -> None:
    """Refuse a corpus that cannot be made, datasets that it lacks, roots that are not there, unknown compressions."""
    corpus = corpus_to_make(data, settings)
    source = None if corpus else configured_source(settings, registry)
    made = check_corpus(corpus, size, registry) if corpus else None
    if not corpus and size != "full":
        raise UsageError(
            f"--size {size} is of a corpus that is made here, and the data are the configured ones",
            hints=("leave out --size", "or take the demo corpora:  --data demo"),
        )
    for selection in used:
        spec = registry.dataset(selection.dataset)
        if selection.compression is not None and spec.compressions:
            compression_of(selection.compression, dataset=spec.name, offered=spec.compressions)
        if source is not None:
            source.root_for(spec)
            source.needed_by(spec)
        if made is not None and made.datasets:
            refuse_unmade(spec, data, registry)
            known = made.datasets.get(spec.name, selection.splits)
            for split in selection.splits:
                if split not in known:
                    raise unknown_name("split", split, known, where=f"{spec.name} of corpus {made.name!r}")


def check_preparation(registry: Registry, settings: Settings) -> None:
    """Refuse a face finder or a scheduler of the settings that is not there."""
    finder = registry.face_finder(settings.face_finder)
    if not callable(load_object(finder.build)):
        raise PluginError(f"face finder '{finder.name}': {finder.build} is not callable")
    if settings.scheduler:
        require_trusted(settings)
        check_scheduler(settings.scheduler)


def check_device(device: str, *, count: int = 1) -> None:
    """Refuse a device that this machine lacks. Torch is not imported for "auto" and "cpu", which are always there."""
    if device not in ("auto", "cpu"):
        choose_device(device, count=count)


def check_precision(spec: DetectorSpec, precision: str) -> None:
    """Refuse a precision that the detector does not offer."""
    if precision not in spec.precisions:
        raise UsageError(
            f"detector '{spec.name}' cannot score with --precision {precision}",
            hints=(f"it offers: {', '.join(spec.precisions)}",),
        )


def load_options(request: ScoringRequest, spec: DetectorSpec) -> LoadOptions:
    """How the detector of a request is to be loaded, on the device that it names, which may be "auto".

    The recipe and its fields are for given weights; without those, they are for the training.
    """
    options = LoadOptions(request.weights, request.device, request.seed, request.precision)
    if request.weights is None:
        return options
    if request.recipe:
        if not spec.recipe_for_weights:
            raise UsageError(
                f"--recipe {request.recipe} cannot change weights that are given with --weights",
                hints=("leave out --recipe",),
            )
        # which fields fit, the detector says
        return replace(options, recipe=request.recipe, changes=request.overrides)
    for name in request.overrides:
        if name not in spec.scoring_fields:
            able = ", ".join(spec.scoring_fields)
            raise UsageError(
                f"--set {name}=... cannot change weights that are given with --weights",
                hints=(
                    f"what may be set for them: {able}" if able else f"leave out --set {name}=...",
                    f"or train: dfbench train --detector {for_shell(spec.name)} --set {for_shell(name)}=...",
                    *(["or, if they carry no recipe, name it: --recipe NAME"] * spec.recipe_for_weights),
                ),
            )
    return replace(options, changes=request.overrides)


def _trains(spec: DetectorSpec, request: ScoringRequest) -> bool:
    """Whether scoring needs weights that this detector must be trained for."""
    return request.weights is None and spec.needs_weights


def _check_seed(seed: int) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"--seed {seed} is no seed", hints=(f"take a whole number from 0 to {MAX_SEED}",))


def _check_training(
    options: TrainingOptions,
    spec: DetectorSpec,
    protocol: ProtocolSpec,
    registry: Registry,
    settings: Settings,
) -> None:
    """Make the trainer, which refuses recipes and fields, and look up what it needs."""
    made = bool(corpus_to_make(options.data, settings))
    _, trainer = trainer_of(
        spec, registry, options.recipe, options.overrides, made=made, synthesizer=options.synthesizer
    )
    needs = needs_of(spec, trainer)
    if needs.synthesizer:
        synthesizer_of(needs, registry)
    train = registry.dataset(training_sets(protocol, spec, registry).train.dataset)
    if options.train_compression and train.compressions:
        compression_of(options.train_compression, dataset=train.name, offered=train.compressions)
    if options.start:
        start = start_weights(options.start)
        check_weights_file(start.path, option="--start")
        if isinstance(trainer, ChecksStart):
            with running(spec, "to look at --start"):
                trainer.check_start(start)
    elif isinstance(trainer, NeedsStart):
        with running(spec, "to say what it starts from"):
            trainer.require_start()


def _refuse_training_in_vain(spec: DetectorSpec, settings: Settings) -> None:
    """Refuse to train for a run that cannot be stored. With weights of whatever training, it may be complete already."""
    if not trained_weights(settings.cache, spec.name):
        refuse_unwritable(settings.runs)


def _refuse_training_fields(request: ScoringRequest, spec: DetectorSpec, *, beside_trained: bool) -> None:
    """Refuse fields of a training for a detector that does not train."""
    given = {
        f"--recipe {request.recipe}": request.recipe,
        f"--train-compression {request.train_compression}": request.train_compression,
        f"--synthesizer {request.synthesizer}": request.synthesizer,
        **{f"--set {name}={value}": name for name, value in request.overrides.items()},
    }
    named = [words for words, value in given.items() if value]
    if named and not beside_trained:
        raise UsageError(
            f"detector '{spec.name}' is not trained, so that {named[0]} changes nothing",
            hints=(f"leave out {named[0]}",),
        )
