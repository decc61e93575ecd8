"""How much damage passes unseen, by codec: `python -m tests.data.damage_shares` prints the table of docs/measurements.md.

Each file is damaged fifty times, by a block of 40 or 512 zeros somewhere in its second to ninth tenth.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from tests.data.test_decoding import COUNT, KINDS, Kind, write

from dfbench.data.decoding.video import read_frames
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

TRIES = 50
WANTED = 8  # of 48 frames


@dataclass(frozen=True, slots=True)
class Shares:
    """Of TRIES damaged files: `refused`; `right`, since no wanted frame suffers; `wrong`: read as if they were whole.
    `given`: those that give a wrong frame, were it before they are refused."""

    refused: int
    right: int
    wrong: int
    given: int


def shares(path: Path, wanted: int) -> Shares:
    """What becomes of damage in a video of which so many frames are wanted. The file is left damaged."""
    choice = FrameChoice("uniform", wanted)
    content, rng = path.read_bytes(), np.random.default_rng(1)
    whole = {position: frame.tobytes() for position, frame in read_frames(path, choice)}
    refused = wrong = given = 0
    for number in range(TRIES):
        start, count = int(rng.uniform(0.1, 0.9) * len(content)), (40, 512)[number % 2]
        path.write_bytes(content[:start] + bytes(count) + content[start + count :])
        ended, differs = False, False
        try:
            for position, frame in read_frames(path, choice):
                differs = differs or frame.tobytes() != whole.get(position)
        except UndecodableVideoError:
            ended = True
        refused += ended
        given += differs
        wrong += differs and not ended
    return Shares(refused, TRIES - refused - wrong, wrong, given)


def main() -> None:
    """Print a row a file."""
    av.logging.set_level(None)
    print(
        f"| file | codec | {WANTED} wanted: refused | right | wrong | all wanted: refused | right | wrong |"
    )
    print("| --- | --- | --: | --: | --: | --: | --: | --: |")
    for kind in KINDS:
        cells = [cell for wanted in (WANTED, COUNT) for cell in _row(kind, wanted)]
        print("| " + " | ".join([kind.name, kind.codec, *cells]) + " |")


def _row(kind: Kind, wanted: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        seen = shares(write(Path(folder), kind), wanted)
    return [str(seen.refused), str(seen.right), str(seen.wrong)]


if __name__ == "__main__":
    main()
