"""Whatever stands in the place of a list, a card or the settings: content, problems, or an error that names the file."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.chance import examples

from dfbench import DfbenchError, LayoutError, SettingsError
from dfbench.config_file import write_root
from dfbench.data import is_frame_name
from dfbench.data.datasets.corpus_card import CORPUS_FILE, read_card
from dfbench.data.images import archives
from dfbench.data.images.archives import archive_listing
from dfbench.runs.records.trained import TRAINING_FILE, finished_weights
from dfbench.settings import load_settings
from dfbench_plugins.datasets import celeb_df_v2, dfdc, ffpp_splits, folder, listfiles

QUICK = settings(
    max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Of each reader: with JSON and with words, two thousand, where slow tests run too.
MANY = settings(QUICK, max_examples=examples(1000))


def _ffpp(path: Path) -> None:
    path.parent.joinpath("train.json").write_text("[]")
    ffpp_splits.read_splits(path.parent, [])


def _dfdc(path: Path) -> None:
    dfdc.DeepfakeDetectionChallenge(path.parents[1], compression=None).index()


def _own(path: Path) -> None:
    folder.FolderDataset(path.parent, compression=None).index()


def _celeb(path: Path) -> None:
    (path.parent / "Celeb-real").mkdir(exist_ok=True)
    celeb_df_v2.CelebDF(path.parent, compression=None).index()


def _settings(_: Path) -> None:
    load_settings()


def _root(_: Path) -> None:
    write_root("ffpp", Path("/data"))


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "splits of FF++": ("splits/test.json", _ffpp),
    "metadata of DFDC": ("test/metadata.json", _dfdc),
    "labels of DFDC": ("test/labels.csv", _dfdc),
    "videos.csv": ("videos.csv", _own),
    "list of Celeb-DF": ("List_of_testing_videos.txt", _celeb),
    "corpus card": (CORPUS_FILE, lambda path: read_card(path.parent)),
    "settings": ("dfbench.toml", _settings),
    "settings to be edited": ("dfbench.toml", _root),
    "note of a training": (TRAINING_FILE, lambda path: finished_weights(path.parent)),
}
DEEP = "[" * 10**5
TEXTS: tuple[bytes, ...] = (
    *(b"", b"\xef\xbb\xbf", b"\0" * 99, b"\xff\xfe[\0]\0", gzip.compress(b"[]"), b"PK\x03\x04", b"\xff" * 9),
    *(b"[]", b"{}", b"null", b"1", b'"x"', b"[null]", b'{"a": null}', DEEP.encode(), f"a = {DEEP}".encode()),
    *(b"[1e400]", b"NaN", b"9" * 10**5, b"a = " + b"9" * 10**5, b'{"corpus": 1e400}', b'{"weights": []}', b'["\\ud800"]'),
    *(b'{"corpus": "x", "official": {"test": {"real": 9223372036854775808, "fake": 1}}}', b"path,label\n" + b"a" * 10**6),
    *(b'path,label\n"a,real\n', b"path,label\n\0,real", b"runs = 5", b"data = []", b"[data.roots]\nx = []", b"workers = inf"),
    *(b'{"x.mp4": {"label": []}}', b'{"x.mp4": {"is_fake": 1e400}}', b"[[1, 2], [[]], {}]", b'[["071", null]]', b"\r" * 999),
)  # fmt: skip


def _read(name: str, root: Path) -> Path:
    """Let the reader `name` read; returns the path that its error must name if it raises one."""
    inside, read = READERS[name]
    path = root / inside
    try:
        read(path)
    except DfbenchError as error:
        told = " ".join((error.message, *error.hints))
        assert str(path) in told or path.name in told or str(root) in told  # it need not raise
    return path


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of a reader, for whose file there is a folder."""
    name: str = request.param
    (tmp_path / READERS[name][0]).parent.mkdir(exist_ok=True)
    return name


def test_any_text_is_content_or_a_named_error(reader: str, tmp_path: Path) -> None:
    for text in TEXTS:
        (tmp_path / READERS[reader][0]).write_bytes(text)
        _read(reader, tmp_path)


def test_what_is_no_file_is_named_at_once(reader: str, tmp_path: Path) -> None:
    path = tmp_path / READERS[reader][0]
    for kind in ("pipe", "/dev/zero", "folder", "loop", "sparse"):
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "sparse":
            path.touch()
            os.truncate(path, 100 * 2**30)
        else:
            path.symlink_to(path.name if kind == "loop" else kind)
        _read(reader, tmp_path)
        path.rmdir() if kind == "folder" else path.unlink()


_WORDS = st.sampled_from(
    [
        *("path,label", "real", "fake", "0 ", "1 ", "Celeb-real/a.mp4", "\n", ",", '"', "[", "]", "{", "}", ":", "=", "null"),
        *("1e400", "9" * 30, '"corpus"', '"official"', '"real"', '"a.mp4"', '"label"', '"is_fake"', "\\ud800", "\0", "data", "é"),
    ]
)  # fmt: skip


@MANY
@given(parts=st.lists(_WORDS, max_size=30))
def test_any_words_are_content_or_a_named_error(reader: str, tmp_path: Path, parts: list[str]) -> None:
    (tmp_path / READERS[reader][0]).write_text("".join(parts))
    _read(reader, tmp_path)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 2**62, 0.5, "", "071", "x.mp4", "REAL", "/abs", "official"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["corpus", "official", "test", "real", "fake", "x.mp4", "label", "is_fake"]),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@MANY
@given(value=_JSON)
def test_any_json_is_content_or_a_named_error(reader: str, tmp_path: Path, value: Any) -> None:
    (tmp_path / READERS[reader][0]).write_text(json.dumps(value))
    _read(reader, tmp_path)


def test_a_compressed_list_says_so(tmp_path: Path) -> None:
    problems: list[str] = []
    path = tmp_path / "list.txt"
    path.write_bytes(gzip.compress(b"1 a.mp4\n"))
    assert listfiles.read_lines(path, problems) == []
    assert "gzip" in problems[0]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LayoutError, match="named pipe"):
        listfiles.read_lines(tmp_path / "pipe", problems)


def test_settings_of_a_million_digits_are_named(tmp_path: Path) -> None:
    (tmp_path / "dfbench.toml").write_text("workers = " + "9" * 10**5)
    with pytest.raises(SettingsError, match=r"dfbench\.toml"):
        load_settings()


@QUICK
@given(value=_JSON | st.dictionaries(st.just("v"), st.tuples(_JSON, _JSON, _JSON).map(list)))
def test_whatever_is_kept_of_an_archive_it_is_listed_again(tmp_path: Path, value: Any) -> None:
    archive = tmp_path / "a.zip"
    if not archive.exists():
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("v/1.png", b"x")
        archive_listing(archive)
    (kept,) = (tmp_path / "cache" / "archives").glob("*.json")
    kept.write_text(json.dumps(value))
    archives._known_listing.cache_clear()
    for listed in archive_listing(archive).values():
        assert listed.names
        assert all(map(is_frame_name, listed.names))
        assert isinstance(listed.content, str)
