"""Where Python looks for modules: not in the working folder, which may hold a stranger's data.

`python -m` and `python -c` put that folder first on the path of modules, and multiprocessing starts its helpers by the latter:
a `socket.py` beside videos would run in place of the library's. An empty entry of PYTHONPATH, as `PYTHONPATH=$PYTHONPATH:/own`
leaves one behind, means the working folder, too; an empty entry of PATH or LD_LIBRARY_PATH means it for programs and libraries.

`dfbench.guard` applies this before anything else is imported, so that this module imports nothing that Python has not loaded
by then, `__future__` included: all that would be looked for in the working folder first.
"""

import os

SAFE = "PYTHONSAFEPATH"
SEARCHED = ("PYTHONPATH", "PATH", "LD_LIBRARY_PATH")
PROGRAM = "dfbench"


def is_program(arguments: list[str], started_by: list[str]) -> bool:
    """Whether a process with these `sys.argv` and `sys.orig_argv` is `dfbench` or `python -m dfbench`.

    While the packages above a module are imported that `-m` names, "-m" stands in the place of the program.
    """
    if not arguments:
        return False
    if arguments[0] != "-m":
        return os.path.basename(arguments[0]) in (PROGRAM, f"{PROGRAM}.exe")  # noqa: PTH119 - before pathlib
    named = started_by[-len(arguments)]
    return named == PROGRAM or named.startswith(f"{PROGRAM}.") or named.endswith(f"m{PROGRAM}")


def without_working_folder(path: list[str], *, by_module: bool) -> list[str]:
    """`path` (as `sys.path`) without the working folder where nobody asked for it: first if `by_module`, or by an empty entry
    of PYTHONPATH, and without what lies there under a relative entry. One that PYTHONPATH names stays, and so does the folder in
    which dfbench or Python's own library lies."""
    try:
        here = os.getcwd()  # noqa: PTH109 - before pathlib
    except OSError:  # it was deleted: nothing can be imported from it
        return list(path)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before pathlib
    if here in (own, os.path.dirname(os.__file__)):  # noqa: PTH120 - before pathlib
        return list(path)
    # A relative entry is a mark of an editable installation, which names no folder that there is.
    kept = [one for one in path if not one or os.path.isabs(one) or not os.path.lexists(one)]  # noqa: PTH117
    if by_module and kept and kept[0] in ("", here):
        del kept[0]
    value = os.environ.get("PYTHONPATH", "")
    named = value.split(os.pathsep)
    if value and "" in named and not any(one and os.path.abspath(one) == here for one in named):  # noqa: PTH100
        kept = [one for one in kept if one not in ("", here)]
    return kept


def safe_variables(environment: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """What variables of `environment` must be for children that do not look in the working folder; "" for unset."""
    found = {SAFE: "1"}
    for name in SEARCHED:
        if name in environment:
            found[name] = os.pathsep.join(filter(None, environment[name].split(os.pathsep)))
    return found


def make_safe(environment: "os._Environ[str]", *, safe_path: bool = True) -> None:
    """Change what of `environment` makes children look in the working folder, or without `safe_path` what makes programs and
    libraries be searched there."""
    for name, value in safe_variables(environment).items():
        if name == SAFE and not safe_path:
            continue
        if not value:
            environment.pop(name, None)
        elif environment.get(name) != value:
            environment[name] = value
