"""Where and when evidence is measured: against masks of the very frames, against priors that see no video, and over splices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dfbench import (
    Evidence,
    EvidenceMap,
    FaceTrack,
    Label,
    RunError,
    UsageError,
    Video,
    VideoError,
)
from dfbench.data import StoredFaces
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import write_faces
from dfbench.progress import SilentProgress
from dfbench.runs.evidence import localisation
from dfbench.runs.evidence.excerpts import Excerpt, like_stored
from dfbench.runs.evidence.localisation import (
    CENTRE,
    RUNS,
    TEMPLATE,
    Localisation,
    _runs,
    _spread,
    localise,
    masked_videos,
)
from dfbench.runs.evidence.windows import gather
from dfbench.specs import DetectorCard
from dfbench.types import ClipSpec, Status

SIDE, LENGTH = 32, 2
CLIPS = ClipSpec(frames=LENGTH, size=16, margin=0.0)
FORGED = slice(8, 16), slice(16, 24)  # rows and columns of a frame that are forged, inside the face box
BOX = (8, 8, 24, 24)


class Light:
    """Bright is forged: the map is the brightness of each pixel, the logit that of the frame."""

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        bright = clips.float().mean(dim=4) / 255
        frames = bright.mean(dim=(2, 3))
        return Evidence(frames.mean(dim=1), frames, dict.fromkeys(names, bright))


def video(name: str, label: Label, *, group: str = "", mask: bool = True) -> Video:
    has_mask = mask and label is Label.FAKE
    path = Path(f"{name}.mask") if has_mask else None
    return Video(
        "d", name, Path(name), label, "test", "swap" if label else "real", "", (), group or name, path
    )


def store(folder: Path, one: Video, *, frames: Sequence[int] = range(4), seed: int = 0) -> PreparedResult:
    """The face file of a video: dim noise, and in a fake a bright patch where it is forged."""
    rng = np.random.default_rng(seed)
    crops = [rng.integers(20, 60, (SIDE, SIDE, 3), dtype=np.uint8) for _ in frames]
    if one.label is Label.FAKE:
        for crop in crops:
            crop[FORGED] = 240
    count = len(crops)
    track = FaceTrack(
        frame_indices=np.array(frames, np.int64),
        boxes=np.tile(np.array(BOX, np.float32), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks=np.zeros((count, 0, 2), np.float32),
        landmark_kind="none",
        frame_size=(SIDE, SIDE),
        quality=np.ones(count, np.float32),
    )
    path = folder / f"{one.video_id}.faces"
    whole = np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (count, 1))
    write_faces(path, StoredFaces(crops, whole, track))
    return PreparedResult(one, Status.OK, "", path)


class Lab:
    """A session that has these outcomes, and masks of these frames."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: dict[str, PreparedResult] = {}
        self.masked: dict[str, dict[int, NDArray[np.uint8]]] = {}
        self.asked: list[Any] = []
        self.progress = SilentProgress()
        maps = (EvidenceMap("light", "how bright"), EvidenceMap("flicker", "over time", temporal=True))
        card = DetectorCard(clips=CLIPS)
        self.opened: Any = SimpleNamespace(card=card, explainer=Light(), maps=maps)
        monkeypatch.setattr(localisation, "_masks", self._masks)

    def prepare(self, videos: Sequence[Video], spec: Any) -> Any:
        self.asked.append(spec)
        return SimpleNamespace(videos=[self.outcomes[one.video_id] for one in videos])

    def _masks(self, path: Path, frames: NDArray[np.int64]) -> dict[int, NDArray[np.uint8]]:
        if path.stem not in self.masked:
            raise VideoError(f"{path}: cut off")
        return {at: mask for at, mask in self.masked[path.stem].items() if at in frames}

    def add(self, folder: Path, one: Video, *, frames: Sequence[int] = range(4), seed: int = 0) -> Video:
        self.outcomes[one.video_id] = store(folder, one, frames=frames, seed=seed)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[FORGED] = 255
        if one.mask_path is not None:
            self.masked[one.video_id] = dict.fromkeys(frames, mask)
        return one

    def localise(self, fakes: list[Video], reals: list[Video], **options: Any) -> Localisation:
        session: Any = self
        return localise(session, self.opened, {"d": (fakes, reals)}, **options)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(monkeypatch)


def test_evidence_that_is_where_the_mask_is_is_told_apart_from_priors(lab: Lab, tmp_path: Path) -> None:
    fakes = [lab.add(tmp_path, video(f"f{n}", Label.FAKE), seed=n) for n in range(3)]
    where = lab.localise(fakes, []).tables()[0]
    rows = where[where["target"] == "mask"].to_dict("records")
    auc = {(row["video_id"], row["map"]): float(row["auc"]) for row in rows}
    for fake in fakes:
        assert auc[fake.video_id, "light"] > 0.97
        assert auc[fake.video_id, CENTRE] < 0.8
        # What is bright in all fakes is bright in those of other people too: it is no evidence of this one.
        assert auc[fake.video_id, f"{TEMPLATE}light"] > 0.97
    assert {row["pointing"] for row in rows if row["map"] == "light"} == {1.0}
    assert set(where["target"]) == {"mask", "border"}
    assert set(where["frames"]) == {4}
    (spec,) = lab.asked
    assert (spec.frames.how, spec.frames.count, spec.frames.length) == ("runs", RUNS, 4 * LENGTH)


