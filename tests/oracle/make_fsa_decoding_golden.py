# ruff: noqa: E501
"""Golden values of tests/fsa for decoding: intersect_dense_pruned, OnlineDenseIntersecter, Nbest and what goes with them.

    PYTHON tests/oracle/make_fsa_decoding_golden.py tests/fsa/golden      (a Python 3.8 that has k2 1.23.2)

As make_fsa_golden.py. Searches are short, or without an output beam, as k2 prunes longer ones by what it sees of them.
"""

import random
import sys

from make_fsa_golden import int32, random_lines, write


def network(generator, sequences, frames, classes):
    """Scores that are multiples of 1/16 and seldom alike, so that both sides add them up exactly."""
    values = [
        [[generator.randint(-80, 0) / 16 for _ in range(classes)] for _ in range(frames)]
        for _ in range(sequences)
    ]
    return f"p = torch.tensor({values}).requires_grad_(True)\n"


SUMS = """
def g(r, *xs):
    t = r.get_tot_scores(True, True); t[t > -1e9].sum().backward()
    return [r, t, *[x.grad for x in xs]]
"""


def pruned_cases():
    for seed in range(8):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(3, 7), 3, top_sorted=False) for _ in range(3)]
        make = (
            f"f = k2.arc_sort(k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {texts}])).requires_grad_(True)\n"
            + network(generator, 3, 8, 5)
            + f"d = k2.DenseFsaVec(p, {int32([[2, 0, 8], [0, 1, 5], [1, 2, 1]])})\n{SUMS}"
        )
        yield (
            make,
            [
                "g(k2.intersect_dense_pruned(f, d, 1e5, 1e5, 0, 10000), f, p)",
                "g(k2.intersect_dense_pruned(f, d, 1e5, 2.5, 0, 10000, frame_idx_name='t', seqframe_idx_name='r'), f, p)",
                "k2.intersect_dense_pruned(f, d, 1.5, 8.0, 0, 10000)",
                "k2.intersect_dense_pruned(f, d, 1.5, 8.0, 3, 10000)",
                "k2.intersect_dense_pruned(f, d, 4.0, 8.0, 0, 2)",
                "k2.intersect_dense_pruned(f, d, 4.0, 2.0, 1, 3)",
            ],
        )
    generator = random.Random(100)
    topology = (
        network(generator, 2, 18, 5)
        + f"d = k2.DenseFsaVec(p, {int32([[0, 0, 18], [1, 0, 12]])})\nh = k2.ctc_topo(4)\n{SUMS}"
    )
    yield (
        topology,
        [
            f"k2.intersect_dense_pruned(h, d, {search}, {output}, {low}, {high}).{what}"
            for search, output, low, high in [
                (3.0, 2.0, 0, 100),
                (2.0, 6.0, 0, 100),
                (1.0, 1.0, 4, 100),
                (5.0, 3.0, 0, 2),
                (1.0, 5.0, 2, 3),
            ]
            for what in ("arcs.values()[:, :3]", "scores", "aux_labels")
        ],
    )
    yield (
        topology,
        [
            "k2.intersect_dense_pruned(k2.create_fsa_vec([h]), d, 2.0, 4.0, 0, 100).aux_labels",
            "g(k2.intersect_dense_pruned(h, d, 9.0, 4.0, 0, 100), p)[1:]",
        ],
    )


def nbest_cases():
    generator = random.Random(7)
    lattice = (
        network(generator, 2, 9, 5)
        + "lengths = torch.tensor([9, 6], dtype=torch.int32)\n"
        + "l = k2.get_lattice(p.log_softmax(-1), lengths, k2.ctc_topo(4), output_beam=4.03)\n"
    )
    yield (
        lattice,
        [
            "l.aux_labels",
            "l.get_tot_scores(True, True)",
            "k2.get_aux_labels(k2.one_best_decoding(l))",
            "k2.one_best_decoding(l).scores.sum().backward(), p.grad",
            "k2.get_lattice(p.log_softmax(-1)[:, :8], lengths, k2.ctc_topo(4), output_beam=4.03, subsampling_factor=2).aux_labels",
            "k2.Nbest.from_lattice(l, 1).shape.dim0",
        ],
    )
    paths = lattice + (
        "c = k2.linear_fsa([[1, 2], [3], [1, 0, 4], [2, 2], []])\n"
        "c.scores = torch.arange(c.num_arcs) * 7 % 5 / 2.0\n"
        "c.aux_labels = c.labels.clone() + 3 * (c.labels > 1).int()\n"
        "n = k2.Nbest(c, k2.RaggedShape('[ [ x x x ] [ x x ] ]'))\n"
    )
    yield (
        paths,
        [
            "n.total_scores()",
            "n.top_k(1).fsa",
            "n.top_k(2).fsa",
            "n.top_k(3).shape",
            "n.top_k(3).total_scores()",
            "n.build_levenshtein_graphs()",
        ],
    )
    rescored = (
        "l = k2.create_fsa_vec([k2.Fsa.from_str(t, acceptor=False) for t in "
        "('0 1 1 4 0.5\\n0 1 2 5 0.3\\n1 2 0 0 0.1\\n2 3 -1 -1 0\\n3', '0 1 3 5 1\\n0 2 1 6 2\\n1 2 2 0 1\\n2 3 -1 -1 0.5\\n3')])\n"
        "l.lm_scores = l.scores * 0.5\n"
        "g = k2.Fsa.from_str('0 0 4 0.1\\n0 0 5 0.7\\n0 1 6 0.2\\n0 2 -1 0\\n1 2 -1 2\\n2')\n"
        "g = k2.create_fsa_vec([k2.arc_sort(k2.add_epsilon_self_loops(g))])\n"
        "r = k2.nbest.whole_lattice_rescoring(l, g)\n"
        "chains = k2.linear_fsa([[1], [2], [3, 2]])\n"
        "m = k2.Nbest(chains, k2.RaggedShape('[ [ x x ] [ x ] ]'))\n"
    )
    yield (
        rescored,
        [
            "r.get_tot_scores(True, True)",
            "k2.get_aux_labels(k2.shortest_path(r, True))",
            "r.aux_labels.sort().values",
        ],
    )


