"""Which clips a training sees: each once an epoch, as many a round, shared by ranks, and balanced if that is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from tests.training.lines import LineRecipe, line_recipe

from dfbench import World
from dfbench.training.order import Address, ClipOrder, clip_starts


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
