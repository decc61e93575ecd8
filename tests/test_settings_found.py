"""Which settings are in force below a project's folder, and what is said of misspelt ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Dfbench

from dfbench.config_file import config_path, write_root
from dfbench.errors import SettingsError
from dfbench.settings import load_settings, misspelt_variables


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder two levels below that of a settings file, which is the working directory."""
    (tmp_path / "dfbench.toml").write_text(
        'cache = "faces"\n[data.roots]\nffpp = "FF"\ndfd = "/dfd"\ndfdc = "~/D"\n'
    )
    folder = tmp_path / "notebooks" / "today"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DFBENCH_CACHE")
    monkeypatch.delenv("DFBENCH_RUNS")
    monkeypatch.delenv("DFBENCH_WORKERS", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    return folder


def test_a_file_further_up_is_in_force_with_folders_relative_to_it(below: Path, tmp_path: Path) -> None:
    assert config_path() == tmp_path / "dfbench.toml"
    found = load_settings()
    assert (found.cache, found.runs) == (tmp_path / "faces", tmp_path / "runs")
    assert found.data.roots == {"ffpp": tmp_path / "FF", "dfd": Path("/dfd"), "dfdc": Path("/home/me/D")}
    write_root("dfd", Path("/other"))
    assert load_settings().data.roots["dfd"] == Path("/other")
    assert not (below / "dfbench.toml").exists()


def test_the_nearest_file_counts_and_a_named_one_beats_it(
    below: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (below.parent / "dfbench.toml").write_text('runs = "mine"\n')
    assert load_settings().runs == below.parent / "mine"
    assert load_settings().data.roots == {}
    (below / "dfbench.toml").write_text("workers = 3\n")
    assert config_path() == Path("dfbench.toml")
    assert (load_settings().runs, load_settings().workers) == (Path("runs"), 3)
    monkeypatch.setenv("DFBENCH_CONFIG", str(tmp_path / "dfbench.toml"))
    assert config_path() == tmp_path / "dfbench.toml"


def test_doctor_says_which_file_is_in_force(below: Path, tmp_path: Path, dfbench: Dfbench) -> None:
    assert f"ok      settings: {tmp_path / 'dfbench.toml'}\n" in dfbench("doctor").out
    (tmp_path / "dfbench.toml").unlink()
    assert "note    settings: no dfbench.toml here or in a folder above" in dfbench("doctor").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('cahce = "x"', "cahce: no such setting, did you mean 'cache'?"),
        ("worker = 2", "worker: no such setting, did you mean 'workers'?"),
        ("zzz = 1", "zzz: no such setting; known: data, cache, runs"),
        ('[roots]\nfolder = "x"', "roots: no such setting, did you mean [data.roots]?"),
        ("[data.root]", "data.root: no such setting, did you mean 'roots'?"),
    ],
)
def test_a_misspelt_setting_is_told_with_what_was_meant(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "dfbench.toml").write_text(line)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in caught.value.message
    assert "dfbench.toml" in caught.value.message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DFBENCH_WORKER", "DFBENCH_WORKERS"),
        ("DFBENCH_CAHCE", "DFBENCH_CACHE"),
        ("DFBENCH_CONFG", "DFBENCH_CONFIG"),
        ("DFBENCH_DISABLE_PLUGIN", "DFBENCH_DISABLE_PLUGINS"),
        ("DFBENCH_ROOTS__FFPP", "DFBENCH_DATA__ROOTS__FFPP"),
    ],
)
def test_a_misspelt_variable_is_told_with_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    assert misspelt_variables() == {}
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in caught.value.message
    assert f"did you mean {meant}?" in caught.value.hints[0]


def test_variables_of_a_plugin_are_its_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DFBENCH_MY_LAB_TOKEN", "DFBENCH_DATA__ROOTS__FFPP", "dfbench_workers"):
        monkeypatch.setenv(name, "3")
    assert misspelt_variables() == {}
