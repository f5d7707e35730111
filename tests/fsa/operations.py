"""Every operation of sonant.fsa that takes automata, as one call each on a batch `f`, for tests that hold all
of them to one rule; `test_bad_input.py` sees to it that none is forgotten."""

import random

import torch

import sonant.fsa as k2


def like(f: k2.Fsa, other: k2.Fsa) -> k2.Fsa:
    """`other` with scores of f's type."""
    other = other.clone()
    other.scores = other.scores.to(f.scores.dtype)
    return other


def dense(f: k2.Fsa, sequences: int | None = None) -> k2.DenseFsaVec:
    """Output of a network for each automaton: two or three frames, classes 0 to 4."""
    count = f.arcs.dim0() if sequences is None else sequences
    log_probs = torch.linspace(-2, 0, max(count, 1) * 15, dtype=f.scores.dtype).reshape(-1, 3, 5)
    rows = [[i, 0, 3 - i % 2] for i in range(count)]
    return k2.DenseFsaVec(log_probs, torch.tensor(rows, dtype=torch.int32).reshape(-1, 3))


def plain(f: k2.Fsa) -> k2.Fsa:
    """Without the attributes that two automata cannot both have."""
    return k2.Fsa.made(f.arcs, f.scores)


def of_fsas(f: k2.Fsa) -> torch.Tensor:
    return torch.arange(f.arcs.dim0(), dtype=torch.int32)


def parts(f: k2.Fsa) -> list[k2.Fsa]:
    return [f[i] for i in range(f.arcs.dim0())]


def seeded(call):
    def run(f):
        random.seed(0)
        torch.manual_seed(0)
        return call(f)

    return run


def rnnt(f: k2.Fsa) -> k2.Fsa:
    streams = [k2.RnntDecodingStream(part) for part in parts(f)]
    search = k2.RnntDecodingStreams(streams, k2.RnntDecodingConfig(5, 2, 4.0, 8, 4))
    for _ in range(3):
        shape, _ = search.get_contexts()
        search.advance(torch.linspace(-3, 0, shape.tot_size(1) * 5).reshape(-1, 5))
    search.terminate_and_flush_to_streams()
    return search.format_output([3] * len(streams))


def online(f: k2.Fsa) -> k2.Fsa:
    search = k2.OnlineDenseIntersecter(f[0], 2, 5.0, 5.0, 0, 100)
    return search.decode(dense(f, 2), [None, None])[0]


kinds = k2.DeterminizeWeightPushingType

# Results of the same arcs, of fewer or of others, whose scores follow by arc maps.
ON_ONE = {
    "Fsa": lambda f: k2.Fsa(f.arcs),
    "add_epsilon_self_loops": k2.add_epsilon_self_loops,
    "arc_sort": k2.arc_sort,
    "closure": lambda f: k2.closure(f[0]),
    "connect": k2.connect,
    "convert_dense_to_fsa_vec": lambda f: k2.convert_dense_to_fsa_vec(dense(f)),
    "create_fsa_vec": lambda f: k2.create_fsa_vec(parts(f)),
    "cat": lambda f: k2.cat([f, f]),
    "determinize": lambda f: k2.determinize(k2.connect(f), max_states=300),
    "determinize by tropical pushing": lambda f: k2.determinize(
        k2.connect(f), kinds.kTropicalWeightPushing, max_states=300
    ),
    "determinize by log pushing": lambda f: k2.determinize(
        k2.connect(f), kinds.kLogWeightPushing, max_states=300
    ),
    "expand_ragged_attributes": lambda f: k2.expand_ragged_attributes(
        f.clone().convert_attr_to_ragged_("aux_labels")
    ),
    "index_fsa": lambda f: k2.index_fsa(f, of_fsas(f).flip(0)),
    "invert": k2.invert,
    "minimize": k2.minimize,
    "minimize without pushing": lambda f: k2.minimize(f, push_scores=False),
    "one_best_decoding": k2.one_best_decoding,
    "prune_on_arc_post": lambda f: k2.prune_on_arc_post(f, 0.05, True),
    "remove_epsilon": k2.remove_epsilon,
    "remove_epsilon_and_add_self_loops": k2.remove_epsilon_and_add_self_loops,
    "remove_epsilon_self_loops": k2.remove_epsilon_self_loops,
    "reverse": k2.reverse,
    "shortest_path": lambda f: k2.shortest_path(f, True),
    "top_sort": k2.top_sort,
    "union": k2.union,
    "linear_fsa_with_self_loops": lambda f: k2.linear_fsa_with_self_loops(plain(f)),
    "linear_fst_with_self_loops": k2.linear_fst_with_self_loops,
    "Fsa.__getitem__": lambda f: f[0],
    "Fsa.clone": lambda f: f.clone(),
    "Fsa.to": lambda f: f.to("cpu"),
}

# Tensors of numbers, differentiable in the scores.
SCORES = {
    "Fsa.get_tot_scores": lambda f: torch.stack([f.get_tot_scores(True, log) for log in (True, False)]),
    "Fsa.get_forward_scores": lambda f: torch.stack(
        [f.get_forward_scores(True, log) for log in (True, False)]
    ),
    "Fsa.get_backward_scores": lambda f: torch.stack(
        [f.get_backward_scores(True, log) for log in (True, False)]
    ),
    "Fsa.get_arc_post": lambda f: torch.stack([f.get_arc_post(True, log) for log in (True, False)]),
    "intersect_dense_tot_scores": lambda f: k2.intersect_dense_tot_scores(f, dense(f)),
    "ctc_loss": lambda f: k2.ctc_loss(f, dense(f), 10.0, reduction="none"),
    "CtcLoss": lambda f: k2.CtcLoss(10.0, "none")(f, dense(f)),
}

