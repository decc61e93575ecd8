"""DFDC: both forms of the test set, and the training parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dfbench import Label, LayoutError, Video
from dfbench_plugins.datasets.dfdc import DeepfakeDetectionChallenge

WriteTree = Callable[[Path, Mapping[str, bytes | str]], Path]
LABELS = "filename,label\naalscayrfi.mp4,1\nabacadabra.mp4,0\n"
METADATA = json.dumps(
    {
        "aalscayrfi.mp4": {"is_fake": 1, "augmentations": {"blur": 3}},
        "abacadabra.mp4": {"is_fake": 0, "augmentations": {}},
    }
)


def index_of(root: Path) -> tuple[list[Video], tuple[str, ...]]:
    index = DeepfakeDetectionChallenge(root, compression=None).index()
    return list(index.videos), index.problems


def labels_of(videos: list[Video]) -> list[tuple[str, Label]]:
    return [(video.video_id, video.label) for video in videos]


EXPECTED = [("test/aalscayrfi", Label.FAKE), ("test/abacadabra", Label.REAL)]


@pytest.mark.parametrize(
    "files",
    [
        {"test/labels.csv": LABELS},
        {"test/labels.csv": LABELS.removesuffix("\n")},
        {"test/labels.csv": LABELS.replace("\n", "\r\n")},
        {"test/labels.csv": LABELS.removeprefix("filename,label\n")},
        {"test/labels.csv": "label,filename\n1,aalscayrfi.mp4\n0,abacadabra.mp4"},
        {"test/labels.csv": "filename,label\naalscayrfi.mp4,1.0\nabacadabra.mp4,0.0"},
        {"test/labels.csv": '"filename","label"\n"aalscayrfi.mp4","FAKE"\nabacadabra.mp4, real\n'},
        {"test/metadata.json": METADATA},
        {"test/labels.csv": LABELS, "test/metadata.json": METADATA},
    ],
)
def test_every_form_of_the_test_set_says_the_same(
    tmp_path: Path, write_tree: WriteTree, files: Mapping[str, str]
) -> None:
    videos, problems = index_of(write_tree(tmp_path / "DFDC", files))
    assert labels_of(videos) == EXPECTED
    assert problems == ()


def test_of_a_test_video_nobody_knows_the_people_or_the_method(tmp_path: Path, write_tree: WriteTree) -> None:
    (fake, real), _ = index_of(write_tree(tmp_path / "DFDC", {"test/labels.csv": LABELS}))
    assert (fake.split, fake.manipulation, fake.identities, fake.group) == ("test", "mixed", (), "aalscayrfi")
    assert (real.manipulation, real.group) == ("real", "abacadabra")


def test_videos_beside_the_list_or_in_a_folder(tmp_path: Path, write_tree: WriteTree) -> None:
    root = write_tree(tmp_path / "DFDC", {"test/labels.csv": LABELS})
    assert index_of(root)[0][0].path == root / "test" / "aalscayrfi.mp4"
    (root / "test" / "videos").mkdir()
    assert index_of(root)[0][0].path == root / "test" / "videos" / "aalscayrfi.mp4"


def test_disagreeing_lists_are_told(tmp_path: Path, write_tree: WriteTree) -> None:
    other = METADATA.replace('"is_fake": 0', '"is_fake": 1')
    root = write_tree(tmp_path / "DFDC", {"test/labels.csv": LABELS, "test/metadata.json": other})
    videos, problems = index_of(root)
    assert labels_of(videos) == EXPECTED
    assert len(problems) == 1
    assert "disagree" in problems[0]
    assert "abacadabra.mp4" in problems[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("aalscayrfi.mp4,0", "repeats the video of line 2"),
        ("x.mp4", "1 fields where 2"),
        ("x.mp4,1,0", "3 fields where 2"),
        ("x.mp4,2", "label '2'"),
        ("x.mp4,", "label ''"),
        ("x.avi,1", "does not name an mp4 file"),
        ("../x.mp4,1", "does not name an mp4 file"),
        ('"x.mp4,1', "1 fields where 2"),
    ],
)
def test_a_bad_csv_line_is_told_with_its_number(
    tmp_path: Path, write_tree: WriteTree, line: str, words: str
) -> None:
    root = write_tree(tmp_path / "DFDC", {"test/labels.csv": f"{LABELS}{line}"})
    videos, problems = index_of(root)
    assert labels_of(videos) == EXPECTED
    (problem,) = problems
    assert problem.startswith(f"{root / 'test/labels.csv'}, line 4: ")
    assert words in problem


@pytest.mark.parametrize(
    "entry", [{}, {"is_fake": "1"}, {"is_fake": 2}, {"is_fake": 1.0}, [], None, {"label": "fake"}]
)
def test_a_bad_metadata_entry_is_told_by_name(tmp_path: Path, write_tree: WriteTree, entry: object) -> None:
    content = json.dumps({"x.mp4": entry, "y.mp4": {"is_fake": 0}})
    videos, problems = index_of(write_tree(tmp_path / "DFDC", {"test/metadata.json": content}))
    assert [video.video_id for video in videos] == ["test/y"]
    assert len(problems) == 1
    assert "metadata.json, entry 'x.mp4'" in problems[0]


def test_a_name_that_json_repeats_is_told(tmp_path: Path, write_tree: WriteTree) -> None:
    content = '{"x.mp4": {"is_fake": 0}, "x.mp4": {"is_fake": 1}}'
    videos, problems = index_of(write_tree(tmp_path / "DFDC", {"test/metadata.json": content}))
    assert labels_of(videos) == [("test/x", Label.REAL)]
    assert len(problems) == 1
    assert "repeats this name" in problems[0]


def test_training_parts_group_fakes_with_their_original(tmp_path: Path, write_tree: WriteTree) -> None:
    content = {
        "real.mp4": {"label": "REAL", "split": "train", "original": None},
        "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
        "orphan.mp4": {"label": "FAKE", "split": "train"},
    }
    root = write_tree(
        tmp_path / "DFDC",
        {
            "dfdc_train_part_10/metadata.json": json.dumps({"last.mp4": {"label": "REAL"}}),
            "dfdc_train_part_2/metadata.json": json.dumps(content),
            "test/labels.csv": LABELS,
        },
    )
    videos, problems = index_of(root)
    assert problems == ()
    train = [(video.video_id, video.group) for video in videos if video.split == "train"]
    assert train == [
        ("dfdc_train_part_2/real", "real"),
        ("dfdc_train_part_2/fake", "real"),
        ("dfdc_train_part_2/orphan", "orphan"),
        ("dfdc_train_part_10/last", "last"),
    ]


def test_a_part_without_metadata_and_a_part_given_twice_are_told(
    tmp_path: Path, write_tree: WriteTree
) -> None:
    metadata = json.dumps({"a.mp4": {"label": "REAL"}})
    root = write_tree(
        tmp_path / "DFDC",
        {
            "dfdc_train_part_0/metadata.json": metadata,
            "dfdc_train_part_1/a.mp4": b"v",
            "train/dfdc_train_part_0/metadata.json": metadata,
        },
    )
    videos, problems = index_of(root)
    assert [video.video_id for video in videos] == ["dfdc_train_part_0/a"]
    assert any("is the same part" in one for one in problems)
    assert any("dfdc_train_part_1" in one and "missing" in one for one in problems)


def test_a_list_without_videos_and_a_wrong_root(tmp_path: Path, write_tree: WriteTree) -> None:
    root = write_tree(tmp_path / "DFDC", {"test/labels.csv": "filename,label\n"})
    with pytest.raises(LayoutError, match="name no video"):
        index_of(root)
    with pytest.raises(LayoutError, match="layout of dfdc") as caught:
        index_of(tmp_path)
    assert caught.value.hints[0].endswith(f"{root}?")


@pytest.mark.parametrize(
    "place",
    [
        "test/{}",
        "test/videos/{}",
        "test/download_videos/{}",
        "{}",
        "videos/{}",
        "download_videos/{}",
        "test_videos/{}",
        "test/test_videos/{}",
    ],
)
@pytest.mark.parametrize("names", [("labels.csv",), ("metadata.json",)])
def test_the_trees_that_scripts_lay_out(
    tmp_path: Path, write_tree: WriteTree, place: str, names: tuple[str, ...]
) -> None:
    contents = {"labels.csv": LABELS, "metadata.json": METADATA}
    where = "test/" if place.startswith("test/") else ""
    videos = {place.format(name): "v" for name in ("aalscayrfi.mp4", "abacadabra.mp4")}
    root = write_tree(tmp_path / "DFDC", {**{where + name: contents[name] for name in names}, **videos})
    index = DeepfakeDetectionChallenge(root, compression=None).index()
    assert labels_of(list(index.videos)) == EXPECTED
    assert index.problems == ()
    assert all(one.path.is_file() for one in index.videos)
    assert [str(one.relative_to(root)) for one in index.lists] == [where + name for name in names]


def test_the_sample_of_kaggle_is_a_part_of_the_training_set(tmp_path: Path, write_tree: WriteTree) -> None:
    metadata = json.dumps(
        {"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"}, "b.mp4": {"label": "REAL"}}
    )
    root = write_tree(
        tmp_path / "kaggle",
        {
            "train_sample_videos/metadata.json": metadata,
            "train_sample_videos/a.mp4": "v",
            "test_videos/c.mp4": "v",
        },
    )
    index = DeepfakeDetectionChallenge(root, compression=None).index()
    assert [(one.video_id, one.split, one.group) for one in index.videos] == [
        ("train_sample_videos/a", "train", "b"),
        ("train_sample_videos/b", "train", "b"),
    ]


def test_a_training_part_as_the_root_is_refused_with_the_folder_above(
    tmp_path: Path, write_tree: WriteTree
) -> None:
    root = write_tree(
        tmp_path / "DFDC", {"dfdc_train_part_0/metadata.json": json.dumps({"a.mp4": {"label": "REAL"}})}
    )
    with pytest.raises(LayoutError, match="layout of dfdc") as caught:
        DeepfakeDetectionChallenge(root / "dfdc_train_part_0", compression=None).index()
    assert caught.value.hints[0] == f"did you mean the folder above it, {root}?"


def test_the_test_videos_may_lie_in_a_folder_beside_their_labels(
    tmp_path: Path, write_tree: WriteTree
) -> None:
    videos = {f"test/{name}": "v" for name in ("aalscayrfi.mp4", "abacadabra.mp4")}
    root = write_tree(tmp_path / "DFDC", {"labels.csv": LABELS, **videos})
    index = DeepfakeDetectionChallenge(root, compression=None).index()
    assert labels_of(list(index.videos)) == EXPECTED
    assert all(one.path.is_file() for one in index.videos)


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("metadata.json", json.dumps({"a.mp4": {"label": "REAL"}}), "call the folder dfdc_train_part_0"),
        ("dataset.json", "{}", "dfbench data add dfdcp"),
    ],
)
def test_what_else_a_root_is_is_told(
    tmp_path: Path, write_tree: WriteTree, name: str, content: str, hint: str
) -> None:
    root = write_tree(tmp_path / "kaggle", {name: content})
    with pytest.raises(LayoutError, match="layout of dfdc") as caught:
        DeepfakeDetectionChallenge(root, compression=None).index()
    assert hint in caught.value.hints[0]
