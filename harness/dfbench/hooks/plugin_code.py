"""What a stranger's code raises, told as an error that names the plugin, what it was doing, and where in its code.

A traceback of forty lines says nothing of this to who only runs a command. `--debug` shows it all the same, as it is the
cause of the error.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from dfbench.errors import DfbenchError, PluginError
from dfbench.hooks.manners import kept
from dfbench.hooks.registry import one_line
from dfbench.hooks.specs import PROJECT
from dfbench.hooks.waiting import named_if_slow
from dfbench.specs import Built, CorpusSpec, DatasetSpec, DetectorSpec, FaceFinderSpec, SynthesizerSpec

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench.exchanged import Evidence
    from dfbench.interfaces import Explainer
    from dfbench.specs import EvidenceMap

_KINDS: dict[type[Built], str] = {
    CorpusSpec: "corpus",
    DatasetSpec: "dataset",
    DetectorSpec: "detector",
    FaceFinderSpec: "face finder",
    SynthesizerSpec: "synthesizer",
}
GOES_ON = "what was computed is kept: the same command goes on with the rest"
DEBUG = "the whole traceback:  the same command with --debug"


@contextmanager
def running(spec: Built, doing: str, *, slow: bool = False) -> Iterator[None]:
    """Run code of the plugin that offers `spec`. Raises PluginError for what it raises, unless that is an error of ours.

    A call of `sys.exit` counts: the command would else end without a word, and perhaps as if all were well. What it changed of
    this process is put back; where it takes long, it is named, unless it is `slow` by nature and shows its progress.

    `doing` completes "detector 'x' failed ...", as in "to score dfdc/a.mp4".
    """
    when = f"when asked {doing}" if doing.startswith("to ") else doing

    def told() -> str:
        return f"{_offered(spec)} ({when})"

    try:
        with nullcontext() if slow else named_if_slow(told), kept(lambda: _offered(spec), when):
            yield
    except DfbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise plugin_error(spec, doing, error) from error


def plugin_error(spec: Built, doing: str, error: BaseException) -> PluginError:
    """The error that tells of an exception in the code of the plugin that offers `spec`."""
    return PluginError(
        f"{_offered(spec)} failed {doing}: {one_line(error)}",
        hints=(*place_of(error), DEBUG, GOES_ON),
    )


def _offered(spec: Built) -> str:
    """What a plugin offers, and which plugin: `detector 'x', of plugin 'y' (z 1.0),`."""
    plugin = plugin_of(spec.build.partition(":")[0])
    return f"{_KINDS.get(type(spec), 'offer')} '{spec.name}'" + (f", of plugin {plugin}," if plugin else "")


def unexpected_error(error: Exception) -> DfbenchError:
    """The error that tells of an exception which nobody foresaw: in whose code, and how to see more."""
    plugins = _plugins()
    blamed = next(filter(None, (_owner(module, plugins) for module in reversed(_modules(error)))), "")
    culprit = f"plugin {blamed}" if blamed else "dfbench"
    return DfbenchError(
        f"{culprit} failed unexpectedly: {one_line(error)}", hints=(*place_of(error), DEBUG, GOES_ON)
    )


def plugin_of(module: str) -> str:
    """The plugin that a module belongs to, as `'name' (distribution 1.0)`; "" if it belongs to none."""
    return _owner(module, _plugins())


def place_of(error: BaseException) -> tuple[str, ...]:
    """Where in a plugin's code, or else anywhere, `error` was raised: no or one sentence."""
    plugins = _plugins()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame, module in zip(frames, _modules(error), strict=True) if _owner(module, plugins)]
    return tuple(f"in {one.filename}, line {one.lineno}, in {one.name}" for one in (own or frames)[-1:])


def _modules(error: BaseException) -> list[str]:
    """The module of each frame of the traceback."""
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def _plugins() -> list[tuple[str, str]]:
    """Module and words of each plugin that is installed."""
    return [
        (
            entry.module,
            f"'{entry.name}'" + (f" ({entry.dist.name} {entry.dist.version})" if entry.dist else ""),
        )
        for entry in entry_points(group=PROJECT)
    ]


def _owner(module: str, plugins: list[tuple[str, str]]) -> str:
    """The plugin whose module, or else whose package, `module` is in."""
    for own, words in plugins:
        if module == own or module.startswith(f"{own}."):
            return words
    package = module.partition(".")[0]
    return next((words for own, words in plugins if own.partition(".")[0] == package), "")


class ToldExplainer:
    """An explainer whose exceptions are told as errors of its plugin."""

    def __init__(self, explainer: Explainer, spec: DetectorSpec) -> None:
        self._explainer = explainer
        self._spec = spec

    def maps(self) -> Sequence[EvidenceMap]:
        """As `Explainer.maps`. Raises PluginError."""
        with running(self._spec, "to say which maps it makes"):
            return self._explainer.maps()

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        """As `Explainer.explain`. Raises PluginError."""
        with running(self._spec, "to explain clips", slow=True):
            return self._explainer.explain(clips, names)
