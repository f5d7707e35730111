"""Keyword search in lattices (PyKaldi's `kaldi.kws`): where was this said, and how likely is it?

>>> index = lattice_to_kws_index(clat, 1)  # a number for each utterance
>>> index.union(lattice_to_kws_index(other, 2))
>>> optimize_kws_index(index)
>>> table = KwsIndexEncodeTable(ENCODE_LABELS)
>>> encode_kws_disambiguation_symbols(index, table)
>>> for utterance, begin, end, cost in search_kws_index(index, keyword, table):
...     print(utterance, begin, end, math.exp(-cost))

`keyword` is an acceptor of words, with alternatives and costs maybe. Scale acoustic costs before. Can and
Saraclar, "Lattice indexing for spoken term detection", 2011.
"""

import math
from typing import Any

from sonant import _native
from sonant.errors import FstError
from sonant.fst import Encoder, Fst, compose, connect, determinize, minimize_encoded, project, push, rmepsilon
from sonant.kaldi.fstext import KwsIndexArc, KwsIndexEncodeTable, KwsIndexVectorFst, StdConstFst, StdVectorFst
from sonant.kaldi.fstext.semirings import KwsIndexWeight
from sonant.kaldi.lat._lattices import compact_of

_ARC = "tropical_LT_tropical_LT_tropical"
Result = tuple[int, int, int, float]


def lattice_to_kws_index(
    clat: Any,
    utterance_id: int,
    max_silence_frames: int = 50,
    max_states: int = -1,
    allow_partial: bool = True,
    destructive: bool = False,
) -> KwsIndexVectorFst:
    """The index of a lattice: sequences of its words with costs and times, `utterance_id` (from 1 on) behind.

    Sequences do not go over silences of more frames than `max_silence_frames`, if that is not negative. Where
    the index would have more states than `max_states`, if that is positive, it is whole but not determinized:
    searches find the same. `allow_partial` and `destructive` change nothing. Raises FstError for cycles and
    costs that are no numbers."""
    del allow_partial, destructive
    native = _native.lattice_keyword_index(compact_of(clat).fst.native, utterance_id, max_silence_frames)
    return KwsIndexVectorFst.of_native(_optimized(Fst.of_native(native), max_states).native)


def optimize_kws_index(index: KwsIndexVectorFst, max_states: int = -1) -> None:
    """Makes the union of indexes deterministic and small, in place."""
    fst = _index(index)
    index.native = _optimized(rmepsilon(fst), max_states).native


def _optimized(fst: Fst, max_states: int) -> Fst:
    encoder = Encoder(labels=True, weights=False, arc_type=_ARC)
    encoded = encoder.encode(fst)
    try:
        made = determinize(encoded, max_states=max_states if max_states > 0 else None)
    except FstError as error:
        if max_states <= 0 or "max_states" not in str(error):
            raise
        return fst
    return encoder.decode(minimize_encoded(push(made)))


def encode_kws_disambiguation_symbols(index: KwsIndexVectorFst, encode_table: KwsIndexEncodeTable) -> None:
    """Puts what tells times apart and the utterance into one output label of the last arcs, in place: for
    `search_kws_index`, once for an index."""
    fst = _index(index)
    made = Fst(_ARC)
    made.add_states(fst.num_states)
    if fst.start >= 0:
        made.set_start(fst.start)
    final = [math.isfinite(_cost(fst.final(state))) for state in range(fst.num_states)]
    one = KwsIndexWeight.one()
    for state in range(fst.num_states):
        made.set_final(state, fst.final(state))
        for ilabel, olabel, weight, to in fst.arcs_of(state):
            if final[to]:
                olabel = encode_table.encode(KwsIndexArc(ilabel, olabel, one, to))
                ilabel = 0
            made.add_arc(state, ilabel, olabel, weight, to)
    index.native = made.native


def search_kws_index(
    index: KwsIndexVectorFst,
    keyword: StdVectorFst | StdConstFst,
    encode_table: KwsIndexEncodeTable,
    n_best: int = -1,
    detailed: bool = False,
) -> Any:
    """Where a keyword is said: (utterance, first frame, end, cost), the likeliest first; the cost is a
    negated logarithm of a probability, and what the keyword itself costs; it is below 0 where one path says
    the keyword twice at about the same time. `n_best`, if positive: so many.

    With `detailed` (results, stats, ilabels): stats are those of each way to say the keyword, ilabels its
    words. Nothing is found where the index has not been through `encode_kws_disambiguation_symbols`; FstError
    where `encode_table` is not the one of then."""
    if not isinstance(keyword, StdVectorFst | StdConstFst):
        raise TypeError(f"a {type(keyword).__name__}; expected a keyword as StdVectorFst")
    matched = compose(_as_index(Fst.of_native(keyword.native)), _index(index))
    found: dict[int, tuple[float, float, float]] = {}
    ends = rmepsilon(project(matched, True))
    arcs = ends.arcs_of(ends.start) if ends.start >= 0 else []
    for label, _, weight, _ in arcs:
        value = tuple(map(float, weight))  # pyright: ignore[reportArgumentType]
        found[label] = min(value, found.get(label, value))  # pyright: ignore
    best = sorted(found.items(), key=lambda item: item[1])[: n_best if n_best > 0 else None]
    results = [_result(label, weight, encode_table) for label, weight in best]
    if not detailed:
        return results
    stats, words = [], []
    for labels, label, weight in sorted(_ways(connect(matched)), key=lambda way: way[2]):
        stats.append(_result(label, weight, encode_table))
        words.append(labels)
    return results, stats, words


def _result(label: int, weight: Any, table: KwsIndexEncodeTable) -> Result:
    cost, begin, end = weight
    return table.decode(label).olabel, int(begin), int(end), float(cost)


def _ways(fst: Fst) -> list[tuple[list[int], int, tuple[float, float, float]]]:
    """(input labels, last output label, weight) of all paths."""
    found = []
    todo: list[Any] = [(fst.start, [], 0, (0.0, 0.0, 0.0))] if fst.start >= 0 else []
    while todo:
        state, labels, label, weight = todo.pop()
        final: Any = fst.final(state)
        if math.isfinite(final[0]):
            found.append((labels, label, tuple(map(sum, zip(weight, final, strict=True)))))
        for ilabel, olabel, more, to in fst.arcs_of(state):
            along = [*labels, ilabel] if ilabel else labels
            todo.append((to, along, olabel or label, tuple(map(sum, zip(weight, more, strict=True)))))  # pyright: ignore
    return found


def _index(index: Any) -> Fst:
    if not isinstance(index, KwsIndexVectorFst):
        raise TypeError(f"a {type(index).__name__}; expected a KwsIndexVectorFst")
    return Fst.of_native(index.native)


def _cost(weight: Any) -> float:
    return weight[0]


def _as_index(keyword: Fst) -> Fst:
    """With costs as those of an index, sorted for composition."""
    made = Fst(_ARC)
    made.add_states(keyword.num_states)
    if keyword.start >= 0:
        made.set_start(keyword.start)
    for state in range(keyword.num_states):
        final: Any = keyword.final(state)
        if math.isfinite(final):
            made.set_final(state, (final, 0.0, 0.0))
        for ilabel, olabel, weight, to in keyword.arcs_of(state):
            made.add_arc(state, ilabel, olabel, (weight, 0.0, 0.0), to)  # pyright: ignore[reportArgumentType]
    return made.arc_sort("olabel")
