"""Augmentation of waveforms (numpy) and of features (torch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sonant.errors import ConfigError

TELEPHONE = 8000  # Hz


@dataclass(frozen=True)
class SpecAugment:
    """Warps and masks of features (Park et al. 2019, arXiv:1904.08779), drawn for each recording; masked
    values become zero, the mean.

    icefall's is `SpecAugment(2, 27, 10, 100, 0.015, time_warp=80, probability=0.9)` (its fraction of 0.15
    is that of all masks together), CAIMAN-ASR's `SpecAugment(2, 20, 10, time_width=..., time_fraction=0.03)`
    with a width that no mask reaches.
    """

    frequency_masks: int = 2
    frequency_width: int = 27  # bins at most
    time_masks: int = 10
    time_width: int = 40  # frames at most
    time_fraction: float = 0.05  # of the recording at most, each
    time_warp: int = 0  # frames by which a point of the recording is moved at most, 0 for none
    probability: float = 1.0  # that a recording is warped and masked at all

    def __call__(
        self, features: Tensor, lengths: Tensor, seeds: Sequence[Sequence[int]] | None = None
    ) -> Tensor:
        """features (batch, frames, bins), normalised, to a changed copy; lengths (batch,) in frames.

        seeds: for each recording, such as `Batch.seeds`: what is drawn for it depends on nothing else.
        Without them random numbers are torch's.
        """
        batch, frames, bins = features.shape
        lengths = lengths[:, None].to(features.device)
        count = 3 + 2 * (self.frequency_masks + self.time_masks)
        drawn = iter(_uniform(seeds, batch, count, features.device).unbind(dim=1))

        def spans(masks: int, size: Tensor | int, width: Tensor | int, positions: int) -> Tensor:
            """(batch, positions) bool: what any of the masks covers"""
            covered = torch.zeros(batch, positions, dtype=torch.bool, device=features.device)
            at = torch.arange(positions, device=features.device)
            for _ in range(masks):
                span = next(drawn)[:, None] * width
                start = next(drawn)[:, None] * (size - span)
                covered |= (at >= start) & (at < start + span)
            return covered

        chosen = next(drawn) < self.probability
        where, by = next(drawn), next(drawn)
        if self.time_warp:
            features = torch.where(
                chosen[:, None, None], _warp(features, lengths[:, 0], where, by, self.time_warp), features
            )
        width = (lengths * self.time_fraction).clamp(max=self.time_width)
        time = spans(self.time_masks, lengths, width, frames)
        frequency = spans(self.frequency_masks, bins, min(self.frequency_width, bins), bins)
        masked = (time[:, :, None] | frequency[:, None, :]) & chosen[:, None, None]
        return features.masked_fill(masked, 0.0)


def _uniform(seeds: Sequence[Sequence[int]] | None, batch: int, count: int, device: torch.device) -> Tensor:
    """(batch, count) in [0, 1)"""
    if seeds is None:
        return torch.rand(batch, count, device=device)
    if len(seeds) != batch:
        raise ConfigError(f"{len(seeds)} seeds for {batch} recordings: expected one for each")
    # The last number sets these apart from what the same seed gives for the waveform.
    rows = [np.random.default_rng([*seed, 1]).random(count, dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).to(device)


def _warp(features: Tensor, lengths: Tensor, where: Tensor, by: Tensor, most: int) -> Tensor:
    """A point of each recording, at least `most` frames from its ends, is moved by up to `most` frames; what
    is before it and after it is stretched or squeezed, linearly. Recordings without such a point stay.

    where, by: (batch,) in [0, 1), which point, and by how much.
    """
    frames = features.shape[1]
    size = lengths.to(features.dtype)
    room = size - 2 * most - 2
    point = most + 1 + (where * room).floor()
    target = point + (by * (2 * most + 1)).floor() - most
    at = torch.arange(frames, device=features.device, dtype=features.dtype)[None]
    size, point, target = size[:, None], point[:, None], target[:, None]
    before = at * point / target
    after = point + (at - target) * (size - 1 - point) / (size - 1 - target)
    source = torch.where(at < target, before, after).clamp(max=size - 1)
    source = torch.where((room[:, None] > 0) & (at < size), source, at)
    low = source.floor().long()
    high = (low + 1).clamp(max=frames - 1)
    part = (source - low)[..., None]

    def row(index: Tensor) -> Tensor:
        return features.gather(1, index[..., None].expand(-1, -1, features.shape[2]))

    return torch.lerp(row(low), row(high), part)


def change_speed(samples: np.ndarray, speed: float, sample_rate: int) -> np.ndarray:
    """Plays samples (n,) `speed` times as fast, as a tape: tempo and pitch change (Ko et al. 2015)."""
    if speed == 1.0:
        return samples
    import soxr

    return soxr.resample(samples, sample_rate * speed, sample_rate, quality="MQ")


def mix_noise(
    samples: np.ndarray, noise: np.ndarray, snr: float, generator: np.random.Generator
) -> np.ndarray:
    """Adds noise, repeated or cut to fit at a random offset, `snr` decibels below the speech's mean power."""
    if len(noise) == 0:
        raise ConfigError("a noise recording has no samples; leave it out")
    if len(samples) == 0:
        return samples
    offset = int(generator.integers(len(noise)))
    fitted = noise.take(range(offset, offset + len(samples)), mode="wrap")
    power = float(np.mean(samples**2)), float(np.mean(fitted**2))
    if min(power) == 0:
        return samples
    return samples + fitted * np.float32(np.sqrt(power[0] / power[1] * 10 ** (-snr / 10)))


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolves with a room's impulse response, kept in time with the direct sound and at the same power."""
    if len(response) == 0:
        raise ConfigError("a room impulse response has no samples; leave it out")
    if len(samples) == 0:
        return samples
    peak = int(np.argmax(np.abs(response)))
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    wet = np.fft.irfft(spectrum, size)[peak : peak + len(samples)].astype(np.float32)
    power = float(np.mean(samples**2)), float(np.mean(wet**2))
    return wet * np.float32(np.sqrt(power[0] / power[1])) if min(power) > 0 else samples


