"""Instance and batch norm side by side, and both at once where torch's own are slow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class InstanceBatchNorm(nn.Module):
    """Half of the channels normalised over their own frame, half over the batch: (F, C, h, w) -> the same.

    How sharp or grainy a whole frame is says more about its camera than about a forgery. The first half sees a face
    only beside the rest of its frame; the second keeps the absolute level. Source: IBN-Net (Pan et al., ECCV 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._alone = channels // 2
        self.instance = nn.GroupNorm(self._alone, self._alone)
        self.batch = nn.BatchNorm2d(channels - self._alone)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise F frames."""
        # A batch norm over several processes is of another class, cuDNN needs no help, and torch says what is too little.
        enough = images.numel() > images.shape[1]
        if type(self.batch) is nn.BatchNorm2d and images.device.type == "cpu" and enough:
            return self._at_once(images, self.batch)
        alone, together = images[:, : self._alone], images[:, self._alone :]
        return torch.cat([self.instance(alone), self.batch(together)], dim=1)

    def _at_once(self, images: Tensor, batch: nn.BatchNorm2d) -> Tensor:
        weight = torch.cat([self.instance.weight, batch.weight])
        bias = torch.cat([self.instance.bias, batch.bias])
        known = None if batch.training else (batch.running_mean, batch.running_var)
        wide = images if images.dtype is torch.float64 else images.float()
        out, mean, variance = _Normalise.apply(wide, weight, bias, self._alone, batch.eps, known)
        if batch.training and batch.track_running_stats:
            count = images.numel() // images.shape[1]
            _remember(batch, mean, variance * (count / max(1, count - 1)))
        return out.to(images.dtype)  # type: ignore[no-any-return]


@torch.no_grad()
def _remember(batch: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    assert batch.running_mean is not None
    assert batch.running_var is not None
    assert batch.num_batches_tracked is not None
    assert batch.momentum is not None
    batch.num_batches_tracked += 1
    batch.running_mean.lerp_(mean.to(batch.running_mean), batch.momentum)
    batch.running_var.lerp_(variance.to(batch.running_var), batch.momentum)


class _Normalise(torch.autograd.Function):
    """The first `alone` channels over each frame, the others over the batch, or by the `known` (mean, variance).

    Frames are handled as rows (F, h w, C), as they lie in memory when channels come last, which is how convolutions
    are fastest on the CPU. Returns the frames, and mean and biased variance of the channels that are not alone. Its
    gradient has no gradient of its own.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor,
        alone: int,
        eps: float,
        known: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(images)
        # Sums are several times as fast as torch.var_mean here.
        mean = rows.sum(dim=1) / rows.shape[1]
        mean[:, alone:] = mean[:, alone:].mean(dim=0) if known is None else known[0]
        centred = rows - mean[:, None]
        variance = centred.square().sum(dim=1) / rows.shape[1]
        variance[:, alone:] = variance[:, alone:].mean(dim=0) if known is None else known[1]
        inverse = torch.rsqrt(variance + eps)
        scale = weight * inverse
        out = torch.empty_like(images, memory_format=torch.channels_last)
        torch.addcmul(bias, centred, scale[:, None], out=_rows(out))
        ctx.save_for_backward(centred, scale, inverse)
        ctx.alone, ctx.known = alone, known is not None
        mean, variance = mean[0, alone:], variance[0, alone:]
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        centred, scale, inverse = ctx.saved_tensors
        rows, alone = _rows(grad), ctx.alone
        total = rows.sum(dim=1)
        along = (rows * centred).sum(dim=1) * inverse
        weight, bias = along.sum(dim=0), total.sum(dim=0)
        # What moving the mean and the variance with the input takes away.
        total, along = total / rows.shape[1], along / rows.shape[1]
        for share in (total, along):
            share[:, alone:] = 0 if ctx.known else share[:, alone:].mean(dim=0)
        out = torch.empty_like(grad, memory_format=torch.channels_last)
        torch.addcmul(-(scale * total)[:, None], centred, -(scale * inverse * along)[:, None], out=_rows(out))
        _rows(out).addcmul_(rows, scale[:, None])
        return out, weight, bias, None, None, None


def _rows(images: Tensor) -> Tensor:
    """(F, C, h, w) as (F, h w, C): a view where channels come last, otherwise a copy."""
    return images.permute(0, 2, 3, 1).flatten(1, 2)
