"""The datasets that come with dfbench, one file each."""

from __future__ import annotations

from dfbench import DatasetSpec, hookimpl
from dfbench_plugins.datasets import (
    celeb_df_pp,
    celeb_df_v1,
    celeb_df_v2,
    deeperforensics,
    deeperforensics_sources,
    df40,
    dfd,
    dfdc,
    dfdc_3215,
    dfdcp,
    diffswap,
    fakeavceleb,
    ffiw,
    ffpp,
    folder,
    kodf,
    uadfv,
    wilddeepfake,
)

_ALL = (
    *(ffpp, celeb_df_v2, dfdc, dfd),
    *(celeb_df_v1, dfdc_3215, dfdcp, deeperforensics, deeperforensics_sources, wilddeepfake, ffiw),
    *(celeb_df_pp, df40, diffswap, kodf, uadfv, fakeavceleb),
    folder,
)


@hookimpl
def dfbench_datasets() -> list[DatasetSpec]:
    """Those whose layout is verified first, `folder` last."""
    return [one.SPEC for one in _ALL]
