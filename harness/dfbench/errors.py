"""Every error that dfbench raises, as one tree.

A message says what was wrong and where, in the user's terms; `hints` say what to do, each a sentence or a
command that can be pasted. Both are single lines, in which what a terminal would obey is escaped: they name files, become
the reasons in tables, and are printed, by Python's own traceback too. The command line prints them and exits with
`exit_code`, without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from dfbench.escaping import for_terminal
from dfbench.text import meant


class DfbenchError(Exception):
    """Base of all errors raised on purpose; `hints` are the ways out, most likely first.

    `headline` is the sentence alone, and `message` also holds `detail` if there is any: further lines, such as the
    traceback of a plugin.
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
    """The request itself is wrong: an unknown option value, a contradiction, a missing argument."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A dataset, detector, protocol, ... was asked for by a name that nobody offers."""


def unknown_name(kind: str, name: str, known: Sequence[str], *, where: str) -> UnknownNameError:
    """Return the error for a `name` that is none of `known`; its hints ask whether the nearest are meant, and list all.

    `kind` and `where` are words of the message: no split 'tset' in ffpp.
    """
    listed = f"known: {', '.join(known)}" if known else f"{where} has none"
    hints = tuple(filter(None, (meant(name, known), listed)))
    return UnknownNameError(f"no {kind} {name!r} in {where}", hints=hints)


class SettingsError(UsageError):
    """`dfbench.toml` or a DFBENCH_* variable cannot be read or names an unknown setting."""


class UntrustedSettingError(SettingsError):
    """A settings file that its user need not have written sets what could run code or send data elsewhere."""


class PluginError(DfbenchError):
    """A plugin is broken: it cannot be imported, misspells a hook, returns the wrong type, repeats a name."""


class DataError(DfbenchError):
    """Something on disk is not as it should be."""


class UnreadableError(DataError):
    """A text, record or table that others wrote cannot be taken for what it should be; `reason` says why, without the path.

    `line`: where in the text, from 1; 0 if that is not known.
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
    """There is no such file."""


class LayoutError(DataError):
    """A dataset root does not have the official layout, or one of its list files cannot be parsed."""


class MissingCompressionError(LayoutError):
    """The root is the dataset's, but holds no videos at the compression that was asked for."""


class VideoError(DataError):
    """One video cannot be used; `status` is the status value that its row in the score table carries."""

    status: ClassVar[str] = "error"


class MissingVideoError(VideoError):
    """The file of an expected video does not exist."""

    status = "missing"


class UndecodableVideoError(VideoError):
    """The file exists but no frame can be decoded from it: empty, truncated, audio only, not a video."""

    status = "undecodable"


class NoFaceError(VideoError):
    """No face was found in any of the wanted frames."""

    status = "no_face"


class TooShortError(VideoError):
    """The video has fewer usable frames than one clip needs."""

    status = "too_short"


class SynthesisError(DataError):
    """No pseudo-fake can be made of a clip, or none that differs from it: whoever asked for it takes another clip."""


class StoreError(DataError):
    """A file of the face store, the score table or a checkpoint folder cannot be written or is damaged."""


class NewerFormatError(StoreError):
    """A file is of a format that a later version of dfbench writes: nothing is wrong with it, and it is left as it is."""


class WeightsError(DataError):
    """A checkpoint is missing, unsafe to load, or made for another model."""


class ManifestError(DataError):
    """A manifest repeats a video, or mixes what must not be mixed."""


class RunError(DfbenchError):
    """A run could not be completed; what was computed so far is kept."""


class CoverageError(DfbenchError):
    """The run ended, but fewer videos were scored than the coverage limit asks for."""

    exit_code = 3


class CoverageWarning(UserWarning):
    """A result rests on fewer videos than its protocol expects, or on too few for a figure."""


class MetricError(DfbenchError):
    """A metric is not defined for the given scores and labels."""


class SingleClassError(MetricError):
    """A ranking metric was asked for where only one class is present."""


class ScoreError(DfbenchError):
    """A detector returned something that is no score: wrong shape, NaN, infinite."""
