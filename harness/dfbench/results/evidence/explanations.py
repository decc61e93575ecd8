"""The files of an explanation: mp4, contact sheet, figure over time, and the raw maps, in one folder a video.

A folder appears whole or not at all, and is named by what decides its content; the same explanation again makes
nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfbench.data.coordinates import peak
from dfbench.data.fingerprints import content_digest, fingerprint
from dfbench.data.folders import below
from dfbench.errors import StoreError, UnreadableError
from dfbench.identity import identity_of, neutral
from dfbench.interfaces import FaceFinder, Progress
from dfbench.results.evidence.figures import write_timeline
from dfbench.results.evidence.pictures import DISCLAIMER, Drawn, contact_sheet, drawn_maps
from dfbench.results.evidence.video import write_evidence_video
from dfbench.runs.evidence.excerpts import Excerpt
from dfbench.runs.evidence.explaining import Explanation, OpenExplainer, explain_excerpt, explain_scored
from dfbench.runs.evidence.scored_faces import ScoredFaces
from dfbench.runs.planning.devices import compute_threads
from dfbench.runs.records.provenance import environment, file_sha256, run_identity
from dfbench.runs.records.score_table import sigmoid
from dfbench.text import folder_name
from dfbench.types import CROPPING, DECODING, TRACKING
from dfbench.untrusted import MOST_JSON_LIST, read_object

SCHEMA = 4
VIDEO, SHEET, TIMELINE, RECORD, ARRAYS = (
    "evidence.mp4",
    "sheet.png",
    "timeline.png",
    "evidence.json",
    "evidence.npz",
)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Successive frames to explain, and the face finder of this name and version that looks through them."""

    excerpt: Excerpt
    finder: FaceFinder
    finder_version: str


@dataclass(frozen=True, slots=True)
class _Versions:
    """Those of how a video becomes the clips that are explained."""

    tracking: int = TRACKING
    cropping: int = CROPPING
    decoding: int = field(default=DECODING, metadata=neutral(1))


@dataclass(frozen=True, slots=True)
class Explained:
    """Where the files of an explanation are, whether they were made just now, and the video's probability."""

    folder: Path
    made: bool
    probability: float


