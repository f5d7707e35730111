"""What the methods of matrices are told (PyKaldi's `kaldi.matrix.common`; numbers are Kaldi's)."""

from enum import IntEnum

__all__ = ["MatrixResizeType", "MatrixStrideType", "MatrixTransposeType", "SpCopyType"]


class MatrixResizeType(IntEnum):
    """What a resized vector or matrix holds: zeros, anything, or what it held where the shapes overlap."""

    SET_ZERO = 0
    UNDEFINED = 1
    COPY_DATA = 2


class MatrixStrideType(IntEnum):
    """Kaldi pads rows to 16 bytes by default. Here rows are never padded; the names are kept for callers."""

    DEFAULT = 0
    NUM_COLS = 1


class MatrixTransposeType(IntEnum):
    """Whether an operand is taken as it is or transposed."""

    TRANS = 112
    NO_TRANS = 111


class SpCopyType(IntEnum):
    """What of a square matrix becomes a symmetric one.

    The lower triangle, the upper one, their mean, or their mean with an error where they differ by more than
    1% of the diagonal.
    """

    TAKE_LOWER = 0
    TAKE_UPPER = 1
    TAKE_MEAN = 2
    TAKE_MEAN_AND_CHECK = 3
