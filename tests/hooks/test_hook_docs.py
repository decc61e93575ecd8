"""The manual cannot rot: every hook is described, stands in docs/plugins.md, and is known to the host."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from dfbench.hooks import specs
from dfbench.hooks.loading import HOOK_NAMES

DOCS = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
HOOKS = {name: hook for name, hook in vars(specs).items() if hasattr(hook, f"{specs.PROJECT}_spec")}


def test_the_host_calls_exactly_the_specified_hooks() -> None:
    assert set(HOOK_NAMES) == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_described_and_in_the_table(name: str) -> None:
    assert len((inspect.getdoc(HOOKS[name]) or "").split()) >= 3
    parameters = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"| `{name}({parameters})` |" in DOCS


def test_the_table_names_no_other_hook() -> None:
    assert set(re.findall(r"^\| `(dfbench_\w+)\(", DOCS, re.MULTILINE)) == set(HOOKS)


def test_the_ten_line_example_works() -> None:
    example = re.search(r"```python\n(from dfbench import ClipSpec.*?)```", DOCS, re.DOTALL)
    assert example is not None
    lines = example.group(1).splitlines()
    namespace: dict[str, object] = {}
    exec("\n".join(lines), namespace)
    offer = namespace["dfbench_detectors"]
    assert callable(offer)
    assert [spec.name for spec in offer()] == ["my_detector"]
