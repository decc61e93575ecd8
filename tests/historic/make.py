"""Write historic files of this commit beside this file: `python -m tests.historic.make`, in a clean checkout.

tests/historic/README.md says when to do so. What made the folder `017e8e7` stands in the git history of this file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

# Of the training of FakeSTormer in `017e8e7`.
TRAINING = {
    **{"frames": "2", "size": "16", "patch": "8", "width": "8", "depth": "1", "heads": "2", "mlp_ratio": "1"},
    **{"train_crop": "32", "train_frames": "6", "detect_every": "1", "validation_clips": "1"},
    **{"epochs": "1", "batch": "2", "warmup_steps": "1", "validate_every": "1"},
}
ENTRY_POINTS = "[dfbench]\nhistoric = tests.historic.toy\nhistoric_line = tests.historic.line\n"
PLACE = Path(tempfile.gettempdir()) / "dfbench-historic"  # a path that stands in some of the files
PARTS = [
    *((split, label, 2) for split in ("train", "val") for label in ("real", "fake")),
    *(("test", label, 10) for label in ("real", "fake")),
    *(("later", label, 3) for label in ("real", "fake")),
]
# What is made again at any time, and what only this file needs.
LEFT_OUT = ("plugin", "cache/checked", "cache/weights/**/tensorboard", "work", "**/*.lock")


def install(folder: Path) -> None:
    """Have this process find `toy` and `line` as plugins that are installed; their description goes to `folder`."""
    info = folder / "historic_toy-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: historic-toy\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    sys.path.insert(0, str(folder))


def settings(videos: Path, home: Path) -> dict[str, str]:
    """The variables by which dfbench reads `videos`, and reads and writes `cache` and `runs` in the folder `home`."""
    return {
        "DFBENCH_CACHE": str(home / "cache"),
        "DFBENCH_RUNS": str(home / "runs"),
        "DFBENCH_DATA__ROOTS__FOLDER": str(videos),
        "DFBENCH_FACE_FINDER": "historic_finder",
        "DFBENCH_WORKERS": "1",
    }


def write_videos(root: Path) -> None:
    """Write videos for `PARTS`, each brighter than the one before, fake ones more; the last one to test on is no video."""
    lines = ["path,label,split,group"]
    root.mkdir(parents=True)
    for split, label, count in PARTS:
        for number in range(count):
            name = f"{split}-{label}-{number}.mp4"
            lines.append(f"{name},{label},{split},{split}-{number}")
            _write_video(root / name, 40 + 6 * number + 25 * (label == "fake") + len(split))
    (root / "test-fake-10.mp4").write_bytes(b"this is no video")
    lines.append("test-fake-10.mp4,fake,test,test-10")
    (root / "videos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_video(path: Path, grey: int) -> None:
    """Write twelve frames of 64 x 52 px, brighter to the right and from frame to frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 52, "yuv420p"
        for step in range(12):
            image = np.full((52, 64, 3), grey + step, np.uint8) + np.arange(64, dtype=np.uint8)[None, :, None]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def main(home: Path) -> None:
    """Write videos, a training, a run of it, and a training and a run that are interrupted, into the folder `home`."""
    from tests.historic.line import CUT as CUT_TRAINING
    from tests.historic.toy import CUT

    import dfbench

    write_videos(home / "videos")
    dfbench.train("historic_line", "historic-twice")
    dfbench.run("historic_line", "historic-twice")
    os.environ[CUT_TRAINING] = "4"
    with suppress(KeyboardInterrupt):
        dfbench.train("historic_line", "historic-twice", seed=1)
    os.environ[CUT] = "23"
    with suppress(KeyboardInterrupt):
        dfbench.run("historic_dim", "historic-twice")


def commit() -> str:
    """The short name of the commit of this checkout, which must be clean, since the files say of which code they are."""
    here = Path(__file__).parent
    if subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, check=True).stdout:
        sys.exit("commit first: the files say whether the code that made them was changed")
    name = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], cwd=here, capture_output=True, check=True
    )
    return name.stdout.decode().strip()


if __name__ == "__main__":
    target = Path(__file__).parent / commit()
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "work").mkdir(parents=True)
    os.chdir(PLACE / "work")
    os.environ |= settings(PLACE / "videos", PLACE)
    install(PLACE / "plugin")
    main(PLACE)
    for pattern in LEFT_OUT:
        for path in [*PLACE.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.move(PLACE, target)
    print(target, sum(path.stat().st_size for path in target.rglob("*") if path.is_file()), "bytes")
