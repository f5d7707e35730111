"""Waveforms in RIFF files (PyKaldi's `kaldi.feat.wave`).

The format: "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), of which
Kaldi takes 16-bit PCM, in either byte order, with any number of channels.
"""

import struct
import warnings
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import features_of
from sonant.kaldi.matrix import Matrix

__all__ = ["WAVE_SAMPLE_MAX", "WaveData", "WaveInfo"]

WAVE_SAMPLE_MAX = 32768.0
"""The full scale of a sample."""

_PCM, _EXTENSIBLE = 1, 0xFFFE
_PCM_GUID = (0x00000001, 0x00100000, 0xAA000080, 0x719B3800)
_UNKNOWN = 0xFFFFFFFF
# Written by sox into a pipe, where it cannot come back to fill in the size.
_UNKNOWN_OF_SOX = 0x7FFFF000


class _Header:
    """Reads the fields of a RIFF header, and says where one is not what it should be."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.order = "<"
        self.offset = 0

    def take(self, count: int, field: str) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            self.refuse(field, f"{count} bytes", f"the end of the file after {len(data)}")
        self.offset += count
        return data

    def tag(self, field: str, *expected: bytes) -> bytes:
        found = self.take(4, field)
        if expected and found not in expected:
            self.refuse(field, " or ".join(repr(tag.decode()) for tag in expected), repr(found)[1:])
        return found

    def numbers(self, codes: str, field: str) -> tuple[int, ...]:
        return struct.unpack(self.order + codes, self.take(struct.calcsize(self.order + codes), field))

    def size(self, chunk: bytes) -> int:
        return self.numbers("I", f"the size of chunk {repr(chunk)[1:]}")[0]

    def skip(self, count: int, field: str) -> None:
        while count > 0:
            count -= len(self.take(min(count, 1 << 20), field))

    def require(self, field: str, expected: int, found: int) -> None:
        if found != expected:
            self.refuse(field, str(expected), str(found))

    def refuse(self, field: str, expected: str, found: str) -> None:
        self._stream.error(f"WAVE: {field}: expected {expected}, found {found}")


class WaveInfo:
    """What the header of a RIFF file says."""

    samp_freq = 0.0
    """Samples per second, of each channel."""
    num_channels = 0
    sample_count = 0
    """Samples of each channel; -1 where is_streamed."""
    reverse_bytes = False
    """The file is RIFX: big-endian."""

    @property
    def is_streamed(self) -> bool:
        """The header does not say how long the file is: samples go on to its end."""
        return self.sample_count < 0

    @property
    def block_align(self) -> int:
        """Bytes of a sample of all channels."""
        return 2 * self.num_channels

    @property
    def data_bytes(self) -> int:
        """Bytes of samples; not valid where is_streamed."""
        return self.sample_count * self.block_align

    @property
    def duration(self) -> float:
        """Seconds; not valid where is_streamed."""
        return self.sample_count / self.samp_freq if self.samp_freq else 0.0

    def read(self, is_: Any) -> None:
        """Reads a header, so that samples follow in the stream. Raises ArkError for any that is not one."""
        header = _Header(is_)
        riff = header.tag("the first 4 bytes", b"RIFF", b"RIFX")
        header.order = ">" if riff == b"RIFX" else "<"
        riff_size = header.size(riff)
        header.tag("the form", b"WAVE")
        channels, rate = _read_format(header, _skip_to(header, b"fmt "))
        data_size = _skip_to(header, b"data")
        streamed = riff_size in (0, _UNKNOWN) or data_size in (0, _UNKNOWN, _UNKNOWN_OF_SOX)
        if not streamed and abs(header.offset - 8 + data_size - riff_size) > 1:
            warnings.warn(
                f"WAVE: the header counts {riff_size} bytes, its parts {header.offset - 8} + {data_size}; "
                "what follows the first samples is not read",
                RuntimeWarning,
                stacklevel=2,
            )
        self.samp_freq, self.num_channels = float(rate), channels
        self.reverse_bytes = riff == b"RIFX"
        self.sample_count = -1 if streamed else data_size // self.block_align


def _skip_to(header: _Header, wanted: bytes) -> int:
    """Skips chunks (JUNK, LIST, fact...) to the one that is wanted, and returns its size."""
    while (tag := header.tag(f"the name of a chunk, {wanted.decode()!r} to come")) != wanted:
        header.skip(header.size(tag), f"chunk {repr(tag)[1:]}")
    return header.size(wanted)


def _read_format(header: _Header, size: int) -> tuple[int, int]:
    """Reads the contents of the chunk 'fmt ': channels and rate."""
    if size < 16:
        header.refuse("the size of chunk 'fmt '", "16 or more", str(size))
    code, channels, rate, byte_rate, align, bits = header.numbers("HHIIHH", "chunk 'fmt '")
    used = 16
    if code == _EXTENSIBLE:
        if size < 40:
            header.refuse("the size of an extensible chunk 'fmt '", "40 or more", str(size))
        extra, _, _, *guid = header.numbers("HHIIIII", "the extension of chunk 'fmt '")
        used = 40
        if extra < 22:
            header.refuse("the size of the extension of chunk 'fmt '", "22 or more", str(extra))
        if tuple(guid) != _PCM_GUID:
            shown = ["-".join(f"{part:08x}" for part in parts) for parts in (_PCM_GUID, guid)]
            header.refuse("the format", f"PCM, {shown[0]}", shown[1])
    elif code != _PCM:
        header.refuse("the format", "1 (PCM) or 65534 (extensible)", f"{code}: convert it to 16-bit PCM")
    if channels == 0:
        header.refuse("the number of channels", "1 or more", "0")
    if rate == 0:
        header.refuse("the sampling rate", "1 Hz or more", "0")
    header.require("bits per sample", 16, bits)
    header.require("bytes per sample of all channels", 2 * channels, align)
    header.require("bytes per second", 2 * channels * rate, byte_rate)
    header.skip(size - used, "chunk 'fmt '")
    return channels, rate


class WaveData:
    """A waveform in memory: samples on the scale of 16-bit integers, and their rate."""

    def __init__(self, samp_freq: float = 0.0, data: Any = None):
        self._samp_freq = float(samp_freq)
        self._data = Matrix() if data is None else Matrix(features_of(data, "data"))

    @classmethod
    def from_data(cls, samp_freq: float, data: Any) -> "WaveData":
        """A waveform of a matrix (channels, samples)."""
        return cls(samp_freq, data)

    @property
    def samp_freq(self) -> float:
        """Samples per second."""
        return self._samp_freq

    @property
    def duration(self) -> float:
        """Seconds."""
        return self._data.num_cols / self._samp_freq if self._samp_freq else 0.0

    def data(self) -> Matrix:
        """The samples, (channels, samples), -32768 to 32767 as they are in a file; not a copy."""
        return self._data

    def read(self, is_: Any) -> None:
        """Reads a RIFF file, and leaves the stream behind its samples.

        Where the stream ends before the samples that the header counts, those that are there are returned,
        with a warning. Raises ArkError for a header that is not of 16-bit PCM, and for no samples.
        """
        info = WaveInfo()
        info.read(is_)
        samples = is_.read(-1 if info.is_streamed else info.data_bytes)
        if not samples:
            is_.error("WAVE: expected samples after the header, found the end of the file")
        if len(samples) < info.data_bytes:
            warnings.warn(
                f"{is_.name}: expected {info.data_bytes} bytes of samples, found {len(samples)}: cut off",
                RuntimeWarning,
                stacklevel=2,
            )
        count = len(samples) // info.block_align
        values = np.frombuffer(samples, ">i2" if info.reverse_bytes else "<i2", count * info.num_channels)
        channels = values.reshape(count, info.num_channels).T.astype(np.float32, order="C")
        self._samp_freq, self._data = info.samp_freq, Matrix.from_numpy(channels)

    def write(self, os: Any) -> None:
        """Writes a RIFF file of 16-bit PCM, fractions of samples cut off.

        Samples beyond 16 bits are clipped, with a warning. Raises FeatureError for no samples, samples that
        are not finite, and more than a RIFF file holds.
        """
        values = self._data.numpy()
        channels, count = values.shape
        if not values.size:
            raise FeatureError("a waveform without samples; expected one or more to write")
        if not np.isfinite(values).all():
            raise FeatureError("a waveform with samples that are not finite; expected -32768 to 32767")
        rate, size = int(self._samp_freq), 2 * channels * count
        if channels > 0x7FFF or not 0 < rate < 2**32 // (2 * channels) or size > 0xFFFFFFFF - 36:
            raise FeatureError(
                f"{channels} channels of {count} samples at {self._samp_freq:g} Hz; "
                "expected what fits a RIFF file, of less than 4 GiB"
            )
        clipped = np.count_nonzero((values >= 32768) | (values <= -32769))
        if clipped:
            warnings.warn(
                f"{clipped} of {values.size} samples are beyond 16 bits and were clipped: reduce the volume",
                RuntimeWarning,
                stacklevel=2,
            )
        os.write(
            struct.pack(
                "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE",
                b"fmt ", 16, _PCM, channels, rate, 2 * channels * rate, 2 * channels, 16, b"data", size,
            )
        )  # fmt: skip
        os.write(np.clip(values.T, -32768, 32767).astype("<i2", order="C").tobytes())

    def copy_from(self, other: "WaveData") -> None:
        """Takes a copy of another waveform."""
        self._samp_freq, self._data = other._samp_freq, Matrix(other._data)

    def swap(self, other: "WaveData") -> None:
        """Exchanges contents with another waveform."""
        self.__dict__, other.__dict__ = other.__dict__, self.__dict__

    def clear(self) -> None:
        """Leaves no samples and no rate."""
        self._samp_freq, self._data = 0.0, Matrix()
