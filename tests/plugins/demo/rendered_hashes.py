"""Render some videos of every manipulation and print a hash of their pixels and of their files, as JSON.

    python -m tests.plugins.demo.rendered_hashes > tests/plugins/demo/rendered_hashes.json

writes what other processors are compared with; do so when the generator's version goes up.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from dfbench_plugins.demo import encode
from dfbench_plugins.demo.corpora import render_job
from dfbench_plugins.demo.manipulations.recipes import Recipe, draw_recipe
from dfbench_plugins.demo.pixels import U8
from dfbench_plugins.demo.plan import Job, plan

SIZE, SEED = "cues", 0  # the shortest videos


def jobs() -> list[Job]:
    """The first jobs of the plan that show each corpus, kind of tool and of blending, and number of faces."""
    seen: set[object] = set()
    chosen = []
    for job in plan(SIZE, seed=SEED):
        shown: set[object] = {job.corpus, *((recipe.kind, recipe.poisson) for recipe in recipes(job))}
        shown |= {len(shot.people) for shot in job.shots}
        if not shown <= seen:
            seen |= shown
            chosen.append(job)
    return chosen


def recipes(job: Job) -> list[Recipe]:
    """The recipes of the fakes of `job`."""
    return [
        draw_recipe(cut.method, rng=shot.people[0].generator(5, cut.number))
        for shot in job.shots
        for cut in shot.cuts
        if cut.method
    ]


def rendered_hashes() -> dict[str, dict[str, str]]:
    """Hashes of pixels and of files, by path, and the version of the library that encodes."""
    pixels: dict[str, str] = {}
    files: dict[str, str] = {}
    written = encode.write_video
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def write_video(path: Path, frames: U8, *, fps: int, crf: int, preset: str = "superfast") -> None:
            pixels[path.relative_to(folder).as_posix()] = _hash(np.ascontiguousarray(frames).tobytes())
            written(path, frames, fps=fps, crf=crf, preset=preset)

        encode.write_video = write_video
        try:
            for job in jobs():
                render_job(job, folder / job.corpus)
        finally:
            encode.write_video = written
        for path in sorted(folder.rglob("*.mp4")):
            files[path.relative_to(folder).as_posix()] = _hash(path.read_bytes())
    return {"versions": {"av": av.__version__}, "pixels": dict(sorted(pixels.items())), "files": files}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    json.dump(rendered_hashes(), sys.stdout, indent=1)
    print()
