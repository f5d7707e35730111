"""Alignment of lattices (PyKaldi's `kaldi.lat.align`)."""

import math
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import get_args

from sonant import _native
from sonant.errors import ArkError, FstError
from sonant.fst import random_equivalent, relabel
from sonant.kaldi.fstext import CompactLatticeVectorFst
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat._lattices import compact_of, made, transitions_of
from sonant.kaldi.util import io
from sonant.kaldi.util.options import Options, option
from sonant.lattice import WordBoundaries
from sonant.lattice import align_phones as _align_phones
from sonant.lattice import align_words as _align_words
from sonant.lattice import align_words_by_lexicon as _align_by_lexicon
from sonant.lattice.alignment import PhoneType as _PhoneType


class WordBoundaryInfoNewOpts(Options):
    silence_label: int = option(0, "silence-label", "Word of silences")
    partial_word_label: int = option(
        0, "partial-word-label", "Word of what is cut off at the end of a lattice"
    )
    reorder: bool = option(True, "reorder", "The lattice is of a graph with reordered transitions")


class WordBoundaryInfo:
    """Where in words phones stand."""

    silence_label: int = 0
    partial_word_label: int = 0
    reorder: bool = True
    phone_to_type: Sequence["WordBoundaryInfo.PhoneType"] = ()

    class PhoneType(IntEnum):
        NO_PHONE = 0
        WORD_BEGIN_PHONE = 1
        WORD_END_PHONE = 2
        WORD_BEGIN_AND_END_PHONE = 3
        WORD_INTERNAL_PHONE = 4
        NON_WORD_PHONE = 5

    def __init__(self, opts: WordBoundaryInfoNewOpts):
        self.silence_label = opts.silence_label
        self.partial_word_label = opts.partial_word_label
        self.reorder = opts.reorder
        self.phone_to_type = []

    @classmethod
    def from_file(cls, opts: WordBoundaryInfoNewOpts, word_boundary_file: str) -> "WordBoundaryInfo":
        """Lines of a phone's number and `nonword`, `begin`, `end`, `internal` or `singleton`."""
        info = cls(opts)
        with io.xopen(word_boundary_file, "rt") as file:
            info.init(file.stream())
        return info

    def init(self, is_: _native.Input) -> None:
        """Raises ArkError, which names the line, for another kind of line."""
        kinds = {"nonword": 5, "begin": 1, "end": 2, "internal": 4, "singleton": 3}
        found: dict[int, int] = {}
        number = 0
        while line := is_.readline():
            number += 1
            fields = line.decode("utf-8", "surrogateescape").split()
            if not fields:
                continue
            if len(fields) != 2 or not fields[0].isdecimal() or fields[1] not in kinds or len(fields[0]) > 7:
                raise ArkError(
                    f"word boundaries, line {number}: {line!r}; expected a phone's number and one of "
                    f"{', '.join(kinds)}"
                )
            found[int(fields[0])] = kinds[fields[1]]
        if not found:
            raise ArkError("word boundaries: there is no line; expected one for each phone")
        types = [self.PhoneType.NO_PHONE] * (max(found) + 1)
        for phone, kind in found.items():
            types[phone] = self.PhoneType(kind)
        self.phone_to_type = types

    def type_of_phone(self, p: int) -> "WordBoundaryInfo.PhoneType":
        """Raises FstError for a phone that is not there."""
        if not 0 < p < len(self.phone_to_type) or not self.phone_to_type[p]:
            raise FstError(f"the phone {p} has no type in the word boundaries")
        return self.phone_to_type[p]

    def boundaries(self) -> WordBoundaries:
        """The same for `sonant.lattice`."""
        names = get_args(_PhoneType)
        types = {phone: names[kind] for phone, kind in enumerate(self.phone_to_type) if kind}
        return WordBoundaries(types, self.reorder, self.silence_label, self.partial_word_label)


class PhoneAlignLatticeOptions(Options):
    reorder: bool = option(True, "reorder", "The lattice is of a graph with reordered transitions")
    remove_epsilon: bool = option(True, "remove-epsilon", "Remove arcs with nothing on them")
    replace_output_symbols: bool = option(False, "replace-output-symbols", "Phones in the place of words")


def word_align_lattice(
    lat: CompactLatticeVectorFst, tmodel: TransitionModel, info: WordBoundaryInfo, max_states: int
) -> tuple[bool, CompactLatticeVectorFst]:
    """Arcs with the transition-ids of their word. False where something was wrong, the lattice cut off
    within a word say; it may be of use none the less. Beyond `max_states` (if positive) it is empty, and
    False."""
    lattice = compact_of(lat)
    if lat.start() < 0:
        return False, CompactLatticeVectorFst()
    try:
        found = _align_words(lattice, transitions_of(tmodel), info.boundaries(), max(max_states, 0) or None)
    except FstError as error:
        if "max_states=" not in str(error):
            raise
        return False, CompactLatticeVectorFst()
    return not found.flaw, made(found.lattice)


