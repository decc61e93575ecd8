"""The command line starts light, explains itself and ends with the documented exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "pandas", "cv2", "lightning", "matplotlib", "av", "distributed", "dask", "numpy.random")


def dfbench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("dfbench")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"], ["data", "list"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys\nfrom dfbench.cli import main\nsys.argv = ['dfbench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines()[-1:] == ["HEAVY []"], ended.stdout + ended.stderr


def test_scoring_does_not_wait_for_lightning() -> None:
    code = (
        "import sys, dfbench_fakestormer.detector, dfbench_fakestormer.explain\n"
        "assert 'torch' in sys.modules\nassert 'lightning' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_help_names_every_command() -> None:
    ended = dfbench("--help")
    assert ended.returncode == 0
    for command in (
        "run",
        "train",
        "explain",
        "localisation",
        "leaderboard",
        "runs",
        "doctor",
        "data",
        "plugins",
    ):
        assert command in ended.stdout


def test_unknown_detector_is_a_usage_error_with_a_suggestion() -> None:
    ended = dfbench("run", "--detector", "fakestromer")
    assert ended.returncode == 2
    assert "fakestormer" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_override_without_a_value_is_a_usage_error() -> None:
    ended = dfbench("run", "--detector", "chance", "--set", "lr")
    assert ended.returncode == 2
    assert "KEY=VALUE" in ended.stderr


def test_a_configured_root_that_is_missing_is_never_replaced_by_demo(tmp_path: Path) -> None:
    config = tmp_path / "dfbench.toml"
    config.write_text('[data.roots]\nceleb_df_v2 = "/nowhere/celeb"\n', encoding="utf-8")
    ended = dfbench("run", "--detector", "chance", "--only", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert ended.returncode == 2
    assert "/nowhere/celeb" in ended.stderr
    assert "DEMO" not in ended.stderr


def test_unknown_setting_names_the_file(tmp_path: Path) -> None:
    config = tmp_path / "dfbench.toml"
    config.write_text('chace = "/x"\n', encoding="utf-8")
    ended = dfbench("data", "list", DFBENCH_CONFIG=str(config))
    assert ended.returncode == 2
    assert str(config) in ended.stderr
    assert "chace" in ended.stderr


def test_data_list_as_json_names_the_four_datasets() -> None:
    ended = dfbench("data", "list", "--json")
    assert ended.returncode == 0, ended.stderr
    names = {row["dataset"] for row in json.loads(ended.stdout)}
    assert {"ffpp", "celeb_df_v2", "dfdc", "dfd"} <= names


def test_data_check_of_a_wrong_folder_fails_with_a_hint(tmp_path: Path) -> None:
    ended = dfbench("data", "check", "celeb_df_v2", "--root", str(tmp_path))
    assert ended.returncode == 1
    assert str(tmp_path) in ended.stderr
