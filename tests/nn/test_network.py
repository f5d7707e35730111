"""Predictor and joiner."""

from dataclasses import replace

import pytest
import torch

from sonant.errors import ConfigError
from sonant.nn import (
    BLANK,
    ConformerConfig,
    CtcHead,
    CtcHeadConfig,
    Joiner,
    JoinerConfig,
    LstmEncoderConfig,
    LstmPredictor,
    LstmPredictorConfig,
    Network,
    NetworkConfig,
    RelativeConformerConfig,
    StatelessPredictor,
    StatelessPredictorConfig,
)

TOKENS = 7
PREDICTOR = StatelessPredictorConfig(8)
TINY = NetworkConfig(ConformerConfig(dim=16, heads=2), TOKENS, PREDICTOR, JoinerConfig(12))


def test_contexts_are_the_tokens_before_each_place():
    predictor = StatelessPredictor(PREDICTOR, TOKENS)
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
    predictor = StatelessPredictor(replace(PREDICTOR, context=context), TOKENS)
    targets = torch.tensor([[1, 2, 3, 4, 5, 6]])
    whole = predictor.prefixes(targets)
    assert whole.shape == (1, 7, 8)
    for place in range(7):
        seen = [BLANK] * max(0, context - place) + targets[0, max(0, place - context) : place].tolist()
        torch.testing.assert_close(predictor(torch.tensor([seen]))[0], whole[0, place], rtol=0, atol=1e-6)
    if context > 1:
        swapped = predictor(torch.tensor([[2, 1] + [3] * (context - 2)]))
        assert not torch.allclose(swapped, predictor(torch.tensor([[1, 2] + [3] * (context - 2)])))


@torch.no_grad()
def test_the_first_predictor_of_icefall_does_not_mix_channels_and_is_not_rectified():
    torch.manual_seed(0)
    predictor = StatelessPredictor(StatelessPredictorConfig(8, group=1, relu=False), TOKENS)
    weight = predictor.convolution.weight[:, 0]  # (dim, context)
    expected = predictor.embedding.weight[3] * weight[:, 0] + predictor.embedding.weight[5] * weight[:, 1]
    torch.testing.assert_close(predictor(torch.tensor([[3, 5]]))[0], expected)
    assert (expected < 0).any()


@torch.no_grad()
def test_the_lstm_predictor_begins_with_zeros_and_token_by_token_is_all_at_once():
    torch.manual_seed(0)
    predictor = LstmPredictor(LstmPredictorConfig(8, dropout=0.5), TOKENS).eval()
    assert predictor.embedding.weight.shape == (TOKENS - 1, 8)
    targets = torch.tensor([[1, 6, 2, 2], [4, 1, 3, 5]])
    whole = predictor.prefixes(targets)
    assert whole.shape == (2, 5, 8)
    out, state = predictor(torch.full((2, 1), BLANK), predictor.initial_state(2))
    outputs = [out]
    for token in targets.split(1, dim=1):
        out, state = predictor(token, state)
        outputs.append(out)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, rtol=0, atol=1e-6)
    x = torch.zeros(1, 1, 8)
    for layer in predictor.lstm.layers:
        x, _ = layer(x)
    torch.testing.assert_close(whole[:1, :1], x)
    # All that was said counts, however long ago.
    assert not torch.equal(predictor.prefixes(targets[:, 1:])[:, -1], whole[:, -1])
    assert predictor.prefixes(targets[:, :0]).shape == (2, 1, 8)


@torch.no_grad()
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("project", [True, False])
def test_the_joiner(activation, project):
    torch.manual_seed(0)
    joiner = Joiner(JoinerConfig(8, activation, project), 8, 8, TOKENS)
    encoder, predictor = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    parts = (joiner.encoder(encoder), joiner.predictor(predictor)) if project else (encoder, predictor)
    expected = joiner.output(getattr(torch, activation)(parts[0] + parts[1]))
    torch.testing.assert_close(joiner(encoder, predictor), expected)
    torch.testing.assert_close(joiner.after_sum()(parts[0] + parts[1]), expected)
    weights = {"output.weight", "output.bias"}
    both = {f"{part}.{kind}" for part in ("encoder", "predictor") for kind in ("weight", "bias")}
    assert set(joiner.state_dict()) == (weights | both if project else weights)


def test_the_ctc_head_is_linear_with_dropout_in_training_alone():
    torch.manual_seed(0)
    head = CtcHead(CtcHeadConfig(0.5), 4, TOKENS)
    x = torch.ones(1, 64, 4)
    assert head(x).unique(dim=1).shape[1] > 1
    assert torch.equal(head.eval()(x), torch.nn.functional.linear(x, head.weight, head.bias))


@torch.no_grad()
def test_the_lattice_is_every_pair():
    torch.manual_seed(0)
    joiner = Joiner(TINY.joiner, 16, 8, TOKENS)
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
    ("make", "message"),
    [
        (lambda: replace(TINY, tokens=1), "tokens 1: expected at least 2"),
        (lambda: replace(TINY, encoder=PREDICTOR), "encoder Stateless.*: expected one of ConformerConfig, R"),
        (lambda: replace(TINY, predictor=None), "predictor None: expected one of StatelessPredictorConfig"),
        (lambda: StatelessPredictorConfig(10), r"dim 10: expected a multiple of group \(4\)"),
        (lambda: StatelessPredictorConfig(8, context=0), "context 0: expected at least 1"),
        (lambda: LstmPredictorConfig(8, layers=0), "layers 0: expected at least 1"),
        (lambda: LstmPredictorConfig(8, dropout=1.0), r"dropout 1\.0"),
        (lambda: CtcHeadConfig(-0.1), r"dropout -0\.1"),
        (lambda: JoinerConfig(0), "dim 0: expected at least 1"),
        (lambda: JoinerConfig(8, "gelu"), "activation 'gelu': expected 'tanh' or 'relu'"),
        (
            lambda: Joiner(JoinerConfig(8, project=False), 8, 9, 7),
            "dim 8, of the encoder 8, of the predictor 9",
        ),
        (lambda: LstmEncoderConfig(stack=0), "stack 0: expected at least 1"),
        (lambda: LstmEncoderConfig(dropout=1.0), r"dropout 1\.0"),
        (lambda: RelativeConformerConfig(features=6), "features 6: expected at least 7"),
        (lambda: RelativeConformerConfig(dim=20), r"dim 20: expected an even multiple of heads \(8\)"),
        (lambda: RelativeConformerConfig(kernel=4), "kernel 4: expected an odd number"),
        (lambda: RelativeConformerConfig(chunk=8), "chunks need causal convolutions"),
        (
            lambda: RelativeConformerConfig(causal=True, chunk=7),
            "left_context 64 is not a multiple of chunk 7",
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
