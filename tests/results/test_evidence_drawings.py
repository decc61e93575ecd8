"""The annotated video and the figure over time: which panels there are, what moves in them, and that no text is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from dfbench import ClipSpec, DetectorSpec, Evidence, EvidenceMap, LoadOptions
from dfbench.data.decoding.video_file import VideoInfo
from dfbench.progress import SilentProgress
from dfbench.results.evidence.figures import timeline_figure
from dfbench.results.evidence.pictures import (
    BAR,
    EDGE,
    caption,
    contact_sheet,
    drawn_maps,
    font,
    heading,
    heading_picture,
    warning,
    wrapped,
)
from dfbench.results.evidence.video import SIDE, write_evidence_video
from dfbench.runs.evidence.explaining import Explanation, OpenExplainer
from dfbench.runs.evidence.windows import TrackEvidence, windows_of
from dfbench.specs import DetectorCard

HEAT = EvidenceMap("heat", "how hot it is", unit="degrees", span=(0.0, 1.0))
MOVES = EvidenceMap("moves", "what changes", unit="logit", signed=True, temporal=True)
OTHER = replace(MOVES, name="other")
PLAIN = EvidenceMap("plain", "of no account", signed=True)
FRAMES = np.array([3, 4, 5, 8, 9])  # the face is lost in 6 and 7
CELLS = 4
RECIPE = "demo epochs=4 depth=3 width=128 lr=0.001 optimizer=sam_adam sam_rho=0.01 retry=released"


class Silent:
    """Explains nothing: what it would say is made here."""

    def maps(self) -> tuple[EvidenceMap, ...]:
        return (HEAT,)

    def explain(self, clips: object, names: object) -> Evidence:
        raise AssertionError(clips, names)


def explained(*, name: str = "video.mp4") -> Explanation:
    """A grey face. `heat` is hot in the left column; the one cell where `moves` says fake goes right frame by frame."""
    count = len(FRAMES)
    heat, moves = np.zeros((count, CELLS, CELLS), np.float32), np.zeros((count, CELLS, CELLS), np.float32)
    heat[:, :, 0] = 1
    for row in range(count):
        moves[row, 1, row % CELLS] = 1
    windows = windows_of(FRAMES, 2, 1)
    evidence = TrackEvidence(
        windows=windows,
        logits=np.zeros(len(windows)),
        frame_logits=np.linspace(-2, 2, count),
        window_logits=np.zeros(count),
        maps={"heat": heat, "moves": moves, "other": moves, "plain": moves},
    )
    return Explanation(
        path=Path(name),
        info=VideoInfo(20, 320, 240, 25.0),
        frame_size=(320, 240),
        frame_indices=FRAMES,
        boxes=np.tile([100.0, 60.0, 200.0, 160.0], (count, 1)),
        crops=np.full((count, 32, 32, 3), 120, np.uint8),
        evidence=evidence,
        logit=0.0,
        margin=0.1,
        looked_at=12,
        held=count,
    )


def opened(*maps: EvidenceMap, recipe: str = "demo") -> OpenExplainer:
    spec = DetectorSpec("detector", "looks", "nowhere:Nothing", explain="nowhere:explain")
    card = DetectorCard(ClipSpec(frames=2, size=32), recipe=recipe)
    return OpenExplainer(Silent(), spec, card, "ab" * 32, maps, LoadOptions())


def frames_of(path: Path, *maps: EvidenceMap, recipe: str = "demo") -> np.ndarray:
    """The video of these maps, (frames, height, width, 3) uint8."""
    explanation, detector = explained(), opened(*maps, recipe=recipe)
    drawn = drawn_maps(explanation, detector.maps)
    write_evidence_video(path, explanation, detector, drawn, progress=SilentProgress())
    with av.open(str(path)) as container:
        return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])


def panel(frame: np.ndarray, number: int) -> np.ndarray:
    """The pixels of a panel, counted from the left; the face, which is grey, says where they begin."""
    face = frame[:, EDGE : EDGE + SIDE].astype(int)
    top = int((np.abs(face - 120).max(axis=(1, 2)) < 12).argmax())
    left = EDGE + number * (SIDE + EDGE)
    return frame[top : top + SIDE, left : left + SIDE].astype(int)


def redness(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels[..., 0] - pixels[..., 2])


def cell_of(pixel: np.intp) -> list[int]:
    """Row and column of the map under this pixel of a panel."""
    return [int(one) * CELLS // SIDE for one in np.unravel_index(pixel, (SIDE, SIDE))]


def test_a_temporal_map_is_a_panel_of_its_own_that_moves_with_the_frames(tmp_path: Path) -> None:
    frames = frames_of(tmp_path / "a.mp4", HEAT, PLAIN, MOVES, OTHER)
    assert frames.shape[0] == FRAMES[-1] - FRAMES[0] + 1
    assert frames.shape[2] == 3 * SIDE + 4 * EDGE + BAR
    for row, frame in enumerate(FRAMES):
        shown = frames[frame - FRAMES[0]]
        face, where, over_time = (panel(shown, number) for number in range(3))
        assert np.abs(face - 120).max() < 12
        assert redness(where)[:, : SIDE // CELLS // 2].mean() > 30
        assert np.abs(where[:, SIDE // 2 :] - 120).max() < 12
        assert cell_of(redness(over_time).argmax()) == [1, row % CELLS]


def test_of_clips_that_a_run_scored_the_frames_follow_one_another(tmp_path: Path) -> None:
    explanation, detector = replace(explained(), scored=True), opened(HEAT)
    drawn = drawn_maps(explanation, detector.maps)
    write_evidence_video(tmp_path / "a.mp4", explanation, detector, drawn, progress=SilentProgress())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 2
        assert sum(1 for _ in container.decode(video=0)) == len(FRAMES)
    _, facts = heading(explanation, detector)
    assert "over the 3 clips that are scored, of 2 frames" in facts
    assert "the face is in 5 of 12 frames" in facts


def test_without_a_temporal_map_there_are_two_panels(tmp_path: Path) -> None:
    frames = frames_of(tmp_path / "a.mp4", HEAT, PLAIN)
    assert frames.shape[2] == 2 * SIDE + 3 * EDGE + BAR
    assert cell_of(redness(panel(frames[0], 1)).argmax())[1] == 0


@pytest.mark.parametrize("maps", [(HEAT,), (HEAT, MOVES)])
def test_all_panels_say_where_there_is_no_face(tmp_path: Path, maps: tuple[EvidenceMap, ...]) -> None:
    frames = frames_of(tmp_path / "a.mp4", *maps)
    (missing,) = (6 - FRAMES[0],)
    for number in range(1 + len(maps)):
        left = EDGE + number * (SIDE + EDGE) + 20
        found = frames[missing, 250:350, left : left + 60].astype(int)
        assert np.abs(found - (0x8A, 0x92, 0x9B)).max() < 8


def test_the_first_map_is_shown_and_the_first_temporal_one_of_the_others_beside_it() -> None:
    def names(*maps: EvidenceMap) -> list[str]:
        return [one.kind.name for one in drawn_maps(explained(), maps)]

    assert names(HEAT, PLAIN, MOVES, OTHER) == ["heat", "moves"]
    assert names(MOVES) == ["moves"]
    assert names(MOVES, OTHER) == ["moves", "other"]
    assert names(PLAIN, HEAT) == ["plain"]


def test_the_caption_names_every_map_that_is_drawn_and_disclaims_once() -> None:
    said = caption(*drawn_maps(explained(), (HEAT, MOVES)))
    assert said.startswith(
        "Map 'heat' (4 x 4 cells): how hot it is. Map 'moves' (4 x 4 cells): what changes."
    )
    assert said.count("not proof of a forgery") == 1


def test_facts_of_any_length_fit_into_the_pictures(tmp_path: Path) -> None:
    short = frames_of(tmp_path / "short.mp4", HEAT)[0]
    long = frames_of(tmp_path / "long.mp4", HEAT, recipe=f"{RECIPE} {RECIPE}")[0]
    assert short.shape[0] < long.shape[0]
    explanation, detector = explained(), opened(HEAT, recipe=f"{RECIPE} {RECIPE}")
    sheet = np.asarray(contact_sheet(explanation, detector, drawn_maps(explanation, (HEAT,))[0]))
    for picture in (long, sheet):
        assert picture[:60, -EDGE:].min() > 240  # a line that was cut would end there


@pytest.mark.parametrize("text", ["one", "some words of one length or another " * 9, "x" * 400, ""])
def test_wrapped_lines_are_no_wider_than_they_may_be(text: str) -> None:
    lines = wrapped(text, width=300, size=13)
    assert all(font(13).getlength(line) <= 300 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def boxes_of(figure: Figure) -> tuple[list[Bbox], list[Bbox]]:
    """In shares of the figure: where its texts are, and where its legends are."""
    figure.canvas.draw()

    def share(box: Bbox) -> Bbox:
        return box.transformed(figure.transFigure.inverted())

    legends = [one.get_legend() for one in figure.axes]
    return (
        [share(one.get_window_extent()) for one in figure.texts],
        [share(one.get_window_extent()) for one in legends if one is not None],
    )


@pytest.mark.parametrize("recipe", ["demo", RECIPE, f"{RECIPE} {RECIPE} {RECIPE}"])
def test_the_figures_facts_are_not_cut_and_its_legends_cover_no_data(recipe: str) -> None:
    figure = timeline_figure(explained(name="a_long_name_" * 9), opened(HEAT, recipe=recipe), HEAT)
    (*texts, disclaimer), legends = boxes_of(figure)
    assert len(texts) == len(legends) == 2
    assert 0 <= disclaimer.x0 < disclaimer.x1 <= 1
    panels = [one.get_position() for one in figure.axes]
    for text in texts:
        assert 0 <= text.x0 < text.x1 <= 1
        assert panels[0].y1 < text.y0 < text.y1 <= 1
    assert texts[1].y1 <= texts[0].y0 + 0.01
    for legend, own in zip(legends, panels, strict=True):
        assert own.y1 - 0.005 <= legend.y0
        assert legend.x1 <= 1
        assert not any(legend.overlaps(text) for text in texts)
    assert legends[1].y1 <= panels[0].y0
    heights = {round(figure.get_figheight() * panel.height, 1) for panel in panels}
    assert len(heights) == 1


@pytest.mark.parametrize("notice", ["", "these weights were trained on rendered faces of the demo corpus"])
def test_what_forbids_to_trust_a_score_stands_loud_below_it(notice: str) -> None:
    """In each of the three kinds of pictures, in red, which nothing else of their headings is."""
    explanation, detector = explained(), replace(opened(HEAT), notice=notice)
    title, _ = heading(explanation, detector)
    loud = warning(detector)
    assert loud == (notice and "These weights were trained on rendered faces of the demo corpus.")
    picture = np.asarray(heading_picture(explanation, detector, width=900)).astype(int)
    assert bool(redness(picture).max() > 100) is bool(notice)
    figure = timeline_figure(explanation, detector, HEAT)
    said = [" ".join(text.get_text().split()) for text in figure.texts]
    assert said[0] == " ".join(title.split())
    assert (loud in said) is bool(notice)
    drawn = drawn_maps(explanation, detector.maps)
    plain = contact_sheet(explanation, opened(HEAT), drawn[0])
    assert (contact_sheet(explanation, detector, drawn[0]).height > plain.height) is bool(notice)
