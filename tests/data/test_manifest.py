"""The manifest: table and back, selection, digest, duplicates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.data.datasets.manifest import (
    COLUMNS,
    file_fingerprints,
    fingerprints_digest,
    manifest_digest,
    manifest_of,
    refuse_unfit,
    select,
    videos_of,
)
from dfbench.errors import ManifestError, UnknownNameError
from dfbench.exchanged import DatasetIndex
from dfbench.specs import VideoSelection
from dfbench.types import TABLE_WORDS, Label, Video


def video(video_id: str, *, split: str = "test", manipulation: str = "real") -> Video:
    label = Label.REAL if manipulation == "real" else Label.FAKE
    path = Path("/data/Videos für alle") / f"{video_id}.mp4"
    mask = None if label is Label.REAL else Path("/masks") / video_id
    return Video("ffpp", video_id, path, label, split, manipulation, "c23", ("000", "003"), "000", mask)


VIDEOS = [
    video("youtube/000"),
    video("Deepfakes/000_003", manipulation="Deepfakes"),
    video("FaceSwap/000_003", manipulation="FaceSwap"),
    video("youtube/071", split="train"),
    video("Deepfakes/071_054", split="train", manipulation="Deepfakes"),
]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ANY_VIDEO = st.builds(
    Video,
    dataset=NAMES,
    video_id=NAMES,
    path=NAMES.map(Path),
    label=st.sampled_from(Label),
    split=NAMES,
    manipulation=NAMES,
    compression=NAMES,
    identities=st.lists(NAMES, max_size=3).map(tuple),
    group=NAMES,
    mask_path=st.one_of(st.none(), NAMES.map(Path)),
)
ANY_VIDEOS = st.lists(ANY_VIDEO, max_size=6, unique_by=lambda one: (one.dataset, one.video_id))


def test_the_table_is_typed() -> None:
    table = manifest_of(VIDEOS)
    assert tuple(table.columns) == COLUMNS
    assert table["label"].dtype == "int8"
    assert all(table[name].dtype == "str" for name in COLUMNS if name != "label")
    assert table["identities"].tolist() == ['["000", "003"]'] * 5
    assert manifest_of([]).dtypes.to_dict() == table.dtypes.to_dict()


@given(videos=ANY_VIDEOS)
@settings(deadline=None, max_examples=50)
def test_there_and_back(videos: list[Video]) -> None:
    assert videos_of(manifest_of(videos)) == videos


@given(videos=ANY_VIDEOS, data=st.data())
@settings(deadline=None, max_examples=50)
def test_the_digest_ignores_order_and_place(videos: list[Video], data: st.DataObject) -> None:
    moved = [
        replace(one, path=Path("/elsewhere"), mask_path=None) for one in data.draw(st.permutations(videos))
    ]
    assert manifest_digest(moved) == manifest_digest(videos)


def test_the_digest_changes_with_everything_else() -> None:
    first, *rest = VIDEOS
    changed = [
        replace(first, dataset="dfd"),
        replace(first, video_id="youtube/001"),
        replace(first, label=Label.FAKE),
        replace(first, split="val"),
        replace(first, manipulation="other"),
        replace(first, compression="raw"),
        replace(first, identities=("000003",)),
        replace(first, group="003"),
    ]
    digests = {manifest_digest([one, *rest]) for one in [first, *changed]} | {manifest_digest(rest)}
    assert len(digests) == len(changed) + 2


def test_the_digest_of_a_known_manifest_never_changes() -> None:
    # Runs on users' disks are found again by this digest: a change here makes all of them stale.
    assert manifest_digest(VIDEOS) == "0d04391151224593adff71f529098bde10888e2073756b90b57329da5652117b"


def test_the_digest_of_the_files_follows_their_content_and_not_their_place(tmp_path: Path) -> None:
    def digest(folder: str, sizes: dict[str, int]) -> str:
        videos = [replace(video(name), path=tmp_path / folder / f"{name}.mp4") for name in ("a", "b")]
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, size in sizes.items():
            (tmp_path / folder / f"{name}.mp4").write_bytes(bytes(size))
        assert fingerprints_digest(file_fingerprints(videos[::-1])) == fingerprints_digest(
            file_fingerprints(videos)
        )
        return fingerprints_digest(file_fingerprints(videos))

    missing = digest("one", {"a": 5})
    whole = digest("one", {"b": 7})
    assert digest("two", {"a": 5, "b": 7}) == whole
    assert len({missing, whole, digest("two", {"b": 8}), digest("two", {"a": 8, "b": 5})}) == 4


def test_a_repeated_video_names_both_files() -> None:
    twice = [*VIDEOS, replace(VIDEOS[0], path=Path("/other/000.mp4"))]
    for use in (manifest_of, manifest_digest, lambda rows: select(rows, VideoSelection("ffpp"))):
        with pytest.raises(ManifestError, match=r"youtube/000' twice: /data/.*/000\.mp4 and /other/000\.mp4"):
            use(twice)


def test_a_damaged_table_is_refused() -> None:
    table = manifest_of(VIDEOS)
    with pytest.raises(ManifestError, match="no column group"):
        videos_of(table.drop(columns="group"))
    with pytest.raises(ManifestError, match="the label is 2"):
        videos_of(table.assign(label=2))


@pytest.mark.parametrize("text", ["", "000;003", "{}", "[1]", "[" * 50_000])
def test_identities_that_are_no_list_of_names_are_refused(text: str) -> None:
    with pytest.raises(ManifestError, match="the identities are"):
        videos_of(manifest_of(VIDEOS).assign(identities=text))


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (VideoSelection("ffpp"), [0, 1, 2, 3, 4]),
        (VideoSelection("ffpp", ("test",)), [0, 1, 2]),
        (VideoSelection("ffpp", ("train", "test"), ("real",)), [0, 3]),
        (VideoSelection("ffpp", (), ("FaceSwap", "Deepfakes"), "c0"), [1, 2, 4]),
    ],
)
def test_selections(selection: VideoSelection, chosen: list[int]) -> None:
    other = replace(VIDEOS[0], dataset="dfd")
    assert select([*VIDEOS, other], selection) == [VIDEOS[number] for number in chosen]


@pytest.mark.parametrize(
    ("selection", "hint"),
    [
        (VideoSelection("fpp"), "did you mean 'ffpp'?"),
        (VideoSelection("ffpp", ("tests",)), "did you mean 'test'?"),
        (VideoSelection("ffpp", ("test",), ("DeepFake",)), "did you mean 'Deepfakes'?"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(selection: VideoSelection, hint: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        select(VIDEOS, selection)
    assert caught.value.hints[0] == hint
    assert caught.value.hints[-1].startswith("known: ")
    assert caught.value.exit_code == 2


def test_a_selection_of_nothing_is_an_error() -> None:
    with pytest.raises(ManifestError, match="no videos of FaceSwap in train"):
        select(VIDEOS, VideoSelection("ffpp", ("train",), ("FaceSwap",)))


BLANKS = st.text(" \t\u00a0", max_size=2)


@given(st.sampled_from(sorted(TABLE_WORDS)), st.data())
def test_no_fake_is_called_as_tables_call_things(word: str, data: st.DataObject) -> None:
    cased = "".join(data.draw(st.sampled_from([letter, letter.upper()])) for letter in word)
    name = data.draw(BLANKS) + cased + data.draw(BLANKS)
    fake = replace(video("x"), label=Label.FAKE, manipulation=name)
    assert f"tables use the word {word!r} for something else" in fake.fault()
    assert replace(fake, manipulation=f"{cased}istic").fault() == ""
    real = replace(fake, label=Label.REAL)
    assert (real.fault() == "") == (name == "real")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"manipulation": "Deepfakes"}, "is real, but of the manipulation 'Deepfakes'"),
        ({"manipulation": " "}, "manipulation must not be empty"),
        ({"video_id": "", "group": ""}, "video_id, group must not be empty"),
        ({"split": ""}, "split must not be empty"),
        ({"label": 1}, "label is 1, not a Label"),
    ],
)
def test_a_video_that_fits_into_no_table(change: dict[str, Any], says: str) -> None:
    assert video("x").fault() == ""
    assert replace(video("x"), **change).fault() == says


def test_the_refusal_names_the_file_and_where_to_correct_it() -> None:
    bad = [replace(video(name, manipulation="A"), manipulation="All") for name in "ab"]
    index = DatasetIndex((*VIDEOS, *bad), lists=(Path("/data/videos.csv"),))
    with pytest.raises(ManifestError) as caught:
        refuse_unfit(index, "ffpp")
    assert caught.value.message == (
        f"ffpp cannot be used: {bad[0].path} is fake, of the manipulation 'All': tables use the word 'all' for something "
        "else (and 1 more videos)"
    )
    assert caught.value.hints == ("correct it in /data/videos.csv",)
    with pytest.raises(ManifestError) as caught:
        refuse_unfit(replace(index, lists=()), "ffpp")
    assert caught.value.hints == (f"rename {bad[0].path.parent}, or mend its plugin",)
    refuse_unfit(DatasetIndex(tuple(VIDEOS)), "ffpp")
    with pytest.raises(ManifestError, match="is said to be of 'ffpp'"):
        refuse_unfit(DatasetIndex(tuple(VIDEOS)), "dfdc")
