"""Whatever stands in a list file, an index ends with videos and problems, or with one of our own errors."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench import Dataset, DfbenchError, LayoutError, storable
from dfbench.data.datasets.corpus_card import CORPUS_FILE, corpus_name
from dfbench.data.datasets.manifest import manifest_digest, manifest_of, videos_of
from dfbench.data.datasets.stocktaking import take_stock
from dfbench_plugins.datasets.celeb_df_pp import CelebDFPP
from dfbench_plugins.datasets.celeb_df_v2 import CelebDF
from dfbench_plugins.datasets.deeperforensics import DeeperForensics
from dfbench_plugins.datasets.deeperforensics_sources import SourceVideos
from dfbench_plugins.datasets.dfd import DeepFakeDetection
from dfbench_plugins.datasets.dfdc import DeepfakeDetectionChallenge
from dfbench_plugins.datasets.dfdc_3215 import ListedChallenge
from dfbench_plugins.datasets.dfdcp import Preview
from dfbench_plugins.datasets.fakeavceleb import FakeAVCeleb
from dfbench_plugins.datasets.ffiw import FaceForensicsInTheWild
from dfbench_plugins.datasets.ffpp import FaceForensics
from dfbench_plugins.datasets.folder import SPEC, FolderDataset
from dfbench_plugins.datasets.wilddeepfake import WildDeepfake

# Pieces of real lists, so that the interesting paths are reached, mixed with anything at all.
PIECES = (
    "1 ", "0 ", ",1", ",0", "Celeb-real/", "Celeb-synthesis/", "id1_0001.mp4", "id1_id2_0001.mp4", "x.mp4",
    "filename,label", "\n", "\r\n", '"', "\x00", "\u2028", " ",
)  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=30).map("".join)
BYTES = st.one_of(TEXTS.map(str.encode), st.binary(max_size=200))
NAMES = st.one_of(st.sampled_from(["x.mp4", "y.mp4", "../x.mp4", "\ud800.mp4"]), st.text(max_size=8))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2),
    st.floats(),
    st.sampled_from(["001", "002", "REAL", "FAKE"]),
    NAMES,
)
ENTRIES = st.dictionaries(st.sampled_from(["is_fake", "label", "original", "split"]), LEAVES)
METADATA = st.dictionaries(NAMES, st.one_of(LEAVES, ENTRIES, st.lists(LEAVES)))
IDS = st.sampled_from(["000", "001", "002", "003", "71", "\u0661\u0662\u0663"])
SPLIT = st.lists(st.one_of(st.tuples(IDS, IDS), st.lists(LEAVES, max_size=3), LEAVES), max_size=6)


def check_index(dataset: Dataset) -> None:
    root = storable(str(getattr(dataset, "_root")))  # noqa: B009 - of each of ours, and of no protocol
    try:
        index = dataset.index()
    except DfbenchError as error:
        message, hints = error.message, error.hints
        assert root in message
        assert hints
        return
    assert index.videos
    assert all(root in problem and problem.isprintable() for problem in index.problems)
    assert len(manifest_digest(index.videos)) == 64  # no repeated video, nothing that cannot be encoded
    assert videos_of(manifest_of(index.videos)) == list(index.videos)


@given(content=BYTES)
@settings(deadline=None, max_examples=120)
def test_celeb_df_list(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "List_of_testing_videos.txt").write_bytes(content)
        check_index(CelebDF(root, compression=None))


PP_PATHS = ("Celeb-real/id0_1.mp4", "Celeb-synthesis/FaceSwap/X/id1_id2_3.mp4", "FaceSwap/", "./", "\\")
PP = st.lists(st.one_of(st.sampled_from((*PIECES, *PP_PATHS)), st.text(max_size=5)), max_size=30).map("".join)


@given(content=st.one_of(PP.map(str.encode), st.binary(max_size=200)))
@settings(deadline=None, max_examples=80)
def test_celeb_df_pp_list(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "Celeb-synthesis/FaceSwap").mkdir(parents=True)
        (root / "List_of_testing_videos.txt").write_bytes(content)
        check_index(CelebDFPP(root, compression=None))


FIELDS = st.one_of(
    st.sampled_from(
        [
            "id1",
            "-",
            "",
            "real",
            "RealVideo-RealAudio",
            "FakeVideo-FakeAudio",
            "x.mp4",
            "F/RealVideo-RealAudio/a",
        ]
    ),
    st.text(max_size=6),
)
TABLE = st.lists(st.lists(FIELDS, min_size=9, max_size=11).map(",".join), max_size=6).map("\n".join)


@given(table=st.one_of(TABLE, TEXTS), header=st.booleans())
@settings(deadline=None, max_examples=80)
def test_fakeavceleb_table(table: str, header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first = "source,target1,target2,method,category,type,race,gender,filename,path\n" if header else ""
        (root / "meta_data.csv").write_bytes((first + table).encode("utf-8", "surrogatepass"))
        check_index(FakeAVCeleb(root, compression=None))


@given(content=BYTES)
@settings(deadline=None, max_examples=120)
def test_dfdc_labels(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "test").mkdir()
        (root / "test" / "labels.csv").write_bytes(content)
        check_index(DeepfakeDetectionChallenge(root, compression=None))


@given(content=st.one_of(BYTES, METADATA.map(lambda one: json.dumps(one).encode())), train=st.booleans())
@settings(deadline=None, max_examples=150)
def test_dfdc_metadata(content: bytes, *, train: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / ("dfdc_train_part_0" if train else "test")
        part.mkdir()
        (part / "metadata.json").write_bytes(content)
        check_index(DeepfakeDetectionChallenge(Path(folder), compression=None))


@given(
    contents=st.lists(
        st.one_of(BYTES, SPLIT.map(lambda one: json.dumps(one).encode())), min_size=1, max_size=3
    )
)
@settings(deadline=None, max_examples=120)
def test_ffpp_splits(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "original_sequences/youtube/c23/videos").mkdir(parents=True)
        for split, content in zip(("train", "val", "test"), contents, strict=False):
            (root / f"{split}.json").write_bytes(content)
        check_index(FaceForensics(root, compression=None))


@given(content=BYTES)
@settings(deadline=None, max_examples=80)
def test_dfdc_selection(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "test").mkdir()
        (root / "test" / "labels.csv").write_text("x.mp4,1\ny.mp4,0")
        (root / "dfdc_vids.txt").write_bytes(content)
        check_index(ListedChallenge(root, compression=None))


PARTS = st.sampled_from(
    ["method_A", "method_B", "original_videos", "643049", "643049_A", "x.mp4", "..", "", ";"]
)
PATHS = st.one_of(NAMES, st.lists(PARTS, max_size=5).map("/".join), st.lists(NAMES, max_size=3).map("/".join))
WORDS = st.one_of(st.sampled_from(["real", "fake", "train", "test"]), LEAVES)
PREVIEW = st.dictionaries(PATHS, st.one_of(LEAVES, st.dictionaries(st.sampled_from(["label", "set"]), WORDS)))


@given(content=st.one_of(BYTES, PREVIEW.map(lambda one: json.dumps(one).encode())), relaid=st.booleans())
@settings(deadline=None, max_examples=120)
def test_dfdcp_list(content: bytes, *, relaid: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "method_A" / ("videos" if relaid else "1")).mkdir(parents=True)
        (Path(folder) / "dataset.json").write_bytes(content)
        check_index(Preview(Path(folder), compression=None))


LISTED = st.lists(
    st.one_of(
        st.sampled_from(["000_M101.mp4", "003_W011.mp4", "\n", "\r", "999_M101.mp4", ".mp4"]),
        st.text(max_size=4),
    ),
    max_size=12,
).map(lambda one: "".join(one).encode("utf-8", "replace"))


@given(content=st.one_of(BYTES, LISTED), sources=st.booleans())
@settings(deadline=None, max_examples=120)
def test_deeperforensics_lists(content: bytes, *, sources: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("end_to_end", "lists/splits", "source_videos/M101", "ff"):
            (root / name).mkdir(parents=True)
        (root / "lists/splits/test.txt").write_bytes(content)
        (root / "ff" / "test.json").write_text('[["000", "003"]]')
        if sources:
            check_index(SourceVideos(root, compression=None))
        else:
            check_index(DeeperForensics(root, compression=None, roots={"ffpp": root / "ff"}))


CELLS = st.one_of(
    st.sampled_from(
        [
            "real",
            "fake",
            "0",
            "1",
            "test",
            "a.mp4",
            "b/c.mp4",
            "./a.mp4",
            "/",
            "..",
            '"',
            ";",
            "anna;boris",
            "",
        ]
    ),
    st.text(max_size=5),
)
HEADERS = st.permutations(["path", "label", "split", "group", "manipulation", "identities"])
TABLES = st.tuples(HEADERS, st.lists(st.lists(CELLS, min_size=5, max_size=7), max_size=6)).map(
    lambda one: "\n".join(",".join(row) for row in (one[0], *one[1])).encode("utf-8", "replace")
)


@given(content=st.one_of(BYTES, TABLES))
@settings(deadline=None, max_examples=150)
def test_own_list(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "videos.csv").write_bytes(content)
        check_index(FolderDataset(Path(folder), compression=None))


# Names as they are on a disk: any bytes but two. Some are nearly those that a dataset gives its videos.
DISK_NAMES = st.one_of(
    st.sampled_from(
        [
            b"01__a.mp4",
            b"01__\xff.mp4",
            b"01_02__a__ABCDEFGH.mp4",
            b"01_02__\n__ABCDEFGH.mp4",
            b"id1_0001.mp4",
        ]
    ),
    st.sampled_from(
        [b"a.tar.gz", b"b.zip", b"1", b"1.png", b"\xff.png", b"000_M101.mp4", b".mp4", b"a;b.mp4"]
    ),
    st.binary(min_size=1, max_size=12).map(
        lambda name: name.replace(b"/", b"-").replace(b"\0", b"-") + b".mp4"
    ),
).filter(lambda name: name not in (b".", b".."))
TREES: dict[str, tuple[Callable[[Path], Dataset], tuple[str, ...]]] = {
    "celeb_df_v2": (lambda root: CelebDF(root, compression=None), ("Celeb-real", "Celeb-synthesis")),
    "deeperforensics_sources": (
        lambda root: SourceVideos(root, compression=None),
        ("end_to_end", "source_videos", "source_videos/M101"),
    ),
    "dfd": (
        lambda root: DeepFakeDetection(root, compression=None),
        (
            "original_sequences/actors/c23/videos",
            "manipulated_sequences/DeepFakeDetection/c23/videos",
            "manipulated_sequences/DeepFakeDetection/masks/videos",
        ),
    ),
    "ffiw": (
        lambda root: FaceForensicsInTheWild(root, compression=None),
        ("source/val", "target/val/videos", "target_mask/val"),
    ),
    "folder": (lambda root: FolderDataset(root, compression=None), ("real", "fake/a", "fake/b")),
    "wilddeepfake": (
        lambda root: WildDeepfake(root, compression=None),
        ("real_test", "real_test/3/real/1", "fake_test/4/fake", "fake_test/4/real/1"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
@given(names=st.lists(st.tuples(st.integers(0, 3), DISK_NAMES), max_size=8), folders=st.integers(0, 2))
@settings(deadline=None, max_examples=60)
def test_names_on_disk(name: str, names: list[tuple[int, bytes]], folders: int) -> None:
    build, places = TREES[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for place in places:
            (root / place).mkdir(parents=True, exist_ok=True)
        (root / "List_of_testing_videos.txt").write_text("1 Celeb-real/id1_0001.mp4", encoding="utf-8")
        (root / "lists" / "splits").mkdir(parents=True)
        (root / "lists" / "splits" / "test.txt").write_text("000_M101.mp4", encoding="utf-8")
        for number, (where, entry) in enumerate(names):
            path = root / places[where % len(places)] / os.fsdecode(entry)
            if path.exists():
                continue
            if number < folders:
                path.mkdir()
            else:
                path.write_bytes(b"x")
        check_index(build(root))


COUNTS = st.dictionaries(st.sampled_from(["real", "fake", "more"]), LEAVES)
CARDS = st.dictionaries(
    st.sampled_from(["corpus", "official", "more"]),
    st.one_of(LEAVES, COUNTS, st.dictionaries(st.sampled_from(["test", "val/A"]), st.one_of(LEAVES, COUNTS))),
)


@given(content=st.one_of(BYTES, CARDS.map(lambda one: json.dumps(one).encode())))
@settings(deadline=None, max_examples=150)
def test_corpus_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / CORPUS_FILE
        path.write_bytes(content)
        (Path(folder) / "real").mkdir()
        (Path(folder) / "real" / "a.mp4").write_bytes(b"x")
        index = FolderDataset(Path(folder), compression=None).index()
        for use in (lambda: corpus_name(Path(folder)), lambda: take_stock(SPEC, Path(folder), index).lines()):
            told: list[str] = [str(path)]
            try:
                assert use()
            except LayoutError as error:
                told = [error.message, *error.hints]
            assert str(path) in told[0]
