"""What golden files do not say: numpy beside our types, what PyKaldi gets wrong, properties, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import MatrixError
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
from sonant.kaldi.matrix.common import MatrixTransposeType, SpCopyType
from sonant.kaldi.matrix.compressed import CompressedMatrix
from sonant.kaldi.matrix.functions import (
    SolverOptions,
    assert_equal,
    assert_same_dim_matrix,
    complex_fft,
    compute_dct_matrix,
    compute_pca,
    create_eigenvalue_matrix,
    filter_matrix_rows,
    real_fft,
    solve_double_quadratic_matrix_problem,
    solve_quadratic_matrix_problem,
    solve_quadratic_problem,
    sort_svd,
    trace_mat,
    trace_mat_mat,
    vec_vec,
)
from sonant.kaldi.matrix.packed import DoubleSpMatrix, DoubleTpMatrix, SpMatrix, TpMatrix
from sonant.kaldi.matrix.sparse import DoubleSparseMatrix, GeneralMatrix, SparseMatrix, SparseVector

NO_TRANS, TRANS = MatrixTransposeType.NO_TRANS, MatrixTransposeType.TRANS
A = np.array([[1.0, 2, -3], [4, -5, 6]])
SQUARE = np.array([[1.0, 2, 0], [-2, 1, 0.5], [3, 1, 2]])


# numpy beside our types


def test_ufuncs_and_operators_return_views_of_the_first_precision():
    m, v = Matrix(A), Vector([1, 2, 3])
    for result in (
        m + m,
        m - 1,
        2 * m,
        m / v,
        m * A,
        A * m,
        -m,
        abs(m),
        m**2,
        np.exp(m),
        np.add(m, DoubleMatrix(A)),
    ):
        assert type(result) is SubMatrix and result.shape == (2, 3)
    assert type(v * A) is SubMatrix and type(v + v) is SubVector and type(m @ v) is SubVector
    assert (
        type(np.add(DoubleMatrix(A), m)) is DoubleSubMatrix and type(DoubleVector(v) + v) is DoubleSubVector
    )
    assert np.array_equal(m @ m.clone().transpose_(), A @ A.T) and v @ v == 14 and type(v @ v) is float
    assert [type(part) for part in np.modf(v)] == [SubVector, SubVector]
    assert type(np.greater(v, 2)) is SubVector and list(np.greater(v, 2)) == [0, 0, 1]
    assert type(np.transpose(m)) is SubMatrix and type(np.clip(m, 0, 1)) is SubMatrix
    assert np.add.reduce(v) == 6 and list(np.add.reduce(m, axis=0)) == [5, -3, 3]


def test_in_place_operators_keep_the_object():
    m = original = Matrix(A)
    array = m.numpy()
    m += 1
    m *= np.array([1, 2, 3])
    m -= Matrix(2, 3)
    m /= 2
    assert m is original and np.shares_memory(array, m) and np.allclose(array, (A + 1) * [1, 2, 3] / 2)
    v = Vector([1, 2])
    assert np.add(v, v, out=v) is v and list(v) == [2, 4]
    np.add.at(v, [0, 0], 1)
    assert list(v) == [4, 4]
    mine = np.ones(2)
    mine += v
    assert mine.tolist() == [5, 5]


def test_numpy_functions_take_our_types():
    m, v = Matrix(A), Vector([3, 1, 2])
    assert (
        np.sum(m) == A.sum()
        and np.array_equal(np.sum(m, axis=0), A.sum(0))
        and np.max(v) == 3
        and np.size(m) == 6
    )
    assert (
        np.trace(m) == -4
        and np.mean(v) == 2
        and np.argmax(v) == 0
        and np.linalg.norm(v) == pytest.approx(14**0.5)
    )
    for result in (
        np.concatenate([v, v]),
        np.vstack([m, m]),
        np.zeros_like(v),
        np.linalg.pinv(m),
        np.sort(v),
    ):
        assert type(result) is np.ndarray
    assert np.allclose(m, A) and np.array_equal(np.where(np.asarray(v) > 1, v, 0), [3, 0, 2])
    assert np.asarray(m).dtype == np.float32 and np.array(m, dtype=int).tolist() == A.tolist()
    assert np.shares_memory(np.asarray(m), m) and not np.shares_memory(np.array(m), m)
    assert not np.shares_memory(m.__array__(copy=True), m)
    with pytest.raises(MatrixError, match="needs a copy"):
        m.__array__(np.float64, copy=False)


def test_python_protocols():
    m, v = Matrix(A), Vector([1, 2, 3])
    assert len(m) == 2 and [type(row) for row in m] == [SubVector] * 2 and list(reversed(v)) == [3, 2, 1]
    assert 2 in v and 9 not in v and -5 in m and bool(v) and not Vector() and not Matrix()
    assert v == Vector([1, 2, 3]) and v != DoubleVector(v) and v != [1, 2, 3] and m[:] == m and v[:2] != v
    assert Vector([np.nan]) != Vector([np.nan])
    with pytest.raises(TypeError):
        hash(v)
    with pytest.raises(TypeError):
        assert v < v
    v.speaker = "A"  # type: ignore[attr-defined]
    assert v.data.tolist() == [1, 2, 3] and m.row_data(1).tolist() == [4, -5, 6] and m.data.shape == (2, 3)


def test_every_kind_of_operand_is_taken():
    operands = [
        A,
        A.tolist(),
        A.astype(int),
        A[::-1][::-1],
        DoubleMatrix(A),
        torch.tensor(A),
        SparseMatrix.from_matrix(A),
    ]
    operands += [GeneralMatrix(A), DoubleSparseMatrix.from_matrix(A), CompressedMatrix(A, 3)]
    for operand in operands:
        assert np.allclose(Matrix(2, 3).add_mat_(2.0, operand), 2 * A, atol=1e-3)
        assert np.allclose(Matrix(operand), A, atol=1e-3)
    assert np.array_equal(Vector(3).add_vec_(1, np.arange(3)), [0, 1, 2])
    assert np.array_equal(Matrix(SpMatrix([[1, 2], [2, 3]])), [[1, 2], [2, 3]])
    assert np.array_equal(Matrix(TpMatrix([[1, 2], [2, 3]])), [[1, 0], [2, 3]])


# What PyKaldi 0.2.1 gets wrong, and these do as they should


def test_transposed_and_packed_operands():
    sp, tp = DoubleSpMatrix(SQUARE), DoubleTpMatrix(SQUARE)
    full, low = np.asarray(sp), np.asarray(tp)
    assert np.allclose(full, (SQUARE + SQUARE.T) / 2) and np.allclose(low, np.tril(SQUARE))
    assert np.allclose(DoubleVector(3).add_mat_vec_(1, A, TRANS, [1, 2], 0), A.T @ [1, 2])
    assert np.allclose(DoubleVector(3).add_diag_mat2_(1, A, TRANS, 0), (A.T @ A).diagonal())
    assert np.allclose(DoubleMatrix(3, 2).copy_(A, TRANS), A.T)
    assert np.allclose(DoubleMatrix(3, 3).copy_(tp, TRANS), low.T)
    assert np.allclose(DoubleMatrix(3, 3).add_mat_(0.5, sp), 0.5 * full)
    assert np.allclose(DoubleMatrix(3, 3).add_mat_mat_(tp, sp, TRANS), low.T @ full)
    assert np.allclose(DoubleMatrix(3, 3).add_mat_mat_(sp, tp, NO_TRANS, TRANS, 2.0), 2 * full @ low.T)
    assert np.allclose(DoubleVector(6).copy_rows_from_mat_(A), A.ravel())
    assert trace_mat_mat(sp, sp) == pytest.approx((full @ full).trace())
    assert trace_mat_mat(sp, sp, lower=True) == pytest.approx(np.tril(full * full).sum())
    assert np.allclose(tp.clone(), low) and tp.getitem(0, 2) == 0 and sp.getitem(0, 2) == sp[2, 0]


def test_swapping_packed_and_full():
    sp, matrix = SpMatrix([[1, 2], [2, 3]]), Matrix(SQUARE)
    assert sp.swap_(matrix) is sp
    assert np.array_equal(matrix, [[1, 2], [2, 3]]) and np.array_equal(
        sp, np.tril(SQUARE) + np.tril(SQUARE, -1).T
    )
    with pytest.raises(MatrixError, match="2x3 is no square matrix"):
        sp.swap_(Matrix(A))
    with pytest.raises(MatrixError, match="cannot be swapped with DoubleMatrix of 2x2"):
        sp.swap_(DoubleMatrix(2, 2))


def test_sorting_and_eigenvalues():
    s, u, vt = DoubleVector([1, -5, 3]), DoubleMatrix(A), DoubleMatrix(SQUARE)
    sort_svd(s, u, vt)
    assert (
        list(s) == [-5, 3, 1] and np.array_equal(u, A[:, [1, 2, 0]]) and np.array_equal(vt, SQUARE[[1, 2, 0]])
    )
    sort_svd(s, u, sort_on_absolute_value=False)
    assert list(s) == [3, 1, -5] and np.array_equal(u, A[:, [2, 0, 1]])
    p, real, imaginary = DoubleMatrix(SQUARE).eig()
    d = create_eigenvalue_matrix(real, imaginary)
    assert (
        type(d) is DoubleMatrix and np.allclose(SQUARE @ p.numpy(), p.numpy() @ d.numpy()) and any(imaginary)
    )
    assert type(create_eigenvalue_matrix([1, 2], [0, 0])) is Matrix
    with pytest.raises(MatrixError, match=r"eigenvalue 0, 1\+2i, has no conjugate after it"):
        create_eigenvalue_matrix([1, 1], [2, 2])
    with pytest.raises(AssertionError, match="Vector of 2 and Vector of 2 are not equal within"):
        assert_equal(Vector([1, 2]), Vector([1, 3]))


def test_methods_without_a_number_to_return_return_the_object():
    t = TpMatrix(SQUARE)
    assert t.copy_from_mat_(SQUARE) is t and t.add_tp(1.0, t) is t and t.copy_from_tp_(t) is t
    v = Vector(2)
    assert v.add_diag_mat_mat_(1, A, NO_TRANS, A, TRANS) is v


# Properties

shapes = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))


def drawn(rows, cols, seed):
    return np.random.default_rng(seed).standard_normal((rows, cols))


@settings(max_examples=50, deadline=None)
@given(shapes)
def test_shapes_without_rows_or_columns_work_too(shape):
    array = drawn(*shape)
    rows, cols = array.shape
    m = DoubleMatrix(array)
    assert m.shape == array.shape and np.array_equal(m.clone().transpose_(), array.T)
    assert np.allclose(m.clone().apply_softmax_(), np.log(np.exp(array).sum())) if array.size else True
    assert np.allclose(DoubleMatrix(rows, rows).add_mat_mat_(m, m, NO_TRANS, TRANS), array @ array.T)
    assert np.allclose(DoubleSpMatrix(rows).add_mat2_(1, m, NO_TRANS, 0), array @ array.T)
    assert np.allclose(DoubleVector(cols).add_row_sum_mat_(1, m), array.sum(0))
    assert m.sum() == pytest.approx(array.sum()) and m.frobenius_norm() == pytest.approx(
        np.linalg.norm(array)
    )
    assert np.array_equal(DoubleVector(rows * cols).copy_cols_from_mat_(m), array.T.ravel())
    assert np.array_equal(DoubleMatrix(rows, cols).copy_rows_from_vec_(array.ravel()), array)
    sparse = SparseMatrix.from_matrix(m)
    assert np.array_equal(np.asarray(sparse), array.astype(np.float32)) or sparse.shape == (0, 0) != shape[:2]
    assert np.array_equal(m.resize_(rows + 1, cols, 2).numpy()[:rows], array)
    assert len(list(m)) == rows + 1 and m.equal(m[:]) and str(m)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_decompositions_multiply_back(cols, more, seed):
    array = drawn(cols + more, cols, seed)
    m = DoubleMatrix(array)
    s, u, vt = m.svd()
    assert np.allclose(u.numpy() * s.numpy() @ vt.numpy(), array) and np.allclose(s, m.singular_values())
    square = array[:cols]
    p, real, imaginary = DoubleMatrix(square).eig()
    assert np.allclose(
        square @ p.numpy(), p.numpy() @ create_eigenvalue_matrix(real, imaginary).numpy(), atol=1e-8
    )
    gram = array.T @ array + 0.1 * np.eye(cols)
    sp = DoubleSpMatrix(gram)
    low = DoubleTpMatrix(cols).cholesky_(sp)
    assert np.allclose(np.asarray(low) @ np.asarray(low).T, gram)
    assert np.allclose(np.asarray(sp.clone().invert_()) @ gram, np.eye(cols), atol=1e-6)
    assert np.allclose(np.asarray(low.clone().invert_()) @ np.asarray(low), np.eye(cols), atol=1e-6)
    assert sp.log_pos_def_det() == pytest.approx(np.linalg.slogdet(gram)[1], abs=1e-9) and sp.is_pos_def()
    half = DoubleSpMatrix(gram).apply_pow_(0.5)
    assert np.allclose(np.asarray(half) @ np.asarray(half), gram)
    tri, q = DoubleSpMatrix(gram), DoubleMatrix(cols, cols)
    tri.tridiagonalize_(q)
    assert tri.is_triagonal(1e-8) and np.allclose(q.numpy() @ gram @ q.numpy().T, tri)
    tri.qr_(q)
    assert tri.is_diagonal(1e-8) and np.allclose(q.numpy().T @ np.asarray(tri) @ q.numpy(), gram)
    values, vectors = DoubleVector(cols), DoubleMatrix(cols, cols)
    DoubleMatrix(gram).sym_pos_semi_def_eig(values, vectors)
    assert np.allclose(vectors.numpy() * values.numpy() @ vectors.numpy().T, gram)
    rows = DoubleMatrix(array.T).orthogonalize_rows_().numpy()
    assert np.allclose(rows @ rows.T, np.eye(cols))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_transforms_come_back(half, seed):
    array = drawn(1, 2 * half, seed)[0]
    for transform in (real_fft, complex_fft):
        v = DoubleVector(array)
        transform(v, True)
        transform(v, False)
        assert np.allclose(v, array * (2 * half if transform is real_fft else half))
    dct = DoubleMatrix(half, half)
    compute_dct_matrix(dct)
    assert np.allclose(dct.numpy() @ dct.numpy().T, np.eye(half))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_quadratic_problems_are_solved(dim, seed):
    root = drawn(dim, dim, seed)
    h, g, x = root @ root.T + np.eye(dim), root[0].copy(), DoubleVector(dim)
    gain = solve_quadratic_problem(DoubleSpMatrix(h), g, SolverOptions(), x)
    assert np.allclose(h @ x.numpy(), g, atol=1e-6) and gain == pytest.approx(0.5 * g @ x.numpy())
    m = DoubleMatrix(dim, dim)
    gain = solve_quadratic_matrix_problem(h, root, np.eye(dim), SolverOptions(diagonal_precondition=True), m)
    assert np.allclose(m.numpy() @ h, root, atol=1e-6) and gain >= 0
    p1, p2, q1, q2 = h, root.T @ root, h + np.eye(dim), root @ root.T
    again = DoubleMatrix(dim, dim)
    assert solve_double_quadratic_matrix_problem(root, p1, p2, q1, q2, SolverOptions(), again) >= 0
    assert np.allclose(p1 @ again.numpy() @ q1 + p2 @ again.numpy() @ q2, root, atol=1e-5)


def test_random_values():
    v, m = Vector(10000).set_randn_(), Matrix(100, 100).set_rand_uniform_()
    assert abs(v.sum() / 1e4) < 0.1 and 0.9 < v.norm(2) / 100 < 1.1 and 0 <= m.min() < 0.1 < 0.9 < m.max() < 1
    assert sorted({Vector([0, 1, 1]).rand_categorical() for _ in range(50)}) == [1, 2]
    assert (
        SpMatrix(3).set_randn_().max() != 0 and 0 < SparseVector(1000).set_randn_(0.5).num_elements() < 1000
    )
    rows = DoubleMatrix([[1, 1, 0], [2, 2, 0]]).orthogonalize_rows_().numpy()
    assert np.allclose(rows @ rows.T, np.eye(2))


# Errors name shapes

M23, V2, S2 = Matrix(A), Vector([1, 2]), SpMatrix(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: V2.clone().add_vec_(1, Vector(3)), r"v is Vector of 3; expected 2"),
        (lambda: V2.clone().add_vec_(1, [[1]]), r"v: list of 1x1; expected a vector"),
        (
            lambda: V2.clone().add_mat_vec_(1, M23, TRANS, V2, 0),
            r"M is Matrix of 2x3 transposed; expected 2xany",
        ),
        (lambda: V2.clone().add_mat_vec_(1, M23, NO_TRANS, V2, 0), r"v is Vector of 2; expected 3"),
        (lambda: M23.clone().add_mat_mat_(M23, M23), r"B is Matrix of 2x3; expected 3x3"),
        (lambda: M23.clone().add_mat_mat_(SQUARE, M23), r"A is ndarray of 3x3; expected 2xany"),
        (lambda: M23.clone().copy_rows_(M23, [0, 5]), r"index 5 among list of 2; expected -1 to 1"),
        (lambda: M23.clone().copy_rows_(M23, [0, 1, 1]), r"copy_rows_ of Matrix of 2x3"),
        (
            lambda: M23.clone().copy_rows_(M23, "ab"),
            r"indices are str of no axes; expected a list of integers",
        ),
        (lambda: M23.clone().copy_rows_from_vec_(Vector(5)), r"v is Vector of 5; expected 6"),
        (lambda: M23.clone().group_max_(Matrix(2, 7)), r"2x7 and 2x3 are no groups of columns"),
        (lambda: M23.clone().invert_(), r"log_det of Matrix of 2x3: expected a square matrix"),
        (lambda: Matrix([[1, 2], [2, 4]]).invert_(), r"invert_ of Matrix of 2x2: Singular matrix"),
        (lambda: Matrix(A).svd(), r"svd of Matrix of 2x3: expected no more columns than rows"),
        (lambda: M23.trace(), r"trace of Matrix of 2x3: expected a square matrix"),
        (lambda: M23[:].transpose_(), r"transpose_ of SubMatrix of 2x3: expected a square matrix"),
        (lambda: Matrix().max(), r"max of Matrix of 0x0"),
        (lambda: Vector().max_index(), r"Vector of 0 has no greatest"),
        (lambda: Vector([-1]).apply_log_(), r"the logarithm of -1 does not exist"),
        (lambda: Vector(2).rand_categorical(), r"Vector of 2 is no distribution"),
        (lambda: V2.norm(-1), r"p is -1; expected 0 or more"),
        (lambda: V2.clone().add_("x"), r"add_ of Vector of 2"),
        (lambda: V2.clone().copy_row_from_mat_(A.T, 7), r"row is 7; expected 0 to 2"),
        (lambda: V2.clone().copy_from_packed_(M23), r"M is Matrix of 2x3; expected an SpMatrix or TpMatrix"),
        (lambda: V2.clone().solve_(TpMatrix(2), NO_TRANS), r"solve_ of Vector of 2: Singular matrix"),
        (
            lambda: S2.clone().add_sp_(1, SpMatrix(3)),
            r"Ma is SpMatrix of 3x3; expected one for SpMatrix of 2x2",
        ),
        (lambda: SpMatrix(A), r"2x3 is no square matrix"),
        (lambda: SpMatrix(-1), r"num_rows is -1"),
        (lambda: SpMatrix.from_triangle([1, 2]), r"2 elements; expected n \(n \+ 1\) / 2"),
        (lambda: S2.getitem(0, 2), r"c is 2; expected 0 to 1"),
        (lambda: S2.clone().invert_(), r"invert_ of SpMatrix of 2x2: Singular matrix"),
        (lambda: S2.log_pos_def_det(), r"Matrix is not positive definite"),
        (lambda: SpMatrix([[-1]]).limit_cond(), r"the greatest eigenvalue of SpMatrix of 1x1 is -1"),
        (
            lambda: SpMatrix(2).copy_from_mat_([[1, 2], [0, 1]], SpCopyType.TAKE_MEAN_AND_CHECK),
            r"orig is not symmetric",
        ),
        (lambda: SparseVector.from_pairs(2, [(5, 1.0)]), r"index 5 of a sparse vector of 2; expected 0 to 1"),
        (lambda: SparseVector.from_pairs(2, [1]), r"expected a list of \(index, value\)"),
        (lambda: SparseVector(2).add_to_vec(1, Vector(3)), r"vec is Vector of 3; expected 2 elements"),
        (lambda: SparseMatrix(2, 2).copy_to_mat(M23), r"other is Matrix of 2x3; expected a place for 2x2"),
        (lambda: SparseMatrix(2, 2).set_row_(0, SparseVector(3)), r"expected a sparse vector of 2"),
        (
            lambda: GeneralMatrix(A).get_sparse_matrix(),
            r"this GeneralMatrix is a Matrix; expected a SparseMatrix",
        ),
        (lambda: CompressedMatrix([[np.nan]]), r"row 0, column 0 is nan"),
        (lambda: CompressedMatrix(A, 9), r"9 is not a valid CompressionMethod"),
        (
            lambda: CompressedMatrix(A).copy_to_mat(Matrix(3, 2)),
            r"mat is Matrix of 3x2; expected a place for 2x3",
        ),
        (
            lambda: CompressedMatrix.new_with_range(CompressedMatrix(A), 1, 2, 0, 1),
            r"num_rows is 2; expected 0 to 1",
        ),
        (lambda: vec_vec([1, 2], [1, 2, 3]), r"v2 is list of 3; expected 2"),
        (lambda: trace_mat(A), r"A is ndarray of 2x3; expected 3x3"),
        (lambda: trace_mat_mat(A, A), r"B is ndarray of 2x3; expected 3x2"),
        (lambda: assert_same_dim_matrix(M23, S2), r"mat1 is Matrix of 2x3 and mat2 is SpMatrix of 2x2"),
        (lambda: real_fft(Vector(3), True), r"v has 3 elements; expected an even number"),
        (lambda: complex_fft(Vector(3), True), r"v has 3 elements; expected pairs"),
        (lambda: real_fft([1, 2], True), r"v is list of 2; expected a place for 2"),
        (lambda: compute_dct_matrix(Matrix(3, 2)), r"M is Matrix of 3x2"),
        (lambda: compute_pca(A, Matrix(3, 3)), r"U is Matrix of 3x3; expected at most 2 rows"),
        (lambda: filter_matrix_rows(A, [True]), r"1 of 1 rows to keep of 2; expected 2, 1 or more true"),
        (lambda: SolverOptions(K=5).check(), r"expected K > 10"),
        (
            lambda: solve_quadratic_problem(-np.eye(2), V2, SolverOptions(), Vector(2)),
            r"positive semidefinite",
        ),
        (
            lambda: solve_quadratic_problem(S2, [], SolverOptions(), Vector()),
            r"g is list of 0|x is empty|H is SpMatrix",
        ),
    ],
)
def test_the_message_says_what_does_not_fit(call, message):
    with pytest.raises(MatrixError, match=message):
        call()


def test_a_wrong_call_is_a_type_error():
    with pytest.raises(TypeError, match="missing"):
        Vector(2).add_vec_(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Matrix(1, 2, 3)


def test_after_an_error_nothing_has_changed():
    m = M23.clone()
    for call in (lambda: m.add_mat_mat_(m, m), lambda: m.invert_(), lambda: m.copy_rows_(m, [0, 9])):
        with pytest.raises(MatrixError):
            call()
    assert m == M23


def test_products_may_have_themselves_as_operands():
    m = DoubleMatrix(SQUARE)
    m.add_mat_mat_(m, m, beta=0.0)
    assert np.allclose(m, SQUARE @ SQUARE)
    assert np.allclose(m.copy_rows_(m, [2, 1, 0]), (SQUARE @ SQUARE)[::-1])
    v = DoubleVector([1, 2, 3])
    assert np.allclose(v.add_mat_vec_(1, m, NO_TRANS, v, 0), m.numpy() @ [1, 2, 3])
    nothing = Vector([np.nan, np.inf])
    assert list(nothing.add_vec_vec_(1, V2, V2, 0)) == [1, 4]
