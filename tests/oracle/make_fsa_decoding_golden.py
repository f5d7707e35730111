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


if __name__ == "__main__":
    write(sys.argv[1], "pruned", pruned_cases())
