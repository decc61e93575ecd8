"""DFDCP, the preview of DFDC: another dataset than DFDC, though some papers call it so (LAA-Net does).

Source: Dolhansky et al., 2019 (arXiv:1910.08854). `dataset.json` gives label ("real", "fake") and set ("train",
"test") of every video; there is no validation set. Two trees are common: the official one
(`method_A/643049/643049_A/x.mp4`), and the one that SelfBlendedImages re-lays, with a folder `videos` below
`method_A` and `original_videos`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dfbench import Counts, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench_plugins.datasets import listfiles, tree

SPEC = DatasetSpec(
    name="dfdcp",
    title="DFDC preview (DFDCP)",
    summary="Paid actors, two undisclosed manipulations; 777 test videos.",
    build="dfbench_plugins.datasets.dfdcp:Preview",
    homepage="https://ai.meta.com/datasets/dfdc/",
    licence="DFDC preview licence, accepted at registration (research)",
    citation="""@article{dolhansky2019dfdcp,
  title   = {The {Deepfake Detection Challenge} ({DFDC}) Preview Dataset},
  author  = {Dolhansky, Brian and Howes, Russ and Pflaum, Ben and Baram, Nicole and Canton Ferrer, Cristian},
  journal = {arXiv preprint arXiv:1910.08854},
  year    = {2019}
}""",
    aliases=("DFDCP", "DFDC-preview"),
    compressions=("original",),
    official={"train": Counts(855, 3618), "test": Counts(276, 501)},
)

LIST_NAME = "dataset.json"
_REALS = "original_videos"
_METHODS = ("method_A", "method_B")
_LABELS = {"real": Label.REAL, "fake": Label.FAKE}
_SPLITS = ("train", "test")


class Preview:
    """DFDCP in either tree.

    `identities` and `group` are the actor whose footage it is, the folder below the method: the real
    `original_videos/643049/...` and the fake `method_A/643049/643049_A/...` are resampled together.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """The videos in the order of the list. Raises LayoutError if the root is wrong or names no video."""
        signs = (LIST_NAME, *(f"{method}/*" for method in (*_METHODS, _REALS)))
        tree.require_root(self._root, dataset=SPEC.name, signs=signs, expected=f"{LIST_NAME} and {_REALS}")
        path = self._root / LIST_NAME
        if not path.exists():
            raise LayoutError(
                f"{self._root} has no {LIST_NAME}",
                hints=(f"copy it from the archive of the dataset to {path}: labels and splits are in it",),
            )
        problems: list[str] = []
        relaid = {one: (self._root / one / "videos").is_dir() for one in (*_METHODS, _REALS)}
        videos = []
        for name, entry in listfiles.read_json(path, dict, problems).items():
            wrong = _fault(name, entry)
            if wrong:
                remedy = "restore the official file"
                problems.append(listfiles.describe(path, f"entry {name!a}", entry, wrong, remedy))
            else:
                videos.append(self._video(PurePosixPath(name), entry, relaid=relaid))
        if not videos:
            raise listfiles.no_video(f"{path} names", problems)
        return DatasetIndex(tuple(videos), tuple(problems), lists=(path,))

    def _video(self, name: PurePosixPath, entry: Mapping[str, Any], *, relaid: Mapping[str, bool]) -> Video:
        method, actor, *rest = name.parts
        place = self._root / method / "videos" if relaid[method] else self._root / method
        return Video(
            dataset=SPEC.name,
            video_id=str(name.with_suffix("")),
            path=place.joinpath(actor, *rest),
            label=_LABELS[entry["label"]],
            split=entry["set"],
            manipulation="real" if method == _REALS else method,
            compression=self._compression,
            identities=(actor,),
            group=actor,
        )


def _fault(name: str, entry: object) -> str:
    """What is wrong with an entry of the list, "" if nothing is."""
    path = PurePosixPath(name)
    methods = (*_METHODS, _REALS)
    if len(path.parts) < 3 or str(path) != name or ".." in path.parts or path.parts[0] not in methods:
        return f"is not named <one of {', '.join(methods)}>/<actor>/.../<file>.mp4"
    if not listfiles.is_file_name(path.name) or not all(map(_is_folder_name, path.parts[:-1])):
        return "does not name an mp4 file"
    label, split = (entry.get("label"), entry.get("set")) if isinstance(entry, dict) else (None, None)
    wrong = ""
    if not isinstance(label, str) or label not in _LABELS:
        wrong = f'has the label {label!a}, which is neither "real" nor "fake"'
    elif not isinstance(split, str) or split not in _SPLITS:
        wrong = f'has the set {split!a}, which is neither "train" nor "test"'
    elif (_LABELS[label] is Label.REAL) != (path.parts[0] == _REALS):
        wrong = f"is said to be {label}, which does not fit its folder {path.parts[0]}"
    return wrong


def _is_folder_name(name: str) -> bool:
    return listfiles.is_clean(name) and ";" not in name and "\\" not in name
