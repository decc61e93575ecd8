"""`dfbench detectors`: which detectors there are, and what is known of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags, output
from dfbench.cli.output import WholeSummaries
from dfbench.cli.shared import setup_of
from dfbench.escaping import for_shell

if TYPE_CHECKING:
    from dfbench.training.described import DetectorFacts, RecipeFacts

app = typer.Typer(help="List and show detectors.", no_args_is_help=True, cls=WholeSummaries)


@app.command("list")
def list_command(context: typer.Context, as_json: flags.Json = False) -> None:
    """List every detector: what it is shown, what it learns from, its recipes, and whose checkpoints it reads."""
    from dfbench.results.terminal import DataTable
    from dfbench.training.described import all_detectors

    found = all_detectors(setup_of(context).registry)
    if as_json:
        output.say_json([asdict(detector) for detector in found])
        return
    table = DataTable("detector", "sees", "learns from", "recipes", "also reads")
    for detector in found:
        table.add_row(
            detector.name,
            detector.sees,
            detector.learns_from,
            ", ".join(detector.recipe_names),
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
    """Show what is known of a detector: each recipe, what a training begins with, and which weights it reads."""
    from dfbench.training.described import detector_facts

    facts = detector_facts(name, setup_of(context).registry)
    if as_json:
        output.say_json(asdict(facts))
        return
    _show(facts)


def _show(facts: DetectorFacts) -> None:
    output.say(f"{facts.name} (plugin {facts.plugin}, version {facts.version})")
    output.say(f"  sees:          {facts.sees}")
    output.say(f"  weights:       {_weights(facts)}")
    for released in facts.released:
        output.say(f"  also reads:    {released}")
    if facts.maps:
        output.say(f"  explains by:   {', '.join(facts.maps)}")
    output.say(f"  precisions:    {', '.join(facts.precisions)}")
    for recipe in facts.recipes:
        output.say(f"  recipe {recipe.name}{_used_for(facts, recipe.name)}")
        _show_recipe(recipe)
    if facts.recipe_names and not facts.recipes:
        output.say(f"  recipes:       {', '.join(facts.recipe_names)}")


def _show_recipe(recipe: RecipeFacts) -> None:
    from dfbench.training.described import in_words

    clips = f"{recipe.clips_per_video} a video"
    output.say(f"    shown:       {in_words(recipe.frames, recipe.size)}, margin {recipe.margin:g}, {clips}")
    output.say(f"    score:       {recipe.pooling}")
    output.say(f"    learns from: {recipe.learns_from}, {recipe.epochs} epochs")
    if recipe.needs_start:
        output.say(f"    begins with: {recipe.needs_start}")
        for hint in recipe.start_hints:
            output.say(f"      {hint}")


def _weights(facts: DetectorFacts) -> str:
    if not facts.needs_weights:
        return "none needed"
    if facts.trained:
        return f"trained here:  dfbench train --detector {for_shell(facts.name)}"
    return "a file:  --weights FILE"


def _used_for(facts: DetectorFacts, name: str) -> str:
    uses = [
        use for use, one in (("the default", facts.default), ("for made data", facts.demo)) if one == name
    ]
    return f" ({', '.join(uses)})" if uses else ""
