"""RaggedTensor: lists within lists of numbers, as k2's, on any device and differentiable in its values."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.ragged_rows import padded, sorted_order, unique_rows
from sonant.fsa.ragged_shape import (
    RaggedShape,
    cat_shapes,
    check_indexes,
    check_row,
    regular_ragged_shape,
    splits_of_sizes,
)
from sonant.fsa.ragged_text import flatten, parse_lists, tensor_as_text
from sonant.ops import segments

_TYPES = (torch.int32, torch.float32, torch.float64)
_INT32 = torch.iinfo(torch.int32)


class RaggedTensor:
    """Values in the rows of a RaggedShape.

        RaggedTensor([[1, 2], [], [3]])            lists of lists: int32, or float32 where a value is a float
        RaggedTensor("[[1 2] [] [3]]")             the same as text
        RaggedTensor(shape, values)                a RaggedShape, and a tensor of as many values
        RaggedTensor(tensor)                       all rows of the same length; two axes or more

    dtype is torch.int32, float32 or float64. Raises FstError for what is none of these, and for values that
    do not fit the shape or the type.
    """

    def __init__(
        self,
        data: Any = None,
        dtype: torch.dtype | Tensor | None = None,
        device: torch.device | str = "cpu",
        *,
        shape: RaggedShape | None = None,
        value: Tensor | None = None,
        s: str | None = None,
        tensor: Tensor | None = None,
    ):
        data = next((given for given in (data, shape, s, tensor) if given is not None), None)
        if isinstance(data, RaggedShape):
            value = dtype if isinstance(dtype, Tensor) else value
            if value is None:
                raise FstError("RaggedTensor: a shape without values; expected RaggedTensor(shape, values)")
            self._shape, self._values = data, value
        elif isinstance(data, Tensor):
            self._shape, self._values = _regular(data), data.reshape(-1)
        elif isinstance(data, str | list | tuple):
            assert not isinstance(dtype, Tensor)
            splits, values = parse_lists(data) if isinstance(data, str) else flatten(data)
            layers = [torch.tensor(layer, dtype=torch.int32) for layer in splits]
            self._shape, self._values = RaggedShape.of(*layers).to(device), _as_tensor(values, dtype, device)
        else:
            raise FstError(f"RaggedTensor: {type(data).__name__}, expected lists, text, a shape or a tensor")
        if self._values.dtype not in _TYPES:
            raise FstError(f"RaggedTensor: {self._values.dtype}, expected torch.int32, float32 or float64")
        if self._values.ndim != 1 or self._values.numel() != self._shape.numel():
            raise FstError(
                f"RaggedTensor: values of {tuple(self._values.shape)}, expected ({self._shape.numel()},) "
                "for the shape"
            )
        if self._values.device != self._shape.device:
            raise FstError(f"RaggedTensor: shape on {self._shape.device}, values on {self._values.device}")

    # ---- What it holds

    @property
    def shape(self) -> RaggedShape:
        return self._shape

    @property
    def values(self) -> Tensor:
        """All values, one row after the other: a tensor, (numel,)."""
        return self._values

    @property
    def dtype(self) -> torch.dtype:
        return self._values.dtype

    @property
    def device(self) -> torch.device:
        return self._values.device

    @property
    def is_cuda(self) -> bool:
        return self._values.is_cuda

    @property
    def dim0(self) -> int:
        return self._shape.dim0

    @property
    def num_axes(self) -> int:
        return self._shape.num_axes

    @property
    def requires_grad(self) -> bool:
        return self._values.requires_grad

    @property
    def grad(self) -> Tensor | None:
        return self._values.grad

    def requires_grad_(self, requires_grad: bool = True) -> "RaggedTensor":
        self._values.requires_grad_(requires_grad)
        return self

    def numel(self) -> int:
        return self._values.numel()

    def tot_size(self, axis: int) -> int:
        return self._shape.tot_size(axis)

    def tolist(self) -> list[Any]:
        rows = self._values.tolist()
        for axis in range(self.num_axes - 1, 0, -1):
            splits = self._shape.row_splits(axis).tolist()
            rows = [rows[a:b] for a, b in pairwise(splits)]
        return rows

    # ---- Parts of it

    def __getitem__(self, key: Any) -> Any:
        """Row `key`: a tensor where there are two axes; rows of a slice (of step 1) or of an int32 tensor."""
        if isinstance(key, Tensor):
            return self.index(key, axis=0)[0]
        if isinstance(key, slice):
            begin, end, step = key.indices(self.dim0)
            if step != 1:
                raise FstError(f"a slice of step {step}; rows are sliced with step 1, or indexed by a tensor")
            return self.arange(0, begin, max(begin, end))
        row = check_row(key, self.dim0)
        shape, begin, end = self._shape.rows_between(0, row, row + 1)
        values = self._values[begin:end]
        return values if self.num_axes == 2 else RaggedTensor(shape.remove_axis(0), values)

    def __len__(self) -> int:
        return self.dim0

    def arange(self, axis: int, begin: int, end: int) -> "RaggedTensor":
        """Elements begin..end - 1 of an axis; the axes above it go."""
        shape, first, last = self._shape.rows_between(axis, begin, end)
        return RaggedTensor(shape, self._values[first:last])

    def index(self, indexes: Any, axis: int | None = None, need_value_indexes: bool = False) -> Any:
        """Elements of an axis.

        With a tensor (int32) and an axis: the ragged tensor of those, and the indexes of its values or None;
        -1 is an empty row, on axis 0 only. With a ragged tensor of numbers of rows: the ragged tensor of
        these rows.
        """
        if isinstance(indexes, RaggedTensor):
            rows, _ = self.index(indexes.values, axis=0)
            return RaggedTensor(indexes.shape.compose(rows.shape), rows.values)
        shape, values = self._shape.index(0 if axis is None else axis, indexes)
        assert values is not None
        found = RaggedTensor(shape, self._values[values.long()])
        return found, values if need_value_indexes else None

    def remove_axis(self, axis: int) -> "RaggedTensor":
        if axis == self.num_axes - 1:
            raise FstError(f"remove_axis: axis {axis} holds the values; expected 0 to {self.num_axes - 2}")
        return RaggedTensor(self._shape.remove_axis(axis), self._values)

    def remove_values_eq(self, target: float) -> "RaggedTensor":
        return self._keep(self._values != target)

    def remove_values_leq(self, cutoff: float) -> "RaggedTensor":
        return self._keep(self._values > cutoff)

    def _keep(self, mask: Tensor) -> "RaggedTensor":
        kept = splits_of_sizes(mask)[self._last_splits]
        layers = [self._shape.row_splits(axis) for axis in range(1, self.num_axes - 1)]
        return RaggedTensor(RaggedShape.of(*layers, kept), self._values[mask])

    # ---- Numbers of its innermost rows

    @property
    def _last_splits(self) -> Tensor:
        return self._shape.row_splits(self.num_axes - 1)

    @property
    def _last_ids(self) -> Tensor:
        return self._shape.row_ids(self.num_axes - 1)

    @property
    def _last_rows(self) -> int:
        return self._shape.tot_size(self.num_axes - 2)

    def sum(self, initial_value: float = 0) -> Tensor:
        """Sum of each innermost row, on top of initial_value."""
        return segments.sums(self._values, self._last_ids, self._last_splits, initial_value)

    def max(self, initial_value: float | None = None) -> Tensor:
        """Largest of each innermost row and initial_value, which is the smallest number there is by
        default.
        """
        return self._extreme(initial_value, largest=True)

    def min(self, initial_value: float | None = None) -> Tensor:
        """Smallest of each innermost row and initial_value, which is the largest number there is by
        default.
        """
        return self._extreme(initial_value, largest=False)

    def _extreme(self, initial: float | None, *, largest: bool) -> Tensor:
        if initial is None:
            info = torch.finfo(self.dtype) if self.dtype.is_floating_point else torch.iinfo(self.dtype)
            initial = info.min if largest else info.max
        return segments.extremes(self._values, self._last_ids, self._last_splits, initial, largest=largest)

    def argmax(self, initial_value: float | None = None) -> Tensor:
        """Where in `values` the largest of each innermost row is, the last of equal ones; int32.

        -1 where the row has none that is as large as initial_value (by default, where it is empty or -inf).
        """
        return segments.last_of_largest(
            self._values, self.max(initial_value), self._last_ids, self._last_splits
        )

    def logsumexp(self, initial_value: float = -torch.inf) -> Tensor:
        """Log of the sum of exp over each innermost row and initial_value."""
        self._check_floating("logsumexp")
        return segments.log_sum_exp(self._values, self._last_ids, self._last_splits, initial_value)

    def normalize(self, use_log: bool) -> "RaggedTensor":
        """Innermost rows that sum to 1, or with use_log whose exponentials do; rows of zeros stay as they
        are.
        """
        self._check_floating("normalize")
        if use_log:
            return RaggedTensor(self._shape, self._values - self.logsumexp()[self._last_ids.long()])
        total = self.sum() + torch.finfo(self.dtype).eps
        return RaggedTensor(self._shape, self._values / total[self._last_ids.long()])

    def add(self, value: Tensor, alpha: float = 1) -> "RaggedTensor":
        """alpha * value[r] added to each value of innermost row r; value (rows,) of the same type."""
        if value.shape != (self._last_rows,) or value.dtype != self.dtype:
            raise FstError(
                f"add: value of {tuple(value.shape)} and {value.dtype}, expected ({self._last_rows},) and "
                f"{self.dtype}"
            )
        return RaggedTensor(self._shape, self._values + (value * alpha)[self._last_ids.long()])

    def sort_(self, descending: bool = False, need_new2old_indexes: bool = False) -> Tensor | None:
        """Sorts each innermost row in place, equal values in their order; gives where each value was,
        int32.
        """
        order = sorted_order(self._values.detach(), self._last_ids, descending)
        self._values = self._values[order]
        return order.to(torch.int32) if need_new2old_indexes else None

    def unique(
        self, need_num_repeats: bool = False, need_new2old_indexes: bool = False
    ) -> tuple["RaggedTensor", "RaggedTensor | None", Tensor | None]:
        """Each innermost row once within the row above it, in the order of first occurrence.

        Also how often each occurs (ragged, int32) and which row it was (int32), where asked for. Two or three
        axes of int32.
        """
        if self.num_axes > 3 or self.dtype != torch.int32:
            raise FstError(f"unique: {self.num_axes} axes of {self.dtype}, expected 2 or 3 of torch.int32")
        rows = self._last_rows
        top = self._shape if self.num_axes == 3 else regular_ragged_shape(1, rows).to(self.device)
        first, repeats = unique_rows(self._values, self._last_splits, self._last_ids, top.row_ids(1))
        found, _ = self.index(first, axis=self.num_axes - 2)
        counts = None
        if need_num_repeats:
            above = top.get_layer(0).index(1, first)[0]
            counts = RaggedTensor(above, repeats)
        return found, counts, first if need_new2old_indexes else None

    def pad(self, mode: str, padding_value: float) -> Tensor:
        """(dim0, longest row): rows filled up with padding_value, or with mode 'replicate' their last
        value.
        """
        if self.num_axes != 2:
            raise FstError(f"pad: {self.num_axes} axes, expected 2")
        if mode not in ("constant", "replicate"):
            raise FstError(f"pad: mode {mode!r}, expected 'constant' or 'replicate'")
        width = self._shape.max_size(1)
        return padded(self._values, self._last_splits, width, padding_value, replicate=mode == "replicate")

    def _check_floating(self, operation: str) -> None:
        if not self.dtype.is_floating_point:
            raise FstError(f"{operation}: {self.dtype}, expected torch.float32 or float64")

    # ---- Copies

    def clone(self) -> "RaggedTensor":
        return RaggedTensor(self._shape, self._values.clone())

    def detach(self) -> "RaggedTensor":
        return RaggedTensor(self._shape, self._values.detach())

    def to(self, device: torch.device | str | torch.dtype) -> "RaggedTensor":
        """On another device, or of another dtype."""
        if isinstance(device, torch.dtype):
            return RaggedTensor(self._shape, self._values.to(device))
        if torch.device(device) == self.device:
            return self
        return RaggedTensor(self._shape.to(device), self._values.to(device))

    @staticmethod
    def cat(srcs: Sequence["RaggedTensor"], axis: int) -> "RaggedTensor":
        """Rows of all one after the other (axis 0), or the rows of the same number joined (axis 1)."""
        types = {src.dtype for src in srcs}
        if len(types) > 1:
            raise FstError(f"cat: values of {sorted(map(str, types))}, expected one type")
        shape, order = cat_shapes([src.shape for src in srcs], axis)
        values = torch.cat([src.values for src in srcs])
        return RaggedTensor(shape, values if order is None else values[order.long()])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RaggedTensor):
            return NotImplemented
        return (
            self.dtype == other.dtype and self.shape == other.shape and torch.equal(self.values, other.values)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return self._as_text(one_line=False)

    def to_str_simple(self) -> str:
        return self._as_text(one_line=True)

    def _as_text(self, one_line: bool) -> str:
        where = "" if self.device.type == "cpu" else f"device='{self.device}', "
        return tensor_as_text(self.tolist(), self.num_axes, f"{where}dtype={self.dtype}", one_line)

    def __getstate__(self) -> tuple[list[Tensor], Tensor]:
        return self._shape.__getstate__(), self._values

    def __setstate__(self, state: tuple[list[Tensor], Tensor]) -> None:
        self._shape, self._values = RaggedShape.of(*state[0]), state[1]


def _regular(tensor: Tensor) -> RaggedShape:
    if tensor.ndim < 2:
        raise FstError(f"RaggedTensor: a tensor of {tuple(tensor.shape)}, expected two axes or more")
    layers, rows = [], tensor.shape[0]
    for size in tensor.shape[1:]:
        layers.append(torch.arange(rows + 1, dtype=torch.int32, device=tensor.device) * size)
        rows *= size
    return RaggedShape.of(*layers)


def _as_tensor(values: list[Any], dtype: torch.dtype | None, device: torch.device | str) -> Tensor:
    if dtype is None:
        dtype = torch.float32 if any(isinstance(value, float) for value in values) else torch.int32
    if dtype == torch.int32:
        outside = [v for v in values if isinstance(v, int | float) and not _INT32.min <= v <= _INT32.max]
        if outside:
            raise FstError(f"RaggedTensor: {outside[0]} is not a 32-bit integer")
    try:
        return torch.tensor(values, dtype=dtype, device=device)
    except (TypeError, ValueError, RuntimeError) as e:
        strange = next((v for v in values if not isinstance(v, int | float)), values[:5])
        raise FstError(f"RaggedTensor: {strange!r} does not become {dtype}") from e


def index(src: Tensor, indexes: RaggedTensor, default_value: float | None = None) -> RaggedTensor:
    """src[i] for each i of `indexes` (int32); default_value (0) where i is -1. Differentiable in src,
    (n,).
    """
    if src.ndim != 1:
        raise FstError(f"index: src of {tuple(src.shape)}, expected one row")
    return RaggedTensor(indexes.shape, _select(src, indexes.values, default_value or 0))


def index_and_sum(src: Tensor, indexes: RaggedTensor) -> Tensor:
    """Sum of src[i] over each row of `indexes` (two axes, int32; -1 adds nothing). Differentiable in src."""
    if src.ndim != 1 or indexes.num_axes != 2:
        raise FstError(
            f"index_and_sum: src of {tuple(src.shape)} and indexes of {indexes.num_axes} axes, expected 1 "
            "and 2"
        )
    return index(src, indexes).sum()


def _select(src: Tensor, indexes: Tensor, default: float) -> Tensor:
    check_indexes("index", indexes, src.numel(), least=-1)
    if src.numel() == 0:
        return src.new_full(indexes.shape, default)
    return torch.where(indexes >= 0, src[indexes.clamp(min=0).long()], src.new_tensor(default))


def create_ragged_tensor(
    data: Any, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> RaggedTensor:
    """As RaggedTensor(data, dtype, device), of lists or of text."""
    return RaggedTensor(data, dtype, device)


cat = RaggedTensor.cat
