"""What an explanation draws: no text is cut, and nothing covers the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from dfbench import ClipSpec, DetectorSpec, Evidence, EvidenceMap
from dfbench.data.video import VideoInfo
from dfbench.results.evidence_figures import timeline_figure
from dfbench.results.evidence_pictures import (
    font,
    wrapped,
)
from dfbench.runs.evidence import TrackEvidence, windows_of
from dfbench.runs.explaining import Explanation, OpenExplainer
from dfbench.types import DetectorCard

HEAT = EvidenceMap("heat", "how hot it is", unit="degrees", span=(0.0, 1.0))
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
    """A grey face; `heat` is hot in the left column."""
    count = len(FRAMES)
    heat = np.zeros((count, CELLS, CELLS), np.float32)
    heat[:, :, 0] = 1
    windows = windows_of(FRAMES, 2, 1)
    evidence = TrackEvidence(
        windows=windows,
        logits=np.zeros(len(windows)),
        frame_logits=np.linspace(-2, 2, count),
        window_logits=np.zeros(count),
        maps={"heat": heat},
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
    )


def opened(*maps: EvidenceMap, recipe: str = "demo") -> OpenExplainer:
    spec = DetectorSpec("detector", "looks", "nowhere:Nothing", explain="nowhere:explain")
    card = DetectorCard(ClipSpec(frames=2, size=32), recipe=recipe)
    return OpenExplainer(Silent(), spec, card, "ab" * 32, maps, seed=0)


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
