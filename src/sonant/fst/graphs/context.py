"""Context dependency: from phones to phones in context, the C of decoding graphs.

A label of C stands for a window of `width` phones of which the one at `central` (from 0) is modelled: 3 and
1 for triphones, 1 and 0 for monophones. Labels and states are numbered as Kaldi's `fstcomposecontext` does
it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.bounds import bounds
from sonant.fst.files import Path, reading, writing


@dataclass(frozen=True)
class ContextLabels(Sequence[list[int]]):
    """The window of phones of each label: `symbols[begins[i] : begins[i + 1]]`, which `labels[i]` gives.

    Label 0, epsilon, has an empty one; that of a disambiguation symbol d is [-d], and [0] is that of #-1,
    which stands where a window is still waiting for its phones. Zeros are places before the first phone and
    after the last one. `begins` is int64 (labels + 1,), `symbols` int32."""

    begins: np.ndarray
    symbols: np.ndarray

    @classmethod
    def of(cls, windows: Iterable[Any]) -> "ContextLabels":
        """From a list of windows, such as `list(labels)` is. Raises FstError unless the first one is
        empty."""
        lists = [np.asarray(window, np.int32).reshape(-1) for window in windows]
        if not lists or len(lists[0]):
            raise FstError("the first window belongs to epsilon; expected it to be there, and empty")
        begins = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(window) for window in lists], out=begins[1:])
        return cls(begins, np.concatenate(lists))

    @classmethod
    def read(cls, path: Path) -> "ContextLabels":
        """Kaldi's file of input labels (`ilabels`), binary or text. Raises ArkError for anything else."""
        with reading(path) as stream:
            binary = stream.header()
            count = stream.integer(binary)
            if count < 1:
                stream.error(f"{count} labels; expected at least that of epsilon")
            windows: list[np.ndarray] = []
            while len(windows) < count:
                windows.append(stream.integers(binary))
                if len(windows) == 1 and len(windows[0]):
                    stream.error(f"the window {windows[0].tolist()} of epsilon; expected an empty one")
        return cls.of(windows)

    def write(self, path: Path, binary: bool = True) -> None:
        """Writes that file."""
        with writing(path) as stream:
            if binary:
                stream.write(b"\0B")
            stream.integer(binary, len(self))
            for begin, end in pairwise(self.begins.tolist()):
                stream.integers(binary, self.symbols[begin:end])

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, label):  # pyright: ignore
        if isinstance(label, slice):
            return [self[i] for i in range(*label.indices(len(self)))]
        number = label + len(self) if label < 0 else label
        if not 0 <= number < len(self):
            raise IndexError(f"there is no label {label}; expected 0 to {len(self) - 1}")
        return self.symbols[self.begins[number] : self.begins[number + 1]].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        symbols = self.symbols.tolist()
        return (symbols[begin:end] for begin, end in pairwise(self.begins.tolist()))

    @property
    def disambig(self) -> np.ndarray:
        """The labels of disambiguation symbols and of #-1."""
        single = np.flatnonzero(np.diff(self.begins) == 1)
        return single[self.symbols[self.begins[single]] <= 0]


