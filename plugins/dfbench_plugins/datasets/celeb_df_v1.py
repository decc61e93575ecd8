"""Celeb-DF (v1): the first release, with the layout and the odd test list of the second."""

from __future__ import annotations

from pathlib import Path

from dfbench_plugins.datasets import celeb_df_v2

SPEC = celeb_df_v2.FIRST


def build(root: Path, *, compression: str | None) -> celeb_df_v2.CelebDF:
    """The first release at `root`. Raises UsageError for a compression other than "original"."""
    return celeb_df_v2.CelebDF(root, compression=compression, spec=SPEC, other=celeb_df_v2.SPEC)
