"""The cheap cues: what sharpness and metadata score, what is learned of files, and what becomes of those that say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.lines import request
from torch import Tensor

from dfbench import FaceFile, Label, LoadOptions, RunError, UsageError, Video, WeightsError
from dfbench.data import file_facts
from dfbench.data.decoding.file_facts import FileFacts
from dfbench.errors import MissingVideoError, UndecodableVideoError
from dfbench.hooks.conformance import check_detector
from dfbench.hooks.conformance.files import write_video
from dfbench.hooks.detectors import card_of, opened_scorer
from dfbench.hooks.host import Host
from dfbench.interfaces import ScoresFiles
from dfbench.training.conformance import check_training
from dfbench.training.weights_file import write_trained
from dfbench_baselines.metadata import FEATURES, MetadataTrainer, features, make_trainer
from dfbench_baselines.sharpness import SharpnessDetector


def sharpness() -> SharpnessDetector:
    return SharpnessDetector(weights=None, device="cpu", seed=0)


def test_a_softer_face_is_more_fake() -> None:
    import cv2

    noise = np.random.default_rng(3).integers(0, 256, (1, 2, 64, 64, 3), dtype=np.uint8)
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise[0]])[None]
    flat = np.full_like(noise, 90)
    logits = sharpness().score(torch.from_numpy(np.concatenate([noise, soft, flat])))
    assert logits[0] < logits[1] < logits[2]
    # By definition: the mean over frames of the negative logarithm of the variance of the Laplacian.
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in soft[0]]
    expected = -np.mean([np.log(1e-3 + cv2.Laplacian(frame, cv2.CV_32F).var()) for frame in grey])
    assert float(logits[1]) == pytest.approx(expected, rel=1e-6)


def test_sharpness_passes_the_checks_of_any_detector_and_learned_nothing() -> None:
    spec = Host.load().registry.detector("sharpness")
    assert (spec.trained_on, spec.needs_weights) == (frozenset(), False)
    assert [result for result in check_detector(spec) if not result.passed] == []
    with pytest.raises(UsageError, match="has no weights"):
        SharpnessDetector(weights=Path("x.pth"), device="cpu", seed=0)


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", size=64, frames=10, seed=[1])
    facts = file_facts(tmp_path / "a.mp4")
    size = (tmp_path / "a.mp4").stat().st_size
    assert facts == FileFacts(bytes=size, width=64, height=64, fps=25.0, seconds=0.4, codec="mpeg4")
    assert facts.bit_rate == pytest.approx(8 * size / 0.4)


def test_what_is_no_video_file_has_no_facts(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "page.mp4").write_text("<!doctype html>")
    with pytest.raises(UndecodableVideoError, match="a folder of frames is no video file"):
        file_facts(tmp_path / "frames")
    with pytest.raises(UndecodableVideoError, match="not a readable video"):
        file_facts(tmp_path / "page.mp4")
    with pytest.raises(MissingVideoError, match="no such file"):
        file_facts(tmp_path / "absent.mp4")


def test_features_are_named_and_finite_where_the_head_says_nothing() -> None:
    known = features(FileFacts(bytes=2**20, width=256, height=128, fps=25, seconds=8, codec="hevc"))
    named = dict(zip(FEATURES, known.tolist(), strict=True))
    assert named["log2 bytes"] == 20
    assert named["log2 bits a second"] == 20
    assert named["log2 bits a pixel"] == pytest.approx(20 - np.log2(25 * 256 * 128))
    assert (named["log2 width"], named["log2 height"], named["log2 seconds"], named["fps"]) == (8, 7, 3, 25)
    assert (named["codec hevc"], named["codec h264"]) == (1, 0)
    unknown = features(FileFacts(bytes=9, width=8, height=8, fps=0, seconds=0, codec="prores"))
    assert np.isfinite(unknown).all()
    assert unknown[-7:].tolist() == [0] * 7


def files(folder: Path, *, sizes: dict[Label, int], count: int = 4, split: str = "train") -> list[FaceFile]:
    """Video files of noise whose label shows in how many pixels they have."""
    found = []
    for label, size in sizes.items():
        for number in range(count):
            path = folder / f"{split}-{label.name}-{number}.mp4"
            write_video(path, size=size, frames=4 + number, seed=[int(label), number])
            name = "real" if label is Label.REAL else "made"
            video = Video("made_up", path.stem, path, label, split, name, "", (path.stem,), path.stem)
            found.append(FaceFile(video, path))
    return found


def trained(folder: Path, train: Sequence[FaceFile], validation: Sequence[FaceFile] = ()) -> Path:
    asked = request(train, validation, folder, provenance={"identity": {"corpus": "demo", "seed": 3}})
    trainer = MetadataTrainer()
    return write_trained(trainer.fit(asked), asked, detector="metadata", recipe=trainer.recipe())


def scores_of(weights: Path, paths: Sequence[Path]) -> Tensor:
    with opened_scorer(Host.load().registry.detector("metadata"), LoadOptions(weights)) as detector:
        assert isinstance(detector, ScoresFiles)
        return detector.score_files(paths)


def test_it_learns_what_files_give_away(tmp_path: Path) -> None:
    sizes = {Label.REAL: 64, Label.FAKE: 96}
    weights = trained(tmp_path, files(tmp_path, sizes=sizes), files(tmp_path, sizes=sizes, split="val"))
    other = files(tmp_path, sizes=sizes, count=2, split="test")
    scores = scores_of(weights, [file.path for file in other])
    assert scores[:2].max() < 0 < scores[2:].min()
    card = card_of(Host.load().registry.detector("metadata"), LoadOptions(weights))
    assert (card.trained_on, card.corpora, card.seed) == (frozenset({"made_up"}), frozenset({"demo"}), 3)


def test_a_training_without_files_of_both_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="only one kind is there"):
        trained(tmp_path, files(tmp_path, sizes={Label.FAKE: 64}))
    gone = files(tmp_path, sizes={Label.REAL: 64, Label.FAKE: 64}, count=1)
    for file in gone:
        file.path.unlink()
    with pytest.raises(RunError, match="only one kind is there"):
        trained(tmp_path, gone)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    spec = Host.load().registry.detector("metadata")
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with (
        pytest.raises(WeightsError, match="does not fit"),
        opened_scorer(spec, LoadOptions(tmp_path / "other.safetensors")),
    ):
        pass
    with pytest.raises(WeightsError, match="was not written by dfbench's metadata"):
        card_of(spec, LoadOptions(tmp_path / "other.safetensors"))
    with pytest.raises(UsageError, match="nothing of it can be set"):
        make_trainer("standard", {"lr": "1"})


def test_metadata_passes_the_checks_of_a_trained_detector() -> None:
    registry = Host.load().registry
    results = check_training(registry.detector("metadata"), registry)
    assert [result for result in results if not result.passed] == []
    assert "same score alone and with any others" in [result.name for result in results]
