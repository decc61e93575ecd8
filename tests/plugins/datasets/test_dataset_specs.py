"""What the bundled datasets say of themselves, and that saying it loads nothing heavy."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from dfbench import Counts, DatasetSpec
from dfbench_plugins.datasets import dfbench_datasets

SPECS = dfbench_datasets()


def test_names_and_aliases_are_unique() -> None:
    assert [spec.name for spec in SPECS] == ["ffpp", "celeb_df_v2", "dfdc", "dfd"]
    names = [name for spec in SPECS for name in {one.casefold() for one in (spec.name, *spec.aliases)}]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_field_is_filled_and_build_leads_somewhere(spec: DatasetSpec) -> None:
    for text in (spec.title, spec.summary, spec.homepage, spec.licence, spec.aliases, spec.compressions):
        assert text
    assert spec.citation.startswith("@")
    assert spec.citation.count("{") == spec.citation.count("}")
    module, _, name = spec.build.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_official_counts() -> None:
    official = {spec.name: spec.official for spec in SPECS}
    assert official["ffpp"]["test"] == Counts(140, 4 * 140)
    assert official["ffpp"]["train"] == Counts(720, 4 * 720)
    assert official["celeb_df_v2"]["test"] == Counts(178, 340)
    both = official["celeb_df_v2"]["train"], official["celeb_df_v2"]["test"]
    assert sum(one.real for one in both) == 590 + 300
    assert sum(one.fake for one in both) == 5639
    assert official["dfdc"]["test"] == Counts(2500, 2500)
    assert official["dfd"]["test"] == Counts(363, 3068)


def test_importing_the_plugins_is_light() -> None:
    code = (
        "import sys, dfbench_plugins.datasets, dfbench_plugins.protocols; "
        "print(sorted({'torch', 'pandas', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
