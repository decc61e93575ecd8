"""Celeb-DF (v1): the first release, with the layout and the odd test list of the second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dfbench import Counts
from dfbench_plugins.datasets import celeb_df_v2

SPEC = replace(
    celeb_df_v2.SPEC,
    name="celeb_df_v1",
    title="Celeb-DF (v1)",
    summary="158 celebrity and 250 YouTube reals, 795 face swaps; 100 test videos.",
    build="dfbench_plugins.datasets.celeb_df_v1:build",
    aliases=("CDF1", "CDFv1", "Celeb-DF-v1"),
    official={"train": Counts(370, 733), "test": Counts(38, 62)},
)


def build(root: Path, *, compression: str | None) -> celeb_df_v2.CelebDF:
    """The first release at `root`. Raises UsageError for a compression other than "original"."""
    return celeb_df_v2.CelebDF(root, compression=compression, spec=SPEC, other=celeb_df_v2.SPEC)
