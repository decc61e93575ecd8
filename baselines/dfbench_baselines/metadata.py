"""The metadata detector: what the files of a data set say of a video's label before anybody looks at it.

Logistic regression (scikit-learn) on the size, bit rate, frame rate, resolution, duration and codec of the training set's files.
Where it is better than chance on a test set, that set leaks labels by how its files were made, and every detector that may
learn to see compression profits. It says nothing of faces; and what it learns on one data set need not hold on another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench import (
    DetectorCard,
    FaceFile,
    Label,
    LoadOptions,
    PrepareSpec,
    RunError,
    Trained,
    TrainingNeeds,
    TrainingRequest,
    UnreadableError,
    UsageError,
    VideoError,
    WeightsError,
)
from dfbench.data import FileFacts, file_facts, parsed_json, parsed_object
from dfbench.training import first_line, fitted, read_safetensors, require_file, require_finite
from dfbench_baselines.cue_offers import CUE_CLIPS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

CODECS = ("h264", "hevc", "mpeg4", "mjpeg", "vp8", "vp9", "av1")
FEATURES = (
    *(
        "log2 bytes",
        "log2 bits a second",
        "log2 bits a pixel",
        "log2 width",
        "log2 height",
        "fps",
        "log2 seconds",
    ),
    *(f"codec {name}" for name in CODECS),
)
RECIPE = "standard"
C = 1.0  # the usual strength: the inverse of that of the penalty, on features of unit variance
BOTH = frozenset({int(Label.REAL), int(Label.FAKE)})
HINTS = ("train weights:  dfbench train --detector metadata",)


def features(facts: FileFacts) -> NDArray[np.float64]:
    """The features (14,) of a file, in the order of FEATURES; what is not known counts as one."""
    import numpy as np

    pixels = facts.bit_rate / (facts.fps * facts.width * facts.height) if facts.fps else 0.0
    measured = [facts.bytes, facts.bit_rate, pixels, facts.width, facts.height]
    logarithms = [float(np.log2(value)) if value > 0 else 0.0 for value in [*measured, facts.seconds]]
    codecs = [float(facts.codec == name) for name in CODECS]
    return np.array([*logarithms[:5], facts.fps, logarithms[5], *codecs])


class MetadataDetector:
    """Scores video files by a line in the space of their features."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = {name: value.double().numpy() for name, value in state.items()}

    def score_files(self, paths: Sequence[Path]) -> Tensor:
        """The logits of "fake" (B,) of video files. Raises VideoError for one that is no readable video file."""
        import numpy as np
        import torch

        rows = np.stack([features(file_facts(path)) for path in paths])
        rows = (rows - self._state["mean"]) / self._state["scale"]
        return torch.from_numpy(rows @ self._state["coef"] + self._state["intercept"])


def build(options: LoadOptions) -> MetadataDetector:
    """Load the detector with trained weights. Raises WeightsError."""
    import torch

    if options.weights is None:
        raise WeightsError("metadata needs trained weights", hints=HINTS)
    shapes = {"mean": (len(FEATURES),), "scale": (len(FEATURES),), "coef": (len(FEATURES),), "intercept": ()}
    own = {name: torch.zeros(shape) for name, shape in shapes.items()}
    state = read_safetensors(options.weights, hints=HINTS)
    state = fitted(own, state, says=f"{options.weights} does not fit", hints=HINTS)
    require_finite(state, origin=options.weights, hints=HINTS)
    return MetadataDetector(state)


def describe(weights: Path) -> DetectorCard:
    """The card of the detector with trained weights, from their header. Raises WeightsError."""
    from safetensors import SafetensorError, safe_open

    require_file(weights, hints=HINTS)
    try:
        with safe_open(weights.absolute(), framework="np") as file:
            told = file.metadata() or {}
        if told.get("format") != "dfbench-metadata":
            raise WeightsError(f"{weights} was not written by dfbench's metadata", hints=HINTS)
        names = parsed_json(weights, told["trained_on"])
        identity = parsed_object(weights, told["provenance"]).get("identity") or {}
        corpus, seed = identity.get("corpus"), identity.get("seed")
        return DetectorCard(
            clips=CUE_CLIPS,
            trained_on=frozenset(str(name) for name in names) or None,
            train_compression=str(told["train_compression"]),
            recipe=RECIPE,
            corpora=None if corpus is None else frozenset({str(corpus)}),
            seed=seed if isinstance(seed, int) else None,
        )
    except (
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        UnreadableError,
    ) as error:
        raise WeightsError(f"the header of {weights} is damaged: {first_line(error)}", hints=HINTS) from error


class MetadataTrainer:
    """Fits the line on the files of a training set, in one step."""

    def recipe(self) -> Mapping[str, Any]:
        """What decides the weights beside the files."""
        return {"name": RECIPE, "C": C, "features": list(FEATURES)}

    def needs(self) -> TrainingNeeds:
        """Videos of both labels. Their faces are those that are scored, so that both see the same files."""
        prepare = PrepareSpec(CUE_CLIPS.frame_choice())
        return TrainingNeeds(prepare, prepare, BOTH)

    def fit(self, request: TrainingRequest) -> Trained:
        """Fit the line. Raises RunError if there are not files of both labels."""
        import torch
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score

        rows, labels = _table(request.train, request)
        if set(labels.tolist()) != BOTH:
            raise RunError("training on metadata needs real and fake video files, and only one kind is there")
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        scale[scale < 1e-9] = 1  # what all files have in common
        line = LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
        line.fit((rows - mean) / scale, labels)
        state = {
            "mean": torch.from_numpy(mean),
            "scale": torch.from_numpy(scale),
            "coef": torch.from_numpy(line.coef_[0].copy()),
            "intercept": torch.tensor(float(line.intercept_[0]), dtype=torch.float64),
        }
        outcome: dict[str, Any] = {"files": len(labels), "seed": request.seed}
        held_out, truth = _table(request.validation, request)
        if set(truth.tolist()) == BOTH:
            outcome["validation_video_auc"] = float(
                roc_auc_score(truth, line.decision_function((held_out - mean) / scale))
            )
        return Trained(state, outcome, family="metadata")


def make_trainer(recipe: str, overrides: Mapping[str, str]) -> MetadataTrainer:
    """Make the trainer. Raises UsageError for changes of the recipe, which has nothing to change."""
    del recipe
    if overrides:
        raise UsageError(
            f"metadata has no recipe field {next(iter(overrides))!r}: nothing of it can be set",
            hints=("leave out --set",),
        )
    return MetadataTrainer()


def _table(
    files: Sequence[FaceFile], request: TrainingRequest
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features (n, 14) and labels (n,) of the files that can be read; the others are told."""
    import numpy as np

    rows, labels = [], []
    for file in files:
        try:
            rows.append(features(file_facts(file.video.path)))
        except VideoError as error:
            request.progress.note(f"left out: {error.message}")
            continue
        labels.append(int(file.video.label))
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(labels, np.int64)
