"""How a probe is trained: the frozen network looks at every clip once, and a line is put through what it saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfbench import RunError, StartWeights, Trained, TrainingRequest, UsageError, World
from dfbench.training import Batch, MethodModule, MethodTrainer, normalise
from dfbench_baselines.probe_package import PACKAGE, package_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.training import Method
    from dfbench_baselines.probe import ProbeRecipe

_MOST_STEPS = 2000  # of the solver; it ends long before


class ProbeModule(MethodModule):
    """Collects the features of training clips, and fits the last layer of the network whenever it is validated.

    The features so far are part of a checkpoint, so that a training that is cut off computes none twice.
    """

    def __init__(
        self,
        method: Method,
        net: nn.Module,
        *,
        recipe: ProbeRecipe,
        world: World = World(),  # noqa: B008 - frozen
        **parts: Any,
    ) -> None:
        if world.size > 1:
            raise UsageError(
                f"{method.name} is trained in one process", hints=("leave out --devices and --nodes",)
            )
        super().__init__(method, net, recipe=recipe, world=world, **parts)
        self._probe = recipe
        self._seen: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._held_out: dict[tuple[int, int], list[NDArray[np.float64]]] = defaultdict(list)
        if not isinstance(self._line(), nn.Linear):
            raise UsageError(
                f"the last layer of {recipe.backbone} is no line, so that a probe cannot replace it",
                hints=("choose another network",),
            )

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the features of a batch; no weight changes."""
        del batch_idx
        self.net.eval()
        with torch.no_grad():
            seen = self._features(batch.clips)
            logits = self._line()(seen)[:, 0]
            loss = F.binary_cross_entropy_with_logits(logits, batch.labels.to(logits.dtype))
        self._seen.append(seen.float().cpu())
        self._labels.append(batch.labels.cpu())
        optimizer: Any = self.optimizers()
        optimizer.step()  # without a gradient: the loop counts its steps
        self.log_dict({"loss": loss, "classes": loss}, on_step=True, on_epoch=True, batch_size=len(seen))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Keep the features of a batch by label and video."""
        del batch_idx
        if not len(batch.label):
            return
        seen = self._features(batch.clips).double().cpu().numpy()
        for row, label, video in zip(seen, batch.label.tolist(), batch.video.tolist(), strict=True):
            self._held_out[label, video].append(row)

    def on_validation_epoch_end(self) -> None:
        """Fit a line for each strength, keep the one with the best video AUC, and log how good it is.

        Raises RunError if a feature is no number.
        """
        rows, labels = torch.cat(self._seen).double().numpy(), torch.cat(self._labels).numpy()
        held_out = np.concatenate([np.stack(seen) for seen in self._held_out.values()])
        ends = np.cumsum([len(seen) for seen in self._held_out.values()])[:-1]
        truth = np.array([label for label, _ in self._held_out])
        self._held_out.clear()
        if not (np.isfinite(rows).all() and np.isfinite(held_out).all()):
            raise RunError(
                f"{self._probe.owner()} has features that are not numbers",
                hints=("give other weights: --start FILE",),
            )
        lines = _fitted(rows, labels, self._probe.numbers())
        videos = [
            [part.mean() for part in np.split(held_out @ weight + bias, ends)] for weight, bias in lines
        ]
        scores = [_auc(truth, means) for means in videos]
        chosen = int(np.argmax(scores))  # the first of equals
        weight, bias = lines[chosen]
        line = self._line()
        with torch.no_grad():
            line.weight.copy_(torch.from_numpy(weight)[None])
            line.bias.copy_(torch.tensor([bias]))
        logits = held_out @ weight + bias
        right = [
            ((part >= 0) == label).mean() for part, label in zip(np.split(logits, ends), truth, strict=True)
        ]
        sizes = np.diff([0, *ends, len(logits)])
        self.log("val_auc", scores[chosen])
        self.log("val_accuracy", float(np.average(right, weights=sizes)))
        self.log("strength", self._probe.numbers()[chosen])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the features with a checkpoint."""
        checkpoint["probe"] = {"seen": torch.cat(self._seen), "labels": torch.cat(self._labels)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the features of a checkpoint."""
        kept = checkpoint["probe"]
        self._seen, self._labels = [kept["seen"]], [kept["labels"]]

    def _line(self) -> Any:
        net: Any = self.net
        return net.get_classifier()

    def _features(self, clips: Tensor) -> Tensor:
        """What the last layer sees of clips (B, T, S, S, 3) uint8, the mean over their frames: (B, F)."""
        net: Any = self.net
        dtype = next(self.net.parameters()).dtype
        shown = normalise(clips, dtype=dtype, mean=self._probe.mean, std=self._probe.std)
        frames = shown.transpose(1, 2).flatten(0, 1)
        seen: Tensor = net.forward_head(net.forward_features(frames), pre_logits=True)
        return seen.view(len(clips), -1, seen.shape[-1]).mean(dim=1)


class Lite0Trainer(MethodTrainer):
    """Trains `probe:efficientnet_lite0`, from the weights of the package unless others are given."""

    def fit(self, request: TrainingRequest) -> Trained:
        """Train, and return the network with the line. Errors as of `MethodTrainer`, and WeightsError without the package."""
        if request.start is None and self.recipe()["pretrained"] == PACKAGE:
            request = replace(request, start=StartWeights(package_file(), PACKAGE))
        return super().fit(request)


def _fitted(
    rows: NDArray[np.float64], labels: NDArray[np.int64], strengths: Sequence[float]
) -> list[tuple[NDArray[np.float64], float]]:
    """Weights (F,) and bias of the line through features (n, F) for each strength; it is fitted to them at unit variance."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = 1  # what all clips have in common
    scaled = (rows - mean) / scale
    lines = []
    for strength in strengths:
        line = LogisticRegression(C=strength, class_weight="balanced", max_iter=_MOST_STEPS)
        line.fit(scaled, labels)
        weight = line.coef_[0] / scale
        lines.append((weight, float(line.intercept_[0] - weight @ mean)))
    return lines


def _auc(truth: NDArray[np.int64], scores: Sequence[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))
