"""What all parts of one command share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dfbench.runs.planning.setup import Setup

if TYPE_CHECKING:
    from dfbench.settings import Settings


def setup_of(context: typer.Context) -> Setup:
    """Return the plugins and settings of the command that is carried out; a command of a plugin may ask for them, too."""
    return context.ensure_object(Setup)


def settings_of(context: typer.Context, runs: Path | None) -> Settings:
    """Return the settings of the command, with the folder of runs that it names, if it names one."""
    settings = setup_of(context).settings
    return settings if runs is None else settings.model_copy(update={"runs": runs})
