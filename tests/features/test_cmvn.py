"""Normalisation and voice activity: against their definitions, streaming, and with bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sonant.errors import FeatureError
from sonant.features import (
    OnlineCmvn,
    OnlineCmvnConfig,
    accumulate_cmvn,
    apply_cmvn,
    cmvn_stats,
    energy_vad,
    skip_dims_in_stats,
    sliding_cmn,
)

values = st.floats(-100, 100, width=32)
matrices = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=values)
F = np.random.default_rng(7).standard_normal((60, 3)).astype(np.float32) * [1, 5, 0.1] + [10, 0, -3]
F = F.astype(np.float32)


@given(matrices)
def test_statistics(features):
    stats = cmvn_stats(features)
    wide = features.astype(np.float64)
    np.testing.assert_allclose(stats[0, :-1], wide.sum(0), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(stats[1, :-1], (wide * wide).sum(0), rtol=1e-6, atol=1e-5)
    assert (stats[0, -1], stats[1, -1]) == (len(features), 0)


def test_statistics_of_a_list_and_with_weights():
    np.testing.assert_allclose(cmvn_stats([F, F[:7]]), cmvn_stats(F) + cmvn_stats(F[:7]))
    twice = cmvn_stats(np.concatenate((F, F[10:20])))
    weights = np.ones(60, np.float32)
    weights[10:20] = 2
    np.testing.assert_allclose(cmvn_stats(F, weights), twice)
    stats = cmvn_stats(F)
    accumulate_cmvn(F[:0], stats)
    np.testing.assert_array_equal(stats, cmvn_stats(F))


@given(matrices)
def test_normalised_features_have_mean_0_and_variance_1_and_come_back(features):
    stats = cmvn_stats(features)
    mean_only = apply_cmvn(features, stats)
    assert np.abs(mean_only.mean(0)).max() < 1e-3
    deviation = features.astype(np.float64).std(0)
    both = apply_cmvn(features, stats, norm_vars=True)
    for column in np.flatnonzero(deviation > 0.1):
        assert abs(both[:, column].std() - 1) < 1e-2
    np.testing.assert_allclose(apply_cmvn(mean_only, stats, reverse=True), features, atol=1e-3)
    back = apply_cmvn(both, stats, norm_vars=True, reverse=True)
    np.testing.assert_allclose(back[:, deviation > 0.1], features[:, deviation > 0.1], atol=1e-2)


def test_skipped_columns_stay():
    stats = cmvn_stats(F)
    skip_dims_in_stats(stats, [1])
    result = apply_cmvn(F, stats, norm_vars=True)
    np.testing.assert_array_equal(result[:, 1], F[:, 1])
    assert np.abs(result[:, [0, 2]].mean(0)).max() < 1e-4


def test_the_mean_needs_one_row_of_statistics_only():
    np.testing.assert_array_equal(apply_cmvn(F, cmvn_stats(F)[:1]), apply_cmvn(F, cmvn_stats(F)))
    with pytest.raises(FeatureError, match=r"shape \(1, 4\); expected \(2, 4\)"):
        apply_cmvn(F, cmvn_stats(F)[:1], norm_vars=True)


def windows(frames: int, window: int, min_window: int, center: bool):
    """The frames that are averaged for each frame, by Kaldi's rules."""
    for t in range(frames):
        first, past = (t - window // 2, t - window // 2 + window) if center else (t - window, t + 1)
        if first < 0:
            first, past = 0, past - first
        if not center and past > t:
            past = max(t + 1, min_window)
        if past > frames:
            first, past = max(first - (past - frames), 0), frames
        yield first, past


@given(matrices, st.integers(1, 50), st.integers(1, 50), st.booleans(), st.booleans())
def test_sliding_cmn(features, window, min_window, center, normalize_variance):
    min_window = min(min_window, window) if center else min_window
    result = sliding_cmn(
        features,
        window,
        min_window=min_window,
        center=center,
        normalize_variance=normalize_variance,
        max_warnings=0,
    )
    wide = features.astype(np.float64)
    for t, (first, past) in enumerate(windows(len(features), window, min_window, center)):
        part = wide[first:past]
        expected = wide[t] - part.mean(0)
        if not normalize_variance:
            np.testing.assert_allclose(result[t], expected, atol=1e-4)
        elif past - first == 1:
            assert not result[t].any()
        else:
            varied = part.std(0) > 1e-2
            np.testing.assert_allclose(
                result[t][varied], (expected / part.std(0).clip(1e-5))[varied], rtol=1e-3, atol=1e-3
            )


def test_a_column_that_does_not_vary_gives_as_many_warnings_as_are_wanted():
    flat = np.ones((20, 1), np.float32)
    for most, number in (5, 5), (0, 0), (-1, 20), (2, 2):
        if number:
            with pytest.warns(RuntimeWarning, match="hardly varies around frame ") as caught:
                result = sliding_cmn(flat, 10, normalize_variance=True, max_warnings=most)
            assert len(caught) == number
        else:
            result = sliding_cmn(flat, 10, normalize_variance=True, max_warnings=most)
        assert not result.any()


def test_running_sums_do_not_drift():
    features = np.random.default_rng(1).standard_normal((200_000, 1)).astype(np.float32) + np.float32(1000)
    result = sliding_cmn(features, 600)
    expected = features[-1] - features[-601:].astype(np.float64).mean(0)
    assert abs(result[-1] - expected) < 1e-5


GLOBAL = cmvn_stats(F + 1)
CONFIGS = [
    OnlineCmvnConfig(),
    OnlineCmvnConfig(20, 10, 5, normalize_variance=True),
    OnlineCmvnConfig(8, 8, 8, skip_dims=(1,)),
    OnlineCmvnConfig(30, 0, 0),
    OnlineCmvnConfig(normalize_mean=False),
]


@given(st.sampled_from(CONFIGS), st.lists(st.integers(0, 20)), st.booleans())
def test_online_cmvn_does_not_depend_on_the_pieces(config, pieces, speaker):
    cmvn = OnlineCmvn(3, config, global_stats=GLOBAL, speaker_stats=cmvn_stats(F[:25]) if speaker else None)
    stream, output, at = cmvn.stream(), [], 0
    for size in [*pieces, len(F)]:
        output.append(stream.feed(F[at : at + size]))
        at += size
    np.testing.assert_array_equal(np.concatenate(output), cmvn.compute(F))


def test_online_cmvn_by_its_definition():
    cmvn = OnlineCmvn(3, OnlineCmvnConfig(20, 10, 5), global_stats=GLOBAL, speaker_stats=cmvn_stats(F[:4]))
    result, mean = cmvn.compute(F), GLOBAL[0] / GLOBAL[0, -1]
    for t in 0, 3, 10, 15, 18, 19, 20, 45:
        stats = cmvn_stats(F[max(t - 19, 0) : t + 1])[0]
        stats = stats + cmvn_stats(F[:4])[0] * (min(20 - stats[-1], 10, 4) / 4)
        stats = stats + mean * min(max(20 - stats[-1], 0), 5)
        np.testing.assert_allclose(result[t], F[t] - stats[:-1] / stats[-1], atol=1e-5)


def test_online_cmvn_without_global_statistics():
    with pytest.raises(FeatureError, match="no global statistics, and only 1 frames of the 600"):
        OnlineCmvn(3).compute(F)
    long = np.concatenate([F] * 11)
    enough = OnlineCmvn(3, speaker_stats=cmvn_stats(long))
    assert enough.compute(F).shape == F.shape


def test_a_bad_piece_leaves_the_online_stream_as_it_was():
    cmvn = OnlineCmvn(3, CONFIGS[1], global_stats=GLOBAL)
    stream = cmvn.stream()
    first, bad = stream.feed(F[:30]), F[30:].copy()
    bad[2, 1] = np.inf
    with pytest.raises(FeatureError, match="frame 2 of 30, column 1 is inf"):
        stream.feed(bad)
    np.testing.assert_array_equal(np.concatenate((first, stream.feed(F[30:]))), cmvn.compute(F))


def test_vad():
    quiet, loud = np.full((50, 2), 2, np.float32), np.full((50, 2), 20, np.float32)
    voiced = energy_vad(np.concatenate((quiet, loud, quiet)))
    assert voiced.tolist() == [False] * 50 + [True] * 50 + [False] * 50
    wider = energy_vad(np.concatenate((quiet, loud, quiet)), frames_context=4, proportion_threshold=0.2)
    assert wider.sum() == 50 + 2 * 3  # 2 of 9 frames at least
    assert energy_vad(quiet[:0]).shape == (0,)


@given(matrices, st.integers(0, 60), st.floats(0.01, 0.99), st.floats(0, 2), st.floats(-10, 10))
def test_vad_by_its_definition(features, context, proportion, scale, threshold):
    voiced = energy_vad(
        features,
        energy_threshold=threshold,
        energy_mean_scale=scale,
        frames_context=context,
        proportion_threshold=proportion,
    )
    energy = features[:, 0]
    limit = np.float32(threshold + scale * energy.astype(np.float64).mean())
    for t in range(len(energy)):
        part = energy[max(t - context, 0) : t + context + 1] > limit
        assert voiced[t] == (part.sum() >= np.float32(len(part)) * np.float32(proportion))


NAN = F.copy()
NAN[7, 2] = np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cmvn_stats(NAN), "frame 7 of 60, column 2 is nan; expected finite features"),
        (lambda: sliding_cmn(NAN), "frame 7 of 60, column 2 is nan"),
        (lambda: energy_vad(NAN[:, ::-1]), "frame 7 of 60, column 0 is nan"),
        (lambda: cmvn_stats([]), "an empty list has no statistics"),
        (lambda: cmvn_stats([F, F[:, :2]]), "recording 1: 2 columns; expected 3"),
        (lambda: cmvn_stats(F, np.ones(7, np.float32)), "7 weights for 60 frames"),
        (lambda: cmvn_stats(F, np.full(60, np.nan, np.float32)), "frame 0 of 60, column 0 is nan"),
        (lambda: cmvn_stats(F, np.ones((60, 1), np.float32)), r"weights: array of shape \(60, 1\)"),
        (lambda: cmvn_stats([F], np.ones(60, np.float32)), "weights belong to one recording"),
        (lambda: apply_cmvn(F, np.zeros((2, 4))), "statistics of 0 frames; expected 1 or more"),
        (lambda: apply_cmvn(F, np.zeros((2, 5))), r"shape \(2, 5\); expected \(2, 4\)"),
        (lambda: apply_cmvn(F, np.zeros((2, 4), np.float32)), "array of float32; expected an array"),
        (lambda: apply_cmvn(F, "stats"), r"statistics: str; expected an array \(2, 4\) of float64"),  # type: ignore
        (lambda: apply_cmvn(F, np.full((2, 4), np.nan)), "statistics of nan frames"),
        (
            lambda: apply_cmvn(F, np.array([[1.0, 1, 1, 1], [np.inf, 1, 1, 0]]), norm_vars=True),
            "column 0 has",
        ),
        (lambda: skip_dims_in_stats(GLOBAL.copy(), [3]), "dims=3; expected 0 to 2"),
        (lambda: sliding_cmn(F, 0), "window=0; expected 1 or more"),
        (lambda: sliding_cmn(F, 2**70), "window=1180591620717411303424; expected 1 to 2147483647"),
        (lambda: sliding_cmn(F, 10, center=True), "min_window=100; expected 1 to 10"),
        (lambda: OnlineCmvnConfig(10), "speaker_frames=600; expected 0 to 10"),
        (lambda: OnlineCmvnConfig(300, 100), "global_frames=200; expected 0 to 100"),
        (
            lambda: OnlineCmvnConfig(normalize_mean=False, normalize_variance=True),
            "expected the mean as well",
        ),
        (lambda: OnlineCmvn(3, OnlineCmvnConfig(skip_dims=(3,))), "skip_dims: 3; expected 0 to 2"),
        (lambda: OnlineCmvn(3, global_stats=np.zeros((2, 4))), "global_stats: 0 frames"),
        (lambda: OnlineCmvn(2, global_stats=GLOBAL), r"shape \(2, 4\); expected \(2, 3\)"),
        (lambda: energy_vad(F, proportion_threshold=1.0), "proportion_threshold=1.0; expected more than 0"),
        (lambda: energy_vad(F, energy_mean_scale=-1.0), "energy_mean_scale=-1.0; expected"),
        (lambda: energy_vad(F, frames_context=-1), "frames_context=-1; expected 0 or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(FeatureError, match=message):
        call()
