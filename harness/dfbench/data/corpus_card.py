"""Which corpus the data below a root is: the official one, or what `dfbench-corpus.json` in it says.

A root may hold a documented subset or a stand-in. The file then names the corpus and replaces the published counts, and
no table mixes that corpus with the official one.
"""

from __future__ import annotations

import json
from pathlib import Path

from dfbench.errors import LayoutError
from dfbench.types import OFFICIAL, Counts

CORPUS_FILE = "dfbench-corpus.json"


def corpus_name(root: Path, without: str = OFFICIAL) -> str:
    """The corpus that the data below `root` belongs to: what its corpus file says, else `without`.

    Raises LayoutError if the file is damaged.
    """
    return read_card(root, without)[0]


def read_card(root: Path, without: str = OFFICIAL) -> tuple[str, dict[str, Counts] | None]:
    """Name and counts by part of the corpus file, `without` if there is none; counts are None where the published hold.

    Raises LayoutError if the file is damaged, or calls its corpus "official": a stand-in must not.
    """
    path = root / CORPUS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return without, None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it is no JSON object")
    name, official = content.get("corpus"), content.get("official")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise _damaged(path, '"corpus" must be the name of the corpus')
    if name.strip().casefold() == OFFICIAL:
        raise _damaged(path, f'"corpus" is {name!a}, the name of data without such a file')
    if official is None:
        return name, None
    if not isinstance(official, dict):
        raise _damaged(path, '"official" must give counts by split')
    return name, {part: _counts(path, part, counts) for part, counts in official.items()}


def _counts(path: Path, part: str, counts: object) -> Counts:
    if isinstance(counts, dict) and set(counts) == {"real", "fake"}:
        real, fake = counts["real"], counts["fake"]
        if type(real) is int and type(fake) is int and min(real, fake) >= 0:
            return Counts(real, fake)
    raise _damaged(path, f'the counts of {part!a} must read {{"real": N, "fake": N}}')


def _damaged(path: Path, reason: str) -> LayoutError:
    return LayoutError(
        f"the corpus file {path} cannot be used: {reason}",
        hints=(
            'it reads {"corpus": NAME, "official": {SPLIT: {"real": N, "fake": N}}}',
            "delete it if the folder holds the official data",
        ),
    )
