"""Boards as files: one for each format, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dfbench.csv_text import csv_of
from dfbench.results.boards.board import Board
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.renderings.markdown import markdown_of
from dfbench.results.writing import write_parquet, write_text

SCHEMA_VERSION = 2  # 1 ranked whatever the coverage
NAME = "leaderboard"


def write_board(board: Board, folder: Path, *, told: Callable[[str], str]) -> tuple[Path, Path, Path]:
    """Write a board to `folder` as CSV, Parquet and Markdown; returns the paths, in this order.

    `told` as in `markdown_of`. Raises StoreError.
    """
    csv, parquet, text = (folder / f"{NAME}.{kind}" for kind in ("csv", "parquet", "md"))
    frame = frame_of(board).assign(protocol=board.protocol, corpus=board.corpus, level=board.level)
    write_text(csv, csv_of(frame))
    write_parquet(parquet, frame, kind=NAME, version=SCHEMA_VERSION)
    write_text(text, markdown_of(board, told=told))
    return csv, parquet, text
