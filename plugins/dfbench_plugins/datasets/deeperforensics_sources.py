"""DeeperForensics-1.0 with the actors' source videos as reals: the other convention, as a dataset of its own.

FakeSTormer and DeepfakeBench use it; its numbers are not comparable with those whose reals are FF++ targets. The
fakes are those of the release's own test list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dfbench import Counts, DatasetIndex, Label, LayoutError, Video, storable
from dfbench_plugins.datasets import deeperforensics, listfiles, tree
from dfbench_plugins.datasets.walking import Walk

SPEC = replace(
    deeperforensics.SPEC,
    name="deeperforensics_sources",
    title="DeeperForensics-1.0, source videos as reals",
    summary="The 201 fakes of the release's test list against the actors' source videos.",
    build="dfbench_plugins.datasets.deeperforensics_sources:SourceVideos",
    aliases=("DFo-sources",),
    official={"test": Counts(48475, 201)},
    root_of="deeperforensics",
    needs=(),
)

_REALS = "source_videos"
NOTES = (
    "the reals are actors' source videos, which the release's README does not count as its real part",
    "papers that use them take a selection (FakeSTormer about 11 an actor): hold the counts against theirs",
)


class SourceVideos:
    """Every video below `source_videos/<actor>/` is real; fakes are those of the test list in `lists/splits`.

    `group` is the actor of a real, the target of a fake.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """Reals by name, fakes in list order. Raises LayoutError if the root is wrong or the list is not there."""
        folder = deeperforensics.variant_folders(self._root, dataset=SPEC.name)[deeperforensics.STANDARD]
        problems: list[str] = []
        notes = list(NOTES)
        listed = deeperforensics.read_lists(self._root, problems).get("test")
        if listed is None:
            raise LayoutError(
                f"{self._root} has no test list in {deeperforensics.LISTS}",
                hints=(f"copy the folder lists of the release to {self._root / 'lists'}",),
            )
        if not (self._root / _REALS).is_dir():
            raise LayoutError(
                f"{self._root} has no folder {_REALS}",
                hints=("download the source videos, or use deeperforensics",),
            )
        videos = [
            *self._reals(problems, notes),
            *(
                deeperforensics.fake(
                    SPEC.name,
                    folder / name,
                    variant=deeperforensics.STANDARD,
                    split="test",
                    compression=self._compression,
                )
                for name in listed
            ),
        ]
        if not videos:
            raise LayoutError(
                f"{self._root} holds no source video, and its test list names no fake",
                hints=problems[:5] or NOTES,
            )
        return DatasetIndex(
            tuple(videos), tuple(problems), tuple(notes), (deeperforensics.list_files(self._root)["test"],)
        )

    def _reals(self, problems: list[str], notes: list[str]) -> Iterator[Video]:
        top = self._root / _REALS
        walk = Walk(self._root, [top])
        for inside, files in walk.below(top):
            for name in files:
                if not name.endswith(".mp4"):
                    continue
                path = Path(inside) / name
                actor = path.parts[0] if len(path.parts) > 1 else path.stem.split("_")[0]
                if ";" in actor or not listfiles.is_clean(storable(str(path))):
                    wrong, remedy = "has a name that cannot be stored", "rename it"
                    problems.append(listfiles.describe(top, "entry", str(path), wrong, remedy))
                    continue
                yield Video(
                    dataset=SPEC.name,
                    video_id=f"{_REALS}/{path.with_suffix('').as_posix()}",
                    path=top / path,
                    label=Label.REAL,
                    split="test",
                    manipulation="real",
                    compression=self._compression,
                    identities=(actor,),
                    group=actor,
                )
        walk.close(problems, notes)
