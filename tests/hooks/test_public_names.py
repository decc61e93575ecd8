"""What the public packages promise exists, is written down once, and costs no heavy import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
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
def test_names_for_type_checkers_are_those_at_run_time(package: ModuleType) -> None:
    assert sorted(_typed(package)) == [name for name in package.__all__ if name != "__version__"]
    assert len(package.__all__) == len(set(package.__all__)) > 20


def test_a_name_is_public_in_one_package() -> None:
    names = Counter(name for package in PUBLIC for name in package.__all__)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_of_this_name'$"):
        getattr(package, "nothing_of_this_name")  # noqa: B009 - for type checkers there is none either
    assert not hasattr(package, "__wrapped__")


@pytest.mark.parametrize(
    ("package", "name", "question"),
    [
        (dfbench, "read_faces", "dfbench.data.read_faces"),
        (dfbench, "Method", "dfbench.training.Method"),
        (dfbench.data, "DetectorSpec", "dfbench.DetectorSpec"),
        (dfbench.training, "StoredFaces", "dfbench.data.StoredFaces"),
        (dfbench, "DetectorSpce", "'DetectorSpec'"),
    ],
)
def test_a_name_of_another_package_is_told_with_its_place(
    package: ModuleType, name: str, question: str
) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}': did you mean {question}"):
        getattr(package, name)


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
