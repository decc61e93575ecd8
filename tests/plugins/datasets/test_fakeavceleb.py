"""FakeAVCeleb by its own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench import Dataset, Label, LayoutError
from dfbench_plugins.datasets import fakeavceleb

HEADER = "source,target1,target2,method,category,type,race,gender,filename,path"


def dataset(root: Path) -> Dataset:
    return fakeavceleb.build(root, compression=None)


def test_the_table_of_the_release(fakeav_root: Path) -> None:
    index = dataset(fakeav_root).index()
    assert index.problems == ()
    assert [(one.video_id, one.label, one.manipulation, one.group) for one in index.videos] == [
        ("RealVideo-RealAudio/African/men/id00076/00109", Label.REAL, "real", "id00076"),
        ("FakeVideo-RealAudio/African/men/id00076/00109_id00166_wavtolip", Label.FAKE, "wav2lip", "id00076"),
        ("FakeVideo-FakeAudio/Asian (East)/women/id00999/00005_1", Label.FAKE, "fsgan-wav2lip", "id00999"),
    ]
    assert [one.identities for one in index.videos] == [
        ("id00076",),
        ("id00076", "id00166"),
        ("id00999", "id01234"),
    ]
    assert {(one.split, one.dataset) for one in index.videos} == {("test", "fakeavceleb")}
    assert all(one.path.is_file() for one in index.videos)
    assert index.notes == (
        "1 videos of type RealVideo-FakeAudio are left out: only their speech is forged, so that they are no fakes for a "
        "detector of video",
        "1 rows of meta_data.csv repeat a file, which counts once (22 in v1.2)",
    )


def test_a_table_that_calls_the_name_path_is_the_same(fakeav_root: Path) -> None:
    expected = dataset(fakeav_root).index().videos
    path = fakeav_root / "meta_data.csv"
    older = HEADER.replace("filename,path", "path,")
    path.write_text(path.read_text().replace(HEADER, older))
    assert dataset(fakeav_root).index().videos == expected


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("id1,-,-,real,A,RealVideo,African,men,1.mp4,F/RealVideo/id1", "has the type 'RealVideo'"),
        (
            "id1,-,-,real,A,RealVideo-RealAudio,African,men,1.avi,F/RealVideo-RealAudio/id1",
            "does not name an mp4 file",
        ),
        ("id1,-,-,real,A,RealVideo-RealAudio,African,men,1.mp4,F/FakeVideo-FakeAudio/id1", "has the path"),
        ("id1,-,-,real,A,RealVideo-RealAudio,African,men,1.mp4,F/RealVideo-RealAudio/../id1", "has the path"),
        (
            ",-,-,real,A,RealVideo-RealAudio,African,men,1.mp4,F/RealVideo-RealAudio/id1",
            "does not name its source",
        ),
        ("id1,-,-,,A,RealVideo-RealAudio,African,men,1.mp4,F/RealVideo-RealAudio/id1", "names no method"),
        ("id1,-,-,real,A", "has 5 fields where 10 were expected"),
    ],
)
def test_a_row_that_does_not_fit_is_told(fakeav_root: Path, row: str, words: str) -> None:
    path = fakeav_root / "meta_data.csv"
    count = len(path.read_text().splitlines())
    with path.open("a") as table:
        table.write(f"{row}\n")
    index = dataset(fakeav_root).index()
    (problem,) = index.problems
    assert problem.startswith(f"{path}, line {count + 1}: ")
    assert words in problem
    assert len(index.videos) == 3


def test_wrong_roots(fakeav_root: Path) -> None:
    with pytest.raises(LayoutError, match="layout of fakeavceleb") as caught:
        dataset(fakeav_root.parent).index()
    assert caught.value.hints[0] == f"did you mean the subfolder {fakeav_root}?"
    (fakeav_root / "meta_data.csv").write_text("path,label\na.mp4,real\n")
    with pytest.raises(LayoutError, match="names no video") as caught:
        dataset(fakeav_root).index()
    assert "is not the header; a header with the columns source, target1" in caught.value.hints[0]
    (fakeav_root / "meta_data.csv").unlink()
    with pytest.raises(LayoutError, match=r"has no meta_data\.csv"):
        dataset(fakeav_root).index()


def test_a_list_of_the_users_is_read_instead(fakeav_root: Path) -> None:
    (fakeav_root / "videos.csv").write_text("path,label\na.mp4,real\n")
    assert [one.video_id for one in dataset(fakeav_root).index().videos] == ["a.mp4"]
