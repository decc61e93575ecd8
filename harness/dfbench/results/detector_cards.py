"""Show the card of a detector: what its plugin states, what its code and recipes say, and the published figures.

Each fact stands in one place, and is joined here: papers, licences and rules in the card file, the input in the recipe, known
files beside the code that reads them, figures in the tables of `results/published`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from dfbench.hooks.cards import UNKNOWN, Card
from dfbench.results import markdown
from dfbench.results.markdown import Own
from dfbench.results.published import PublishedFigure, published_figures

if TYPE_CHECKING:
    from dfbench.training.described import DescribedDetector
    from dfbench.training.released import PublishedFile
    from dfbench.types import ClipSpec

_INTRODUCTION = f"""\
Written by `dfbench detectors cards`; a test holds it equal to what that prints. The facts stand in the TOML files in `cards/` of
each plugin, and the input in its recipes; "{UNKNOWN}" is what nobody here knows. `dfbench detectors show NAME` also prints the
published figures, each with its source, the checkpoints of others that the detector reads, and those that are known by their
SHA-256; any other is scored under an entry that says `unverified weights`. What the networks are, and what they were held
against, is in [baselines.md](baselines.md)."""
_WHOLE = 64  # digits of a SHA-256
_NO_FIGURES = "No figure is known here."


def card_json(detector: DescribedDetector) -> dict[str, Any]:
    """Return what `dfbench detectors --json` prints of a detector: its facts, its card and its published figures."""
    return {**detector.to_json(), "figures": [asdict(figure) for figure in _figures(detector.card)]}


def card_lines(detector: DescribedDetector) -> Iterator[str]:
    """Yield the lines of a detector's card for a terminal; none if there is no card."""
    card = detector.card
    if card is None:
        return
    for name, text in _facts(detector, card):
        yield _line(name, text)
    for kind in detector.released:
        yield _line("reads", kind)
    for file in detector.files:
        yield _line("known file", file_in_words(file))
    figures = _figures(card)
    if card.figures_note or not figures:
        yield _line("figures", card.figures_note or _NO_FIGURES)
    for group, values in _grouped(figures).items():
        yield _line("published", group)
        yield _line("", f"  {', '.join(values)}")


def _line(name: str, text: str) -> str:
    return f"  {name + ':' if name else '':<17}{text}"


def cards_page(detectors: Sequence[DescribedDetector]) -> str:
    """Return the cards as a page of Markdown: a table for each detector. Figures are counted alone."""
    blocks = [markdown.heading(Own("The cards of the detectors"), level=1), _INTRODUCTION]
    for detector in detectors:
        if detector.card is not None:
            rows = [*_facts(detector, detector.card), ("figures", _counted(detector))]
            blocks.append(markdown.heading(detector.offer.listed_as, level=2))
            blocks.append("\n".join(markdown.table(("", ""), rows, right=(False, False))))
    return "\n\n".join(blocks) + "\n"


def seen(detector: DescribedDetector) -> str:
    """Return what a detector is shown, such as "16 frames of 224 px"; "" if its members or a file that is broken say it."""
    if detector.usual:
        return clips_in_words(detector.usual.clips())
    if detector.spec.family or detector.problem:
        return ""
    return "what its weights say" if detector.spec.describe else clips_in_words(detector.spec.clips)


def clips_in_words(clips: ClipSpec) -> str:
    """Return what a clip is, such as "16 frames of 224 px"."""
    return f"{clips.frames} {'frame' if clips.frames == 1 else 'frames'} of {clips.size} px"


def file_in_words(file: PublishedFile) -> str:
    """Return a weights file of others: name, SHA-256, licence and where it is offered, as far as they are known."""
    if len(file.sha256) == _WHOLE:
        sha256 = f"SHA-256 {file.sha256}"
    else:
        sha256 = f"SHA-256 begins with {file.sha256}" if file.sha256 else f"SHA-256 {UNKNOWN}"
    return f"{file.name}, {sha256}, licence {file.licence or UNKNOWN}, {file.url or f'offered at a place {UNKNOWN} here'}"


def _facts(detector: DescribedDetector, card: Card) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each fact of a card but the figures."""
    for paper in card.papers:
        yield "paper", paper.in_words()
    if not card.papers:
        yield "paper", "none: nobody's method"
    yield "code", card.code.url
    yield "code licence", card.code.licence
    yield "input", _input(detector, card)
    yield "weights", card.weights.offered
    yield "weights licence", card.weights.licence
    yield "trained on", card.weights.trained_on
    yield "video score", card.score.rule
    for part in card.score.follows:
        yield "followed", part
    for part in card.score.replaces:
        yield "replaced", part


def _input(detector: DescribedDetector, card: Card) -> str:
    """Return what a network is shown, from the recipe for real data if there is one."""
    recipe = detector.usual
    if recipe is None:
        return card.input or seen(detector)
    mean, std = (
        " ".join(f"{value:g}" for value in dict.fromkeys(values)) for values in (recipe.mean, recipe.std)
    )
    return f"{seen(detector)}, RGB from 0 to 1, mean {mean}, standard deviation {std}"


@cache
def _all_figures() -> tuple[PublishedFigure, ...]:
    return published_figures()


def _figures(card: Card | None) -> tuple[PublishedFigure, ...]:
    names = () if card is None else card.published_as
    return tuple(figure for figure in _all_figures() if figure.detector in names) if names else ()


def _grouped(figures: Sequence[PublishedFigure]) -> dict[str, list[str]]:
    """Return, by what they have in common in words, the test sets and values of figures."""
    found: dict[str, list[str]] = {}
    for figure in figures:
        level = figure.level or f"level {UNKNOWN}"
        compression = "" if figure.train_compression in figure.train_data else f" {figure.train_compression}"
        group = (
            f"{figure.metric} ({level}) of {figure.detector}, trained on {figure.train_data}{compression}"
            f" [{figure.status}: {figure.source}]{figure.note and f' ({figure.note})'}"
        )
        found.setdefault(group, []).append(f"{figure.test_dataset} {figure.value:.4g}")
    return found


def _counted(detector: DescribedDetector) -> str:
    """Return in words how many figures are published, and the command that shows them."""
    figures = _figures(detector.card)
    note = detector.card.figures_note if detector.card else ""
    if not figures:
        return note or _NO_FIGURES
    count = f"{len(figures)} {'is' if len(figures) == 1 else 'are'} published."
    return f"{count} {note}".strip()
