"""Links in a data set: followed to files anywhere, and to folders only where they add videos without changing what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dfbench import DatasetIndex, LayoutError
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.data.reading import Reading, read_by
from dfbench_plugins.datasets import celeb_df_pp, deeperforensics_sources, folder, wilddeepfake

Files = Sequence[str]


def made(root: Path, *files: str, links: Mapping[str, str | Path] | None = None) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    for name, target in (links or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return root


def own(root: Path) -> DatasetIndex:
    return folder.FolderDataset(root, compression=None).index()


def ids(index: DatasetIndex) -> list[str]:
    return [video.video_id for video in index.videos]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "own", "real/a.mp4", "fake/Swap/b.mp4")


KEPT = ["real/a.mp4", "fake/Swap/b.mp4"]


@pytest.mark.parametrize(
    "target", ["/", "..", "../..", "../../..", "../../outside", "/proc/self/root", "/proc/self/cwd"]
)
@pytest.mark.parametrize("place", ["real/x", "fake/x", "fake/Swap/deep/x"])
def test_a_link_out_of_the_root_is_counted_and_not_followed(
    root: Path, target: str, place: str, tmp_path: Path
) -> None:
    made(tmp_path / "outside", "c.mp4")
    made(root, links={place: target})
    index = own(root)
    assert ids(index) == KEPT
    within = place.count("/") > 2 and target in ("..", "../..")  # which is read already, and no harm
    assert any(place in told for told in (index.notes if within else index.problems))


def test_the_problem_counts_the_links_and_says_how_to_allow_them(root: Path, tmp_path: Path) -> None:
    made(tmp_path / "lab", "c.mp4")
    made(root, links={"real/y": tmp_path / "lab", "real/z": tmp_path / "lab", "fake/x": "/"})
    (problem,) = own(root).problems
    assert "one of 3 such links" in problem
    assert "real/y" in problem
    assert "DFBENCH_DATA__FOLLOW_LINKS" in problem
    assert "follow_links" in problem
    assert not take_stock(folder.SPEC, root, own(root)).complete


def test_links_out_of_the_root_are_followed_where_the_user_says_so(root: Path, tmp_path: Path) -> None:
    made(tmp_path / "lab", "c.mp4", "deep/d.mp4")
    made(root, links={"fake/Lab": tmp_path / "lab", "real/up": "..", "fake/all": "/"})
    read_by(Reading(follow_links=True))
    index = own(root)
    assert ids(index) == [*KEPT[:1], "fake/Lab/c.mp4", "fake/Lab/deep/d.mp4", KEPT[1]]
    assert {one.manipulation for one in index.videos} == {"real", "Lab", "Swap"}
    (problem,) = index.problems  # a folder around the root is no part of it, whatever is allowed
    assert "2 such links" in problem


def test_one_folder_outside_is_not_real_and_fake(root: Path, tmp_path: Path) -> None:
    made(tmp_path / "lab", "c.mp4")
    made(root, links={"real/lab": tmp_path / "lab", "fake/lab": tmp_path / "lab"})
    read_by(Reading(follow_links=True))
    index = own(root)
    assert ids(index) == ["real/a.mp4", "real/lab/c.mp4", "fake/Swap/b.mp4"]
    assert any("fake/lab" in note for note in (*index.problems, *index.notes))


@pytest.mark.parametrize("target", ["../fake", "../fake/Swap", "..", "."])
def test_fakes_are_never_counted_as_reals(root: Path, target: str) -> None:
    made(root, links={"real/loop": target})
    index = own(root)
    assert ids(index) == KEPT
    assert any("real/loop" in told for told in (*index.problems, *index.notes))
    assert (target == ".") is not bool(index.problems)  # a circle among the reals changes nothing


def test_a_folder_beside_the_two_may_be_linked_into_one_of_them(root: Path) -> None:
    made(root, "pool/DF40/c.mp4", links={"fake/DF40": "../pool/DF40", "fake/Again": "../pool/DF40"})
    index = own(root)
    assert [one for one in ids(index) if "c.mp4" in one] == ["fake/Again/c.mp4"]
    assert index.problems == ()
    assert any("fake/DF40" in note for note in index.notes)


def test_a_link_never_takes_the_place_of_the_folder_that_it_leads_to(root: Path) -> None:
    made(root, links={"fake/AAA": "Swap"})
    index = own(root)
    assert [one.manipulation for one in index.videos] == ["real", "Swap"]
    assert index.problems == ()
    assert any("fake/AAA" in note for note in index.notes)


@pytest.mark.parametrize(
    ("real", "fake"), [("pool", "pool"), ("../lab", "../lab"), ("fake", None), (".", ".")]
)
def test_the_two_folders_are_not_one(tmp_path: Path, real: str, fake: str | None) -> None:
    made(tmp_path / "lab", "c.mp4")
    root = made(tmp_path / "own", "pool/d.mp4", links={"real": real})
    made(root, "fake/b.mp4") if fake is None else made(root, links={"fake": fake})
    try:
        index = own(root)
    except LayoutError as error:
        assert any("link" in hint for hint in error.hints)  # noqa: PT017 # whether it raises depends on the case
    else:
        assert ids(index) == ["fake/b.mp4"]
        assert index.problems


def test_the_two_folders_on_another_disk_say_how_they_are_allowed(tmp_path: Path) -> None:
    lab = made(tmp_path / "lab", "reals/a.mp4", "fakes/Swap/b.mp4")
    root = made(tmp_path / "own", links={"real": lab / "reals", "fake": lab / "fakes"})
    with pytest.raises(LayoutError) as caught:
        own(root)
    assert any("FOLLOW_LINKS" in hint for hint in caught.value.hints)
    read_by(Reading(follow_links=True))
    index = own(root)
    assert ids(index) == ["real/a.mp4", "fake/Swap/b.mp4"]
    assert index.problems == ()


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    made(root, links={"real/up": "..", "fake/pool": "../pool"})
    made(root, "pool/c.mp4")
    index = own(linked)
    assert ids(index) == ["real/a.mp4", "fake/Swap/b.mp4", "fake/pool/c.mp4"]
    assert all(video.path.is_relative_to(linked) for video in index.videos)
    assert len(index.problems) == 1


def test_links_to_files_are_followed_wherever_they_lead(root: Path, tmp_path: Path) -> None:
    disk = made(tmp_path / "disk", "x.mp4")
    made(
        root,
        links={
            "real/x.mp4": disk / "x.mp4",
            "real/gone.mp4": disk / "gone.mp4",
            "real/zero.mp4": "/dev/zero",
        },
    )
    (root / "fake/hard.mp4").hardlink_to(root / "fake/Swap/b.mp4")
    index = own(root)
    assert ids(index) == [
        "real/a.mp4",
        "real/gone.mp4",
        "real/x.mp4",
        "real/zero.mp4",
        "fake/hard.mp4",
        KEPT[1],
    ]
    assert index.problems == ()
    found = take_stock(folder.SPEC, root, index)
    assert set(found.missing) == {"real/gone.mp4", "real/zero.mp4"}
    assert any("fake/hard.mp4" in note for note in found.notes)


def test_links_that_lead_nowhere_are_counted(root: Path, tmp_path: Path) -> None:
    made(root, links={"fake/unmounted": tmp_path / "disk", "fake/self": "self", "fake/there.txt": tmp_path})
    made(root, links={"fake/a": "b", "fake/b": "a"})
    problems = own(root).problems
    assert any("nowhere" in one and "of 4 such links" in one for one in problems)


def test_the_sequences_of_wilddeepfake_are_counted_once(tmp_path: Path) -> None:
    frames = ("real_test/1/real/7/1.png", "fake_test/1/fake/8/1.png")
    root = made(tmp_path / "wild", *frames, links={"real_test/2": "../fake_test/1", "fake_test/9": "/"})
    made(root, links={"real_test/1/real/9": "7", "fake_test/1/real": "../../real_test/1/real"})
    index = wilddeepfake.WildDeepfake(root, compression=None).index()
    assert ids(index) == ["real_test/1/7", "fake_test/1/8"]
    assert sum("link" in problem for problem in index.problems) == 2
    assert any("real_test/1/real/9" in note for note in index.notes)


def test_methods_of_celeb_df_pp_are_no_other_folders(tmp_path: Path) -> None:
    kind = f"{celeb_df_pp._FAKES}/{celeb_df_pp.KINDS[0]}"
    files = (f"{kind}/A/id0_id1_0000.mp4", "Celeb-real/id0_0000.mp4", "YouTube-real/00001.mp4")
    root = made(
        tmp_path / "pp", *files, links={f"{kind}/B": "../../Celeb-real", f"{kind}/C": "/", f"{kind}/D": "A"}
    )
    (root / celeb_df_pp.LIST_NAME).write_text(f"0 {files[0]}\n1 {files[1]}\n")
    index = celeb_df_pp.build(root, compression=None).index()
    assert sorted(ids(index)) == sorted(name.removesuffix(".mp4") for name in files)
    assert sum("link" in problem for problem in index.problems) == 3


def test_source_videos_are_walked_no_further_than_the_root(tmp_path: Path) -> None:
    top = deeperforensics_sources._REALS
    root = made(
        tmp_path / "df",
        f"{top}/M004/a.mp4",
        "lists/splits/test.txt",
        links={f"{top}/up": "..", f"{top}/x": "/"},
    )
    made(root, "manipulated_videos/end_to_end/b.mp4")
    (root / "lists/splits/test.txt").write_text("b.mp4\n")
    index = deeperforensics_sources.SourceVideos(root, compression=None).index()
    assert [name for name in ids(index) if name.startswith(top)] == [f"{top}/M004/a"]
    assert sum("link" in problem for problem in index.problems) == 2
