"""A detector with the weights that it is asked to use: its card and training, before the model is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfbench.errors import UsageError, WeightsError
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.trained import Training, known_card, training_of, training_plugins
from dfbench.runs.trainings.training_names import named_card
from dfbench.specs import DetectorCard, DetectorSpec, LoadOptions
from dfbench.training.readers import card_with

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.hooks.third_party import PluginFacts


@dataclass(frozen=True, slots=True)
class KnownDetector:
    """A detector, how it is loaded, and what its weights are; `weights_sha256` is "" without any.

    `plugins`: those of others that took part in the training of its weights.
    """

    spec: DetectorSpec
    options: LoadOptions
    card: DetectorCard
    weights_sha256: str
    training: Training
    plugins: tuple[PluginFacts, ...] = ()


def known_detector(spec: DetectorSpec, options: LoadOptions, registry: Registry) -> KnownDetector:
    """What is known of a detector loaded by `options`, from its plugin and from what dfbench noted of its training.

    Raises UsageError for a margin that the face store does not hold, and what `card_with` raises.
    """
    weights = options.weights
    sha = file_sha256(weights) if weights is not None else ""
    card = named_card(known_card(card_with(spec, options, registry), weights, sha), registry)
    if problem := card.bad_margin():
        raise UsageError(
            f"detector '{spec.name}': {problem}",
            hints=("the face store holds no more around a face: give it a smaller margin",),
        )
    return KnownDetector(
        spec,
        options,
        card,
        sha,
        training_of(card, given=weights is not None, seed=options.seed),
        training_plugins(card, weights, sha),
    )


def without_weights(spec: DetectorSpec, *, to: str) -> WeightsError:
    """The error for a detector that is asked `to` score or explain files, where nothing says with which weights."""
    return WeightsError(
        f"detector {spec.name!r} needs weights to {to} anything",
        hints=(
            "name them:                     --weights PATH/TO/WEIGHTS",
            *(["or a run that used them:       --run RUN --video ID"] if to == "explain" else []),
            "or use those of the demo data: --data demo",
        ),
    )
