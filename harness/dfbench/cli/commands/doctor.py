"""`dfbench doctor`: is everything here that a run needs?"""

from __future__ import annotations

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of


def doctor_command(context: typer.Context, as_json: flags.Json = False) -> None:
    """Check packages, devices, folders, data roots and plugins; exits with 1 if something is broken."""
    from dfbench.cli import output
    from dfbench.runs.datasets.doctor import diagnose

    findings = diagnose(setup_of(context))
    if as_json:
        output.say_json([{"what": f.what, "state": f.state, "detail": f.detail} for f in findings])
    else:
        for finding in findings:
            output.say(f"{finding.state:8}{finding.what}: {finding.detail}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)
