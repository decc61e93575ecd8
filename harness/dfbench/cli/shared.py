"""What all parts of one command share."""

from __future__ import annotations

import typer

from dfbench.runs.planning.setup import Setup


def setup_of(context: typer.Context) -> Setup:
    """Return the plugins and settings of the command that is carried out; a command of a plugin may ask for them, too."""
    return context.ensure_object(Setup)
