"""FaceForensics++: pairs, ids, methods, compressions, masks, and what a user's copy gets wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dfbench import Label, LayoutError, UsageError, Video
from dfbench_plugins.datasets.ffpp import FaceForensics


def index_of(root: Path, compression: str | None = None) -> tuple[dict[str, Video], tuple[str, ...]]:
    index = FaceForensics(root, compression=compression).index()
    videos = {video.video_id: video for video in index.videos}
    assert len(videos) == len(index.videos)
    return videos, index.problems


def test_a_pair_makes_two_reals_and_two_fakes_a_method(ffpp_root: Path) -> None:
    videos, problems = index_of(ffpp_root)
    assert problems == ()
    test = [video for video in videos.values() if video.split == "test"]
    assert [video.video_id for video in test[:2]] == ["youtube/953", "youtube/974"]
    assert sum(video.label is Label.REAL for video in test) == 2
    assert sum(video.label is Label.FAKE for video in test) == 8
    assert {video.split for video in videos.values()} == {"train", "val", "test"}
    assert all(video.path.is_file() for video in videos.values())


def test_the_methods_share_file_names_but_not_ids(ffpp_root: Path) -> None:
    videos, _ = index_of(ffpp_root)
    same = [one for one in videos.values() if one.path.name == "953_974.mp4"]
    assert [one.video_id for one in same] == [
        f"{method}/953_974" for method in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    ]


def test_a_fake_is_grouped_with_the_real_whose_footage_it_is(ffpp_root: Path) -> None:
    videos, _ = index_of(ffpp_root)
    fake = videos["FaceSwap/953_974"]
    assert (fake.identities, fake.group) == (("953", "974"), "953")
    assert videos["youtube/953"].group == "953"
    assert (fake.manipulation, fake.compression) == ("FaceSwap", "c23")
    assert videos["youtube/953"].manipulation == "real"


def test_masks_are_given_where_they_are(ffpp_root: Path) -> None:
    mask = ffpp_root / "manipulated_sequences/Face2Face/masks/videos/953_974.mp4"
    assert index_of(ffpp_root)[0]["Face2Face/953_974"].mask_path == mask
    mask.unlink()
    assert index_of(ffpp_root)[0]["Face2Face/953_974"].mask_path is None


def test_faceshifter_is_expected_only_where_its_folder_is(ffpp_root: Path) -> None:
    assert "FaceShifter/953_974" not in index_of(ffpp_root)[0]
    (ffpp_root / "manipulated_sequences/FaceShifter/c23/videos").mkdir(parents=True)
    assert "FaceShifter/953_974" in index_of(ffpp_root)[0]


def test_a_listed_video_without_a_file_is_still_expected(ffpp_root: Path) -> None:
    videos, _ = index_of(ffpp_root)
    videos["youtube/953"].path.unlink()
    again, problems = index_of(ffpp_root)
    assert again == videos
    assert problems == ()


@pytest.mark.parametrize("folder", ["dataset/splits", "."])
def test_splits_are_found_elsewhere(ffpp_root: Path, folder: str) -> None:
    expected, _ = index_of(ffpp_root)
    (ffpp_root / folder).mkdir(parents=True, exist_ok=True)
    for path in list((ffpp_root / "splits").iterdir()):
        path.rename(ffpp_root / folder / path.name)
    assert index_of(ffpp_root)[0] == expected


def test_c0_is_raw_on_disk(ffpp_root: Path) -> None:
    for folder in list(ffpp_root.glob("*/*/c23")):
        folder.rename(folder.with_name("raw"))
    videos, _ = index_of(ffpp_root, "c0")
    assert {video.compression for video in videos.values()} == {"raw"}
    assert all(video.path.is_file() for video in videos.values())


def test_a_compression_that_is_not_on_disk_names_the_ones_that_are(ffpp_root: Path) -> None:
    with pytest.raises(LayoutError, match="no c40 videos") as caught:
        index_of(ffpp_root, "c40")
    assert "use --compression c23 (of `dfbench run`: --train-compression c23)" in caught.value.hints


def test_an_unknown_compression_is_a_usage_error(ffpp_root: Path) -> None:
    with pytest.raises(UsageError, match="'c32'") as caught:
        FaceForensics(ffpp_root, compression="c32")
    assert "c23, c40, raw" in caught.value.hints[-1]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ([71, 54], "leading zeros"),
        (["71", "54"], "not a pair"),
        (["071"], "not a pair"),
        (["071", "054", "001"], "not a pair"),
        ("071_054", "not a pair"),
        (["../1", "054"], "not a pair"),
        (["001", "001"], "not a pair"),
        (None, "not a pair"),
    ],
)
def test_a_bad_entry_is_told_and_the_rest_is_used(ffpp_root: Path, entry: object, words: str) -> None:
    path = ffpp_root / "splits/train.json"
    path.write_text(json.dumps([entry, ["001", "870"]]))
    videos, problems = index_of(ffpp_root)
    assert [one for one in videos if one.startswith("youtube/")][:2] == ["youtube/001", "youtube/870"]
    (problem,) = problems
    assert problem.startswith(f"{path}, entry 1: ")
    assert words in problem


def test_an_id_in_two_splits_stays_in_the_first(ffpp_root: Path) -> None:
    (ffpp_root / "splits/test.json").write_text('[["071", "974"], ["953", "975"]]')
    videos, problems = index_of(ffpp_root)
    assert videos["youtube/071"].split == "train"
    assert "youtube/974" not in videos
    (problem,) = problems
    assert "repeats id 071, which stands in train.json, entry 1" in problem
    assert "test.json, entry 1" in problem


def test_a_missing_split_file_is_a_problem(ffpp_root: Path) -> None:
    (ffpp_root / "splits/val.json").unlink()
    videos, problems = index_of(ffpp_root)
    assert {video.split for video in videos.values()} == {"train", "test"}
    assert len(problems) == 1
    assert "val.json" in problems[0]


def test_no_split_files_is_a_layout_error_that_says_where_to_get_them(ffpp_root: Path) -> None:
    shutil.rmtree(ffpp_root / "splits")
    with pytest.raises(LayoutError, match=r"train\.json") as caught:
        index_of(ffpp_root)
    assert "dataset/splits of https://github.com/ondyari/FaceForensics" in caught.value.hints[0]


@pytest.mark.parametrize("content", [b"", b"[[", b"{}", b"\xff\xfe[", b"[" * 100_000, b"9" * 5_000])
def test_a_split_file_that_is_no_list_is_a_problem(ffpp_root: Path, content: bytes) -> None:
    (ffpp_root / "splits/val.json").write_bytes(content)
    videos, problems = index_of(ffpp_root)
    assert {video.split for video in videos.values()} == {"train", "test"}
    assert len(problems) == 1
    assert "val.json, line 1" in problems[0]
    assert len(problems[0]) < 600


def test_split_files_without_a_single_pair_are_a_layout_error(ffpp_root: Path) -> None:
    for path in (ffpp_root / "splits").iterdir():
        path.write_text("[]")
    with pytest.raises(LayoutError, match="name no video"):
        index_of(ffpp_root)


def test_a_split_file_that_cannot_be_opened_is_a_layout_error(ffpp_root: Path) -> None:
    (ffpp_root / "splits/val.json").unlink()
    (ffpp_root / "splits/val.json").mkdir()
    with pytest.raises(LayoutError, match=r"val\.json cannot be read"):
        index_of(ffpp_root)


def test_a_wrong_root_hints_at_the_right_one(ffpp_root: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path, ffpp_root / "manipulated_sequences" / "Deepfakes"):
        with pytest.raises(LayoutError, match="does not have the layout of ffpp") as caught:
            index_of(wrong)
        assert str(wrong) in caught.value.message
        assert "did you mean" in caught.value.hints[0]
        assert caught.value.hints[0].endswith(f"{ffpp_root}?")


def test_a_root_that_is_not_there_or_a_file(ffpp_root: Path, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="cannot be used: no such folder"):
        index_of(tmp_path / "nowhere")
    with pytest.raises(LayoutError, match="cannot be used: a file, not a folder"):
        index_of(ffpp_root / "splits/val.json")


def test_a_source_video_in_two_splits_is_told(ffpp_root: Path) -> None:
    assert FaceForensics(ffpp_root, compression=None).index().notes == ()
    (ffpp_root / "splits/train.json").write_text('[["071", "756"], ["954", "605"]]')
    (ffpp_root / "splits/val.json").write_text('[["720", "606"]]')
    (ffpp_root / "splits/test.json").write_text('[["953", "755"], ["955", "974"]]')
    notes = FaceForensics(ffpp_root, compression=None).index().notes
    assert [note.split(" are cut")[0] for note in notes] == [
        "leak: 755 (test) and 756 (train)",
        "leak: 954 (train) and 955 (test)",
        "leak: 605 (train) and 606 (val)",
    ]
    assert "the real 755 and every fake with it" in notes[0]
    assert "the real 955 and every fake with it" in notes[1]
    assert "in test" not in notes[2]


def test_a_source_video_within_one_split_is_no_leak(ffpp_root: Path) -> None:
    (ffpp_root / "splits/train.json").write_text('[["755", "756"]]')
    assert FaceForensics(ffpp_root, compression=None).index().notes == ()
