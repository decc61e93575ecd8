"""What must hold of the network whatever its weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from dfbench_fakestormer.model import (
    Block,
    DropPath,
    EmbedOrder,
    FakeSTormerNet,
    ModelConfig,
    Stem,
    TemporalToken,
)
from dfbench_fakestormer.norms import InstanceBatchNorm
from dfbench_fakestormer.stems import ConvStem

SMALL = ModelConfig(size=32, patch=8, width=24, depth=2, heads=2, drop_path=0.2)


def random_clips(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 4, 32, 32, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("token", ["learned", "patch0"])
@pytest.mark.parametrize("order", ["released", "mended"])
def test_a_clip_scores_the_same_alone_and_in_any_batch(
    stem: Stem, token: TemporalToken, order: EmbedOrder
) -> None:
    config = replace(SMALL, stem=stem, temporal_token=token, embed_order=order)
    net = FakeSTormerNet(config, seed=1).double().eval()
    x = random_clips(5).double()
    with torch.inference_mode():
        together, alone = net(x), [net(x[i : i + 1]) for i in range(5)]
        fast = net.logit(x)
    for field in range(3):
        torch.testing.assert_close(
            together[field], torch.cat([one[field] for one in alone]), rtol=1e-10, atol=1e-12
        )
    torch.testing.assert_close(fast, together.logit[:, 0], rtol=1e-10, atol=1e-12)
    assert together.logit.std() > 0


def test_the_seed_alone_decides_the_weights() -> None:
    one, same, other = (FakeSTormerNet(SMALL, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    key = "backbone.blocks.1.attn.qkv.weight"
    assert not torch.equal(one[key], other[key])


def test_mended_order_puts_each_token_at_its_place() -> None:
    net = FakeSTormerNet(SMALL)
    tokens = torch.arange(16 * 4).view(1, 16, 4, 1).expand(1, 16, 4, 24).float()  # token (n, t) holds 4 n + t
    volume = net.backbone._volume(tokens)
    assert volume.shape == (1, 24, 4, 4, 4)
    assert volume[0, 0, 3, 2, 1] == 4 * (2 * 4 + 1) + 3


def test_released_order_is_scrambled_as_stated() -> None:
    net = FakeSTormerNet(replace(SMALL, embed_order="released"))
    tokens = torch.arange(16 * 4).view(1, 16, 4, 1).expand(1, 16, 4, 24).float()
    assert net.backbone._volume(tokens)[0, 0, 3, 2, 1] == 3 * 16 + 2 * 4 + 1


def test_drop_path_computes_kept_rows_alone_and_keeps_the_mean() -> None:
    layer = DropPath(0.25).train()
    seen: list[int] = []

    def branch(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x

    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = layer.around(branch, torch.ones(4000, 3))
    assert sorted(set(out.flatten().tolist())) == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(out.min(dim=1).values, out.max(dim=1).values)
    assert seen == [int((out[:, 0] > 0).sum())]
    assert out.mean().item() == pytest.approx(1.0, abs=0.03)
    assert torch.equal(layer.eval().around(branch, torch.ones(5, 3)), torch.ones(5, 3))


def masked(block: Block, kept: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return x * (kept.to(x) / (1 - block.drop_path.rate)).view(-1, 1, 1)


def test_a_block_that_leaves_rows_out_is_one_that_masks_them() -> None:
    net = FakeSTormerNet(replace(SMALL, drop_path=0.6), seed=1).double().train()
    block = net.backbone.blocks[1]
    assert isinstance(block, Block)
    with torch.no_grad():
        for module in (block.temporal_fc, block.temporal_attn.proj):
            module.bias.copy_(torch.linspace(-1, 1, 24))
    cls, patches, temp = net.backbone.embed(random_clips(3).double())
    (b, n, t, d), rate = patches.shape, block.drop_path.rate
    with torch.random.fork_rng():
        torch.manual_seed(5)
        got = block(cls, patches, temp)
        torch.manual_seed(5)
        time, space, mlp = (torch.empty(rows).bernoulli_(1 - rate) for rows in (b * n, b * t, b))
    assert all(0 < part.mean() < 1 for part in (time, space, mlp))

    seen = torch.cat([patches, temp[:, None, None].expand(b, n, 1, d)], dim=2).flatten(0, 1)
    seen = block.temporal_fc(masked(block, time, block.temporal_attn(block.temporal_norm1(seen))))
    seen = seen.view(b, n, t + 1, d)
    patches, temp = patches + seen[:, :, :t], temp + seen[:, :, t].mean(dim=1)
    seen = torch.cat([cls[:, None, None].expand(b, t, 1, d), patches.transpose(1, 2)], dim=2).flatten(0, 1)
    seen = masked(block, space, block.attn(block.norm1(seen))).view(b, t, 1 + n, d)
    patches, cls = patches + seen[:, :, 1:].transpose(1, 2), cls + seen[:, :, 0].mean(dim=1)
    tokens = torch.cat([cls[:, None], patches.flatten(1, 2), temp[:, None]], dim=1)
    tokens = tokens + masked(block, mlp, block.mlp(block.norm2(tokens)))
    expected = tokens[:, 0], tokens[:, 1:-1].view(b, n, t, d), tokens[:, -1], seen[:, :, 0]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)

    def gradients(outputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        weighted = [(output * output.detach().cos()).sum() for output in outputs]
        found = torch.autograd.grad(torch.stack(weighted).sum(), list(block.parameters()), retain_graph=True)
        return list(found)

    for one, other in zip(gradients(got), gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_block_can_leave_all_rows_out() -> None:
    net = FakeSTormerNet(replace(SMALL, drop_path=0.999), seed=1).train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        output = net(random_clips(2))
    torch.stack([part.sum() for part in output]).sum().backward()  # type: ignore[no-untyped-call]
    last = net.backbone.blocks[1]
    assert isinstance(last, Block)
    assert last.mlp.fc1.weight.grad is not None
    assert not last.mlp.fc1.weight.grad.any()


def test_conv_stem_has_one_token_a_patch() -> None:
    assert ConvStem(16, 96)(torch.zeros(2, 3, 112, 112)).shape == (2, 96, 7, 7)


def test_a_new_conv_stem_sees_no_constant() -> None:
    net = FakeSTormerNet(replace(SMALL, stem="conv"), seed=0)
    first = next(iter(net.backbone.patch_embed.parameters()))
    torch.testing.assert_close(first.sum(dim=(2, 3)), torch.zeros(first.shape[:2]), atol=1e-5, rtol=0)
    assert first.std() > 0.1


def test_half_of_the_stems_channels_see_each_frame_alone() -> None:
    norm = InstanceBatchNorm(6).train()
    frames = torch.randn(4, 6, 9, 7, generator=torch.Generator().manual_seed(0))
    out = norm(frames)
    torch.testing.assert_close(out[:, :3], F.instance_norm(frames[:, :3]))
    torch.testing.assert_close(out[:, 3:], F.batch_norm(frames[:, 3:], None, None, training=True))
    # Contrast and level of a whole frame leave no trace in the first half, and do in the second.
    norm.eval()
    changed = norm(3 * frames + 1)
    torch.testing.assert_close(changed[:, :3], norm(frames)[:, :3], atol=1e-4, rtol=1e-4)
    assert (changed[:, 3:] - norm(frames)[:, 3:]).abs().mean() > 0.5
