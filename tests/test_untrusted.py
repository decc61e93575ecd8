"""The one module that reads what others wrote: whatever the file is, it ends as content or as an error that names it."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.chance import examples

from dfbench import untrusted
from dfbench.errors import AbsentError, DfbenchError, UnreadableError
from dfbench.escaping import for_terminal

MOST = 2**20
READERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: untrusted.read_bytes(path, most=MOST),
    "text": lambda path: untrusted.read_text(path, most=MOST),
    "json": lambda path: untrusted.read_json(path, most=MOST),
    "object": lambda path: untrusted.read_object(path, most=MOST),
    "toml": untrusted.read_toml,
}
HERE = Path("some.json")


def _refused(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(path)
    assert for_terminal(path) in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_named_at_once(reader: str, tmp_path: Path) -> None:
    read = READERS[reader]
    pipe, folder, looped = tmp_path / "pipe", tmp_path / "folder", tmp_path / "loop"
    os.mkfifo(pipe)
    folder.mkdir()
    looped.symlink_to(looped)
    for name, target in (("zero", "/dev/zero"), ("stdin", "/dev/stdin"), ("linked", str(pipe))):
        (tmp_path / name).symlink_to(target)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)  # names of sockets are short
        server.bind("sock")
        began = time.monotonic()
        assert "pipe" in _refused(read, pipe)
        assert "pipe" in _refused(read, tmp_path / "linked")
        assert "folder" in _refused(read, folder)
        assert "device" in _refused(read, tmp_path / "zero")
        assert "socket" in _refused(read, tmp_path / "sock")
        assert _refused(read, looped)
        assert "no name" in _refused(read, tmp_path / "a\0b")
        assert _refused(read, tmp_path / ("n" * 300))
        assert time.monotonic() - began < 5


def test_a_pipe_that_took_the_place_of_a_file_is_no_reason_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(untrusted, "require_regular", lambda path: path)
    assert "pipe" in _refused(lambda path: untrusted.open_regular(path).close(), pipe)


def test_what_is_not_there_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file" / "below"):
        with pytest.raises(AbsentError):
            untrusted.read_bytes(path, most=MOST)


def test_a_sparse_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as opened:
        opened.truncate(100 * 2**30)
    assert "107374182400 bytes" in _refused(READERS["bytes"], path)
    assert untrusted.require_regular(path) == path
    assert "107374182400" in _refused(lambda one: untrusted.require_regular(one, most=MOST), path)


def test_a_file_that_says_it_is_empty_is_read_no_further_than_its_limit() -> None:
    path = Path("/proc/self/environ")  # its size is 0, whatever is in it
    assert untrusted.read_bytes(path, most=MOST)
    assert "at most 4" in _refused(lambda one: untrusted.read_bytes(one, most=4), path)


def test_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"x" * 10)
    assert untrusted.read_bytes(path, most=10) == b"x" * 10
    _refused(lambda one: untrusted.read_bytes(one, most=9), path)


def test_an_absolute_path_comes_back(tmp_path: Path) -> None:
    (tmp_path / "-i.mp4").touch()
    assert untrusted.require_regular(Path("-i.mp4")) == tmp_path / "-i.mp4"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (gzip.compress(b"{}", mtime=0), "gzip"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff\x00{\x00}", "UTF-16"),
        (b"PK\x03\x04zip", "zip"),
        (b'{"a": "\x00"}', "null bytes"),
        (b'{"a": "\xff"}', "byte 7"),
    ],
)
def test_what_is_no_utf_8_says_what_it_is(raw: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(raw)
    for reader in ("text", "json", "toml"):
        assert said in _refused(READERS[reader], path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert untrusted.read_text(path, most=MOST) == '{"a": 1}'
    assert untrusted.read_json(path, most=MOST) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "deep"),
        ("[" * 65 + "]" * 65, "deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "deep"),
        ('["]]]]]]]", ' * 65 + "]" * 65, "deep"),
        ("9" * 10**6, "64 bits"),
        ('{"seed": 9223372036854775808}', "64 bits"),
        ("-9223372036854775809", "64 bits"),
        ("[1e400]", "too large"),
        ("-1e400", "too large"),
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        (r'{"name": "\ud800"}', "surrogate"),
        (r'{"\uDCff": 1}', "surrogate"),
        ("", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} x', "not JSON"),
        ('"\\', "not JSON"),
    ],
)
def test_json_that_would_do_harm_is_refused(text: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=f"some.json.*{said}"):
        untrusted.parsed_json(HERE, text)


def test_json_as_large_as_it_may_be_is_read() -> None:
    deep = "[" * 64 + "]" * 64
    assert untrusted.parsed_json(HERE, deep) == json.loads(deep)
    wide = json.dumps([{"[[[": ["]", 1.5, -(2**63), 2**63 - 1, None, True]}] * 500)
    assert untrusted.parsed_json(HERE, wide) == json.loads(wide)
    assert untrusted.parsed_json(HERE, r'"\ud83d\ude00 \\ud800"') == "\N{GRINNING FACE} \\ud800"
    assert untrusted.parsed_json(HERE, r'"\udcff"', surrogates=True) == "\udcff"


def test_many_quotes_take_no_longer_than_their_number() -> None:
    began = time.monotonic()
    for raw in (b'"' * 10**6, b'"' + b'\\"' * 10**6, b"[" * 100 + b'"\\' * 10**6):
        with pytest.raises(UnreadableError):
            untrusted.parsed_json(HERE, raw)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("text", ["[]", "null", "1", '"text"', "true"])
def test_an_object_is_asked_for(text: str) -> None:
    with pytest.raises(UnreadableError, match="no JSON object"):
        untrusted.parsed_object(HERE, text)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "[" * 70 + "]" * 70,
        ".".join("a" * 70) + " = 1",
        f"a = {'9' * 10**5}",
        "a = 1\na = 2",
        "a =",
    ],
)
def test_toml_that_would_do_harm_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"some\.json"):
        untrusted.parsed_toml(HERE, text)


def test_toml_is_read() -> None:
    assert untrusted.parsed_toml(HERE, 'a.b = [1, {c = "d"}]') == {"a": {"b": [1, {"c": "d"}]}}


def test_the_error_survives_a_process_border() -> None:
    error = AbsentError(Path("x"), "there is no such file", line=3, hints=("look",))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is AbsentError
    assert (copy.path, copy.reason, copy.line, copy.hints) == (Path("x"), error.reason, 3, ("look",))


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\ab'), inner),
    max_leaves=20,
)


@settings(max_examples=examples(300), deadline=None)
@given(_VALUES)
def test_what_json_can_say_is_read_as_the_parser_of_python_reads_it(value: Any) -> None:
    assert untrusted.parsed_json(HERE, json.dumps(value)) == value


_PIECES = st.sampled_from(
    ["[", "]", "{", "}", '"', "\\", ":", ",", "1", "1e999", "9" * 30, "NaN", "null", "\\ud800", "a", " ", "é"]
)


@settings(max_examples=examples(500), deadline=None)
@given(st.binary(max_size=200) | st.lists(_PIECES, max_size=60).map(lambda parts: "".join(parts).encode()))
@example(b"[" * 70 + b'"' + b"]" * 70)
def test_any_bytes_are_content_or_a_named_error(raw: bytes) -> None:
    for parse in (untrusted.parsed_json, untrusted.parsed_object, untrusted.decoded):
        try:
            parse(HERE, raw)
        except DfbenchError as error:
            assert "some.json" in error.message  # noqa: PT017 # whether it raises is not the question
    try:
        untrusted.parsed_toml(HERE, raw.decode("latin-1"))
    except DfbenchError as error:
        assert "some.json" in error.message  # noqa: PT017 # as above
