"""Grammars and const-arpa files as Kaldi makes them, for tests/kaldi/lm.

    PYTHON_WITH_PYKALDI tests/oracle/make_lm_golden.py

The models are odd on purpose: numbers of all forms, missing backoffs, n-grams without a first part, histories
that only the highest order names, <s> and </s> in odd places, orders 1 to 5. `NAME.arpa` has words,
`NAME.int.arpa` their numbers.
"""

import gzip
import json
import os
import random

from kaldi.fstext import StdVectorFst
from kaldi.lm import (
    ArpaLmCompiler,
    ArpaParseOptions,
    ConstArpaLm,
    ConstArpaLmDeterministicFst,
    build_const_arpa_lm,
)
from kaldi.util.io import xopen

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kaldi", "lm", "golden")
HANDLING = ArpaParseOptions.OovHandling


def make(name, order, vocabulary, size, odd, seed):
    """A model of random n-grams; `odd` ones have what real files should not have."""
    random.seed(seed)
    words = [f"w{i}" for i in range(vocabulary)]
    number = {"<eps>": 0, "#0": 1, "<s>": 2, "</s>": 3, "<unk>": 4}
    for word in words:
        number[word] = len(number)
    ngrams = [{("<s>",), ("</s>",), ("<unk>",)} | {(w,) for w in words}]
    for n in range(2, order + 1):
        before = sorted(g for g in ngrams[-1] if g[-1] != "</s>")
        made = set()
        for _ in range(size):
            head = random.choice(before)
            if odd and random.random() < 0.05:
                head = tuple(random.choice(words) for _ in range(n - 1))
            last = random.choice([*words, "</s>"] + (["<s>"] if odd and random.random() < 0.2 else []))
            made.add((*head, last))
        ngrams.append(made)
    lines = ["made up", "", "\\data\\"] + [f"ngram {i + 1}={len(g)}" for i, g in enumerate(ngrams)]
    for n, group in enumerate(ngrams, 1):
        lines += ["", f"\\{n}-grams:"]
        group = sorted(group)
        if odd:
            random.shuffle(group)
        for gram in group:
            logprob = (
                "-99" if gram == ("<s>",) else random.choice(["%.6f", "%.9f", "%.3e"]) % -random.uniform(0, 6)
            )
            line = logprob + "\t" + " ".join(gram)
            if n < order and gram[-1] != "</s>" and random.random() < 0.8:
                line += f"\t{random.uniform(-1.5, 0.1):.7f}"
            lines.append(line)
    lines += ["", "\\end\\", ""]
    text = "\n".join(lines)
    with gzip.GzipFile(os.path.join(HERE, name + ".arpa.gz"), "wb", mtime=0) as file:
        file.write(text.encode())
    out = []
    for line in lines:
        fields = line.split("\t")
        if len(fields) > 1:
            fields[1] = " ".join(str(number[w]) for w in fields[1].split())
        out.append("\t".join(fields))
    path = os.path.join("/tmp", name + ".int.arpa")
    with open(path, "w") as file:
        file.write("\n".join(out))
    return path


def grammar(name, path, backoff):
    options = ArpaParseOptions()
    options.bos_symbol, options.eos_symbol = 2, 3
    compiler = ArpaLmCompiler(options, backoff, None)
    with xopen(path) as file:
        compiler.read(file.stream())
    out = os.path.join("/tmp", "G.fst")
    StdVectorFst(compiler.fst()).write(out)
    with (
        open(out, "rb") as file,
        gzip.GzipFile(os.path.join(HERE, f"{name}.{backoff}.fst.gz"), "wb", mtime=0) as packed,
    ):
        packed.write(file.read())


def const_arpa(name, path, unk):
    options = ArpaParseOptions()
    options.bos_symbol, options.eos_symbol, options.unk_symbol = 2, 3, unk
    out = os.path.join("/tmp", "G.carpa")
    build_const_arpa_lm(options, path, out)
    lm = ConstArpaLm()
    with xopen(out) as file:
        lm.read(file.stream(), file.binary)
    with (
        open(out, "rb") as file,
        gzip.GzipFile(os.path.join(HERE, f"{name}.{unk}.carpa.gz"), "wb", mtime=0) as packed,
    ):
        packed.write(file.read())
    random.seed(3)
    scores = []
    for _ in range(300):
        history = [random.choice([2, 3, 4, 5, 6, 7, 8, 9, 500]) for _ in range(random.randint(0, 5))]
        word = random.choice([3, 4, 5, 6, 7, 8, 9, 500])
        scores.append(
            [
                history,
                word,
                repr(lm.get_ngram_log_prob(word, history)),
                bool(lm.history_state_exists(history)),
            ]
        )
    automaton = ConstArpaLmDeterministicFst(lm)
    state, walk = automaton.start(), []
    for _ in range(100):
        word = random.randint(5, 15)
        arc = automaton.get_arc(state, word)
        walk.append([word, repr(arc.weight.value), arc.nextstate, repr(automaton.final(state).value)])
        state = arc.nextstate
    return {"scores": scores, "walk": walk}


results = {}
for name, order, vocabulary, size, odd in (
    ("one", 1, 30, 0, False),
    ("two", 2, 30, 200, False),
    ("three", 3, 40, 300, False),
    ("odd", 3, 40, 300, True),
    ("five", 5, 30, 150, True),
):
    path = make(name, order, vocabulary, size, odd, seed=order + odd)
    for backoff in (0, 1):
        grammar(name, path, backoff)
    if not odd:
        for unk in (-1, 4):
            results[f"{name}.{unk}"] = const_arpa(name, path, unk)
with open(os.path.join(HERE, "const_arpa.json"), "w") as file:
    json.dump(results, file, separators=(",", ":"))
