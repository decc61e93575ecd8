"""Which clips a training sees: each once an epoch, as many a round, shared by ranks, and balanced if that is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.lines import LineRecipe, line_recipe

from dfbench import UsageError, World
from dfbench.training.order import Address, ClipOrder, clip_starts, successive_starts


def order(counts: list[int], labels: list[int] | None = None, **fields: Any) -> ClipOrder:
    """The order of clips of videos with so many frames."""
    tracks = [np.arange(count) for count in counts]
    return ClipOrder(tracks, recipe=line_recipe(**fields), seed=3, labels=labels or [])


def rounds(found: ClipOrder, numbers: range) -> list[list[Address]]:
    """The addresses of these rounds."""
    seen = []
    for number in numbers:
        found.set_epoch(number)
        seen.append(list(found))
    return seen


@pytest.mark.parametrize("limit", [1, 2])
def test_every_round_has_all_its_steps_where_the_clips_of_a_video_are_limited(limit: int) -> None:
    found = order([20, 20, 20, 20], train_clips=limit, batch=2, checkpoint_steps=1)
    assert found.steps * found.rounds_per_epoch * found.batch == 4 * limit
    epochs = rounds(found, range(2 * found.rounds_per_epoch))
    assert {len(addresses) for addresses in epochs} == {len(found)}
    first = [address.video for addresses in epochs[: found.rounds_per_epoch] for address in addresses]
    assert Counter(first) == dict.fromkeys(range(4), limit)


def test_balance_shows_as_many_real_as_fake_clips_and_all_fakes_in_time() -> None:
    labels = [0, 1, 1, 1, 1]
    found = order([8] * 5, labels, fakes="real", balance="classes", batch=2)
    seen = [address for addresses in rounds(found, range(12)) for address in addresses]
    shown = Counter(labels[address.video] for address in seen)
    assert shown[0] == shown[1]
    assert {address.video for address in seen} == set(range(5))
    plain = order([8] * 5, labels, fakes="real", batch=2)
    assert Counter(labels[address.video] for address in rounds(plain, range(1))[0])[1] > 1
    assert plain.steps * plain.rounds_per_epoch > found.steps * found.rounds_per_epoch


def test_frames_that_are_spread_over_a_video_make_clips_as_they_are_stored() -> None:
    track = np.array([0, 10, 20, 30, 40, 50], np.int64)
    assert clip_starts(track, line_recipe(train_sampling="uniform")) == [0, 2, 4]
    assert clip_starts(track, line_recipe(train_sampling="successive")) == []


def test_single_frames_are_clips_wherever_they_are() -> None:
    recipe = line_recipe(frames=1)
    assert clip_starts(np.array([0, 1, 5, 9], np.int64), recipe) == [0, 1, 2, 3]
    assert (recipe.most_offset(), recipe.shortest_track()) == (0, 1)


def test_ranks_share_a_balanced_round_without_overlap() -> None:
    labels = [0, 0, 1, 1, 1]
    recipe: LineRecipe = line_recipe(fakes="real", balance="classes", batch=4)
    tracks = [np.arange(12)] * 5
    whole = list(ClipOrder(tracks, recipe=recipe, seed=0, labels=labels))
    parts = [
        list(ClipOrder(tracks, recipe=recipe, seed=0, labels=labels, world=World(rank, 2))) for rank in (0, 1)
    ]
    assert sorted(parts[0] + parts[1]) == sorted(whole)
    assert not set(parts[0]) & set(parts[1])


@given(
    counts=st.lists(st.integers(2, 12), min_size=1, max_size=6),
    size=st.sampled_from([1, 2, 3]),
    steps=st.integers(1, 4),
    stride=st.integers(1, 2),
)
@settings(max_examples=30, deadline=None)
def test_an_epoch_is_shared_without_overlap_by_its_rounds_and_ranks(
    counts: list[int], size: int, steps: int, stride: int
) -> None:
    fields = {"batch": 6, "checkpoint_steps": steps, "train_stride": stride, "train_sampling": "uniform"}
    try:
        ranks = [ranked(counts, World(rank, size, size), **fields) for rank in range(size)]
    except UsageError:
        assert min(6, sum(count // 2 for count in counts)) % size or stride > 1
        return
    first = ranks[0]
    for epoch in (0, 3):
        numbers = range(epoch * first.rounds_per_epoch, (epoch + 1) * first.rounds_per_epoch)
        shares = [rounds(order, numbers) for order in ranks]
        assert {len(addresses) for share in shares for addresses in share} == {len(first)}
        seen = [address for share in shares for addresses in share for address in addresses]
        assert len(set(seen)) == len(seen)  # no clip twice in an epoch
        assert {address.epoch for address in seen} <= {epoch}
        for address in seen:
            assert address.start + (2 - 1) * stride < counts[address.video]
        frames = [(one.video, one.start + step * stride) for one in seen for step in range(2)]
        assert len(set(frames)) == len(frames)  # and no frame
        # In whatever round it begins: the order remembers nothing.
        again = ranked(counts, World(0, size, size), **fields)
        assert rounds(again, range(numbers[-1], numbers[-1] + 1)) == [shares[0][-1]]


def ranked(counts: list[int], world: World, **fields: Any) -> ClipOrder:
    return ClipOrder(
        [np.arange(count) for count in counts], recipe=line_recipe(**fields), seed=3, world=world
    )


def test_another_seed_and_another_epoch_are_another_order() -> None:
    tracks = [np.arange(30)] * 2
    first, other = (ClipOrder(tracks, recipe=line_recipe(checkpoint_steps=99), seed=seed) for seed in (1, 2))
    one, two = rounds(first, range(2))
    assert one != two
    assert [one, two] != rounds(other, range(2))
    assert {address.start for address in one} != {address.start for address in two}  # cut from another offset
    assert min(address.start for address in one) == 0  # the first epoch begins where the video does


@pytest.mark.parametrize(("batch", "size", "hint"), [(5, 2, 4), (4, 3, 3), (2, 4, 4)])
def test_a_batch_that_ranks_cannot_share_is_refused_with_one_that_they_can(
    batch: int, size: int, hint: int
) -> None:
    with pytest.raises(UsageError, match=f"a batch of {batch} samples cannot be shared by {size}") as caught:
        ranked([40], World(0, size, size), batch=batch)
    assert caught.value.hints == (f"for example: --set batch={hint}",)


@given(
    count=st.integers(0, 20),
    length=st.integers(1, 4),
    stride=st.integers(1, 3),
    gaps=st.sets(st.integers(0, 19)),
)
@settings(max_examples=60, deadline=None)
def test_successive_clips_have_no_gap_and_share_no_frame(
    count: int, length: int, stride: int, gaps: set[int]
) -> None:
    frames = np.array([frame for frame in range(count) if frame not in gaps], np.int64)
    starts = successive_starts(frames, length=length, stride=stride)
    used = [start + step * stride for start in starts for step in range(length)]
    assert len(set(used)) == len(used)
    for start in starts:
        shown = frames[start : start + (length - 1) * stride + 1]
        assert shown[-1] - shown[0] == (length - 1) * stride
    if stride == 1 and not starts:  # nothing was to be had
        runs = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
        assert max(len(run) for run in runs) < length


def test_a_limit_that_leaves_all_clips_draws_nothing() -> None:
    """So that a recipe which names it trains as one that does not."""
    limited, plain = (
        ranked([12, 12], World(), train_sampling="uniform", train_clips=limit, checkpoint_steps=2)
        for limit in (6, 0)
    )
    assert rounds(limited, range(6)) == rounds(plain, range(6))
