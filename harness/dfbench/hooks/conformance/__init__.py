"""Checks that a plugin author runs: does the thing behave as the harness expects of it?

A number is only as good as the detector's manners. A score that depends on what else is in the batch, or that
changes from call to call, makes a table that nobody can repeat; these checks find it before a benchmark does.
Every check is run, whatever the others found; none raises because of what is checked.
"""

from __future__ import annotations

from dfbench.hooks.conformance.checking import TOLERANCE, CheckResult
from dfbench.hooks.conformance.datasets import check_dataset
from dfbench.hooks.conformance.detectors import check_detector
from dfbench.hooks.conformance.explainers import check_explainer
from dfbench.hooks.conformance.synthesizers import check_synthesizer

__all__ = [
    "TOLERANCE",
    "CheckResult",
    "check_dataset",
    "check_detector",
    "check_explainer",
    "check_synthesizer",
]
