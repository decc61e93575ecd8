"""What a training left for TensorBoard, read without it."""

from __future__ import annotations

from pathlib import Path

from tensorboardX.proto import event_pb2


def logged(folder: Path) -> dict[str, list[int]]:
    """Return the steps of each value that the training in `folder` logged; the file is not named after this machine."""
    (events,) = (folder / "tensorboard").glob("events.out.tfevents.*")
    assert events.name.split(".")[4:] == ["host"]
    found: dict[str, list[int]] = {}
    content, place = events.read_bytes(), 0
    while place < len(content):  # a record: its length, a checksum, itself, a checksum
        length = int.from_bytes(content[place : place + 8], "little")
        event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append(event.step)
        place += 16 + length
    return found
