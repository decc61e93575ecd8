"""Numbers as tables and boards show them."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """Return `value` with so many digits behind the point; a dash where it is not defined."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def number_with_interval(value: float, low: float, high: float) -> str:
    """Return `0.823 [0.75, 0.89]`, the value alone without an interval, and a dash where the value is not defined."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if math.isnan(low) else f"{value:.3f} [{low:.2f}, {high:.2f}]"
