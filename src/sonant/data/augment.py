"""Augmentation of waveforms (numpy) and of features (torch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sonant.errors import ConfigError


@dataclass(frozen=True)
class SpecAugment:
    """Masks of features (Park et al. 2019), drawn for each recording; masked values become zero, the mean."""

    frequency_masks: int = 2
    frequency_width: int = 27  # bins at most
    time_masks: int = 10
    time_width: int = 40  # frames at most
    time_fraction: float = 0.05  # of the recording at most, each

    def __call__(self, features: Tensor, lengths: Tensor) -> Tensor:
        """features (batch, frames, bins), normalised, to a masked copy; lengths (batch,) in frames."""
        batch, frames, bins = features.shape
        device = features.device

        def spans(masks: int, size: Tensor | int, width: Tensor | int, positions: int) -> Tensor:
            """(batch, positions) bool: what any of the masks covers"""
            span = torch.rand(batch, masks, device=device) * width
            start = torch.rand(batch, masks, device=device) * (size - span)
            at = torch.arange(positions, device=device)
            return ((at >= start[..., None]) & (at < (start + span)[..., None])).any(dim=1)

        lengths = lengths[:, None].to(device)
        width = (lengths * self.time_fraction).clamp(max=self.time_width)
        time = spans(self.time_masks, lengths, width, frames)
        frequency = spans(self.frequency_masks, bins, min(self.frequency_width, bins), bins)
        return features.masked_fill(time[:, :, None] | frequency[:, None, :], 0.0)


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
    offset = generator.integers(len(noise))
    fitted = np.resize(np.roll(noise, -offset), len(samples))
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


@dataclass(frozen=True)
class WaveAugment:
    """Gain, noise and reverberation of one waveform, each with its probability."""

    noises: Sequence[np.ndarray] = ()
    responses: Sequence[np.ndarray] = ()
    noise_probability: float = 0.3
    reverb_probability: float = 0.1
    snr: tuple[float, float] = (5.0, 25.0)  # decibels
    gain: tuple[float, float] = (-10.0, 3.0)  # decibels

    def __call__(self, samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if self.responses and generator.random() < self.reverb_probability:
            samples = reverberate(samples, self.responses[int(generator.integers(len(self.responses)))])
        if self.noises and generator.random() < self.noise_probability:
            noise = self.noises[int(generator.integers(len(self.noises)))]
            samples = mix_noise(samples, noise, generator.uniform(*self.snr), generator)
        return samples * np.float32(10 ** (generator.uniform(*self.gain) / 20))
