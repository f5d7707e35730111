"""From utterances to batches of waveforms and targets, prepared by threads while the network computes.

Threads, not processes: decoding, resampling, Fourier transforms and features all let go of Python's lock,
and nothing has to be pickled or copied from one process to another.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonant import audio
from sonant.audio import Utterance
from sonant.data.augment import WaveAugment, change_speed
from sonant.data.bad import BadData, check_length
from sonant.data.batches import Item
from sonant.errors import AudioError, ConfigError
from sonant.features import Fbank

# So many others are tried in place of an utterance that cannot be read, before all is given up.
SUBSTITUTES = 100


@dataclass(frozen=True)
class Batch:
    ids: tuple[str, ...]
    samples: Tensor  # (batch, samples) float32 in [-1, 1], zero beyond each one's end
    sample_lengths: Tensor  # (batch,) int64
    targets: Tensor  # (batch, tokens) int64, zero beyond each one's end
    target_lengths: Tensor  # (batch,) int64
    alignment: Tensor | None = None  # (batch, frames of 10 ms) int64 labels, -1 beyond each one's end
    features: Tensor | None = None  # (batch, frames, bins) float32, zero beyond, where the loader makes them
    seeds: tuple[tuple[int, ...], ...] = ()  # for each one's random numbers: seed, epoch, place in the corpus

    def to(self, device: torch.device) -> "Batch":
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


class WaveCache:
    """Decoded recordings, as 16-bit integers. Once `limit` bytes are held, others are decoded each time."""

    def __init__(self, sample_rate: int, limit: float):
        self.sample_rate = sample_rate
        self._room = limit
        self._waves: dict[tuple[str, float], np.ndarray] = {}
        self._lock = Lock()

    def get(self, utterance: Utterance, speed: float) -> np.ndarray:
        """(samples,) float32 at `sample_rate`, played at `speed`.

        Raises AudioError, which names the file, where it cannot be read to its end, or is of another rate or
        length than its manifest says.
        """
        key = (str(utterance.audio), speed)
        wave = self._waves.get(key)
        if wave is None:
            samples = self._decoded(utterance)
            samples = change_speed(samples, speed, self.sample_rate)
            wave = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
            with self._lock:
                if key not in self._waves and wave.nbytes <= self._room:
                    self._room -= wave.nbytes
                    self._waves[key] = wave
        return wave.astype(np.float32) / 32768

    def _decoded(self, utterance: Utterance) -> np.ndarray:
        pieces: list[np.ndarray] = []
        # No further than a minute beyond what is expected: a manifest may take three hours for three seconds.
        seconds = 0.0
        for piece in audio.blocks(
            utterance.audio, sample_rate=utterance.sample_rate, target_rate=self.sample_rate, seconds=60.0
        ):
            pieces.append(piece)
            seconds += len(piece) / self.sample_rate
            if seconds > utterance.duration + 60:
                break
        check_length(utterance, seconds)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class Recordings(Sequence[np.ndarray]):
    """Waveforms of a corpus, decoded when they are asked for: days of noise need no memory."""

    def __init__(self, utterances: Sequence[Utterance], cache: WaveCache):
        self._utterances, self._cache = utterances, cache

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: Any) -> Any:
        return self._cache.get(self._utterances[index], 1.0)


class Loader:
    """Makes the batches that a list of items names.

    encode: from text to token ids. alignments: labels (frames of 10 ms,) by audio path. The random numbers
    of an utterance depend on the seed, the epoch and its place in the corpus alone, not on the threads.

    bad: what is done about a recording that cannot be used. Where it is left out, its batch has one less;
    a batch with none left takes the next utterance of the corpus that can be read, so that each list of
    items gives a batch. fbank: features are made here, by the threads, for `Batch.features`.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        encode: Callable[[str], list[int]],
        cache: WaveCache,
        augment: WaveAugment | None,
        *,
        alignments: Mapping[str, np.ndarray] | None = None,
        bad: BadData | None = None,
        fbank: Fbank | None = None,
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
        self._bad = bad or BadData("stop")
        self._fbank = fbank
        self._seed = seed
        self._threads = threads

    def _wave(self, item: Item, epoch: int) -> np.ndarray | None:
        """None where the recording is left out."""
        try:
            wave = self._cache.get(self.utterances[item.index], item.speed)
        except AudioError as error:
            self._bad.unreadable(error)
            return None
        if self._augment is not None:
            wave = self._augment(wave, np.random.default_rng([self._seed, epoch, item.index]))
        return wave

    def _waves(self, items: Sequence[Item], epoch: int) -> tuple[list[Item], list[np.ndarray]]:
        """Those of the items that can be read, one at least, and their waveforms."""
        found = [(item, wave) for item in items if (wave := self._wave(item, epoch)) is not None]
        first = items[0]
        for step in range(1, SUBSTITUTES + 1):
            if found:
                break
            other = Item((first.index + step) % len(self.utterances), first.speed)
            if (wave := self._wave(other, epoch)) is not None:
                found.append((other, wave))
        if not found:
            raise AudioError(
                f"{self.utterances[first.index].audio}: neither it nor the {SUBSTITUTES} recordings after it "
                "in the corpus can be used: look at the corpus"
            )
        return [item for item, _ in found], [wave for _, wave in found]

    def _batch(self, items: Sequence[Item], epoch: int) -> Batch:
        items, waves = self._waves(items, epoch)
        samples, sample_lengths = _pad(waves)
        targets, target_lengths = _pad([self._targets[item.index] for item in items])
        ids = tuple(self.utterances[item.index].id for item in items)
        alignment = features = None
        if self._alignments is not None:
            named = [(str(self.utterances[item.index].audio), item.speed) for item in items]
            played = [_play(self._alignments[audio], speed) for audio, speed in named]
            alignment, _ = _pad(played, value=-1)
        if self._fbank is not None:
            features, _ = _pad([self._fbank.compute(wave) for wave in waves])
        seeds = tuple((self._seed, epoch, item.index) for item in items)
        return Batch(ids, samples, sample_lengths, targets, target_lengths, alignment, features, seeds)

    def __call__(self, batches: Sequence[Sequence[Item]], epoch: int = 0) -> Iterator[Batch]:
        """The batches in order, made ahead of their use.

        Raises AudioError, which names the file, where the batch with a recording that cannot be read is due,
        unless such recordings are left out.
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
    out = np.full((len(arrays), max(lengths), *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out), torch.tensor(lengths)
