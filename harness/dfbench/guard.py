"""The guard of the program `dfbench`: nothing is imported from the working folder, see `dfbench.search_path`.

The package imports this module before any other, which guards the process at once. It imports nothing itself that Python has
not loaded by then, `__future__` included, because all that would be looked for in the working folder first.
"""

import os
import sys

from dfbench.search_path import is_program, make_safe, without_working_folder


def guard_program() -> None:
    """Keep this process and its children from the working folder, if it is the program `dfbench` or one of its helpers.

    A program that has dfbench as a library keeps its path: what it may import is its own affair.
    """
    if not is_program(getattr(sys, "argv", []), sys.orig_argv):
        return
    by_module = sys.argv[0] == "-m" and not sys.flags.safe_path
    sys.path[:] = without_working_folder(sys.path, by_module=by_module)
    make_safe(os.environ)
    from dfbench.imports import watch_imports  # which may import what it needs only from here on

    watch_imports()


guard_program()
