r"""Text from outside, made harmless for where it is shown: one function for each kind of place.

Names of files, entries of lists, fields of records, words of plugins, messages of libraries: whoever made them can put
anything into them. A terminal obeys control characters, Markdown and HTML make links, spreadsheets compute, shells run.
Everyday text, whatever its script, is returned as it is. Every function can be called on its own result for terminals and
figures: a backslash is not doubled, so that a path stays readable.

Whoever shows text uses the sinks, which call these functions: `dfbench.cli.output` and `dfbench.progress` (terminal),
`dfbench.results.terminal` (tables there), `dfbench.csv_text`, `dfbench.results.markdown`, `dfbench.results.plotting` and
`dfbench.drawing` (pictures). `tests/test_escaping_sinks.py` holds everybody to that.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import unicodedata
from pathlib import PurePath

# What no reader sees and a program may obey: control characters; signs of direction, zero-width characters and fillers
# (Default_Ignorable_Code_Point of Unicode 16, with ZWJ and ZWNJ); separators of lines; surrogates; what is no character.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
# Those of them that `str.isprintable` lets pass, being letters and marks.
_UNSEEN_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_PRESENTATION = "\ufe0e\ufe0f"  # a symbol in black and white, or as an emoji
_KEYS = frozenset("#*0123456789")

# Spreadsheets compute what begins so, also behind blanks, behind what they take for a separator, and in wide letters.
_FORMULA = re.compile(r"(^|;)(?=[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
# What Markdown programs, and GitHub's above all, make links, mentions, references or formulas of, however it is escaped.
_LIVELY = re.compile(r"(?<![\w/])//|://|www\.|mailto:|xmpp:|[@$]|#[0-9]|\bGH-[0-9]", re.IGNORECASE)
_MARKDOWN_SIGNS = re.compile(r"[\\`*\[\]~^]|(?<![^\W_])_|_(?![^\W_])|^[#+=:\-](?=\s|\W|$)|(?<=^[0-9])[.)]")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": "{-}",  # two of them would become a dash
}
_FIGURE_LETTERS = 200


def for_terminal(text: object, *, lines: bool = False) -> str:
    r"""Return `text` with what a terminal would obey, or a reader would not see, as `\x1b`, `\n`, `\u202e`, `\U000e0001`.

    A byte of a file's name that is not UTF-8 becomes `\xff`. Letters of every script stay; so does the variation selector
    behind a symbol, which makes an emoji of it. With `lines`, line ends and tabs stay, too: for text of our own making, or
    where every line is marked as a stranger's.
    """
    shown = str(text)
    words = shown.replace("\n", "").replace("\t", "") if lines else shown
    if words.isprintable() and (words.isascii() or not _UNSEEN_LETTERS.search(words)):
        return shown
    if lines:
        shown = shown.replace("\r\n", "\n")
    return _UNSEEN.sub(lambda found: _kept(found, "\n\t" if lines else "") or _escaped(found[0]), shown)


def for_markdown(text: object) -> str:
    """Return `text` as it stands in a line or table cell of Markdown: no link, tag, emphasis, formula or cell of its own.

    Text that holds an address, a mention, a reference or a `$` becomes a span of code: programs look for those behind the
    escaping. Spaces at the ends and repeated ones are dropped.
    """
    plain = " ".join(for_terminal(text).split())
    if _LIVELY.search(plain):
        return "`" + plain.replace("`", r"\x60").replace("|", r"\x7c") + "`"
    # Not every Markdown program knows backslashes before these; all know HTML's own escapes.
    marked = _MARKDOWN_SIGNS.sub(lambda found: f"\\{found[0]}", plain)
    marked = re.sub(r"&(?=[#\w])", "&amp;", marked)
    return marked.replace("<", "&lt;").replace(">", "&gt;").replace("|", r"\|")


def for_csv(text: object) -> str:
    """Return `text` as the cell of a CSV file, where no spreadsheet computes it: a `'` stands before what would begin a
    formula. Not for numbers, of which `-1.3` is one."""
    return for_terminal(_FORMULA.sub(r"\1'", str(text)))


def for_figure(text: object, *, letters: int = _FIGURE_LETTERS, lines: bool = False) -> str:
    """Return `text` as a label, with its middle left out where it has more than so many `letters`; line ends and tabs stay
    with `lines`.

    That a `$` begins no formula is seen to by who draws it (`dfbench.results.plotting`).
    """
    shown = for_terminal(text, lines=lines)
    half = letters // 2
    return shown if len(shown) <= letters else f"{shown[:half]}\u2026{shown[len(shown) - half :]}"


def for_html(text: object) -> str:
    """Return `text` as content or quoted attribute of HTML or XML."""
    return html.escape(for_terminal(text), quote=True)


def for_latex(text: object) -> str:
    """Return `text` as a word of LaTeX, in a text or a table cell; needs the T1 or a Unicode font encoding."""
    return "".join(_LATEX.get(letter, letter) for letter in for_terminal(text))


def for_toml(text: object) -> str:
    """Return `text` as a quoted string of TOML, on one line; reading it gives `text` back if it can be encoded."""
    quoted = json.dumps(str(text), ensure_ascii=False)
    return _UNSEEN.sub(lambda found: _kept(found, "") or _by_number(found[0]), quoted)


def for_shell(word: object) -> str:
    r"""Return `word` as one argument of a command that can be pasted into bash or zsh and means exactly that word.

    Control characters, and bytes that are not UTF-8, are written as `$'a\nb'`, so that the command names the same file. A path
    that begins with `-` becomes `./-`.
    """
    text = str(word)
    if isinstance(word, PurePath) and text.startswith("-"):
        text = f"./{text}"
    if for_terminal(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_in_ansi_quotes, text)) + "'"


def _kept(found: re.Match[str], also: str) -> str:
    """The character found if it stays, otherwise nothing."""
    one, before = found[0], found.string[found.start() - 1 : found.start()]
    if one in also:
        return one
    is_symbol = bool(before) and (before in _KEYS or unicodedata.category(before) in {"So", "Sm"})
    return one if one in _PRESENTATION and is_symbol else ""


def _escaped(one: str) -> str:
    number = ord(one)
    if 0xDC80 <= number <= 0xDCFF:  # how Python holds a byte of a name that is not UTF-8
        number -= 0xDC00
    return _SHORT.get(one) or (f"\\x{number:02x}" if number < 0x100 else _by_number(one))


def _by_number(one: str) -> str:
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _in_ansi_quotes(one: str) -> str:
    if one in "\\'":
        return f"\\{one}"
    return r"\x21" if one == "!" else _UNSEEN.sub(lambda found: _escaped(found[0]), one)
