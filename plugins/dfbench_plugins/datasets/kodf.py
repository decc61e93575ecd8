"""KoDF, the Korean DeepFake dataset. It has no split and its layout is not verified, so it is read through a list of yours."""

from __future__ import annotations

from functools import partial

from dfbench import DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="kodf",
    title="KoDF",
    summary="403 Korean subjects: 62,166 real and 175,776 forged clips; no split.",
    build="dfbench_plugins.datasets.kodf:build",
    homepage="https://github.com/deepbrainai-research/kodf",
    licence="KoDF licence (form; within Korea through AI-Hub)",
    citation="""@inproceedings{kwon2021kodf,
  title     = {{KoDF}: A Large-scale {Korean} {DeepFake} Detection Dataset},
  author    = {Kwon, Patrick and You, Jaeseong and Nam, Gyuhyeon and Park, Sungwoo and Chae, Gyeongsu},
  booktitle = {International Conference on Computer Vision (ICCV)},
  year      = {2021}
}""",
    aliases=("KoDF",),
    compressions=("original",),
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
