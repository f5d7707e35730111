"""Batches of features from recordings on disk: how many hours of speech a second, by workers.

    pip install lhotse urllib3
    python benchmarks/data_loading.py CORPUS [--utterances 300] [--workers 1 2]

CORPUS is a manifest or folder as `sonant train` takes them. Each utterance is decoded, made into 80 log-mel
filters and padded into a batch, the same batches for all: `sonant.data.Loader` (threads), and beside it what
is commonly written: a torch Dataset that reads with soundfile and computes with lhotse's Wav2LogFilterBank
(as icefall's on-the-fly features are), in a DataLoader with as many worker processes. They take turns; the
medians are given. CPU time is that of all threads and processes, which a busy machine disturbs less than the
clock. Then ours with augmentation: another speed, noise and reverberation for each utterance, made of noise
and a decaying response. Features are compared, so that nobody is timed for something else.
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from sonant import audio
from sonant.audio import Utterance
from sonant.data import Loader, WaveAugment, WaveCache, epoch_batches
from sonant.features import Fbank, FbankConfig

RATE, BINS, TURNS = 16000, 80, 3


class Speech(torch.utils.data.Dataset):
    def __init__(self, utterances: list[Utterance]):
        from lhotse.features.kaldi.layers import Wav2LogFilterBank

        self.utterances = utterances
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on snip_edges, which makes its frames those of the others
            self.fbank = Wav2LogFilterBank(num_filters=BINS, high_freq=0.0, snip_edges=True)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> torch.Tensor:
        samples, rate = soundfile.read(self.utterances[index].audio, dtype="float32")
        assert rate == RATE and samples.ndim == 1
        with torch.inference_mode():
            return self.fbank(torch.from_numpy(samples * 32768)[None])[0].clone()


def collate(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def dataset(utterances: list[Utterance], plan: list[list[Any]], workers: int) -> Iterable[torch.Tensor]:
    indices = [[item.index for item in items] for items in plan]
    return torch.utils.data.DataLoader(
        Speech(utterances),
        batch_sampler=indices,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=one_thread,
    )


def ours(
    utterances: list[Utterance], plan: list[list[Any]], workers: int, augment: WaveAugment | None = None
) -> Iterable[torch.Tensor]:
    fbank = Fbank(FbankConfig(num_mel_bins=BINS, dither=0.0))
    cache = WaveCache(RATE, 0)  # every recording is decoded
    made = Loader(utterances, lambda text: [1] * len(text), cache, augment, fbank=fbank, threads=workers)
    for batch in made(plan):
        assert batch.features is not None
        yield batch.features


def augmentation() -> WaveAugment:
    generator = np.random.default_rng(0)
    noises = [generator.standard_normal(10 * RATE).astype(np.float32) for _ in range(4)]
    decay = np.exp(-np.arange(RATE // 3) / 800)
    responses = [(generator.standard_normal(len(decay)) * decay).astype(np.float32)]
    return WaveAugment(noises, responses, noise_probability=0.5, reverb_probability=0.2)


def timed(make: Callable[[], Iterable[torch.Tensor]]) -> tuple[float, float, float]:
    """Seconds by the clock, of CPU, and the sum of all features."""
    began, before = time.perf_counter(), os.times()
    total = sum(float(features.double().sum()) for features in make())
    after = os.times()  # the worker processes of a DataLoader have ended by now
    return time.perf_counter() - began, sum(after[:4]) - sum(before[:4]), total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--utterances", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    utterances = audio.read_corpus(options.corpus)[: options.utterances]
    durations = [u.duration for u in utterances]
    hours = sum(durations) / 3600

    def plan(speeds: tuple[float, ...]) -> list[list[Any]]:
        return epoch_batches(durations, epoch=0, seed=0, max_duration=120.0, speeds=speeds)

    plain, varied, augment = plan((1.0,)), plan((0.9, 1.0, 1.1)), augmentation()
    print(f"{len(utterances)} utterances, {hours:.2f} h, {len(plain)} batches; {os.cpu_count()} cores")
    print(f"{'workers':>7}  {'':<24} {'hours a second':>14} {'CPU s an hour':>14}")
    for workers in options.workers:
        runs: dict[str, Callable[[], Iterable[torch.Tensor]]] = {
            "Dataset, DataLoader": lambda: dataset(utterances, plain, workers),  # noqa: B023
            "sonant.data.Loader": lambda: ours(utterances, plain, workers),  # noqa: B023
            "the same, augmented": lambda: ours(utterances, varied, workers, augment),  # noqa: B023
        }
        found = {name: [] for name in runs}
        for _ in range(TURNS):
            for name, make in runs.items():
                found[name].append(timed(make))
        sums = [found[name][0][2] for name in list(runs)[:2]]
        assert abs(sums[0] - sums[1]) < 1e-4 * abs(sums[0]), sums
        medians = {
            name: tuple(statistics.median(turn[i] for turn in turns) for i in (0, 1))
            for name, turns in found.items()
        }
        for name, (clock, cpu) in medians.items():
            print(f"{workers:7}  {name:<24} {hours / clock:14.4f} {cpu / hours:14.1f}")
        theirs, our = (medians[name] for name in list(runs)[:2])
        print(f"{'':7}  ratio {theirs[0] / our[0]:.2f} by the clock, {theirs[1] / our[1]:.2f} of CPU time")


if __name__ == "__main__":
    main()
