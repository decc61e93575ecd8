"""Weights files: safetensors whose header carries everything that is needed to use them.

The header holds the resolved recipe, what the weights were trained on, and where they come from. It is looked at field by
field before it is believed: a weights file may come from anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dfbench.errors import NewerFormatError, UnreadableError, UsageError, WeightsError
from dfbench.files import write_whole
from dfbench.formats import WRITTEN_BY, refuse_newer
from dfbench.specs import DetectorCard
from dfbench.training.state_files import require_file
from dfbench.untrusted import open_regular, parsed_json, parsed_object
from dfbench.version import VERSION as DFBENCH_VERSION

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench.exchanged import Trained, TrainingRequest
    from dfbench.training.recipe import Recipe

VERSION = "1"
OWN_FORMAT = "dfbench-"  # followed by what can read the file
WEIGHTS = "weights.safetensors"  # in the folder of a training
LAST, BEST = "last.ckpt", "best.ckpt"  # its checkpoints
RecipeT = TypeVar("RecipeT", bound="Recipe")
# What a header may say of where weights come from, as far as it is used: by section, the kind of each value.
_PROVENANCE: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "start": {"file": str, "sha256": str, "corpora": (list, type(None))},
    "identity": {"corpus": (str, type(None)), "seed": (int, type(None))},
    "training": {"seed": (int, type(None))},
}
_NAMED = 5  # keys that an error names


@dataclass(frozen=True, slots=True)
class WeightsHeader(Generic[RecipeT]):
    """Holds the header of a weights file.

    `recipe` is the recipe of the training. `trained_on` names its datasets, sorted; `train_compression` their compressions,
    joined by "+". `provenance` (JSON-ready) has the identity of the training, how it went, and which weights it started from.
    """

    recipe: RecipeT
    trained_on: tuple[str, ...]
    train_compression: str
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def card(self, recipe: RecipeT | None = None) -> DetectorCard:
        """Return the card of a detector with these weights; `recipe` is their recipe with fields changed for scoring."""
        recipe = recipe or self.recipe
        start = self.provenance.get("start")
        identity = self.provenance.get("identity") or {}
        return DetectorCard(
            clips=recipe.clips(),
            pooling=recipe.pooling,
            # These weights come of a training, whatever their header leaves out.
            trained_on=frozenset(self.trained_on) or None,
            train_compression=self.train_compression,
            recipe=recipe.label() + (f" from {start['file']}@{start['sha256'][:8]}" if start else ""),
            margins=recipe.margins(),
            details={"recipe": recipe.identity(), "provenance": dict(self.provenance)},
            corpora=_corpora(identity.get("corpus"), start),
            seed=identity.get("seed", (self.provenance.get("training") or {}).get("seed")),
        )


def write_weights(
    path: Path,
    state: Mapping[str, Tensor],
    *,
    family: str,
    recipe: Mapping[str, Any],
    trained_on: Sequence[str],
    train_compression: str,
    provenance: Mapping[str, Any],
) -> None:
    """Write a weights file so that it appears whole or not at all. Raises StoreError if it cannot be written.

    `family` says what can read the file, such as the name of a method. `recipe` are the JSON-ready fields of the recipe.
    """
    from safetensors.torch import save

    metadata = {
        "format": f"{OWN_FORMAT}{family}",
        "version": VERSION,
        "recipe": json.dumps(dict(recipe)),
        "trained_on": json.dumps(sorted(trained_on)),
        "train_compression": train_compression,
        "provenance": json.dumps(dict(provenance), sort_keys=True, default=str),
        WRITTEN_BY: DFBENCH_VERSION,
    }
    content = save(_apart(state), metadata)
    write_whole(path, lambda partial: partial.write_bytes(content))


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU of which no two share memory, as those of tied layers do: safetensors refuses these."""
    apart: dict[str, Tensor] = {}
    taken: set[int] = set()
    for key, value in state.items():
        plain = value.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        apart[key] = plain.clone() if place in taken else plain
        taken.add(place)
    return apart


def write_trained(
    trained: Trained, request: TrainingRequest, *, detector: str, recipe: Mapping[str, Any]
) -> Path:
    """Write the weights that a training returned to its folder, and return the path of the file. Raises StoreError.

    The header names the datasets of the request's videos, and the datasets behind the weights that the training started from.
    """
    videos = [file.video for file in (*request.train, *request.validation)]
    started = trained.started
    provenance: dict[str, Any] = {**request.provenance, "training": dict(trained.outcome)}
    if request.start is not None:
        corpora = None if started is None or started.corpora is None else sorted(started.corpora)
        with open_regular(request.start.path) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        provenance["start"] = {"file": request.start.path.name, "sha256": sha256, "corpora": corpora}
    path = request.folder / WEIGHTS
    write_weights(
        path,
        trained.state,
        family=trained.family or detector,
        recipe=recipe,
        trained_on=sorted(
            {video.dataset for video in videos} | (started.trained_on if started else frozenset())
        ),
        train_compression="+".join(sorted({video.compression for video in videos if video.compression})),
        provenance=provenance,
    )
    return path


