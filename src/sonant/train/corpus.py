"""What a run learns from: utterances, their texts, noises, phone alignments."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from sonant import audio, text
from sonant.audio import Utterance, read_corpus
from sonant.data import WaveAugment, WaveCache
from sonant.errors import CheckpointError, ManifestError
from sonant.train.config import TrainConfig
from sonant.train.flat_start import AlignmentConfig, FlatStart, aligner_features, read_lexicon

ALIGNMENTS = "alignments.safetensors"


def read_utterances(config: TrainConfig) -> tuple[list[Utterance], list[Utterance]]:
    """The training and the validation set."""
    data = config.data
    everything = [u for corpus in data.train for u in read_corpus(corpus)]
    if data.valid is not None:
        train, valid = everything, read_corpus(data.valid)
    else:
        held = set(np.random.default_rng(config.seed).permutation(len(everything))[: data.held_out].tolist())
        train = [u for i, u in enumerate(everything) if i not in held]
        valid = [everything[i] for i in sorted(held)]
    usable = [
        u
        for u in train
        if data.min_duration <= u.duration <= data.max_duration and reference(config, u.text).strip()
    ]
    if not usable:
        raise ManifestError(
            f"{', '.join(map(str, data.train))}: {len(everything)} utterances, "
            f"{len(everything) - len(train)} held out for validation; none of the others is "
            f"{data.min_duration} to {data.max_duration} s long and has a text"
        )
    return usable, valid


def reference(config: TrainConfig, text_of_manifest: str) -> str:
    """What the network learns to write."""
    return text.spoken(text_of_manifest) if config.data.upper else text_of_manifest


def wave_augment(config: TrainConfig) -> WaveAugment:
    data = config.data
    rate = int(config.fbank.sample_frequency)

    def waves(corpus: Any) -> tuple[np.ndarray, ...]:
        found = read_corpus(corpus) if corpus else ()
        return tuple(audio.load(u.audio, target_rate=rate).samples for u in found)

    return WaveAugment(
        noises=waves(data.noise),
        responses=waves(data.responses),
        noise_probability=data.noise_probability,
        reverb_probability=data.reverb_probability,
    )


def align(config: AlignmentConfig, exp: Path, utterances: list[Utterance], cache: WaveCache) -> None:
    """Makes the alignments, once, and keeps them in the run's folder."""
    path = exp / ALIGNMENTS
    if path.exists():
        return
    sys.stdout.write(f"aligning {len(utterances)} recordings from a flat start\n")
    sys.stdout.flush()
    features = [aligner_features(cache.get(u, 1.0), cache.sample_rate) for u in utterances]
    found = FlatStart(config, read_lexicon(config.lexicon)).align(
        features, [text.spoken(u.text) for u in utterances]
    )
    save_file({str(u.audio): a for u, a in zip(utterances, found, strict=True)}, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def read_alignments(
    config: AlignmentConfig, exp: Path, utterances: list[Utterance]
) -> tuple[int, dict[str, np.ndarray]]:
    """The number of phones, and a phone for each 10 ms of each recording, by the recording's path."""
    path = exp / ALIGNMENTS
    try:
        labels = load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); remove it to align anew") from None
    missing = [u.id for u in utterances if str(u.audio) not in labels]
    if missing:
        raise CheckpointError(f"{path}: has not {missing[0]}, of a changed corpus; remove it to align anew")
    return len(FlatStart(config, read_lexicon(config.lexicon)).phones), labels
