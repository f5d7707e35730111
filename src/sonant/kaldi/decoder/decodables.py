"""Log-likelihoods for decoders, from matrices and from each other (Kaldi's `decoder/decodable-matrix.h`,
`decodable-mapped.h`, `decodable-sum.h`).

A decoder asks those of sonant for many frames at once: they tell `_columns`, the column of a matrix that each
index reads, and `_rows`, that matrix. Any other DecodableInterface is asked index by index.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.errors import SearchError
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.matrix._checks import operand

Array = np.ndarray


class DecodableMatrix(DecodableInterface):
    """What those that read a matrix (frames, columns) share."""

    _scale = np.float32(1.0)
    _table: Array | None = None  # column of each index; None: index - 1

    def __init__(self, likes: Any):
        self._likes = np.ascontiguousarray(operand(likes, (None, None), np.float32, "likes"))

    def log_likelihood(self, frame: int, index: int) -> float:
        """Raises SearchError for a frame or an index that is not there."""
        if not 0 <= frame < len(self._likes):
            raise SearchError(f"there is no frame {frame}; expected 0 to {len(self._likes) - 1}")
        if not 1 <= index <= self.num_indices():
            raise SearchError(f"there is no index {index}; expected 1 to {self.num_indices()}")
        column = index - 1 if self._table is None else self._table[index]
        return float(self._scale * self._likes[frame, column])

    def is_last_frame(self, frame: int) -> bool:
        if frame >= len(self._likes):
            raise SearchError(f"there is no frame {frame}; there are {len(self._likes)}")
        return frame == len(self._likes) - 1

    def num_frames_ready(self) -> int:
        return len(self._likes)

    def num_indices(self) -> int:
        return self._likes.shape[1] if self._table is None else len(self._table) - 1

    def _columns(self) -> Array | None:
        return self._table

    def _rows(self, begin: int, end: int) -> Array:
        return self._likes[begin:end] if self._scale == 1 else self._scale * self._likes[begin:end]


def _mapped(decodable: DecodableMatrix, tm: TransitionModel) -> None:
    columns = decodable._likes.shape[1]
    if columns < tm.num_pdfs():
        raise SearchError(
            f"log-likelihoods of {columns} columns, but the model has {tm.num_pdfs()} pdfs; expected a "
            "column for each pdf"
        )
    decodable._table = tm._pdfs_by_id()


class DecodableMatrixScaled(DecodableMatrix):
    """Index i reads column i - 1 of `likes` (frames, columns), times `scale`."""

    def __init__(self, likes: Any, scale: float):
        super().__init__(likes)
        self._scale = np.float32(scale)


class DecodableMatrixMapped(DecodableMatrix):
    """A transition-id reads the column of its pdf. Raises SearchError where there are fewer columns than
    pdfs."""

    def __init__(self, tm: TransitionModel, likes: Any):
        super().__init__(likes)
        _mapped(self, tm)


class DecodableMatrixScaledMapped(DecodableMatrixScaled):
    """A transition-id reads the column of its pdf, times `scale`."""

    def __init__(self, tm: TransitionModel, likes: Any, scale: float):
        super().__init__(likes, scale)
        _mapped(self, tm)


class DecodableMatrixMappedOffset(DecodableInterface):
    """As DecodableMatrixMapped, of matrices that come one after another."""

    def __init__(self, tm: TransitionModel):
        self._table = tm._pdfs_by_id()
        self._pdfs = tm.num_pdfs()
        self._likes = np.zeros((0, self._pdfs), np.float32)
        self._first, self._finished = 0, False

    def accept_log_likes(self, loglikes: Any, frames_to_discard: int) -> None:
        """Appends the next frames, and forgets the `frames_to_discard` first ones that are kept."""
        new = operand(loglikes, (None, None), np.float32, "loglikes")
        if new.shape[1] < self._pdfs:
            raise SearchError(f"log-likelihoods of {new.shape[1]} columns; the model has {self._pdfs} pdfs")
        if not 0 <= frames_to_discard <= len(self._likes):
            raise SearchError(f"frames_to_discard={frames_to_discard}; expected 0 to {len(self._likes)}")
        kept = self._likes[frames_to_discard:]
        self._likes = np.ascontiguousarray(np.concatenate([kept, new]) if len(kept) else new, np.float32)
        self._first += frames_to_discard

    def input_is_finished(self) -> None:
        self._finished = True

    def first_available_frame(self) -> int:
        return self._first

    def log_likelihood(self, frame: int, index: int) -> float:
        if not 1 <= index < len(self._table):
            raise SearchError(f"there is no transition-id {index}; expected 1 to {len(self._table) - 1}")
        return float(self._rows(frame, frame + 1)[0, self._table[index]])

    def is_last_frame(self, frame: int) -> bool:
        return self._finished and frame == self.num_frames_ready() - 1

    def num_frames_ready(self) -> int:
        return self._first + len(self._likes)

    def num_indices(self) -> int:
        return len(self._table) - 1

    def _columns(self) -> Array:
        return self._table

    def _rows(self, begin: int, end: int) -> Array:
        if begin < self._first or end > self.num_frames_ready():
            raise SearchError(
                f"frames {begin} to {end - 1} are not there; expected {self._first} to "
                f"{self.num_frames_ready() - 1}"
            )
        return self._likes[begin - self._first : end - self._first]


class _Derived(DecodableInterface):
    """What those made of other decodables share: frames of the first one."""

    _parts: list[tuple[DecodableInterface, float]]

    def is_last_frame(self, frame: int) -> bool:
        return self._parts[0][0].is_last_frame(frame)

    def num_frames_ready(self) -> int:
        return self._parts[0][0].num_frames_ready()

    def num_indices(self) -> int:
        return self._parts[0][0].num_indices()


class DecodableMapped(_Derived):
    """Index i is index `index_map[i]` of another decodable."""

    def __init__(self, index_map: Sequence[int], d: DecodableInterface):
        self._map = list(index_map)
        self._parts = [(d, 1.0)]

    def log_likelihood(self, frame: int, index: int) -> float:
        if not 0 <= index < len(self._map):
            raise SearchError(f"there is no index {index}; the map has {len(self._map)}")
        return self._parts[0][0].log_likelihood(frame, self._map[index])

    loglikelihood = log_likelihood  # PyKaldi has both

    def num_indices(self) -> int:
        return len(self._map)


class DecodableSum(_Derived):
    """The weighted sum of what decodables say."""

    _scale = 1.0

    def __init__(self, d1: DecodableInterface, w1: float, d2: DecodableInterface, w2: float):
        self._parts = [(d1, w1), (d2, w2)]
        self.check_sizes()

    @classmethod
    def new(cls, decodables: Sequence[tuple[DecodableInterface, float]]) -> "DecodableSum":
        made = cls.__new__(cls)
        made._parts = list(decodables)
        made.check_sizes()
        return made

    def check_sizes(self) -> None:
        """Raises SearchError where there are none, or their numbers of indices or frames differ."""
        if not self._parts:
            raise SearchError("the sum of no decodables; give one at least")
        for what in ("num_indices", "num_frames_ready"):
            sizes = [getattr(part, what)() for part, _ in self._parts]
            if len(set(sizes)) > 1:
                raise SearchError(f"decodables with {what} of {sizes}; expected the same of all")

    def log_likelihood(self, frame: int, index: int) -> float:
        return self._scale * sum(weight * d.log_likelihood(frame, index) for d, weight in self._parts)


class DecodableSumScaled(DecodableSum):
    """The weighted sum of what decodables say, times `scale`."""

    def __init__(self, d1: DecodableInterface, w1: float, d2: DecodableInterface, w2: float, scale: float):
        super().__init__(d1, w1, d2, w2)
        self._scale = scale

    @classmethod
    def new(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, decodables: Sequence[tuple[DecodableInterface, float]], scale: float
    ) -> "DecodableSumScaled":
        made = super().new(decodables)
        made._scale = scale
        return made  # pyright: ignore[reportReturnType]
