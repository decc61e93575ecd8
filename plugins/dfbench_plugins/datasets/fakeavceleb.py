"""FakeAVCeleb (v1.2): celebrities with forged video, forged speech, or both, by its own table meta_data.csv.

Source: Khalid et al., NeurIPS 2021 (Datasets and Benchmarks), and https://github.com/DASH-Lab/FakeAVCeleb. Where only the
speech is forged (type RealVideo-FakeAudio), the picture is genuine: such a file is no fake for a detector of video, nor
a real that anybody asked for, and stays out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dfbench import Counts, Dataset, DatasetIndex, DatasetSpec, Label, LayoutError, Video
from dfbench_plugins.datasets import listfiles, tree
from dfbench_plugins.datasets.folder import FolderDataset, is_own_form

SPEC = DatasetSpec(
    name="fakeavceleb",
    title="FakeAVCeleb",
    summary="Celebrities with forged video, forged speech, or both; 500 real and 20,544 forged videos.",
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
    official={"test": Counts(500, 20544)},
    unverified="that the 22 rows of meta_data.csv which repeat a file are all of forged videos",
)

LIST_NAME = "meta_data.csv"
_TYPES = {
    "RealVideo-RealAudio": Label.REAL,
    "FakeVideo-RealAudio": Label.FAKE,
    "FakeVideo-FakeAudio": Label.FAKE,
}
_SPEECH_ALONE = "RealVideo-FakeAudio"
_COLUMNS = ("source", "target1", "target2", "method", "type", "filename", "path")
# Older copies call the file's name "path" and leave its folder's column without a name.
_OLDER = {"path": "filename", "": "path", "unnamed: 9": "path"}
_PEOPLE = ("source", "target1", "target2")
_NOBODY = ("", "-")
_FORM = f"a header with the columns {', '.join(_COLUMNS)}"


class FakeAVCeleb:
    """FakeAVCeleb from its own table; there is no official split, so every video is a test video.

    `identities` are the people of the columns source, target1 and target2; `group` is the source, whose footage it is. The
    manipulation of a fake is its method.
    """

    def __init__(self, root: Path, *, compression: str | None) -> None:
        """`compression` None and "original" mean the same. Raises UsageError for any other."""
        self._root = root
        self._compression = tree.compression_of(compression, dataset=SPEC.name, offered=SPEC.compressions)

    def index(self) -> DatasetIndex:
        """The videos in the order of the table. Raises LayoutError if the root is wrong or the table names no video."""
        expected = f"{LIST_NAME} and the folders {', '.join(_TYPES)}"
        signs = (LIST_NAME, *_TYPES)
        tree.require_root(self._root, dataset=SPEC.name, signs=signs, expected=expected)
        path = self._root / LIST_NAME
        if not path.exists():
            raise LayoutError(
                f"{self._root} has no {LIST_NAME}",
                hints=(f"copy it from the release to {path}: labels, methods and people are in it",),
            )
        problems: list[str] = []
        rows, repeated = _rows(path, problems)
        videos = [self._video(name, row) for name, row in rows.items() if row["type"] in _TYPES]
        if not videos:
            raise listfiles.no_video(f"{path} names", problems)
        notes = []
        if speech := len(rows) - len(videos):
            notes.append(
                f"{speech} videos of type {_SPEECH_ALONE} are left out: only their speech is forged, so that they are no "
                "fakes for a detector of video"
            )
        if repeated:
            notes.append(f"{repeated} rows of {LIST_NAME} repeat a file, which counts once (22 in v1.2)")
        return DatasetIndex(tuple(videos), tuple(problems), tuple(notes), (path,))

    def _video(self, name: str, row: Mapping[str, str]) -> Video:
        label = _TYPES[row["type"]]
        people = [row[column] for column in _PEOPLE if row[column] not in _NOBODY]
        return Video(
            dataset=SPEC.name,
            video_id=name.removesuffix(".mp4"),
            path=self._root / name,
            label=label,
            split="test",
            manipulation="real" if label is Label.REAL else row["method"],
            compression=self._compression,
            identities=tuple(dict.fromkeys(people)),
            group=row["source"],
        )


def _rows(path: Path, problems: list[str]) -> tuple[dict[str, dict[str, str]], int]:
    """The usable rows of the table by the path of their file below the root, and how many repeat one."""
    rows: dict[str, dict[str, str]] = {}
    repeated = 0
    lines = listfiles.read_lines(path, problems)
    header = [field.casefold() for field in listfiles.csv_fields(lines[0][1])] if lines else []
    if "filename" not in header:
        header = [_OLDER.get(name, name) for name in header]
    if not set(_COLUMNS) <= set(header):
        number, line = lines[0] if lines else (1, "")
        problems.append(listfiles.describe(path, f"line {number}", line, "is not the header", _FORM))
        return rows, repeated
    for number, line in lines[1:]:
        fields = listfiles.csv_fields(line)
        row = dict(zip(header, fields, strict=False))
        wrong = f"has {len(fields)} fields where {len(header)} were expected"
        if len(fields) == len(header):
            wrong = _fault(row)
        if not wrong:
            name = _name(row)
            repeated += name in rows
            if rows.setdefault(name, row)["type"] != row["type"]:
                wrong = "repeats a file under another type"
        if wrong:
            remedy = "restore the official file"
            problems.append(listfiles.describe(path, f"line {number}", line, wrong, remedy))
    return rows, repeated


def _name(row: Mapping[str, str]) -> str:
    """The path of a row's file below the root: its folder is given from the root's parent, by the release's own name."""
    _, *below = PurePosixPath(row["path"]).parts
    return PurePosixPath(*below, row["filename"]).as_posix()


def _fault(row: Mapping[str, str]) -> str:
    """What is wrong with a row, "" if nothing is."""
    folders = row["path"].split("/")
    if row["type"] not in (*_TYPES, _SPEECH_ALONE):
        return f"has the type {row['type']!a}, which is none of {', '.join((*_TYPES, _SPEECH_ALONE))}"
    if not listfiles.is_file_name(row["filename"]):
        return "does not name an mp4 file"
    if len(folders) < 2 or folders[1] != row["type"] or not all(map(_is_folder_name, folders)):
        return f"has the path {row['path']!a}, which is not <release>/{row['type']}/..."
    if not row["source"] or any(";" in row[one] or not listfiles.is_clean(row[one]) for one in _PEOPLE):
        return "does not name its source"
    if not row["method"] or not listfiles.is_clean(row["method"]):
        return "names no method"
    return ""


def _is_folder_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "\\" not in name and listfiles.is_clean(name)


def build(root: Path, *, compression: str | None) -> Dataset:
    """FakeAVCeleb at `root`, by its own table or by a list of the user's. Raises UsageError for an unknown compression."""
    if is_own_form(root):
        return FolderDataset(root, compression=compression, spec=SPEC)
    return FakeAVCeleb(root, compression=compression)
