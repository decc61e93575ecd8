"""`dfbench plugins list`, `new` and `check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dfbench import PluginError, UsageError
from dfbench.cli.commands.plugins import app

Install = Callable[..., None]
BROKEN = "import no_such_module_anywhere"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_list_shows_plugins_and_reasons_and_fails_with_a_failed_one(install: Install) -> None:
    assert invoke("list").exit_code == 0
    install("shaky", BROKEN)
    result = invoke("list")
    assert isinstance(result.exception, PluginError)
    assert "shaky" in result.exception.message
    assert "detector: chance" in result.output
    assert "failed 'shaky': cannot be imported: ModuleNotFoundError" in result.output
    assert BROKEN in result.output


def test_json_list_is_for_scripts(install: Install) -> None:
    install("shaky", BROKEN)
    records = {record["name"]: record for record in json.loads(invoke("list", "--json").stdout)}
    assert {"chance", "frame_cnn"} <= set(records["baselines"]["offers"]["detector"])
    assert records["baselines"]["status"] == "ok"
    assert records["shaky"]["status"] == "failed"
    assert "ModuleNotFoundError" in records["shaky"]["traceback"]


def test_new_writes_a_package_and_says_how_to_go_on(tmp_path: Path) -> None:
    result = invoke("new", "detector", "fresh_name", "--folder", str(tmp_path / "fresh"))
    assert result.exit_code == 0
    assert (tmp_path / "fresh" / "fresh_name" / "detector.py").is_file()
    assert "dfbench plugins check fresh_name" in result.output


def test_what_new_tells_to_install_is_the_folder_and_no_package_of_the_index(tmp_path: Path) -> None:
    result = invoke("new", "detector", "fresh_name")
    assert "  pip install --no-deps --no-build-isolation ./fresh_name\n" in result.output
    result = invoke("new", "detector", "other_name", "--folder", "my plugins/other")
    assert "  pip install --no-deps --no-build-isolation './my plugins/other'\n" in result.output
    result = invoke("new", "detector", "third_name", "--folder", str(tmp_path / "third"))
    assert f"  pip install --no-deps --no-build-isolation {tmp_path / 'third'}\n" in result.output


def test_new_refuses_other_kinds(tmp_path: Path) -> None:
    result = invoke("new", "dataset", "fresh_name", "--folder", str(tmp_path / "fresh"))
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "fresh").exists()


def test_check_passes_for_chance_and_names_each_check() -> None:
    result = invoke("check", "chance")
    assert result.exit_code == 0
    assert "same score alone and in any batch" in result.output
    assert "passed all 9 checks" in result.output


def test_check_fails_for_a_detector_that_cannot_be_built(install: Install) -> None:
    source = "from dfbench import DetectorSpec, hookimpl\n\n@hookimpl\ndef dfbench_detectors():\n"
    install(
        "hollow", source + "    return [DetectorSpec(name='hollow', summary='', build='hollow:Nothing')]\n"
    )
    result = invoke("check", "hollow")
    assert isinstance(result.exception, PluginError)
    assert "failed 1 of 1 checks" in result.exception.message
    assert "no attribute 'Nothing'" in result.output


@pytest.mark.parametrize("name", ["chanse", ""])
def test_check_of_an_unknown_detector_is_a_usage_error(name: str) -> None:
    assert isinstance(invoke("check", name).exception, UsageError)
