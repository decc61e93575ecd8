"""Linear layers over many tokens, and what is computed right before them.

Two things make them cheaper than `nn.Linear` in a training step:

* What enters a layer by way of something cheap, a norm or a GELU, is not kept for the backward pass but computed
  again from what is kept anyway.
* On the CPU, large products in float32 go through oneDNN as convolutions of 1x1. torch gives products to MKL, which
  multiplies with AVX2 on AMD processors; `tests/benchmarks/test_network_speed.py` holds scoring against its products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# Each product brings the weights into oneDNN's order first. Measured were weights of 768 x 768 and more, and 1,500 rows.
LARGE_WEIGHT = 512 * 512
MANY_ROWS = 256

Step = Callable[[Tensor], Tensor]


def dense(layer: nn.Module, x: Tensor, before: nn.LayerNorm | Step | None = None) -> Tensor:
    """`layer(before(x))` for tokens (..., inputs); of what `before` computes nothing is kept for the backward pass.

    `layer` is a linear layer or what took its place (a quantised one). `before` works token by token and is cheap.
    """
    if isinstance(layer, nn.Linear) and _suits_onednn(x, layer.weight):
        parameters = tuple(before.parameters()) if isinstance(before, nn.Module) else ()
        return _Dense.apply(before, x, layer.weight, layer.bias, *parameters)  # type: ignore[no-any-return]
    if before is None:
        return layer(x)  # type: ignore[no-any-return]
    if not torch.is_grad_enabled() or x.numel() < MANY_ROWS * x.shape[-1]:
        return layer(before(x))  # type: ignore[no-any-return]
    # Recomputation stops at the last tensor that is needed, which is what enters the layer.
    answer: Tensor = checkpoint(lambda x: layer(before(x)), x, use_reentrant=False, preserve_rng_state=False)
    return answer


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear` of tokens (..., inputs), by `dense`'s kernels."""
    if _suits_onednn(x, weight):
        return _Dense.apply(None, x, weight, bias)  # type: ignore[no-any-return]
    return F.linear(x, weight, bias)


def _suits_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and weight.numel() >= LARGE_WEIGHT
        and x.numel() >= MANY_ROWS * weight.shape[1]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Dense(torch.autograd.Function):
    """`before` and then a linear layer; kept are x and the parameters."""

    @staticmethod
    def forward(
        ctx: Any, before: Step | None, x: Tensor, weight: Tensor, bias: Tensor, *parameters: Tensor
    ) -> Tensor:
        ctx.before = before
        ctx.save_for_backward(x, weight, *parameters)
        entered = x if before is None else before(x)
        return F.conv2d(_as_image(entered), weight[:, :, None, None], bias)[0, :, 0].T.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *parameters = ctx.saved_tensors
        _, of_x, of_weight, of_bias, *of_parameters = ctx.needs_input_grad
        with torch.enable_grad():
            given = x.detach().requires_grad_()
            entered = given if ctx.before is None else ctx.before(given)
        tokens, grad = entered.detach().reshape(-1, weight.shape[1]), grad.reshape(-1, len(weight))
        found: list[Tensor | None] = [grad.T @ tokens if of_weight else None]
        found.append(grad.sum(dim=0) if of_bias else None)
        asked = [
            one for one, needed in zip((given, *parameters), (of_x, *of_parameters), strict=True) if needed
        ]
        if not asked:
            return None, None, *found, *(None for _ in parameters)
        gradients: Iterator[Tensor | None] = iter([_input_gradient(grad, tokens, weight).view(x.shape)])
        if ctx.before is not None:
            gradients = iter(torch.autograd.grad(entered, asked, next(gradients)))
        first = next(gradients) if of_x else None
        return None, first, *found, *(next(gradients) if needed else None for needed in of_parameters)


def _as_image(tokens: Tensor) -> Tensor:
    """Tokens (..., D) as one picture (1, D, 1, tokens) of a single line, channels last, which is a view."""
    return tokens.reshape(1, 1, -1, tokens.shape[-1]).permute(0, 3, 1, 2)


def _input_gradient(grad: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    """grad @ weight (rows, inputs)."""
    image: Tensor = torch.ops.aten.convolution_backward(
        _as_image(grad),
        _as_image(tokens),
        weight[:, :, None, None],
        bias_sizes=None,
        stride=[1, 1],
        padding=[0, 0],
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=1,
        output_mask=[True, False, False],
    )[0]
    return image[0, :, 0].T
