"""Features in the files of HTK and Sphinx (PyKaldi's `kaldi.matrix.htk`).

HTK: a header of 12 bytes, then float32, frame after frame, everything big-endian (The HTK Book, 5.10.1).
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import as_array, describe

__all__ = ["HtkHeader", "read_htk", "write_htk", "write_sphinx"]

_HEADER = ">iihH"
_COMPRESSED, _CHECKSUM, _QUANTISED = 0o2000, 0o10000, 0o40000
_NO_FEATURES = {0: "a waveform", 5: "integer reflection coefficients", 10: "discrete symbols"}


@dataclass
class HtkHeader:
    """mNSamples: frames. mSamplePeriod: in 100 ns. mSampleSize: bytes of a frame. mSampleKind: what they are.

    The kind is 6 for MFCC, 7 for log filterbanks, 9 for anything (USER), with qualifiers added: 0o100 for
    energy, 0o400 deltas, 0o1000 accelerations, 0o20000 the zeroth coefficient, and others of the HTK Book.
    """

    mNSamples: int = 0
    mSamplePeriod: int = 0
    mSampleSize: int = 0
    mSampleKind: int = 0


def read_htk(is_: Any, M: Any, header: HtkHeader | None = None) -> bool:
    """Reads features from an Input into a Matrix, (frames, dimensions), and fills `header`. Returns True.

    Raises ArkError for a file that is cut off, compressed or no features.
    """
    raw = is_.read(12)
    if len(raw) < 12:
        is_.error(f"expected the 12 bytes of an HTK header, found {len(raw)}")
    frames, period, size, kind = struct.unpack(_HEADER, raw)
    if kind & (_COMPRESSED | _QUANTISED):
        is_.error(f"HTK features of kind {kind:#o} are compressed or vector-quantised; expected neither")
    if kind & 0o77 in _NO_FEATURES:
        is_.error(f"HTK kind {kind & 0o77} is {_NO_FEATURES[kind & 0o77]}; expected features as floats")
    if frames < 0 or size < 4 or size % 4:
        is_.error(
            f"HTK header of {frames} frames of {size} bytes; expected 0 or more frames of 4 bytes a number"
        )
    data = is_.read(frames * size)
    if len(data) < frames * size:
        is_.error(f"expected {frames} HTK frames of {size} bytes, found {len(data)} bytes of them")
    if kind & _CHECKSUM:
        is_.read(2)
    M._replace(np.frombuffer(data, ">f4").reshape(frames, size // 4).astype(M._dtype))
    if header is not None:
        header.mNSamples, header.mSamplePeriod, header.mSampleSize, header.mSampleKind = (
            frames,
            period,
            size,
            kind,
        )
    return True


def write_htk(os: Any, M: Any, header: HtkHeader) -> bool:
    """Writes features, (frames, dimensions), to an Output. Returns True.

    Raises MatrixError where the header says another number of frames or dimensions.
    """
    matrix = as_array(M, 2, np.float32, "M")
    if header.mNSamples != matrix.shape[0] or header.mSampleSize != 4 * matrix.shape[1]:
        raise MatrixError(
            f"header of {header.mNSamples} frames of {header.mSampleSize} bytes for {describe(M)}; "
            f"expected {matrix.shape[0]} frames of {4 * matrix.shape[1]} bytes"
        )
    fields = (header.mNSamples, header.mSamplePeriod, header.mSampleSize, header.mSampleKind)
    try:
        os.write(struct.pack(_HEADER, *fields))
    except struct.error as problem:
        raise MatrixError(f"{header} cannot be written: {problem}") from None
    os.write(matrix.astype(">f4").tobytes())
    return True


def write_sphinx(os: Any, M: Any) -> bool:
    """Writes features, (frames, dimensions), to an Output as Sphinx has them. Returns True.

    The number of elements, int32, then float32 frame after frame, all little-endian.
    """
    matrix = as_array(M, 2, np.float32, "M")
    os.write(struct.pack("<i", matrix.size))
    os.write(matrix.astype("<f4").tobytes())
    return True
