"""Whatever reads a file that others wrote asks `dfbench.untrusted` first: nobody may go around it by forgetting it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dfbench
import dfbench_baselines
import dfbench_fakestormer
import dfbench_plugins
import dfbench_synthesis

PACKAGES = (dfbench, dfbench_plugins, dfbench_synthesis, dfbench_fakestormer, dfbench_baselines)
OWNER = "dfbench/untrusted.py"
# Calls that open or parse a file, by the last name of the function; `Path.open` and `open` are told by their mode.
READS = {
    *("read_text", "read_bytes", "open", "fdopen", "loads", "load", "reader", "DictReader"),
    *("read_csv", "read_json", "read_parquet", "read_table", "read_schema", "ParquetFile", "parquet_file"),
    *("safe_open", "load_file", "loadtxt", "genfromtxt", "fromfile", "memmap", "imread", "VideoCapture"),
    *("ZipFile", "is_zipfile", "TarFile", "is_tarfile", "literal_eval", "unpickle", "CascadeClassifier"),
}
BARE = {
    "open",
    "safe_open",
    "load_file",
    "literal_eval",
    "ZipFile",
}  # others of these names are functions of ours
WRITING = {"w", "wb", "a", "ab", "x", "xb"}
OURS = {"Host", "listfiles"}
# Who may, with what makes it safe. A file of ours, as installed, is no file of others.
ALLOWED = {
    "dfbench/results/renderings/dataframe.py: loads": "JSON that was just made",
    "dfbench/cli/commands/run.py: loads": "JSON that was just made",
    "dfbench/identity.py: loads": "JSON that was just made",
    "dfbench/data/store/face_checks.py: ZipFile": "bytes at hand, whose entries are looked at one by one",
    "dfbench/data/images/frame_images.py: open": "bytes at hand",
    "dfbench/data/datasets/manifest.py: loads": "a cell of a table at hand; what it may hold is asked for",
    "dfbench/data/parquet.py: ParquetFile": "after `require_regular`",
    "dfbench/data/preparing/process.py: read_text": "what the kernel says below /proc and /sys",
    "dfbench/data/images/archives.py: ZipFile": "of an archive that is a regular file (`archive_of`)",
    "dfbench/data/images/archives.py: open": "as above",
    "dfbench/data/store/face_files.py: ZipFile": "after `require_regular`, or to write",
    "dfbench/data/decoding/streams.py: open": "after `require_regular`, by its absolute path",
    "dfbench/hooks/cards.py: loads": "a card of an installed package",
    "dfbench/hooks/cards.py: read_text": "a card of an installed package",
    "dfbench/hooks/scaffold.py: read_text": "a template of ours",
    "dfbench/hooks/third_party.py: open": "code of an installed plugin, a regular file, to hash it",
    "dfbench/imports.py: open": "the working folder, to come back to it",
    "dfbench/results/checked.py: read_bytes": "code of ours",
    "dfbench/results/published.py: open": "a file of ours",
    "dfbench/results/published.py: DictReader": "a file of ours",
    "dfbench/runs/records/provenance.py: read_text": "what the kernel says below /proc",
    "dfbench/runs/records/record.py: loads": "JSON that was just made",
    "dfbench/runs/trainings/training_identity.py: loads": "JSON that was just made",
    "dfbench/training/record.py: load": "after `require_regular`, and without running code",
    "dfbench/runs/records/turns.py: open": "a lock file of our own, through no link",
    "dfbench_baselines/probe_package.py: read_bytes": "a file of an installed package, to hash it",
    "dfbench_baselines/metadata.py: safe_open": "after `require_file`",
    "dfbench_baselines/keras_files.py: open": "after `require_file`, and so many bytes at most",
    "dfbench_baselines/timm_frames.py: load": "`Recipe.load`: a recipe of an installed package",
    "dfbench_baselines/mesonet.py: load": "`Recipe.load`: a recipe of an installed package",
    "dfbench_plugins/datasets/listfiles.py: reader": "a line at hand",
    "dfbench_plugins/demo/measured.py: read_csv": "a file of ours",
    "dfbench_plugins/demo/sheet.py: open": "a video that was just made",
    "dfbench/training/weights_file.py: safe_open": "after `require_file`",
    "dfbench/training/method.py: load": "`Recipe.load`, and a weights file through `read_header`",
    "dfbench/training/recipe.py: load": "`Recipe.load`: a recipe of an installed package",
    "dfbench/training/recipe.py: loads": "a recipe of an installed package",
    "dfbench/training/recipe.py: read_text": "a recipe of an installed package",
    "dfbench/training/state_files.py: ZipFile": "after `require_file`; nothing is inflated",
    "dfbench/training/state_files.py: is_zipfile": "after `require_file`",
    "dfbench/training/state_files.py: load": "after `require_file`, and without running code",
    "dfbench/training/state_files.py: load_file": "after `require_file`",
}


def _reads(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node) in READS and not _is_ours(node) and not _writes(node):
            yield node


def _name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id if function.id in BARE else ""
    return function.attr if isinstance(function, ast.Attribute) else ""


def _is_ours(call: ast.Call) -> bool:
    """Whether a function of ours is called, or one that is handed nothing to read."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    is_ours = isinstance(owner, ast.Name) and owner.id in OURS
    return is_ours or (_name(call) == "load" and not call.args and not call.keywords)


def _writes(call: ast.Call) -> bool:
    modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and mode.value in WRITING for mode in modes)


def _found() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        (top,) = package.__path__
        for path in sorted(Path(top).rglob("*.py")):
            name = path.relative_to(Path(top).parent).as_posix()
            for call in _reads(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(f"{name}: {_name(call)}", []).append(f"{name}:{call.lineno}")
    return found


def test_only_those_read_files_themselves_that_say_why_they_may() -> None:
    unknown = {
        name: places
        for name, places in _found().items()
        if name not in ALLOWED and not name.startswith(OWNER)
    }
    assert not unknown, f"read these through dfbench.untrusted, or say in ALLOWED why it is safe: {unknown}"


def test_no_permission_outlives_its_reader() -> None:
    assert sorted(set(ALLOWED) - set(_found())) == []


def test_a_reader_that_goes_around_is_seen() -> None:
    source = """
json.loads(path.read_text(encoding="utf-8"))
tomllib.load(path.open("rb"))
csv.reader(open(path))
pd.read_csv(path)
path.open("w")
read_bytes(path, most=5)
Host.load()
"""
    found = {_name(call) for call in _reads(ast.parse(source))}
    assert found == {"loads", "read_text", "load", "open", "reader", "read_csv"}


def test_each_permission_says_why() -> None:
    assert all(ALLOWED.values())