# With another one.
ON_TWO = {
    "compose": lambda f: k2.compose(f, like(f, k2.trivial_graph(3))),
    "intersect": lambda f: k2.intersect(f, like(f, k2.linear_fsa([1, 2]))),
    "intersect with phi_label": lambda f: k2.intersect(
        f, like(f, k2.Fsa.from_str("0 1 1 0\n0 2 -1 0\n1 0 4 -1\n2")), phi_label=4
    ),
    "intersect, epsilons like others": lambda f: k2.intersect(f, plain(f), False),
    "intersect_device": lambda f: k2.intersect_device(f, plain(f), of_fsas(f)),
    "intersect_dense": lambda f: k2.intersect_dense(f, dense(f), 50.0),
    "intersect_dense_pruned": lambda f: k2.intersect_dense_pruned(f, dense(f), 9.0, 9.0, 0, 1000),
    "get_lattice": lambda f: k2.get_lattice(
        torch.linspace(-2, 0, 30, dtype=f.scores.dtype).reshape(2, 3, 5), torch.tensor([3, 2]), f[0]
    ),
    "levenshtein_alignment": lambda f: k2.levenshtein_alignment(
        k2.levenshtein_graph([[1, 2]]), k2.levenshtein_graph([[1]] * f.arcs.dim0()), of_fsas(f) * 0
    ),
    "replace_fsa": lambda f: k2.replace_fsa(f, like(f, k2.linear_fsa([2, 1]))),
    "OnlineDenseIntersecter": online,
    "RnntDecodingStreams": rnnt,
}

# What is not an automaton, nor differentiable.
OTHERS = {
    "Nbest": seeded(lambda f: k2.Nbest.from_lattice(f, 4).top_k(1).fsa),
    "Nbest.best_of_lattice": lambda f: k2.Nbest.best_of_lattice(f, 3).fsa,
    "Nbest.intersect": lambda f: k2.Nbest.best_of_lattice(f, 3).intersect(f).fsa,
    "generate_nbest_list": seeded(lambda f: k2.nbest.generate_nbest_list(_phones(f), 3).fsa),
    "get_aux_labels": k2.get_aux_labels,
    "is_rand_equivalent": seeded(lambda f: k2.is_rand_equivalent(f, f.clone(), True)),
    "mwer_loss": seeded(lambda f: k2.mwer_loss(f, [[1]] * f.arcs.dim0(), num_paths=4)),
    "MWERLoss": seeded(lambda f: k2.MWERLoss()(f, [[1]] * f.arcs.dim0(), 0.5, 4)),
    "random_paths": seeded(lambda f: k2.random_paths(f, True, 3)),
    "shortest_paths": lambda f: k2.shortest_paths(f, 3),
    "to_dot": lambda f: k2.to_dot(f[0]),
    "to_str": lambda f: k2.to_str(f[0]),
    "to_str_simple": lambda f: k2.to_str_simple(f[0]),
    "to_tensor": k2.to_tensor,
    "Fsa.to_str": str,
    "Fsa.as_dict": lambda f: k2.Fsa.from_dict(f.as_dict()),
    "Fsa.to_fst": lambda f: k2.Fsa.from_fst(f[0].to_fst()),
    "Fsa.properties": lambda f: f.properties_str,
}

# Take no automata: numbers, tensors, labels, parameters.
NOT_ON_AUTOMATA = {
    "DecodeStateInfo",
    "DenseFsaVec",
    "DeterminizeWeightPushingType",
    "RaggedShape",
    "RaggedTensor",
    "RnntDecodingConfig",
    "RnntDecodingStream",
    "SymbolTable",
    "compose_arc_maps",
    "create_sparse",
    "ctc_graph",
    "ctc_topo",
    "index_add",
    "index_select",
    "levenshtein_graph",
    "linear_fsa",
    "linear_fst",
    "properties_to_str",
    "pruned_ranges_to_lattice",
    "random_fsa",
    "random_fsa_vec",
    "simple_ragged_index_select",
    "swoosh_l",
    "swoosh_l_forward",
    "swoosh_l_forward_and_deriv",
    "swoosh_r",
    "swoosh_r_forward",
    "swoosh_r_forward_and_deriv",
    "trivial_graph",
    "do_rnnt_pruning",
    "get_rnnt_logprobs",
    "get_rnnt_logprobs_joint",
    "get_rnnt_logprobs_pruned",
    "get_rnnt_logprobs_smoothed",
    "get_rnnt_prune_ranges",
    "joint_mutual_information_recursion",
    "mutual_information_recursion",
    "rnnt_loss",
    "rnnt_loss_pruned",
    "rnnt_loss_simple",
    "rnnt_loss_smoothed",
}


def _phones(f: k2.Fsa) -> k2.Fsa:
    found = f.clone()
    found.phones = found.labels.clone()
    return found


ALL = {**ON_ONE, **SCORES, **ON_TWO, **OTHERS}
