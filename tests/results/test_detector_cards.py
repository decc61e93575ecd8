"""The card of every registered detector is complete, says no figure that the tables do not have, and is the page in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfbench.errors import PluginError
from dfbench.hooks.cards import UNKNOWN, Card, card_of_work
from dfbench.hooks.host import Host
from dfbench.hooks.spec_faults import detector_fault
from dfbench.results.detector_cards import card_json, card_lines, cards_page, file_in_words
from dfbench.results.published import published_figures
from dfbench.specs import DetectorSpec
from dfbench.training.described import all_detectors, detector_described
from dfbench.training.released import KnownFile, PublishedFile, Released, known_files
from dfbench.types import Pooling

DOCS = Path(__file__).parents[2] / "docs"
REGISTRY = Host.load().registry
DETECTORS = {detector.offer.listed_as: detector for detector in all_detectors(REGISTRY)}
# Of which no figure of a training on FF++ is published; their cards say so in words.
WITHOUT = ("i3d_r50", "slowfast_r50", "timesformer", "videomae", "x3d_m", "x3d_s")
OF_NOBODY = {"chance", "frame_cnn", "metadata", "probe:NAME", "sharpness"}


def _card(name: str) -> Card:
    card = DETECTORS[name].card
    assert card is not None
    return card


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_brings_a_whole_card(name: str) -> None:
    detector, card = DETECTORS[name], _card(name)
    assert not detector.problem
    assert detector.spec.card_file
    assert not detector.spec.licence  # the card states it, and it alone
    assert not detector.spec.citation
    assert card.code.licence != UNKNOWN or name in {"fakestormer", "fakestormer-untrained", "sbi"}
    assert bool(card.papers) == (name not in OF_NOBODY)
    assert card.input or detector.usual or not detector.spec.method
    lines = list(card_lines(detector))
    for fact in (
        "paper",
        "code",
        "code licence",
        "input",
        "weights",
        "weights licence",
        "trained on",
        "video score",
    ):
        (first, *_) = (line for line in lines if line.startswith(f"  {fact}:"))
        assert first.partition(":")[2].strip()
    assert any(line.startswith(("  figures:", "  published:")) for line in lines)


def test_figures_are_those_of_the_tables() -> None:
    known = {figure.detector for figure in published_figures()}
    for name, detector in DETECTORS.items():
        card, shown = _card(name), card_json(detector)
        assert set(card.published_as) <= known
        assert {figure["detector"] for figure in shown["figures"]} == set(card.published_as)
        assert card.published_as or card.figures_note


@pytest.mark.parametrize("name", WITHOUT)
def test_a_detector_without_published_figures_says_so(name: str) -> None:
    assert "No figure of a training on FF++ is published." in "\n".join(card_lines(DETECTORS[name]))
    assert card_json(DETECTORS[name])["figures"] == []


def test_a_figure_is_shown_with_its_source() -> None:
    lines = list(card_lines(DETECTORS["sbi"]))
    (first,) = (
        number
        for number, line in enumerate(lines)
        if "(video) of SBI (EfficientNet-B4)" in line and "c23" in line
    )
    assert "[verified_primary: github.com/mapooon/SelfBlendedImages README.md (9fe4efe)]" in lines[first]
    assert "CDF2 0.9287, DFD 0.9816" in lines[first + 1]


def test_known_files_are_shown_from_where_the_code_keeps_them() -> None:
    from dfbench_baselines.mesonet import RELEASED

    shown = [file for name in ("meso4", "mesoinception4") for file in DETECTORS[name].files]
    assert {file.sha256: file.name for file in shown} == {
        sha256: f"{name}.h5" for sha256, name in RELEASED.items()
    }
    assert {file.name for file in DETECTORS["meso4"].files} == {"Meso4_DF.h5", "Meso4_F2F.h5"}
    (line, *_) = (line for line in card_lines(DETECTORS["meso4"]) if "Meso4_DF.h5" in line)
    assert "SHA-256 036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5" in line
    assert "https://github.com/DariusAf/MesoNet" in line


def test_a_known_checkpoint_of_a_method_is_a_file_of_its_card() -> None:
    known = {"ab" * 32: KnownFile("released A", url="https://example.org/a.pth"), "cd" * 32: KnownFile("B")}
    kind = Released(says="a kind", recipe="standard", tells=("*",), convert=dict, known=known)
    files = known_files((kind,))
    assert files == (
        PublishedFile("released A", "https://example.org/a.pth", "ab" * 32),
        PublishedFile("B", "", "cd" * 32),
    )
    assert file_in_words(files[0]) == (
        f"released A, SHA-256 {'ab' * 32}, licence unknown, https://example.org/a.pth"
    )
    assert file_in_words(PublishedFile("C", sha256="12345678")) == (
        "C, SHA-256 begins with 12345678, licence unknown, offered at a place unknown here"
    )


def test_the_page_of_the_docs_is_what_the_command_prints() -> None:
    page = cards_page(list(DETECTORS.values()))
    assert (DOCS / "cards.md").read_text(encoding="utf-8") == page, "dfbench detectors cards > docs/cards.md"


WITH_RULE = [name for name, one in DETECTORS.items() if one.usual and _card(name).score.rule != UNKNOWN]


@pytest.mark.parametrize("name", WITH_RULE)
def test_what_is_followed_or_replaced_is_what_the_recipe_does(name: str) -> None:
    detector, score = DETECTORS[name], _card(name).score
    assert detector.usual is not None
    told = " ".join((*score.follows, *score.replaces))
    averaged = {Pooling.MEAN_LOGIT: "logit", Pooling.MEAN_PROB: "probabilit"}[detector.usual.pooling]
    assert averaged in told
    if any("how many frames" in part for part in score.follows):
        assert score.rule.startswith(f"{detector.usual.frames * detector.usual.clips_per_video} frames")
    if "the mean of the probabilities" in score.follows:
        assert detector.usual.pooling is Pooling.MEAN_PROB


def test_no_other_page_of_the_docs_repeats_a_paper_or_an_address() -> None:
    page = (DOCS / "baselines.md").read_text(encoding="utf-8")
    for name in DETECTORS:
        card = _card(name)
        for paper in card.papers:
            assert paper.title not in page
            assert not paper.arxiv or paper.arxiv not in page
        assert card.code.url.removeprefix("https://") not in page


@pytest.mark.slow  # it imports timm
def test_a_member_of_a_family_has_its_card_and_the_licence_of_its_own_weights() -> None:
    detector = detector_described("timm:swin_tiny_patch4_window7_224", REGISTRY)
    assert detector.card == _card("timm:NAME")
    starts = {described.recipe.name: described.start for described in detector.recipes}
    standard = starts["standard"]
    assert standard is not None
    assert (standard.name, standard.licence) == ("swin_tiny_patch4_window7_224.ms_in1k", "mit")
    assert "huggingface.co/timm/" in standard.url
    assert starts["demo"] is None


def _own(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> DetectorSpec:
    """Return the spec of a detector of a made-up package with these card files."""
    package = folder / f"cards_{folder.name}"  # one of its own, as packages stay imported
    package.mkdir()
    for name, text in files.items():
        (package / f"{name}.toml").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return DetectorSpec(name="own", summary="Own.", build="a:b", card_file=f"{package.name}:own")


BASE = """
papers = ["me"]
input = ""
published_as = []
figures_note = "None."
[code]
url = "https://example.org"
licence = "MIT"
[weights]
licence = "unknown"
trained_on = "unknown"
offered = "unknown"
[score]
rule = "the mean"
follows = []
replaces = []
"""
PAPER = '[me]\ntitle = "T"\nauthors = ["A", "et al."]\nvenue = "V"\nyear = 2026\n'


def test_a_third_party_brings_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"_base": BASE, "own": 'extends = "_base"\n[code]\nlicence = "GPL-3.0"\n', "_papers": PAPER}
    card = card_of_work(_own(tmp_path, monkeypatch, files))
    assert (card.code.licence, card.code.url) == ("GPL-3.0", "https://example.org")
    assert [paper.in_words() for paper in card.papers] == ["A et al.: T, V 2026"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"_papers": PAPER}, "own.toml of detector 'own' cannot be read"),
        ({"own": "papers = ["}, "own.toml of detector 'own' cannot be read"),
        ({"own": BASE, "_papers": ""}, "names a paper 'me'"),
        ({"own": BASE.replace('rule = "the mean"\n', ""), "_papers": PAPER}, "score.rule: Field required"),
        ({"own": BASE.replace('"MIT"', '""'), "_papers": PAPER}, "code.licence: String should have at least"),
        ({"own": BASE + 'lisence = "MIT"\n', "_papers": PAPER}, "score.lisence: Extra inputs"),
        ({"own": BASE.replace('["me"]', "3"), "_papers": PAPER}, "papers"),
    ],
)
def test_a_card_that_is_not_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str
) -> None:
    spec = _own(tmp_path, monkeypatch, files)
    with pytest.raises(PluginError) as caught:
        card_of_work(spec)
    assert said in caught.value.headline


def test_a_plugin_without_a_card_says_what_its_spec_says() -> None:
    card = card_of_work(DetectorSpec(name="x", summary="X.", build="a:b", licence="MIT", citation="Me, 2026"))
    assert (card.code.licence, card.code.url) == ("MIT", "Me, 2026")
    assert card.weights.trained_on == UNKNOWN
    drawn = DetectorSpec(name="x", summary="X.", build="a:b", trained_on=frozenset())
    assert card_of_work(drawn).weights.trained_on == "none: nothing was trained"


@pytest.mark.parametrize("path", ["cards", "a b:c", 3])
def test_a_card_that_is_no_name_of_a_file_is_a_fault_of_the_spec(path: Any) -> None:
    spec = DetectorSpec(name="x", summary="X.", build="a:b", card_file=path)
    assert "card_file" in detector_fault(spec)