class InverseContext:
    """The inverse of C, whose states, arcs and labels are made as they are asked for.

    States are numbered as they come; 0 is the first. Safe to use from several threads.
    """

    def __init__(
        self,
        phones: Iterable[int],
        disambig: Iterable[int] = (),
        width: int = 3,
        central: int = 1,
        subsequential: int | None = None,
    ):
        """`subsequential` is a symbol that a graph has at its end, as often as phones are waited for then,
        by default one more than all others. Raises FstError where a symbol is not positive or has two
        meanings, and where `central` is no place in a window of `width`."""
        known = _numbers(phones, "phones")
        special = _numbers(disambig, "disambiguation symbols")
        if subsequential is None:
            subsequential = 1 + int(max(known.max(initial=0), special.max(initial=0)))
        self.subsequential = subsequential
        self.width, self.central = width, central
        self._native = _native.InverseContext(
            subsequential if self.looks_ahead else 0,
            known,
            special,
            width,
            central,
        )

    @property
    def looks_ahead(self) -> bool:
        """Whether windows wait for phones after the last one, and graphs have to end in `subsequential`."""
        return self.central + 1 < self.width

    def is_final(self, state: int) -> bool:
        return self._native.is_final(state)

    def step(self, state: int, symbol: int) -> tuple[int, int] | None:
        """(label, next state) for a phone or another symbol; None where there is no such arc.

        Raises FstError for a symbol that is none of C's, FstIndexError for a state that is not there yet.
        """
        label, following = self._native.step(state, symbol)
        return None if following < 0 else (label, following)

    @property
    def labels(self) -> ContextLabels:
        """The labels so far."""
        return ContextLabels(*self._native.windows())

    def compose(
        self,
        fst: Fst,
        *,
        ended: bool = False,
        max_states: int | None = None,
        max_arcs: int | None = None,
    ) -> Fst:
        """C composed with an automaton over its phones: see `compose_context`. Where it is `ended` it has the
        subsequential symbol itself, as `add_subsequential_loop` puts it there.
        """
        if not isinstance(fst.native, _native.StdFst):
            raise FstError(f"compose_context of arcs of type {fst.arc_type}; expected standard")
        most = bounds(max_states, max_arcs)
        result = Fst.of_native(self._native.compose(fst.native, ended, *most))
        result.output_symbols = fst.output_symbols
        return result


def add_subsequential_loop(fst: Fst, symbol: int) -> Fst:
    """With another final state, where the input symbol loops, and arcs to it from the final ones.

    This is what C is asked for where a window waits for phones after the last one. Raises FstError for a
    symbol that is not positive or is an input label of `fst` already.
    """
    native = fst.native
    if not isinstance(native, _native.StdFst):
        raise FstError(f"add_subsequential_loop of arcs of type {fst.arc_type}; expected standard")
    if not 0 < symbol < 1 << 31:
        raise FstError(f"the subsequential symbol {symbol}; expected a label above 0")
    if (fst.arcs["ilabel"] == symbol).any():
        raise FstError(
            f"the subsequential symbol {symbol} is an input label of the automaton already; take another one"
        )
    result = Fst.of_native(_native.add_subsequential_loop(native, symbol))
    result.input_symbols, result.output_symbols = fst.input_symbols, fst.output_symbols
    return result


def _numbers(symbols: Iterable[int], what: str) -> np.ndarray:
    numbers = np.asarray(list(symbols), np.int64)
    if len(numbers) and not 0 < numbers.min() <= numbers.max() < 1 << 24:
        raise FstError(
            f"{what} from {numbers.min()} to {numbers.max()}; expected numbers above 0 and below {1 << 24}"
        )
    return numbers.astype(np.int32)


def compose_context(
    fst: Fst,
    disambig: Iterable[int] = (),
    width: int = 3,
    central: int = 1,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> tuple[Fst, ContextLabels]:
    """(C composed with `fst`, what its input labels stand for): CLG of LG.

    Input labels of `fst` are phones but for those of `disambig`; where phones are waited for after the last
    one it is taken as if it had the symbols that end them (Kaldi's subsequential loop). Raises FstError
    where there is no start state, a label is not positive or above 16777215, or `central` is no place in a
    window of `width`, and where there would be more than `max_states` states or `max_arcs` arcs (default:
    what half of the memory holds)."""
    special = sorted(set(disambig))
    labels = fst.arcs["ilabel"]
    if len(labels) and 0 <= labels.min() <= labels.max() < 1 << 24:
        used = np.zeros(int(labels.max()) + 1, bool)
        used[labels] = True
        phones = np.flatnonzero(used[1:]) + 1
    else:
        phones = np.unique(labels)
    context = InverseContext(np.setdiff1d(phones, special), special, width, central)
    composed = context.compose(fst, max_states=max_states, max_arcs=max_arcs)
    return composed, context.labels
