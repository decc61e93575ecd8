"""The list files of the official layouts, in their official conventions, and the card that marks a corpus as demo."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from dfbench import UnreadableError
from dfbench.data import MOST_LIST, read_bytes, write_text_whole
from dfbench_plugins.demo.plan import Job

GENERATOR = "7"  # changes whenever any byte of a corpus may change
CARD = "dfbench-corpus.json"
MORE_SPACE = "150 MB are needed; or choose another cache folder"  # a hint for what cannot be written
ROOTS = {"ffpp": "FaceForensics++", "celeb_df_v2": "Celeb-DF-v2", "dfdc": "DFDC", "dfd": "DFD"}


def write_lists(root: Path, corpus: str, jobs: Sequence[Job]) -> None:
    """Write the official list files of `corpus` below `root`. DFD has none."""
    if corpus == "ffpp":
        for split in ("train", "val", "test"):
            pairs = [
                [f"{shot.people[0].number:03d}" for shot in job.shots] for job in jobs if job.split == split
            ]
            write_text(root / "splits" / f"{split}.json", json.dumps(pairs, indent=2) + "\n")
    elif corpus == "celeb_df_v2":
        # Label 1 is real here, and the last line has no newline: so the official file has it.
        lines = [f"{0 if fake else 1} {path}" for path, fake in sorted(_files(jobs), reverse=True)]
        write_text(root / "List_of_testing_videos.txt", "\n".join(lines))
    elif corpus == "dfdc":
        lines = [f"{Path(path).name},{int(fake)}" for path, fake in sorted(_files(jobs))]
        write_text(root / "test" / "labels.csv", "filename,label\n" + "\n".join(lines) + "\n")


def write_card(root: Path, corpus: str, jobs: Sequence[Job], *, size: str, seed: int) -> None:
    """Write `dfbench-corpus.json`: that this is a demo corpus, what made it, and the counts to expect."""
    official: dict[str, dict[str, int]] = {}
    for split in ("train", "val", "test") if corpus == "ffpp" else ("test",):
        files = list(_files(job for job in jobs if job.split == split))
        fakes = sum(fake for _, fake in files)
        official[split] = {"real": len(files) - fakes, "fake": fakes}
    card = {"corpus": "demo", "generator": GENERATOR, "seed": seed, "size": size, "official": official}
    write_text(root / CARD, json.dumps(card, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` through a temporary name; leave the file alone if it says this already."""
    with suppress(UnreadableError):
        if read_bytes(path, most=MOST_LIST) == text.encode("utf-8"):
            return
    write_text_whole(path, text, hints=(MORE_SPACE,))


def _files(jobs: Iterable[Job]) -> list[tuple[str, bool]]:
    return [(str(cut.path), bool(cut.method)) for job in jobs for shot in job.shots for cut in shot.cuts]
