"""What the public packages promise exists, is written down once, and costs no heavy import."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import dfbench
import dfbench.data
import dfbench.training

PUBLIC = (dfbench, dfbench.data, dfbench.training)


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_public_names_resolve_to_what_their_modules_define(package: ModuleType) -> None:
    for name, module in _typed(package).items():
        assert getattr(package, name) is getattr(import_module(module), name), name


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_public_names_are_unique(package: ModuleType) -> None:
    assert len(package.__all__) == len(set(package.__all__))


@pytest.mark.parametrize("package", [dfbench.data, dfbench.training], ids=lambda package: package.__name__)
def test_names_for_type_checkers_are_those_at_run_time(package: ModuleType) -> None:
    assert sorted(_typed(package)) == package.__all__


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_this_name'"):
        _ = package.nothing_of_this_name


@pytest.mark.parametrize("package", [package.__name__ for package in PUBLIC])
def test_import_stays_light(package: str) -> None:
    heavy = ("torch", "pandas", "cv2", "av", "pydantic_settings")
    script = f"import sys, {package}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _typed(package: ModuleType) -> dict[str, str]:
    """The names that a type checker sees as imported for `package` alone, with their modules."""
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    block = next(
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        name.name: str(line.module)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
