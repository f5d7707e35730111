"""Paths and automata at random, and what they are for: telling whether two automata are alike (k2's)."""

import math
import random

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc, batch_of
from sonant.fsa.batches import create_fsa_vec
from sonant.fsa.fsa import Fsa
from sonant.fsa.graphs import linear_fsa
from sonant.fsa.intersection import intersect_pairs
from sonant.fsa.operations import connect, top_sort
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.ops.fsa_scores import Graphs, backward_scores


def random_paths(fsas: Fsa, use_double_scores: bool, num_paths: int) -> RaggedTensor:
    """num_paths paths of each automaton by their probability (log semiring), by torch's generator.

    int32, axes [automaton][path][arc], arcs counted over the batch; no paths where there are none. A
    batch, top-sorted.
    """
    if num_paths < 1:
        raise FstError(f"random_paths: num_paths={num_paths}, expected 1 or more")
    arcs = fsas.arcs
    graphs = Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), "random_paths")
    if not arcs.is_batch():
        raise FstError("random_paths: one automaton, expected a batch: create_fsa_vec([fsa])")
    scores = fsas.scores.detach().to(torch.float64 if use_double_scores else torch.float32)
    rest = backward_scores(graphs, scores, log=True)
    source, dest = graphs.states_of_arcs()
    share = torch.where(rest[source] == -torch.inf, 0, (scores + rest[dest] - rest[source]).exp().double())
    total = torch.cat([share.new_zeros(1), share.cumsum(0)])  # of the arcs before each
    splits = arcs.state_splits().long()
    firsts, ends = arcs.fsa_splits()[:-1].long(), arcs.fsa_splits()[1:].long() - 1
    some = ends >= firsts
    some &= rest[firsts.clamp(max=max(len(rest) - 1, 0))] > -torch.inf if len(rest) else some
    state = firsts[some].repeat_interleave(num_paths)
    end = ends[some].repeat_interleave(num_paths)
    steps: list[Tensor] = []
    while bool((state != end).any()):
        begin, stop = splits[state], splits[state + 1]
        wanted = total[begin] + torch.rand(len(state), dtype=torch.float64, device=fsas.device) * (
            total[stop] - total[begin]
        )
        arc = (torch.searchsorted(total, wanted, right=True) - 1).clamp(
            min=begin, max=(stop - 1).clamp(min=0)
        )
        going = state != end
        steps.append(torch.where(going, arc, -1))
        state = torch.where(going, dest[arc.clamp(max=max(len(dest) - 1, 0))], state)
    table = torch.stack(steps, 1) if steps else torch.full((len(state), 0), -1, device=fsas.device)
    there = table >= 0
    shape = RaggedShape.of(splits_of_sizes(some.to(torch.int32) * num_paths), splits_of_sizes(there.sum(1)))
    return RaggedTensor(shape, table[there].to(torch.int32))


def is_rand_equivalent(
    a: Fsa,
    b: Fsa,
    log_semiring: bool,
    beam: float = math.inf,
    treat_epsilons_specially: bool = True,
    delta: float = 1e-6,
    npath: int = 100,
) -> bool:
    """Whether npath sequences taken at random from a and b score alike in both, within delta.

    Sequences that are worse than the total by more than beam in both do not count. Both are one automaton, or
    batches of as many, top-sorted. With treat_epsilons_specially sequences are taken without label 0.
    """
    if len(a.shape) == 2 and len(b.shape) == 2:
        a, b = create_fsa_vec([_bare(a)]), create_fsa_vec([_bare(b)])
    if a.shape != b.shape:
        raise FstError(f"is_rand_equivalent: shapes {a.shape} and {b.shape}, expected the same")
    if a.device != b.device:
        raise FstError(f"is_rand_equivalent: automata on {a.device} and {b.device}, expected one device")
    a, b = connect(_bare(a)), connect(_bare(b))
    totals = [fsas.get_tot_scores(True, log_semiring).detach() for fsas in (a, b)]
    if bool(((totals[0] == -torch.inf) != (totals[1] == -torch.inf)).any()):
        return False
    for fsas in (a, b):
        paths = random_paths(fsas, True, max(npath // 2, 1))
        labels = RaggedTensor(paths.shape, fsas.labels[paths.values.long()]).remove_axis(0)
        labels = labels.remove_values_eq(-1)
        chains = linear_fsa(labels.remove_values_eq(0) if treat_epsilons_specially else labels)
        chain_of = torch.arange(chains.arcs.dim0())
        fsa_of = paths.shape.row_ids(1)
        found = []
        for other in (a, b):
            pairs = intersect_pairs(other, chains, fsa_of, chain_of, treat_epsilons_specially, one=False)[0]
            found.append(top_sort(connect(pairs)).get_tot_scores(True, log_semiring).detach())
        within = torch.maximum(*found) >= torch.maximum(*totals)[fsa_of.long()] - beam
        if bool(((found[0] != found[1]) & within & ~((found[0] - found[1]).abs() <= delta)).any()):
            return False
    return True


def _bare(fsa: Fsa) -> Fsa:
    """The arcs and scores alone."""
    return Fsa.made(fsa.arcs, fsa.scores.detach())


def random_fsa(
    acyclic: bool = True, max_symbol: int = 50, min_num_arcs: int = 0, max_num_arcs: int = 1000
) -> Fsa:
    """An automaton at random, by Python's `random`: labels 0 to max_symbol, so many arcs; top-sorted if
    acyclic.
    """
    if not 0 <= min_num_arcs <= max_num_arcs or max_symbol < 0:
        raise FstError(
            f"random_fsa: {min_num_arcs} to {max_num_arcs} arcs, labels to {max_symbol}; expected 0 or "
            "more, and the "
            "lower bound no higher than the upper one"
        )
    count = random.randint(min_num_arcs, max_num_arcs)
    if count == 0:
        return Fsa.from_str("")
    last = random.randint(1, count)
    ends = []
    for _ in range(count):
        src = random.randint(0, last - 1)
        dest = random.randint(src + 1 if acyclic else 0, last)
        label = -1 if dest == last else random.randint(0, max_symbol)
        ends.append((src, dest, label))
    src, dest, label = torch.tensor(sorted(ends, key=lambda arc: arc[0]), dtype=torch.int32).unbind(1)
    shape = RaggedShape.of(splits_of_sizes(torch.bincount(src, minlength=last + 1)))
    scores = torch.tensor([random.gauss(0, 1) for _ in range(count)], dtype=torch.float32)
    return Fsa(RaggedArc.of_columns(shape, src, dest, label, scores))


def random_fsa_vec(
    min_num_fsas: int = 1,
    max_num_fsas: int = 1000,
    acyclic: bool = True,
    max_symbol: int = 50,
    min_num_arcs: int = 0,
    max_num_arcs: int = 1000,
) -> Fsa:
    """A batch of automata at random, as random_fsa."""
    if not 1 <= min_num_fsas <= max_num_fsas:
        raise FstError(f"random_fsa_vec: {min_num_fsas} to {max_num_fsas} automata, expected 1 or more")
    fsas = [
        random_fsa(acyclic, max_symbol, min_num_arcs, max_num_arcs)
        for _ in range(random.randint(min_num_fsas, max_num_fsas))
    ]
    return Fsa(batch_of([fsa.arcs for fsa in fsas]))
