"""Explainers, opened and shown what was scored: which maps are made, of which clips, and what cannot be stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.cli.toy_corpus import ToyPlugin
from tests.data.test_sequences import png, write
from torch import Tensor

from dfbench import Evidence, EvidenceMap, FaceTrack, TooShortError, UsageError, WeightsError
from dfbench.data import StoredFaces, read_clips
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.store.face_files import Origin, write_faces
from dfbench.errors import NoFaceError, PluginError, UnknownNameError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.evidence import explaining
from dfbench.runs.evidence.excerpts import Excerpt
from dfbench.runs.evidence.explaining import OpenExplainer, explain_excerpt, explain_scored, open_explainer
from dfbench.runs.evidence.scored_faces import ScoredFaces
from dfbench.specs import DetectorSpec, LoadOptions
from dfbench.types import ClipSpec, Faces, FrameChoice, PrepareSpec, Sampling

REGISTRY = Host.load([ToyPlugin()]).registry
CLIPS = ClipSpec(frames=2, size=16, per_video=3, margin=0.0, sampling=Sampling.CONSECUTIVE)
SPEC = replace(REGISTRY.detector("constant"), explain=f"{__name__}:Light", clips=CLIPS)
MAPS = [
    EvidenceMap("light", "how bright"),
    EvidenceMap("dark", "how dark", standard=False),
    EvidenceMap("edge", "how sharp"),
]


class Light:
    """Bright is fake; `offered` are its maps."""

    offered: Sequence[EvidenceMap] = MAPS

    def __init__(self, **options: Any) -> None:
        del options

    def maps(self) -> Sequence[EvidenceMap]:
        return self.offered

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        bright = clips.float().mean(dim=4)
        return Evidence(bright.mean(dim=(1, 2, 3)), bright.mean(dim=(2, 3)), dict.fromkeys(names, bright))


@contextmanager
def offering(monkeypatch: pytest.MonkeyPatch, *maps: EvidenceMap) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(Light, "offered", maps)
        yield


def opened(*names: str, spec: DetectorSpec = SPEC, options: LoadOptions = LoadOptions()) -> list[str]:  # noqa: B008 - frozen
    """The maps that are made."""
    with open_explainer(spec, REGISTRY, options, names=names) as found:
        assert found.options.device in ("cpu", "cuda")
        assert (found.card.clips, found.weights_sha256, found.notice) == (CLIPS, "", "")
        return [one.name for one in found.maps]


def test_the_standard_maps_are_made_or_those_that_are_named_in_their_order() -> None:
    assert opened() == ["light", "edge"]
    assert opened("dark", "light", "dark") == ["dark", "light"]
    with pytest.raises(UnknownNameError, match="no map 'lite'") as caught:
        opened("light", "lite")
    assert "light" in str(caught.value.hints)


def test_of_maps_that_are_none_of_them_standard_the_first_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with offering(monkeypatch, *(replace(one, standard=False) for one in MAPS)):
        assert opened() == ["light"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a\x1b[1m", "..\\x"])
def test_a_map_whose_name_is_no_name_of_a_file_is_a_fault_of_the_plugin(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with (
        offering(monkeypatch, MAPS[0], EvidenceMap(name, "")),
        pytest.raises(PluginError, match="cannot be stored"),
    ):
        opened("light")


def test_an_explainer_without_maps_and_a_detector_without_an_explainer_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with offering(monkeypatch), pytest.raises(PluginError, match="the explainer of 'constant' offers no map"):
        opened()
    with pytest.raises(UsageError, match="'constant' cannot explain itself"):
        opened(spec=replace(SPEC, explain=""))


def test_a_detector_that_needs_weights_is_not_opened_without_or_with_a_file_that_is_none(
    tmp_path: Path,
) -> None:
    needing = replace(SPEC, needs_weights=True)
    with pytest.raises(WeightsError, match="needs weights to explain anything"):
        opened(spec=needing)
    (tmp_path / "w.pt").write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=r"w\.pt"):
        opened(spec=needing, options=LoadOptions(tmp_path / "w.pt"))


FRAMES = [3, 4, 5, 20, 21, 22, 23, 40, 41]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A face file whose frame at position p has the value p everywhere."""
    count = len(FRAMES)
    track = FaceTrack(
        frame_indices=np.array(FRAMES, np.int64),
        boxes=np.stack([[8, 8, 24 + at, 24 + at] for at in range(count)]).astype(np.float32),
        scores=np.ones(count, np.float32),
        landmarks=np.zeros((count, 0, 2), np.float32),
        landmark_kind="none",
        frame_size=(64, 48),
        quality=np.ones(count, np.float32),
    )
    crops = [np.full((48, 48, 3), at, np.uint8) for at in FRAMES]
    whole = np.tile(np.array([0, 0, 48, 48], np.float32), (count, 1))
    write_faces(
        tmp_path / "a.faces", StoredFaces(crops, whole, track, origin=Origin(face_frames=9, wanted_frames=12))
    )
    return tmp_path / "a.faces"


@pytest.fixture
def explainer(monkeypatch: pytest.MonkeyPatch) -> OpenExplainer:
    monkeypatch.setattr(explaining, "probe", lambda _: SimpleNamespace(frames=50))
    return OpenExplainer(Light(), SPEC, SPEC.card(), "", (MAPS[0],), LoadOptions())