def explain_to(
    opened: OpenExplainer,
    path: Path,
    scored: ScoredFaces,
    *,
    out: Path,
    part: Part | None,
    force: bool,
    progress: Progress,
    facts: Mapping[str, Any] | None = None,
) -> Explained:
    """Explain the clips that are `scored` of `path` into a folder of `out`; what is there already is kept unless `force`.

    With a `part`, successive frames of the same face are explained in place of the clips. `facts` (JSON-ready) are stored
    with it. Raises VideoError, UsageError, StoreError.
    """
    options = opened.options
    identity = run_identity(
        schema=SCHEMA,
        video=[fingerprint(path), content_digest(path)],
        detector={"name": opened.spec.name, "version": opened.spec.version, "seed": options.seed},
        weights=opened.weights_sha256,
        finder=part.finder_version if part else "",
        maps=list(opened.maps),
        excerpt=part.excerpt if part else None,
        **identity_of(_Versions()),
        faces=file_sha256(scored.path),
        clips=scored.clips,
        **({"recipe": options.recipe, "changes": options.changes} if options.recipe else {}),
    )
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:60]
    folder = below(out, f"{readable}-{folder_name(opened.spec.name)}-{identity[:8]}")
    if not force and (known := _known(folder, identity)) is not None:
        progress.note(f"{path.name}: explained before, nothing to compute ({folder})")
        return Explained(folder, False, known)
    try:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=out))
    except OSError as error:
        raise StoreError(
            f"cannot write to {out}: {error.strerror}", hints=("choose another folder with --out",)
        ) from error
    try:
        scratch = unfinished / "scratch"
        scratch.mkdir()
        if part:
            explanation = explain_excerpt(
                opened,
                path,
                scored,
                finder=part.finder,
                excerpt=part.excerpt,
                scratch=scratch,
                progress=progress,
            )
        else:
            explanation = explain_scored(opened, path, scored, scratch=scratch, progress=progress)
        _write(unfinished, explanation, opened, identity=identity, facts=facts or {}, progress=progress)
        probability = float(sigmoid(np.array([explanation.logit]))[0])
        del explanation  # its arrays are maps of the files that go now
        shutil.rmtree(scratch)
        unfinished.chmod(0o755)  # mkdtemp makes it private
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    except OSError as error:
        raise StoreError(
            f"cannot write the explanation of {path}: {error.strerror or error}",
            hints=(f"free space on the disk of {out}, or explain less of it with --seconds",),
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Explained(folder, True, probability)


def _known(folder: Path, identity: str) -> float | None:
    """The probability of a finished explanation, None if there is none."""
    try:
        record = read_object(folder / RECORD, most=MOST_JSON_LIST)
        return float(record["score"]["probability"]) if record.get("identity") == identity else None
    except (UnreadableError, KeyError, TypeError, ValueError):
        return None


def _write(
    folder: Path,
    explanation: Explanation,
    opened: OpenExplainer,
    *,
    identity: str,
    facts: Mapping[str, Any],
    progress: Progress,
) -> None:
    drawn = drawn_maps(explanation, opened.maps)
    write_evidence_video(folder / VIDEO, explanation, opened, drawn, progress=progress)
    contact_sheet(explanation, opened, drawn[0]).save(folder / SHEET)
    write_timeline(folder / TIMELINE, explanation, opened, drawn[0].kind)
    evidence = explanation.evidence
    arrays: dict[str, Any] = {
        "frame_indices": explanation.frame_indices,
        "boxes": explanation.boxes,
        "frame_logits": evidence.frame_logits,
        "window_logits": evidence.window_logits,
        "clip_frames": explanation.frame_indices[evidence.windows],
        "clip_logits": evidence.logits,
        **{f"map_{name}": values for name, values in evidence.maps.items()},
    }
    np.savez_compressed(folder / ARRAYS, **arrays)
    record = _record(explanation, opened, drawn, identity=identity, facts=facts)
    (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def _record(
    explanation: Explanation,
    opened: OpenExplainer,
    drawn: Sequence[Drawn],
    *,
    identity: str,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    evidence, rate = explanation.evidence, explanation.info.fps
    shown = drawn[0].values
    frames = []
    for row, frame in enumerate(explanation.frame_indices):
        has_map = bool(np.isfinite(shown[row]).all())
        frames.append(
            {
                "frame": int(frame),
                "seconds": float(frame / rate) if rate else None,
                "box": [float(one) for one in explanation.boxes[row]],
                "frame_probability": _probability(evidence.frame_logits[row]),
                "clips_probability": _probability(evidence.window_logits[row]),
                "peak": list(peak(shown[row], explanation.boxes[row])) if has_map else None,
            }
        )
    return {
        "schema": SCHEMA,
        "identity": identity,
        "note": DISCLAIMER,
        "coordinates": (
            "pixel k of the frame covers [k, k + 1); box = x0, y0, x1, y1 in frame pixels; cell (row i, column j) of a "
            "map (h, w) covers x0 + j (x1 - x0) / w to x0 + (j + 1) (x1 - x0) / w, and y with i, h likewise"
        ),
        "video": {
            "name": explanation.path.name,
            "frames": explanation.info.frames,
            "fps": rate,
            "frame_size": list(explanation.frame_size),
        },
        "detector": {
            "name": opened.spec.name,
            "version": opened.spec.version,
            "recipe": opened.card.recipe,
            "weights_sha256": opened.weights_sha256,
            "seed": opened.options.seed,
            "margin": explanation.margin,
        },
        "training": {**opened.training.to_json(), "warning": opened.notice},
        "score": {
            "probability": float(sigmoid(np.array([explanation.logit]))[0]),
            "logit": explanation.logit,
            "pooling": str(opened.card.pooling),
            "clips": len(evidence.logits),
            "clips_as_scored": explanation.scored,
            "frames_looked_at": explanation.looked_at,
            "frames_without_a_face": explanation.looked_at - explanation.held,
        },
        "maps": {
            one.name: {
                "summary": one.summary,
                "unit": one.unit,
                "signed": one.signed,
                "temporal": one.temporal,
                "shape": list(evidence.maps[one.name].shape),
                "array": f"map_{one.name} in {ARRAYS}",
            }
            for one in opened.maps
        },
        "shown": drawn[0].kind.name,
        "shown_beside": [one.kind.name for one in drawn[1:]],
        "frames": frames,
        "facts": dict(facts),
        "environment": environment(device=opened.options.device, threads=compute_threads()),
    }


def _probability(logit: float) -> float | None:
    return float(sigmoid(np.array([logit]))[0]) if np.isfinite(logit) else None
