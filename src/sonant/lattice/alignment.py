"""Alignment of lattices by words and phones, and what a model says of transition-ids for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.lattice.lattice import Lattice

PhoneType = Literal["none", "begin", "end", "singleton", "internal", "nonword"]


@dataclass(frozen=True, eq=False)
class Transitions:
    """What a model says of its transition-ids. Arrays (num_transition_ids + 1,), entry 0 is of none.

    phones: the phone of each. first: it enters the phone's first state, and is no self-loop. last: it leads
    out of the phone. self_loops: it stays in its state."""

    phones: np.ndarray
    first: np.ndarray
    last: np.ndarray
    self_loops: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.phones)
        if n == 0 or any(len(array) != n for array in (self.first, self.last, self.self_loops)):
            raise FstError("the arrays of transition-ids have unequal lengths, or no entry 0")

    @property
    def first_phones(self) -> np.ndarray:
        """The phone that each begins, or 0: for `Lattice.determinize`."""
        return np.where(self.first, self.phones, 0).astype(np.int32)

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return (
            np.ascontiguousarray(self.phones, np.int32),
            np.ascontiguousarray(self.last, np.uint8),
            np.ascontiguousarray(self.self_loops, np.uint8),
        )


@dataclass(frozen=True)
class WordBoundaries:
    """Where in words phones stand, which tells words apart (the `_B`, `_E`, `_I`, `_S` of Kaldi's phones).

    types: by phone; those that are not there are of no word. reorder: self-loops come behind the transition
    out of their state, as Kaldi's graphs have them by default. silence, partial: words of silences, and of
    words cut off at the end."""

    types: dict[int, PhoneType]
    reorder: bool = True
    silence: int = 0
    partial: int = 0

    def __post_init__(self) -> None:
        known = get_args(PhoneType)
        for phone, kind in self.types.items():
            if kind not in known:
                raise FstError(f"phone {phone} is of type {kind!r}; expected {', '.join(known)}")
            if not 0 <= phone < 1 << 24:
                raise FstError(f"the phone {phone}; expected a number from 0 on")
        for name in ("silence", "partial"):
            if not 0 <= getattr(self, name) < 1 << 30:
                raise FstError(f"{name}={getattr(self, name)}; expected the number of a word, or 0")

    def _table(self, phones: int) -> np.ndarray:
        table = np.zeros(max([phones, *self.types]) + 1, np.uint8)
        for phone, kind in self.types.items():
            table[phone] = get_args(PhoneType).index(kind)
        return table


@dataclass(frozen=True)
class AlignedLattice:
    """lattice: with one word (phone) an arc. flaw: what was wrong, if anything: the lattice was cut off
    within a word, say, or is of another model; it may be of use none the less."""

    lattice: Lattice
    flaw: str = ""


def align_words(
    lattice: Lattice, transitions: Transitions, boundaries: WordBoundaries, max_states: int | None = None
) -> AlignedLattice:
    """Arcs that each hold the transition-ids of their word, by the types of phones: times are words' times
    then.

    Silences get arcs of their own. Best on determinized lattices. Raises FstError for transition-ids or
    phones that are not known, cycles, and beyond `max_states`."""
    if max_states is not None and max_states <= 0:
        raise FstError(f"max_states={max_states}; expected a positive number, or None")
    native, flaw = _native.lattice_align_words(
        lattice.compact().fst.native,
        *transitions._arrays(),
        boundaries._table(int(transitions.phones.max())),
        boundaries.reorder,
        boundaries.silence,
        boundaries.partial,
        max_states or 0,
    )
    return AlignedLattice(lattice._made(native), flaw)


def align_phones(
    lattice: Lattice,
    transitions: Transitions,
    *,
    reorder: bool = True,
    remove_epsilons: bool = True,
    phones_as_words: bool = False,
) -> AlignedLattice:
    """Arcs that each hold the transition-ids of one phone; a word is on its first one. `phones_as_words`
    puts phones in their place. Without `remove_epsilons` there may be arcs with nothing on them."""
    native, flaw = _native.lattice_align_phones(
        lattice.compact().fst.native, *transitions._arrays(), reorder, remove_epsilons, phones_as_words
    )
    return AlignedLattice(lattice._made(native), flaw)


def align_words_by_lexicon(
    lattice: Lattice,
    transitions: Transitions,
    lexicon: Iterable[Sequence[int]],
    *,
    reorder: bool = True,
    partial: int = 0,
    max_states: int | None = None,
) -> AlignedLattice:
    """The same by what phones words have: entries (word in the lattice, word of the result, phone, ...), the
    first 0 for silences without a word.

    Paths that no pronunciations fit are left out; where none fit at all, a lattice cut off in the middle of a
    word say, what is left over has the word `partial`, and `flaw` says so.
    """
    if max_states is not None and max_states <= 0:
        raise FstError(f"max_states={max_states}; expected a positive number, or None")
    native, flaw = _native.lattice_align_lexicon(
        lattice.compact().fst.native,
        *transitions._arrays(),
        [list(map(int, entry)) for entry in lexicon],
        reorder,
        partial,
        max_states or 0,
    )
    return AlignedLattice(lattice._made(native), flaw)
