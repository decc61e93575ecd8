"""Whatever stands in a list file, an index ends with videos and problems, or with one of our own errors."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench import Dataset, DfbenchError
from dfbench.data.manifest import manifest_digest, manifest_of, videos_of
from dfbench_plugins.datasets.celeb_df_v2 import CelebDF
from dfbench_plugins.datasets.dfdc import DeepfakeDetectionChallenge
from dfbench_plugins.datasets.ffpp import FaceForensics

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
    try:
        index = dataset.index()
    except DfbenchError as error:
        message, hints = error.message, error.hints
        assert message
        assert hints
        return
    assert index.videos
    assert all(problem and problem.isprintable() for problem in index.problems)
    assert len(manifest_digest(index.videos)) == 64  # no repeated video, nothing that cannot be encoded
    assert videos_of(manifest_of(index.videos)) == list(index.videos)


@given(content=BYTES)
@settings(deadline=None, max_examples=120)
def test_celeb_df_list(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "List_of_testing_videos.txt").write_bytes(content)
        check_index(CelebDF(root, compression=None))


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
