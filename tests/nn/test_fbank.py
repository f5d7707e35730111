"""Features on torch, against the native ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant import audio
from sonant.audio import read_corpus
from sonant.errors import ConfigError
from sonant.features import Fbank as NativeFbank
from sonant.features import FbankConfig
from sonant.nn import Fbank

SPEECH = Path(__file__).parents[1] / "data" / "speech"
TRAINING = FbankConfig(num_mel_bins=80, dither=0.0, high_freq=-400.0)
EPSILON = np.finfo(np.float32).eps


def load(name: str, rate: int = 16000) -> np.ndarray:
    return audio.load(SPEECH / name, target_rate=rate).samples


def on_torch(samples: np.ndarray, config: FbankConfig) -> np.ndarray:
    (features,) = Fbank(config)(torch.from_numpy(samples)[None]).numpy()
    return features


def excess(samples: np.ndarray, config: FbankConfig) -> float:
    """The largest difference to the native features over its tolerance: 1e-3, and in proportion more where a
    band holds less of its frame's energy than float32 resolves (see tests/features/test_fbank_values.py)."""
    linear = replace(config, use_log_fbank=False, use_energy=True, raw_energy=True)
    columns = NativeFbank(linear).compute(samples).astype(np.float64)
    share = columns[:, 1:] ** (1 if config.use_power else 2) / np.exp(columns[:, :1])
    ours, native = on_torch(samples, config), NativeFbank(config).compute(samples)
    assert ours.shape == native.shape and ours.dtype == np.float32
    if not config.use_log_fbank:
        ours, native = (np.log(np.maximum(x, EPSILON)) for x in (ours, native))
    tolerance = 1e-3 * np.maximum(1.0, 4 * EPSILON / np.maximum(share, 1e-30))
    return float((np.abs(ours - native) / tolerance).max())


@pytest.mark.parametrize("utterance", read_corpus(SPEECH), ids=lambda u: u.id)
def test_equals_the_native_features(utterance):
    assert excess(load(utterance.audio.name), TRAINING) <= 1


@pytest.mark.parametrize("name", ["1898-145715-0049.opus", "2416-152139-0023.opus", "BAC009S0724W0121.flac"])
def test_recordings_without_an_empty_band_differ_by_less_than_the_tolerance_everywhere(name):
    samples = load(name)
    native = NativeFbank(TRAINING).compute(samples)
    np.testing.assert_allclose(on_torch(samples, TRAINING), native, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        dict(window_type="hamming", preemphasis_coefficient=0.0),
        dict(remove_dc_offset=False, frame_length=20.0, frame_shift=12.5),
        dict(use_power=False, round_to_power_of_two=False),
        dict(use_log_fbank=False, num_mel_bins=23),
        dict(sample_frequency=8000.0, num_mel_bins=40, vtln_warp=1.1),
    ],
)
def test_options(change):
    config = replace(TRAINING, **change)
    assert excess(load("BAC009S0724W0121.flac", int(config.sample_frequency)), config) <= 1


def test_padding_in_a_batch_changes_nothing():
    fbank = Fbank(TRAINING)
    waves = [
        load(name)[:n]
        for name, n in (("jfk.flac", 48000), ("1898-145715-0049.opus", 31999), ("jfk.flac", 400))
    ]
    batch = torch.zeros(3, 48000)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    features = fbank(batch)
    lengths = fbank.lengths(torch.tensor([len(wave) for wave in waves])).tolist()
    for row, length, wave in zip(features, lengths, waves, strict=True):
        alone = on_torch(wave, TRAINING)
        assert length == len(alone) == NativeFbank(TRAINING).num_frames(len(wave))
        np.testing.assert_allclose(row[:length].numpy(), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 559, 560])
def test_short_recordings(samples):
    fbank = Fbank(TRAINING)
    frames = NativeFbank(TRAINING).num_frames(samples)
    assert fbank(torch.zeros(2, samples)).shape == (2, frames, 80)
    assert fbank.lengths(torch.tensor([samples])).tolist() == [frames]


def test_mixed_precision_leaves_the_features_alone():
    samples = torch.from_numpy(load("jfk.flac")[:16000])[None]
    fbank = Fbank(TRAINING)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = fbank(samples)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, fbank(samples))


def test_half_precision_samples_are_computed_in_float32():
    samples = torch.from_numpy(load("jfk.flac")[:16000])[None].bfloat16()
    assert torch.equal(Fbank(TRAINING)(samples), Fbank(TRAINING)(samples.float()))


@pytest.mark.parametrize("use_power", [True, False])
def test_gradient(use_power):
    config = FbankConfig(sample_frequency=1000.0, num_mel_bins=5, dither=0.0, use_power=use_power)
    samples = torch.randn(2, 45, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(Fbank(config), samples.requires_grad_())


@pytest.mark.parametrize("use_power", [True, False])
def test_gradients_of_speech_are_finite_in_silence_too(use_power):
    samples = torch.from_numpy(load("jfk.flac")[:16000])[None].clone()
    samples[:, 4000:8000] = 0.0
    samples.requires_grad_()
    Fbank(replace(TRAINING, use_power=use_power))(samples).mean().backward()
    assert torch.isfinite(samples.grad).all()
    assert (samples.grad[:, 9000:15000] != 0).float().mean() > 0.99


@pytest.mark.parametrize(
    "change", [dict(dither=1.0), dict(snip_edges=False), dict(use_energy=True), dict(htk_mode=True)]
)
def test_an_option_that_is_not_offered_is_named(change):
    (option,) = change
    with pytest.raises(
        ConfigError, match=f"{option}=.*: on torch it must be .*sonant.features.Fbank has the rest"
    ):
        Fbank(replace(TRAINING, **change))


def test_buffers_are_not_in_checkpoints():
    assert Fbank(TRAINING).state_dict() == {}
