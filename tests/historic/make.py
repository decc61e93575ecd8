"""Write historic files into a new folder, by whatever dfbench is on the path: `python -m tests.historic.make FOLDER`.

tests/historic/README.md says when to do so, and how.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

TRAINING = {
    **{"frames": "2", "size": "16", "patch": "8", "width": "8", "depth": "1", "heads": "2", "mlp_ratio": "1"},
    **{"train_crop": "32", "train_frames": "6", "detect_every": "1", "validation_clips": "1"},
    **{"epochs": "1", "batch": "2", "warmup_steps": "1", "validate_every": "1"},
}


def install(folder: Path) -> None:
    """Have this process find the plugin `tests.historic.toy` as one that is installed; its description goes to `folder`."""
    info = folder / "historic_toy-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: historic-toy\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[dfbench]\nhistoric = tests.historic.toy\n", encoding="utf-8")
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
    """Write 2 real videos to train on, 2 to validate on, and 10 real and 11 fake ones to test on; the last is no video."""
    parts = [("train", "real", 2), ("val", "real", 2), ("test", "real", 10), ("test", "fake", 10)]
    lines = ["path,label,split,group"]
    root.mkdir(parents=True)
    for split, label, count in parts:
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


def main(folder: Path) -> None:
    """Write the videos, the runs of two detectors, a training, an interrupted run, and the faces of all of these."""
    from tests.historic.toy import CUT

    import dfbench

    write_videos(folder / "videos")
    dfbench.run("chance", "historic")
    dfbench.train("fakestormer", "historic", recipe="demo", overrides=TRAINING)
    dfbench.run("fakestormer", "historic", recipe="demo", overrides=TRAINING)
    os.environ[CUT] = "7"
    with suppress(KeyboardInterrupt):
        dfbench.run("historic_brightness", "historic")


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    os.environ |= settings(target / "videos", target)
    install(target / "plugin")
    main(target)
