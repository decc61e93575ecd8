"""Who appears in which video: the whole content of the corpora as data, before a frame is rendered.

Identities come in pairs that are swapped with one another, so no identity crosses a pair, hence none crosses a
split or a corpus. A real video and the fakes made from it are cuts of one shot, each of a length drawn from the same
range.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from dfbench_plugins.demo.people import PersonKey

FFPP_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made: FF++ identities a split, paired identities of each test corpus, people of
    YouTube-real, and the range of a video's frames."""

    splits: tuple[int, int, int]
    tests: int
    youtube: int
    frames: tuple[int, int]


SIZES = {
    "full": Size(splits=(72, 16, 24), tests=44, youtube=8, frames=(26, 34)),
    "small": Size(splits=(8, 4, 4), tests=4, youtube=0, frames=(16, 20)),
    "cues": Size(splits=(0, 0, 24), tests=40, youtube=0, frames=(3, 5)),  # for the separability test only
}


@dataclass(frozen=True, slots=True)
class Cut:
    """One video file: `path` and `mask` below the corpus' root, and its frames of the shot.

    `method` is empty for a real video; `number` seeds what is random in a fake.
    """

    path: PurePosixPath
    start: int
    frames: int
    method: str = ""
    mask: PurePosixPath | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One filmed scene: its people (the target first), the number that seeds it, and the files cut from it."""

    people: tuple[PersonKey, ...]
    number: int
    frames: int
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Two shots whose first people are each the source of the other's fakes; the unit of work."""

    corpus: str
    split: str
    shots: tuple[Shot, Shot]


def plan(size: str, *, seed: int) -> tuple[Job, ...]:
    """All jobs of a size, in a fixed order. Raises KeyError for an unknown size."""
    wanted = SIZES[size]
    return (*_ffpp(wanted, seed), *_celeb(wanted, seed), *_dfdc(wanted, seed), *_dfd(wanted, seed))


def _generator(corpus: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(corpus.encode()), 7])


class _Cutter:
    """Draws the cuts of shots of one corpus."""

    def __init__(self, size: Size, rng: np.random.Generator) -> None:
        self.low, self.high = size.frames
        self.rng = rng
        self.count = 0

    def cut(self, path: str, method: str = "", mask: str = "") -> Cut:
        """One cut of a random length at a random place of the shot."""
        frames = int(self.rng.integers(self.low, self.high + 1))
        start = int(self.rng.integers(self.high - frames + 1))
        self.count += 1
        return Cut(
            PurePosixPath(path), start, frames, method, PurePosixPath(mask) if mask else None, self.count
        )

    def shot(self, people: tuple[PersonKey, ...], cuts: tuple[Cut, ...]) -> Shot:
        """A shot long enough for all its cuts."""
        return Shot(people, people[0].number, self.high, cuts)


def _ffpp(size: Size, seed: int) -> list[Job]:
    rng = _generator("ffpp", seed)
    cutter = _Cutter(size, rng)
    order = [int(number) for number in rng.permutation(sum(size.splits))]
    jobs, at = [], 0
    for split, count in zip(("train", "val", "test"), size.splits, strict=True):
        for pair in range(count // 2):
            numbers = order[at + 2 * pair], order[at + 2 * pair + 1]
            shots = []
            for target, source in (numbers, numbers[::-1]):
                cuts = [cutter.cut(f"original_sequences/youtube/c23/videos/{target:03d}.mp4")]
                for method in FFPP_METHODS:
                    folder, name = f"manipulated_sequences/{method}", f"{target:03d}_{source:03d}.mp4"
                    cuts.append(
                        cutter.cut(f"{folder}/c23/videos/{name}", method, f"{folder}/masks/videos/{name}")
                    )
                shots.append(cutter.shot((PersonKey(seed, "ffpp", target),), tuple(cuts)))
            jobs.append(Job("ffpp", split, (shots[0], shots[1])))
        at += count
    return jobs


def _celeb(size: Size, seed: int) -> list[Job]:
    rng = _generator("celeb_df_v2", seed)
    cutter = _Cutter(size, rng)
    jobs = []
    for first in range(0, size.tests, 2):
        shots = []
        for target, source in ((first, first + 1), (first + 1, first)):
            scene = int(rng.integers(10))
            real = cutter.cut(f"Celeb-real/id{target}_{scene:04d}.mp4")
            fake = cutter.cut(f"Celeb-synthesis/id{target}_id{source}_{scene:04d}.mp4", "celeb_df_v2")
            shots.append(cutter.shot((PersonKey(seed, "celeb_df_v2", target),), (real, fake)))
        jobs.append(Job("celeb_df_v2", "test", (shots[0], shots[1])))
    for first in range(0, size.youtube, 2):
        shots = []
        for number in (first, first + 1):
            key = PersonKey(seed, "celeb_df_v2", 1000 + number)
            shots.append(cutter.shot((key,), (cutter.cut(f"YouTube-real/{number:05d}.mp4"),)))
        jobs.append(Job("celeb_df_v2", "test", (shots[0], shots[1])))
    return jobs


def _letters(rng: np.random.Generator, count: int, alphabet: str) -> str:
    return "".join(alphabet[int(index)] for index in rng.integers(len(alphabet), size=count))


def _dfdc(size: Size, seed: int) -> list[Job]:
    rng = _generator("dfdc", seed)
    cutter = _Cutter(size, rng)
    jobs = []
    for first in range(0, size.tests, 2):
        shots = []
        for target in (first, first + 1):
            names = [_letters(rng, 10, "abcdefghijklmnopqrstuvwxyz") for _ in range(2)]
            cuts = (cutter.cut(f"test/{names[0]}.mp4"), cutter.cut(f"test/{names[1]}.mp4", "dfdc"))
            shots.append(cutter.shot((PersonKey(seed, "dfdc", target),), cuts))
        jobs.append(Job("dfdc", "test", (shots[0], shots[1])))
    return jobs


DFD_SCENES = (
    "kitchen_still",
    "kitchen_pan",
    "outside_talking_still_laughing",
    "podium_speech_happy",
    "talking_against_wall",
    "talking_angry_couch",
)
DFD_TWO_FACES = ("meeting_serious", "secret_conversation", "hugging_happy")


def _dfd(size: Size, seed: int) -> list[Job]:
    rng = _generator("dfd", seed)
    cutter = _Cutter(size, rng)
    jobs = []
    for first in range(0, size.tests, 2):
        shots = []
        for target, source in ((first, first + 1), (first + 1, first)):
            two = target % 3 == 1
            scene = str(rng.choice(DFD_TWO_FACES if two else DFD_SCENES))
            # The second face of a scene is an extra, seen nowhere else.
            others = (PersonKey(seed, "dfd", 1000 + target),) if two else ()
            code = _letters(rng, 8, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
            name = f"{target + 1:02d}_{source + 1:02d}__{scene}__{code}.mp4"
            folder = "manipulated_sequences/DeepFakeDetection"
            real = cutter.cut(f"original_sequences/actors/c23/videos/{target + 1:02d}__{scene}.mp4")
            fake = cutter.cut(f"{folder}/c23/videos/{name}", "dfd", f"{folder}/masks/videos/{name}")
            shots.append(cutter.shot((PersonKey(seed, "dfd", target), *others), (real, fake)))
        jobs.append(Job("dfd", "test", (shots[0], shots[1])))
    return jobs
