"""What no reader of a run need know: where files lay on the machine that made it, and what machine and user are called.

Messages of failures name files by their whole paths, which tell home folders, projects and disks. Stored with a run, they
name files relative to the root of their dataset; a terminal still shows the whole path to whoever gave the command.
"""

from __future__ import annotations

import getpass
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfbench.settings import Settings
from dfbench.text import storable

_QUOTED = re.compile(r"""(?P<quote>['"])(?P<folder>/[^'"\n]*/)(?P<name>[^/'"\n]*)(?P=quote)""")
_BARE = re.compile(r"""(?<![\w.<>~/…])/(?:[^\s/'"<>|;,()\[\]]+/)+""")
_EVERYDAY = frozenset({"root", "user", "host", "localhost", "localdomain", "home"})  # names that name nobody
_HOST, _USER = "<host>", "<user>"
_SOMEWHERE = ".../"


@dataclass(frozen=True, slots=True)
class Redaction:
    """Texts without the folders and names of a machine.

    `folders`: each absolute folder with what stands for it, as in ("/data/ffpp/", ""), longest first; `words`: each name
    with what stands for it.
    """

    folders: tuple[tuple[str, str], ...] = ()
    words: tuple[tuple[str, str], ...] = field(default=())

    def text(self, text: str) -> str:
        """What is left of a message: folders as `paths` leaves them, and no name of the machine or its user."""
        text = self.paths(text)
        for word, instead in self.words:
            if word in text:
                text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", instead, text)
        return text

    def paths(self, text: str) -> str:
        """Replace known folders by what they are, cut other absolute paths to the name of the file; returns the rest as it is."""
        if "/" in text:
            for folder, instead in self.folders:
                text = _without(text, folder, instead)
            text = _QUOTED.sub(rf"\g<quote>{_SOMEWHERE}\g<name>\g<quote>", text)
            text = _BARE.sub(_SOMEWHERE, text)
        return text

    def value(self, value: Any, *, messages: bool = False) -> Any:
        """Redact every text in a JSON value, and leave out what tells the build of a kernel; names of fields stay.

        Where they are no `messages` but values (a corpus may be called as the user is), paths alone are redacted.
        """
        if isinstance(value, str):
            return self.text(value) if messages else self.paths(value)
        if isinstance(value, Mapping):
            return {
                key: _system(item)
                if key == "platform" and isinstance(item, str)
                else self.value(item, messages=messages)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item, messages=messages) for item in value]
        return value


def redaction(settings: Settings, roots: Iterable[Path] = ()) -> Redaction:
    """Make the redaction for this machine, of data that lie in `roots` and of everything that `settings` name.

    A path below a root is told relative to it; one below the cache, the folder of runs, the installation or the home folder
    begins with a word for that. Of any other, the name of the file alone is left.
    """
    known: list[tuple[Path, str]] = [(root, "") for root in (*roots, *settings.data.roots.values())]
    known += [(settings.cache, "<cache>/"), (settings.runs, "<runs>/"), (Path(sys.prefix), "<python>/")]
    with suppress(RuntimeError):  # nobody knows where home is
        known.append((Path.home(), "~/"))
    folders: dict[str, str] = {}
    for folder, instead in known:
        with suppress(OSError, RuntimeError):
            for spelling in (folder.absolute(), folder.resolve()):
                if len(spelling.parts) > 1:
                    for spelt in (str(spelling), storable(str(spelling))):  # as messages have it
                        folders.setdefault(spelt, instead)
    longest_first = sorted(folders.items(), key=lambda one: len(one[0]), reverse=True)
    return Redaction(tuple(longest_first), tuple(_names()))


def _without(text: str, folder: str, instead: str) -> str:
    """`text` with `instead` for a folder at the beginning of a path, and for the folder itself a word."""
    if folder not in text:
        return text
    itself = instead.rstrip("/") or "its root"
    return re.sub(
        rf"(?<![\w.~>/-]){re.escape(folder)}(?P<more>/|(?![\w-]|\.\w))",
        lambda found: instead if found["more"] else itself,
        text,
    )


def _names() -> Iterable[tuple[str, str]]:
    """The names of this machine and of its user, with what stands for them; the whole name before its first part."""
    host = socket.gethostname()
    hosts = [host, host.partition(".")[0]]
    users = []
    with suppress(OSError, KeyError, ImportError):  # a container may know no user by this number
        users.append(getpass.getuser())
    for names, instead in ((hosts, _HOST), (users, _USER)):
        for name in dict.fromkeys(names):
            if len(name) > 1 and name.casefold() not in _EVERYDAY:
                yield name, instead


def _system(platform: str) -> str:
    """`Linux x86_64` of what an earlier version stored, `Linux-6.1.0-18-amd64-x86_64-with-glibc2.36`; else as it is."""
    system, _, rest = platform.partition("-")
    machine = re.search(r"-(x86_64|amd64|aarch64|arm64|i686|ppc64le|riscv64|AMD64)(?:-|$)", f"-{rest}")
    kind = re.search(r"-with-(.+)$", rest)
    parts = [system, machine[1] if machine else "", f"({kind[1]})" if kind else ""]
    return " ".join(filter(None, parts)) if rest else platform
