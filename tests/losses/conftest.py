from collections.abc import Callable

import pytest
import torch


@pytest.fixture
def problem() -> Callable[..., tuple[torch.Tensor, ...]]:
    """Random logits (batch, frames, *more, vocabulary) float64, targets without the blank, and the
    lengths."""

    def make(frames: tuple[int, ...], tokens: tuple[int, ...], vocabulary: int = 5, lattice: bool = False):
        generator = torch.Generator().manual_seed(len(frames) + sum(frames) + sum(tokens))
        more = (max(tokens) + 1,) if lattice else ()
        shape = (len(frames), max(frames), *more, vocabulary)
        logits = 2 * torch.randn(*shape, dtype=torch.float64, generator=generator)
        targets = torch.randint(1, vocabulary, (len(tokens), max(tokens)), generator=generator)
        return logits, targets, torch.tensor(frames), torch.tensor(tokens)

    return make
