"""n-gram models: reading ARPA into a grammar, making const-arpa, scoring a text.

    pip install kenlm
    python benchmarks/fst_ngram.py TEXT [--pykaldi PYTHON]

Estimates a trigram of TEXT (a sentence a line), then times: the grammar and the const-arpa file of it beside
Kaldi where PYTHON is a Python 3.7 with PyKaldi (another process, CPU time of the call), and the perplexity of
TEXT beside KenLM's module in this process. Medians of CPU times; ratios above 1: sonant is faster.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kenlm

from sonant import _native
from sonant.fst import NgramLm, read_arpa

TURNS = 5
KALDI = """
import json, sys, time
from kaldi.fstext import SymbolTable
from kaldi.lm import *
from kaldi.util.io import xopen
words, numbers, out = sys.argv[1:4]
found = {"grammar": [], "const-arpa": []}
for _ in range(int(sys.argv[4])):
    symbols = SymbolTable()
    options = ArpaParseOptions()
    symbols.add_pair("<eps>", 0)
    backoff = symbols.add_symbol("#0")
    options.bos_symbol, options.eos_symbol = symbols.add_symbol("<s>"), symbols.add_symbol("</s>")
    options.oov_handling = ArpaParseOptions.OovHandling.ADD_TO_SYMBOLS
    compiler = ArpaLmCompiler(options, backoff, symbols)
    started = time.process_time()
    with xopen(words) as file:
        compiler.read(file.stream())
    found["grammar"].append(time.process_time() - started)
    options = ArpaParseOptions()
    options.bos_symbol, options.eos_symbol, options.unk_symbol = 1, 2, 3
    started = time.process_time()
    build_const_arpa_lm(options, numbers, out)
    found["const-arpa"].append(time.process_time() - started)
json.dump(found, sys.stdout)
"""


def seconds(job: Callable[[], object]) -> float:
    times = []
    for _ in range(TURNS):
        started = time.process_time()
        job()
        times.append(time.process_time() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    parser.add_argument("--pykaldi")
    options = parser.parse_args()
    started = time.process_time()
    lm = NgramLm.train(options.text, 3)
    print(f"{lm}: estimated in {time.process_time() - started:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        words, numbers, out = (str(Path(folder) / name) for name in ("words", "numbers", "out"))
        lm.write(words)
        model = kenlm.Model(words)
        lines = options.text.read_text().splitlines()

        def peer() -> None:
            for line in lines:
                model.score(line)

        ours, theirs = seconds(lambda: lm.perplexity(options.text)), seconds(peer)
        print(f"perplexity: sonant {ours:.3f} s, KenLM in a loop {theirs:.3f} s, {theirs / ours:.1f}x")
        if not options.pykaldi:
            return
        carpa = lm.native.to_const_arpa()
        stream = _native.Output.in_memory()
        carpa.write_arpa(stream, None)
        Path(numbers).write_bytes(stream.getvalue())
        command = [options.pykaldi, "-c", KALDI, words, numbers, out, str(TURNS)]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        arguments = (None, 1, 2, 3, 0, 30)

        def const_arpa() -> None:
            with open(numbers, "rb") as file:
                native, _ = _native.NgramLm.read(_native.Input(file.fileno(), numbers, False), *arguments)
            with open(out + ".ours", "wb") as file:
                stream = _native.Output(file.fileno(), "ours", False)
                stream.header(True)
                native.to_const_arpa().write(stream)
                stream.close()

        for name, job in (("grammar", lambda: read_arpa(words, sort=False)), ("const-arpa", const_arpa)):
            ours, theirs = seconds(job), statistics.median(found[name])
            print(f"{name}: sonant {ours:.3f} s, Kaldi {theirs:.3f} s, {theirs / ours:.1f}x")
        same = Path(out).read_bytes() == Path(out + ".ours").read_bytes()
        print(f"const-arpa files: {'the same bytes' if same else 'different'}")


if __name__ == "__main__":
    main()
