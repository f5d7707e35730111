"""What every decoder gives, and the checks that every sample passes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonant.errors import AudioError

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz: nothing is recorded outside of this
LARGEST_SAMPLE = (
    100.0  # 40 dB over full scale: beyond it, the samples are integers that someone cast to float
)
MOST_CHANNELS = 256
CHUNK = 8192  # frames decoded at a time


@dataclass(frozen=True)
class Decoded:
    """A recording that is being decoded. frames: how many it says it has, None where it does not say.
    chunks: (frames, channels) float32, one after the other."""

    sample_rate: int
    channels: int
    format: str
    frames: int | None
    chunks: Iterable[np.ndarray]


def check_rate(rate: Any, what: str, name: str) -> int:
    """A sample rate as int, or AudioError."""
    number = isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool)
    if not number or not LOWEST_RATE <= rate <= HIGHEST_RATE or int(rate) != rate:
        mend = f"; did you mean {int(rate * 1000)}?" if number and 1 <= rate <= 200 else ""
        raise AudioError(
            f"{name}: {what} is {rate!r}; expected a whole number of Hz, {LOWEST_RATE} to "
            f"{HIGHEST_RATE}{mend}"
        )
    return int(rate)


def check_chunk(chunk: np.ndarray, position: int, name: str) -> None:
    """Raise AudioError unless every sample is finite and near [-1, 1]. position: of the first."""
    if len(chunk) == 0 or float(np.abs(chunk).max()) <= LARGEST_SAMPLE:
        return
    bad = ~(np.abs(chunk) <= LARGEST_SAMPLE)
    row, column = np.argwhere(bad)[0]
    value = float(chunk[row, column])
    of = f" of channel {column}" if chunk.shape[1] > 1 else ""
    mend = "; 16-bit samples cast to float must be divided by 32768" if np.isfinite(value) else ""
    raise AudioError(f"{name}: sample {position + row}{of} is {value:g}; expected a number in [-1, 1]{mend}")


def mono(chunk: np.ndarray, channel: int | None, name: str) -> np.ndarray:
    """(frames, channels) to (frames,): the mean, or the channel that was asked for."""
    count = chunk.shape[1]
    if channel is not None:
        if isinstance(channel, bool) or not isinstance(channel, int | np.integer) or not 0 <= channel < count:
            only = "the only channel is 0" if count == 1 else f"expected 0 to {count - 1}"
            raise AudioError(f"{name}: channel={channel!r}, but it has {count} channel(s): {only}")
        return np.ascontiguousarray(chunk[:, channel])
    return chunk.reshape(-1) if count == 1 else chunk.mean(axis=1, dtype=np.float32)


def to_float(array: np.ndarray) -> np.ndarray:
    """Integers to float32 in [-1, 1): as libsndfile does, the lowest value becomes -1."""
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "i":
        return array.astype(np.float32) * np.float32(2.0 ** (1 - 8 * width))
    if kind == "u":
        return (array.astype(np.float32) - 128) / np.float32(128)
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes inf, which check_chunk names
        return array.astype(np.float32)


def decode_array(source: Any, sample_rate: int | None, name: str) -> Decoded:
    """An array as a recording; integers are scaled chunk by chunk."""
    try:
        array = np.asarray(source)
    except Exception as error:  # a tensor on a GPU, or that requires grad: its library says what to do
        raise AudioError(f"{name}: {type(source).__name__} cannot become an array: {error}") from error
    if array.dtype.kind + str(array.dtype.itemsize) not in {"f2", "f4", "f8", "i2", "i4", "u1"}:
        raise AudioError(
            f"{name}: samples are {array.dtype}; expected float32 in [-1, 1] (float16, float64), int16, "
            "int32 or uint8"
        )
    if sample_rate is None:
        raise AudioError(f"{name}: an array does not know its sample rate; pass sample_rate=, in Hz")
    rate = check_rate(sample_rate, "sample_rate", name)
    if array.ndim not in (1, 2):
        raise AudioError(
            f"{name}: shape {array.shape}; expected (samples,), (samples, channels) or (channels, samples)"
        )
    if array.size == 0:
        raise AudioError(f"{name}: holds no samples (shape {array.shape}); expected at least one")
    if array.ndim == 1:
        array = array[:, None]
    elif array.shape[0] == array.shape[1] > 1:
        raise AudioError(
            f"{name}: shape {array.shape} does not tell samples from channels; pass one channel, of shape "
            "(samples,)"
        )
    elif array.shape[0] < array.shape[1]:
        array = array.T
    if array.shape[1] > MOST_CHANNELS:
        raise AudioError(
            f"{name}: shape {array.shape} would be {array.shape[1]} channels; expected {MOST_CHANNELS} "
            "at most"
        )
    return Decoded(rate, array.shape[1], "array", len(array), _array_chunks(array))


def _array_chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), CHUNK):
        yield to_float(array[start : start + CHUNK])
