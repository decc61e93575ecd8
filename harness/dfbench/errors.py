"""Define every error that dfbench raises on purpose, as one tree.

A message says what is wrong and where, in the user's terms. `hints` say what to do, each as a sentence or a command to paste.
Both are single lines in which control characters are escaped, because they quote names of files, become reasons in tables, and
are printed, also by Python's own traceback. The command line prints them without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from dfbench.escaping import for_terminal
from dfbench.text import meant


class DfbenchError(Exception):
    """Base class of all errors that dfbench raises on purpose. `hints` list remedies, the most likely first.

    `headline` is the message without details. `message` adds `detail`, if there is any: further lines, such as the traceback
    of a plugin.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hints: Sequence[str] = (), detail: str = "") -> None:
        self.headline = for_terminal(message)
        self.hints = tuple(map(for_terminal, hints))
        self.detail = for_terminal(detail, lines=True)
        self.message = f"{self.headline}\n\n{self.detail}" if detail else self.headline
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default pickling, and these errors cross process borders.
        return (_rebuild, (type(self), self.headline, self.hints, self.detail))


def _rebuild(kind: type[DfbenchError], message: str, hints: tuple[str, ...], detail: str) -> DfbenchError:
    return kind(message, hints=hints, detail=detail)


class UsageError(DfbenchError):
    """Raised if the request itself is wrong: an unknown option value, a contradiction, a missing argument."""

    exit_code = 2


class UnknownNameError(UsageError):
    """Raised if no plugin offers a dataset, detector, protocol, ... of the given name."""


def unknown_name(kind: str, name: str, known: Sequence[str], *, where: str) -> UnknownNameError:
    """Return the error for a `name` that is not among `known`; its hints suggest the nearest names and list all.

    `kind` and `where` complete the message, as in "no split 'tset' in ffpp".
    """
    listed = f"known: {', '.join(known)}" if known else f"{where} has none"
    hints = tuple(filter(None, (meant(name, known), listed)))
    return UnknownNameError(f"no {kind} {name!r} in {where}", hints=hints)


class SettingsError(UsageError):
    """Raised if `dfbench.toml` or a DFBENCH_* variable cannot be read, or has an unknown setting."""


class UntrustedSettingError(SettingsError):
    """Raised if a settings file that may be a stranger's sets something that runs code or sends data elsewhere."""


class PluginError(DfbenchError):
    """Raised if a plugin is broken: it cannot be imported, misspells a hook, returns a wrong type, or repeats a name."""


class DataError(DfbenchError):
    """Raised if data on disk are not as they should be."""


class UnreadableError(DataError):
    """Raised if a text, record or table written by others cannot be parsed. `reason` says why, without the path.

    `line` is the line number, from 1, or 0 if it is unknown.
    """

    def __init__(self, path: PurePath, reason: str, *, line: int = 0, hints: Sequence[str] = ()) -> None:
        self.path, self.reason, self.line = path, for_terminal(reason), line
        super().__init__(f"{path} cannot be read: {reason}", hints=hints)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_unreadable, (type(self), self.path, self.reason, self.line, self.hints))


def _rebuild_unreadable(
    kind: type[UnreadableError], path: PurePath, reason: str, line: int, hints: tuple[str, ...]
) -> UnreadableError:
    return kind(path, reason, line=line, hints=hints)


class AbsentError(UnreadableError):
    """Raised if there is no such file."""


class LayoutError(DataError):
    """Raised if the root of a dataset does not have the official layout, or a list file cannot be parsed."""


class MissingCompressionError(LayoutError):
    """Raised if the root belongs to the dataset but has no videos at the requested compression."""


class VideoError(DataError):
    """Raised if a single video cannot be used. `status` is the status of its row in the score table."""

    status: ClassVar[str] = "error"


class MissingVideoError(VideoError):
    """Raised if the file of an expected video does not exist."""

    status = "missing"


class UndecodableVideoError(VideoError):
    """Raised if a file exists but no frame can be decoded from it: empty, truncated, audio only, not a video."""

    status = "undecodable"


class NoFaceError(VideoError):
    """Raised if no face was found in any of the wanted frames."""

    status = "no_face"


class TooShortError(VideoError):
    """Raised if a video has fewer usable frames than one clip needs."""

    status = "too_short"


class SynthesisError(DataError):
    """Raised if no pseudo-fake, or none that differs from the clip, can be made of a clip. The caller takes another clip."""


class StoreError(DataError):
    """Raised if a file of the face store, a score table or a checkpoint folder is damaged or cannot be written."""


class NewerFormatError(StoreError):
    """Raised if a file has a format of a later version of dfbench. The file is not damaged, and is left unchanged."""


class WeightsError(DataError):
    """Raised if a weights file is missing, unsafe to load, or made for another model."""


class ManifestError(DataError):
    """Raised if a manifest repeats a video, or mixes datasets or versions that must be kept apart."""


class RunError(DfbenchError):
    """Raised if a run cannot be completed. What was computed so far is kept."""


class CoverageError(DfbenchError):
    """Raised if a run ended, but scored a smaller share of its videos than the coverage limit requires."""

    exit_code = 3


class CoverageWarning(UserWarning):
    """Warns that a result rests on fewer videos than its protocol expects, or on too few for an estimate."""


class MetricError(DfbenchError):
    """Raised if a metric is not defined for the given scores and labels."""


class SingleClassError(MetricError):
    """Raised if a ranking metric is computed on videos of one class only."""


class ScoreError(DfbenchError):
    """Raised if a detector returns scores of the wrong shape or that are not finite."""
