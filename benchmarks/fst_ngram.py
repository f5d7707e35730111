"""n-gram models: estimation within bounds, reading ARPA, scoring a text, grammars, const-arpa.

    pip install kenlm
    python benchmarks/fst_ngram.py TEXT [--pykaldi PYTHON] [--min-count N]

Estimates a trigram of TEXT (a sentence a line) in processes of their own, without and with bounds of
memory; there is no peer: KenLM's package on PyPI has no lmplz. Then loads the model and scores the last
200,000 lines of TEXT beside KenLM's module in this process, opens it as const-arpa, and makes the
grammar and the const-arpa file beside Kaldi where PYTHON is a Python 3.7 with PyKaldi (another process,
CPU time of the call). Medians of CPU times; ratios above 1: sonant is faster.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kenlm

from sonant import _native
from sonant.fst import NgramLm, read_arpa
from sonant.kaldi.lm import ConstArpaLm
from sonant.kaldi.util.io import xopen

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


ESTIMATE = """
import hashlib, resource, sys, time
from pathlib import Path
from sonant.fst import NgramLm
text, memory, smoothing, least = sys.argv[1:5]
lm = NgramLm.train(
    [Path(part) for part in text.split(":")], 3, memory=int(memory) or None, smoothing=smoothing,
    min_counts=(1, 1, int(least)),
)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
digest = hashlib.sha1(lm.to_bytes()).hexdigest()[:8]
print(f"{time.process_time():7.1f} s with writing, {peak:5d} MiB at most, ARPA {digest}, {lm}")
"""


def estimation(text: Path, min_count: int) -> None:
    for smoothing, memory, times in [
        ("kneser-ney", 0, 1), ("kneser-ney", 512, 1), ("kneser-ney", 64, 1), ("kneser-ney", 512, 3),
        ("katz", 0, 1), ("katz", 64, 1),
    ]:  # fmt: skip
        command = [
            sys.executable,
            "-c",
            ESTIMATE,
            ":".join([str(text)] * times),
            str(memory << 20),
            smoothing,
        ]
        done = subprocess.run([*command, str(min_count)], capture_output=True, check=True, text=True)
        bound = f"{memory} MiB" if memory else "any memory"
        print(f"{smoothing}, text x {times}, counts in {bound}: {done.stdout.strip()}")


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
    parser.add_argument("--min-count", type=int, default=1, help="of trigrams")
    options = parser.parse_args()
    estimation(options.text, options.min_count)
    lm = NgramLm.train(options.text, 3, min_counts=(1, 1, options.min_count))
    with tempfile.TemporaryDirectory() as folder:
        words, numbers, out = (str(Path(folder) / name) for name in ("words", "numbers", "out"))
        lm.write(words)
        model = kenlm.Model(words)
        ours, theirs = seconds(lambda: NgramLm.read(words)), seconds(lambda: kenlm.Model(words))
        print(f"loading ARPA: sonant {ours:.3f} s, KenLM {theirs:.3f} s, {theirs / ours:.1f}x")
        lm.write_const_arpa(out)
        opened = time.perf_counter()
        with xopen(out) as file:
            ConstArpaLm().read(file.stream(), file.binary)
        opened = time.perf_counter() - opened
        print(f"opening const-arpa of {Path(out).stat().st_size >> 20} MiB: {opened:.4f} s")
        lines = options.text.read_text().splitlines()[-200_000:]
        text = Path(folder) / "text"
        text.write_text("\n".join(lines))

        def peer() -> None:
            for line in lines:
                model.score(line)

        started = time.process_time()
        lm.perplexity(text)
        first = time.process_time() - started
        ours, theirs = seconds(lambda: lm.perplexity(text)), seconds(peer)
        print(
            f"perplexity: sonant {ours:.3f} s (the first time {first:.3f} s), "
            f"KenLM in a loop {theirs:.3f} s, {theirs / ours:.1f}x"
        )
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
