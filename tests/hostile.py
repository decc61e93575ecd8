r"""Two hundred names that something obeys: a terminal, a table of Markdown, a spreadsheet, a figure, a page, a shell.

Each kind stands alone, before, within and behind a plain word, as what is obeyed often depends on what stands around it.
`seen_raw` says what of them is left in a text or in bytes.
"""

from __future__ import annotations

import os
import unicodedata

_TERMINAL = (
    "\x1b[2J",
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[1A\x1b[2K",
    "\x9b31m",
    "\x90q\x9c",
    "\a\b\b\b",
    "\r",
    "\n",
    "\x0b\x0c",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e4pm.exe",
    "\u2066\u2067\u2069",
    "\u200e\u200f\u061c",
    "\u200b\u200c\u200d",
    "\ufeff\u2060\xad",
    "\u115f\u3164\uffa0",
    "\U000e0041\U000e007f",
    "\ufff9a\ufffab\ufffb",
)
_MARKUP = (
    "[a](http://evil.example)",
    "![a](//evil.example/a.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- ",
    "-->",
    "&lt;b&gt;&#60;",
    "http://evil.example",
    "www.evil.example",
    "me@evil.example",
    "@everyone",
    "*a* **b** __c__ ~~d~~",
    "`code` ``two``",
    "a | b || c",
    "|",
    "# head",
    "[red]x[/red]",
    "[/]",
    ":smile:",
    "{task.description} {0}",
    "%s %d",
    "\\",
)
_FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "=HYPERLINK(1);=2", "\uff1d1", "=cmd|' /C calc'!A0")
_FIGURES = ("$_{$", "$\\frac{$", "$x$", "\\$", "^_{}~#%&", "\\input{/etc/passwd}")
_SHELL = ("; touch pwned", "$(touch pwned)", "`touch pwned`", "' \" \\' ;", "-rf", "~", "*", "!!")

_KINDS = (*_TERMINAL, *_MARKUP, *_FORMULAS, *_FIGURES, *_SHELL)
NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            os.fsdecode(b"caf\xe9 \xff"),
            "\ud800",
            "x" * 300,
            " ",
            *_KINDS,
            *(f"{kind}name" for kind in _KINDS),
            *(f"na{kind}me" for kind in _KINDS),
        ]
    )
)[:200]
_RAW = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def file_names() -> tuple[str, ...]:
    """Those that can be the name of a file: without slash and null byte, encodable, and short enough for a disk."""
    fit = [name for name in NAMES if not set(name) & set("/\0") and "\ud800" not in name]
    return tuple(name for name in fit if len(os.fsencode(name)) <= 200 and name.strip(". "))


def seen_raw(text: str) -> set[str]:
    """What a terminal would obey, or a reader would not see, in a text of lines and tabs."""
    return {one for one in text if one not in "\n\t" and unicodedata.category(one) in _RAW} | (
        set(text) & set("\u115f\u1160\u3164\uffa0\u034f")
    )
