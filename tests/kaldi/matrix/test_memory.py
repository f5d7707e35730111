"""One memory under Kaldi's types, numpy, torch and DLPack."""

import copy
import pickle

import numpy as np
import pytest
import torch

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix import (
    DoubleMatrix,
    DoubleSubMatrix,
    DoubleSubVector,
    DoubleVector,
    Matrix,
    SubMatrix,
    SubVector,
    Vector,
)

VECTORS = [(Vector, SubVector, np.float32), (DoubleVector, DoubleSubVector, np.float64)]
MATRICES = [(Matrix, SubMatrix, np.float32), (DoubleMatrix, DoubleSubMatrix, np.float64)]


@pytest.mark.parametrize(("owning", "viewing", "dtype"), MATRICES)
def test_matrix_memory_is_shared_both_ways(owning, viewing, dtype):
    matrix = owning([[1, 2, 3], [4, 5, 6]])
    array = matrix.numpy()
    assert array.dtype == dtype and np.shares_memory(array, matrix.numpy())
    array[0, 0] = 9
    matrix[1, 2] = 8
    assert matrix[0, 0] == 9 and array[1, 2] == 8

    mine = np.zeros((4, 5), dtype)
    view = viewing(mine, row_start=1, num_rows=2, col_start=2)
    assert view.shape == (2, 3) and view.stride == 5
    view[0, 1] = 7
    mine[2, 4] = 6
    assert mine[1, 3] == 7 and view[1, 2] == 6
    assert viewing(view).numpy().base is not None and np.shares_memory(viewing(view), mine)
    assert not np.shares_memory(owning(mine), mine)


@pytest.mark.parametrize(("owning", "viewing", "dtype"), VECTORS)
def test_vector_memory_is_shared_both_ways(owning, viewing, dtype):
    vector = owning([1, 2, 3])
    vector.numpy()[1] = 9
    assert list(vector) == [1, 9, 3]
    mine = np.zeros(5, dtype)
    view = viewing(mine, 1, 3)
    view[0] = 7
    mine[3] = 6
    assert mine[1] == 7 and list(view) == [7, 0, 6]


def test_slices_are_views_where_rows_are_contiguous_as_in_pykaldi():
    matrix = Matrix(4, 6)
    for view in (
        matrix[1],
        matrix[1:3],
        matrix[:, 2:4],
        matrix.row(1),
        matrix.range(1, 2, 1, 2),
        matrix[::2],
    ):
        assert type(view) in (SubMatrix, SubVector) and np.shares_memory(view, matrix)
    for copied in (matrix[:, 1], matrix[:, ::2], matrix[::-1], matrix[[0, 1]]):
        assert not np.shares_memory(copied, matrix)
    vector = Vector([1, 2, 3, 4, 5])
    assert np.shares_memory(vector[1:3], vector) and not np.shares_memory(vector[::2], vector)
    vector[::2] = 0
    assert list(vector) == [0, 2, 0, 4, 0]
    matrix[:, 1] = [1, 2, 3, 4]
    assert list(matrix[:, 1]) == [1, 2, 3, 4]


def test_torch_and_dlpack_both_ways():
    matrix = Matrix([[1, 2, 3], [4, 5, 6]])
    tensor = torch.from_dlpack(matrix)
    tensor[0, 0] = 9
    assert matrix[0, 0] == 9 and np.shares_memory(np.from_dlpack(matrix), matrix)
    mine = torch.arange(6.0).reshape(2, 3)
    view = SubMatrix(mine)
    view[0, 0] = 5
    SubMatrix.from_dlpack(mine)[0, 1] = 6
    SubVector(mine[1])[0] = 7
    assert mine.tolist() == [[5, 6, 2], [7, 4, 5]]
    copied = Matrix(mine)
    copied[0, 0] = 0
    assert mine[0, 0] == 5 and DoubleMatrix(mine)[1, 0] == 7 and Matrix.from_dlpack(mine) == view
    assert torch.equal(torch.from_dlpack(Vector([1, 2])[1:]), torch.tensor([2.0]))
    with pytest.raises(MatrixError, match="requires grad"):
        Matrix(torch.ones(2, 2, requires_grad=True))
    with pytest.raises(MatrixError, match="int exports no memory by DLPack"):
        Matrix.from_dlpack(3)

    class OnlyDlpack:
        def __dlpack__(self, **arguments):
            return np.eye(2).__dlpack__(**arguments)

        def __dlpack_device__(self):
            return 1, 0

    assert Matrix(OnlyDlpack()) == Matrix([[1, 0], [0, 1]])


