"""L_disambig and LG of a small lexicon by Kaldi itself, for tests/fst/graphs/test_lg.py.

    python3.7 tests/oracle/make_graphs_lg_golden.py    # with pykaldi==0.2.1

Reads lexiconp_disambig.txt, words.txt, phones.txt and lm.arpa of tests/fst/graphs/golden, prints L as Kaldi's
make_lexicon_fst.py does (silence with probability 0.5), compiles it, makes G of the ARPA model, and writes
L_disambig.fst and LG.fst: composed, determinized in the log semiring, minimized, pushed, as mkgraph.sh does.
"""

import math
import os

from kaldi.fstext import StdFstCompiler, StdVectorFst, SymbolTable
from kaldi.fstext.special import determinize_star_in_log, push_special, table_compose
from kaldi.fstext.utils import minimize_encoded_std_fst
from kaldi.lm import ArpaLmCompiler, ArpaParseOptions
from kaldi.util.io import xopen

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "fst", "graphs", "golden")


def path(name):
    return os.path.join(GOLDEN, name)


def lexicon_lines(silence_symbol):
    cost = math.log(2)
    yield 0, 1, "<eps>", "<eps>", cost
    yield 0, 2, "<eps>", "<eps>", cost
    yield 2, 3, "SIL", "<eps>", 0.0
    yield 3, 1, silence_symbol, "<eps>", 0.0
    state = 4
    with open(path("lexiconp_disambig.txt")) as lines:
        for line in lines:
            fields = line.split()
            word, this, at = fields[0], -math.log(float(fields[1])), 1
            for phone in fields[2:-1]:
                yield at, state, phone, word, this
                at, word, this, state = state, "<eps>", 0.0, state + 1
            yield at, 1, fields[-1], word, cost + this
            yield at, 2, fields[-1], word, cost + this
    yield 1, 1, "#0", "#0", 0.0


def main():
    words, phones = SymbolTable.read_text(path("words.txt")), SymbolTable.read_text(path("phones.txt"))
    with open(path("phones.txt")) as lines:
        last = "#{}".format(sum(line.startswith("#") for line in lines) - 1)
    compiler = StdFstCompiler(isymbols=phones, osymbols=words)
    for line in lexicon_lines(last):
        print(*line, file=compiler)
    print(1, 0.0, file=compiler)
    lexicon = compiler.compile()
    lexicon.arcsort("olabel")
    lexicon.write(path("L_disambig.fst"))

    options = ArpaParseOptions()
    options.bos_symbol, options.eos_symbol = words.find_index("<s>"), words.find_index("</s>")
    options.oov_handling = ArpaParseOptions.OovHandling.SKIP_NGRAM
    arpa = ArpaLmCompiler(options, words.find_index("#0"), words)
    with xopen(path("lm.arpa")) as file:
        arpa.read(file.stream())
    grammar = StdVectorFst(arpa.fst())
    grammar.arcsort("ilabel")
    lg = StdVectorFst()
    table_compose(lexicon, grammar, lg)
    determinize_star_in_log(lg)
    minimize_encoded_std_fst(lg)
    push_special(lg)
    lg.arcsort("ilabel")
    lg.write(path("LG.fst"))
    print(lg.num_states(), "states")


if __name__ == "__main__":
    main()