def test_word_aligned_lattice(
    lat: CompactLatticeVectorFst,
    tmodel: TransitionModel,
    info: WordBoundaryInfo,
    aligned_lat: CompactLatticeVectorFst,
) -> None:
    """Looks whether `aligned_lat` is `lat` with a whole word, a silence or nothing on each arc. (The name is
    PyKaldi's.) Raises FstError, which says what is wrong, where it is not: lattices that were cut off within
    a word are not, as `word_align_lattice` says."""
    before, after = compact_of(lat), compact_of(aligned_lat)
    transitions, kinds = transitions_of(tmodel), WordBoundaryInfo.PhoneType
    for state in range(after.fst.num_states):
        for word, _, weight, _ in after.fst.arcs_of(state):
            ids = list(weight[2])  # pyright: ignore
            phones = [int(transitions.phones[i]) for i in ids if transitions.first[i]]
            types = [info.type_of_phone(phone) for phone in phones]
            if not ids:
                right = word == 0
            elif types == [kinds.NON_WORD_PHONE]:
                right = word == info.silence_label
            elif types == [kinds.WORD_BEGIN_AND_END_PHONE]:
                right = word != 0
            elif len(types) > 1 and (types[0], types[-1]) == (kinds.WORD_BEGIN_PHONE, kinds.WORD_END_PHONE):
                right = word != 0 and all(kind == kinds.WORD_INTERNAL_PHONE for kind in types[1:-1])
            else:
                right = False
            # Each phone is left, too, or it was cut off.
            if not right or sum(bool(transitions.last[i]) for i in ids) != len(phones):
                raise FstError(
                    f"an arc of state {state} has the word {word} and the phones {phones}; expected one "
                    f"word, or a silence with the label {info.silence_label}"
                )
        final = after.fst.final(state)
        if math.isfinite(final[0]) and final[2]:  # pyright: ignore
            raise FstError(f"state {state} ends with transition-ids; expected them on arcs, by words")
    added = [(label, 0) for label in (info.silence_label, info.partial_word_label) if label]
    ways = [relabel(lattice.raw().fst, {}, added) for lattice in (before, after)]
    if not random_equivalent(*ways, paths=5, delta=0.1, seed=0):
        raise FstError("the aligned lattice has other paths, or other costs, than the lattice")


def phone_align_lattice(
    lat: CompactLatticeVectorFst, tmodel: TransitionModel, opts: PhoneAlignLatticeOptions
) -> tuple[bool, CompactLatticeVectorFst]:
    """Arcs with the transition-ids of one phone. False where something was wrong."""
    lattice = compact_of(lat)
    if lat.start() < 0:
        return False, CompactLatticeVectorFst()
    found = _align_phones(
        lattice,
        transitions_of(tmodel),
        reorder=opts.reorder,
        remove_epsilons=opts.remove_epsilon,
        phones_as_words=opts.replace_output_symbols,
    )
    return not found.flaw, made(found.lattice)


class WordAlignLatticeLexiconOpts(Options):
    partial_word_label: int = option(
        0, "partial-word-label", "Word of what is cut off at the end of a lattice"
    )
    reorder: bool = option(True, "reorder", "The lattice is of a graph with reordered transitions")
    test: bool = option(False, "test", "Kept for scripts")
    allow_duplicate_paths: bool = option(False, "allow-duplicate-paths", "Kept for scripts: there are none")
    max_expand: float = option(
        -1.0, "max-expand", "Most states of the result for each of the lattice; negative: any number"
    )


class WordAlignLatticeLexiconInfo:
    """Pronunciations as `read_lexicon_for_word_align` gives them. Raises FstError for lines of one
    number."""

    def __init__(self, lexicon: Iterable[Sequence[int]]):
        self._lexicon = [[int(number) for number in entry] for entry in lexicon]
        for number, entry in enumerate(self._lexicon, 1):
            if len(entry) < 2 or min(entry) < 0:
                raise FstError(f"entry {number} of the lexicon: {entry}; expected two words and phones")
        self._classes: dict[int, int] = {}
        for word, result, *_ in self._lexicon:
            lowest = min(self.equivalence_class_of(word), self.equivalence_class_of(result))
            merged = {self.equivalence_class_of(word), self.equivalence_class_of(result)}
            self._classes |= {word: lowest, result: lowest}
            self._classes |= {w: lowest for w, c in self._classes.items() if c in merged}

    def equivalence_class_of(self, word: int) -> int:
        """The lowest of the words that entries lead to and fro from this one."""
        return self._classes.get(word, word)

    def is_valid_entry(self, entry: Sequence[int]) -> bool:
        """Whether (word of the result, phone, ...) is in the lexicon."""
        return any(known[1:] == list(entry) for known in self._lexicon)


def read_lexicon_for_word_align(rxfilename: str) -> list[list[int]]:
    """Lines of numbers: the word in the lattice (0 for silences without one), the word of the result,
    phones.

    Raises ArkError, which names the line, for anything else."""
    lexicon: list[list[int]] = []
    with io.xopen(rxfilename, "rt") as file:
        for number, line in enumerate(iter(file.stream().readline, b""), 1):
            fields = line.split()
            if len(fields) < 2 or not all(field.isdigit() and len(field) < 10 for field in fields):
                raise ArkError(
                    f"{rxfilename}, line {number}: {line!r}; expected two words and phones, as numbers"
                )
            lexicon.append([int(field) for field in fields])
    return lexicon


def word_align_lattice_lexicon(
    lat: CompactLatticeVectorFst,
    tmodel: TransitionModel,
    lexicon_info: WordAlignLatticeLexiconInfo,
    opts: WordAlignLatticeLexiconOpts,
) -> tuple[bool, CompactLatticeVectorFst]:
    """Arcs with the transition-ids of their word, by the phones that words have. False where something was
    wrong; it may be of use none the less. Beyond `max_expand` it is empty, and False."""
    lattice = compact_of(lat)
    if lat.start() < 0:
        return False, CompactLatticeVectorFst()
    try:
        found = _align_by_lexicon(
            lattice,
            transitions_of(tmodel),
            lexicon_info._lexicon,
            reorder=opts.reorder,
            partial=opts.partial_word_label,
            max_states=1000 + int(opts.max_expand * lat.num_states()) if opts.max_expand > 0 else None,
        )
    except FstError as error:
        if "max_states=" not in str(error):
            raise
        return False, CompactLatticeVectorFst()
    return not found.flaw, made(found.lattice)
