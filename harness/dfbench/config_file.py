"""The file `dfbench.toml`: which one is in force, and how a root is entered in it while the rest stays as its user wrote it.

What its settings mean is said in `dfbench.settings`.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

from dfbench.errors import AbsentError, SettingsError, StoreError, UnreadableError
from dfbench.escaping import for_toml
from dfbench.files import write_text_whole
from dfbench.text import storable
from dfbench.untrusted import MOST_SETTINGS, decoded, parsed_toml, read_bytes

FILE_NAME = "dfbench.toml"


def config_path() -> Path:
    """Return the path of the configuration file that is in force, whether it exists or not.

    The one that DFBENCH_CONFIG names, else `dfbench.toml` here, else that of the nearest folder above.
    """
    if named := os.environ.get("DFBENCH_CONFIG"):
        return Path(named)
    own = Path(FILE_NAME)
    with suppress(OSError):  # the working directory was deleted, or a folder above may not be looked into
        if not own.is_file():
            here = Path.cwd()
            return next((above / FILE_NAME for above in here.parents if (above / FILE_NAME).is_file()), own)
    return own


def write_root(dataset: str, root: Path) -> Path:
    """Set the root of a dataset in the configuration file, which is made if need be; returns its path.

    Everything else in the file, comments included, stays as it is. Raises SettingsError if the file is not valid TOML,
    if it gives its roots in a form that cannot be edited so, or if it cannot be written.
    """
    path = config_path()
    if storable(str(root)) != str(root):
        raise SettingsError(
            f"the name of {root} is not UTF-8, so that {path} cannot hold it",
            hints=(f"rename the folder, or set DFBENCH_DATA__ROOTS__{dataset.upper()}",),
        )
    line = f"{_toml_key(dataset)} = {for_toml(root)}"
    by_hand = (f"add to {path} by hand:  [data.roots]  {line}",)
    try:
        text = decoded(path, read_bytes(path, most=MOST_SETTINGS))
        before = parsed_toml(path, text)
    except AbsentError:
        text, before = "", {}
    except UnreadableError as error:
        raise SettingsError(error.message, hints=("correct the file", *by_hand)) from error
    edited = _with_line(text, dataset, line)
    wanted = deepcopy(before)
    try:
        wanted.setdefault("data", {}).setdefault("roots", {})[dataset] = str(root)
        done = parsed_toml(path, edited) == wanted
    except (UnreadableError, AttributeError, TypeError):  # not TOML any more, or data is no table
        done = False
    if not done:
        raise SettingsError(
            f"{path} does not give its roots in a section [data.roots] that can be edited", hints=by_hand
        )
    target = path.resolve()  # a link to a configuration elsewhere stays a link
    try:
        write_text_whole(target, edited, hints=by_hand)
    except StoreError as error:
        raise SettingsError(error.message, hints=error.hints) from error
    return path


def _with_line(text: str, key: str, line: str) -> str:
    """Return `text` with `line` in its section [data.roots], in the place of the line of `key` if there is one."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    header = re.compile(r"\s*\[\s*data\s*\.\s*roots\s*\]\s*(#.*)?")
    start = next((number for number, text_line in enumerate(lines) if header.fullmatch(text_line)), None)
    if start is None:
        return end.join([*lines, *([""] if lines else []), "[data.roots]", line, ""])
    stop = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    own = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=.*""")
    old = next((n for n in range(start + 1, stop) if own.fullmatch(lines[n])), None)
    if old is not None:
        lines[old] = line
    else:
        last = max(n for n in range(start, stop) if lines[n].strip())
        lines.insert(last + 1, line)
    return end.join([*lines, ""])


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else for_toml(key)