def test_views_cannot_be_resized_and_outlive_their_source():
    matrix = Matrix([[1, 2], [3, 4]])
    row = matrix[1]
    assert not hasattr(row, "resize_") and not hasattr(matrix[:], "resize_")
    del matrix[0]
    matrix.resize_(3, 3)
    assert list(row) == [3, 4] and matrix.shape == (3, 3)
    with pytest.raises(AttributeError):
        del row[0]


def test_read_only_memory_is_shared_and_guarded():
    mine = np.ones((2, 2), np.float32)
    mine.flags.writeable = False
    view = SubMatrix(mine)
    assert np.shares_memory(view, mine)
    changes = [
        lambda: view.copy_(np.zeros((2, 2))),
        lambda: view.__setitem__(0, 1),
        lambda: view.__iadd__(1),
        lambda: np.add.at(view, 0, 1),
    ]
    for change in changes:
        with pytest.raises(MatrixError, match="read-only"):
            change()
    assert view.clone().copy_(np.zeros((2, 2))) == Matrix(2, 2)


@pytest.mark.parametrize("make", [lambda: Vector([1, 2, 3])[1:], lambda: DoubleMatrix([[1, 2], [3, 4]])])
def test_pickle_and_copy_are_independent(make):
    original = make()
    for other in (pickle.loads(pickle.dumps(original)), copy.copy(original), copy.deepcopy(original)):
        assert type(other) is type(original) and other == original
        other[0] = 99
        assert other != original


def test_from_numpy_wraps_without_a_copy():
    mine = np.zeros((2, 3), np.float32)
    assert np.shares_memory(Matrix.from_numpy(mine), mine) and type(Matrix.from_numpy(mine)) is Matrix
    assert not np.shares_memory(Matrix.from_numpy(mine.T), mine)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Vector(-1),
        lambda: Vector(2.5),
        lambda: Vector("abc"),
        lambda: Vector([[1, 2]]),
        lambda: Vector([1j]),
        lambda: Vector(None),
        lambda: Matrix(-1, 3),
        lambda: Matrix(1),
        lambda: Matrix([1, 2]),
        lambda: Matrix([[1, 2], [3]]),
        lambda: Matrix(2, "a"),
        lambda: SubVector([1, 2], 1, 5),
        lambda: SubMatrix([[1, 2]], 0, 1, 1, 5),
        lambda: Vector(3)[7],
        lambda: Vector(3)["a"],
        lambda: Matrix(2, 2)[0, 0, 0],
        lambda: Matrix(2, 2)[None],
        lambda: Matrix(2, 2).row(5),
        lambda: Matrix(2, 2).col_range(1, 9),
        lambda: Vector(3).__delitem__(-1),
        lambda: Matrix(2, 2).__delitem__(2),
        lambda: Vector(3) + Vector(2),
        lambda: Vector(3).copy_(Vector(2)),
        lambda: Matrix(2, 2).__setitem__(0, [1, 2, 3]),
        lambda: Matrix(2, 2).swap_(DoubleMatrix(1, 1)),
    ],
)
def test_what_cannot_be_is_a_matrix_error(make):
    with pytest.raises(MatrixError):
        make()


def test_index_errors_are_index_errors_too():
    with pytest.raises(IndexError):
        Vector(3)[3]
    assert issubclass(MatrixIndexError, ValueError)
