"""Settings come from arguments, then variables, then the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench.errors import SettingsError
from dfbench.settings import load_settings


def test_file_then_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dfbench.toml").write_text(
        'runs = "from-file"\n[data.roots]\nffpp = "/data/ff"\n', encoding="utf-8"
    )
    monkeypatch.delenv("DFBENCH_RUNS")
    assert load_settings().runs == Path("from-file")
    assert load_settings().data.roots == {"ffpp": Path("/data/ff")}
    monkeypatch.setenv("DFBENCH_RUNS", "from-variable")
    assert load_settings().runs == Path("from-variable")


def test_bad_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "dfbench.toml").write_text("runs = ", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"dfbench\.toml"):
        load_settings()


def test_named_file_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings()


def test_workers_must_be_positive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_WORKERS", "0")
    with pytest.raises(SettingsError, match="workers"):
        load_settings()
