"""The command line starts light, explains itself and ends with the documented exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Dfbench, as_program

HEAVY = ("torch", "pandas", "cv2", "lightning", "matplotlib", "av", "distributed", "dask", "numpy.random")


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], (*HEAVY, "pydantic")),
        (["plugins", "list"], HEAVY),
        (["data", "list"], HEAVY),
        (["detectors", "list"], (*HEAVY[:-1], "timm")),  # recipes are read, which need numpy
    ],
)
def test_light_commands_import_nothing_heavy(arguments: list[str], heavy: tuple[str, ...]) -> None:
    code = (
        f"import sys\nfrom dfbench.cli import main\nsys.argv = ['dfbench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
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


def test_help_of_the_installed_program_names_every_command() -> None:
    ended = as_program("--help")
    assert ended.code == 0
    for command in (
        "run",
        "train",
        "predict",
        "explain",
        "localisation",
        "leaderboard",
        "runs",
        "doctor",
        "data",
        "plugins",
        "detectors",
    ):
        assert command in ended.out


def test_unknown_detector_is_a_usage_error_with_a_suggestion(dfbench: Dfbench) -> None:
    ended = dfbench("run", "--detector", "fakestromer")
    assert ended.code == 2
    assert "fakestormer" in ended.err
    assert "Traceback" not in ended.err


def test_override_without_a_value_is_a_usage_error(dfbench: Dfbench) -> None:
    ended = dfbench("run", "--detector", "chance", "--set", "lr")
    assert ended.code == 2
    assert "KEY=VALUE" in ended.err


def test_a_configured_root_that_is_missing_is_never_replaced_by_demo(
    dfbench: Dfbench, tmp_path: Path
) -> None:
    config = tmp_path / "dfbench.toml"
    config.write_text('[data.roots]\nceleb_df_v2 = "/nowhere/celeb"\n', encoding="utf-8")
    ended = dfbench("run", "--detector", "chance", "--only", "celeb_df_v2", DFBENCH_CONFIG=str(config))
    assert ended.code == 2
    assert "/nowhere/celeb" in ended.err
    assert "DEMO" not in ended.err


def test_unknown_setting_names_the_file(dfbench: Dfbench, tmp_path: Path) -> None:
    config = tmp_path / "dfbench.toml"
    config.write_text('chace = "/x"\n', encoding="utf-8")
    ended = dfbench("data", "list", DFBENCH_CONFIG=str(config))
    assert ended.code == 2
    assert str(config) in ended.err
    assert "chace" in ended.err


def test_data_list_as_json_names_the_four_datasets(dfbench: Dfbench) -> None:
    ended = dfbench("data", "list", "--json")
    assert ended.code == 0, ended.err
    names = {row["dataset"] for row in json.loads(ended.out)}
    assert {"ffpp", "celeb_df_v2", "dfdc", "dfd"} <= names


def test_data_check_of_a_wrong_folder_fails_with_a_hint(dfbench: Dfbench, tmp_path: Path) -> None:
    ended = dfbench("data", "check", "celeb_df_v2", "--root", tmp_path)
    assert ended.code == 1
    assert str(tmp_path) in ended.err
