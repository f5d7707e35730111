"""From items to padded batches."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant import audio
from sonant.audio import read_corpus
from sonant.data import Item, Loader, Recordings, WaveAugment, WaveCache, epoch_batches
from sonant.data.augment import change_speed
from sonant.errors import AudioError, ConfigError
from sonant.features import Fbank, FbankConfig

SPEECH = Path(__file__).parent / "speech"
ENGLISH = [u for u in read_corpus(SPEECH) if u.text.isascii()]


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def loader(utterances=ENGLISH, augment: WaveAugment | None = None, limit: float = 1e9, **options) -> Loader:
    return Loader(utterances, encode, WaveCache(16000, limit), augment, **options)


def batches(epoch: int = 0) -> list[list[Item]]:
    durations = [u.duration for u in ENGLISH]
    return epoch_batches(durations, epoch=epoch, seed=0, max_duration=12.0, speeds=(0.9, 1.0, 1.1))


def test_batches_come_in_order_padded_with_zeros():
    planned = batches()
    made = list(loader()(planned))
    assert [batch.ids for batch in made] == [tuple(ENGLISH[i.index].id for i in items) for items in planned]
    for batch, items in zip(made, planned, strict=True):
        assert batch.samples.dtype == torch.float32 and batch.targets.dtype == torch.int64
        assert batch.samples.shape == (len(items), int(batch.sample_lengths.max()))
        assert batch.targets.shape == (len(items), int(batch.target_lengths.max()))
        for i, item in enumerate(items):
            utterance = ENGLISH[item.index]
            samples, length = batch.samples[i], int(batch.sample_lengths[i])
            wave = change_speed(audio.load(utterance.audio, target_rate=16000).samples, item.speed, 16000)
            assert length == len(wave)
            np.testing.assert_allclose(samples[:length].numpy(), np.clip(wave, -1, 1), rtol=0, atol=2e-5)
            assert (samples[length:] == 0).all()
            assert batch.targets[i, : batch.target_lengths[i]].tolist() == encode(utterance.text)
            assert (batch.targets[i, batch.target_lengths[i] :] == 0).all()


def test_recordings_at_another_rate_are_resampled():
    (index,) = [i for i, u in enumerate(ENGLISH) if u.id == "7_jackson_0"]
    (batch,) = loader()([[Item(index, 1.0)]])
    assert int(batch.sample_lengths[0]) == pytest.approx(0.432 * 16000, abs=200)


def test_random_numbers_depend_on_seed_and_epoch_not_on_threads_or_cache():
    noise = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    augment = WaveAugment(noises=[noise], noise_probability=0.7)

    def samples(epoch: int = 1, **options) -> list[torch.Tensor]:
        return [batch.samples for batch in loader(augment=augment, **options)(batches(), epoch)]

    expected = samples(seed=3, threads=1)
    for options in (dict(threads=4), dict(limit=0), dict(limit=200_000)):
        assert all(map(torch.equal, samples(seed=3, **options), expected))
    assert not any(map(torch.equal, samples(seed=4), expected))
    assert not any(map(torch.equal, samples(epoch=2, seed=3), expected))
    # An utterance in a batch of its own is the same utterance.
    (alone,) = loader(augment=augment, seed=3)([[batches()[2][0]]], 1)
    assert torch.equal(alone.samples[0], expected[2][0, : alone.samples.shape[1]])


def test_the_cache_holds_no_more_than_its_limit(tmp_path: Path):
    path = tmp_path / "a.flac"
    shutil.copy(SPEECH / "sb-spk1_snt1.flac", path)
    utterance = type(ENGLISH[0])("a", path, "", 2.87)
    size = 2 * len(audio.load(path).samples)
    cache = WaveCache(16000, size)
    first = cache.get(utterance, 1.0)
    cache.get(utterance, 0.9)  # no room for it
    path.unlink()
    assert np.array_equal(cache.get(utterance, 1.0), first)
    with pytest.raises(AudioError, match=r"a\.flac"):
        cache.get(utterance, 0.9)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_recording_that_cannot_be_read_is_named_when_its_batch_is_due(tmp_path: Path, threads: int):
    shutil.copytree(SPEECH, tmp_path / "speech")
    utterances = read_corpus(tmp_path / "speech")
    broken = utterances[4].audio
    broken.write_bytes(broken.read_bytes()[:100])
    seen = []
    with pytest.raises(AudioError, match=broken.name):
        for batch in loader(utterances, threads=threads)([[Item(i, 1.0)] for i in range(len(utterances))]):
            seen += batch.ids
    assert seen == [u.id for u in utterances[:4]]
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


def test_leaving_early_stops_the_threads():
    made = loader()(batches())
    next(made)
    made.close()
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


def test_texts_without_tokens():
    made = list(
        Loader(ENGLISH[:2], lambda text: [], WaveCache(16000, 1e9), None)([[Item(0, 1.0), Item(1, 1.0)]])
    )
    assert made[0].targets.shape == (2, 0) and made[0].target_lengths.tolist() == [0, 0]


def test_no_threads_at_all_is_named():
    with pytest.raises(ConfigError, match="threads 0: expected at least 1"):
        loader(threads=0)


def test_moving_a_batch():
    (batch,) = loader()([[Item(0, 1.0)]])
    moved = batch.to(torch.device("cpu"))
    assert moved.ids == batch.ids and torch.equal(moved.samples, batch.samples)


def test_features_made_by_the_threads_are_those_of_the_waveforms():
    fbank = Fbank(FbankConfig(num_mel_bins=20, dither=0.0))
    for batch in loader(fbank=fbank)(batches()):
        assert batch.features is not None and batch.features.dtype == torch.float32
        rows = zip(batch.features, batch.samples.numpy(), batch.sample_lengths.tolist(), strict=True)
        lengths = []
        for found, samples, length in rows:
            expected = fbank.compute(samples[:length])
            lengths.append(len(expected))
            assert np.array_equal(found[: len(expected)].numpy(), expected)
            assert (found[len(expected) :] == 0).all()
        assert batch.features.shape == (len(batch.ids), max(lengths), 20)
        assert batch.to(torch.device("cpu")).features is batch.features


def test_each_recording_has_a_seed_of_its_own():
    planned = batches(3)
    for items, batch in zip(planned, loader(seed=4)(planned, 3), strict=True):
        assert batch.seeds == tuple((4, 3, item.index) for item in items)


def test_noises_are_decoded_when_they_are_asked_for():
    noises = Recordings(ENGLISH, WaveCache(16000, 0))
    assert len(noises) == len(ENGLISH) and not Recordings([], WaveCache(16000, 0))
    expected = audio.load(ENGLISH[1].audio).samples
    np.testing.assert_allclose(noises[1], np.clip(expected, -1, 1), atol=2e-5)
    augmented = loader(augment=WaveAugment(noises=noises, noise_probability=1.0))(batches())
    assert all(torch.isfinite(batch.samples).all() for batch in augmented)
