"""From utterances to batches of waveforms and targets, prepared by threads while the network computes."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from sonant import audio
from sonant.audio import Utterance
from sonant.data.augment import WaveAugment, change_speed
from sonant.data.batches import Item
from sonant.errors import ConfigError


@dataclass(frozen=True)
class Batch:
    ids: tuple[str, ...]
    samples: Tensor  # (batch, samples) float32 in [-1, 1], zero beyond each one's end
    sample_lengths: Tensor  # (batch,) int64
    targets: Tensor  # (batch, tokens) int64, zero beyond each one's end
    target_lengths: Tensor  # (batch,) int64
    alignment: Tensor | None = None  # (batch, frames of 10 ms) int64 labels, -1 beyond each one's end

    def to(self, device: torch.device) -> "Batch":
        tensors = (self.samples, self.sample_lengths, self.targets, self.target_lengths)
        alignment = None if self.alignment is None else self.alignment.to(device, non_blocking=True)
        return Batch(self.ids, *(t.to(device, non_blocking=True) for t in tensors), alignment=alignment)


class WaveCache:
    """Decoded recordings, as 16-bit integers. Once `limit` bytes are held, others are decoded each time."""

    def __init__(self, sample_rate: int, limit: float):
        self.sample_rate = sample_rate
        self._room = limit
        self._waves: dict[tuple[str, float], np.ndarray] = {}
        self._lock = Lock()

    def get(self, utterance: Utterance, speed: float) -> np.ndarray:
        """(samples,) float32 at `sample_rate`, played at `speed`."""
        key = (str(utterance.audio), speed)
        wave = self._waves.get(key)
        if wave is None:
            samples = audio.load(utterance.audio, target_rate=self.sample_rate).samples
            samples = change_speed(samples, speed, self.sample_rate)
            wave = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
            with self._lock:
                if key not in self._waves and wave.nbytes <= self._room:
                    self._room -= wave.nbytes
                    self._waves[key] = wave
        return wave.astype(np.float32) / 32768


class Loader:
    """Makes the batches that a list of items names.

    encode: from text to token ids. alignments: labels (frames of 10 ms,) by audio path. The random numbers
    of an utterance depend on the seed, the epoch and its place in the corpus alone, not on the threads.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        encode: Callable[[str], list[int]],
        cache: WaveCache,
        augment: WaveAugment | None,
        *,
        alignments: Mapping[str, np.ndarray] | None = None,
        seed: int = 0,
        threads: int = 2,
    ):
        if threads < 1:
            raise ConfigError(f"threads {threads}: expected at least 1")
        self.utterances = utterances
        self._targets = [np.asarray(encode(u.text), dtype=np.int64) for u in utterances]
        self._cache = cache
        self._alignments = alignments
        self._augment = augment
        self._seed = seed
        self._threads = threads

    def _wave(self, item: Item, epoch: int) -> np.ndarray:
        wave = self._cache.get(self.utterances[item.index], item.speed)
        if self._augment is not None:
            wave = self._augment(wave, np.random.default_rng([self._seed, epoch, item.index]))
        return wave

    def _batch(self, items: Sequence[Item], epoch: int) -> Batch:
        samples, sample_lengths = _pad([self._wave(item, epoch) for item in items])
        targets, target_lengths = _pad([self._targets[item.index] for item in items])
        ids = tuple(self.utterances[item.index].id for item in items)
        alignment = None
        if self._alignments is not None:
            named = [(str(self.utterances[item.index].audio), item.speed) for item in items]
            played = [_play(self._alignments[audio], speed) for audio, speed in named]
            alignment, _ = _pad(played, value=-1)
        return Batch(ids, samples, sample_lengths, targets, target_lengths, alignment)

    def __call__(self, batches: Sequence[Sequence[Item]], epoch: int = 0) -> Iterator[Batch]:
        """The batches in order, made ahead of their use.

        Raises AudioError, which names the file, where the batch with a recording that cannot be read is due.
        """
        pool = ThreadPoolExecutor(self._threads)
        ahead: deque[Future[Batch]] = deque()
        try:
            for items in batches:
                ahead.append(pool.submit(self._batch, items, epoch))
                if len(ahead) > 2 * self._threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            # Also where the consumer stops early, or a recording cannot be read.
            pool.shutdown(cancel_futures=True)


def _play(labels: np.ndarray, speed: float) -> np.ndarray:
    """Labels of a recording played `speed` times as fast."""
    return labels[(np.arange(int(len(labels) / speed)) * speed).astype(np.int64)].astype(np.int64)


def _pad(arrays: Sequence[np.ndarray], value: int = 0) -> tuple[Tensor, Tensor]:
    lengths = [len(a) for a in arrays]
    out = np.full((len(arrays), max(lengths)), value, dtype=arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out), torch.tensor(lengths)
