"""The command line: one file a command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import io
import os
import sys

from dfbench.cli.app import build_app
from dfbench.errors import DfbenchError
from dfbench.hooks.plugin_code import unexpected_error


def main() -> None:
    """Entry point of `dfbench`. Exit codes: 0 done, 1 failed, 2 usage, 3 incomplete coverage."""
    # Threads that wait for one another sleep: spinning would take the cores from the workers that feed them. OpenMP
    # reads this once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        build_app()(standalone_mode=True)
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


def print_error(error: DfbenchError) -> None:
    """What failed, then the ways out, on standard error."""
    print(f"error: {error.message}", file=sys.stderr)
    for hint in error.hints:
        print(f"  {hint}", file=sys.stderr)


__all__ = ["main", "print_error"]
