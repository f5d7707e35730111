"""Golden data of rescored lattices, made by Kaldi through PyKaldi 0.2.1 (Python 3.7).

    python tests/oracle/make_rescore_golden.py tests/lattice/golden

Of the lattices of make_lattice_golden.py: pruned composition with language models (from small.arpa and
big.arpa, which it writes, too), and what PyKaldi's LatticeLmRescorer does.
"""

import gzip
import json
import os
import random
import sys

import kaldi.base
from kaldi.fstext import (
    CompactLatticeVectorFst,
    CompactLatticeWeight,
    LatticeVectorFst,
    StdVectorFst,
    SymbolTable,
    compose,
    utils,
)
from kaldi.fstext.special import (
    ScaleDeterministicOnDemandFst,
    StdBackoffDeterministicOnDemandFst,
    StdComposeDeterministicOnDemandFst,
    StdUnweightedNgramFst,
    determinize_lattice,
)
from kaldi.lat import functions as F
from kaldi.lm import (
    ArpaLmCompiler,
    ArpaParseOptions,
    ConstArpaLm,
    ConstArpaLmDeterministicFst,
    build_const_arpa_lm,
)
from kaldi.util.io import xopen
from kaldi.util.table import SequentialLatticeReader

kaldi.base.set_verbose_level(-1)
WORDS, BOS, EOS, BACKOFF = 40, 41, 42, 43
# beam, max_arcs, initial_num_arcs, growth_ratio
OPTIONS = {
    "usual": (6.0, 100000, 100, 1.5),
    "narrow": (2.0, 100000, 20, 1.2),
    "few": (8.0, 30, 10, 2.0),
    "exact": (1e4, 100000, 5, 1.1),
}


def write_arpa(path, rng, order):
    """A random model: histories that are there have some of the words behind them."""
    names = [str(word) for word in range(1, WORDS + 1)]
    grams = {(name,): None for name in [*names, str(BOS), str(EOS)]}
    levels = [grams]
    for n in range(2, order + 1):
        found = {}
        for history in sorted(levels[-1]):
            if history[-1] == str(EOS) or (n > 2 and rng.random() < 0.5):
                continue
            for name in rng.sample([*names, str(EOS)], 3):
                if (*history[1:], name) in levels[-1]:
                    found[(*history, name)] = None
        levels.append(found)
    with open(path, "w") as file:
        file.write("\\data\\\n")
        for n, level in enumerate(levels, 1):
            file.write(f"ngram {n}={len(level)}\n")
        for n, level in enumerate(levels, 1):
            file.write(f"\n\\{n}-grams:\n")
            # Const-arpa models forget the backoff of n-grams that nothing follows: there is none here.
            followed = {gram[:-1] for gram in levels[n]} if n < order else set()
            for gram in sorted(level):
                score = -99.0 if gram == (str(BOS),) else round(-2.5 * rng.random() - 0.1, 4)
                backoff = f"\t{round(-rng.random(), 4)}" if gram in followed else ""
                file.write(f"{score}\t{' '.join(gram)}{backoff}\n")
        file.write("\n\\end\\\n")


def options(name):
    opts = F.ComposeLatticePrunedOptions()
    opts.lattice_compose_beam, opts.max_arcs, opts.initial_num_arcs, opts.growth_ratio = OPTIONS[name]
    return opts


def parse_options():
    opts = ArpaParseOptions()
    opts.bos_symbol, opts.eos_symbol = BOS, EOS
    return opts


def grammar(path):
    """Backs off by BACKOFF on the input side, by epsilon on the other."""
    table = SymbolTable()
    for word in range(1, BOS + 4):
        table.add_pair(str(word), word)
    made = ArpaLmCompiler(parse_options(), BACKOFF, table)
    with xopen(path) as file:
        made.read(file.stream())
    return StdVectorFst(made.fst()).arcsort()


def numbers(values):
    return [round(float(value), 5) for value in values]


def dumped(lattice):
    states = []
    for s in range(lattice.num_states()):
        final = lattice.final(s)
        arcs = [
            [
                a.ilabel,
                *numbers([a.weight.weight.value1, a.weight.weight.value2]),
                list(a.weight.string),
                a.nextstate,
            ]
            for a in lattice.arcs(s)
        ]
        end = None
        if final != CompactLatticeWeight.zero():
            end = [*numbers([final.weight.value1, final.weight.value2]), list(final.string)]
        states.append([end, arcs])
    return states


def rescored(lattice, old, new, phi):
    """What PyKaldi's LatticeLmRescorer does; its own constructor raises a TypeError."""
    old = utils.convert_std_to_lattice(old).project(True).arcsort()
    new = utils.convert_std_to_lattice(new)
    if phi is None:
        new.project(True)
    new.arcsort()
    negative = utils.graph_lattice_scale(-1.0)
    raw = utils.convert_compact_lattice_to_lattice(CompactLatticeVectorFst(lattice))
    utils.scale_lattice(negative, raw)
    made = determinize_lattice(compose(raw.arcsort("olabel"), old).invert(), False).invert()
    utils.scale_lattice(negative, made)
    if phi is None:
        made = compose(made, new)
    else:
        made, taken = LatticeVectorFst(), made
        utils.phi_compose_lattice(taken, new, phi, made)
    return determinize_lattice(made.invert())


def main(folder):
    rng = random.Random(11)
    small, big = (os.path.join(folder, name) for name in ("small.arpa", "big.arpa"))
    write_arpa(small, rng, 2)
    write_arpa(big, rng, 3)
    build_const_arpa_lm(parse_options(), big, "/tmp/big.carpa")
    const = ConstArpaLm()
    with xopen("/tmp/big.carpa") as file:
        const.read(file.stream(), file.binary)
    old, new = (grammar(path).project(True).arcsort() for path in (small, big))
    results = {}
    for i, (key, raw) in enumerate(SequentialLatticeReader("ark:" + os.path.join(folder, "random.ark"))):
        lattice = F.determinize_lattice_pruned(raw, 8.0)
        F.top_sort_lattice_if_needed(lattice)
        taken = StdBackoffDeterministicOnDemandFst(old)  # kept: PyKaldi's objects do not keep theirs
        subtracted = ScaleDeterministicOnDemandFst(-0.8, taken)
        added = StdBackoffDeterministicOnDemandFst(new)
        models = {
            "history": StdUnweightedNgramFst(3),
            "backoff": added,
            "const": ConstArpaLmDeterministicFst(const),
            "difference": StdComposeDeterministicOnDemandFst(subtracted, added),
        }
        found = {}
        for j, (name, model) in enumerate(sorted(models.items())):
            for k, chosen in enumerate(sorted(OPTIONS)):
                if (i + j + k) % 2 == 0:
                    made = F.compose_compact_lattice_pruned(options(chosen), lattice, model)
                    found[f"{name} {chosen}"] = dumped(made)
        found["rescorer phi"] = dumped(rescored(lattice, grammar(small), grammar(big), BACKOFF))
        found["rescorer epsilon"] = dumped(rescored(lattice, grammar(small), grammar(big), None))
        results[key] = found
    with open(os.path.join(folder, "rescored.json.gz"), "wb") as file:
        file.write(gzip.compress(json.dumps(results, sort_keys=True).encode(), 9))


main(sys.argv[1])
