"""Escaping by target: what is obeyed somewhere is shown, and everyday text of every script stays as it is."""

from __future__ import annotations

import html
import io
import os
import pickle
import re
import shlex
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dfbench import DfbenchError
from dfbench.cli import print_error
from dfbench.escaping import (
    for_csv,
    for_figure,
    for_html,
    for_latex,
    for_markdown,
    for_shell,
    for_terminal,
    for_toml,
)
from dfbench.progress import RichProgress
from dfbench.streams import InertStream, beneath, inert_streams

EVERYDAY = (
    "celeb_df_v2/Celeb-real/id0_0000.mp4",
    "données/vidéo été.mp4",
    "видео/日本語 ビデオ/한국어/中文.mp4",
    "وجه/פנים.mp4",  # letters that are read from right to left stay
    "हिन्दी/ไทย",
    "c23 (raw) 50% & more #1",
    "\U0001f600 ❤\ufe0f 1\ufe0f\u20e3.mp4",
    r"back\slash",
)
ANY = st.text(st.characters(), max_size=40)
# Every kind of character that steers a terminal or is not seen, by Unicode's own categories.
UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
VISIBLE_FORMAT = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_text_stays_as_it_is(text: str) -> None:
    assert for_terminal(text) == text
    assert for_figure(text) == text
    assert for_csv(text) == text
    assert html.unescape(for_html(text)) == text
    assert shlex.split(for_shell(text)) == [text]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;x\x07", r"\x1b[2J\x1b]0;x\x07"),
        ("\x1b]8;;http://x\x1b\\a", r"\x1b]8;;http://x\x1b\a"),
        ("\x9b31m\x85\x7f\0", r"\x9b31m\x85\x7f\x00"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("gpj\u202e4pm.exe", r"gpj\u202e4pm.exe"),
        (
            "a\u200b\u200c\u200d\ufeff\u2060\xad\u115f\u3164b",
            r"a\u200b\u200c\u200d\ufeff\u2060\xad\u115f\u3164b",
        ),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("a\ufe0f x\U000e0041\U000e0101", r"a\ufe0f x\U000e0041\U000e0101"),
        (os.fsdecode(b"caf\xe9\xff"), r"caf\xe9\xff"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert for_terminal(text) == shown
    assert for_terminal(shown) == shown
    assert str(DfbenchError(text, hints=[text])) == shown


@given(ANY)
def test_nothing_unseen_is_left_for_a_terminal(text: str) -> None:
    for lines, allowed in ((False, ""), (True, "\n\t")):
        shown = for_terminal(text, lines=lines)
        kinds = {unicodedata.category(one) for one in shown if one not in allowed}
        assert not kinds & UNSEEN
        assert "Cf" not in {unicodedata.category(one) for one in shown if one not in VISIBLE_FORMAT}
        assert shown.encode().decode() == shown


@given(ANY)
def test_markup_holds_nothing_of_its_own(text: str) -> None:
    assert not set(for_html(text)) & set("<>\"'")
    assert html.unescape(for_html(text)) == for_terminal(text)
    assert not set(for_markdown(text).replace(r"\|", "")) & set("|<>\n\r")
    assert not set(for_csv(text)[:1]) & set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def test_a_formula_is_quoted_and_a_name_is_not() -> None:
    assert for_csv("=cmd|' /C calc'!A0") == "'=cmd|' /C calc'!A0"
    assert [for_csv(one) for one in ("+1", "-1", "@a", "\uff1da", " =a")] == [
        "'+1",
        "'-1",
        "'@a",
        "'\uff1da",
        "' =a",
    ]
    assert for_csv("a; =HYPERLINK(1);b") == "a;' =HYPERLINK(1);b"  # read with ; between columns
    assert for_csv("\t=a") == r"'\t=a"
    assert for_csv("a-b=c@d") == "a-b=c@d"


def test_latex_commands_are_words() -> None:
    assert for_latex(r"\input{x} $a_b^c$ 50% #1 & ~") == (
        r"\textbackslash{}input\{x\} \$a\_b\textasciicircum{}c\$ 50\% \#1 \& \textasciitilde{}"
    )
    assert for_latex("a--b") == "a{-}{-}b"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_toml_is_read_back(text: str) -> None:
    line = f"key = {for_toml(text)}"
    assert tomllib.loads(line) == {"key": text}
    assert for_terminal(line) == line


def test_a_shell_takes_each_word_for_itself() -> None:
    hostile = [
        "a b; touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "a\ntouch pwned\n",
        "'; touch pwned; '",
        "a\\'\x1b[31m'; touch pwned",
        "~ * ? # ! !! {a,b} <x >y |z &",
        "\u202eabc\u200b",
        os.fsdecode(b"caf\xe9'\xff"),
        "",
        *EVERYDAY,
    ]
    words = [for_shell(one) for one in hostile]
    assert all(for_terminal(one) == one for one in words)
    command = f"printf '%s\\0' {' '.join(words)}"
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert [os.fsdecode(one) for one in ended.stdout.split(b"\0")[:-1]] == hostile
    assert not Path("pwned").exists()


def test_a_path_is_no_option() -> None:
    assert for_shell(PurePosixPath("-rf")) == "./-rf"
    assert for_shell(PurePosixPath("/data/a b")) == "'/data/a b'"


def test_a_label_is_short() -> None:
    assert for_figure("x" * 1000) == "x" * 100 + "…" + "x" * 100
    assert for_figure("a\x1b[2Jb\nc") == r"a\x1b[2Jb\nc"
    assert for_figure("a\x1b[2Jb\nc", lines=True) == "a\\x1b[2Jb\nc"


def test_errors_are_single_lines_but_for_their_detail(capsys: pytest.CaptureFixture[str]) -> None:
    forged = "a\nerror: all is well\n  mend it: curl x | sh"
    error = pickle.loads(pickle.dumps(DfbenchError(forged, hints=[forged], detail=f"{forged}\x1b[1A")))
    print_error(error)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == r"error: a\nerror: all is well\n  mend it: curl x | sh"
    assert lines[1:4] == ["  | a", "  | error: all is well", r"  |   mend it: curl x | sh\x1b[1A"]
    assert lines[4:] == [r"  a\nerror: all is well\n  mend it: curl x | sh"]


def test_streams_escape_whatever_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plain = sys.stdout
    with inert_streams(), inert_streams():
        print("a\x1b[2J\tb\r\nc\u202e")
        print("\x1b[31m", file=sys.stderr)
        assert not sys.stdout.isatty()
        assert beneath(sys.stdout) is plain
        with pytest.raises(TypeError, match="bytes"):
            sys.stdout.write(b"")  # type: ignore[arg-type] # how click asks for the kind of a stream
    assert sys.stdout is plain
    captured = capsys.readouterr()
    assert captured.out == "a\\x1b[2J\tb\nc\\u202e\n"
    assert captured.err == "\\x1b[31m\n"


def test_bars_of_a_terminal_obey_nothing_that_is_printed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "\x1b]8;;http://x\x1b\\a\x1b[31m\u202e"
    text = io.StringIO()
    bars = RichProgress(Console(file=text, width=200, force_terminal=True))
    streams = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    with bars.task(words, 2) as task:
        task.advance(1, note=words)
        bars.note(words)
        print(words)
        print(words, file=sys.stderr)
    assert (sys.stdout, sys.stderr) == streams
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())  # rich's own codes
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count(r"\x1b]8;;http://x\x1b\a\x1b[31m\u202e") >= 5


def test_a_stream_is_as_the_one_beneath() -> None:
    inner = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stream = InertStream(inner)
    assert (stream.encoding, stream.errors, stream.buffer) == ("utf-8", "strict", inner.buffer)
    stream.close()
    stream.write("é\x07")
    stream.flush()
    assert inner.buffer.getvalue() == "é\\x07".encode()
