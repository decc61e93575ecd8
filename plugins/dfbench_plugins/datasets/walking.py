"""Goes through folders whose depth and names are the user's, and minds where their links lead.

Links to files are followed wherever they lead: trees of links to another disk are common. A link to a folder is followed if
it leads below the root, to what is not read under another name already. `real/up -> ..` would count the fakes as reals, and
`real/x -> /` would take the whole disk for a data set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from dfbench.data import is_archive_name, is_frame_name, is_video_name
from dfbench_plugins.datasets import listfiles, tree

ALLOW = "if that is meant, allow it: DFBENCH_DATA__FOLLOW_LINKS=true, or follow_links = true below [data] in dfbench.toml"


class _Led(Enum):
    """Why a link is not followed: what it leads to, and what to do about it."""

    OUT = ("leads to a folder outside of the root and is not followed", ALLOW)
    BACK = (
        "leads to a folder that is read elsewhere in the data set, where its videos may mean something else, and is not "
        "followed",
        "remove it",
    )
    NOWHERE = ("leads nowhere", "mount what it leads to, or remove it")


class Walk:
    """Goes through the folders of one data set, each once, and counts the links that it does not follow.

    `tops`: folders in which a video means something else than in the others, such as real/ and fake/. Nothing is read through
    a link that leads to one of them, or to a folder around it.
    """

    def __init__(self, root: Path, tops: Sequence[Path]) -> None:
        self._top = root
        self._root = Path(os.path.realpath(root))
        self._tops = {top: Path(os.path.realpath(top)) for top in tops}
        self._entered: set[Path] = set()
        self._refused: dict[_Led, list[str]] = {}
        self._repeated: list[str] = []
        self._allowed: bool | None = None

    def below(self, start: Path) -> Iterator[tuple[str, list[str]]]:
        """Go through `start` and all folders below it, in natural order.

        Yields each as a path below `start` ("." for itself), with the names of its files. Raises LayoutError if a folder cannot
        be listed.
        """
        real = self._entry(start)
        waiting = [] if real is None else [(Path(), real)]
        while waiting:
            inside, place = waiting.pop()
            if place in self._entered:
                self._repeated.append(self._name(start / inside))
                continue
            self._entered.add(place)
            folders, files, links = tree.contents(start / inside)
            yield inside.as_posix(), self._files(start / inside, files, links)
            found = {name: place / name for name in folders if name not in links}
            for name in filter(links.__contains__, folders):
                if (led := self._led(start / inside / name)) is not None:
                    found[name] = led
            waiting += [(inside / name, found[name]) for name in reversed(folders) if name in found]

    def follows(self, folder: Path) -> bool:
        """Whether what is in `folder`, which was found by its name and may be a link, belongs to the data set; asked once."""
        real = self._entry(folder)
        if real is None or real in self._entered:
            if real is not None:
                self._repeated.append(self._name(folder))
            return False
        self._entered.add(real)
        return True

    def close(self, problems: list[str], notes: list[str]) -> None:
        """Tell of the links that were not followed: counted, with the first of them."""
        for led, names in self._refused.items():
            wrong, remedy = led.value
            count = f"(one of {len(names)} such links) " if len(names) > 1 else ""
            problems.append(listfiles.describe(self._top, "link", names[0], f"{count}{wrong}", remedy))
        if self._repeated:
            notes.append(
                f"{len(self._repeated)} folders are reached a second time by links, and read once: "
                f"{self._repeated[0]!a} is one of them"
            )

    def _entry(self, start: Path) -> Path | None:
        """Where `start` really lies, None if links on the way there lead to where nothing is to be read."""
        real = Path(os.path.realpath(start))
        return real if real == self._root / start.relative_to(self._top) else self._followed(start, real)

    def _led(self, link: Path) -> Path | None:
        """Where `link`, to a folder, leads; None if it is not followed."""
        real = Path(os.path.realpath(link))
        own = self._place_of_top(link)
        if own is not None and real.is_relative_to(own) and not self._is_read_elsewhere(link, real):
            self._repeated.append(self._name(link))
            return None
        return self._followed(link, real)

    def _followed(self, link: Path, real: Path) -> Path | None:
        if not real.is_relative_to(self._root) and not self._may_lead_out():
            self._refuse(_Led.OUT, link)
            return None
        if self._is_read_elsewhere(link, real):
            self._refuse(_Led.BACK, link)
            return None
        return real

    def _is_read_elsewhere(self, link: Path, real: Path) -> bool:
        """Whether `real` is or holds the root, or a top that `link` does not lie in, or lies in such a top."""
        own = self._top_of(link)
        around = [self._root] + [place for top, place in self._tops.items() if top == own and place != real]
        others = [place for top, place in self._tops.items() if top != own]
        return any(place.is_relative_to(real) for place in (*around, *others)) or any(
            real.is_relative_to(place) for place in others
        )

    def _place_of_top(self, path: Path) -> Path | None:
        top = self._top_of(path)
        return None if top is None else self._tops[top]

    def _top_of(self, path: Path) -> Path | None:
        return next((top for top in self._tops if path.is_relative_to(top)), None)

    def _files(self, folder: Path, files: list[str], links: set[str]) -> list[str]:
        """`files` without the links that lead nowhere and are not named like a video, which is then told as missing."""
        kept = []
        for name in files:
            told = is_video_name(name) or is_frame_name(name) or is_archive_name(name)
            if name in links and not told and not (folder / name).exists():
                self._refuse(_Led.NOWHERE, folder / name)
            else:
                kept.append(name)
        return kept

    def _refuse(self, led: _Led, link: Path) -> None:
        """Count a link that is not followed."""
        self._refused.setdefault(led, []).append(self._name(link))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._top).as_posix()

    def _may_lead_out(self) -> bool:
        if self._allowed is None:
            from dfbench.data import follow_links  # settings take long to import

            self._allowed = follow_links()
        return self._allowed
