import threading
import time

import numpy as np
import pytest

from sonant.features import Fbank, FbankConfig, Mfcc, Plp, Spectrogram


@pytest.mark.parametrize("kind", [Fbank, Mfcc, Plp, Spectrogram])
@pytest.mark.parametrize("num_threads", [0, 1, 2, 64])
def test_a_list_gives_the_features_of_each(recordings, kind, num_threads):
    feature = kind()
    waveforms = [samples for _, samples, _ in recordings] + [np.zeros(n, np.float32) for n in (0, 100, 400)]
    together = feature.compute(waveforms, num_threads=num_threads)
    assert len(together) == len(waveforms)
    for features, samples in zip(together, waveforms, strict=True):
        np.testing.assert_array_equal(features, feature.compute(samples))


def test_empty_list_and_tuple(speech):
    assert Fbank().compute([]) == []
    (features,) = Fbank().compute((speech,))
    np.testing.assert_array_equal(features, Fbank().compute(speech))


def test_views_and_read_only_arrays(speech):
    read_only = speech.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(Fbank().compute(read_only), Fbank().compute(speech))
    np.testing.assert_array_equal(Fbank().compute(speech[::2]), Fbank().compute(speech[::2].copy()))


def test_results_own_their_memory(speech):
    features = Fbank().compute(speech)
    before = features.copy()
    features += 1
    for _ in range(5):
        Fbank().compute(speech)
    np.testing.assert_array_equal(features, before + 1)
    assert features.flags.c_contiguous and features.flags.writeable


def test_other_threads_run_while_features_are_computed(speech):
    fbank, waveforms = Fbank(FbankConfig(num_mel_bins=80)), [np.tile(speech, 20)] * 100
    worker = threading.Thread(target=fbank.compute, args=(waveforms,), kwargs={"num_threads": 1})
    worker.start()
    turns = 0
    while worker.is_alive():
        time.sleep(0.001)
        turns += 1
    assert turns > 20


def test_one_fbank_in_many_threads(speech):
    fbank = Fbank(FbankConfig())
    expected, found = fbank.compute(speech), []
    threads = [threading.Thread(target=lambda: found.append(fbank.compute(speech))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for features in found:
        np.testing.assert_array_equal(features, expected)
