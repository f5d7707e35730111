"""What Kaldi adds to OpenFst, beside Kaldi itself: a trigram grammar, and language models made on demand.

    python benchmarks/fst_special.py CORPUS --kaldi PYTHON [--sentences 60000]

CORPUS: sentences, one a line (.xz or plain), of which a trigram model is trained. PYTHON: a Python 3.7 that
has PyKaldi (another process, on the same files). Both take turns; ratios are of CPU times (medians). On
demand the model scores 200 lattices of 20 words with four choices each; states of the results are compared.
"""

import argparse
import itertools
import json
import lzma
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sonant import fst as operations
from sonant.fst import Fst, NgramLm
from sonant.kaldi import fstext
from sonant.kaldi.fstext import special, utils
from sonant.kaldi.lm import ConstArpaLm, ConstArpaLmDeterministicFst
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import LatticeWriter, SequentialLatticeReader

TURNS = 5

# The same program for both: PyKaldi's names are here, too.
JOBS = """
def jobs(folder):
    grammar = StdVectorFst.read(folder + "/G.fst")
    lattices = [StdVectorFst.read(folder + "/%d.fst" % i) for i in range(200)]
    const = ConstArpaLm()
    with xopen(folder + "/G.carpa") as file:
        const.read(file.stream(), file.binary)
    with SequentialLatticeReader("ark:" + folder + "/lat.ark") as reader:
        decoded = [lattice.copy() for _, lattice in reader]

    def changed(operation):
        def job():
            copy = grammar.copy()
            operation(copy)
            return copy.num_states()
        return job

    def safe():
        made = StdVectorFst()
        utils.safe_determinize_wrapper(grammar.copy(), made)
        return made.num_states()

    def composed(model):
        return lambda: sum(
            special.compose_deterministic_on_demand_fst(lattice, model()).num_states() for lattice in lattices
        )

    return {
        "push_special": changed(special.push_special),
        "remove_eps_local, special": changed(lambda f: special.remove_eps_local(f, True)),
        "safe_determinize_wrapper": safe,
        "make_following_input_symbols_same": changed(
            lambda f: utils.make_following_input_symbols_same(False, f)
        ),
        "remove_useless_arcs": changed(utils.remove_useless_arcs),
        "200 lattices on demand, backoff": composed(
            lambda: special.StdBackoffDeterministicOnDemandFst(grammar)
        ),
        "200 lattices on demand, const-arpa": composed(lambda: ConstArpaLmDeterministicFst(const)),
        "determinize_lattice, 50": lambda: sum(
            special.determinize_lattice(lattice).num_states() for lattice in decoded
        ),
    }
"""

PEER = (
    """
import json, sys, time
from kaldi.fstext import StdVectorFst, special, utils
from kaldi.lm import ConstArpaLm, ConstArpaLmDeterministicFst
from kaldi.util.io import xopen
from kaldi.util.table import SequentialLatticeReader
"""
    + JOBS
    + """
made = jobs(*sys.argv[1:])
print("ready", flush=True)
for line in sys.stdin:
    start = time.process_time()
    found = made[line.strip()]()
    print(json.dumps([time.process_time() - start, found]), flush=True)
"""
)


def write_machines(corpus: str, sentences: int, folder: Path) -> None:
    data = Path(corpus).read_bytes()
    text = (lzma.decompress(data) if corpus.endswith(".xz") else data).decode()
    lines = [line.lower() for line in itertools.islice(text.splitlines(), sentences)]
    lm = NgramLm.train(lines, 3)
    (folder / "G.arpa").write_bytes(lm.to_bytes())
    lm.write_const_arpa(folder / "G.carpa")
    lm.symbols.add("#0")
    grammar = lm.to_fst(symbols=lm.symbols)
    grammar = operations.relabel(grammar, [(lm.symbols["#0"], 0)]).arc_sort()
    grammar.input_symbols = grammar.output_symbols = None
    grammar.write(folder / "G.fst")
    print(f"G: {grammar!r}, n-grams {lm.counts}")
    r = random.Random(0)
    words = list({lm.symbols[word] for line in lines[:2000] for word in line.split()})
    for i in range(200):
        fst = Fst()
        fst.add_states(21)
        fst.set_start(0)
        for state in range(20):
            for label in r.sample(words, 4):
                fst.add_arc(state, label, label, r.random(), state + 1)
        fst.set_final(20, 0.0)
        fst.write(folder / f"{i}.fst")
    with LatticeWriter(f"ark:{folder}/lat.ark") as writer:
        for i in range(50):
            writer[f"lattice-{i:02}"] = fstext.LatticeVectorFst(random_lattice(r))


def random_lattice(r: random.Random) -> Fst:
    """1000 states, each with arcs to some of the next ones; few words, so that many paths have the same."""
    fst = Fst("lattice4")
    fst.add_states(1000)
    fst.set_start(0)
    for state in range(999):
        for _ in range(2):
            word = r.choice([0, 0, *range(1, 20)])
            to = min(999, state + r.randrange(1, 4))
            fst.add_arc(state, word, r.randrange(1, 100), (r.random(), r.random()), to)
    fst.set_final(999, (0.0, 0.0))
    return fst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--kaldi", required=True)
    parser.add_argument("--sentences", type=int, default=60000)
    options = parser.parse_args()
    names = {
        "StdVectorFst": fstext.StdVectorFst,
        "special": special,
        "utils": utils,
        "ConstArpaLm": ConstArpaLm,
        "ConstArpaLmDeterministicFst": ConstArpaLmDeterministicFst,
        "xopen": xopen,
        "SequentialLatticeReader": SequentialLatticeReader,
    }
    exec(JOBS, names)
    with tempfile.TemporaryDirectory() as name:
        write_machines(options.corpus, options.sentences, Path(name))
        ours: dict[str, Callable[[], int]] = names["jobs"](name)  # type: ignore[operator]
        command = [options.kaldi, "-c", PEER, name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdin and peer.stdout
            assert peer.stdout.readline().strip() == "ready"
            print("| | sonant (ms) | Kaldi (ms) | ratio | states |\n|---|---|---|---|---|")
            for job, call in ours.items():
                times: tuple[list[float], list[float]] = ([], [])
                sizes = set()
                for _ in range(TURNS):
                    start = time.process_time()
                    sizes.add(call())
                    times[0].append(time.process_time() - start)
                    print(job, file=peer.stdin, flush=True)
                    took, size = json.loads(peer.stdout.readline())
                    times[1].append(took)
                    sizes.add(size)
                mine, theirs = (1000 * statistics.median(each) for each in times)
                shown = ", ".join(map(str, sorted(sizes)))
                print(f"| {job} | {mine:.1f} | {theirs:.1f} | {theirs / mine:.1f} | {shown} |", flush=True)
            peer.stdin.close()


if __name__ == "__main__":
    main()
