"""One's own videos: two folders or a list, and the datasets that come in that way."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import DatasetIndex, DatasetSpec, Label, LayoutError
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.hooks.registry import load_object
from dfbench_plugins.datasets import dfbench_datasets, folder

UNVERIFIED = [spec for spec in dfbench_datasets() if not spec.verified]


def index_of(root: Path) -> DatasetIndex:
    return folder.FolderDataset(root, compression=None).index()


def rows(index: DatasetIndex) -> list[tuple[str, Label, str, str]]:
    return [(one.video_id, one.label, one.split, one.manipulation) for one in index.videos]


def test_two_folders(own_root: Path) -> None:
    index = index_of(own_root)
    assert index.problems == ()
    assert index.notes == ("fake/ holds files that are no videos, and are left out: 1 .txt",)
    assert rows(index) == [
        ("real/interview 1.MOV", Label.REAL, "test", "real"),
        ("real/webcam", Label.REAL, "test", "real"),
        ("fake/a.mp4", Label.FAKE, "test", "fake"),
        ("fake/SimSwap/b.mp4", Label.FAKE, "test", "SimSwap"),
    ]
    assert all(video.group == video.video_id for video in index.videos)
    assert take_stock(folder.SPEC, own_root, index).complete


def test_frames_that_belong_to_no_video_and_archives_are_told(own_root: Path) -> None:
    (own_root / "real/0001.png").write_bytes(b"frame")
    (own_root / "fake/more.tar.gz").write_bytes(b"archive")
    index = index_of(own_root)
    assert len(index.videos) == 4
    assert "give each video a folder of its own" in index.problems[0]
    assert index.notes[0] == "fake/ holds 1 archives, which are not looked into: list them in videos.csv"
    inventory = take_stock(folder.SPEC, own_root, index)
    assert any("1 problems in the folders" in line for line in inventory.lines())
    assert inventory.remedies() == ["mend the folders as each line above says"]


def test_what_may_be_a_video_and_is_not_read_is_a_problem(own_root: Path) -> None:
    for name in ("real/a.mp4.part", "real/deep/b.PART", "fake/c.r3d", "loose.mp4", "fake/d.heic"):
        (own_root / name).parent.mkdir(exist_ok=True)
        (own_root / name).write_bytes(b"v")
    (own_root / "unlabelled").mkdir()
    (own_root / "fake/sound.WAV").write_bytes(b"s")
    index = index_of(own_root)
    assert len(index.videos) == 4
    wrong = [one.removeprefix(str(own_root)) for one in index.problems]
    assert [one.partition("; ")[0] for one in wrong] == [
        "/real, entry: 'real/a.mp4.part' is one of 2 .part files, which are not read and left out",
        "/fake, entry: 'fake/d.heic' is one of 1 .heic files, which are not read and left out",
        "/fake, entry: 'fake/c.r3d' is one of 1 .r3d files, which are not read and left out",
        ", entry: 'loose.mp4' lies neither in real/ nor in fake/ and is left out",
    ]
    assert index.notes == (
        "fake/ holds files that are no videos, and are left out: 1 .txt, 1 .wav",
        "not looked into, as neither real/ nor fake/: unlabelled/",
    )


def test_pictures_beside_videos_are_no_video_of_their_own(own_root: Path) -> None:
    (own_root / "fake/SimSwap/thumbnail.jpg").write_bytes(b"picture")
    index = index_of(own_root)
    assert [one.video_id for one in index.videos][2:] == ["fake/a.mp4", "fake/SimSwap/b.mp4"]
    assert "'fake/SimSwap' holds videos and 1 pictures, which are left out" in index.problems[0]


def test_the_two_folders_may_be_written_large(own_root: Path) -> None:
    (own_root / "real").rename(own_root / "Real")
    (own_root / "fake").rename(own_root / "FAKE")
    assert [(one.video_id, one.label) for one in index_of(own_root).videos][1:3] == [
        ("Real/webcam", Label.REAL),
        ("FAKE/a.mp4", Label.FAKE),
    ]


def test_a_link_to_a_folder_is_followed_once(own_root: Path) -> None:
    (own_root / "fake/again").symlink_to(own_root / "fake/SimSwap")
    (own_root / "fake/SimSwap/up").symlink_to(own_root / "fake")
    assert [one.path.name for one in index_of(own_root).videos].count("b.mp4") == 1


def test_a_list_is_all_there_is(own_root: Path) -> None:
    (own_root / "videos.csv").write_text(
        "\ufeffpath,label,split,group,manipulation,identities\r\n"
        'fake/a.mp4,fake,val,anna,Swap,"anna; boris"\r\n'
        "fake/SimSwap/b.mp4,1,,,,\r\n"
        '"real/interview 1.MOV",REAL,test,anna,real,anna\r\n'
        "clips.zip/real/7,0,,,,\r\n"
        "/other disk/c.mp4,real,,,,"
    )
    index = index_of(own_root)
    assert index.problems == ()
    assert rows(index) == [
        ("fake/a.mp4", Label.FAKE, "val", "Swap"),
        ("fake/SimSwap/b.mp4", Label.FAKE, "test", "fake"),
        ("real/interview 1.MOV", Label.REAL, "test", "real"),
        ("clips.zip/real/7", Label.REAL, "test", "real"),
        ("/other disk/c.mp4", Label.REAL, "test", "real"),
    ]
    assert [one.group for one in index.videos][:2] == ["anna", "fake/SimSwap/b.mp4"]
    assert index.videos[0].identities == ("anna", "boris")
    assert index.videos[-1].path == Path("/other disk/c.mp4")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.mp4,2,test", "label '2'"),
        ("a.mp4,,test", "label ''"),
        ("a.mp4,real", "has 2 fields where 3 were expected"),
        ("a.mp4,real,test,x", "has 4 fields where 3"),
        (",real,test", "names no path"),
        (".,real,test", "names no path"),
        ("./b.mp4,fake,test", "repeats the video of line 2"),
        ('"a.mp4,real,test', "has 1 fields where 3"),
        ("a\x07.mp4,real,test", "control characters"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "videos.csv"
    path.write_text(f"Path,Label,Split\nb.mp4,real,\n{line}\n", encoding="utf-8")
    index = index_of(tmp_path)
    assert rows(index) == [("b.mp4", Label.REAL, "test", "real")]
    (problem,) = index.problems
    assert problem.startswith(f"{path}, line 3: ")
    assert words in problem
    assert "path,label,split" in problem


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("TEST", "test"),
        ("Train", "train"),
        ("", "test"),
        ("validation", "val"),
        ("Dev", "val"),
        ("training", "train"),
        ("Fold 1", "fold 1"),
    ],
)
@pytest.mark.parametrize(
    ("given", "label"), [("1.0", Label.FAKE), ("0.", Label.REAL), ("Fake", Label.FAKE), ("0.00", Label.REAL)]
)
def test_labels_and_splits_as_people_and_programs_write_them(
    tmp_path: Path, word: str, split: str, given: str, label: Label
) -> None:
    (tmp_path / "videos.csv").write_text(f"path,label,split\na.mp4,{given},{word}\n")
    index = index_of(tmp_path)
    assert index.problems == ()
    assert [(one.label, one.split) for one in index.videos] == [(label, split)]


@pytest.mark.parametrize("given", ["2.0", "0.5", "nan", "10", "1.1", "-1", "1e0", "0_0"])
def test_other_numbers_are_no_labels(tmp_path: Path, given: str) -> None:
    (tmp_path / "videos.csv").write_text(f"path,label\na.mp4,0.0\nb.mp4,{given}\n")
    index = index_of(tmp_path)
    assert [one.video_id for one in index.videos] == ["a.mp4"]
    assert f"has the label {given!r}" in index.problems[0]


def test_a_manipulation_must_fit_the_label(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text(
        "path,label,manipulation\na.mp4,real,Swap\nb.mp4,fake,real\nc.mp4,fake,X"
    )
    index = index_of(tmp_path)
    assert rows(index) == [("c.mp4", Label.FAKE, "test", "X")]
    assert [
        f"line {n}" in one and "does not fit its label" in one
        for n, one in zip((2, 3), index.problems, strict=True)
    ]


@pytest.mark.parametrize("header", ["", "a.mp4,real", "path,split", "path,label,colour", "path,label,label"])
def test_without_the_header_nothing_is_guessed(tmp_path: Path, header: str) -> None:
    (tmp_path / "videos.csv").write_text(f"{header}\nb.mp4,real\n")
    with pytest.raises(LayoutError, match="holds no video") as caught:
        index_of(tmp_path)
    assert (
        "is not the header; its first line is a header with the columns path,label,split"
        in caught.value.hints[0]
    )


def test_neither_list_nor_folders(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"videos\.csv nor the folders real/ and fake/") as caught:
        index_of(tmp_path)
    assert caught.value.hints[-1] == "docs/datasets/folder.md says more"


def test_the_unverified_datasets() -> None:
    assert [one.name for one in UNVERIFIED] == ["df40", "diffswap", "kodf", "uadfv"]


@pytest.mark.parametrize("spec", UNVERIFIED, ids=lambda spec: spec.name)
def test_an_unverified_dataset_is_read_in_this_form_under_its_own_name(
    own_root: Path, spec: DatasetSpec
) -> None:
    build = load_object(spec.build)
    assert callable(build)
    index = build(own_root, compression=None).index()
    assert {one.dataset for one in index.videos} == {spec.name}
    assert rows(index) == rows(index_of(own_root))
    assert any("not verified" in line for line in take_stock(spec, own_root, index).lines())
    with pytest.raises(LayoutError, match=f"the root of {spec.name}"):
        build(own_root / "real", compression=None).index()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_named(tmp_path: Path, delimiter: str) -> None:
    lines = ["path,label,split", "a.mp4,real,test"]
    (tmp_path / "videos.csv").write_text("\n".join(lines).replace(",", delimiter))
    with pytest.raises(LayoutError) as caught:
        index_of(tmp_path)
    assert (
        f"is not the header: its fields are parted by {delimiter!r}, and must be by ','"
        in caught.value.hints[0]
    )


def test_a_header_of_other_words_has_no_other_delimiter(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("file;class\na.mp4;real")
    with pytest.raises(LayoutError) as caught:
        index_of(tmp_path)
    assert "is not the header; its first line" in caught.value.hints[0]


def test_a_path_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/videos.csv").write_text("path,label\n~/clips/a.mp4,real\n~b.mp4,fake")
    videos = index_of(tmp_path / "own").videos
    assert [(one.video_id, one.path) for one in videos] == [
        ("~/clips/a.mp4", tmp_path / "home/clips/a.mp4"),
        ("~b.mp4", tmp_path / "own/~b.mp4"),
    ]
