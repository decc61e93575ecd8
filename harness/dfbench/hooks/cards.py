"""Read the card of a detector: what is published about it, as its plugin states it in a TOML file.

A card states facts about the work of others that no recipe and no code states: papers, licences, what the published model was
trained on, and how its authors make one score of a video. Every field must be given, so that a fact that nobody knows is written
down as "unknown" and not left out. A plugin without card files states what it has in its spec.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dfbench.errors import PluginError
from dfbench.hooks.plugin_code import running
from dfbench.specs import DetectorSpec

UNKNOWN = "unknown"  # in a card: nobody who wrote it knew
EXTENDS = "extends"
PAPERS = "_papers"  # the file beside the cards that describes the papers that they name

_Text = Annotated[str, Field(min_length=1)]


class _Stated(BaseModel):
    """Refuses unknown fields, missing fields and empty texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Paper(_Stated):
    """A publication. `authors` are surnames, the last of them "et al." if there are more; `arxiv` and `doi` may be ""."""

    title: _Text
    authors: tuple[_Text, ...] = Field(min_length=1)
    venue: _Text
    year: int = Field(ge=1900, le=2100)
    arxiv: str = Field(default="", pattern=r"^(\d{4}\.\d{4,5})?$")
    doi: str = Field(default="", pattern=r"^(10\..+/.+)?$")

    def in_words(self) -> str:
        """Return the reference on one line: surnames, title, venue and year, and where the text is."""
        where = [
            text for text in (self.arxiv and f"arXiv {self.arxiv}", self.doi and f"doi {self.doi}") if text
        ]
        venue = self.venue if self.venue.endswith(str(self.year)) else f"{self.venue} {self.year}"
        authors = ", ".join(self.authors).replace(", et al.", " et al.")
        return f"{authors}: {self.title}, {venue}" + (f" ({', '.join(where)})" if where else "")


class Code(_Stated):
    """The code of the authors: where it is, and its licence."""

    url: _Text
    licence: _Text


class PublishedWeights(_Stated):
    """The weights that the owners publish: their licence, what they were trained on, and the page that offers them."""

    licence: _Text
    trained_on: _Text
    offered: _Text


class VideoScore(_Stated):
    """How the authors make one score of a video of its frames and faces, and which parts of that dfbench follows or replaces."""

    rule: _Text
    follows: tuple[_Text, ...]
    replaces: tuple[_Text, ...]


class Card(_Stated):
    """What is published about a detector.

    `papers` are those of the method first, then of what its recipes were taken from; empty for what nobody published. `input`
    says what the network is shown where no recipe says it, "" elsewhere. `published_as` are the names under which the tables of
    published figures (`results/published`) have it; `figures_note` says what a reader of these must know, or why there are none.
    """

    papers: tuple[Paper, ...]
    code: Code
    weights: PublishedWeights
    score: VideoScore
    input: str
    published_as: tuple[_Text, ...]
    figures_note: str


def card_of_work(spec: DetectorSpec) -> Card:
    """Return the card that `spec.card_file` names; without one, a card with the licence and citation of the spec alone.

    Raises PluginError, which names the file and the field, for a card that is missing or incomplete.
    """
    if not spec.card_file:
        return _of_spec(spec)
    with running(spec, "to read its card"):  # which imports the package
        return _of_file(spec)


def _of_file(spec: DetectorSpec) -> Card:
    package, _, name = spec.card_file.partition(":")
    where = f"the card {package}/{name}.toml of detector {spec.name!r}"
    try:
        fields = _read(package, name)
        keys = fields.get("papers")
        if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
            papers = _read(package, PAPERS) if keys else {}
            fields["papers"] = [papers[key] for key in keys]
        return Card.model_validate(fields)
    except (OSError, ModuleNotFoundError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{where} cannot be read: {error}") from error
    except KeyError as error:
        raise PluginError(
            f"{where} names a paper {error.args[0]!r}, which {PAPERS}.toml beside it does not describe"
        ) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise PluginError(
            f"{where} cannot be used: {faults}",
            hints=(f'state each field; what nobody knows is written "{UNKNOWN}"',),
        ) from error


def _of_spec(spec: DetectorSpec) -> Card:
    """Return the card of a detector whose plugin brings none: what its spec says, and "unknown"."""
    known = "none: nothing was trained" if spec.trained_on == frozenset() else UNKNOWN
    return Card(
        papers=(),
        code=Code(url=spec.citation or UNKNOWN, licence=spec.licence or UNKNOWN),
        weights=PublishedWeights(licence=UNKNOWN, trained_on=known, offered=UNKNOWN),
        score=VideoScore(rule=UNKNOWN, follows=(), replaces=()),
        input="",
        published_as=(),
        figures_note="None is known: its plugin brings no card.",
    )


def _read(package: str, name: str) -> dict[str, Any]:
    """Return the fields of a card and of the card that it extends; a table of both has the fields of both."""
    fields = tomllib.loads((files(package) / f"{name}.toml").read_text(encoding="utf-8"))
    parent = fields.pop(EXTENDS, None)
    return _merged(_read(package, parent), fields) if parent else fields


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
    }
    return {**old, **both}
