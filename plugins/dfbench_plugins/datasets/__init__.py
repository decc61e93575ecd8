"""The datasets that come with dfbench: FaceForensics++, Celeb-DF (v2), DFDC and DFD, one file each."""

from __future__ import annotations

from dfbench import DatasetSpec, hookimpl
from dfbench_plugins.datasets import celeb_df_v2, dfd, dfdc, ffpp


@hookimpl
def dfbench_datasets() -> list[DatasetSpec]:
    """The four datasets."""
    return [ffpp.SPEC, celeb_df_v2.SPEC, dfdc.SPEC, dfd.SPEC]
