"""The network that the golden arrays of the released model were computed with."""

from __future__ import annotations

from dfbench_fakestormer.recipe import load_recipe

TINY_FIELDS = {
    "size": "64",
    "width": "48",
    "depth": "3",
    "heads": "4",
    "drop_path": "0",
    "temporal_token": "patch0",
    "embed_order": "released",
}
TINY = load_recipe("base_c23", TINY_FIELDS)