def narrowband(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """As if it had been recorded at 8 kHz, a telephone's rate: nothing above 4 kHz is left.

    Raises ConfigError for a sample_rate of 8 kHz or less, which is that already.
    """
    if sample_rate <= TELEPHONE:
        raise ConfigError(f"sample_rate {sample_rate}: is narrow already, expected above {TELEPHONE} Hz")
    if len(samples) == 0:
        return samples
    import soxr

    low = soxr.resample(samples, sample_rate, TELEPHONE, quality="MQ")
    back = soxr.resample(low, TELEPHONE, sample_rate, quality="MQ")[: len(samples)]
    return np.pad(back, (0, len(samples) - len(back)))


@dataclass(frozen=True)
class WaveAugment:
    """Gain, noise, reverberation and a narrow band for one waveform, each with its probability: a room, the
    noise in it, the line, the loudness."""

    noises: Sequence[np.ndarray] = ()
    responses: Sequence[np.ndarray] = ()
    noise_probability: float = 0.3
    reverb_probability: float = 0.1
    snr: tuple[float, float] = (5.0, 25.0)  # decibels
    gain: tuple[float, float] = (-10.0, 3.0)  # decibels
    narrowband_probability: float = 0.0
    sample_rate: int = 16000

    def __post_init__(self):
        for option in ("noise_probability", "reverb_probability", "narrowband_probability"):
            if not 0 <= getattr(self, option) <= 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected 0 to 1")
        for option in ("snr", "gain"):
            least, most = getattr(self, option)
            if not least <= most:
                raise ConfigError(f"{option} {least} to {most}: expected the smaller first, in decibels")

    def __call__(self, samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if self.responses and generator.random() < self.reverb_probability:
            samples = reverberate(samples, self.responses[int(generator.integers(len(self.responses)))])
        if self.noises and generator.random() < self.noise_probability:
            noise = self.noises[int(generator.integers(len(self.noises)))]
            samples = mix_noise(samples, noise, generator.uniform(*self.snr), generator)
        if self.narrowband_probability and generator.random() < self.narrowband_probability:
            samples = narrowband(samples, self.sample_rate)
        return samples * np.float32(10 ** (generator.uniform(*self.gain) / 20))
