"""No module imports another that imports it, on whatever way: contracts of import-linter hold the layers, and see no circles.

What is imported within functions counts; what is imported for type checkers alone does not.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("dfbench", "dfbench_plugins", "dfbench_synthesis", "dfbench_fakestormer", "dfbench_baselines")


def test_no_import_leads_back() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    assert len(graph.modules) > 200
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
