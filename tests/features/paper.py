"""The features by their definitions, in double precision and without dither: what every kernel is held to.

Kaldi's feat/feature-window, mel-computations, feature-fbank, feature-mfcc (Davis & Mermelstein 1980),
feature-plp (Hermansky 1990) and feature-spectrogram. `c` is always the config of `sonant.features`.
"""

from typing import Any

import numpy as np

EPSILON = np.finfo(np.float32).eps


def windows(n: int, kind: str, blackman: float) -> np.ndarray:
    a = 2 * np.pi * np.arange(n) / (n - 1)
    return {
        "povey": (0.5 - 0.5 * np.cos(a)) ** 0.85,
        "hanning": 0.5 - 0.5 * np.cos(a),
        "hamming": 0.54 - 0.46 * np.cos(a),
        "sine": np.sin(0.5 * a),
        "rectangular": np.ones(n),
        "blackman": blackman - 0.5 * np.cos(a) + (0.5 - blackman) * np.cos(2 * a),
    }[kind]


def frames(x: np.ndarray, c: Any) -> np.ndarray:
    """(frames, frame length): mirrored at both ends unless edges are snipped."""
    length = int(c.sample_frequency * 0.001 * c.frame_length)
    shift = int(c.sample_frequency * 0.001 * c.frame_shift)
    if c.snip_edges:
        count, first = max(0, 1 + (len(x) - length) // shift), 0
    else:
        count, first = (len(x) + shift // 2) // shift, shift // 2 - length // 2
    index = first + shift * np.arange(count)[:, None] + np.arange(length)
    while ((index < 0) | (index >= len(x))).any():
        index = np.where(index < 0, -index - 1, index)
        index = np.where(index >= len(x), 2 * len(x) - 1 - index, index)
    return x[index]


def mel(hertz):
    return 1127.0 * np.log(1.0 + hertz / 700.0)


def hertz(mels):
    return 700.0 * (np.exp(mels / 1127.0) - 1.0)


def warp(f: float, c: Any, low: float, high: float, vtln_high: float) -> float:
    first, second = c.vtln_low * max(1.0, c.vtln_warp), vtln_high * min(1.0, c.vtln_warp)
    if f < low or f > high:
        return f
    if f < first:
        return low + (first / c.vtln_warp - low) / (first - low) * (f - low)
    if f < second:
        return f / c.vtln_warp
    return high + (high - second / c.vtln_warp) / (high - second) * (f - high)


def filters(padded: int, c: Any) -> np.ndarray:
    """(bins, padded / 2)"""
    nyquist = c.sample_frequency / 2
    low, high = c.low_freq, c.high_freq if c.high_freq > 0 else nyquist + c.high_freq
    vtln_high = c.vtln_high if c.vtln_high >= 0 else nyquist + c.vtln_high
    edges = np.linspace(mel(low), mel(high), c.num_mel_bins + 2)
    if c.vtln_warp != 1.0:
        edges = np.array([mel(warp(hertz(m), c, low, high, vtln_high)) for m in edges])
    m = mel(np.arange(padded // 2) * c.sample_frequency / padded)
    left, center, right = (edges[i : i + c.num_mel_bins, None] for i in range(3))
    weights = np.maximum(0, np.minimum((m - left) / (center - left), (right - m) / (right - center)))
    if c.htk_mode and low > 0:
        weights[0, np.flatnonzero(weights[0])[0]] = 0
    return weights


def windowed(samples: np.ndarray, c: Any) -> tuple[np.ndarray, np.ndarray]:
    """Frames (frames, padded length) after the window, and their log-energies (frames,)."""
    x = frames(samples.astype(np.float64) * c.sample_scale, c)
    length = x.shape[1]
    padded = 1 << (length - 1).bit_length() if c.round_to_power_of_two else length
    if c.remove_dc_offset:
        x = x - x.mean(1, keepdims=True)
    energy = (x**2).sum(1)
    x = x - c.preemphasis_coefficient * np.concatenate([x[:, :1], x[:, :-1]], 1)
    x = x * windows(length, c.window_type, c.blackman_coeff)
    if not c.raw_energy:
        energy = (x**2).sum(1)
    log_energy = np.log(np.maximum(np.maximum(energy, EPSILON), c.energy_floor))
    return np.pad(x, ((0, 0), (0, padded - length))), log_energy


def bands(samples: np.ndarray, c: Any, use_power: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of the mel filters (frames, bins), and the log-energies of the frames."""
    x, log_energy = windowed(samples, c)
    padded = x.shape[1]
    spectrum = np.abs(np.fft.rfft(x))[:, : padded // 2]
    y = (spectrum**2 if use_power else spectrum) @ filters(padded, c).T
    return np.maximum(y, 1.0) if c.htk_mode else y, log_energy


def fbank(samples: np.ndarray, c: Any) -> np.ndarray:
    """(frames, dim)"""
    y, log_energy = bands(samples, c, c.use_power)
    if c.use_log_fbank:
        y = np.log(np.maximum(y, EPSILON))
    if not c.use_energy:
        return y
    return np.concatenate([y, log_energy[:, None]] if c.htk_compat else [log_energy[:, None], y], 1)


def lifter(c: Any) -> np.ndarray:
    q = c.cepstral_lifter
    return 1 + q / 2 * np.sin(np.pi * np.arange(c.num_ceps) / q) if q else np.ones(c.num_ceps)


def dct(c: Any) -> np.ndarray:
    """(ceps, bins), liftered."""
    k, n = np.arange(c.num_ceps)[:, None], np.arange(c.num_mel_bins)
    rows = np.sqrt(2 / c.num_mel_bins) * np.cos(np.pi / c.num_mel_bins * (n + 0.5) * k)
    rows[0] = np.sqrt(1 / c.num_mel_bins)
    return lifter(c)[:, None] * rows


def mfcc(samples: np.ndarray, c: Any) -> np.ndarray:
    """(frames, ceps)"""
    y, log_energy = bands(samples, c)
    cepstra = np.log(np.maximum(y, EPSILON)) @ dct(c).T
    if c.use_energy:
        cepstra[:, 0] = log_energy
    elif c.htk_compat:
        cepstra[:, 0] *= np.sqrt(2)
    return np.roll(cepstra, -1, axis=1) if c.htk_compat else cepstra


def equal_loudness(c: Any) -> np.ndarray:
    nyquist = c.sample_frequency / 2
    high = c.high_freq if c.high_freq > 0 else nyquist + c.high_freq
    centers = hertz(np.linspace(mel(c.low_freq), mel(high), c.num_mel_bins + 2)[1:-1])
    if c.vtln_warp != 1.0:
        vtln_high = c.vtln_high if c.vtln_high >= 0 else nyquist + c.vtln_high
        centers = np.array([warp(f, c, c.low_freq, high, vtln_high) for f in centers])
    squared = centers**2
    return (squared / (squared + 1.6e5)) ** 2 * (squared + 1.44e6) / (squared + 9.61e6)


def predict(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations (frames, order + 1) to predictors (frames, order) and the energies of their residuals.

    The residual is x_t + sum a_i x_(t-i). The normal equations, solved as such: no recursion.
    """
    order = r.shape[1] - 1
    lag = np.abs(np.arange(order)[:, None] - np.arange(order))
    silent = r[:, :1] <= 0
    matrix = np.where(silent[..., None], np.eye(order), r[:, lag])
    a = -np.linalg.solve(matrix, r[:, 1:, None])[..., 0]  # of silence: 0
    return a, r[:, 0] + (a * r[:, 1:]).sum(1)


def plp(samples: np.ndarray, c: Any) -> np.ndarray:
    """(frames, ceps)"""
    y, log_energy = bands(samples, c)
    loud = (y * equal_loudness(c)) ** c.compress_factor
    spectrum = np.concatenate([loud[:, :1], loud, loud[:, -1:]], 1)
    a, residual = predict(np.fft.irfft(spectrum)[:, : c.lpc_order + 1])
    # The cepstrum of the all-pole spectrum 1 / A, by the recursion that A' / A gives.
    cepstra = np.zeros((len(a), c.lpc_order + 1))
    cepstra[:, 0] = np.maximum(np.log(np.maximum(residual, 1e-300)), EPSILON)
    for n in range(1, c.lpc_order + 1):
        past = sum(k * cepstra[:, k] * a[:, n - k - 1] for k in range(1, n))
        cepstra[:, n] = -a[:, n - 1] - past / n
    cepstra = cepstra[:, : c.num_ceps] * lifter(c) * c.cepstral_scale
    if c.use_energy:
        cepstra[:, 0] = log_energy
    return np.roll(cepstra, -1, axis=1) if c.htk_compat else cepstra


def spectrogram(samples: np.ndarray, c: Any) -> np.ndarray:
    """(frames, dim)"""
    x, log_energy = windowed(samples, c)
    spectrum = np.fft.rfft(x)
    if c.return_raw_fft:
        packed = spectrum.view(np.float64).reshape(len(x), -1)
        packed[:, 1] = packed[:, -2]
        return packed[:, :-2]
    y = np.log(np.maximum(np.abs(spectrum) ** 2, EPSILON))
    y[:, 0] = log_energy
    return y


def rounding(power: np.ndarray, samples: np.ndarray, c: Any, epsilons: float) -> np.ndarray:
    """What float32 may do to the logarithms of powers (frames, n) of frames.

    The samples of a frame are rounded, and so is its transform: every frequency gets a noise whose amplitude
    is some epsilons of the frame's. Where a frequency holds little of the frame's energy, such as above the
    cutoff of a recording that was once an MP3, that is what its logarithm is made of.
    """
    energy = (frames(samples.astype(np.float64) * c.sample_scale, c) ** 2).sum(1)[:, None]
    share = np.where(energy > 0, power / np.maximum(energy, 1e-30), 1.0)
    return epsilons * EPSILON / np.sqrt(np.maximum(share, 1e-30))


def tolerance(feature: str, samples: np.ndarray, c: Any, times: float = 1.0) -> Any:
    """How far a feature computed in float32 may be from this: 1e-3, and what rounding does to logarithms.

    The noise of rounding is four epsilons in the output of a filter, and ten at a frequency, the worst of
    hundreds; `times` as much for those who round more. A cepstrum of MFCC mixes the logarithms of all
    filters, times up to 12. The cube root of PLP leaves nothing of an empty band: 1e-3 whatever the
    recording. The transform itself is linear, and so is its rounding.
    """
    if feature == "plp":
        return 1e-3
    if feature == "spectrogram":
        spectrum = np.fft.rfft(windowed(samples, c)[0])
        if c.return_raw_fft:
            return 10 * times * EPSILON * np.sqrt((np.abs(spectrum) ** 2).sum(1, keepdims=True))
        return 1e-3 + rounding(np.abs(spectrum) ** 2, samples, c, 10 * times)
    rounded = rounding(bands(samples, c)[0], samples, c, 4 * times)
    if feature == "mfcc":
        mixed = rounded @ np.abs(dct(c)).T
        return 1e-3 + (np.roll(mixed, -1, axis=1) * np.sqrt(2) if c.htk_compat else mixed)
    if c.use_energy:
        rounded = np.insert(rounded, c.num_mel_bins if c.htk_compat else 0, 0.0, axis=1)
    # Of energies that are not logarithms, that is relative.
    return (1e-3 + rounded) * (1.0 if c.use_log_fbank else np.abs(fbank(samples, c)))
