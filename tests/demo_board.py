"""The tables of README.md and results/README.md that are made of the runs in `results/demo`.

dfbench runs export results/demo RUN...         # a new folder
python -m tests.demo_board                      # writes the tables anew: read the difference
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from dfbench import boards
from dfbench.results.renderings.markdown import markdown_of

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "results" / "demo"
FILES = (ROOT / "README.md", ROOT / "results" / "README.md")
_BLOCK = re.compile(r"(<!-- results/demo: ([\w ]+) -->\n)(?:.*?\n)?(<!-- end of results/demo -->)", re.DOTALL)


def written(text: str) -> str:
    """Return `text` with each block of a table made anew. Raises KeyError for a table that nobody makes."""
    made = tables()
    return _BLOCK.sub(lambda found: f"{found[1]}{made[found[2]]()}\n{found[3]}", text)


def blocks(text: str) -> list[str]:
    """Return the names of the tables in `text`."""
    return [found[2] for found in _BLOCK.finditer(text)]


def tables() -> Mapping[str, Callable[[], str]]:
    """Return what makes each table, by its name."""
    return {"entries": _entries}


def _entries() -> str:
    """The rows of `dfbench leaderboard --runs results/demo`."""
    (board,) = boards("cross-dataset", corpus="demo", runs=RUNS)
    assert not board.left_out, board.left_out
    lines = markdown_of(board, told=str).splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


if __name__ == "__main__":
    for file in FILES:
        file.write_text(written(file.read_text(encoding="utf-8")), encoding="utf-8")
