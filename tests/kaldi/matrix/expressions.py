"""What the lines of golden/cases.txt may name; run by Kaldi's Python 3.7 and by the tests alike.

A module of Kaldi's (`kaldi`) or ours (`sonant.kaldi`) is given by its name.
"""

import importlib


def namespace(root, double):
    """The names of a case: classes of one precision, small deterministic vectors and matrices."""
    load = importlib.import_module
    matrix, packed, common = (load(root + ".matrix" + part) for part in ("", ".packed", ".common"))
    one, other = ("Double", "") if double else ("", "Double")
    V, M = getattr(matrix, one + "Vector"), getattr(matrix, one + "Matrix")
    Sp, Tp = getattr(packed, one + "SpMatrix"), getattr(packed, one + "TpMatrix")

    def vec(n, seed=0):
        return V([((7 * i + 3 * seed) % 11 - 5) * 0.375 + 0.01 * (i + seed) for i in range(n)])

    def pos(n):
        return V([0.25 + 0.5 * i for i in range(n)])

    def mat(rows, cols, seed=0):
        return M(
            [
                [((5 * i + 3 * j + 2 * seed + i * j) % 7 - 2.75) * 0.5 for j in range(cols)]
                for i in range(rows)
            ]
        )

    def spmat(n):
        return M(
            [
                [2.0 + i if i == j else 0.75 / (1 + abs(i - j)) - 0.1 * (i + j) for j in range(n)]
                for i in range(n)
            ]
        )

    def sp(n):
        made = Sp(n)
        made.copy_from_mat_(spmat(n))
        return made

    def tp(n):
        made = Tp(n)
        made.copy_from_mat_(spmat(n))
        return made

    functions = load(root + ".matrix.functions")
    sparse, compressed, optimization = (
        load(root + ".matrix" + x) for x in (".sparse", ".compressed", ".optimization")
    )
    SV, SM = getattr(sparse, one + "SparseVector"), getattr(sparse, one + "SparseMatrix")
    svec, smat = (
        SV.from_pairs(5, [(1, 2.5), (3, -4.0)]),
        SM.from_pairs(4, [[(1, 2.5)], [], [(0, 1.0), (3, -5.0)]]),
    )

    def get(matrix):
        filled = M(matrix.num_rows, matrix.num_cols)
        matrix.copy_to_mat(filled)
        return filled

    names = {
        name: value
        for name, value in locals().items()
        if name not in ("root", "double", "load", "one", "common")
    }
    names.update(
        INF=float("inf"), Other=getattr(matrix, other + "Vector"), OtherM=getattr(matrix, other + "Matrix")
    )
    names.update(OtherSp=getattr(packed, other + "SpMatrix"))
    for module in (functions, sparse, compressed, optimization):
        names.update((name, getattr(module, name)) for name in module.__all__)
    for kind in (common.MatrixTransposeType, common.MatrixResizeType, common.SpCopyType):
        names.update((member.name, member) for member in kind)
    return names


def run(line, root, double):
    """The variables at the end of a case, as plain values; "error" where the call raised."""
    names = namespace(root, double)
    given = set(names)
    try:
        exec(line, names)
    except Exception as problem:
        return {"error": type(problem).__name__}
    made = {name: value for name, value in names.items() if name not in given and name != "__builtins__"}
    returned = made.get("r")
    itself = [name for name, value in made.items() if value is returned and name != "r" and value is not None]
    out = {name: plain(value) for name, value in made.items() if name != "r"}
    if "r" in made:
        out["r"] = "is " + itself[0] if itself else plain(returned)
    return out


