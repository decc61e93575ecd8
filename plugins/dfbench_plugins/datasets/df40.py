"""DF40: 40 methods of forgery. Its packs differ in their trees from method to method, so it is read through a list of yours."""

from __future__ import annotations

from functools import partial

from dfbench import DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="df40",
    title="DF40",
    summary="40 methods of forgery, handed out as packs of face crops.",
    build="dfbench_plugins.datasets.df40:build",
    homepage="https://github.com/YZY-stack/DF40",
    licence="CC BY-NC 4.0",
    citation="""@inproceedings{yan2024df40,
  title     = {{DF40}: Toward Next-Generation Deepfake Detection},
  author    = {Yan, Zhiyuan and Yao, Taiping and Chen, Shen and Zhao, Yandan and Fu, Xinghe and Zhu, Junwei
               and Luo, Donghao and Wang, Chengjie and Ding, Shouhong and Wu, Yunsheng and Yuan, Li},
  booktitle = {Advances in Neural Information Processing Systems (NeurIPS), Datasets and Benchmarks},
  year      = {2024}
}""",
    aliases=("DF40",),
    compressions=("original",),
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
