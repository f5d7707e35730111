"""The lattice of pruned ranges, against sums over (frame, position)."""

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError

RANGES = torch.tensor(
    [[[0, 1, 2], [1, 2, 3], [1, 2, 3]], [[0, 1, 2], [0, 1, 2], [2, 3, 4]]], dtype=torch.int32
)
FRAMES = torch.tensor([3, 2], dtype=torch.int32)
SYMBOLS = torch.tensor([[4, 2, 1, 3], [1, 3, 2, 4]])
LOGITS = torch.linspace(-3, 0, 2 * 3 * 3 * 5, dtype=torch.float64).sin().reshape(2, 3, 3, 5)


def total(i: int) -> torch.Tensor:
    """Log of the sum over ways from the first position to the last one of the last frame."""
    count = int(FRAMES[i])
    reached = {(0, 0): torch.zeros((), dtype=torch.float64)}
    for t in range(count):
        for j in range(3):
            here = reached.get((t, j))
            if here is None:
                continue
            steps = []
            if j < 2:
                steps.append(((t, j + 1), LOGITS[i, t, j, SYMBOLS[i, RANGES[i, t, j]]]))
            if t + 1 < count and RANGES[i, t, j] >= RANGES[i, t + 1, 0]:
                steps.append(((t + 1, int(RANGES[i, t, j] - RANGES[i, t + 1, 0])), LOGITS[i, t, j, 0]))
            for to, score in steps:
                before = reached.get(to, torch.tensor(-torch.inf, dtype=torch.float64))
                reached[to] = torch.logaddexp(before, here + score)
    return reached[count - 1, 2]


def test_sums_over_all_ways():
    arcs, arc_map = k2.pruned_ranges_to_lattice(RANGES, FRAMES, SYMBOLS, LOGITS)
    lattice = k2.Fsa(arcs)
    assert lattice.shape == (2, None, None)
    torch.testing.assert_close(lattice.scores, k2.index_select(LOGITS.reshape(-1), arc_map).float())
    lattice.scores = k2.index_select(LOGITS.reshape(-1), arc_map)
    expected = torch.stack([total(0), total(1)])
    torch.testing.assert_close(lattice.get_tot_scores(True, True), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((RANGES[:1], FRAMES, SYMBOLS, LOGITS), "do not go together"),
        ((RANGES, FRAMES + 1, SYMBOLS, LOGITS), r"frames \[4, 3\], expected 1 to 3"),
        ((RANGES + 3, FRAMES, SYMBOLS, LOGITS), "position 4 of 4 symbols"),
        ((RANGES, FRAMES, SYMBOLS + 1, LOGITS), "label 5, at .*expected one below 5"),
    ],
)
def test_what_cannot_be_is_named(given, message):
    with pytest.raises(FstError, match=message):
        k2.pruned_ranges_to_lattice(*given)