def test_without_another_person_there_is_no_template(lab: Lab, tmp_path: Path) -> None:
    fakes = [lab.add(tmp_path, video(f"f{n}", Label.FAKE, group="anna"), seed=n) for n in range(2)]
    maps = set(lab.localise(fakes, []).tables()[0]["map"])
    assert maps == {"light", "flicker", CENTRE}


def test_only_frames_whose_mask_covers_the_crop_in_part_are_compared(lab: Lab, tmp_path: Path) -> None:
    fake = lab.add(tmp_path, video("f", Label.FAKE))
    lab.masked["f"] |= {0: np.zeros((SIDE, SIDE), np.uint8), 1: np.full((SIDE, SIDE), 255, np.uint8)}
    del lab.masked["f"][2]
    assert set(lab.localise([fake], []).tables()[0]["frames"]) == {1}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("empty masks", "d/f: its mask covers none of its frames in part"),
        ("no mask", "d/f: f.mask: cut off"),
        ("short", "d/f: "),
        ("no face", "d/f: no_face: none in any frame"),
        ("bad file", "d/f: "),
    ],
)
def test_a_fake_that_cannot_be_measured_is_skipped_with_its_reason(
    lab: Lab, tmp_path: Path, fault: str, reason: str
) -> None:
    good = lab.add(tmp_path, video("good", Label.FAKE))
    fake = lab.add(tmp_path, video("f", Label.FAKE), frames=[0, 5] if fault == "short" else range(4))
    if fault == "empty masks":
        lab.masked["f"] = dict.fromkeys(range(4), np.zeros((SIDE, SIDE), np.uint8))
    elif fault == "no mask":
        del lab.masked["f"]
    elif fault == "no face":
        lab.outcomes["f"] = replace(lab.outcomes["f"], status=Status.NO_FACE, reason="none in any frame")
    elif fault == "bad file":
        lab.outcomes["f"].path.write_bytes(b"no faces")
    found = lab.localise([fake, good], [])
    assert set(found.tables()[0]["video_id"]) == {"good"}
    (skipped,) = found.skipped
    assert skipped.startswith(reason)
    with pytest.raises(RunError, match="no map could be compared with a mask") as caught:
        lab.localise([fake], [])
    assert caught.value.hints[0].startswith(reason)


def test_forged_frames_are_told_from_real_ones_of_the_same_person(lab: Lab, tmp_path: Path) -> None:
    frames = [*range(8), *range(20, 28)]
    fakes = [lab.add(tmp_path, video(f"f{n}", Label.FAKE, group=f"p{n}"), frames=frames) for n in range(2)]
    real = lab.add(tmp_path, video("r0", Label.REAL, group="p0"), frames=frames, seed=5)
    when = lab.localise(fakes, [real]).tables()[1]
    assert set(when["video_id"]) == {"f0"}  # of the other, there is no real video
    assert set(when["evidence"]) == {
        *("frame logits", "logits of the frame's clips", "peak of light", "sum of flicker"),
    }
    by_kind = {row["evidence"]: row["auc"] for row in when.to_dict("records")}
    assert by_kind["frame logits"] == by_kind["peak of light"] == 1
    assert set(when["frames"]) == {32}  # two splices of eight frames of each


