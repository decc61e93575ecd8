"""Define the basic nouns of dfbench as frozen dataclasses: videos, selections of frames, clips, face tracks, pseudo-fakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfbench.face_sizes import MOST_STORED_SIZE, SHRINKING, STORED_MARGIN, STORED_SIZE, stored_size
from dfbench.identity import digest_of, identity_of, neutral
from dfbench.text import storable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# The version of the face store's file format. 1 held PNG crops; 2 did not say which video a file was made from.
STORE_FORMAT = 3
# The version of how faces become a track. 1 averaged boxes of frames far apart; 2 missed small faces beside large ones; 3 took
# the largest boxes for the main face, even if there were few or they lay outside of the frame; 4 did not round boxes.
TRACKING = 5
CROPPING = 1  # the version of how stored faces become the clips of a detector: which frames, and their pixels
DECODING = 1  # the version of which frames of a file a `FrameChoice` selects, and of their pixels
LANDMARKING = 1  # the version of where the 81 landmarks of a face are
# The version of how dfbench itself trains: the order of clips, the steps, validation, and which weights are kept.
TRAINING_LOOP = 1
OFFICIAL = "official"  # the corpus of data as their owners publish them
OWN = "own"  # the corpus of a user's own videos, whose number nobody publishes
FEW_FACES = 0.5  # a video with its face in a smaller share of the wanted frames gets a note
MOST_FRAMES = 10**6  # of one video: eleven hours at 25 frames a second
MOST_CLIP_BYTES = 16 * 2**30  # of the clips of one video, which are in memory together
MOST_STORED_BYTES = 64 * 2**30  # of the stored crops of one video
MOST_MARGIN = 10
FULL_PRECISION = "32"  # float32, in which every detector scores by default
REAL = "real"  # the manipulation of a real video
# Words with a meaning of their own in tables: no manipulation of a fake, and no dataset, may have one as its name.
TABLE_WORDS = frozenset({"all", "mean", REAL})
COLUMN_WORDS = TABLE_WORDS | {
    *("rank", "entry", "detector", "section", "mean_low", "mean_high", "coverage", "scored", "expected"),
    *("trained_on", "plugins", "older_hidden", "note", "run", "protocol", "corpus", "level"),
}
COLUMN_ENDS = ("_low", "_high", "_cross", "_lists")  # of columns that belong to the column of a dataset
COVERAGE_LIMIT = 0.95  # the default share of the expected videos that must be scored


class Label(IntEnum):
    """Gives the ground truth of a video. FAKE is the positive class everywhere in dfbench."""

    REAL = 0
    FAKE = 1


class Status(StrEnum):
    """Says how processing an expected video ended. Every expected video has exactly one status."""

    OK = "ok"
    MISSING = "missing"
    UNDECODABLE = "undecodable"
    NO_FACE = "no_face"
    TOO_SHORT = "too_short"
    ERROR = "error"


class Sampling(StrEnum):
    """Says which frames make up the clips of a video.

    UNIFORM: frames x per_video frames, evenly spread over the video, are cut into clips in order, so the frames of a clip are
    far apart. CONSECUTIVE: per_video clips of successive frames, evenly spread over the video.
    """

    UNIFORM = "uniform"
    CONSECUTIVE = "consecutive"


class Pooling(StrEnum):
    """Says how the logits of clips become the score of a video."""

    MEAN_LOGIT = "mean_logit"
    MEAN_PROB = "mean_prob"
    MAX = "max"


class VideoFile(Protocol):
    """Defines what face finding needs to know about a video: its file, its mask, and where its faces are stored.

    Both a `Video` of a dataset and a `GivenFile` without a label or split have these properties.
    """

    @property
    def dataset(self) -> str:
        """Return the folder of its faces, within the folder of the corpus in the face store."""

    @property
    def video_id(self) -> str:
        """Return its name, which is unique in the dataset."""

    @property
    def compression(self) -> str:
        """Return which version of the video this is; "" if there is only one."""

    @property
    def path(self) -> Path:
        """Return the path, as `Video.path`."""

    @property
    def mask_path(self) -> Path | None:
        """Return a video of the manipulated pixels, which selects among several faces; None if there is none."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """Holds a video file outside of any dataset, without a label or split. See `VideoFile` for the fields."""

    dataset: str
    video_id: str
    path: Path
    compression: str = ""
    mask_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """Holds one expected video of a dataset, whether or not its file exists.

    `video_id` is unique in its dataset and says where the video comes from (FF++ `Deepfakes/000_003`, never the bare file
    name, which four methods share). `manipulation` is the name of the method, or "real". `compression` is the version on disk,
    "" if there is only one. `identities` are the people in the video, the target first; the names are unique in the dataset
    only. `group` is the cluster for resampling: the identity or the source video that the footage shows.

    `path` is a video file or a folder of frames, on disk or inside an archive (`3.tar.gz/3/real/12`). `mask_path` is a video
    of the manipulated pixels, if there is one. All texts are converted by `storable`: if the name of a file is not UTF-8,
    `path` keeps the name itself, while `video_id` can be stored and printed.
    """

    dataset: str
    video_id: str
    path: Path
    label: Label
    split: str
    manipulation: str
    compression: str
    identities: tuple[str, ...]
    group: str
    mask_path: Path | None = None

    def __post_init__(self) -> None:
        for name in ("dataset", "video_id", "split", "manipulation", "compression", "group"):
            object.__setattr__(self, name, storable(getattr(self, name)))
        object.__setattr__(self, "identities", tuple(storable(one) for one in self.identities))

    def fault(self) -> str:
        """Return why no result table can hold this video, or "" if one can.

        A real video must have the manipulation "real", and a fake must not have one of the words of tables (`TABLE_WORDS`),
        ignoring case and surrounding blanks. `video_id`, `split`, `manipulation` and `group` must not be empty.
        """
        label: object = self.label  # a plugin may give any number
        if not isinstance(label, Label):
            return f"label is {label!r}, not a Label"
        empty = [
            name for name in ("video_id", "split", "manipulation", "group") if not getattr(self, name).strip()
        ]
        if empty:
            return f"{', '.join(empty)} must not be empty"
        if self.label is Label.REAL:
            return (
                "" if self.manipulation == REAL else f"is real, but of the manipulation {self.manipulation!r}"
            )
        word = self.manipulation.strip().casefold()
        if word in TABLE_WORDS:
            return f"is fake, of the manipulation {self.manipulation!r}: tables use the word {word!r} for something else"
        return ""


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """Selects frames of a video whose length is not known yet.

    `how` is "uniform" (`count` frames, evenly spread, the first and the last included), "runs" (`count` runs of `length`
    successive frames, evenly spread) or "first" (the first `count` frames). `clip` is the number of frames in a clip: a face
    that fills whole clips is preferred to one that does not. 0 means a whole run, or a single frame.
    """

    how: str
    count: int
    length: int = 1
    clip: int = field(default=0, metadata=neutral(0, counted=True))

    def fault(self) -> str:
        """Return why no frames can be selected this way, as a clause; "" if they can."""
        fields: Mapping[str, Any] = asdict(self)  # of a stranger's code, of whatever types
        for name, least in (("count", 1), ("length", 1), ("clip", 0)):
            value = fields[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                return f"{name} is {value!r}, not a whole number from {least} on"
        if fields["how"] not in ("uniform", "runs", "first"):
            return f"how is {fields['how']!r}, none of uniform, runs and first"
        if max(self.count * self.length, self.clip) > MOST_FRAMES:
            return f"count and length ask for {self.count} x {self.length} frames, and at most {MOST_FRAMES} are taken"
        return ""

    @property
    def clip_length(self) -> int:
        """Return the number of frames in a clip."""
        return self.clip or (self.length if self.how == "runs" else 1)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """States which clips a detector scores.

    A clip has `frames` frames (T), each a face crop of `size` x `size` pixels; at most `per_video` clips are cut from a video,
    with frames chosen by `sampling`. The crop extends beyond the face box by `margin` on every side. With `square`, the crop
    is a square of the frame, and `margin` is a fraction of the box's longer side. Without, it has the shape of the box,
    `margin` is a fraction of the box's own width and height, and the crop ends at the edge of the frame; faces are then
    squeezed along their longer side.

    Clips are uint8 RGB; the detector normalises them itself. Leave `cropping` alone: it is the version of how dfbench cuts
    clips, and is a field so that the identity of everything that depends on clips includes it.
    """

    frames: int
    size: int
    per_video: int = 8
    sampling: Sampling = Sampling.UNIFORM
    margin: float = 0.25
    square: bool = field(default=True, metadata=neutral(True, counted=True))
    cropping: int = field(default=CROPPING, metadata=neutral(1, counted=True))

    def fault(self) -> str:
        """Return why no clips can be cut this way, as a clause; "" if they can."""
        fields: Mapping[str, Any] = asdict(self)  # of a stranger's code, of whatever types
        for name in ("frames", "size", "per_video"):
            value = fields[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                return f"{name} is {value!r}, not a whole number from 1 on"
        if not isinstance(fields["sampling"], Sampling):
            return f"sampling is {fields['sampling']!r}, not a Sampling"
        if not isinstance(fields["margin"], (int, float)) or not 0 <= fields["margin"] <= MOST_MARGIN:
            return f"margin is {fields['margin']!r}, not a number from 0 to {MOST_MARGIN}"
        if self.frames * self.per_video > MOST_FRAMES:
            return f"frames and per_video ask for {self.frames} x {self.per_video} frames: at most {MOST_FRAMES} are taken"
        if (size := self.frames * self.per_video * 3 * self.size**2) > MOST_CLIP_BYTES:
            return f"clips of one video take {size} bytes, and at most {MOST_CLIP_BYTES} are taken"
        return ""

    def frame_choice(self) -> FrameChoice:
        """Return the frames that must be decoded to cut these clips."""
        if self.sampling is Sampling.UNIFORM:
            return FrameChoice("uniform", self.frames * self.per_video, clip=self.frames)
        return FrameChoice("runs", self.per_video, self.frames, clip=self.frames)

    def prepare(self) -> PrepareSpec:
        """What must be stored of a video so that these clips can be cut, with every pixel that they can show."""
        size = stored_size(self.size, self.margin, square=self.square)
        return PrepareSpec(self.frame_choice(), max_size=size)


@dataclass(frozen=True, slots=True)
class PrepareSpec:
    """States everything that determines what the face store holds of a video. Equal specs give equal files.

    `frames` selects the frames. `finder` names the face finder; "" uses the one of the settings. `margin` is how far stored
    crops extend beyond the face box, as a fraction of its longer side; it is large so that any smaller margin can be cut
    later. Crops keep their size in the video unless their side exceeds `max_size` pixels. Up to STORED_SIZE they are then
    resized to it; with a larger `max_size` they are halved as long as none falls below it, so that a store for a larger one
    contains the same pixels (`data.store.crop_sizes`). `landmarks`: also compute 81 landmarks, which scoring does not need.
    `detect_every`: among successive frames, search for faces in every k-th frame and interpolate between.

    Leave the other fields alone. The preparation fills in `finder_version` and, if landmarks are wanted, `landmark_kind`
    ("dlib", or "template" if dlib is not installed) and `landmarking`, the version of the landmarks. `tracking`, `decoding`
    and `shrinking` are the versions of how faces become a track, how frames are decoded and how crops are resized. They are
    fields so that the identity of everything that depends on faces includes them.
    """

    frames: FrameChoice
    finder: str = ""
    margin: float = STORED_MARGIN
    max_size: int = 320
    landmarks: bool = False
    detect_every: int = 1
    finder_version: str = field(default="", metadata=neutral("", counted=True))
    tracking: int = field(default=TRACKING, metadata=neutral(1, counted=True))
    decoding: int = field(default=DECODING, metadata=neutral(1))
    landmark_kind: str = field(default="dlib", metadata=neutral("dlib"))
    landmarking: int = field(default=1, metadata=neutral(1))
    shrinking: int = field(default=SHRINKING, metadata=neutral(1))

    def __post_init__(self) -> None:
        if isinstance(self.max_size, int) and self.max_size <= STORED_SIZE:
            object.__setattr__(self, "shrinking", 1)

    @property
    def is_halved(self) -> bool:
        """Whether crops are shrunk by halves."""
        return self.shrinking > 1

    def fault(self) -> str:  # noqa: PLR0911 # one return a fault
        """Return why nothing can be prepared this way, as a clause; "" if it can."""
        fields: Mapping[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if not isinstance(fields["frames"], FrameChoice):
            return f"frames are {fields['frames']!r}, not a FrameChoice"
        if fault := self.frames.fault():
            return f"frames cannot be chosen: {fault}"
        for name in ("max_size", "detect_every", "shrinking"):
            value = fields[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                return f"{name} is {value!r}, not a whole number from 1 on"
        if not isinstance(fields["finder"], str) or not isinstance(fields["finder_version"], str):
            return f"finder is {fields['finder']!r} of version {fields['finder_version']!r}, not two texts"
        if not isinstance(fields["margin"], (int, float)) or not 0 <= fields["margin"] <= MOST_MARGIN:
            return f"margin is {fields['margin']!r}, not a number from 0 to {MOST_MARGIN}"
        if self.is_halved and self.max_size > MOST_STORED_SIZE:
            return f"max_size is {self.max_size}, and at most {MOST_STORED_SIZE} pixels a side are kept"
        if (size := self.frames.count * self.frames.length * 3 * self.max_size**2) > MOST_STORED_BYTES:
            return f"crops of one video take {size} bytes, and at most {MOST_STORED_BYTES} are kept"
        return ""

    def digest(self) -> str:
        """Return twelve hex digits that change with the identity of this spec, and with the file format of the store."""
        return digest_of({**identity_of(self), "store_format": STORE_FORMAT})[:12]


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """Holds the main face of a video in its n stored frames.

    frame_indices (n,) int64: positions in the video. boxes (n, 4) float32: x0 y0 x1 y1 in pixels of the frame. scores (n,)
    float32 in [0, 1]: confidence of the face finder, 0 for a box that was interpolated between successive frames. landmarks
    (n, 81, 2) float32 in pixels of the frame, or (n, 0, 2) if they were not computed. landmark_kind: "dlib" (68 detected, 13
    extrapolated), "template" (81 points of a mean face, fitted to the five points of the face finder) or "none". frame_size:
    width and height. quality (n,) float32: sharpness of the face, as the variance of the Laplacian of its box at 96 px.
    """

    frame_indices: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    landmark_kind: str
    frame_size: tuple[int, int]
    quality: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Holds the k faces that a face finder found in one frame, in any order.

    boxes (k, 4) float32: x0 y0 x1 y1 in pixels of the frame. scores (k,) float32 in [0, 1]. points (k, 5, 2) float32: left
    eye, right eye, nose, left and right corner of the mouth as seen in the image; NaN if the finder does not locate them.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_] | slice | list[int]) -> Faces:
        """Return a subset of the faces, selected by a mask (k,), a slice or a list of indices."""
        return Faces(self.boxes[which], self.scores[which], self.points[which])


@dataclass(frozen=True, slots=True, eq=False)
class PseudoFake:
    """Holds a pseudo-fake clip and the real clip that it was made from.

    real and fake: (T, H, W, 3) uint8 RGB. mask: (T, H, W) float32 in [0, 1], the share of foreign pixels (the blending mask);
    0 where fake equals real.
    """

    real: NDArray[np.uint8]
    fake: NDArray[np.uint8]
    mask: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Holds the numbers of real and fake videos."""

    real: int
    fake: int


@dataclass(frozen=True, slots=True)
class World:
    """Holds the place of a process in the process group of a training: its `rank`, the `size`, and `local` processes per
    machine.
    """

    rank: int = 0
    size: int = 1
    local: int = 1

    @property
    def first(self) -> bool:
        """Return True for rank 0, the process that writes files."""
        return self.rank == 0
