"""The lexicon transducer L: reads phones, writes words.

Its loop state is where words begin and end: each pronunciation is a chain of states from there and back, with
the word and the cost on its first arc. Optional silence is a second way back, through a state that reads the
silence phone. Disambiguation symbols at the end of pronunciations that are the same as others, or their
beginning, make L o G determinizable (Mohri, Pereira and Riley 2002); `#0`, the backoff of G, passes through L
by loops where words begin and end.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.graphs.lexicon import Lexicon, Pronunciation, SilenceProbabilities, WordSilence
from sonant.fst.symbols import SymbolTable

Style = Literal["current", "older"]


def lexicon_fst(
    lexicon: Lexicon,
    phones: SymbolTable,
    words: SymbolTable,
    *,
    silence_phone: str | None = None,
    silence_probability: float = 0.5,
    silence_disambiguation: str | None = None,
    pass_through: Iterable[tuple[int, int]] = (),
    style: Style = "current",
) -> Fst:
    """L, arc for arc as Kaldi's make_lexicon_fst.py (make_lexicon_fst_silprob.py where the lexicon has
    probabilities of silence) and fstcompile make it, sorted by output label.

    silence_phone: the phone that may be read between words and at both ends, with
        `silence_probability` (ignored where the lexicon has its own); None: no optional silence.
    silence_disambiguation: a symbol behind that phone.
    pass_through: (input, output) labels of loops where words begin and end, such as those of #0.
    style: `older` is make_lexicon_fst.pl, of lang directories before 2018: fewer epsilons, and no
        optional silence behind a pronunciation that ends in silence.

    Raises FstError, with the line, where a word or phone is in no table.
    """
    if style not in ("current", "older"):
        raise FstError(f"style={style!r}; expected 'current' or 'older'")
    if silence_phone is not None and not 0 <= silence_probability < 1:
        raise FstError(f"silence_probability={silence_probability}; expected at least 0 and less than 1")
    sil, disambig = (
        0 if symbol is None else _key(phones, symbol, "phones", lexicon.source)
        for symbol in (silence_phone, silence_disambiguation)
    )
    chains = _chains(lexicon, phones, words)
    if lexicon.silence is not None:
        if silence_phone is None:
            raise FstError(f"{lexicon.source} has probabilities of silence; expected a silence_phone")
        arcs, finals = _silence_arcs(chains, lexicon.pronunciations, lexicon.silence, sil, disambig)
    elif silence_phone is None or silence_probability == 0:
        arcs, finals = _plain_arcs(chains)
    else:
        arcs, finals = _optional_silence_arcs(
            chains, silence_probability, sil, disambig, silence_disambiguation is not None, style
        )
    table = np.concatenate([np.column_stack(group[:4]) for group in arcs])
    costs = np.concatenate([group[4] for group in arcs])
    table, costs = table[np.isfinite(costs)], costs[np.isfinite(costs)]
    loops = [(int(i), int(o)) for i, o in pass_through]
    if loops:
        used = np.isfinite(finals)
        used[table[table[:, 2] != 0, 0]] = True
        states = np.flatnonzero(used)
        extra = [[state, label, out, state] for state in states for label, out in loops]
        table = np.concatenate([table, np.array(extra, np.int64)])
        costs = np.concatenate([costs, np.zeros(len(extra))])
    source, ilabel, olabel, target = (np.ascontiguousarray(column, np.int32) for column in table.T)
    return Fst.from_arrays(0, finals, source, ilabel, olabel, costs, target).arc_sort("olabel")


def _chains(lexicon: Lexicon, phones: SymbolTable, words: SymbolTable) -> "_Chains":
    phone_keys, word_keys = dict(phones), dict(words)
    word_labels, labels, lengths = [], [], []
    for entry in lexicon.pronunciations:
        word = word_keys.get(entry.word)
        if word is None:
            word = _key(words, entry.word, "words", lexicon.where(entry))
        word_labels.append(word)
        if entry.phones:
            for phone in entry.phones:
                label = phone_keys.get(phone)
                if label is None:
                    label = _key(phones, phone, "phones", lexicon.where(entry))
                labels.append(label)
        else:
            labels.append(0)
        lengths.append(len(entry.phones) or 1)
    probabilities = np.array([entry.probability for entry in lexicon.pronunciations])
    return _Chains(np.array(word_labels), np.array(labels), np.array(lengths), -np.log(probabilities) + 0.0)


def _key(table: SymbolTable, symbol: str, what: str, where: str) -> int:
    key = table.find(symbol)
    if key is None:
        raise FstError(
            f"{where}: {symbol!r} is not in the table of {what} '{table.name}' of {len(table)} symbols; "
            "add it there, or remove the line"
        )
    return key


@dataclass(frozen=True)
class _Chains:
    """Pronunciations as arrays: `words`, `lengths`, `costs` (pronunciations,), `phones` all phones."""

    words: np.ndarray
    phones: np.ndarray
    lengths: np.ndarray
    costs: np.ndarray

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each phone: its pronunciation, its place there, and whether it is the last."""
        owner = np.repeat(np.arange(len(self.lengths)), self.lengths)
        place = np.arange(len(self.phones)) - (np.cumsum(self.lengths) - self.lengths)[owner]
        return owner, place, place == self.lengths[owner] - 1


