"""One update: of several batches, in parts, in half precision, and where it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sonant.errors import ConfigError, TrainingError
from sonant.train import LossConfig, OptimizerConfig, Trainer
from sonant.train.update import Part


def still(config, **changes):
    """Without what is drawn at random in the network and on its features, in single precision."""
    network = replace(config.network, encoder=replace(config.network.encoder, dropout=0.0))
    masks = replace(config.spec_augment, frequency_masks=0, time_masks=0)
    return replace(config, **dict(network=network, spec_augment=masks, precision="float32") | changes)


def gradients(trainer: Trainer, parts: list[Part], rate: float = 0.0) -> tuple[dict[str, Tensor], dict]:
    """Of an update at a rate of zero, which leaves them as they were before they were clipped or used."""
    values = trainer.updater(parts, trainer.position)
    found = {name: p.grad for name, p in trainer.network.named_parameters() if p.grad is not None}
    assert len(found) == len(list(trainer.network.parameters()))
    return {name: g.clone() for name, g in found.items()}, values


def unclipped(tiny, **changes) -> Trainer:
    changes = dict(optimizer=OptimizerConfig(learning_rate=0.0, clip_norm=0.0), loss=LossConfig()) | changes
    return Trainer(still(tiny(), **changes))


def test_accumulated_batches_are_one_batch(tiny):
    trainer = unclipped(tiny)
    items = [item for batch in trainer._batches(0) for item in batch]
    (together,) = trainer.train_loader([items])
    alone = list(trainer.train_loader([items[:2], items[2:3], items[3:]]))
    whole, values = gradients(trainer, [Part(together, 0)])
    parts, sums = gradients(trainer, [Part(batch, i) for i, batch in enumerate(alone)])
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-5)
    assert sums == pytest.approx(values, rel=1e-4) and set(values) == {"ctc", "middle", "transducer", "norm"}
    # A part that is there only so that no rank waits counts nothing.
    again, sums = gradients(
        trainer, [*(Part(b, i) for i, b in enumerate(alone)), Part(alone[0], 0, weight=0.0)]
    )
    for name, gradient in parts.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-5, atol=1e-7)
    assert sums == pytest.approx(values, rel=1e-4)


@pytest.mark.parametrize("parts", [2, 3, 7, 40])
def test_the_transducer_in_parts_gives_the_same_gradients(tiny, parts):
    found = []
    for number in (1, parts):
        trainer = unclipped(tiny, loss=LossConfig(transducer_parts=number))
        items = [item for batch in trainer._batches(0) for item in batch]
        (batch,) = trainer.train_loader([items])
        found.append(gradients(trainer, [Part(batch, 0)]))
    (whole, values), (split, sums) = found
    assert sums == pytest.approx(values, rel=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(split[name], gradient, rtol=1e-4, atol=1e-6)


def test_a_run_of_accumulated_batches(tiny):
    trainer = Trainer(tiny(accumulate=3))
    assert [[i for i, _ in update] for update in trainer._updates(0)] == [[0, 1, 2], [3]]
    assert trainer.steps == 3  # two of the first epoch, one of the second
    trainer.run()
    assert trainer.position.step == 3
    by_seconds = tiny(global_batch=12.0)
    assert [by_seconds.update_batches(n) for n in (1, 2, 3, 4)] == [3, 4, 3, 4]
    assert tiny(accumulate=2).update_batches(4) == 8 and tiny(accumulate=2).update_seconds(4) == 32.0
    with pytest.raises(ConfigError, match="accumulate 0: expected 1 or more"):
        tiny(accumulate=0)


def test_the_gradient_is_clipped(tiny):
    norms = []
    for clip in (0.0, 1e9, 0.5):
        optimizer = OptimizerConfig(learning_rate=0.0, clip_norm=clip)
        trainer = unclipped(tiny, optimizer=optimizer)
        batch = next(trainer.train_loader(trainer._batches(0)))
        found, values = gradients(trainer, [Part(batch, 0)])
        norms.append((torch.stack([g.norm() for g in found.values()]).norm().item(), values["norm"]))
    assert norms[0] == norms[1] and norms[0][0] == pytest.approx(norms[0][1], rel=1e-5) and norms[0][1] > 0.5
    assert norms[2] == (pytest.approx(0.5, rel=1e-4), norms[0][1])


@pytest.mark.parametrize("kind", ["scaled-adam", "lamb"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_other_optimisers_train(tiny, kind, precision):
    schedule = "eden" if kind == "scaled-adam" else "hold"
    optimizer = OptimizerConfig(kind=kind, schedule=schedule, learning_rate=0.02, warmup=2)
    trainer = Trainer(still(tiny(epochs=4), optimizer=optimizer, precision=precision))
    losses = [values["ctc"] for _ in range(4) for _, values in trainer.epoch()]
    assert losses[-1] < 0.8 * losses[0]
    rate = trainer.updater.optimizer.param_groups[0]["lr"]
    assert rate == pytest.approx(0.02 * (1 + (3 / 3.5) ** 2) ** -0.25, rel=1e-4) or kind == "lamb"


def test_float16_scales_the_losses_and_leaves_out_what_overflows(tiny):
    trainer = Trainer(still(tiny(), precision="float16"))
    trainer.updater.scaler.load_state_dict(
        trainer.updater.scaler.state_dict() | {"scale": 2.0**40, "_growth_tracker": 0}
    )
    before = {n: p.clone() for n, p in trainer.network.named_parameters()}
    batch = next(trainer.train_loader(trainer._batches(0)))
    steps = 0
    while "norm" not in (values := trainer.step(Part(batch, 0))):
        assert values["scale"] == 2.0 ** (39 - steps)
        assert all(torch.equal(p, before[n]) for n, p in trainer.network.named_parameters())
        steps += 1
    assert steps > 0 and not all(torch.equal(p, before[n]) for n, p in trainer.network.named_parameters())
    # The gradient is that of single precision.
    single = unclipped(tiny, optimizer=trainer.config.optimizer, loss=trainer.config.loss)
    expected = single.updater([Part(batch, 0)], single.position)
    assert values["norm"] == pytest.approx(expected["norm"], rel=0.02)


def test_float16_that_does_not_serve_is_an_error(tiny):
    trainer = Trainer(still(tiny(), precision="float16", optimizer=OptimizerConfig(scale_floor=2.0**40)))
    trainer.updater.scaler.load_state_dict(trainer.updater.scaler.state_dict() | {"scale": 2.0**40})
    batch = next(trainer.train_loader(trainer._batches(0)))
    with pytest.raises(
        TrainingError, match=r"step 0: gradients overflow in float16 even with .*; use bfloat16"
    ):
        trainer.step(Part(batch, 0))


def test_of_accumulated_batches_the_recordings_at_fault_are_named(tiny):
    trainer = Trainer(tiny())
    first, second, *_ = trainer.train_loader(trainer._batches(0))
    assert len(second.ids) == 2
    samples = second.samples.clone()
    samples[1] *= torch.nan
    parts = [Part(first, 0), Part(replace(second, samples=samples), 1)]
    with pytest.raises(TrainingError, match=rf"ctc nan.*on utterances {second.ids[1]}: look at these"):
        trainer.step(*parts)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_where_losses_are_numbers_the_batch_with_the_gradient_is_named(tiny, precision):
    trainer = Trainer(tiny(precision=precision))
    before = {n: p.clone() for n, p in trainer.network.named_parameters()}
    batches = list(trainer.train_loader(trainer._batches(0)))[:3]
    encode, seen = trainer.objective.encode, []

    def poisoned(batch):
        out, middle, lengths = encode(batch)
        seen.append(batch.ids)
        if batch.ids == batches[1].ids:
            middle.register_hook(lambda gradient: gradient * torch.nan)
        return out, middle, lengths

    trainer.objective.encode = poisoned  # type: ignore[method-assign]
    names = ", ".join(batches[1].ids)
    with pytest.raises(TrainingError, match=rf"norm nan; expected finite .* on utterances {names}: look"):
        trainer.step(*(Part(batch, i) for i, batch in enumerate(batches)))
    assert len(seen) == 6
    assert all(torch.equal(p, before[n]) for n, p in trainer.network.named_parameters())


def test_a_profile_of_some_steps(tiny):
    config = tiny(profile=2)
    Trainer(config).run()
    assert "aten::" in (config.exp / "profile" / "operators.txt").read_text()
    assert "traceEvents" in (config.exp / "profile" / "trace.json").read_text()
