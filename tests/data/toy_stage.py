"""A made set of videos and a face finder that crashes, hangs and keeps a log on demand, for tests of preparation."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from tests.data.one_spec import prepare

from dfbench.data.preparing.prepare import PrepareReport
from dfbench.progress import SilentProgress
from dfbench.types import FrameChoice, Label, PrepareSpec, Status, Video

SPEC = PrepareSpec(FrameChoice("uniform", 4))
# A module of its own, as its folder is how a test and the processes under test talk.
FINDER = """
import os, signal, threading, zipfile
from pathlib import Path
import numpy as np
from dfbench.types import Faces
FOLDER = Path(__file__).parent

def full(*_, **__):
    raise OSError(28, "No space left on device")

class Finder:
    broken = False

    def __init__(self, device):
        pass

    def find(self, frames):
        number = round(float(frames[0].mean()) / 10)
        with (FOLDER / "log").open("a") as log:
            log.write(f"{number}\\n")
        if (FOLDER / f"crash-{number}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if (FOLDER / f"hang-{number}").exists():
            (FOLDER / "hanging.part").write_text(f"{os.getpid()} {os.getppid()}")
            (FOLDER / "hanging.part").rename(FOLDER / "hanging")
            threading.Event().wait()
        if (FOLDER / f"break-{number}").exists():
            (FOLDER / f"break-{number}").unlink()
            Finder.broken = True
        if Finder.broken or (FOLDER / "broken").exists():
            raise RuntimeError("CUDA error")
        if (FOLDER / "vanish").exists():
            (FOLDER / "vanish").unlink()
            (FOLDER / "data").rename(FOLDER / "away")
        if (FOLDER / f"full-{number}").exists():
            zipfile.ZipFile.writestr = Path.write_text = full
        faces = min(number, 1)  # the black video has none
        box, points = [[8, 8, 40, 40]], [[[16, 18], [32, 18], [24, 26], [18, 34], [30, 34]]]
        one = Faces(np.asarray(box[:faces], np.float32).reshape(-1, 4), np.ones(faces, np.float32),
                    np.asarray(points[:faces], np.float32).reshape(-1, 5, 2))
        return [one for _ in frames]
"""


@dataclass(frozen=True, slots=True)
class ToyStage:
    """`folder` holds the videos, the finder, and what is said to the finder: files crash-NUMBER and hang-NUMBER,
    break-NUMBER (its process finds nothing from now on), broken (none does), full-NUMBER (the disk is full from now on),
    vanish (the folder `data` goes away while the first video is in work).
    """

    folder: Path
    videos: list[Video]

    def prepare(
        self,
        store: str = "store",
        *,
        workers: int = 1,
        scheduler: str = "",
        seconds: float = 600.0,
        **more: bool,
    ) -> PrepareReport:
        """Prepare the videos into a store by that name."""
        return self.prepare_some(
            self.videos, store, workers=workers, scheduler=scheduler, seconds=seconds, **more
        )

    def prepare_some(
        self,
        videos: list[Video],
        store: str,
        *,
        workers: int,
        scheduler: str = "",
        seconds: float = 600.0,
        **more: bool,
    ) -> PrepareReport:
        """Prepare some of the videos."""
        return prepare(
            videos,
            SPEC,
            store_root=self.folder / store,
            corpus="toy",
            finder="toy_finder:Finder",
            workers=workers,
            progress=SilentProgress(),
            scheduler=scheduler,
            seconds=seconds,
            **more,
        )

    def content(self, store: str = "store") -> dict[str, bytes]:
        """Every file of a store."""
        root = self.folder / store
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def log(self) -> Counter[int]:
        """How often faces were looked for in each video."""
        return Counter(int(line) for line in (self.folder / "log").read_text().split())

    def tell(self, wish: str) -> Path:
        """Say something to the finder, as in "crash-3"."""
        path = self.folder / wish
        path.touch()
        return path


def toy_stage(folder: Path, count: int) -> ToyStage:
    """`count` videos of one grey each, the first of them black, without a face. `folder` must be on sys.path."""
    assert str(folder) in sys.path
    (folder / "toy_finder.py").write_text(FINDER, encoding="utf-8")
    videos = []
    for number in range(count):
        path = grey_video(folder / f"{number}.mp4", number * 10)
        videos.append(Video("toy", f"v{number}", path, Label.REAL, "test", "real", "c23", (), str(number)))
    return ToyStage(folder, videos)


def grey_video(path: Path, grey: int, codec: str = "libx264", *, faststart: bool = False) -> Path:
    """Four frames of one grey."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            image = np.full((48, 64, 3), grey, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def expected(count: int) -> list[Status]:
    """The statuses of `count` toy videos."""
    return [Status.NO_FACE, *[Status.OK] * (count - 1)]
