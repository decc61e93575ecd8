"""Celeb-DF++: Celeb-DF (v2) with more kinds of forgery. Its list is not public, so it is read through one of yours."""

from __future__ import annotations

from functools import partial

from dfbench import Counts, DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="celeb_df_pp",
    title="Celeb-DF++",
    summary="Celebrity interviews forged by 22 methods; 5,418 test videos.",
    build="dfbench_plugins.datasets.celeb_df_pp:build",
    homepage="https://github.com/OUC-VAS/Celeb-DF-PP",
    licence="CC BY-NC 4.0",
    citation="""@article{li2025celebdfpp,
  title   = {{Celeb-DF++}: A Large-scale Challenging Video {DeepFake} Benchmark for Generalizable Forensics},
  author  = {Li, Yuezun and Zhu, Delong and Cui, Xinjie and Lyu, Siwei},
  journal = {arXiv preprint arXiv:2507.18015},
  year    = {2025}
}""",
    aliases=("CDF++", "Celeb-DF++", "Celeb-DF-PP"),
    compressions=("original",),
    official={"test": Counts(178, 5240)},
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
