"""`plugins new detector`: what it writes installs, is found, and passes its own test."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from dfbench import StoreError, UsageError
from dfbench.hooks.cards import UNKNOWN, Card, card_of_work
from dfbench.hooks.host import Host
from dfbench.hooks.scaffold import new_plugin

HOST = Host.load()


@pytest.mark.slow
def test_the_package_installs_and_passes_its_own_test(
    tmp_path: Path, pip_install: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_plugin("detector", "blink_rate2", tmp_path / "with space" / "blink", host=HOST)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "README.md",
        "blink_rate2/__init__.py",
        "blink_rate2/cards/blink_rate2.toml",
        "blink_rate2/detector.py",
        "pyproject.toml",
        "tests/test_blink_rate2.py",
    ]
    assert "$" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    pip_install(folder, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    passes_its_own_tests(folder / "tests" / "test_blink_rate2.py")
    assert _installed_card("blink_rate2").input == "clips of faces"


def passes_its_own_tests(path: Path) -> None:
    """Run the tests in a file of a package, of which there must be one."""
    spec = importlib.util.spec_from_file_location("its_own_test", path)
    assert spec is not None
    assert spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    tests = [found for name, found in vars(own).items() if name.startswith("test_")]
    assert len(tests) == 1
    for test in tests:
        test()


@pytest.mark.slow
def test_a_trainable_detector_installs_trains_and_passes_its_own_test(
    tmp_path: Path, pip_install: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_plugin("trainable-detector", "blink_rate3", tmp_path / "blink", host=HOST)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "README.md",
        "blink_rate3/__init__.py",
        "blink_rate3/cards/blink_rate3.toml",
        "blink_rate3/method.py",
        "blink_rate3/recipes/standard.toml",
        "pyproject.toml",
        "tests/test_blink_rate3.py",
    ]
    assert "$" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    pip_install(folder, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    passes_its_own_tests(folder / "tests" / "test_blink_rate3.py")
    assert _installed_card("blink_rate3").code.licence == UNKNOWN


def _installed_card(package: str) -> Card:
    """Return the card of the only detector of an installed package."""
    (spec,) = importlib.import_module(package).dfbench_detectors()
    return card_of_work(spec)


def test_an_unknown_kind_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template for a 'dataset'") as caught:
        new_plugin("dataset", "blink", tmp_path / "new", host=HOST)
    assert [hint.split(":")[0] for hint in caught.value.hints] == ["a detector", "a trainable-detector"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", "My", "my-detector", "2fast", "class", "a b", "../x", "ünder", "x_", "_x"]
)
def test_a_name_that_is_no_identifier_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a detector") as caught:
        new_plugin("detector", name, tmp_path / "new", host=HOST)
    assert caught.value.hints
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("chance", "offered by plugin 'baselines'"),
        ("baselines", "installed plugin"),
        ("json", "Python module"),
    ],
)
def test_a_taken_name_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        new_plugin("detector", name, tmp_path / "new", host=HOST)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        new_plugin("detector", "fresh_name", tmp_path, host=HOST)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        new_plugin("detector", "fresh_name", tmp_path / "file" / "new", host=HOST)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
