"""RaggedShape: the lengths of lists within lists, as k2 lays them out.

A shape of n axes has n - 1 layers. The layer of axis i says which elements of axis i belong to each element
of axis i - 1, in two ways that are worked out of each other when they are needed:

    row_splits  int32 (rows + 1,): elements row_splits[r] to row_splits[r + 1] - 1 belong to row r
    row_ids     int32 (elements,): the row that each element belongs to; never decreases

`[[x x] [] [x]]` has row_splits [0 2 2 3] and row_ids [0 0 2].
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from sonant.errors import FstError, FstIndexError
from sonant.fsa.ragged_text import parse_lists, shape_as_text

MOST = 2**31 - 1
"""Elements that int32 can number."""


def splits_of_sizes(sizes: Tensor) -> Tensor:
    """Where lists of these sizes begin, one after the other, and where the last one ends."""
    splits = torch.zeros(sizes.numel() + 1, dtype=torch.int32, device=sizes.device)
    torch.cumsum(sizes, 0, dtype=torch.int32, out=splits[1:])
    return splits


def select_rows(row_splits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The lists `rows` (-1: an empty one): their row_splits, and which elements they hold."""
    if row_splits.numel() < 2:  # no list is there, so that all are empty ones
        row_splits = row_splits.new_zeros(2)
    there = rows.clamp(min=0).long()
    starts = row_splits[there]
    sizes = (row_splits[there + 1] - starts) * (rows >= 0) if rows.numel() else starts
    total = int(sizes.sum(dtype=torch.int64))
    if total > MOST:
        raise FstError(f"{len(rows)} lists chosen hold {total} elements, at most {MOST} can be numbered")
    splits = splits_of_sizes(sizes)
    shift = torch.repeat_interleave(starts - splits[:-1], sizes.long())
    return splits, torch.arange(shift.numel(), dtype=torch.int32, device=rows.device) + shift


class _Layer:
    __slots__ = ("_ids", "_splits")

    def __init__(self, splits: Tensor | None = None, ids: Tensor | None = None):
        self._splits, self._ids = splits, ids

    @property
    def splits(self) -> Tensor:
        if self._splits is None:
            assert self._ids is not None
            rows = int(self._ids[-1]) + 1 if self._ids.numel() else 0
            self._splits = splits_of_sizes(torch.bincount(self._ids, minlength=rows))
        return self._splits

    @property
    def ids(self) -> Tensor:
        if self._ids is None:
            rows = torch.arange(self.rows, dtype=torch.int32, device=self.splits.device)
            self._ids = torch.repeat_interleave(rows, self.splits.diff().long())
        return self._ids

    @property
    def rows(self) -> int:
        return self.splits.numel() - 1

    @property
    def size(self) -> int:
        return int(self.splits[-1]) if self._ids is None else self._ids.numel()

    def to(self, device: torch.device) -> "_Layer":
        ids = None if self._ids is None else self._ids.to(device)
        return _Layer(self.splits.to(device), ids)


