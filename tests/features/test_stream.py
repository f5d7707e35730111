import random
import resource

import numpy as np
import pytest

from sonant.errors import FeatureError
from sonant.features import (
    Fbank,
    FbankConfig,
    Mfcc,
    MfccConfig,
    Plp,
    PlpConfig,
    Spectrogram,
    SpectrogramConfig,
)


def in_chunks(feature, samples: np.ndarray, sizes) -> np.ndarray:
    stream, parts, start = feature.stream(), [], 0
    while start < len(samples):
        size = next(sizes)
        parts.append(stream.feed(samples[start : start + size]))
        start += size
    parts.append(stream.finish())
    return np.concatenate(parts)


def constant(size):
    while True:
        yield size


def random_sizes(seed, most):
    draw = random.Random(seed)
    while True:
        yield draw.choice([0, 1, draw.randrange(most)])


FEATURES = {
    "default": (Fbank, FbankConfig()),
    "no dither": (Fbank, FbankConfig(dither=0.0, num_mel_bins=80)),
    "mirrored": (Fbank, FbankConfig(snip_edges=False)),
    "mirrored, odd": (
        Fbank,
        FbankConfig(snip_edges=False, frame_length=25.0625, frame_shift=9.9375, dither=0.0),
    ),
    "mirrored, gaps": (Fbank, FbankConfig(snip_edges=False, frame_length=10.0, frame_shift=35.0)),
    "gaps": (Fbank, FbankConfig(frame_length=10.0, frame_shift=35.0)),
    "energy": (Fbank, FbankConfig(use_energy=True, htk_compat=True, raw_energy=False, seed=7)),
    "mixed radix": (Fbank, FbankConfig(round_to_power_of_two=False, frame_length=15.5)),
    "mfcc": (Mfcc, MfccConfig()),
    "mfcc, mirrored": (Mfcc, MfccConfig(snip_edges=False, dither=0.0, use_energy=False, num_ceps=7)),
    "plp": (Plp, PlpConfig()),
    "plp, mirrored": (Plp, PlpConfig(snip_edges=False, use_energy=False, lpc_order=9, num_ceps=5)),
    "spectrogram": (Spectrogram, SpectrogramConfig()),
    "transform": (Spectrogram, SpectrogramConfig(return_raw_fft=True, snip_edges=False)),
    "dense": (Fbank, FbankConfig(frame_shift=0.0625 * 3)),
}


@pytest.mark.parametrize("name", FEATURES)
def test_any_chunking_gives_the_same_bits(speech, name):
    kind, config = FEATURES[name]
    feature = kind(config)
    for length in (12345, 399, 80, 5, 1):
        samples = speech[20000 : 20000 + length]
        whole = feature.compute(samples)
        for seed, most in enumerate((50, 170, 900, 6000)):
            np.testing.assert_array_equal(in_chunks(feature, samples, random_sizes(seed, most)), whole)
        for size in (1, 160, 400, 4096, 5000):
            np.testing.assert_array_equal(in_chunks(feature, samples, constant(size)), whole)


def test_whole_recordings_in_real_time_chunks(recordings):
    for _, samples, rate in recordings:
        for snip_edges in (True, False):
            fbank = Fbank(FbankConfig(sample_frequency=rate, num_mel_bins=40, snip_edges=snip_edges))
            pieces = in_chunks(fbank, samples, constant(rate // 50))
            np.testing.assert_array_equal(pieces, fbank.compute(samples))


@pytest.mark.parametrize("snip_edges", [True, False])
def test_a_frame_comes_as_soon_as_its_last_sample(speech, snip_edges):
    fbank = Fbank(FbankConfig(dither=0.0, snip_edges=snip_edges))
    first_complete = 400 if snip_edges else 280  # mirrored, frame 0 is samples -120 to 279
    stream = fbank.stream()
    assert stream.feed(speech[: first_complete - 1]).shape == (0, 23)
    assert stream.feed(speech[first_complete - 1 : first_complete]).shape == (1, 23)
    assert stream.feed(speech[first_complete : first_complete + 159]).shape == (0, 23)
    assert stream.feed(speech[first_complete + 159 : first_complete + 160]).shape == (1, 23)
    assert stream.finish().shape == (0 if snip_edges else 1, 23)


def test_empty_stream():
    for snip_edges in (True, False):
        assert Fbank(FbankConfig(snip_edges=snip_edges)).stream().finish().shape == (0, 23)


def test_bad_samples_leave_a_stream_as_it_was(speech):
    fbank = Fbank(FbankConfig())
    stream = fbank.stream()
    bad = speech[1000:3000].copy()
    bad[1234] = np.nan
    first = stream.feed(speech[:1000])
    with pytest.raises(FeatureError, match="sample 1234 of 2000 is nan"):
        stream.feed(bad)
    rest = stream.feed(speech[1000:])
    np.testing.assert_array_equal(np.concatenate([first, rest, stream.finish()]), fbank.compute(speech))


def test_a_finished_stream_refuses_more(speech):
    stream = Fbank(FbankConfig()).stream()
    stream.finish()
    with pytest.raises(FeatureError, match=r"finished.*another with stream\(\)"):
        stream.feed(speech)
    with pytest.raises(FeatureError, match="finished"):
        stream.finish()


def test_a_stream_outlives_its_fbank(speech):
    stream = Fbank().stream()
    features = np.concatenate([stream.feed(speech), stream.finish()])
    np.testing.assert_array_equal(features, Fbank().compute(speech))


def test_hours_need_no_more_memory_than_seconds(speech):
    stream = Fbank(FbankConfig(dither=0.0)).stream()
    minute = np.tile(speech, 20)
    stream.feed(minute)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames = sum(len(stream.feed(minute)) for _ in range(180))
    assert frames == 180 * 6000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20_000  # KiB; the samples are 675,000
