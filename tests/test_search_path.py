"""No module is imported from the working folder: not by the program, not by any process that it starts."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import frame, write

import dfbench
from dfbench.children import safe_children, safe_environment
from dfbench.data.preparing import process as processes
from dfbench.imports import watch_imports
from dfbench.search_path import is_program, safe_variables, without_working_folder

# Modules of Python and of others, most of them imported by the helpers of multiprocessing or by all that dfbench does.
SHADOWS = (
    *("socket", "random", "json", "numpy", "torch", "cv2", "pandas", "pluggy", "tempfile", "logging"),
    *("selectors", "signal", "struct", "pickle", "subprocess", "typer", "safetensors", "dfbench_plugins"),
)
# Those that Python itself imports before it comes to dfbench, if PYTHONPATH says to look in the working folder.
EARLY = ("__future__", "typing", "dataclasses", "enum", "pathlib", "contextlib", "collections")
MARK = "imported.txt"
PROGRAM = Path(sys.executable).with_name("dfbench")


def shadow(folder: Path, names: tuple[str, ...] = SHADOWS) -> Path:
    """Put a module of each name into `folder`, that leaves a mark and fails when it is imported."""
    for name in names:
        source = f"open({str(folder / MARK)!r}, 'a').write({name!r} + ' ')\nraise SystemError({name!r})\n"
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def run(folder: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    environment.pop("PYTHONSAFEPATH", None)
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def code_path() -> str:
    """Where this dfbench lies, for PYTHONPATH."""
    return str(Path(dfbench.__file__).parents[1])


@pytest.mark.slow
def test_a_data_folder_runs_no_code_when_its_files_are_decoded(own: Path) -> None:
    """By the script, with an empty entry in PYTHONPATH; a process from the fork server decodes."""
    path = os.pathsep.join(["", *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {"PYTHONPATH": path, "DFBENCH_DATA__ROOTS__FOLDER": str(own), "DFBENCH_WORKERS": "1"}
    ended = run(shadow(own), PROGRAM, "data", "check", "folder", "--deep", **settings)
    assert not (own / MARK).exists(), (own / MARK).read_text()
    assert "SystemError" not in ended.stderr
    assert ended.returncode in (0, 1), ended.stderr
    assert "decod" in ended.stdout + ended.stderr


def test_the_program_started_as_a_module_imports_nothing_from_where_it_is_started(tmp_path: Path) -> None:
    ended = run(shadow(tmp_path, SHADOWS + EARLY), sys.executable, "-m", "dfbench", "data", "list")
    assert not (tmp_path / MARK).exists(), (tmp_path / MARK).read_text()
    assert ended.returncode == 0, ended.stderr


def test_a_plugin_lying_in_the_working_folder_is_no_installed_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "evil-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
            "evil-1.0.dist-info/entry_points.txt": b"[dfbench]\nevil = evil\n",
        },
    )
    ended = run(shadow(tmp_path, ("evil",)), sys.executable, "-m", "dfbench", "plugins", "list")
    assert (ended.returncode, "evil" in ended.stdout) == (0, False), ended.stdout


def test_the_users_own_path_of_modules_keeps_working(tmp_path: Path) -> None:
    """PYTHONPATH names the folder of a plugin, which is the working folder, too: it is asked for by its name."""
    info = {
        "mine-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
        "mine-1.0.dist-info/entry_points.txt": b"[dfbench]\nmine = mine_module\n",
        "mine_module.py": b"import dfbench\n@dfbench.hookimpl\ndef dfbench_detectors():\n    return []\n",
    }
    write(tmp_path, info)
    path = os.pathsep.join([str(tmp_path), "", *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = run(tmp_path, sys.executable, "-m", "dfbench", "plugins", "list", PYTHONPATH=path)
    assert (ended.returncode, "mine" in ended.stdout) == (0, True), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "started_by", "expected"),
    [
        (["/env/bin/dfbench", "run"], ["python", "/env/bin/dfbench", "run"], True),
        (["-m", "run"], ["python", "-m", "dfbench", "run"], True),
        (["-m"], ["python", "-mdfbench"], True),
        (["-m"], ["python", "-um", "dfbench.cli"], True),
        (["-m", "dfbench"], ["python", "-m", "mine", "dfbench"], False),
        (["-m"], ["python", "-m", "dfbench_extra"], False),
        (["-c", "dfbench"], ["python", "-c", "import dfbench", "dfbench"], False),
        (["script.py"], ["python", "script.py"], False),
        ([], [], False),
    ],
)
def test_the_program_is_told_from_programs_that_use_it(
    arguments: list[str], started_by: list[str], expected: bool
) -> None:
    assert is_program(arguments, started_by) is expected


@pytest.mark.parametrize(
    ("named", "by_module", "expected"),
    [
        ("", False, ["{here}", "/lib"]),  # a library's: `python script.py` in its own folder
        ("", True, ["/lib"]),
        (":/a", False, ["/lib"]),
        ("/a::/b", True, ["/lib"]),
        ("{here}:", False, ["{here}", "/lib"]),  # asked for by name
        ("{here}", True, ["/lib"]),
        (".:", False, ["{here}", "/lib"]),
    ],
)
def test_an_empty_entry_of_pythonpath_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, by_module: bool, expected: list[str]
) -> None:
    here = str(Path.cwd())
    monkeypatch.setenv("PYTHONPATH", named.format(here=here))
    found = without_working_folder([here, "/lib"], by_module=by_module)
    assert found == [one.format(here=here) for one in expected]


def test_the_folder_of_dfbench_itself_stays_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(code_path())
    here = str(Path.cwd())
    assert without_working_folder([here, "/lib"], by_module=True) == [here, "/lib"]


def test_empty_entries_are_left_out_of_what_children_search() -> None:
    variables = {"PATH": "/usr/bin::/bin", "LD_LIBRARY_PATH": ":", "PYTHONPATH": ":/mine", "HOME": ""}
    assert safe_variables(variables) == {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": "/mine",
        "PATH": "/usr/bin:/bin",
        "LD_LIBRARY_PATH": "",
    }


def test_a_child_of_a_library_imports_nothing_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow(tmp_path, ("socket",))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", code_path()]))
    before = dict(os.environ)
    command = [sys.executable, "-c", "import socket"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1  # as it would be
    with safe_children():
        with safe_children():
            pass
        assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run(command, check=False, env=safe_environment()).returncode == 0
    assert dict(os.environ) == before


def test_every_process_for_a_thread_is_started_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def start(_: object) -> None:
        seen.append(os.environ.get("PYTHONSAFEPATH"))
        raise KeyError

    monkeypatch.setattr(processes, "_start", start)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with pytest.raises(KeyError):
        processes.OwnProcess().call(len, ())
    assert (seen, "PYTHONSAFEPATH" in os.environ) == (["1"], False)


PROBE = """
import os, sys
sys.argv = ["dfbench"]
import dfbench.guard
here = os.getcwd()
import {module}
assert os.getcwd() == here
print([one for one in sys.path if "path_hook" in one], os.environ.get("LD_LIBRARY_PATH"), {shown})
"""


def test_no_style_for_figures_is_taken_from_the_working_folder(tmp_path: Path) -> None:
    """In a process of its own, because matplotlib reads it when it is imported."""
    (tmp_path / "matplotlibrc").write_text("font.size: 77\n", encoding="utf-8")
    code = PROBE.format(module="matplotlib", shown="matplotlib.rcParams['font.size']")
    ended = run(tmp_path, sys.executable, "-P", "-c", code)
    assert ended.stdout.split()[-1:] == ["10.0"], ended.stderr


def test_children_look_for_no_library_in_the_working_folder_after_opencv_was_imported(tmp_path: Path) -> None:
    """OpenCV puts an empty entry into the variable. A mark of an editable installation is no folder beside the data, either."""
    mark = tmp_path / "__editable__.mine-1.0.finder.__path_hook__"
    mark.mkdir()
    code = PROBE.format(module="cv2", shown="'end'").replace(
        "import dfb", f"sys.path.append({mark.name!r})\nimport dfb", 1
    )
    ended = run(tmp_path, sys.executable, "-P", "-c", code)
    marks, libraries, _ = ended.stdout.rsplit(maxsplit=2)
    assert mark.name not in marks
    assert all(libraries.split(os.pathsep)), libraries


def test_a_watched_module_is_imported_away_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    write(
        site, {"obeys_folder.py": b"import os\nseen = os.getcwd()\nif os.path.exists('x'): raise KeyError\n"}
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    watch_imports(["obeys_folder", "no_such_module"])
    module = importlib.import_module("obeys_folder")
    assert (module.seen, Path.cwd()) == ("/", tmp_path)
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")


def test_the_server_of_processes_is_elsewhere_and_they_are_here(tmp_path: Path) -> None:
    process = processes.OwnProcess()
    try:
        assert process.call(os.getcwd) == str(tmp_path)
        assert process.call(os.readlink, f"/proc/{process.call(os.getppid)}/cwd") == "/"
    finally:
        process.close(seconds=0.0)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write(tmp_path / "own", {"real/a/1.png": frame(1), "fake/b/1.png": frame(2)})