class RaggedShape:
    """Shape of lists within lists, from text such as `[[x x] [] [x]]`. Raises FstError where that is none."""

    def __init__(self, s: str):
        splits, _ = parse_lists(s, marks=True)
        self._layers = [_Layer(torch.tensor(layer, dtype=torch.int32)) for layer in splits]

    @classmethod
    def of(cls, *layers: Tensor) -> "RaggedShape":
        """The shape with these row_splits, outermost first; what they hold is not checked."""
        return cls._of([_Layer(splits) for splits in layers])

    @classmethod
    def _of(cls, layers: list[_Layer]) -> "RaggedShape":
        shape = cls.__new__(cls)
        shape._layers = layers
        return shape

    @staticmethod
    def regular_ragged_shape(dim0: int, dim1: int) -> "RaggedShape":
        return regular_ragged_shape(dim0, dim1)

    # ---- Sizes

    @property
    def num_axes(self) -> int:
        return len(self._layers) + 1

    @property
    def dim0(self) -> int:
        return self._layers[0].rows

    @property
    def device(self) -> torch.device:
        return self._layers[0].splits.device

    def numel(self) -> int:
        return self._layers[-1].size

    def tot_size(self, axis: int) -> int:
        """How many elements the axis has, all rows together."""
        self._check_axis("tot_size", axis, 0)
        return self.dim0 if axis == 0 else self._layers[axis - 1].size

    def tot_sizes(self) -> tuple[int, ...]:
        return tuple(self.tot_size(axis) for axis in range(self.num_axes))

    def max_size(self, axis: int) -> int:
        """The longest list of the axis, from 1 on."""
        self._check_axis("max_size", axis, 1)
        splits = self._layers[axis - 1].splits
        return int(splits.diff().max()) if splits.numel() > 1 else 0

    def row_splits(self, axis: int) -> Tensor:
        self._check_axis("row_splits", axis, 1)
        return self._layers[axis - 1].splits

    def row_ids(self, axis: int) -> Tensor:
        self._check_axis("row_ids", axis, 1)
        return self._layers[axis - 1].ids

    # ---- Other shapes made of this one

    def get_layer(self, layer: int) -> "RaggedShape":
        """The shape of two axes that is layer `layer`, from 0."""
        self._check_axis("get_layer", layer, 0, self.num_axes - 1)
        return RaggedShape._of([self._layers[layer]])

    def compose(self, other: "RaggedShape") -> "RaggedShape":
        """The shape whose elements are the rows of `other`."""
        return compose_ragged_shapes(self, other)

    def remove_axis(self, axis: int) -> "RaggedShape":
        """Takes an axis away: the outermost or innermost one by itself, another by joining its lists."""
        if self.num_axes < 3:
            raise FstError(f"remove_axis: the shape has {self.num_axes} axes, and at least 2 must be left")
        self._check_axis("remove_axis", axis, 0)
        layers = list(self._layers)
        if axis == 0:
            return RaggedShape._of(layers[1:])
        if axis == self.num_axes - 1:
            return RaggedShape._of(layers[:-1])
        outer, inner = layers[axis - 1], layers[axis]
        return RaggedShape._of([*layers[: axis - 1], _Layer(inner.splits[outer.splits]), *layers[axis + 1 :]])

    def index(
        self, axis: int, indexes: Tensor, need_value_indexes: bool = True
    ) -> tuple["RaggedShape", Tensor | None]:
        """Those elements of an axis, in this order, and which values they come to.

        indexes int32 (n,): on axis 0 -1 gives an empty row; on a further axis each element stays in its row,
        so that rows must not come out of order. Raises FstError where they do, FstIndexError for what is not
        there.
        """
        self._check_axis("index", axis, 0)
        check_indexes("index", indexes, self.tot_size(axis), least=-1 if axis == 0 else 0)
        layers = self._layers[: max(axis - 1, 0)]
        if axis > 0:
            ids = self._layers[axis - 1].ids[indexes.long()]
            if ids.numel() > 1 and bool((ids.diff() < 0).any()):
                raise FstError(
                    f"index: the rows of axis {axis - 1} would come out of order: {ids[:10].tolist()}; "
                    "sort the indexes by row"
                )
            sizes = torch.bincount(ids, minlength=self._layers[axis - 1].rows)
            layers.append(_Layer(splits_of_sizes(sizes), ids))
        for layer in self._layers[axis:]:
            splits, indexes = select_rows(layer.splits, indexes)
            layers.append(_Layer(splits))
        if axis == self.num_axes - 1:
            indexes = indexes.to(torch.int32)
        return RaggedShape._of(layers), indexes if need_value_indexes else None

    def rows_between(self, axis: int, begin: int, end: int) -> tuple["RaggedShape", int, int]:
        """Elements begin..end - 1 of an axis, outer axes left away, and the first and the last value + 1."""
        self._check_axis("arange", axis, 0, self.num_axes - 1)
        if not 0 <= begin <= end <= self.tot_size(axis):
            raise FstIndexError(f"arange: {begin} to {end} of axis {axis}, which has {self.tot_size(axis)}")
        layers = []
        for layer in self._layers[axis:]:
            splits = layer.splits[begin : end + 1]
            begin, end = int(splits[0]), int(splits[-1])
            layers.append(_Layer(splits - begin))
        return RaggedShape._of(layers), begin, end

    def __getitem__(self, i: int) -> "RaggedShape":
        if self.num_axes < 3:
            raise FstError(f"a shape of {self.num_axes} axes cannot be indexed; at least 3 are needed")
        row = check_row(i, self.dim0)
        return self.rows_between(0, row, row + 1)[0].remove_axis(0)

    def to(self, device: torch.device | str) -> "RaggedShape":
        device = torch.device(device)
        return RaggedShape._of([layer.to(device) for layer in self._layers])

    # ---- As Python objects

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RaggedShape):
            return NotImplemented
        return self.num_axes == other.num_axes and all(
            torch.equal(a.splits, b.splits.to(a.splits.device))
            for a, b in zip(self._layers, other._layers, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return shape_as_text([layer.splits.tolist() for layer in self._layers])

    def __getstate__(self) -> list[Tensor]:
        return [layer.splits for layer in self._layers]

    def __setstate__(self, splits: list[Tensor]) -> None:
        self._layers = [_Layer(layer) for layer in splits]

    def _check_axis(self, operation: str, axis: int, least: int, end: int | None = None) -> None:
        end = self.num_axes if end is None else end
        if not least <= axis < end:
            raise FstIndexError(f"{operation}: axis {axis}, expected {least} to {end - 1}")


def check_row(i: int, rows: int) -> int:
    """`i`, counted from the end where it is negative. Raises FstIndexError where there is no such row."""
    if not -rows <= i < rows:
        raise FstIndexError(f"row {i} is not there; there are {rows}")
    return i % rows


def check_indexes(operation: str, indexes: Tensor, size: int, *, least: int) -> int:
    """The lowest index, or 0. Raises FstError unless `indexes` are int32 in one row, FstIndexError unless
    least <= each < size.
    """
    if indexes.ndim != 1 or indexes.dtype != torch.int32:
        raise FstError(
            f"{operation}: indexes of {tuple(indexes.shape)} and {indexes.dtype}, expected one row of "
            "torch.int32"
        )
    if indexes.numel() == 0:
        return 0
    low, high = (int(x) for x in indexes.aminmax())
    if low < least or high >= size:
        raise FstIndexError(f"{operation}: indexes from {low} to {high}, expected {least} to {size - 1}")
    return low


def create_ragged_shape2(
    row_splits: Tensor | None = None, row_ids: Tensor | None = None, cached_tot_size: int = -1
) -> RaggedShape:
    """The shape of two axes with these row_splits or row_ids (int32), or both.

    cached_tot_size is the number of elements where it is known, else -1. Raises FstError for splits that do
    not begin with 0 or that decrease, ids that decrease, and numbers that contradict each other.
    """
    if row_splits is None and row_ids is None:
        raise FstError("create_ragged_shape2: neither row_splits nor row_ids; give one of them")
    for name, tensor in (("row_splits", row_splits), ("row_ids", row_ids)):
        if tensor is not None and (tensor.ndim != 1 or tensor.dtype != torch.int32):
            raise FstError(
                f"create_ragged_shape2: {name} of {tuple(tensor.shape)} and {tensor.dtype}, "
                "expected one row of torch.int32"
            )
    if row_splits is not None and (
        row_splits.numel() == 0 or int(row_splits[0]) != 0 or bool((row_splits.diff() < 0).any())
    ):
        raise FstError(
            f"create_ragged_shape2: row_splits {row_splits[:10].tolist()}; they begin with 0 and never "
            "decrease"
        )
    if row_ids is not None and row_ids.numel() and (int(row_ids[0]) < 0 or bool((row_ids.diff() < 0).any())):
        raise FstError(
            f"create_ragged_shape2: row_ids {row_ids[:10].tolist()}; they are 0 or more and never decrease"
        )
    layer = _Layer(row_splits, row_ids)
    if cached_tot_size not in (-1, layer.size):
        raise FstError(f"create_ragged_shape2: cached_tot_size {cached_tot_size}, but {layer.size} elements")
    if row_splits is not None and row_ids is not None and not torch.equal(_Layer(row_splits).ids, row_ids):
        raise FstError(
            "create_ragged_shape2: row_splits and row_ids are of different shapes; give one of them"
        )
    return RaggedShape._of([layer])


def regular_ragged_shape(dim0: int, dim1: int) -> RaggedShape:
    """dim0 rows of dim1 elements each."""
    if dim0 < 0 or dim1 < 0:
        raise FstError(f"regular_ragged_shape: {dim0} rows of {dim1}, expected 0 or more of both")
    return RaggedShape.of(torch.arange(dim0 + 1, dtype=torch.int32) * dim1)


def compose_ragged_shapes(a: RaggedShape, b: RaggedShape) -> RaggedShape:
    """The shape whose outer axes are those of `a`, and whose elements are the rows of `b`."""
    if a.numel() != b.dim0:
        raise FstError(f"compose: the first shape has {a.numel()} elements, the second {b.dim0} rows")
    return RaggedShape._of([*a._layers, *b._layers])


def cat_shapes(shapes: Sequence[RaggedShape], axis: int) -> tuple[RaggedShape, Tensor | None]:
    """Shapes one after the other (axis 0), or row by row (axis 1) with the order that values come in."""
    if axis not in (0, 1):
        raise FstError(f"cat: axis {axis}, expected 0 or 1")
    if not shapes:
        raise FstError("cat: nothing to put together; at least one is needed")
    axes = [shape.num_axes for shape in shapes]
    if len(set(axes)) > 1:
        raise FstError(f"cat: shapes of {axes} axes, expected the same number")
    layers = []
    for i in range(axes[0] - 1):
        parts = [shape._layers[i].splits for shape in shapes]
        shifts = [0]
        for shape in shapes:
            shifts.append(shifts[-1] + shape._layers[i].size)
        shifted = [part[:-1] + shift for part, shift in zip(parts, shifts, strict=False)]
        layers.append(_Layer(torch.cat([*shifted, parts[-1][-1:] + shifts[-2]])))
    joined = RaggedShape._of(layers)
    if axis == 0:
        return joined, None
    rows = [shape.dim0 for shape in shapes]
    if len(set(rows)) > 1:
        raise FstError(f"cat: {rows} rows, expected the same number in each for axis 1")
    order = torch.arange(rows[0] * len(rows), dtype=torch.int32, device=joined.device)
    turned, values = joined.index(0, order.reshape(len(rows), rows[0]).T.reshape(-1))
    merged = turned._layers[0].splits[:: len(rows)].contiguous()
    return RaggedShape._of([_Layer(merged), *turned._layers[1:]]), values


def random_ragged_shape(
    set_row_ids: bool = False,
    min_num_axes: int = 2,
    max_num_axes: int = 4,
    min_num_elements: int = 0,
    max_num_elements: int = 2000,
) -> RaggedShape:
    """A shape at random, by Python's `random`: its axes and elements between these bounds."""
    if not 2 <= min_num_axes <= max_num_axes or not 0 <= min_num_elements <= max_num_elements:
        raise FstError(
            f"random_ragged_shape: {min_num_axes} to {max_num_axes} axes and {min_num_elements} to "
            f"{max_num_elements} elements; expected at least 2 axes, and no lower bound above its upper one"
        )
    size = random.randint(min_num_elements, max_num_elements)
    layers: list[_Layer] = []
    for _ in range(random.randint(min_num_axes, max_num_axes) - 1):
        rows = random.randint(1, size + 1)
        cuts = sorted(random.randint(0, size) for _ in range(rows - 1))
        layers.insert(0, _Layer(torch.tensor([0, *cuts, size], dtype=torch.int32)))
        size = rows
    shape = RaggedShape._of(layers)
    if set_row_ids:
        for layer in layers:
            _ = layer.ids
    return shape
