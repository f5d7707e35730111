"""Batches of one epoch."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.data import epoch_batches, rank_batches
from sonant.errors import ConfigError

SPEEDS = (0.9, 1.0, 1.1)

corpora = st.lists(st.floats(0.1, 30.0), max_size=60)
limits = st.floats(1.0, 100.0)
seeds = st.integers(0, 2**32)


@given(
    corpora, limits, seeds, st.integers(0, 100), st.booleans(), st.sampled_from([SPEEDS, (1.0,), (0.5, 2.0)])
)
def test_every_utterance_once_in_batches_that_are_short_enough(
    durations, limit, seed, epoch, ascending, speeds
):
    options = dict(epoch=epoch, seed=seed, max_duration=limit, speeds=speeds, ascending=ascending)
    batches = epoch_batches(durations, **options)
    assert Counter(item.index for batch in batches for item in batch) == Counter(range(len(durations)))
    for batch in batches:
        assert batch
        longest = max(durations[item.index] / item.speed for item in batch)
        assert len(batch) == 1 or longest * len(batch) <= limit * (1 + 1e-9)
        assert all(item.speed in speeds for item in batch)
    assert epoch_batches(durations, **options) == batches


@given(seeds)
def test_epochs_and_seeds_differ(seed):
    durations = [1 + i / 10 for i in range(60)]
    batches = [
        epoch_batches(durations, epoch=epoch, seed=s, max_duration=20.0, speeds=SPEEDS)
        for epoch, s in ((0, seed), (1, seed), (0, seed + 1))
    ]
    assert batches[0] != batches[1] and batches[0] != batches[2]
    # Not just another order of the same batches.
    assert {frozenset(i.index for i in b) for b in batches[0]} != {
        frozenset(i.index for i in b) for b in batches[1]
    }


def test_little_padding():
    durations = [2.0 + 0.02 * i for i in range(500)]
    batches = epoch_batches(durations, epoch=3, seed=0, max_duration=60.0, speeds=SPEEDS)
    played = [[durations[item.index] / item.speed for item in batch] for batch in batches]
    padded = sum(max(batch) * len(batch) for batch in played)
    assert sum(map(sum, played)) / padded > 0.9
    # And full: but for the last of the lengths, no batch has room for another.
    assert padded / len(batches) > 0.8 * 60.0


def test_the_first_epoch_can_ascend_and_others_are_shuffled():
    durations = [float(i) for i in range(1, 200)]
    means = []
    for ascending in (True, False):
        batches = epoch_batches(durations, epoch=0, seed=0, max_duration=400.0, ascending=ascending)
        means.append([sum(durations[item.index] for item in batch) / len(batch) for batch in batches])
    # Ascending but for the mixing of neighbours.
    assert all(before <= after * 1.1 for before, after in itertools.pairwise(means[0]))
    assert sorted(means[0]) == sorted(means[1])
    assert not all(before <= after * 1.1 for before, after in itertools.pairwise(means[1]))


def test_speeds_are_drawn_evenly():
    batches = epoch_batches([1.0] * 3000, epoch=0, seed=0, max_duration=10.0, speeds=SPEEDS)
    count = Counter(item.speed for batch in batches for item in batch)
    assert all(count[speed] == pytest.approx(1000, abs=120) for speed in SPEEDS)


def test_a_long_recording_stands_alone():
    batches = epoch_batches([5.0, 100.0, 5.0], epoch=0, seed=0, max_duration=20.0)
    assert sorted(len(batch) for batch in batches) == [1, 2]


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_cannot_be_kept(limit):
    with pytest.raises(ConfigError, match=r"max_duration .*: expected seconds above 0"):
        epoch_batches([1.0], epoch=0, seed=0, max_duration=limit)


@pytest.mark.parametrize("speeds", [(), (1.0, 0.0), (-1.0,)])
def test_speeds_that_cannot_be_played(speeds):
    with pytest.raises(ConfigError, match=r"speeds .*: expected factors above 0"):
        epoch_batches([1.0], epoch=0, seed=0, max_duration=1.0, speeds=speeds)


@given(corpora, st.integers(1, 5), limits, seeds, st.booleans())
def test_processes_share_an_epoch(durations, world, limit, seed, ascending):
    options = dict(epoch=1, seed=seed, max_duration=limit, ascending=ascending)
    shared = epoch_batches(durations, **options, world=world)
    parts = [rank_batches(shared, rank, world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    # Side by side they are the epoch again, and nobody's utterance is left out.
    assert [batch for step in zip(*parts, strict=True) for batch in step] == shared
    seen = Counter(item.index for batch in shared for item in batch)
    assert set(seen) == set(range(len(durations)))
    whole = epoch_batches(durations, **options)
    # What makes the batches go round is batches that come again, fewer than there are processes.
    assert len(shared) - len(whole) == -len(whole) % world
    assert {str(batch) for batch in shared} == {str(batch) for batch in whole}


@given(corpora, st.integers(1, 5), limits, seeds)
def test_dropping_what_does_not_go_round(durations, world, limit, seed):
    options = dict(epoch=1, seed=seed, max_duration=limit)
    whole = epoch_batches(durations, **options)
    try:
        kept = epoch_batches(durations, **options, world=world, last="drop")
    except ConfigError as error:
        assert "leaves nothing" in str(error) and len(whole) <= world
        return
    assert len(kept) % world == 0 and len(whole) - len(kept) <= world
    assert Counter(map(str, kept)) <= Counter(map(str, whole))


def test_a_last_batch_with_room_is_dropped():
    durations = [2.0] * 25
    options = dict(epoch=0, seed=0, max_duration=20.0)
    assert sorted(len(batch) for batch in epoch_batches(durations, **options)) == [5, 10, 10]
    assert [len(batch) for batch in epoch_batches(durations, **options, last="drop")] == [10, 10]


def test_processes_have_batches_of_about_one_length():
    durations = [1.0 + 0.05 * i for i in range(400)]

    def spread(**options) -> float:
        """Mean part of its time that a process of four waits for the one with the longest recording."""
        made = epoch_batches(durations, epoch=3, seed=1, max_duration=60.0, **options)
        longest = [max(durations[item.index] for item in batch) for batch in made]
        return float(np.mean([1 - min(step) / max(step) for step in zip(*[iter(longest)] * 4, strict=False)]))

    assert spread(world=4) < 0.1 < 0.4 < spread()


@pytest.mark.parametrize(("rank", "world", "batches"), [(2, 2, 4), (-1, 2, 4), (0, 3, 4)])
def test_shares_that_do_not_go_round_are_named(rank, world, batches):
    with pytest.raises(ConfigError, match=f"rank {rank} of {world}, {batches} batches"):
        rank_batches([[]] * batches, rank, world)


@pytest.mark.parametrize("options", [dict(world=0), dict(last="first")])
def test_shares_that_make_no_sense(options):
    with pytest.raises(ConfigError, match="expected 1 or more, 'keep' or 'drop'"):
        epoch_batches([1.0], epoch=0, seed=0, max_duration=1.0, **options)
