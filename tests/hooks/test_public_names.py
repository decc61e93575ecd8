"""What `import dfbench` promises exists, and costs no heavy import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dfbench


@pytest.mark.parametrize("name", dfbench.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(dfbench, name) is not None


def test_public_names_are_sorted_and_unique() -> None:
    assert len(set(dfbench.__all__)) == len(dfbench.__all__)
    assert dfbench.__all__ == sorted(dfbench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_this_name'"):
        _ = dfbench.nothing_of_this_name


def test_import_stays_light() -> None:
    script = "import sys, dfbench; print([m for m in ('torch', 'pandas', 'cv2', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
