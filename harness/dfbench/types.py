"""The nouns of dfbench as frozen dataclasses: videos, which frames and clips of them, face tracks, pseudo-fakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfbench.identity import digest_of, identity_of, neutral
from dfbench.text import storable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Of the files of the face store. Those of 1 held PNG crops, those of 2 did not tell which video they were made of.
STORE_FORMAT = 3
# How faces become a track. 1 averaged boxes of frames far apart, 2 had no small faces beside large ones, 3 took the
# largest boxes for the main face, of however few frames and inside or outside of the frame, 4 did not round boxes.
TRACKING = 5
CROPPING = 1  # how stored faces become the clips that a detector sees: which frames, and their pixels
DECODING = 1  # which frames of a file a `FrameChoice` means, and their pixels
LANDMARKING = 1  # where the 81 landmarks of a face are
TRAINING_LOOP = (
    1  # how dfbench itself trains: the order of clips, the steps, validation, and which weights are kept
)
OFFICIAL = "official"  # the corpus of data as their owners publish them
OWN = "own"  # the corpus of people's own videos, of which nobody publishes counts
FEW_FACES = 0.5  # share of the wanted frames of a video below which it is noted that its face is seldom there
MOST_FRAMES = 10**6  # of one video: eleven hours at 25 a second
MOST_CLIP_BYTES = 16 * 2**30  # of the clips of one video, which are cut at once
MOST_STORED_BYTES = 64 * 2**30  # of the crops of one video
MOST_MARGIN = 10
STORED_MARGIN = 0.5  # that of the crops of the face store: a detector's may be smaller
FULL_PRECISION = "32"  # float32: what every detector scores in unless something else is asked for
REAL = "real"  # the manipulation of a real video
# What tables call things of their own: no manipulation of a fake, and no dataset, may be called so, in whatever case.
TABLE_WORDS = frozenset({"all", "mean", REAL})
COLUMN_WORDS = TABLE_WORDS | {
    *("rank", "entry", "detector", "section", "mean_low", "mean_high", "coverage", "scored", "expected"),
    *("trained_on", "plugins", "older_hidden", "note", "run", "protocol", "corpus", "level"),
}
COLUMN_ENDS = (
    "_low",
    "_high",
    "_cross",
    "_lists",
)  # of what stands beside the figure of a dataset on a board
COVERAGE_LIMIT = 0.95  # share of the expected videos that must be scored, unless another is asked for


class Label(IntEnum):
    """Ground truth of a video; the positive class is FAKE everywhere in dfbench."""

    REAL = 0
    FAKE = 1


class Status(StrEnum):
    """How an expected video ended; every expected video has exactly one."""

    OK = "ok"
    MISSING = "missing"
    UNDECODABLE = "undecodable"
    NO_FACE = "no_face"
    TOO_SHORT = "too_short"
    ERROR = "error"


class Sampling(StrEnum):
    """Which frames make the clips of a video.

    UNIFORM: frames x per_video frames spread evenly over the video, cut into clips in order (so the frames
    of a clip are far apart). CONSECUTIVE: per_video clips spread evenly, each of successive frames.
    """

    UNIFORM = "uniform"
    CONSECUTIVE = "consecutive"


class Pooling(StrEnum):
    """How clip logits become one video score."""

    MEAN_LOGIT = "mean_logit"
    MEAN_PROB = "mean_prob"
    MAX = "max"


class VideoFile(Protocol):
    """What finding faces reads of a video: its file and mask, and the names under which its faces are kept.

    A `Video` is one; so is a file of which nobody knows a label or a split.
    """

    @property
    def dataset(self) -> str:
        """The folder of the face store, within that of the corpus."""

    @property
    def video_id(self) -> str:
        """The name, unique in its dataset."""

    @property
    def compression(self) -> str:
        """Tells versions of one video apart; "" where there is one."""

    @property
    def path(self) -> Path:
        """As `Video.path`."""

    @property
    def mask_path(self) -> Path | None:
        """A video of what was changed, which chooses among several faces; None if there is none."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A video file that is no row of a dataset: nothing is known of what it shows. See `VideoFile`."""

    dataset: str
    video_id: str
    path: Path
    compression: str = ""
    mask_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """One expected video of a dataset, whether its file exists or not.

    `video_id` is unique in its dataset and says where the video comes from (FF++ `Deepfakes/000_003`, never
    the bare file name, which four methods share). `manipulation` is "real" for real videos. `identities` are
    the people in it, target first, prefixed by nothing: they are unique in the dataset only. `group` is the
    cluster for resampling: the identity or source video whose footage it is. `path` is a video file, or a folder of
    frames, on disk or inside an archive (`3.tar.gz/3/real/12`). All but the paths is made `storable`: of a file whose
    name is not UTF-8, `path` has the very name, and `video_id` one that can be stored and printed.
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
        """Say why no result table could hold this video; returns "" if one can.

        The manipulation of a real is "real", that of a fake none of the words that tables use (`TABLE_WORDS`), in whatever
        case and with whatever blanks around it; and nothing that tells videos apart is empty.
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
    """Which frames of a video are wanted, before its length is known.

    `how` is "uniform" (`count` frames, evenly spread, first and last included), "runs" (`count` runs of
    `length` successive frames, evenly spread) or "first" (the first `count` frames). `clip` says how many of them make
    a clip, so that a face that fills clips goes before faces that fill none; 0: a whole run, or a single frame.
    """

    how: str
    count: int
    length: int = 1
    clip: int = field(default=0, metadata=neutral(0, counted=True))

    def fault(self) -> str:
        """Why no frames can be chosen so, as a clause; "" if they can."""
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
        """How many frames make a clip."""
        return self.clip or (self.length if self.how == "runs" else 1)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What clips a detector wants.

    `frames` per clip (T); `size` in pixels of the face crop, whose picture is a square; `per_video` clips at most.
    `margin`: how far the crop reaches beyond the face box on every side. With `square` it is a square of the frame, and
    `margin` a fraction of the box's longer side. Without, it has the shape of the box, `margin` is a fraction of the
    box's own width and height, and the crop ends at the frame: faces are then compressed along their longer side.
    Normalisation is the detector's own affair: it is handed uint8 RGB. `cropping` is the version of how clips are cut
    (`data.clips`), which no caller sets: with it here, whatever depends on clips depends on it.
    """

    frames: int
    size: int
    per_video: int = 8
    sampling: Sampling = Sampling.UNIFORM
    margin: float = 0.25
    square: bool = field(default=True, metadata=neutral(True, counted=True))
    cropping: int = field(default=CROPPING, metadata=neutral(1, counted=True))

    def fault(self) -> str:
        """Why no clips can be cut so, as a clause; "" if they can."""
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
        """The frames that must be decoded so that these clips can be cut."""
        if self.sampling is Sampling.UNIFORM:
            return FrameChoice("uniform", self.frames * self.per_video, clip=self.frames)
        return FrameChoice("runs", self.per_video, self.frames, clip=self.frames)


@dataclass(frozen=True, slots=True)
class PrepareSpec:
    """Everything that decides what the face store holds of a video; two equal specs give equal files.

    `margin` is generous on purpose (fraction of the box's longer side, on every side), so that any smaller
    detector margin can be cut later. Crops are stored at native scale unless their side exceeds `max_size`.
    With `landmarks` false, 81-point landmarks are not computed (scoring does not need them).
    `detect_every`: of successive frames, run the face finder on every k-th and interpolate boxes between. `finder`: empty for the
    one that the settings name. It and `finder_version`, that of the installed one, are filled in by the stage that
    prepares (`runs.planning.sources.with_finder`); so are, where landmarks are wanted, `landmark_kind`, by what they are found
    ("dlib", or "template" where dlib is absent), and `landmarking`, the version of that. `tracking` and `decoding` are the
    versions of how faces become a track (`data.faces.tracking`) and of how frames are decoded, which no caller sets: with
    them here, whatever depends on faces depends on them.
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

    def fault(self) -> str:  # noqa: PLR0911 # one return a fault
        """Why nothing can be prepared so, as a clause; "" if it can."""
        fields: Mapping[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if not isinstance(fields["frames"], FrameChoice):
            return f"frames are {fields['frames']!r}, not a FrameChoice"
        if fault := self.frames.fault():
            return f"frames cannot be chosen: {fault}"
        for name in ("max_size", "detect_every"):
            value = fields[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                return f"{name} is {value!r}, not a whole number from 1 on"
        if not isinstance(fields["finder"], str) or not isinstance(fields["finder_version"], str):
            return f"finder is {fields['finder']!r} of version {fields['finder_version']!r}, not two texts"
        if not isinstance(fields["margin"], (int, float)) or not 0 <= fields["margin"] <= MOST_MARGIN:
            return f"margin is {fields['margin']!r}, not a number from 0 to {MOST_MARGIN}"
        if (size := self.frames.count * self.frames.length * 3 * self.max_size**2) > MOST_STORED_BYTES:
            return f"crops of one video take {size} bytes, and at most {MOST_STORED_BYTES} are kept"
        return ""

    def digest(self) -> str:
        """Twelve hex digits that change with any field of the identity, and with the format of the store's files."""
        return digest_of({**identity_of(self), "store_format": STORE_FORMAT})[:12]


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """The main face of a video over its stored frames (n of them).

    frame_indices (n,) int64, positions in the video; boxes (n, 4) float32, x0 y0 x1 y1 in frame pixels;
    scores (n,) float32 in [0, 1], the finder's confidence (0 where the box was interpolated, which happens among
    successive frames alone);
    landmarks (n, 81, 2) float32 in frame pixels, or (n, 0, 2) when they were not asked for;
    landmark_kind: "dlib" (68 detected, 13 extrapolated), "template" (81 points of a mean face fitted to the
    finder's five points) or "none". frame_size is (width, height). quality (n,) float32: how sharp the face is, the
    variance of the Laplacian of its box at 96 px.
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
    """What a face finder found in one frame, k faces, in any order.

    boxes (k, 4) float32 in frame pixels; scores (k,) float32 in [0, 1]; points (k, 5, 2) float32: left eye,
    right eye, nose, left and right mouth corner as seen in the image (NaN where the finder gives none).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_] | slice | list[int]) -> Faces:
        """Some of them: a mask (k,), a slice or a list of places."""
        return Faces(self.boxes[which], self.scores[which], self.points[which])


@dataclass(frozen=True, slots=True, eq=False)
class PseudoFake:
    """A pseudo-fake clip made from a real one.

    real and fake: (T, H, W, 3) uint8 RGB; mask: (T, H, W) float32 in [0, 1], the share of foreign pixels
    (the blending mask), 0 where fake equals real.
    """

    real: NDArray[np.uint8]
    fake: NDArray[np.uint8]
    mask: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of real and fake videos."""

    real: int
    fake: int


@dataclass(frozen=True, slots=True)
class World:
    """The place of a process among those that train together: `rank` of `size`, `local` of them on each machine."""

    rank: int = 0
    size: int = 1
    local: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0
