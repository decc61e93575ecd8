"""A made corpus of which two in a hundred videos are damaged, each in another way.

`python -m tests.data.damaged_corpus FOLDER` makes and prepares it, and prints what each kind of damage ends as.

It is prepared in a process of its own that obeys permissions, whoever runs the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.data.one_spec import prepare
from tests.data.streams import declared_png, h264_stream
from tests.data.toy_stage import SPEC, ToyStage, grey_video, toy_stage
from tests.data.unprivileged import obey_permissions

from dfbench.progress import SilentProgress
from dfbench.text import storable
from dfbench.types import Label, Status, Video

WHOLE = 4  # different good videos, of which the good ones are copies


@dataclass(frozen=True, slots=True)
class Damage:
    """A kind of damage, what it must end as, and words of the reason."""

    name: str
    path: Path
    status: Status
    words: str


def video_of(folder: Path, path: Path) -> Video:
    name = str(path.relative_to(folder))
    return Video("toy", name, path, Label.REAL, "test", "real", "c23", (), name)


def whole_videos(stage: ToyStage, count: int) -> list[Path]:
    """Copies of good videos, one with a name of 255 bytes and one with a name that is not UTF-8 among them."""
    names = [f"{number:04}.mp4" for number in range(count - 2)]
    names += [f"{'n' * 251}.mp4", os.fsdecode(b"caf\xe9 \xff.mp4")]
    paths = [stage.folder / "whole" / f"{number % WHOLE + 1}" / name for number, name in enumerate(names)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(stage.videos[int(path.parent.name)].path, path)
    return paths


def damaged_videos(stage: ToyStage) -> Iterator[Damage]:
    """Every kind of damage once."""
    source = stage.videos[1].path.read_bytes()
    undecodable, folder = Status.UNDECODABLE, stage.folder / "damaged"
    folder.mkdir()
    start = source.index(b"mdat") + 4
    contents = {
        "empty": (b"", "the file is empty"),
        "cut short": (source[: len(source) // 2], "no video stream"),
        "zeroed block": (source[:start] + bytes(400) + source[start + 400 :], "wanted frames can be decoded"),
        "text": (b"<html>404 Not Found</html>\n" * 40, "not a readable video"),
        "picture": (declared_png(8, 8), "not a readable video"),
        "playlist": (b"#EXTM3U\n#EXTINF:9,\n../whole/1/0000.mp4\n#EXT-X-ENDLIST\n", "not a readable video"),
        "huge frames": (h264_stream((16000, 16000)), "declares frames of 16000x16000"),
        os.fsdecode(b"n\xf3 v\xeddeo"): (b"no video", r"n\xf3 v\xeddeo.mp4: not a readable video"),
    }
    for name, (content, words) in contents.items():
        (folder / f"{name}.mp4").write_bytes(content)
        yield Damage(name, folder / f"{name}.mp4", undecodable, words)

    for name, codec in {"half.mp4": "libx264", "half.mkv": "libx264", "half.webm": "libvpx-vp9"}.items():
        path = grey_video(folder / name, 10, codec, faststart=name.endswith("mp4"))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
        yield Damage(name, path, undecodable, "the file ends early")

    shutil.copy(stage.videos[1].path, folder / "no permission.mp4")
    (folder / "no permission.mp4").chmod(0)
    yield Damage("no permission", folder / "no permission.mp4", undecodable, "Permission denied")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    yield Damage("loop", folder / "loop.mp4", undecodable, "Too many levels of symbolic links")
    os.mkfifo(folder / "pipe.mp4")
    yield Damage("pipe", folder / "pipe.mp4", undecodable, "it is a named pipe")
    yield Damage("too long", folder / f"{'n' * 252}.mp4", undecodable, "File name too long")
    yield Damage("missing", folder / "missing.mp4", Status.MISSING, "no such file")

    (folder / "bomb").mkdir()
    (folder / "bomb" / "1.png").write_bytes(declared_png(50000, 50000))
    yield Damage("bomb", folder / "bomb", undecodable, "1.png: ")
    with zipfile.ZipFile(folder / "frames.zip", "w") as archive:
        archive.writestr("a/1.png", declared_png(12000, 12000))
    yield Damage("packed", folder / "frames.zip" / "a", undecodable, "declares frames of 12000x12000")
    (folder / "frames.mp4").mkdir()
    os.mkfifo(folder / "frames.mp4" / "1.png")
    yield Damage("pipes", folder / "frames.mp4", undecodable, "1.png cannot be read: it is a named pipe")


def allow(folders: list[Path], mode: int) -> None:
    for folder in folders:
        for inside, _, _ in os.walk(folder):
            Path(inside).chmod(mode)


def state(folders: list[Path]) -> list[tuple[str, int, int]]:
    """Everything in `folders`, with what would tell that it was written to."""
    paths = sorted(path for folder in folders for path in [folder, *folder.rglob("*")])
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths]


def main(folder: Path) -> None:
    """Make the corpus in `folder`, make it read-only, prepare it, and write the outcomes to `outcomes.json`."""
    obey_permissions()
    stage = toy_stage(folder, WHOLE + 1)
    bad = list(damaged_videos(stage))
    good = whole_videos(stage, 50 * len(bad) - len(bad))
    roots = [folder / "whole", folder / "damaged"]
    allow(roots, 0o555)
    before = state(roots)
    try:
        report = prepare(
            [video_of(folder, path) for path in [*good, *(one.path for one in bad)]],
            SPEC,
            store_root=folder / "store",
            corpus="toy",
            finder="toy_finder:Finder",
            workers=2,
            progress=SilentProgress(),
            seconds=60.0,
        )
        assert state(roots) == before
    finally:
        allow(roots, 0o755)
    outcomes = [
        {
            "video": one.video.video_id,
            "status": one.status,
            "reason": one.reason,
            "faces": str(one.path),
            "source": str(one.video.path.resolve()) if damage is None else "",
            "expected": [damage.status, damage.words] if damage else [Status.OK, ""],
        }
        for one, damage in zip(report.videos, [*[None] * len(good), *bad], strict=True)
    ]
    (folder / "outcomes.json").write_text(json.dumps(outcomes), encoding="utf-8")
    for one, damage in zip(report.videos[len(good) :], bad, strict=True):
        reason = one.reason.replace(f"{folder}/", "")
        print(storable(f"| {damage.name} | {one.status} | {reason} |"))


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    place.mkdir(exist_ok=True)
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(place), *sys.path])  # for the processes that prepare
    main(place)
