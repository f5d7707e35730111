"""Kaldi's log-mel filterbank on torch: for batches in training, on any device, differentiable.

The same numbers as `sonant.features.Fbank`, whose window and filters it takes. Energy features, edges that
are not snipped and dither are left to that one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant import features
from sonant.errors import ConfigError
from sonant.features import FbankConfig


class Fbank(nn.Module):
    window: Tensor  # (samples,)
    filters: Tensor  # (bins, frequencies)

    def __init__(self, config: FbankConfig):
        super().__init__()
        for option, offered in (
            ("dither", 0.0),
            ("snip_edges", True),
            ("use_energy", False),
            ("htk_mode", False),
        ):
            found = getattr(config, option)
            if found != offered:
                raise ConfigError(
                    f"{option}={found}: on torch it must be {offered}; sonant.features.Fbank has the rest"
                )
        self.config = config
        self.shift = int(config.sample_frequency * 0.001 * config.frame_shift)
        native = features.Fbank(config)
        window = torch.from_numpy(native.window)
        filters = torch.from_numpy(native.mel_filters)
        self.size = 2 * (filters.shape[1] - 1)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def lengths(self, samples: Tensor) -> Tensor:
        """Frames of recordings of so many samples."""
        return torch.clamp((samples - len(self.window)) // self.shift + 1, min=0)

    def forward(self, samples: Tensor) -> Tensor:
        """samples (batch, samples) in [-1, 1] to (batch, frames, bins), in float32 at least, also where
        precision is mixed."""
        # 16-bit floats have three digits; a logarithm of 16.0 and one of 16.06 would be the same.
        with torch.autocast(samples.device.type, enabled=False):
            return self._features(samples if samples.dtype == torch.float64 else samples.float())

    def _features(self, samples: Tensor) -> Tensor:
        config, length = self.config, len(self.window)
        if samples.shape[1] < length:
            return samples.new_zeros(samples.shape[0], 0, len(self.filters))
        frames = (samples * config.sample_scale).unfold(1, length, self.shift)
        if config.remove_dc_offset:
            frames = frames - frames.mean(dim=-1, keepdim=True)
        if config.preemphasis_coefficient:
            before = torch.cat((frames[..., :1], frames[..., :-1]), dim=-1)
            frames = frames - config.preemphasis_coefficient * before
        # Not abs(), which takes a square root for the power too, and is slow.
        power = torch.view_as_real(torch.fft.rfft(frames * self.window, n=self.size)).square().sum(dim=-1)
        # At zero the square root has no gradient; no magnitude that small counts.
        spectrum = power if config.use_power else power.clamp(min=1e-30).sqrt()
        mel = F.linear(spectrum, self.filters.to(spectrum.dtype))
        return mel.clamp(min=torch.finfo(torch.float32).eps).log() if config.use_log_fbank else mel