# source, ilabel, olabel, nextstate, cost
Arcs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _loop_arcs(chains: _Chains, loop: int, states: int) -> tuple[Arcs, np.ndarray, int]:
    """The chains from and to the state `loop`, new states being numbered from `states` on; which arcs are
    the last of theirs; the number of states."""
    owner, place, last = chains.places()
    inner = states + np.arange(len(owner)) - owner  # a chain of n phones has n - 1 states within
    first = place == 0
    arcs = (
        np.where(first, loop, inner - 1),
        chains.phones,
        np.where(first, chains.words[owner], 0),
        np.where(last, loop, inner),
        np.where(first, chains.costs[owner], 0.0),
    )
    return arcs, last, states + len(owner) - len(chains.lengths)


def _plain_arcs(chains: _Chains) -> tuple[list[Arcs], np.ndarray]:
    arcs, _, states = _loop_arcs(chains, 0, 1)
    finals = np.full(states, np.inf)
    finals[0] = 0.0
    return [arcs], finals


def _optional_silence_arcs(
    chains: _Chains, probability: float, sil: int, disambig: int, disambiguated: bool, style: Style
) -> tuple[list[Arcs], np.ndarray]:
    silence, none = -math.log(probability), -math.log(1 - probability)
    start, loop = 0, 1
    # The numbers that fstcompile gives: in the order in which states are met.
    if style == "older":
        behind, sil_state = (2, 3) if disambiguated else (1, 2)
        rows = [(start, 0, 0, loop, none), (start, sil, 0, behind, silence), (sil_state, sil, 0, behind, 0.0)]
    else:
        sil_state, behind = (2, 3) if disambiguated else (2, 1)
        rows = [
            (start, 0, 0, loop, none),
            (start, 0, 0, sil_state, silence),
            (sil_state, sil, 0, behind, 0.0),
        ]
    if disambiguated:
        rows.append((behind, disambig, 0, loop, 0.0))
    (source, ilabel, olabel, target, cost), last, states = _loop_arcs(chains, loop, 4 if disambiguated else 3)
    twice = last & (ilabel != sil) if style == "older" else last
    pick = np.repeat(np.arange(len(last)), np.where(twice, 2, 1))
    to_silence = np.zeros(len(pick), bool)
    to_silence[1:] = pick[1:] == pick[:-1]
    doubled = twice[pick]
    finals = np.full(states, np.inf)
    finals[loop] = 0.0
    words = (
        source[pick],
        ilabel[pick],
        olabel[pick],
        np.where(to_silence, sil_state, target[pick]),
        cost[pick] + np.where(to_silence, silence, np.where(doubled, none, 0.0)),
    )
    return [_rows(rows), words], finals


def _silence_arcs(
    chains: _Chains,
    pronunciations: Sequence[Pronunciation],
    silence: SilenceProbabilities,
    sil: int,
    disambig: int,
) -> tuple[list[Arcs], np.ndarray]:
    """Two loop states, after silence and after none: each word comes from both and goes to both."""
    start, none_state, sil_state, first_state = 0, 1, 2, 3

    def costs(values: Iterable[float]) -> np.ndarray:
        with np.errstate(divide="ignore"):  # what has no probability has no arc
            return -np.log(np.array(list(values), float)) + 0.0

    both = [entry.silence or WordSilence(silence.overall, 1.0, 1.0) for entry in pronunciations]
    owner, place, last = chains.places()
    states = first_state + np.arange(len(owner))  # the state behind each phone
    zeros = np.zeros(len(owner), np.int64)
    begin, end = states[place == 0], states[last]
    heads = []
    for state, correction in (
        (none_state, costs(s.after_none for s in both)),
        (sil_state, costs(s.after_silence for s in both)),
    ):
        of_words = np.full(len(begin), state), chains.phones[place == 0], chains.words, begin
        heads.append((*of_words, chains.costs + correction))
    inner = place > 0
    chain = states[inner] - 1, chains.phones[inner], zeros[inner], states[inner], np.zeros(inner.sum())
    none_of, sil_of = costs(1 - s.behind for s in both), costs(s.behind for s in both)
    flat = zeros[: len(end)]
    tails = (
        np.repeat(end, 2),
        np.tile([disambig, sil], len(end)),
        np.repeat(flat, 2),
        np.tile([none_state, sil_state], len(end)),
        np.column_stack([none_of, sil_of]).reshape(-1),
    )
    begin_none, begin_sil = costs([1 - silence.begin, silence.begin])
    head = _rows([(start, disambig, 0, none_state, begin_none), (start, sil, 0, sil_state, begin_sil)])
    finals = np.full(first_state + len(owner), np.inf)
    finals[sil_state], finals[none_state] = costs([silence.end_after_silence, silence.end_after_none])
    return [head, *heads, chain, tails], finals


def _rows(rows: Sequence[tuple[int, int, int, int, float]]) -> Arcs:
    labels = np.array([row[:4] for row in rows], np.int64)
    return *labels.T, np.array([row[4] for row in rows])  # type: ignore[return-value]
