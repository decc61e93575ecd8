"""`dfbench detectors`: which detectors there are, and what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags, output
from dfbench.cli.output import WholeSummaries
from dfbench.cli.shared import setup_of
from dfbench.escaping import for_shell

if TYPE_CHECKING:
    from dfbench.training.described import DescribedDetector, DescribedRecipe
    from dfbench.training.recipe import Recipe

app = typer.Typer(help="List and show detectors.", no_args_is_help=True, cls=WholeSummaries)


@app.command("list")
def list_command(context: typer.Context, as_json: flags.Json = False) -> None:
    """List every detector: what it is shown, what it learns from, its recipes, and whose checkpoints it reads."""
    from dfbench.results.detector_cards import card_json, seen
    from dfbench.results.terminal import DataTable
    from dfbench.training.described import all_detectors

    found = all_detectors(setup_of(context).registry)
    if as_json:
        output.say_json([card_json(detector) for detector in found])
        return
    table = DataTable("detector", "sees", "learns from", "recipes", "also reads")
    for detector in found:
        table.add_row(
            detector.offer.listed_as,
            seen(detector),
            _learns_from(detector.usual) if detector.usual else "",
            ", ".join(detector.names.names),
            list(detector.released),
        )
    output.print_table(table)
    for detector in found:
        if detector.problem:
            output.say(f"warning: {detector.problem}", error=True)


@app.command("show")
def show_command(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="DETECTOR", help="A name, such as xception or timm:resnet18.")
    ],
    as_json: flags.Json = False,
) -> None:
    """Show what is known of a detector: its card, each recipe, what a training begins with, and which weights it reads."""
    from dfbench.results.detector_cards import card_json, card_lines, seen
    from dfbench.training.described import detector_described

    detector = detector_described(name, setup_of(context).registry)
    if as_json:
        output.say_json(card_json(detector))
        return
    spec = detector.spec
    output.say(f"{spec.name} (plugin {detector.offer.plugin}, version {spec.version})")
    output.say(f"  sees:          {seen(detector)}")
    output.say(f"  weights:       {_weights(detector)}")
    if spec.maps:
        output.say(f"  explains by:   {', '.join(spec.maps)}")
    output.say(f"  precisions:    {', '.join(spec.precisions)}")
    if not detector.recipes and detector.names.names:
        output.say(f"  recipes:       {', '.join(detector.names.names)}")
    for described in detector.recipes:
        _show_recipe(described, used_for=_used_for(detector, described.recipe.name))
    output.say_lines(card_lines(detector))


@app.command("cards")
def cards_command(context: typer.Context) -> None:
    """Print the cards of all detectors as a page of Markdown (docs/cards.md)."""
    from dfbench.results.detector_cards import cards_page
    from dfbench.training.described import all_detectors

    output.say_block(cards_page(all_detectors(setup_of(context).registry)))


def _show_recipe(described: DescribedRecipe, *, used_for: str) -> None:
    recipe = described.recipe
    from dfbench.results.detector_cards import clips_in_words, file_in_words

    clips = recipe.clips()
    crop = f"{'a square' if clips.square else 'the shape of the face box'}, margin {clips.margin:g}"
    output.say(f"  recipe {recipe.name}{used_for}")
    output.say(f"    clips:       {clips_in_words(clips)}, {clips.per_video} a video; the crop is {crop}")
    output.say(f"    a video's score: {recipe.pooling}")
    output.say(
        f"    learns from: {_learns_from(recipe)}, for {recipe.epochs} {'epoch' if recipe.epochs == 1 else 'epochs'}"
    )
    if described.start:
        output.say(f"    begins with: {file_in_words(described.start)}")
    if described.needs_start:
        output.say(f"    must begin with weights: {described.needs_start.headline}")
        for hint in described.needs_start.hints:
            output.say(f"      {hint}")


def _learns_from(recipe: Recipe) -> str:
    return "real and fake videos" if recipe.fakes == "real" else f"{recipe.made_by} of real videos"


def _weights(detector: DescribedDetector) -> str:
    spec = detector.spec
    if not spec.needs_weights:
        return "none needed"
    if spec.trainer:
        return f"trained here:  dfbench train --detector {for_shell(spec.name)}"
    return "a file:  --weights FILE"


def _used_for(detector: DescribedDetector, name: str) -> str:
    uses = {"the default": detector.names.default, "for made data": detector.names.demo}
    found = [use for use, recipe in uses.items() if recipe == name]
    return f" ({', '.join(found)})" if found else ""
