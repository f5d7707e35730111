"""Predictor and joiner."""

from dataclasses import replace

import pytest
import torch

from sonant.errors import ConfigError
from sonant.nn import BLANK, ConformerConfig, Joiner, Network, NetworkConfig, StatelessPredictor

TINY = NetworkConfig(ConformerConfig(dim=16, heads=2), tokens=7, predictor_dim=8, joiner_dim=12)


def test_contexts_are_the_tokens_before_each_place():
    predictor = StatelessPredictor(TINY)
    found = predictor.contexts(torch.tensor([[3, 4, 5], [6, 1, 1]]))
    assert found.tolist() == [
        [[BLANK, BLANK], [BLANK, 3], [3, 4], [4, 5]],
        [[BLANK, BLANK], [BLANK, 6], [6, 1], [1, 1]],
    ]
    assert predictor.contexts(torch.zeros(2, 0, dtype=torch.int64)).tolist() == 2 * [[[BLANK, BLANK]]]


@pytest.mark.parametrize("context", [1, 2, 4])
@torch.no_grad()
def test_the_predictor_sees_its_context_in_order_and_nothing_else(context):
    torch.manual_seed(0)
    predictor = StatelessPredictor(replace(TINY, context=context))
    targets = torch.tensor([[1, 2, 3, 4, 5, 6]])
    whole = predictor(predictor.contexts(targets))
    assert whole.shape == (1, 7, 8)
    for place in range(7):
        seen = [BLANK] * max(0, context - place) + targets[0, max(0, place - context) : place].tolist()
        torch.testing.assert_close(predictor(torch.tensor([seen]))[0], whole[0, place], rtol=0, atol=1e-6)
    if context > 1:
        swapped = predictor(torch.tensor([[2, 1] + [3] * (context - 2)]))
        assert not torch.allclose(swapped, predictor(torch.tensor([[1, 2] + [3] * (context - 2)])))


@torch.no_grad()
def test_the_lattice_is_every_pair():
    torch.manual_seed(0)
    joiner = Joiner(TINY)
    encoder, predictor = torch.randn(2, 5, 16), torch.randn(2, 4, 8)
    lattice = joiner.lattice(encoder, predictor)
    assert lattice.shape == (2, 5, 4, 7)
    torch.testing.assert_close(lattice, joiner(encoder[:, :, None], predictor[:, None]))
    torch.testing.assert_close(lattice[1, 3, 2], joiner(encoder[1, 3], predictor[1, 2]))


def test_the_names_of_the_parts():
    """Checkpoints and bundles are read by these."""
    names = {name.partition(".")[0] for name in Network(TINY).state_dict()}
    assert names == {"encoder", "ctc", "middle", "predictor", "joiner"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(tokens=1), "tokens 1: expected at least 2"),
        (dict(predictor_dim=10), "predictor_dim 10: expected a multiple of 4"),
        (dict(context=0), "context 0: expected at least 1"),
        (dict(joiner_dim=0), "joiner_dim 0: expected at least 1"),
    ],
)
def test_a_size_that_cannot_work_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **change)