def test_what_is_explained_are_the_very_clips_that_are_scored(
    explainer: OpenExplainer, faces: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = explain_scored(
        explainer, Path("a.mp4"), ScoredFaces(faces, CLIPS), scratch=scratch, progress=SilentProgress()
    )
    clips, frames = read_clips(faces, CLIPS)
    assert np.array_equal(found.crops, clips.reshape(-1, *clips.shape[2:]))
    assert found.frame_indices.tolist() == frames.ravel().tolist()
    assert found.evidence.windows.tolist() == np.arange(frames.size).reshape(frames.shape).tolist()
    means = clips.reshape(len(clips), -1).mean(axis=1)
    np.testing.assert_allclose(found.evidence.logits, means)
    assert found.logit == pytest.approx(means.mean())  # pooled as the card says
    assert (found.scored, found.margin, found.frame_size) == (True, CLIPS.margin, (64, 48))
    assert (found.looked_at, found.held) == (12, 9)
    # Each box is that of its own frame, squared as the crop is.
    sides = [16 + FRAMES.index(at) for at in found.frame_indices]
    assert (found.boxes[:, 2] - found.boxes[:, 0]).tolist() == pytest.approx(sides)
    assert {path.name for path in scratch.iterdir()} == {"light.npy"}


def test_a_video_too_short_for_a_clip_says_whose_it_is(
    explainer: OpenExplainer, faces: Path, tmp_path: Path
) -> None:
    long = replace(CLIPS, frames=30)
    with pytest.raises(TooShortError, match=r"^a.mp4: "):
        explain_scored(
            explainer, Path("a.mp4"), ScoredFaces(faces, long), scratch=tmp_path, progress=SilentProgress()
        )


def test_scores_of_explanations_do_not_depend_on_what_else_is_made(
    explainer: OpenExplainer, faces: Path, tmp_path: Path
) -> None:
    logits = []
    for maps in (MAPS[:1], MAPS):
        place = tmp_path / str(len(maps))
        place.mkdir()
        found = explain_scored(
            replace(explainer, maps=tuple(maps)),
            Path("a.mp4"),
            ScoredFaces(faces, CLIPS),
            scratch=place,
            progress=SilentProgress(),
        )
        assert set(found.evidence.maps) == {one.name for one in maps}
        logits.append(found.logit)
    assert logits[0] == logits[1]
    assert torch.isfinite(torch.tensor(logits)).all()


class Still:
    """One face, always in the same place."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        points = np.full((1, 5, 2), 30, np.float32)
        return [Faces(np.asarray([[10, 10, 50, 50]], np.float32), np.ones(1, np.float32), points)] * len(
            frames
        )


class Nobody:
    """Finds no face."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        nothing = np.empty((0, 5, 2), np.float32)
        return [Faces(np.empty((0, 4), np.float32), np.empty(0, np.float32), nothing)] * len(frames)


COUNT = 24


@pytest.fixture
def film(tmp_path: Path) -> tuple[Path, ScoredFaces]:
    """A folder of frames, of which number p has the red value 5 p + 20, and its faces as they were scored."""
    files = {f"{number}.png": png(5 * number + 20, (80, 60)) for number in range(COUNT)}
    path = write(tmp_path / "film", files)
    prepare_video(path, PrepareSpec(FrameChoice("first", COUNT)), Still(), tmp_path / "film.faces")
    return path, ScoredFaces(tmp_path / "film.faces", CLIPS)


@pytest.mark.parametrize(
    ("excerpt", "positions", "windows"),
    [
        (Excerpt(), range(COUNT), COUNT - 1),
        (Excerpt(hop=2), range(COUNT), COUNT // 2),
        (Excerpt(0.0, 0.2, 2), range(5), 3),  # at 25 frames a second
        (Excerpt(0.4), range(10, COUNT), 13),
    ],
)
def test_a_part_of_a_video_is_explained_frame_after_frame(
    film: tuple[Path, ScoredFaces], tmp_path: Path, excerpt: Excerpt, positions: range, windows: int
) -> None:
    path, scored = film
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    explainer = OpenExplainer(Light(), SPEC, SPEC.card(), "", (MAPS[0],), LoadOptions())
    found = explain_excerpt(
        explainer,
        path,
        scored,
        finder=Still(),
        excerpt=excerpt,
        scratch=scratch,
        progress=SilentProgress(),
    )
    assert found.frame_indices.tolist() == list(positions)
    assert [(int(crop[8, 8, 0]) - 20) // 5 for crop in found.crops] == list(positions)
    assert (found.looked_at, found.held, found.scored) == (len(positions), len(positions), False)
    assert len(found.evidence.logits) == windows
    assert np.isfinite(found.evidence.frame_logits).all()  # every frame is seen
    assert len(found.boxes) == len(positions)
    assert {one.name for one in scratch.iterdir()} == {"crops.npy", "light.npy"}


def test_a_part_without_the_face_or_shorter_than_a_clip_is_refused(
    film: tuple[Path, ScoredFaces], tmp_path: Path
) -> None:
    path, scored = film
    explainer = OpenExplainer(Light(), SPEC, SPEC.card(), "", (MAPS[0],), LoadOptions())
    asked: dict[str, Any] = {"excerpt": Excerpt(), "scratch": tmp_path, "progress": SilentProgress()}
    with pytest.raises(NoFaceError, match="the face that is scored is not in any of 24 frames looked at"):
        explain_excerpt(explainer, path, scored, finder=Nobody(), **asked)
    asked["excerpt"] = Excerpt(0.0, 0.04)
    with pytest.raises(TooShortError, match="film: "):
        explain_excerpt(explainer, path, scored, finder=Still(), **asked)
