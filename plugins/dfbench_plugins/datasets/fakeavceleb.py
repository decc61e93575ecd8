"""FakeAVCeleb: video and speech forged together or alone. Its layout is not verified, so it is read through a list of yours.

Where only the speech is forged, the video is genuine: such files are no fakes for a detector of video alone.
"""

from __future__ import annotations

from functools import partial

from dfbench import DatasetSpec
from dfbench_plugins.datasets.folder import FolderDataset

SPEC = DatasetSpec(
    name="fakeavceleb",
    title="FakeAVCeleb",
    summary="Celebrities with forged video, forged speech, or both.",
    build="dfbench_plugins.datasets.fakeavceleb:build",
    homepage="https://github.com/DASH-Lab/FakeAVCeleb",
    licence="FakeAVCeleb agreement (form; research only)",
    citation="""@inproceedings{khalid2021fakeavceleb,
  title     = {{FakeAVCeleb}: A Novel Audio-Video Multimodal Deepfake Dataset},
  author    = {Khalid, Hasam and Tariq, Shahroz and Kim, Minha and Woo, Simon S.},
  booktitle = {Advances in Neural Information Processing Systems (NeurIPS), Datasets and Benchmarks},
  year      = {2021}
}""",
    aliases=("FakeAVCeleb",),
    compressions=("original",),
    verified=False,
)

build = partial(FolderDataset, spec=SPEC)
