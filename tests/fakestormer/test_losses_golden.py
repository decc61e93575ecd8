"""The loss against the stored terms and gradients of the released code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss
from dfbench_fakestormer.model import Output

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN / "losses.npz") as file:
        return {key: file[key] for key in file.files if key.startswith(("in/", "f64", "f32"))}


@pytest.mark.parametrize(
    ("case", "samples", "masked", "dtype", "rtol"),
    [
        ("f64_mask", 6, True, torch.float64, 1e-12),
        ("f64_nomask", 6, False, torch.float64, 1e-12),
        ("f64_mask_b1", 1, True, torch.float64, 1e-12),
        ("f32_mask", 6, True, torch.float32, 1e-6),
    ],
)
def test_terms_and_gradients(
    golden: dict[str, Any], case: str, samples: int, masked: bool, dtype: torch.dtype, rtol: float
) -> None:
    def given(name: str, kind: torch.dtype) -> torch.Tensor:
        return torch.tensor(golden[f"in/{name}"][:samples], dtype=kind)

    output = Output(*(given(n, dtype).requires_grad_() for n in ("cls_logit", "temp_loc_logit", "hm_pred")))
    targets = Targets(
        label=given("label", dtype),
        frame_labels=given("temp_loc_target", torch.float64),
        heatmap=given("hm_target", dtype),
        keep=given("hm_mask", torch.uint8) if masked else None,
    )
    losses = combined_loss(output, targets, LossWeights())
    losses.total.backward()  # type: ignore[no-untyped-call]
    terms = {"hm": losses.heatmap, "cls": losses.classes, "temp_loc": losses.temporal, "total": losses.total}
    for name, value in terms.items():
        np.testing.assert_allclose(value.item(), golden[f"{case}/{name}"], rtol=rtol, err_msg=name)
    gradients = {"hm": output.heatmap, "cls": output.logit, "temp_loc": output.frame_logits}
    for name, tensor in gradients.items():
        if f"{case}/grad_{name}" in golden:
            assert tensor.grad is not None
            tight = max(rtol, 1e-6 if name == "hm" else 0)  # stored as float32
            np.testing.assert_allclose(
                tensor.grad, golden[f"{case}/grad_{name}"], rtol=tight, atol=1e-9 * tight
            )
