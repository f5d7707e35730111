"""A stream of pitch: the pieces do not show, and what it tells is what offline computation tells."""

import dataclasses
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FeatureError
from sonant.features import Pitch, PitchConfig, ProcessPitchConfig

SETTINGS = settings(max_examples=25, deadline=None)

CONFIGS = [
    PitchConfig(),
    PitchConfig(frames_per_chunk=1),
    PitchConfig(frames_per_chunk=10),
    PitchConfig(frames_per_chunk=10, max_frames_latency=12, recompute_frame=60),
    PitchConfig(frames_per_chunk=3, nccf_ballast_online=True, max_frames_latency=4),
    PitchConfig(frames_per_chunk=10, snip_edges=False, preemphasis_coefficient=0.5),
    PitchConfig(frames_per_chunk=7, snip_edges=False, frame_length=25.25, frame_shift=12.75),
]
PROCESSES = [None, ProcessPitchConfig(normalization_right_context=20, delay=2, seed=3)]


def pieces(samples: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))


def streamed(pitch: Pitch, parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What came on the way, and all of it as it was at the end."""
    stream = pitch.stream()
    found = [stream.feed(part) for part in parts]
    return np.concatenate([*found, stream.finish()]), stream.final()


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("config", CONFIGS)
@SETTINGS
@given(
    start=st.integers(0, 30000),
    length=st.integers(0, 16000),
    cuts=st.lists(st.integers(0, 16000), max_size=30),
)
def test_any_pieces_give_what_the_whole_gives(speech, config, process, start, length, cuts):
    samples = speech[start : start + length]
    pitch = Pitch(config, process)
    on_the_way, at_the_end = streamed(pitch, pieces(samples, cuts))
    np.testing.assert_array_equal(at_the_end, pitch.compute(samples))
    if config.frames_per_chunk:
        simulated = Pitch(dataclasses.replace(config, simulate_first_pass_online=True), process)
        np.testing.assert_array_equal(on_the_way, simulated.compute(samples))
    else:
        np.testing.assert_array_equal(on_the_way, at_the_end)


def test_frames_come_on_the_way(speech):
    stream = Pitch(PitchConfig(frames_per_chunk=10)).stream()
    counts = [len(stream.feed(speech[start : start + 1600])) for start in range(0, 16000, 1600)]
    assert counts[0] == 0  # the chunk is complete when something follows it
    # Less than ten frames of the first chunk: those whose lagged part is in it, and the filter's window.
    assert counts[1:] == [6, 10, 10, 10, 10, 10, 10, 10, 10]
    assert len(stream.finish()) == 98 - sum(counts)


def test_chunks_change_the_numbers_only_by_the_energy_that_was_known(speech):
    """Without ballast nothing depends on what had been seen when."""
    whole = Pitch(PitchConfig(nccf_ballast=0.0)).compute(speech)
    for frames in (1, 10, 77):
        chunks = Pitch(PitchConfig(nccf_ballast=0.0, frames_per_chunk=frames)).compute(speech)
        np.testing.assert_array_equal(chunks, whole)
    assert (Pitch(PitchConfig(frames_per_chunk=1)).compute(speech) != Pitch().compute(speech)).any()


def test_patience_makes_first_words_final(speech):
    """Kaldi waits until the paths into a frame have met: it may yet change, those before not."""
    config = PitchConfig(frames_per_chunk=1, recompute_frame=0)
    changed = {}
    for latency in (0, 10, 10**6):
        pitch = Pitch(dataclasses.replace(config, max_frames_latency=latency))
        on_the_way, at_the_end = streamed(pitch, [speech])
        assert len(on_the_way) == len(at_the_end) == 298
        changed[latency] = int((on_the_way != at_the_end).any(1).sum())
    assert changed[10**6] < changed[10] < changed[0]
    assert changed[10**6] <= 4


def test_a_long_waveform_forgets_what_it_needs_no_more(speech):
    """The search is the same whether or not its first frames were dropped."""
    config = PitchConfig(nccf_ballast=0.0)
    long = np.resize(speech, 16000 * 80)
    whole = Pitch(config).compute(long)
    assert whole.shape == (7998, 2)
    # Paths that begin in different places meet soon.
    tail = Pitch(config).compute(long[16000 * 60 :])
    np.testing.assert_array_equal(whole[-1500:], tail[-1500:])


def test_lists_are_computed_in_parallel_and_in_order(speech):
    waves = [speech[:n] for n in (16000, 0, 48000, 399, 24000)]
    pitch = Pitch(process=ProcessPitchConfig())
    for threads in (0, 1, 2, 9):
        for ours, wave in zip(pitch.compute(waves, num_threads=threads), waves, strict=True):
            np.testing.assert_array_equal(ours, pitch.compute(wave))
    assert pitch.compute([]) == []
    assert len(pitch.compute(tuple(waves))) == 5


def test_threads_share_a_pitch_and_its_streams(speech):
    pitch = Pitch(PitchConfig(frames_per_chunk=4))
    expected = pitch.compute(speech)
    stream = pitch.stream()
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(pitch.compute(speech))) for _ in range(3)]
    for thread in threads:
        thread.start()
    stream.feed(speech)
    stream.finish()
    for thread in threads:
        thread.join()
    for track in (*found, stream.final()):
        np.testing.assert_array_equal(track, expected)


def test_a_stream_refuses_what_comes_after_its_end(speech):
    stream = Pitch().stream()
    with pytest.raises(FeatureError, match="not finished; expected finish"):
        stream.final()
    stream.feed(speech)
    stream.finish()
    with pytest.raises(FeatureError, match="this stream is finished"):
        stream.feed(speech)
    with pytest.raises(FeatureError, match="this stream is finished"):
        stream.finish()
    assert len(stream.final()) == 298


@pytest.mark.parametrize("frames_per_chunk", [0, 3])
def test_bad_samples_leave_a_stream_as_it_was(speech, frames_per_chunk):
    pitch = Pitch(PitchConfig(frames_per_chunk=frames_per_chunk))
    stream = pitch.stream()
    stream.feed(speech[:20000])
    spoilt = speech[20000:].copy()
    spoilt[5000] = np.nan
    with pytest.raises(FeatureError, match="sample 5000 of 28000 is nan"):
        stream.feed(spoilt)
    with pytest.raises(FeatureError, match="array of float64"):
        stream.feed(speech.astype(np.float64))
    stream.feed(speech[20000:])
    stream.finish()
    np.testing.assert_array_equal(stream.final(), pitch.compute(speech))
