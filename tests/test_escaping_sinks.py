"""Nobody shows text but the sinks that escape it: a look at the source of every module, so that a new one cannot forget."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
ROOTS = ("harness", "plugins", "fakestormer_plugin", "baselines")
# What shows text, by its name or by the names that lead to it, and the modules whose task that is.
SINKS = {
    "print": {"cli/output.py", "progress.py"},
    "echo": set(),
    "secho": set(),
    "Console": {"results/terminal.py"},
    "rich.text": {"results/terminal.py", "progress.py"},
    "rich.table": {"results/terminal.py"},
    "rich.console": {"results/terminal.py"},
    "to_csv": {"dfbench/csv_text.py"},
    "csv.writer": {"dfbench/csv_text.py"},
    "csv.DictWriter": set(),
    "to_markdown": set(),
    "to_html": set(),
    "to_latex": set(),
    "to_string": set(),
    "ImageDraw.Draw": set(),
    "putText": {"demo/sheet.py"},  # its own words
    "savefig": {"results/plotting.py"},
    "matplotlib.figure": {"results/plotting.py"},
    "matplotlib.pyplot": set(),
    "matplotlib.backends": {"results/plotting.py"},
    "stdout.write": set(),
    "stderr.write": set(),
    "logging": {
        "training/loop.py",  # it silences Lightning
        "dfbench/settings.py",  # what these log,
        "hooks/manners.py",
        "hooks/waiting.py",
        "cli/log.py",  # is printed here, by `say`
    },
    "print_exception": {"cli/__init__.py"},
    "print_exc": set(),
    "shlex": {"dfbench/escaping.py"},
}
BARE = {"print", "Console"}  # a console's own method `print` escapes
WORDS = "run|train|data|explain|plugins|detectors|leaderboard|localisation|doctor|runs|fakestormer"
COMMAND = re.compile(
    rf"(\bdfbench ({WORDS})|\bpip install|\bdask scheduler --|\bsrun --|\brm)[^:;,]* $|  --[a-z-]+ $"
)
# What is a number, or made of words that are quoted already.
QUOTED = {"command", "devices", "nodes", "FALLBACK_CORPUS", "place.local", "place.size // place.local"}


def faults(source: str, module: str) -> Iterator[str]:
    """What a module shows around the sinks, or puts into a command unquoted, with its line."""
    tree = ast.parse(source)
    unused = {id(one) for block in ast.walk(tree) if _is_for_types(block) for one in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unused:
            continue
        for name in _named(node):
            for sink, modules in SINKS.items():
                is_it = name == sink or (sink not in BARE and f".{sink}." in f".{name}.")
                if is_it and not any(module.endswith(one) for one in modules):
                    yield f"{module}:{node.lineno}: {name}"  # type: ignore[attr-defined] # those that have names have lines
        if isinstance(node, ast.JoinedStr):
            yield from (f"{module}:{node.lineno}: {one}" for one in _unquoted(node))
        if (
            isinstance(node, ast.Call)
            and "warnings.warn" in _named(node.func)
            and not _is_escaped(node.args[0])
        ):
            yield f"{module}:{node.lineno}: warnings.warn"
        if isinstance(node, ast.keyword) and node.arg == "ensure_ascii" and not module.endswith(ASCII):
            yield f"{module}:{node.value.lineno}: ensure_ascii"


# They make digests, strings of TOML and cells of Parquet, and look for what cannot be encoded.
ASCII = ("dfbench/escaping.py", "dfbench/identity.py", "dfbench/untrusted.py", "data/datasets/manifest.py")


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _named(node: ast.AST) -> list[str]:
    """The dotted names that a node uses: of a call or an attribute the whole, of an import each."""
    if isinstance(node, ast.Call):
        return [node.func.id] if isinstance(node.func, ast.Name) else []
    if isinstance(node, ast.Attribute):
        return [ast.unparse(node)] if re.fullmatch(r"[\w.]+", ast.unparse(node)) else [f".{node.attr}"]
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{one.name}" for one in node.names] + [str(node.module)]
    return []


def _is_escaped(node: ast.expr) -> bool:
    """Whether an argument is a constant or comes from the module of escaping."""
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("for_")
    )


def _unquoted(text: ast.JoinedStr) -> Iterator[str]:
    """What an f-string puts into a command without quoting it for a shell."""
    before = ""
    for part in text.values:
        if isinstance(part, ast.Constant):
            before += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            value = part.value
            is_plain = ast.unparse(value) in QUOTED
            if COMMAND.search(before) and not is_plain and not _is_escaped(value):
                yield f"{{{ast.unparse(value)}}} in a command"
            before += "x"


def test_text_is_shown_by_the_sinks_alone() -> None:
    modules = [path for root in ROOTS for path in sorted((HERE / root).rglob("*.py"))]
    assert len(modules) > 150
    found = [
        fault
        for path in modules
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(HERE).as_posix())
    ]
    assert not found, "\n".join(["escape it, by a sink (dfbench/escaping.py names them):", *found])


@pytest.mark.parametrize(
    "source",
    [
        "print(name)",
        "import typer\ntyper.echo(name)",
        "from rich.console import Console\nConsole().print(name)",
        "import rich.table",
        "from rich.text import Text",
        "table.to_csv(path)",
        "frame().to_csv(path)",
        "import csv\ncsv.writer(file).writerow(names)",
        "from PIL import ImageDraw\nImageDraw.Draw(image).text((0, 0), name)",
        "import cv2\ncv2.putText(image, name)",
        "import matplotlib.pyplot as plt",
        "from matplotlib.figure import Figure",
        "figure.savefig(path)",
        "import sys\nsys.stdout.write(name)",
        "import logging\nlogging.getLogger(name)",
        "import warnings\nwarnings.warn(f'{name} is odd')",
        "import json\njson.dumps(x, ensure_ascii=False)",
        "hint = f'dfbench data check {name}'",
        "hint = f'see: dfbench run --detector {spec.name} --data demo'",
        "hint = f'say which:  --split {name}'",
    ],
)
def test_what_goes_around_a_sink_is_found(source: str) -> None:
    assert list(faults(source, "harness/dfbench/runs/new.py"))


@pytest.mark.parametrize(
    "source",
    [
        "from dfbench.cli.output import say\nsay(name)",
        "if TYPE_CHECKING:\n    from rich.console import Console",
        "hint = f'dfbench data check {for_shell(name)}'",
        "message = f'there is no {name}; dfbench data list names all'",
        "import warnings\nwarnings.warn(for_terminal(sentence), stacklevel=2)",
    ],
)
def test_what_uses_a_sink_is_not(source: str) -> None:
    assert not list(faults(source, "harness/dfbench/runs/new.py"))
