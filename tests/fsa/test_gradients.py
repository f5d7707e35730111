"""torch.autograd.gradcheck of every differentiable operation, on machines of every kind, in float64."""

import random
import sys
from pathlib import Path

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import SonantError

sys.path.insert(0, str(Path(__file__).parent))
import operations


def machine(generator: random.Random) -> str:
    states = generator.randint(3, 5)
    lines = []
    for src in range(states - 1):
        for _ in range(generator.randint(1, 3)):
            dest = generator.randint(src + 1, states - 1)
            label = -1 if dest == states - 1 else generator.randint(0, 3)
            lines.append(f"{src} {dest} {label} {-1 if label == -1 else generator.randint(0, 2)} 0")
    return "\n".join([*lines, str(states - 1)])


def batch(*texts: str) -> k2.Fsa:
    fsas = k2.create_fsa_vec([k2.Fsa.from_str(text, acceptor=False) for text in texts])
    # No two paths alike, so that the best one is the best nearby too.
    fsas.scores = torch.linspace(-1.7, 0.4, fsas.num_arcs, dtype=torch.float64).sin() * 1.3
    return fsas


def impossible(fsas: k2.Fsa, every: int) -> k2.Fsa:
    fsas.scores = fsas.scores.masked_fill(torch.arange(fsas.num_arcs) % every == 0, -torch.inf)
    return fsas


MACHINES = {
    "at random": lambda: k2.connect(batch(*(machine(random.Random(seed)) for seed in range(2)))),
    "disconnected": lambda: batch("0 1 1 1 0\n0 2 0 2 0\n3 4 -1 -1 0\n4", machine(random.Random(2))),
    "some without states": lambda: batch("", machine(random.Random(3)), ""),
    "an empty batch": lambda: k2.index_fsa(batch(""), torch.zeros(0, dtype=torch.int32)),
    "some arcs -inf": lambda: impossible(batch(*(machine(random.Random(seed)) for seed in (4, 5))), 3),
    "all arcs -inf": lambda: impossible(batch(machine(random.Random(6))), 1),
}

# Their results take no gradient from the scores: copies in float32, of nothing, and searches.
WITHOUT = {
    "Fsa",
    "OnlineDenseIntersecter",
    "CtcLoss",  # minus intersect_dense_tot_scores, in float32
    "RnntDecodingStreams",
    "convert_dense_to_fsa_vec",
    "ctc_loss",
    "levenshtein_alignment",
    "linear_fsa_with_self_loops",  # of chains only, below
    "linear_fst_with_self_loops",
}
DIFFERENTIABLE = {
    name: call
    for name, call in {**operations.ON_ONE, **operations.SCORES, **operations.ON_TWO}.items()
    if name not in WITHOUT
}


def checked(call, fsas: k2.Fsa) -> None:
    finite = fsas.scores.isfinite()

    def results(x):
        given = fsas.clone()
        given.scores = torch.where(finite, x, -torch.inf)
        found = call(given)
        scores = found.scores if isinstance(found, k2.Fsa) else found
        return scores[scores.isfinite()] + 0 * x.sum()

    x = torch.where(finite, fsas.scores, 0).detach().requires_grad_()
    assert torch.autograd.gradcheck(results, x, fast_mode=True)


@pytest.mark.parametrize("given", MACHINES)
@pytest.mark.parametrize("operation", DIFFERENTIABLE)
def test_gradients_are_right_or_there_is_no_result(operation, given):
    fsas = MACHINES[given]()
    try:
        DIFFERENTIABLE[operation](fsas)
    except SonantError:
        assert given != "at random"
        return
    checked(DIFFERENTIABLE[operation], fsas)


def test_chains_with_loops():
    chains = k2.linear_fst([[1, 2], [3]], [[1, 0], [2]])
    chains.scores = torch.linspace(-1, 0, chains.num_arcs, dtype=torch.float64)
    checked(k2.linear_fst_with_self_loops, chains)
    del chains.aux_labels
    checked(k2.linear_fsa_with_self_loops, chains)


@pytest.mark.parametrize("given", ["at random", "some arcs -inf", "disconnected"])
@pytest.mark.parametrize(
    "operation", ["intersect_dense", "intersect_dense_pruned", "intersect_dense_tot_scores"]
)
def test_gradients_of_the_networks_output(operation, given):
    fsas = MACHINES[given]()
    segments = torch.tensor([[1, 0, 3], [0, 1, 2]], dtype=torch.int32)

    def totals(log_probs):
        dense = k2.DenseFsaVec(log_probs, segments)
        if operation == "intersect_dense_tot_scores":
            found = k2.intersect_dense_tot_scores(fsas, dense)
        elif operation == "intersect_dense":
            found = k2.intersect_dense(fsas, dense, 90.0).get_tot_scores(True, True)
        else:
            found = k2.intersect_dense_pruned(fsas, dense, 90.0, 90.0, 0, 99).get_tot_scores(True, True)
        return found[found.isfinite()] + 0 * log_probs.sum()

    log_probs = torch.linspace(-2, 0, 30, dtype=torch.float64).cos().reshape(2, 3, 5)
    assert torch.autograd.gradcheck(totals, log_probs.requires_grad_(), fast_mode=True)
