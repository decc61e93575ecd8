"""What is installed: the packages and nothing beside them, found by Python and by type checkers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import find_namespace_packages  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
FOUND = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
    "packages"
]["find"]


def test_nothing_but_packages_of_dfbench_is_installed() -> None:
    packages = {
        name
        for root in FOUND["where"]
        for name in find_namespace_packages(str(ROOT / root), include=FOUND["include"])
    }
    tops = {name.partition(".")[0] for name in packages}
    assert tops == {
        "dfbench",
        "dfbench_plugins",
        "dfbench_synthesis",
        "dfbench_fakestormer",
        "dfbench_baselines",
    }
    assert all(
        (ROOT / root / name / "py.typed").is_file()
        for root in FOUND["where"]
        for name in tops
        if (ROOT / root / name).exists()
    )


def test_the_paths_that_make_writes_for_type_checkers_are_those_of_the_packages() -> None:
    (line,) = re.findall(r"^SOURCES := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert line.split() == FOUND["where"]
