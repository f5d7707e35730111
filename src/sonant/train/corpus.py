"""What a run learns from: utterances, their texts, noises, phone alignments."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from sonant import audio, text
from sonant.audio import Utterance, read_corpus
from sonant.data import BadData, Recordings, WaveAugment, WaveCache
from sonant.data.bad import read_corpora, usable
from sonant.errors import CheckpointError, ManifestError
from sonant.train.config import TrainConfig
from sonant.train.flat_start import AlignmentConfig, FlatStart, aligner_features, read_lexicon

ALIGNMENTS = "alignments.safetensors"


def read_utterances(
    config: TrainConfig, bad: BadData | None = None
) -> tuple[list[Utterance], list[Utterance]]:
    """The training and the validation set."""
    data = config.data
    bad = bad or BadData(data.bad)
    everything = read_corpora(data.train, bad)
    if data.valid is not None:
        train, valid = everything, read_corpus(data.valid)
    else:
        held = set(np.random.default_rng(config.seed).permutation(len(everything))[: data.held_out].tolist())
        train = [u for i, u in enumerate(everything) if i not in held]
        valid = [everything[i] for i in sorted(held)]
    kept = usable(
        train,
        bad,
        text=partial(reference, config),
        min_duration=data.min_duration,
        max_duration=data.max_duration,
    )
    if not kept:
        raise ManifestError(
            f"{', '.join(map(str, data.train))}: {len(everything)} utterances, "
            f"{len(everything) - len(train)} held out for validation; none of the others is "
            f"{data.min_duration} to {data.max_duration} s long and has a text"
        )
    return kept, valid


def reference(config: TrainConfig, text_of_manifest: str) -> str:
    """What the network learns to write."""
    return text.spoken(text_of_manifest) if config.data.upper else text_of_manifest


def wave_augment(config: TrainConfig, cache: WaveCache) -> WaveAugment:
    data = config.data
    rate = cache.sample_rate
    responses = read_corpus(data.responses) if data.responses else ()
    return WaveAugment(
        noises=Recordings(read_corpus(data.noise) if data.noise else (), cache),
        responses=[audio.load(u.audio, target_rate=rate).samples for u in responses],
        noise_probability=data.noise_probability,
        reverb_probability=data.reverb_probability,
        snr=data.snr,
        gain=data.gain,
        narrowband_probability=data.narrowband_probability,
        sample_rate=rate,
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
