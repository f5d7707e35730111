"""The trainer's parts: the learning rate, what it trains on, what it says, and where it refuses."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sonant import audio
from sonant.audio import read_corpus
from sonant.errors import AudioError, ConfigError, ManifestError, TokenError, TrainingError
from sonant.features import Fbank, FbankConfig
from sonant.train import LossConfig, OptimizerConfig, TokensConfig, Trainer, train
from sonant.train.corpus import read_utterances
from sonant.train.update import Part


def test_what_is_held_out_is_not_trained_on(tiny):
    config = tiny()
    config = replace(config, data=replace(config.data, held_out=3))
    training, valid = read_utterances(config)
    assert len(valid) == 3 and len(training) == 5
    assert not {u.id for u in training} & {u.id for u in valid}
    assert read_utterances(config) == (training, valid)
    assert read_utterances(replace(config, seed=1)) != (training, valid)


def test_a_validation_set_of_its_own(tiny, corpus):
    config = tiny()
    training, valid = read_utterances(replace(config, data=replace(config.data, valid=corpus)))
    assert [u.id for u in training] == [u.id for u in valid] == [u.id for u in read_corpus(corpus)]


def manifest(tmp_path: Path, corpus: Path, *changes: dict) -> Path:
    rows = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    for row, change in zip(rows, changes, strict=False):
        row |= change
    lines = [json.dumps(row | {"audio": str(corpus / row["audio"])}) + "\n" for row in rows]
    (tmp_path / "list.jsonl").write_text("".join(lines))
    return tmp_path / "list.jsonl"


def test_utterances_that_cannot_be_learned_are_left_out(tiny, corpus, tmp_path):
    path = manifest(
        tmp_path,
        corpus,
        {"text": " "},
        {"text": "广州市"},
        {"duration": 0.2},
        {"duration": 60.0},
        {"text": "It's."},
    )
    config = tiny()
    data = replace(config.data, train=(path,), held_out=0)
    with pytest.raises(ManifestError, match="2 empty text: mend them, or leave them out"):
        read_utterances(replace(config, data=data))
    data = replace(data, bad="skip")
    training, _ = read_utterances(replace(config, data=data))
    assert [u.id for u in training] == [u.id for u in read_corpus(corpus)][4:]
    # Any script, where the text is taken as it is.
    training, _ = read_utterances(replace(config, data=replace(data, upper=False)))
    assert "广州市" in [u.text for u in training]


@pytest.mark.parametrize("change", [dict(held_out=8), dict(max_duration=1.0), dict(held_out=40)])
def test_nothing_to_train_on_is_named(tiny, change):
    config = tiny()
    with pytest.raises(
        ManifestError, match=r"corpus.*: 8 utterances, \d held out for validation; none of the others"
    ):
        Trainer(replace(config, data=replace(config.data, **change)))


def test_features_are_normalised_by_the_training_set(tiny, corpus):
    config = tiny()
    config = replace(config, data=replace(config.data, held_out=0, speeds=(1.0,), noise=None, responses=None))
    trainer = Trainer(config)
    native = Fbank(config.fbank)
    waves = [audio.load(u.audio).samples for u in trainer.train_set]
    every = np.concatenate([native.compute(wave) for wave in waves]).astype(np.float64)
    encoder = trainer.network.encoder
    # But for the random gain of each recording, which only moves the mean.
    shift = encoder.feature_mean.numpy() - every.mean(axis=0)
    assert np.ptp(shift) < 0.2 and -2.3 < shift.mean() < 0.7
    np.testing.assert_allclose(1 / encoder.feature_scale.numpy(), every.std(axis=0), rtol=0.15)


def test_the_losses_of_each_part_of_training(tiny):
    trainer = Trainer(tiny(loss=LossConfig(transducer_from=0.5)))
    losses = [values for epoch in range(2) for _, values in trainer.epoch()]
    assert [("transducer" in values) for values in losses] == 4 * [False] + 3 * [True]
    trainer = Trainer(tiny(loss=LossConfig(transducer=0.0)))
    assert not any("transducer" in values for _, values in trainer.epoch())


def test_losses_are_per_token_and_a_batch_is_the_sum_of_its_recordings(tiny):
    config = tiny(precision="float32", loss=LossConfig())
    network = replace(config.network, encoder=replace(config.network.encoder, dropout=0.0))
    masks = replace(config.spec_augment, frequency_masks=0, time_masks=0)
    trainer = Trainer(replace(config, network=network, spec_augment=masks))
    items = trainer._batches(0)[0]
    assert len(items) == 2
    (together,) = trainer.train_loader([items])
    alone = list(trainer.train_loader([[item] for item in items]))
    with torch.no_grad():
        whole = trainer.updater.losses(Part(together, 0), trainer.position)
        parts = [trainer.updater.losses(Part(batch, 0), trainer.position) for batch in alone]
    for name, (total, each) in whole.items():
        expected = torch.cat([part[name][1] for part in parts])
        torch.testing.assert_close(each, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(total, expected.sum(), rtol=1e-4, atol=1e-4)
    values = trainer.step(Part(together, 0))
    tokens = together.target_lengths.sum().item()
    assert values["ctc"] == pytest.approx(whole["ctc"][0].item() / tokens, rel=1e-4)


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_mixed_precision_is_near_single(tiny, half):
    losses = []
    for precision in ("float32", half):
        trainer = Trainer(tiny(precision=precision, loss=LossConfig()))
        batch = next(trainer.train_loader(trainer._batches(0)))
        losses.append(trainer.updater.losses(Part(batch, 0), trainer.position))
    for name, (single, _) in losses[0].items():
        mixed = losses[1][name][0]
        assert mixed.dtype == torch.float32
        torch.testing.assert_close(mixed, single, rtol=0.02, atol=0)


def test_the_average_follows_the_weights(tiny):
    trainer = Trainer(tiny(optimizer=OptimizerConfig(average=0.5)))
    kept = {name: t.clone() for name, t in trainer.averages.moving.items()}
    batch = next(trainer.train_loader(trainer._batches(0)))
    trainer.step(Part(batch, 0))  # the first decay is a tenth
    for name, weight in trainer.network.state_dict().items():
        torch.testing.assert_close(trainer.averages.moving[name], 0.1 * kept[name] + 0.9 * weight)


def test_validation_changes_nothing(tiny):
    trainer = Trainer(tiny())
    state, weights = torch.get_rng_state(), {n: t.clone() for n, t in trainer.network.state_dict().items()}
    first = trainer.validate()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, weights[n]) for n, t in trainer.network.state_dict().items())
    assert first == trainer.validate() and len(first.utterances) == 1 and first.reference_length > 0


def test_validation_with_ids_that_two_corpora_share(tiny, corpus, tmp_path):
    config = tiny()
    data = replace(config.data, train=(corpus, manifest(tmp_path, corpus)), held_out=10)
    result = Trainer(replace(config, data=data)).validate()
    assert len(result.utterances) == 10


def test_a_loss_that_is_not_finite_names_the_utterances_and_leaves_the_weights(tiny):
    trainer = Trainer(tiny())
    batch = next(trainer.train_loader(trainer._batches(0)))
    weights = {n: t.clone() for n, t in trainer.network.named_parameters()}
    poisoned = replace(batch, samples=batch.samples * torch.nan)
    with pytest.raises(
        TrainingError, match=rf"step 0: ctc nan.*on utterances {', '.join(batch.ids)}: look at these"
    ):
        trainer.step(Part(poisoned, 0))
    assert all(torch.equal(t, weights[n]) for n, t in trainer.network.named_parameters())


def test_a_recording_that_is_shorter_than_its_manifest_says(tiny, corpus, tmp_path):
    rows = [json.loads(line) for line in manifest(tmp_path, corpus).read_text().splitlines()]
    short = tmp_path / "short.wav"
    soundfile.write(short, np.full(300, 0.1), 16000)
    rows[2]["audio"] = str(short)
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = tiny()
    data = replace(config.data, train=(tmp_path / "list.jsonl",), held_out=0)
    with pytest.raises(AudioError, match=r"short\.wav: lasts 0\.02 s, 1\.\d+ s in its manifest"):
        train(replace(config, data=data))


def test_what_a_run_says(tiny, capsys):
    config = tiny()
    train(config)
    printed = capsys.readouterr().out
    assert (config.exp / "train.log").read_text() == printed
    lines = printed.splitlines()
    assert lines[0].endswith("M parameters, 7 steps in 2 epochs")
    steps = [line for line in lines if " step " in line]
    assert [line.split("  ")[1] for line in steps] == ["step 2/7", "step 4/7", "step 6/7"]
    for word in ("ctc", "middle", "norm", "rate", "h/h", "left 0:00"):
        assert all(word in line for line in steps)
    assert [line.split(" in ")[0] for line in lines if "done" in line] == ["epoch 0 done", "epoch 1 done"]
    wer = [re.fullmatch(r"epoch (\d)  valid WER \d+\.\d\d %", line) for line in lines if "WER" in line]
    assert [match and match[1] for match in wer] == ["0", "1"]
    board = EventAccumulator(str(config.exp / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("train/ctc")] == [2, 4, 6]
    assert [event.step for event in board.Scalars("valid/wer")] == [4, 7]


def test_validation_every_few_epochs_and_at_the_end(tiny, capsys):
    train(tiny(epochs=3, valid_every=2))
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines() if "WER" in line] == [
        "epoch 1",
        "epoch 2",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(epochs=0), "epochs 0: expected 1 or more"),
        (dict(save_every=0), "save_every 0: expected 1 or more"),
        (
            dict(fbank=FbankConfig(num_mel_bins=40, dither=0.0)),
            r"num_mel_bins 40, network.encoder.features 20: make",
        ),
    ],
)
def test_an_option_that_cannot_work_is_named(tiny, change, message):
    with pytest.raises(ConfigError, match=message):
        tiny(**change)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (LossConfig, dict(transducer_from=1.5), r"transducer_from 1.5: expected 0 to 1"),
        (LossConfig, dict(ctc=-1.0), r"ctc -1.0: expected 0 or more"),
    ],
)
def test_a_number_out_of_bounds_is_named(kind, change, message):
    with pytest.raises(ConfigError, match=message):
        kind(**change)


def test_a_gpu_that_is_not_there_is_named(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device cuda: torch finds no GPU"):
        Trainer(tiny(device="cuda"))


def test_more_tokens_than_the_texts_give_is_named(tiny):
    with pytest.raises(TokenError, match="vocab_size=500"):
        Trainer(tiny(tokens=TokensConfig("bpe", 500)))
