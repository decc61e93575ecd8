"""UADFV: 49 YouTube videos and a face swap of each. Its layout is not verified, so it is read in the form of `folder`."""

from __future__ import annotations

from functools import partial

from dfbench import Counts, DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="uadfv",
    title="UADFV",
    summary="49 real videos and a face swap of each.",
    build="dfbench_plugins.datasets.uadfv:build",
    homepage="https://github.com/yuezunli/WIFS2018_In_Ictu_Oculi",
    licence="on request (research)",
    citation="""@inproceedings{yang2019uadfv,
  title     = {Exposing Deep Fakes Using Inconsistent Head Poses},
  author    = {Yang, Xin and Li, Yuezun and Lyu, Siwei},
  booktitle = {International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year      = {2019}
}""",
    aliases=("UADFV",),
    compressions=("original",),
    official={"test": Counts(49, 49)},
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