def clear_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a training whose weights are written and noted."""
    for leftover in (LAST, BEST):
        (folder / leftover).unlink(missing_ok=True)


def is_own_file(path: Path) -> bool:
    """Return whether dfbench wrote this safetensors file, for whatever detector; one that cannot be read was not."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path.absolute(), framework="np") as file:
            return str((file.metadata() or {}).get("format", "")).startswith(OWN_FORMAT)
    except (SafetensorError, OSError, ValueError):
        return False


def read_header(
    path: Path, *, family: str, parse: Callable[[Mapping[str, Any]], RecipeT], hints: Sequence[str]
) -> WeightsHeader[RecipeT]:
    """Return the header of a weights file of `family` without reading tensors; `parse` makes a recipe of its fields.

    Raises WeightsError with `hints` for a file of another kind, a damaged one, or one with a newer format.
    """
    from safetensors import SafetensorError, safe_open

    require_file(path, hints=hints)
    try:
        with safe_open(path.absolute(), framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}", hints=hints) from error
    if metadata.get("format") != f"{OWN_FORMAT}{family}":
        raise WeightsError(
            f"{path} was not written by dfbench's {family}: its header does not say so", hints=hints
        )
    try:
        found, writer = metadata.get("version"), metadata.get(WRITTEN_BY, "")
        refuse_newer(path, "a weights file", found=found, known=int(VERSION), written_by=writer)
    except NewerFormatError as error:
        raise WeightsError(error.headline, hints=(*error.hints, *hints[:1])) from error
    if metadata.get("version") != VERSION:
        raise WeightsError(
            f"{path} has format version {metadata.get('version')}; this version of dfbench reads {VERSION}",
            hints=("use the version of dfbench that wrote it", *hints[:1]),
        )
    try:
        return _parsed(path, metadata, parse)
    except (KeyError, UsageError) as error:
        raise WeightsError(f"the header of {path} is damaged: {error}", hints=hints) from error
    except UnreadableError as error:
        raise WeightsError(f"the header of {path} is damaged: {error.reason}", hints=hints) from error


def _parsed(
    path: Path, metadata: Mapping[str, str], parse: Callable[[Mapping[str, Any]], RecipeT]
) -> WeightsHeader[RecipeT]:
    """Return the header in the `metadata` of a file. Raises KeyError, UnreadableError, UsageError."""
    recipe = parsed_object(path, metadata["recipe"])
    trained_on = parsed_json(path, metadata["trained_on"])
    if not isinstance(trained_on, list) or not all(isinstance(name, str) for name in trained_on):
        raise UnreadableError(path, '"trained_on" is no list of names')
    provenance = parsed_object(path, metadata["provenance"])
    for name, kinds in _PROVENANCE.items():
        section = provenance.get(name)
        if section is None:
            continue
        if not isinstance(section, dict):
            raise UnreadableError(path, f'"{name}" in its provenance is no JSON object')
        for key, kind in kinds.items():
            if key in section and (not isinstance(section[key], kind) or isinstance(section[key], bool)):
                raise UnreadableError(
                    path, f'"{key}" of "{name}" in its provenance is {section[key]!r}'[:200]
                )
    start = provenance.get("start")
    if start and not {"file", "sha256"} <= start.keys():
        raise UnreadableError(path, '"start" in its provenance does not name a file and its sha256')
    if start and not all(isinstance(name, str) for name in start.get("corpora") or ()):
        raise UnreadableError(path, '"corpora" of "start" in its provenance are no names')
    return WeightsHeader(parse(recipe), tuple(trained_on), metadata["train_compression"], provenance)


def fitted(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    *,
    says: str,
    hints: Sequence[str],
    probably: Callable[[], str] = str,
) -> dict[str, Tensor]:
    """Return `state` if it has exactly the tensors of `own`.

    Otherwise raises WeightsError, whose message begins with `says`, names the first keys that differ, and ends with what
    `probably` returns.
    """
    found = []
    for key, value in own.items():
        if key not in state:
            found.append(f"{key} is missing")
        elif state[key].shape != value.shape:
            found.append(f"{key} is {_shape(state[key])} and should be {_shape(value)}")
    found += [f"{key} is not known" for key in state if key not in own]
    if found:
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise WeightsError(f"{says}: {'; '.join(found[:_NAMED])}{more}{probably()}", hints=hints)
    return dict(state)


def require_finite(state: Mapping[str, Tensor], *, origin: Path, hints: Sequence[str]) -> None:
    """Raise WeightsError, which names `origin`, if a weight is NaN, infinite, or not a plain number."""
    import torch

    for key, value in state.items():
        if (
            value.is_complex()
            or value.is_quantized
            or value.layout != torch.strided
            or value.device.type != "cpu"
        ):
            raise WeightsError(f"{origin} holds {key} as no plain numbers", hints=hints)
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsError(f"{origin} holds NaN or infinite weights, first in {key}", hints=hints)


def _corpora(corpus: str | None, start: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Return the corpora of a training and of the weights that it started from; None if either is unknown."""
    before = start.get("corpora") if start else ()
    return None if corpus is None or before is None else frozenset({corpus, *before})


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "a scalar"
