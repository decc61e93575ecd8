"""The demo corpora: four small deepfake corpora in their official layouts, rendered on this machine.

They let the whole harness run on real files without any data that must be asked for. Everybody in them is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench import CorpusSpec, hookimpl


@hookimpl
def dfbench_corpora() -> list[CorpusSpec]:
    """Offer the demo corpora."""
    return [
        CorpusSpec(
            name="demo",
            summary="FF++, Celeb-DF-v2, DFDC and DFD in small, with rendered people; made here in a few minutes.",
            build="dfbench_plugins.demo.corpora:write",
            licence="Apache-2.0",
            sizes=("full", "small"),
            datasets={
                "ffpp": ("train", "val", "test"),
                "celeb_df_v2": ("test",),
                "dfdc": ("test",),
                "dfd": ("test",),
            },
        )
    ]


@hookimpl
def dfbench_commands(cli: typer.Typer) -> None:
    """Add `dfbench demo-figures`."""

    @cli.command("demo-figures")
    def demo_figures(
        runs: Annotated[
            Path | None, typer.Option(help="The folder of the runs; the configured one if left out.")
        ] = None,
    ) -> None:
        """Say whether the figures of `make demo` are those to expect on any machine."""
        from dfbench import leaderboard, say
        from dfbench_plugins.demo.measured import PROTOCOL, compare, read_measured, told

        board = leaderboard(PROTOCOL, corpus="demo", runs=runs)
        for line in told(compare(board, read_measured())):
            say(line)