def test_in_half_of_the_splices_the_forged_frames_come_first(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a detector which calls every beginning real gains nothing."""
    frames = [*range(8), *range(20, 28)]
    fakes = [lab.add(tmp_path, video(f"f{n}", Label.FAKE, group=f"p{n}"), frames=frames) for n in range(2)]
    reals = [lab.add(tmp_path, video(f"r{n}", Label.REAL, group=f"p{n}"), frames=frames) for n in range(2)]
    begins_forged: list[bool] = []

    def watched(explainer: Any, crops: NDArray[np.uint8], *arguments: Any, **options: Any) -> Any:
        begins_forged.append(bool(crops[0].max() > 200))
        return gather(explainer, crops, *arguments, **options)

    monkeypatch.setattr(localisation, "gather", watched)
    lab.localise(fakes, reals)
    splices = begins_forged[-4:]  # two of each pair
    assert splices == [False, True, True, False]


def test_a_real_video_that_went_bad_costs_the_when_and_not_the_where(lab: Lab, tmp_path: Path) -> None:
    fake = lab.add(tmp_path, video("f", Label.FAKE, group="p"))
    real = lab.add(tmp_path, video("r", Label.REAL, group="p"))
    lab.outcomes["r"].path.write_bytes(b"no faces")
    found = lab.localise([fake], [real])
    where, when = found.tables()
    assert len(where)
    assert not len(when)
    assert len(found.skipped) == 1
    lab.outcomes["r"] = replace(lab.outcomes["r"], status=Status.MISSING, reason="gone")
    assert lab.localise([fake], [real]).skipped == ["d/r: missing: gone"]


def test_a_limit_spreads_over_the_fakes(lab: Lab, tmp_path: Path) -> None:
    fakes = [lab.add(tmp_path, video(f"f{n}", Label.FAKE)) for n in range(5)]
    assert set(lab.localise(fakes, [], limit=3).tables()[0]["video_id"]) == {"f0", "f2", "f4"}


@given(count=st.integers(1, 40), limit=st.one_of(st.none(), st.integers(1, 50)))
@settings(deadline=None)
def test_what_is_spread_keeps_its_order_its_ends_and_is_no_more_than_asked(
    count: int, limit: int | None
) -> None:
    videos = [video(str(number), Label.REAL) for number in range(count)]
    found = [int(one.video_id) for one in _spread(videos, limit)]
    assert len(found) == min(count, limit or count)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert limit == 1 or found[-1] == count - 1


@given(frames=st.sets(st.integers(0, 60), max_size=50), length=st.integers(1, 4))
@settings(deadline=None)
def test_runs_are_stretches_without_a_gap_that_share_no_frame(frames: set[int], length: int) -> None:
    indices = np.array(sorted(frames), np.int64)
    found = _runs(indices, length)
    rows = [int(row) for run in found for row in run]
    assert len(set(rows)) == len(rows)
    for run in found:
        assert length <= len(run) <= 4 * length
        assert (np.diff(indices[run]) == 1).all()


class Sets:
    """Data sets of which one has masks, and two are at hand."""

    names = SimpleNamespace(
        names=lambda _: ["a", "b"], dataset=lambda name: SimpleNamespace(name=name.lower())
    )

    def __init__(self) -> None:
        self.registry = self.names
        self.read: list[tuple[str, bool]] = []

    def _of(self, name: str, *, at_hand: bool) -> list[Video]:
        self.read.append((name, at_hand))
        masked = name == "a"
        return [
            replace(video(f"{split}{label}", Label(label), mask=masked), split=split)
            for split in ("val", "test")
            for label in (0, 1)
        ]

    def videos(self, selection: Any) -> list[Video]:
        return self._of(selection.dataset, at_hand=False)

    def videos_at_hand(self, selection: Any) -> list[Video]:
        return self._of(selection.dataset, at_hand=True)


def test_data_sets_with_masks_are_those_that_can_be_measured() -> None:
    sets: Any = Sets()
    ((name, (fakes, reals)),) = masked_videos(sets, (), "test").items()
    assert name == "a"
    assert [one.video_id for one in fakes] == ["test1"]
    assert [one.video_id for one in reals] == ["test0"]
    assert sets.read == [("a", True), ("b", True)]
    assert set(masked_videos(sets, ("A",), "val")) == {"a"}
    assert sets.read[-1] == ("a", False)  # what is named has to be there
    with pytest.raises(UsageError, match="no fake of b in split 'test' has a mask video"):
        masked_videos(sets, ("b",), "test")
    with pytest.raises(UsageError, match="no dataset at hand has mask videos in split 'train'"):
        masked_videos(sets, (), "train")


@pytest.mark.parametrize(
    ("excerpt", "expected"),
    [
        (Excerpt(), (0, 100)),
        (Excerpt(2.0), (20, 80)),
        (Excerpt(2.0, 1.5), (20, 15)),
        (Excerpt(9.5, 60.0), (95, 5)),
        (Excerpt(-3.0, 0.0), (0, 1)),
    ],
)
def test_an_excerpt_is_what_there_is_of_it(excerpt: Excerpt, expected: tuple[int, int]) -> None:
    info: Any = SimpleNamespace(rate=10.0, frames=100)
    assert excerpt.frames_of(info, Path("a.mp4")) == expected
    with pytest.raises(UsageError, match=r"a.mp4 lasts 10.0 s and cannot be explained from 10 s on"):
        Excerpt(10.0).frames_of(info, Path("a.mp4"))


def followed(rows: Sequence[int], left: int) -> Any:
    boxes = np.array([[left, 0, left + 10, 10]] * len(rows), np.float32)
    return SimpleNamespace(rows=np.array(rows), boxes=boxes)


def test_the_face_that_was_scored_is_followed_and_not_another() -> None:
    track = SimpleNamespace(
        frame_indices=np.array([2, 6]), boxes=np.array([[0, 0, 10, 10], [40, 0, 50, 10]], np.float32)
    )
    stored: Any = SimpleNamespace(track=track)
    search: Any = SimpleNamespace(positions=np.arange(10), looked_at=np.arange(10))
    still, moving = followed(range(10), 40), followed(range(10), 0)
    moving.boxes = np.array([[10 * (row - 2), 0, 10 * (row - 2) + 10, 10] for row in range(10)], np.float32)
    assert like_stored([still, moving], search, stored) is moving  # between stored frames, in a straight line
    assert like_stored([followed([0, 1, 7, 8, 9], 0)], search, stored) is None  # of then, nothing is known
    assert like_stored([followed(range(10), 90)], search, stored) is None
    assert like_stored([], search, stored) is None