def replacement_cases():
    src = "s = k2.create_fsa_vec([k2.Fsa.from_str(t, acceptor=False) for t in ('0 1 1 7 0.5\\n1 2 -1 -1 0.1\\n2', '0 1 2 8 1\\n0 2 3 9 2\\n1 1 2 0 1\\n1 3 -1 -1 1\\n2 3 -1 -1 0.5\\n3')]).requires_grad_(True)\n"
    index = (
        "i = k2.Fsa.from_str('0 1 11 0.25\\n0 1 3 0.75\\n0 1 12 1.5\\n1 2 12 2\\n1 1 10 0.5\\n2 3 -1 0.1\\n3').requires_grad_(True)\n"
        "w = torch.arange(1, 200, dtype=torch.float32) % 7 - 3\n"
        "def g(r, *xs):\n"
        "    (r.scores * w[: r.num_arcs]).sum().backward()\n"
        "    return [r.arcs.values()[:, :3], r.scores, *[x.grad for x in xs]]\n"
    )
    yield (
        src + index,
        [
            "g(k2.replace_fsa(s, i, 11), s, i)",
            "g(k2.replace_fsa(s, i, 10), s, i)",
            "g(k2.replace_fsa(s, i, 100), s, i)",
            "g(k2.replace_fsa(s, i, 3), s, i)",
            "g(k2.replace_fsa(s, k2.create_fsa_vec([i, k2.linear_fsa([11, 12, 11]), i]), 11), s, i)",
            "g(k2.replace_fsa(s, k2.create_fsa_vec([i, i]), 11), s, i)",
            "k2.replace_fsa(s, i, 11, ret_arc_map=True)[1:]",
            "k2.replace_fsa(s, k2.create_fsa_vec([i, i]), 11, ret_arc_map=True)[1:]",
            "k2.replace_fsa(s, k2.create_fsa_vec([i, i]), 11).arcs.row_splits(1), k2.replace_fsa(s, k2.create_fsa_vec([i, i]), 11).arcs.row_splits(2)",
        ],
    )
    yield (
        "r, c, v = torch.tensor([0, 1, 1, 3]), torch.tensor([1, -1, 0, 1]), torch.tensor([.5, 1, 2, 3])",
        [
            "k2.create_sparse(r, c, v, min_col_index=0).to_dense()",
            "k2.create_sparse(r, c, v, (5, 4), min_col_index=1).to_dense()",
        ],
    )


SEARCH = """
def decode(texts, frames, history, beam, states, contexts, cut=None):
    graphs = [k2.Fsa.from_str(t) for t in texts]
    streams = [k2.RnntDecodingStream(g) for g in graphs]
    config = k2.RnntDecodingConfig(5, history, beam, states, contexts)
    seen, t = [], 0
    for n in [frames] if cut is None else [cut, frames - cut]:
        s = k2.RnntDecodingStreams(streams, config)
        for _ in range(n):
            shape, c = s.get_contexts()
            seen.append((str(shape), c))
            place = torch.arange(c.shape[0])[:, None] * 5 + torch.arange(5)
            s.advance(((place * 7919 + c.sum(1, keepdim=True) * 613 + t * 3571) % 1009 / -128.0).float())
            t += 1
        s.terminate_and_flush_to_streams()
    return [seen[-1], s.format_output([frames] * len(texts)), s.format_output([frames - 2, *[frames] * (len(texts) - 1)])]
"""


def rnnt_cases():
    for seed in range(6):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(2, 5), 4, top_sorted=False) for _ in range(2)]
        yield (
            SEARCH + f"texts = {texts}",
            [
                "decode(texts, 4, 2, 30.0, 1000, 1000)",
                "decode(texts, 6, 2, 4.0, 6, 3)",
                "decode(texts, 6, 1, 6.0, 4, 100, cut=2)",
                "decode(texts, 5, 3, 2.5, 100, 2)",
            ],
        )
    aux = "0 0 1 1 0.5\\n0 1 2 2 0.25\\n0 2 -1 -1 -1\\n1 0 3 3 0.125\\n1 1 0 0 -0.0625\\n2"
    yield (
        SEARCH.replace("from_str(t)", "from_str(t, acceptor=False)") + f"texts = ['{aux}', '{aux}']",
        ["decode(texts, 3, 2, 100.0, 1000, 1000)", "decode(texts, 3, 1, 5.0, 3, 1000)"],
    )


if __name__ == "__main__":
    write(sys.argv[1], "rnnt", rnnt_cases())
    write(sys.argv[1], "pruned", pruned_cases())
    write(sys.argv[1], "nbest", nbest_cases())
    write(sys.argv[1], "replacement", replacement_cases())
