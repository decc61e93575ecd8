"""Public checkpoints of others: told apart by their tensors, and read into the network of a method.

What such a file is, its name cannot tell: it is recognised by the names of its tensors, and then every tensor must fit. It says
nothing of its training either, so that only files whose SHA-256 is known are called by name; all others are "unverified".
Heads with two outputs become heads with one, whose logit is the difference, fake less real: the log-odds of their softmax.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.errors import WeightsError
from dfbench.training.state_files import PICKLES, read_pickle, read_safetensors, require_file
from dfbench.training.weights_file import is_own_file
from dfbench.untrusted import open_regular

if TYPE_CHECKING:
    from torch import Tensor

_SHA_DIGITS = 8  # that the name of an entry shows


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A public checkpoint that is known by its SHA-256: what it is called, and the datasets that it was trained on.

    `url` is where its owners offer it, "" if that is not known.
    """

    name: str
    trained_on: frozenset[str] | None = None
    compression: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A weights file of others as a card shows it; `sha256` (hex) may be its beginning alone, and "" where it is unknown."""

    name: str
    url: str = ""
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A kind of public checkpoint that a method reads beside the files that dfbench writes.

    `says`: whose it is, for messages. `recipe`: the name of the recipe whose network it fits and by which it is scored.
    `tells`: names of tensors that this kind alone has, all of them; names that begin or end with "*" stand for any that end
    or begin so. `channels`: of kernels whose names others have too, the number of input channels. `convert` returns the
    tensors by the names of the method's network; it raises KeyError for one that is missing. `fake`: which of the two outputs
    of its head stands for "fake". `known`: the files that are known, by SHA-256 (hex).
    """

    says: str
    recipe: str
    tells: tuple[str, ...]
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    fake: int = 1
    channels: Mapping[str, int] = field(default_factory=dict)
    known: Mapping[str, KnownFile] = field(default_factory=dict)

    def fits(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether these tensors are of this kind."""
        named = all(any(_matches(name, told) for name in state) for told in self.tells)
        return named and all(
            name in state and state[name].shape[1:2] == (count,) for name, count in self.channels.items()
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReleasedState:
    """A public checkpoint as it was read: its kind, its tensors as the network names them, and its SHA-256 (hex)."""

    kind: Released
    state: Mapping[str, Tensor]
    sha256: str

    @property
    def known(self) -> KnownFile:
        """The file, if it is known; else one whose name says that it is unverified, and whose training is unknown."""
        unverified = KnownFile(f"{self.kind.recipe}, unverified weights {self.sha256[:_SHA_DIGITS]}")
        return self.kind.known.get(self.sha256, unverified)


def known_files(kinds: Sequence[Released]) -> tuple[PublishedFile, ...]:
    """Return the files of these kinds that are known by their SHA-256."""
    return tuple(
        PublishedFile(known.name, known.url, sha256) for kind in kinds for sha256, known in kind.known.items()
    )


def read_released(
    path: Path, kinds: Sequence[Released], *, detector: str, hints: Sequence[str]
) -> ReleasedState | None:
    """Read a public checkpoint of one of these kinds; returns None for a file that dfbench wrote.

    Raises WeightsError for a file that is missing, unsafe or damaged, of none of the `kinds`, or that lacks a tensor.
    """
    require_file(path, hints=hints)
    if path.suffix not in PICKLES and is_own_file(path):
        return None
    state = (read_pickle if path.suffix in PICKLES else read_safetensors)(path, hints=hints)
    kind = kind_of(state, kinds)
    if kind is None:
        first = ", ".join(list(state)[:3])
        raise WeightsError(
            f"{path} is no checkpoint that {detector} reads: its tensors are called {first} ...",
            hints=(f"{detector} reads: {'; '.join(kind.says for kind in kinds)}", *hints),
        )
    own = converted(kind, state, origin=path, hints=hints)
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ReleasedState(kind, own, sha256)


def kind_of(state: Mapping[str, Tensor], kinds: Sequence[Released]) -> Released | None:
    """Return the first of `kinds` that these tensors are of, None if they are of none."""
    return next((kind for kind in kinds if kind.fits(state)), None)


def converted(
    kind: Released, state: Mapping[str, Tensor], *, origin: Path, hints: Sequence[str]
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint of this kind as the network names them.

    Raises WeightsError, which names the file, if a tensor is missing, or whatever `convert` refuses.
    """
    try:
        return kind.convert(state)
    except KeyError as error:
        raise WeightsError(
            f"{origin} looks like {kind.says}, and {error.args[0]} is missing", hints=hints
        ) from error
    except WeightsError as error:
        raise WeightsError(f"{origin}: {error.message}", hints=error.hints or hints) from error


def renamed(
    state: Mapping[str, Tensor],
    prefixes: Mapping[str, str],
    *,
    dropped: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Return tensors with the first of `prefixes` that their names begin with replaced by its value; others keep their names.

    Those whose names begin with one of `dropped` are left out.
    """
    found = {}
    for name, value in state.items():
        if name.startswith(tuple(dropped)):
            continue
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        found[prefixes.get(prefix, "") + name.removeprefix(prefix)] = value
    return found


def one_logit(state: Mapping[str, Tensor], head: str, *, fake: int = 1) -> dict[str, Tensor]:
    """Return the state with the two outputs of the layer `head` made one: that of `fake` less the other.

    Softmax over the two has this logit as its log-odds. Raises KeyError if the layer is missing, WeightsError if it has
    another number of outputs.
    """
    made = dict(state)
    for name in (f"{head}.weight", f"{head}.bias"):
        both = made[name]
        if both.ndim == 0 or both.shape[0] != 2:
            outputs = both.shape[0] if both.ndim else "no"
            raise WeightsError(
                f"the last layer ({name}) has {outputs} outputs, and real or fake are two",
                hints=("name weights of a detector that was trained for two classes",),
            )
        made[name] = (both[fake] - both[1 - fake])[None]
    return made


def _matches(name: str, told: str) -> bool:
    if told.startswith("*"):
        return name.endswith(told[1:])
    return name.startswith(told[:-1]) if told.endswith("*") else name == told
