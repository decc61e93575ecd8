"""Celeb-DF (v2): the odd list, line by line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dfbench import Label, LayoutError, UsageError, Video
from dfbench_plugins.datasets.celeb_df_v2 import LIST_NAME, CelebDF


def index_of(root: Path) -> tuple[dict[str, Video], tuple[str, ...]]:
    index = CelebDF(root, compression=None).index()
    videos = {video.video_id: video for video in index.videos}
    assert len(videos) == len(index.videos)
    return videos, index.problems


def write_list(root: Path, content: bytes | str) -> None:
    (root / LIST_NAME).write_bytes(content.encode() if isinstance(content, str) else content)


def test_518_lines_are_178_real_and_340_fake(celeb_root: Path) -> None:
    assert (celeb_root / LIST_NAME).read_bytes().count(b"\n") == 517  # no newline at the end
    videos, problems = index_of(celeb_root)
    assert problems == ()
    test = [video for video in videos.values() if video.split == "test"]
    assert Counter(video.label for video in test) == {Label.REAL: 178, Label.FAKE: 340}


def test_the_first_line_is_no_header_and_the_last_is_a_line(celeb_root: Path) -> None:
    videos, _ = index_of(celeb_root)
    test = [video for video in videos.values() if video.split == "test"]
    assert test[0].video_id == "YouTube-real/00170"
    assert test[-1].video_id == "Celeb-synthesis/id39_id65_0002"


def test_1_is_real_and_0_is_fake(celeb_root: Path) -> None:
    videos, _ = index_of(celeb_root)
    assert videos["YouTube-real/00170"].label is Label.REAL
    assert videos["Celeb-synthesis/id0_id60_0002"].label is Label.FAKE


def test_what_is_not_in_the_list_is_train(celeb_root: Path) -> None:
    videos, _ = index_of(celeb_root)
    assert [one.video_id for one in videos.values() if one.split == "train"] == [
        "Celeb-real/id3_0004",
        "YouTube-real/00000",
        "Celeb-synthesis/id3_id9_0007",
    ]


def test_identities_and_groups(celeb_root: Path) -> None:
    videos, _ = index_of(celeb_root)
    fake, real = videos["Celeb-synthesis/id3_id9_0007"], videos["Celeb-real/id3_0004"]
    assert fake.identities == ("id3", "id9")
    assert fake.group == real.group == "id3"
    stranger = videos["YouTube-real/00170"]
    assert (stranger.identities, stranger.group) == ((), "YouTube-real/00170")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", "\r"])
def test_line_endings_and_a_byte_order_mark_change_nothing(celeb_root: Path, ending: str) -> None:
    expected, _ = index_of(celeb_root)
    lines = (celeb_root / LIST_NAME).read_text().split("\n")
    write_list(celeb_root, b"\xef\xbb\xbf" + (ending.join(lines) + ending).encode())
    assert index_of(celeb_root) == (expected, ())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("label path", "label 'label', which is neither"),
        ("2 Celeb-real/id1_0001.mp4", "label '2'"),
        ("real Celeb-real/id1_0001.mp4", "label 'real'"),
        ("Celeb-real/id1_0001.mp4", "1 fields where 2 were expected"),
        ("1 Celeb-real/id1 0001.mp4", "3 fields"),
        ("1 Celeb-fake/id1_0001.mp4", "folder 'Celeb-fake'"),
        ("1 id1_0001.mp4", "folder 'id1_0001.mp4'"),
        ("1 Celeb-real/../id1_0001.mp4", "not how Celeb-real names"),
        ("0 Celeb-synthesis/id1_0001.mp4", "not how Celeb-synthesis names"),
        ("0 Celeb-real/id1_0001.mp4", "is the list inverted?"),
        ("1 Celeb-synthesis/id1_id2_0001.mp4", "is the list inverted?"),
        ("1 YouTube-real/00170.mp4", "repeats line 1"),
    ],
)
def test_a_bad_line_is_told_with_its_number(celeb_root: Path, line: str, words: str) -> None:
    write_list(celeb_root, f"1 YouTube-real/00170.mp4\n\n{line}\n0 Celeb-synthesis/id0_id60_0002.mp4")
    videos, problems = index_of(celeb_root)
    test = [one.video_id for one in videos.values() if one.split == "test"]
    assert test == ["YouTube-real/00170", "Celeb-synthesis/id0_id60_0002"]
    (problem,) = problems
    assert problem.startswith(f"{celeb_root / LIST_NAME}, line 3: ")
    assert words in problem
    assert "correct the line" in problem


def test_a_video_on_a_bad_line_does_not_become_a_training_video(celeb_root: Path) -> None:
    write_list(celeb_root, "1 YouTube-real/00170.mp4\n0 Celeb-real/id3_0004.mp4")
    videos, _ = index_of(celeb_root)
    assert "Celeb-real/id3_0004" not in videos


def test_a_line_that_is_not_utf8(celeb_root: Path) -> None:
    write_list(celeb_root, b"1 YouTube-real/00170.mp4\n1 Celeb-real/id\xff_0001.mp4")
    _, problems = index_of(celeb_root)
    assert len(problems) == 1
    assert "line 2" in problems[0]
    assert "not UTF-8" in problems[0]


def test_a_listed_video_without_a_file_is_still_expected(celeb_root: Path) -> None:
    write_list(celeb_root, "0 Celeb-synthesis/id99_id98_0000.mp4")
    videos, problems = index_of(celeb_root)
    assert not videos["Celeb-synthesis/id99_id98_0000"].path.exists()
    assert problems == ()


def test_a_foreign_file_is_told_and_a_macos_shadow_is_not(celeb_root: Path) -> None:
    (celeb_root / "Celeb-real" / "Kopie von id3_0004.mp4").write_bytes(b"v")
    (celeb_root / "Celeb-real" / "._id3_0004.mp4").write_bytes(b"v")
    _, problems = index_of(celeb_root)
    assert len(problems) == 1
    assert "Kopie von id3_0004.mp4" in problems[0]


def test_an_empty_or_missing_list_is_a_layout_error(celeb_root: Path) -> None:
    write_list(celeb_root, "")
    with pytest.raises(LayoutError, match="names no video"):
        index_of(celeb_root)
    (celeb_root / LIST_NAME).unlink()
    with pytest.raises(LayoutError, match=f"has no {LIST_NAME}"):
        index_of(celeb_root)


def test_the_folder_above_and_the_folder_below_hint_at_the_root(celeb_root: Path) -> None:
    for wrong in (celeb_root.parent, celeb_root / "Celeb-real"):
        with pytest.raises(LayoutError) as caught:
            index_of(wrong)
        assert caught.value.hints[0].endswith(f"{celeb_root}?")


def test_there_is_one_compression(celeb_root: Path) -> None:
    CelebDF(celeb_root, compression="original")
    with pytest.raises(UsageError, match="'c23'"):
        CelebDF(celeb_root, compression="c23")


def test_videos_in_folders_of_their_own_are_the_same_dataset(celeb_root: Path) -> None:
    expected = [
        (one.video_id, one.split, one.group) for one in CelebDF(celeb_root, compression=None).index().videos
    ]
    for folder in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        (celeb_root / folder).rename(celeb_root / "videos")
        (celeb_root / folder).mkdir()
        (celeb_root / "videos").rename(celeb_root / folder / "videos")
        (celeb_root / folder / "frames").mkdir()
    index = CelebDF(celeb_root, compression=None).index()
    assert [(one.video_id, one.split, one.group) for one in index.videos] == expected
    assert all(one.path.is_file() for one in index.videos)


def test_an_empty_folder_for_videos_hides_none_and_those_beside_it_are_told(celeb_root: Path) -> None:
    expected = CelebDF(celeb_root, compression=None).index()
    (celeb_root / "Celeb-real/videos").mkdir()
    assert CelebDF(celeb_root, compression=None).index() == expected
    (celeb_root / "Celeb-real/id3_0004.mp4").rename(celeb_root / "Celeb-real/videos/id3_0004.mp4")
    (problem,) = CelebDF(celeb_root, compression=None).index().problems
    assert "is one of 108 videos beside the folder videos" in problem
