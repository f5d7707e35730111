"""Golden data of keyword search, made by Kaldi through PyKaldi 0.2.1 (Python 3.7).

    python tests/oracle/make_kws_golden.py tests/lattice/golden

Of the first lattices of make_lattice_golden.py: what is found in the index of all; and of those of its model,
aligned by words, which have silences.
"""

import json
import os
import sys

import kaldi.base
from kaldi import kws
from kaldi.fstext import KwsIndexEncodeTable, StdArc, StdVectorFst, TropicalWeight
from kaldi.hmm import TransitionModel
from kaldi.lat import align
from kaldi.lat import functions as F
from kaldi.util.io import xopen
from kaldi.util.table import SequentialLatticeReader

kaldi.base.set_verbose_level(-1)


def acceptor(sentences):
    """Of sentences, each a list of words and a cost."""
    fst = StdVectorFst()
    fst.set_start(fst.add_state())
    end = fst.add_state()
    fst.set_final(end, TropicalWeight(0.0))
    for words, cost in sentences:
        state = 0
        for i, word in enumerate(words):
            last = i + 1 == len(words)
            to = end if last else fst.add_state()
            fst.add_arc(state, StdArc(word, word, TropicalWeight(cost if last else 0.0), to))
            state = to
    return fst


TYPES = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]


def with_silences(folder):
    """Lattices aligned by words; silences are words 0."""
    with open("/tmp/word_boundary.int", "w") as file:
        file.writelines(f"{phone} {kind}\n" for phone, kind in enumerate(TYPES, 1))
    tmodel = TransitionModel()
    with xopen(os.path.join(folder, "model.mdl")) as file:
        tmodel.read(file.stream(), file.binary)
    for i, (_, raw) in enumerate(SequentialLatticeReader("ark:" + os.path.join(folder, "model.ark"))):
        opts = align.WordBoundaryInfoNewOpts()
        opts.reorder = i % 2 == 0
        info = align.WordBoundaryInfo.from_file(opts, "/tmp/word_boundary.int")
        clat = F.determinize_lattice_pruned(raw, 100.0)
        _, made = align.word_align_lattice(clat, tmodel, info, 0)
        F.top_sort_lattice_if_needed(made)
        yield i + 1, made


def found_in(index, keywords):
    kws.optimize_kws_index(index)
    table = KwsIndexEncodeTable(1)
    kws.encode_kws_disambiguation_symbols(index, table)
    return [kws.search_kws_index(index, acceptor(keyword), table, -1, True) for keyword in keywords]


def main(folder):
    index, words = None, []
    for number, (_, raw) in enumerate(
        SequentialLatticeReader("ark:" + os.path.join(folder, "random.ark")), 1
    ):
        if number > 8:
            break
        clat = F.determinize_lattice_pruned(raw, 5.0)
        F.top_sort_lattice_if_needed(clat)
        best = F.compact_lattice_shortest_path(clat)
        words.append([a.ilabel for s in range(best.num_states()) for a in best.arcs(s) if a.ilabel])
        made = kws.lattice_to_kws_index(clat, number)
        index = made if index is None else index.union(made)
    keywords = [[[[word], 0.0]] for word in range(1, 41)]
    keywords += [[[sentence[i : i + n], 0.0]] for sentence in words for n in (2, 3) for i in (0, 2)]
    keywords += [[[sentence[:1], 0.5], [sentence[1:3], 0.25], [sentence[2:3], 1.0]] for sentence in words]
    keywords = [[pair for pair in keyword if pair[0]] for keyword in keywords]
    keywords = [keyword for keyword in keywords if keyword]
    found = {"random": [keywords, found_in(index, keywords)]}
    pairs = [[[[a, b], 0.0]] for a in range(1, 7) for b in range(1, 7)]
    for silence in (50, 5, 0):
        index = None
        for number, clat in with_silences(folder):
            made = kws.lattice_to_kws_index(clat, number, silence)
            index = made if index is None else index.union(made)
        found[str(silence)] = [pairs, found_in(index, pairs)]
    with open(os.path.join(folder, "kws.json"), "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