def plain(value):
    """`value` as JSON has it: a matrix as ["Matrix", rows]."""
    kind = type(value).__name__
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if kind.endswith("SparseVector"):
        return [kind, value.dim, [value.get_elements(i) for i in range(value.num_elements())]]
    if kind.endswith("SparseMatrix"):
        return [kind, value.num_cols, [plain(value.row(i)) for i in range(value.num_rows)]]
    if kind == "GeneralMatrix":
        return [kind, int(value.type()), plain(value.get_matrix())]
    if hasattr(value, "numpy"):
        return [kind, value.numpy().tolist()]
    if kind.endswith("Matrix") and hasattr(value, "getitem"):
        return [kind, [[value.getitem(i, j) for j in range(i + 1)] for i in range(value.num_rows)]]
    if hasattr(value, "_getitem"):  # the raw classes that PyKaldi's from_size and from_matrix return
        if hasattr(value, "num_rows"):
            return [
                kind,
                [[value._getitem(i, j) for j in range(value.num_cols)] for i in range(value.num_rows)],
            ]
        return [kind, [value._getitem(i) for i in range(value.dim)]]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [kind, str(value)]


def to_print():
    """(options, array) of many magnitudes: integers, exponents, values that are no numbers."""
    import numpy as np

    for number in range(90):
        rows, cols = [1, 2, 3, 7, 40][number % 5], [1, 2, 6, 7, 13, 14, 30][number % 7]
        grid = np.arange(rows * cols, dtype=float).reshape(rows, cols)
        array = (np.sin(1.7 * grid + number) + 0.3) * 10.0 ** (number % 13 - 6)
        if number % 6 == 1:
            array = np.round(array)
        if number % 6 == 2:
            array *= 10.0 ** (grid % 5 - 2)
        if number % 6 == 3:
            array[0, 0] = [np.nan, np.inf, -np.inf, 0][number % 4]
        options = {"profile": ["default", "short", "full"][number // 30]}
        if number % 8 == 7:
            options.update(threshold=30, edgeitems=2, linewidth=50, precision=3)
        yield options, array if number % 3 else array.ravel()


def to_compress():
    """Matrices of many shapes, constant and repeated values, halves of every step."""
    import numpy as np

    for rows, cols in [(1, 1), (1, 5), (3, 2), (4, 1), (5, 2), (8, 3), (9, 4), (12, 3), (30, 7)]:
        grid = np.arange(rows * cols, dtype=np.float32).reshape(rows, cols)
        yield np.sin(1.7 * grid) * 100 + grid
        yield ((5 * grid) % 7 - 2.75) * 0.5
        yield np.full((rows, cols), -3.5)
        yield np.cos(grid * grid) * 0.25 + 0.5


def parts_of(rows, cols):
    """Arguments of new_with_range."""
    yield 0, 1, 0, 1, False
    yield -1, rows + 3, 0, cols, True
    if rows > 8:
        yield 1, rows - 1, 1, cols - 1, False
        yield 1, 5, 0, cols, False
        yield -2, 8, 1, 1, True


def to_write(root):
    """(name, object): one of every type, empty and not, whose bytes are compared."""
    for double in (False, True):
        names, prefix = namespace(root, double), "double " if double else "float "
        V, M, mat, vec = names["V"], names["M"], names["mat"], names["vec"]
        yield prefix + "vector", V([1 / 3.0, -2, 1e10, 1e-10, 123456789])
        yield prefix + "empty vector", V()
        yield prefix + "matrix", M([[1 / 3.0, -2], [1e10, 1e-10], [100, 0.1]])
        yield prefix + "empty matrix", M()
        yield prefix + "view", mat(4, 5)[1:3, 1:4]
        yield prefix + "part", vec(5)[1:3]
        yield prefix + "symmetric", names["sp"](3)
        yield prefix + "triangular", names["tp"](3)
        yield prefix + "empty symmetric", names["Sp"]()
        yield prefix + "sparse vector", names["svec"]
        yield prefix + "empty sparse vector", names["SV"]()
        yield prefix + "sparse matrix", names["smat"]
        yield prefix + "empty sparse matrix", names["SM"]()
        if not double:
            General, Compressed = names["GeneralMatrix"], names["CompressedMatrix"]
            yield "general full", General.from_matrix(mat(2, 2))
            yield "general sparse", General.from_sparse(names["smat"])
            yield "general compressed", General.from_compressed(Compressed.new(mat(12, 2)))
            yield "general empty", General()
