"""The command line: one file a command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import nullcontext
from types import TracebackType

from dfbench.cli.app import build_app
from dfbench.cli.json_output import standard_output_kept
from dfbench.cli.log import agreed, log_shown
from dfbench.cli.output import say, say_block
from dfbench.errors import DfbenchError, UntrustedSettingError
from dfbench.hooks.plugin_code import unexpected_error
from dfbench.streams import inert_streams


def main() -> None:
    """Entry point of `dfbench`. Exit codes: 0 done, 1 failed, 2 usage, 3 incomplete coverage."""
    # Threads that wait for one another soon sleep: spinning for long would take the cores from the workers that feed
    # them. A short spin, of at most about a millisecond, spares most waits the way through the system. OpenMP reads
    # both once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    debug, trust = _taken("--debug"), _taken("--trust")
    if debug:
        sys.excepthook = _show_traceback
    owned = standard_output_kept() if "--json" in sys.argv else nullcontext()
    with owned, inert_streams(), log_shown(trust=trust):
        try:
            _run()
        except DfbenchError as error:
            if debug:
                raise
            print_error(error)
            sys.exit(error.exit_code)
        except Exception as error:
            if debug:
                raise
            print_error(unexpected_error(error))
            sys.exit(1)


def _taken(flag: str) -> bool:
    """Whether the command line has a flag of all commands, which is taken from it."""
    found = flag in sys.argv
    if found:
        sys.argv.remove(flag)
    return found


def _run() -> None:
    """Carry out the command; once more if it was refused for a setting that the user then agrees to."""
    try:
        build_app()(standalone_mode=True)
    except UntrustedSettingError as error:
        if not agreed(error):
            raise
        build_app()(standalone_mode=True)


def print_error(error: DfbenchError) -> None:
    """Print what failed, then the ways out, to standard error."""
    say(f"error: {error.headline}", error=True)
    say_block(error.detail, indent="  | ", error=True)
    for hint in error.hints:
        say(f"  {hint}", error=True)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, escaped: what failed may be named by a stranger."""
    with inert_streams():
        traceback.print_exception(kind, error, trace)


__all__ = ["main", "print_error"]
