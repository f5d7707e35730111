# ruff: noqa: E501
"""Golden values of k2's losses, for tests/fsa/test_golden.py.

    PYTHON tests/oracle/make_losses_golden.py tests/fsa/golden      (a Python 3.8 that has k2 1.23.2)

That version has no delay_penalty: what later ones do with it is written out here.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_fsa_golden import int32, write


def ctc_cases():
    for seed, graph in enumerate(
        [
            "k2.ctc_graph([[1, 2, 2], [3, 1], []])",
            "k2.ctc_graph([[1, 2, 2], [3, 1], []], modified=True)",
            "k2.compose(k2.ctc_topo(3), k2.linear_fsa([[1, 1, 3], [2], [3]]))",
            "k2.compose(k2.ctc_topo(3, modified=True), k2.linear_fsa([[1, 1, 3], [2], [3]]))",
            "k2.linear_fsa_with_self_loops(k2.linear_fsa([[1, 1, 3], [2], [3]]))",
            "k2.create_fsa_vec([k2.arc_sort(k2.trivial_graph(3)), k2.ctc_topo(2), k2.ctc_graph([[2]])[0]])",
        ]
    ):
        make = (
            f"g = {graph}\n"
            f"p = ((torch.arange(3 * 7 * 4) + {seed}) * 7919 % 101 / 10.0).reshape(3, 7, 4).log_softmax(-1).requires_grad_(True)\n"
            "d = k2.DenseFsaVec(p, torch.tensor([[2, 0, 7], [0, 1, 5], [1, 0, 4]], dtype=torch.int32))\n"
            f"n = {int32([3, 2, 4])}\n"
            "def v(loss):\n"
            "    loss.sum().backward()\n"
            "    return [loss, p.grad]\n"
        )
        yield (
            make,
            [
                "v(k2.ctc_loss(g, d, output_beam=1e4, reduction='none'))",
                "v(k2.ctc_loss(g, d, output_beam=1e4))",
                "v(k2.ctc_loss(g, d, output_beam=1e4, reduction='mean', target_lengths=n, use_double_scores=False))",
                "v(k2.CtcLoss(1e4, 'mean')(g, d, target_lengths=n))",
            ],
        )
    with_scores = (
        "g = k2.ctc_graph([[1, 2]])\n"
        "g.scores = (torch.arange(g.num_arcs) / 10.0).requires_grad_(True)\n"
        "s = g.scores\n"
        "p = (torch.arange(5 * 3) * 7919 % 101 / 10.0).reshape(1, 5, 3).requires_grad_(True)\n"
        "d = k2.DenseFsaVec(p, torch.tensor([[0, 0, 5]], dtype=torch.int32))\n"
    )
    yield with_scores, ["[k2.ctc_loss(g, d, 1e4), k2.ctc_loss(g, d, 1e4).backward(), s.grad, p.grad]"]
    too_short = (
        "p = torch.zeros(1, 2, 3)\nd = k2.DenseFsaVec(p, torch.tensor([[0, 0, 2]], dtype=torch.int32))\n"
    )
    yield too_short, ["k2.ctc_loss(k2.ctc_graph([[1, 1]]), d, reduction='none')"]


def delay_cases():
    """The value by the lattice under k2, by the argument here: the same expression for both."""
    for penalty in (0.1, 1.5):
        make = (
            "g = k2.ctc_graph([[1, 2, 2], [3, 1]])\n"
            "p = (torch.arange(2 * 8 * 4) * 7919 % 101 / 10.0).reshape(2, 8, 4).log_softmax(-1).requires_grad_(True)\n"
            "d = k2.DenseFsaVec(p, torch.tensor([[0, 0, 8], [1, 1, 5]], dtype=torch.int32))\n"
            "def delayed(penalty):\n"
            "    if hasattr(k2, 'intersect_dense_tot_scores'):\n"
            "        loss = k2.ctc_loss(g, d, 1e4, delay_penalty=penalty, reduction='none')\n"
            "    else:\n"
            "        lattice = k2.intersect_dense(g, d, 1e4, frame_idx_name='frame')\n"
            "        frame = k2.RaggedTensor(lattice.arcs.shape().remove_axis(1), lattice.frame)\n"
            "        late = lattice.frame - (d.duration // 2)[frame.shape.row_ids(1).long()]\n"
            "        lattice.scores = lattice.scores - penalty * late * (lattice.aux_labels > 0)\n"
            "        loss = -lattice.get_tot_scores(log_semiring=True, use_double_scores=True).float()\n"
            "    loss.sum().backward()\n"
            "    return [loss, p.grad]\n"
        )
        yield make, [f"delayed({penalty})"]


def mwer_cases():
    """All paths are sampled, and each has words of its own, so that chance decides nothing but the order."""
    for seed, refs in enumerate(("[[1, 2], [3]]", "[[2, 2, 1], [1, 3]]", "[[1], [2, 1, 2, 1]]")):
        make = (
            "torch.manual_seed(0)\n"
            f"p = ((torch.arange(2 * 3 * 4) + {seed}) * 7919 % 101 / 50.0).reshape(2, 3, 4).log_softmax(-1).requires_grad_(True)\n"
            "d = k2.DenseFsaVec(p, torch.tensor([[0, 0, 3], [1, 1, 2]], dtype=torch.int32))\n"
            "g = k2.trivial_graph(3)\n"
            "f = k2.intersect_dense(k2.create_fsa_vec([g, g]), d, 1e4)\n"
            "def v(loss):\n"
            "    loss.backward()\n"
            "    return [loss, p.grad]\n"
        )
        yield (
            make,
            [
                f"v(k2.mwer_loss(f, {refs}, nbest_scale=0.1, num_paths=600))",
                f"v(k2.mwer_loss(f, k2.RaggedTensor({refs}), nbest_scale=0.2, num_paths=600, temperature=2.5))",
                f"v(k2.mwer_loss(f, {refs}, nbest_scale=0.2, num_paths=600, reduction='mean', use_double_scores=False))",
                f"[sorted(row) for row in k2.MWERLoss(reduction='none')(f, {refs}, 0.1, 600).tolist()]",
            ],
        )


if __name__ == "__main__":
    cases = [*ctc_cases(), *delay_cases(), *mwer_cases()]
    write(sys.argv[1], "losses", cases)
