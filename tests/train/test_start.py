"""Fine-tuning: a run that starts from the weights of another, or from a bundle."""

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from sonant.errors import CheckpointError, ConfigError
from sonant.model.bundle import BUNDLED
from sonant.nn import ConformerConfig, JoinerConfig, Network, NetworkConfig
from sonant.train import LossConfig, StartConfig, Trainer, checkpoint
from sonant.train.start import load_into, tokens_of
from sonant.train.update import Part


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: t.detach().clone() for name, t in trainer.network.state_dict().items()}


@pytest.mark.parametrize("folder", ["", "last", "epoch-1"])
def test_all_weights_and_the_tokens_are_those_of_the_source(tiny, trained, folder):
    config = tiny("second", seed=5, start=StartConfig(source=trained / folder), epochs=1)
    trainer = Trainer(config)
    given = checkpoint.load_weights(trained / (folder or "last"))
    found = weights_of(trainer)
    assert found.keys() == given.keys() and all(torch.equal(found[n], given[n]) for n in given)
    assert trainer.tokens == checkpoint.load_tokens(trained / "last")
    assert trainer.position == checkpoint.Position() and not trainer.updater.optimizer.state
    assert trainer.notes == [
        f"{len(given)} of {len(given)} weights from {trained / (folder or 'last')}/weights.safetensors"
    ]
    assert all(torch.equal(t, given[n]) for n, t in trainer.averages.moving.items())


def test_the_bundled_model_lacks_only_the_middle_head():
    start = StartConfig(source=BUNDLED)
    tokens = tokens_of(start)
    assert tokens is not None
    shape = NetworkConfig(ConformerConfig(layers=6, dim=192, feedforward=576), tokens=len(tokens))
    network = Network(shape)
    lines = load_into(network, start)
    given = load_file(BUNDLED / "weights.safetensors")
    own = network.state_dict()
    assert lines == [
        f"{len(given)} of {len(given) + 2} weights from {BUNDLED / 'weights.safetensors'}",
        f"middle.bias ({len(tokens)},): is not there; begins anew",
        f"middle.weight ({len(tokens)}, 192): is not there; begins anew",
    ]
    assert all(torch.equal(own[name], tensor.float()) for name, tensor in given.items())


def test_another_network_is_refused_by_the_names_of_its_weights(tiny, trained):
    config = tiny("second", start=StartConfig(source=trained))
    config = replace(config, network=replace(config.network, joiner=JoinerConfig(24)))
    with pytest.raises(
        CheckpointError,
        match=r"does not fit the network: joiner.encoder.weight \(24, 16\): "
        r"\(16, 16\) there; joiner.encoder.bias .*start.skip, or allow it with start.partial",
    ):
        Trainer(config)
    assert not (config.exp / "last").exists()
    given = checkpoint.load_weights(trained / "last")
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


def test_tokens_of_its_own(tiny, trained):
    config = tiny("second", tokens=replace(tiny().tokens, size=17, kind="bpe"))
    keep = StartConfig(source=trained, keep_tokens=False)
    with pytest.raises(CheckpointError, match=r"ctc.weight \(\d+, 16\): \(18, 16\) there"):
        Trainer(replace(config, start=keep, tokens=replace(config.tokens, size=30)))
    trainer = Trainer(
        replace(config, start=replace(keep, partial=True), tokens=replace(config.tokens, size=30))
    )
    assert len(trainer.tokens) == 30
    assert len(Trainer(replace(config, start=StartConfig(source=trained))).tokens) == 18


def test_frozen_parameters_stay(tiny, trained):
    config = tiny("second", start=StartConfig(source=trained, freeze=("encoder.*", "*.bias")))
    trainer = Trainer(config)
    before = weights_of(trainer)
    trainer.run()
    assert trainer.notes[0] in (config.exp / "train.log").read_text()
    after = weights_of(trainer)
    for name, _ in trainer.network.named_parameters():
        frozen = name.startswith("encoder.") or name.endswith(".bias")
        assert torch.equal(before[name], after[name]) == frozen, name
    # And in a run that goes on.
    again = Trainer(replace(config, epochs=3))
    assert again.position.step == trainer.position.step and again.notes == []
    again.run()
    assert torch.equal(weights_of(again)["ctc.bias"], before["ctc.bias"])


def test_a_transducer_in_parts_with_a_frozen_joiner(tiny, trained):
    start = StartConfig(source=trained, freeze=("encoder.*", "joiner.*"))
    found = []
    for parts in (1, 2):
        loss = LossConfig(transducer_parts=parts)
        trainer = Trainer(tiny(f"parts-{parts}", start=start, loss=loss, precision="float32"))
        batch = next(trainer.train_loader(trainer._batches(0)))
        trainer.step(Part(batch, 0))
        found.append(weights_of(trainer))
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, rtol=1e-4, atol=1e-6)


def test_nothing_to_train_in_a_step_is_named(tiny, trained):
    start = StartConfig(source=trained, freeze=("encoder.*", "ctc.*", "middle.*"))
    with pytest.raises(
        ConfigError, match=r"step 0: no loss of this step has a parameter that is trained; free"
    ):
        Trainer(tiny("second", start=start)).run()


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (dict(skip=("decoder.*",)), ConfigError, r"start.skip decoder.\*: no such weight; expected one of"),
        (dict(freeze=("encode.*",)), ConfigError, r"start.freeze encode.\*: no such weight; expected one of"),
        (dict(freeze=("*",)), ConfigError, r"start.freeze \*: nothing is left to train"),
        (dict(skip=("*",)), CheckpointError, r"not one of its weights fits the network"),
    ],
)
def test_a_start_that_cannot_work_is_named(tiny, trained, start, error, message):
    with pytest.raises(error, match=message):
        Trainer(tiny("second", start=StartConfig(source=trained, **start)))


def test_a_source_that_is_none_is_named(tiny, trained, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"nowhere: has no weights.safetensors; expected a checkpoint, a run"
    ):
        Trainer(tiny("second", start=StartConfig(source=tmp_path / "nowhere")))
    damaged = shutil.copytree(trained, tmp_path / "damaged")
    path = damaged / "last" / checkpoint.WEIGHTS
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"weights.safetensors: cannot be read \(.*\)"):
        Trainer(tiny("second", start=StartConfig(source=damaged)))
