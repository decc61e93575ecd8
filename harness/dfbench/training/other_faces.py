"""The faces of other people, for synthesizers that blend them into a clip: all faces of a set of videos, without those of the
people in the clip's own video.

Landmarks are kept in memory, as one looks through thousands for a face that fits; frames are read when one was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dfbench.data.clips import cut_landmarks
from dfbench.data.store.face_files import read_track
from dfbench.errors import RunError
from dfbench.interfaces import BlendsOtherFaces, Synthesizer
from dfbench.training.samples import FaceClip, Sample, SampleMaker, SamplesFactory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.exchanged import FaceFile
    from dfbench.training.loaders import Library
    from dfbench.training.recipe import Recipe
    from dfbench.types import Video

MOST_FACES = 50_000  # of a set of videos, 32 MiB of landmarks; of more, every second, third ... frame stands for the others


def maker_of(
    samples: SamplesFactory,
    recipe: Recipe,
    synthesizer: Synthesizer | None,
    files: Sequence[FaceFile],
    library: Library,
    *,
    training: bool,
) -> SampleMaker:
    """Build the maker of samples of clips of `files`, whose stored faces `library` holds in the same order.

    A synthesizer that blends other people's faces is given those of the other files. Raises RunError if all of a video's
    people are in every file.
    """
    if not isinstance(synthesizer, BlendsOtherFaces):
        return samples(recipe, synthesizer, training=training)
    table = FaceTable(files, library, recipe)
    for number, file in enumerate(files):
        if not len(table.others(number)):
            raise RunError(
                f"{file.video.video_id} shows the only people of its set, and the synthesizer"
                f" '{recipe.synthesizer}' blends the faces of others into a clip",
                hints=("train on videos of several people", "or take another one: --synthesizer NAME"),
            )
    return _MakerPerVideo(samples, recipe, synthesizer, table, training=training)


class FaceTable:
    """The landmarks of all faces of a set of videos, and which videos show whom."""

    def __init__(self, files: Sequence[FaceFile], library: Library, recipe: Recipe) -> None:
        self.library, self.recipe = library, recipe
        tracks = [read_track(file.path) for file in files]
        counts = [len(track.track.frame_indices) for track in tracks]
        step = max(1, -(-sum(counts) // MOST_FACES))
        self.positions = [np.arange(0, count, step) for count in counts]
        self.counts = counts
        self.first = np.cumsum([0, *(len(rows) for rows in self.positions)])
        size, margin, square = recipe.train_crop, recipe.train_margin, recipe.clips().square
        self.landmarks: NDArray[np.float32] = np.concatenate(
            [
                cut_landmarks(track, rows.tolist(), size=size, margin=margin, square=square)
                for track, rows in zip(tracks, self.positions, strict=True)
            ]
        )
        self._people = [_people(file.video) for file in files]
        self._videos_of: dict[str, list[int]] = {}
        for number, people in enumerate(self._people):
            for person in people:
                self._videos_of.setdefault(person, []).append(number)

    def others(self, video: int) -> FacesOfOthers:
        """Return the faces of the videos that show none of the people in `video`."""
        theirs = {number for person in self._people[video] for number in self._videos_of[person]}
        return FacesOfOthers(self, sorted(theirs))


class FacesOfOthers:
    """The faces of a table but for those of some videos: an `OtherFaces`."""

    def __init__(self, table: FaceTable, without: Sequence[int]) -> None:
        self._table = table
        self._gaps = [(int(table.first[video]), len(table.positions[video])) for video in without]

    def __len__(self) -> int:
        """Return how many faces there are."""
        return len(self._table.landmarks) - sum(length for _, length in self._gaps)

    def landmarks(self, faces: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the landmarks (k, 81, 2) of faces (k,)."""
        return self._table.landmarks[self._rows(faces)]

    def clip(self, face: int, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return frames (T, C, C, 3) and landmarks (T, 81, 2) of the clip that begins with a face."""
        table = self._table
        row = int(self._rows(np.array([face]))[0])
        video = int(np.searchsorted(table.first, row, side="right")) - 1
        position = int(table.positions[video][row - int(table.first[video])])
        last = table.counts[video] - 1
        start = min(position, max(0, last + 1 - frames))
        wanted = np.minimum(start + np.arange(frames), last)
        return table.library.cut(video, wanted.tolist(), recipe=table.recipe)

    def _rows(self, faces: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = np.asarray(faces, np.int64)
        for first, length in self._gaps:  # in the order of the table
            rows = np.where(rows >= first, rows + length, rows)
        return rows


class _MakerPerVideo:
    """Makes samples with a synthesizer that is told, for each video, whose faces it may blend into it."""

    def __init__(
        self,
        samples: SamplesFactory,
        recipe: Recipe,
        synthesizer: BlendsOtherFaces,
        table: FaceTable,
        *,
        training: bool,
    ) -> None:
        self._samples, self._recipe, self._training = samples, recipe, training
        self._synthesizer, self._table = synthesizer, table
        self._makers: dict[int, SampleMaker] = {}

    def __call__(self, clip: FaceClip, rng: np.random.Generator) -> Sample:
        """Make a sample of a clip."""
        if clip.video not in self._makers:
            synthesizer = self._synthesizer.among(self._table.others(clip.video))
            self._makers[clip.video] = self._samples(self._recipe, synthesizer, training=self._training)
        return self._makers[clip.video](clip, rng)


def _people(video: Video) -> tuple[str, ...]:
    """The people in a video; where nobody says who they are, the videos of a group show the same."""
    return video.identities or (video.group,)
