"""A tiny task, learned from sound to text: each letter is a tone."""

import itertools
import json
from pathlib import Path

import numpy as np
import soundfile
import torch

from sonant.data import SpecAugment
from sonant.features import FbankConfig
from sonant.nn import (
    BLANK,
    ConformerConfig,
    EncoderConfig,
    JoinerConfig,
    NetworkConfig,
    StatelessPredictorConfig,
    Zipformer,
    ZipformerConfig,
)
from sonant.search import ctc_greedy, transducer_greedy
from sonant.train import (
    DataConfig,
    LossConfig,
    OptimizerConfig,
    TokensConfig,
    TrainConfig,
    Trainer,
    checkpoint,
)
from sonant.train.update import Part

TONES = {"A": 400, "B": 700, "C": 1200, "D": 2000}  # Hz
RATE = 8000


def corpus(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    folder.mkdir()
    with open(folder / "manifest.jsonl", "w") as manifest:
        for i in range(16):
            letters = generator.choice(list(TONES), size=generator.integers(3, 8)).tolist()
            text = "".join(letter for letter, _ in itertools.groupby(letters))
            pieces = [np.zeros(400)]
            for letter in text:
                time = np.arange(int(RATE * generator.uniform(0.12, 0.25))) / RATE
                pieces += [
                    0.3 * np.sin(2 * np.pi * TONES[letter] * time),
                    np.zeros(generator.integers(300, 800)),
                ]
            wave = np.concatenate(pieces)
            soundfile.write(folder / f"{i}.wav", wave + 0.001 * generator.standard_normal(len(wave)), RATE)
            row = {"audio": f"{i}.wav", "text": text, "duration": len(wave) / RATE}
            manifest.write(json.dumps(row) + "\n")
    return folder


@torch.no_grad()
def understood(trainer: Trainer) -> dict[str, list[str]]:
    """What the trained network reads in each recording of its training set, by each head."""
    network = trainer.network.eval()
    found: dict[str, list[str]] = {"ctc": [], "transducer": []}

    def step(frames: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        logits = network.joiner(torch.from_numpy(frames), network.predictor(torch.from_numpy(contexts)))
        return logits.log_softmax(dim=-1).numpy()

    for batch in trainer.train_loader(trainer._plain_batches(trainer.train_set)):
        out, _, lengths = trainer.objective.eval().encode(batch)
        encoded = [row[:n].numpy() for row, n in zip(out, lengths.tolist(), strict=True)]
        scores = [network.ctc(torch.from_numpy(e)).log_softmax(dim=-1).numpy() for e in encoded]
        for head, hypotheses in (
            ("ctc", ctc_greedy(scores)),
            (
                "transducer",
                transducer_greedy(step, encoded, context_size=network.predictor.config.context, blank=BLANK),
            ),
        ):
            found[head] += [trainer.tokens.decode(list(h.tokens)) for h in hypotheses]
    return found


def tones(folder: Path, encoder: EncoderConfig, epochs: int, learning_rate: float) -> TrainConfig:
    return TrainConfig(
        exp=folder / "exp",
        data=DataConfig(
            train=(corpus(folder / "corpus"),),
            held_out=0,
            speeds=(1.0,),
            min_duration=0.1,
            batch_duration=15.0,
        ),
        tokens=TokensConfig("char", 7),  # four letters, the start of a word, unknown, blank
        fbank=FbankConfig(sample_frequency=RATE, num_mel_bins=20, dither=0.0),
        network=NetworkConfig(encoder, predictor=StatelessPredictorConfig(16), joiner=JoinerConfig(32)),
        spec_augment=SpecAugment(frequency_masks=0, time_masks=0),
        loss=LossConfig(transducer=1.0),
        optimizer=OptimizerConfig(learning_rate=learning_rate, warmup=20),
        epochs=epochs,
        precision="float32",
        threads=1,
    )


def test_both_heads_learn_tones(tmp_path: Path):
    encoder = ConformerConfig(
        features=20,
        dim=32,
        layers=2,
        heads=2,
        feedforward=64,
        kernel=5,
        chunk=4,
        left_context=8,
        subsampling_channels=8,
        dropout=0.0,
    )
    trainer = Trainer(tones(tmp_path, encoder, epochs=120, learning_rate=0.01))
    trainer.run()

    batches = list(trainer.train_loader(trainer._plain_batches(trainer.train_set)))
    with torch.no_grad():
        for batch in batches:
            found = trainer.updater.losses(Part(batch, 0), trainer.position)
            tokens = float(batch.target_lengths.sum())
            losses = {name: float(total) / tokens for name, (total, _) in found.items()}
            assert losses["ctc"] < 0.02 and losses["middle"] < 0.04 and losses["transducer"] < 0.1, losses
    texts = {u.id: u.text for u in trainer.train_set}
    expected = [texts[name] for batch in batches for name in batch.ids]
    assert understood(trainer) == {"ctc": expected, "transducer": expected}
    # The average that is kept learned it too.
    trainer.network.load_state_dict(trainer.averages.moving)
    assert understood(trainer)["ctc"] == expected


def test_a_zipformer_learns_tones_in_chunks(tmp_path: Path):
    encoder = ZipformerConfig(
        layers=(1, 1),
        downsampling=(1, 2),
        dims=(32, 48),
        feedforward=(64, 64),
        heads=(2, 2),
        kernels=(5, 5),
        query_dim=8,
        value_dim=8,
        position_dim=16,
        features=20,
        channels=(4, 8, 16),
        causal=True,
        chunk=8,
        left_context=16,
        training_chunks=(8, 16, None),
        training_left_contexts=(16, None),
        dropout=0.0,
    )
    trainer = Trainer(tones(tmp_path, encoder, epochs=60, learning_rate=0.02))
    trainer.run()
    assert isinstance(trainer.network.encoder, Zipformer)

    texts = {u.id: u.text for u in trainer.train_set}
    batches = list(trainer.train_loader(trainer._plain_batches(trainer.train_set)))
    expected = [texts[name] for batch in batches for name in batch.ids]
    assert understood(trainer)["ctc"] == expected
    with torch.no_grad():
        for batch in batches:
            found = trainer.updater.losses(Part(batch, 0), trainer.position)
            tokens = int(batch.target_lengths.sum())
            losses = {name: float(total) / tokens for name, (total, _) in found.items()}
            assert losses["ctc"] < 0.05 and losses["middle"] < 0.2 and losses["transducer"] < 0.5, losses

    # A checkpoint tells which network it is of.
    config, _, network = checkpoint.load(trainer.last)
    assert config.network.encoder == encoder
    for name, value in trainer.averages.moving.items():
        assert torch.equal(network.state_dict()[name], value), name
