"""Fine-tuning: a run that starts from the weights of another, or from a bundle."""

from dataclasses import replace

import pytest
import torch

from sonant.errors import CheckpointError, ConfigError
from sonant.train import StartConfig, Trainer, checkpoint, export, train


@pytest.fixture
def first(tiny):
    config = tiny("first", epochs=1)
    train(config)
    return config.exp


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: t.detach().clone() for name, t in trainer.network.state_dict().items()}


@pytest.mark.parametrize("folder", ["", "last", "epoch-1"])
def test_all_weights_and_the_tokens_are_those_of_the_source(tiny, first, folder):
    config = tiny("second", seed=5, start=StartConfig(source=first / folder), epochs=1)
    trainer = Trainer(config)
    given = checkpoint.load_weights(first / (folder or "last"))
    found = weights_of(trainer)
    assert found.keys() == given.keys() and all(torch.equal(found[n], given[n]) for n in given)
    assert trainer.tokens == checkpoint.load_tokens(first / "last")
    assert trainer.position == checkpoint.Position() and not trainer.updater.optimizer.state
    assert trainer.notes == [
        f"{len(given)} of {len(given)} weights from {first / (folder or 'last')}/weights.safetensors"
    ]
    assert all(torch.equal(t, given[n]) for n, t in trainer.averages.moving.items())


def test_a_bundle_lacks_only_the_middle_head(tiny, first, tmp_path, capsys):
    export(first, tmp_path / "bundle")
    config = tiny("second", start=StartConfig(source=tmp_path / "bundle"), epochs=1)
    train(config)
    printed = capsys.readouterr().out
    assert "weights from" in printed and "middle.bias (18,): is not there; begins anew\n" in printed
    assert printed.count("begins anew") == 2
    assert (config.exp / "train.log").read_text() in printed
    given = checkpoint.load_weights(first / "last")["ctc.weight"]
    other = Trainer(tiny("third", start=config.start))
    torch.testing.assert_close(other.network.ctc.weight.detach(), given, rtol=1e-3, atol=1e-4)


def test_another_network_is_refused_by_the_names_of_its_weights(tiny, first):
    config = tiny("second", start=StartConfig(source=first))
    config = replace(config, network=replace(config.network, joiner_dim=24))
    with pytest.raises(
        CheckpointError,
        match=r"does not fit the network: joiner.encoder.weight \(24, 16\): "
        r"\(16, 16\) there; joiner.encoder.bias .*start.skip, or allow it with start.partial",
    ):
        Trainer(config)
    assert not (config.exp / "last").exists()
    given = checkpoint.load_weights(first / "last")
    for start in (
        replace(config.start, partial=True),
        replace(config.start, skip=("joiner.*",)),
    ):
        trainer = Trainer(replace(config, start=start))
        found = weights_of(trainer)
        for name, tensor in found.items():
            fits = not name.startswith("joiner.") or (start.partial and given[name].shape == tensor.shape)
            assert given[name].shape != tensor.shape or torch.equal(tensor, given[name]) == fits, name
        anew = [line for line in trainer.notes if "begins anew" in line]
        assert all(line.startswith("joiner.") for line in anew) and len(anew) == (6 if start.skip else 5)


def test_tokens_of_its_own(tiny, first):
    config = tiny("second", tokens=replace(tiny().tokens, size=17, kind="bpe"))
    keep = StartConfig(source=first, keep_tokens=False)
    with pytest.raises(CheckpointError, match=r"ctc.weight \(\d+, 16\): \(18, 16\) there"):
        Trainer(replace(config, start=keep, tokens=replace(config.tokens, size=30)))
    trainer = Trainer(
        replace(config, start=replace(keep, partial=True), tokens=replace(config.tokens, size=30))
    )
    assert len(trainer.tokens) == 30
    assert len(Trainer(replace(config, start=StartConfig(source=first))).tokens) == 18


def test_frozen_parameters_stay(tiny, first):
    config = tiny("second", start=StartConfig(source=first, freeze=("encoder.*", "*.bias")))
    trainer = Trainer(config)
    before = weights_of(trainer)
    trainer.run()
    after = weights_of(trainer)
    for name, _ in trainer.network.named_parameters():
        frozen = name.startswith("encoder.") or name.endswith(".bias")
        assert torch.equal(before[name], after[name]) == frozen, name
    # And in a run that goes on.
    again = Trainer(replace(config, epochs=3))
    assert again.position.step == trainer.position.step and again.notes == []
    again.run()
    assert torch.equal(weights_of(again)["ctc.bias"], before["ctc.bias"])


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (dict(skip=("decoder.*",)), ConfigError, r"start.skip decoder.\*: no such weight; expected one of"),
        (dict(freeze=("encode.*",)), ConfigError, r"start.freeze encode.\*: no such weight; expected one of"),
        (dict(freeze=("*",)), ConfigError, r"start.freeze \*: nothing is left to train"),
        (dict(skip=("*",)), CheckpointError, r"not one of its weights fits the network"),
    ],
)
def test_a_start_that_cannot_work_is_named(tiny, first, start, error, message):
    with pytest.raises(error, match=message):
        Trainer(tiny("second", start=StartConfig(source=first, **start)))


def test_a_source_that_is_none_is_named(tiny, first, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"nowhere: has no weights.safetensors; expected a checkpoint, a run"
    ):
        Trainer(tiny("second", start=StartConfig(source=tmp_path / "nowhere")))
    path = first / "last" / checkpoint.WEIGHTS
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"weights.safetensors: cannot be read \(.*\)"):
        Trainer(tiny("second", start=StartConfig(source=first)))
