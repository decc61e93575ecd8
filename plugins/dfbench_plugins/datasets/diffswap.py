"""DiffSwap: a method of face swapping. The videos that papers report on are not public; for those who have or make some."""

from __future__ import annotations

from functools import partial

from dfbench import DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="diffswap",
    title="DiffSwap",
    summary="Face swaps by a diffusion model; no public dataset stands behind the published numbers.",
    build="dfbench_plugins.datasets.diffswap:build",
    homepage="https://github.com/wl-zhao/DiffSwap",
    licence="none stated: the repository is code and a checkpoint, no dataset",
    citation="""@inproceedings{zhao2023diffswap,
  title     = {{DiffSwap}: High-Fidelity and Controllable Face Swapping via {3D}-Aware Masked Diffusion},
  author    = {Zhao, Wenliang and Rao, Yongming and Shi, Weikang and Liu, Zuyan and Zhou, Jie and Lu, Jiwen},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2023}
}""",
    aliases=("DiffSwap",),
    compressions=("original",),
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
