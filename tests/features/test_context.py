"""Deltas, shifted deltas and splicing: against their definitions, streaming, and with bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sonant.errors import FeatureError
from sonant.features import (
    FrameFilters,
    add_deltas,
    add_shifted_deltas,
    deltas,
    reverse_frames,
    shifted_deltas,
    splice_frames,
    splicing,
)

matrices = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 40), st.integers(1, 5)),
    elements=st.floats(-1000, 1000, width=32),
)
filters = st.one_of(
    st.builds(deltas, st.integers(0, 4), st.integers(1, 5)),
    st.builds(shifted_deltas, st.integers(1, 4), st.integers(1, 5), st.integers(1, 6)),
    st.builds(splicing, st.integers(0, 7), st.integers(0, 7)),
)


def slope(features: np.ndarray, window: int) -> np.ndarray:
    """A delta by its definition, in double precision: the slope of the line through the frames around."""
    padded = np.pad(features.astype(np.float64), ((window, window), (0, 0)), "edge")
    weights = np.arange(-window, window + 1)
    rows = [weights @ padded[t : t + 2 * window + 1] / (weights @ weights) for t in range(len(features))]
    return np.array(rows).reshape(features.shape)


@given(matrices, st.integers(1, 4))
def test_a_delta_is_a_slope(features, window):
    if not len(features):
        return
    once = add_deltas(features, 1, window)
    np.testing.assert_array_equal(once[:, : features.shape[1]], features)
    np.testing.assert_allclose(once[:, features.shape[1] :], slope(features, window), rtol=1e-5, atol=1e-3)


def test_deltas_of_deltas_reach_beyond_the_ends_of_the_features_not_of_the_deltas():
    """The second delta of a line is zero inside; at the ends the recording goes on level."""
    line = np.arange(20, dtype=np.float32)[:, np.newaxis]
    result = add_deltas(line, 2, 2)
    np.testing.assert_allclose(result[4:-4, 1], 1, atol=1e-6)
    np.testing.assert_allclose(result[4:-4, 2], 0, atol=1e-6)
    assert result[0, 1] == pytest.approx((1 + 2 * 2) / 10)


@given(matrices, st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_shifted_deltas_are_deltas_of_later_frames(features, window, num_blocks, shift):
    frames, dim = features.shape
    result = add_shifted_deltas(features, window, num_blocks, shift)
    assert result.shape == (frames, (num_blocks + 1) * dim)
    extended = np.pad(features, ((0, (num_blocks + 1) * shift + window), (0, 0)), "edge") if frames else None
    for block in range(num_blocks if frames else 0):
        expected = add_deltas(extended, 1, window)[block * shift :][:frames, dim:]
        np.testing.assert_array_equal(result[:, (block + 1) * dim : (block + 2) * dim], expected)


@given(matrices, st.integers(0, 6), st.integers(0, 6))
def test_splicing_copies_frames(features, left, right):
    frames, dim = features.shape
    result = splice_frames(features, left, right).reshape(frames, left + 1 + right, dim)
    for offset in range(-left, right + 1):
        at = np.clip(np.arange(frames) + offset, 0, frames - 1)
        np.testing.assert_array_equal(result[:, left + offset], features[at])


@given(matrices, filters, st.lists(st.integers(0, 12)))
def test_streaming_is_bit_for_bit_the_whole(features, which, pieces):
    stream, output, at = which.stream(), [], 0
    for size in [*pieces, len(features)]:
        output.append(stream.feed(features[at : at + size]))
        at += size
        seen = min(at, len(features))
        assert sum(map(len, output)) == max(seen - which.right, 0)
    output.append(stream.finish())
    np.testing.assert_array_equal(np.concatenate(output), which.compute(features))
    with pytest.raises(FeatureError, match="this stream is finished"):
        stream.feed(features)


def test_a_stream_that_got_nothing():
    assert deltas().stream().finish().size == 0


def test_a_stream_keeps_only_what_it_needs():
    stream = splicing(3, 2).stream()
    for _ in range(50):
        stream.feed(np.ones((7, 2), np.float32))
    assert stream._kept is not None
    assert len(stream._kept) <= 5


@given(matrices, filters, st.data())
def test_a_range_of_frames(features, which, data):
    begin = data.draw(st.integers(0, len(features)))
    end = data.draw(st.integers(begin, len(features)))
    np.testing.assert_array_equal(
        which.compute_range(features, begin, end), which.compute(features)[begin:end]
    )


def test_a_list_gives_a_list(speech_features):
    both = add_deltas([speech_features, speech_features[:5]])
    np.testing.assert_array_equal(both[0], add_deltas(speech_features))
    np.testing.assert_array_equal(both[1], add_deltas(speech_features[:5]))


@pytest.fixture
def speech_features():
    return np.random.default_rng(3).standard_normal((30, 13)).astype(np.float32)


def test_any_filters(speech_features):
    third = FrameFilters([(-1, [0.5, 0, 0.5]), (2, [1]), (0, [])])
    result = third.compute(speech_features)
    assert (third.left, third.right, third.num_blocks) == (1, 2, 3)
    np.testing.assert_allclose(
        result[5, :13], (speech_features[4] + speech_features[6]) / 2, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(result[5, 13:26], speech_features[7])
    assert not result[:, 26:].any()


def test_values_that_are_not_finite_stay_where_they_are(speech_features):
    """Nothing here adds up frames over a recording: what is not finite spoils the frames around it alone."""
    speech_features[10, 2] = np.nan
    result = add_deltas(speech_features, 1, 2)
    assert np.isnan(result[8:13, 13 + 2]).sum() == 4  # the weight of the frame itself is 0
    assert np.isnan(result).sum() == 5


@given(matrices)
def test_reversing_twice_changes_nothing(features):
    np.testing.assert_array_equal(reverse_frames(reverse_frames(features)), features)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: add_deltas([1.0]), r"features: float; expected a numpy array \(frames, dim\)"),
        (lambda: add_deltas(np.zeros((3, 2))), r"array of float64; expected float32: x.astype"),
        (lambda: add_deltas(np.zeros(3, np.float32)), r"shape \(3,\); expected \(frames, dim\)"),
        (lambda: add_deltas(np.zeros((3, 0), np.float32)), "0 columns; expected 1 or more"),
        (lambda: deltas(-1), "order=-1; expected 0 to 999"),
        (lambda: deltas(1000, 1), "order=1000; expected 0 to 999"),
        (lambda: deltas(2, 0), "window=0; expected 1 to 999"),
        (lambda: deltas(999, 999), "order . window=998001; expected 0 to 10000"),
        (lambda: deltas(2.0), "order=2.0 is of type float; expected an int"),  # type: ignore[arg-type]
        (lambda: shifted_deltas(1, 0), "num_blocks=0"),
        (lambda: shifted_deltas(1, 7, -3), "block_shift=-3"),
        (lambda: splicing(-1, 0), "left_context=-1; expected 0 to 9999"),
        (lambda: splicing(0, -2), "right_context=-2; expected 0 to 9999"),
        (lambda: deltas().compute_range(np.zeros((3, 2), np.float32), 2, 4), "end=4; expected 2 to 3"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(FeatureError, match=message):
        call()


def test_a_bad_piece_leaves_the_stream_as_it_was(speech_features):
    stream = deltas().stream()
    first = stream.feed(speech_features[:10])
    with pytest.raises(FeatureError, match="12 columns; expected 13"):
        stream.feed(speech_features[:, 1:])
    rest = [stream.feed(speech_features[10:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate([first, *rest]), add_deltas(speech_features))
