"""Vectors and matrices (PyKaldi's `kaldi.matrix`): thin types over numpy's memory.

Methods that end in `_` change the object and return it, or a number where Kaldi's do (how many elements were
floored). `.numpy()` is a view; Sub* are views of vectors, matrices and numpy arrays. Where a method takes a
vector or matrix it takes anything that numpy can make an array of.
"""

import numpy as np

from sonant.kaldi.matrix._matrix import OwningMatrix, ViewingMatrix
from sonant.kaldi.matrix._str import set_printoptions
from sonant.kaldi.matrix._vector import OwningVector, ViewingVector

__all__ = [
    "DoubleMatrix",
    "DoubleSubMatrix",
    "DoubleSubVector",
    "DoubleVector",
    "Matrix",
    "SubMatrix",
    "SubVector",
    "Vector",
    "set_printoptions",
]


class _Single:
    __slots__ = ()
    _dtype = np.float32


class _Double:
    __slots__ = ()
    _dtype = np.float64


class Vector(_Single, OwningVector):
    __doc__ = OwningVector.__doc__


class SubVector(_Single, ViewingVector):
    __doc__ = ViewingVector.__doc__


class Matrix(_Single, OwningMatrix):
    __doc__ = OwningMatrix.__doc__


class SubMatrix(_Single, ViewingMatrix):
    __doc__ = ViewingMatrix.__doc__


class DoubleVector(_Double, OwningVector):
    __doc__ = OwningVector.__doc__


class DoubleSubVector(_Double, ViewingVector):
    __doc__ = ViewingVector.__doc__


class DoubleMatrix(_Double, OwningMatrix):
    __doc__ = OwningMatrix.__doc__


class DoubleSubMatrix(_Double, ViewingMatrix):
    __doc__ = ViewingMatrix.__doc__


for _vector, _subvector, _matrix, _submatrix in (
    (Vector, SubVector, Matrix, SubMatrix),
    (DoubleVector, DoubleSubVector, DoubleMatrix, DoubleSubMatrix),
):
    for _class in (_vector, _subvector, _matrix, _submatrix):
        _class._vector, _class._subvector = _vector, _subvector
        _class._matrix, _class._submatrix = _matrix, _submatrix
