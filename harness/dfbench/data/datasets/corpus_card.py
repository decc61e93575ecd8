"""Which corpus the data below a root is: the official one, or what `dfbench-corpus.json` in it says.

A root may hold a documented subset or a stand-in. The file then names the corpus and replaces the published counts, and
no table mixes that corpus with the official one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from dfbench.errors import AbsentError, LayoutError, UnreadableError
from dfbench.names import name_fault, shown
from dfbench.types import OFFICIAL, OWN, Counts, Video
from dfbench.untrusted import MOST_SETTINGS, read_object

CORPUS_FILE = "dfbench-corpus.json"


def corpus_name(root: Path, without: str = OFFICIAL) -> str:
    """The corpus that the data below `root` belongs to: what its corpus file says, else `without`.

    Raises LayoutError if the file is damaged.
    """
    return read_card(root, without)[0]


def read_card(root: Path, without: str = OFFICIAL) -> tuple[str, dict[str, Counts] | None]:
    """Name and counts by part of the corpus file, `without` if there is none; counts are None where the published hold.

    Raises LayoutError if the file is damaged, its name is no name, or reads like that of data without such a file: a
    stand-in must not be called "official", nor "0fficial" or "official-v2".
    """
    path = root / CORPUS_FILE
    try:
        content = read_object(path, most=MOST_SETTINGS)
    except AbsentError:
        return without, None
    except UnreadableError as error:
        raise _damaged(path, error.reason) from error
    name, official = content.get("corpus"), content.get("official")
    if not isinstance(name, str) or name_fault(name):
        raise _damaged(path, f'"corpus" is {shown(name)}, which {name_fault(name)}')
    if meant := posing_as(name):
        like = "" if name.casefold() == meant else f" which reads like {meant!a},"
        raise _damaged(path, f'"corpus" is {name!a},{like} the name of data without such a file')
    if official is None:
        return name, None
    if not isinstance(official, dict):
        raise _damaged(path, '"official" must give counts by split')
    for part in official:
        if not part.strip() or not part.isprintable():
            raise _damaged(path, f'"official" counts {shown(part)}, which is no name of a split')
    return name, {part: _counts(path, part, counts) for part, counts in official.items()}


def refuse_cards_inside(root: Path, videos: Iterable[Video]) -> None:
    """Raise LayoutError if a folder below `root` on the way to one of `videos` has a corpus file of its own.

    What lies in that folder belongs to another corpus, which would be counted to the one of `root`.
    """
    # As text, since there are thousands.
    folders = map(Path, {str(video.path).rpartition(os.sep)[0] for video in videos})
    inside = {above for folder in folders for above in (folder, *folder.parents) if root in above.parents}
    for folder in sorted(inside):
        path = folder / CORPUS_FILE
        if os.path.isfile(path):  # noqa: PTH113 # Path raises where it may not look
            raise LayoutError(
                f"{path} says that the videos in its folder belong to another corpus than those in {root}",
                hints=(
                    f"take {path.parent} for the root instead",
                    f"or remove {path}, if they belong to {root}",
                ),
            )


def posing_as(name: str) -> str:
    """The name of data without a corpus file that `name` could be taken for; "" if it can be for none."""
    words = [_seen(word) for word in re.split(r"[_.+-]+", name)]
    if _seen(OFFICIAL) in (*words, "".join(words)):
        return OFFICIAL
    return OWN if "".join(words) == _seen(OWN) else ""


def _seen(word: str) -> str:
    """`word` with letters that look alike as one: a digit for a letter, a small L for a capital I."""
    return word.casefold().translate(str.maketrans("01l", "oii"))


def _counts(path: Path, part: str, counts: object) -> Counts:
    if isinstance(counts, dict) and set(counts) == {"real", "fake"}:
        real, fake = counts["real"], counts["fake"]
        if type(real) is int and type(fake) is int and min(real, fake) >= 0:
            return Counts(real, fake)
    raise _damaged(path, f'the counts of {shown(part)} must read {{"real": N, "fake": N}}')


def _damaged(path: Path, reason: str) -> LayoutError:
    return LayoutError(
        f"the corpus file {path} cannot be used: {reason}",
        hints=(
            'it reads {"corpus": NAME, "official": {SPLIT: {"real": N, "fake": N}}}',
            "delete it if the folder holds the official data",
        ),
    )
