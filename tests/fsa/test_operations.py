"""Operations against sets of paths, and their gradients; k2's own results are in golden/operations.jsonl and
golden/intersect_dense.jsonl."""

import random

import numpy as np
import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError, FstIndexError


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def machine(
    generator: random.Random, states: int, arcs: int, epsilon: float = 0.3, loops: bool = False
) -> k2.Fsa:
    """At random, top-sorted unless `loops`, with aux_labels and double scores."""
    lines = []
    for src in range(states - 1):
        for _ in range(generator.randint(1, arcs)):
            dest = generator.randint(0 if loops else src + 1, states - 1)
            label = (
                -1 if dest == states - 1 else 0 if generator.random() < epsilon else generator.randint(1, 2)
            )
            aux = -1 if label == -1 else generator.randint(0, 2)
            lines.append(f"{src} {dest} {label} {aux} {round(generator.uniform(-2, 0), 2)}")
    fsa = k2.Fsa.from_str("\n".join([*lines, str(states - 1)]), acceptor=False)
    fsa.scores = fsa.scores.double()
    return fsa


def batch(seed: int, count: int = 3, **options) -> k2.Fsa:
    generator = random.Random(seed)
    return k2.create_fsa_vec(
        [machine(generator, generator.randint(2, 5), 3, **options) for _ in range(count)]
    )


def sequences(fsa: k2.Fsa, names: tuple[str, ...], longest: int = 12) -> dict[tuple, float]:
    """Log of the sum of all paths with the same labels (those named, epsilons left out), of one automaton."""
    arcs = fsa.arcs.values().tolist()
    columns = [(fsa.labels if name == "labels" else getattr(fsa, name)).tolist() for name in names]
    found: dict[tuple, float] = {}
    open_paths = [(0, tuple(() for _ in names), 0.0, 0)] if fsa.shape[0] else []
    while open_paths:
        state, labels, score, length = open_paths.pop()
        for i, (src, dest, label, _) in enumerate(arcs):
            if src != state or length >= longest:
                continue
            taken = tuple(
                (*sequence, column[i]) if column[i] > 0 else sequence
                for sequence, column in zip(labels, columns, strict=True)
            )
            total = score + float(fsa.scores[i])
            if label == -1:
                found[taken] = float(np.logaddexp(found.get(taken, -np.inf), total))
            else:
                open_paths.append((dest, taken, total, length + 1))
    return found


def same(found: dict[tuple, float], expected: dict[tuple, float]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


@pytest.mark.parametrize("seed", range(6))
def test_the_same_paths_in_another_order(seed):
    fsas = batch(seed)
    for operation in (k2.connect, k2.arc_sort, k2.top_sort, k2.add_epsilon_self_loops):
        changed = operation(fsas)
        for i in range(3):
            if operation is not k2.add_epsilon_self_loops:
                same(
                    sequences(changed[i], ("labels", "aux_labels")),
                    sequences(fsas[i], ("labels", "aux_labels")),
                )
        if operation is k2.add_epsilon_self_loops:
            assert str(k2.remove_epsilon_self_loops(changed)) == str(k2.remove_epsilon_self_loops(fsas))
        assert (changed.aux_labels == -1).tolist() == (changed.labels == -1).tolist()
        changed.__dict__["_properties"] = None
        assert changed.properties & k2.fsa_properties.VALID
    assert k2.arc_sort(fsas).properties & k2.fsa_properties.ARC_SORTED
    assert k2.top_sort(batch(seed)).properties & k2.fsa_properties.TOPSORTED_AND_ACYCLIC


@pytest.mark.parametrize("seed", range(6))
def test_union_reverse_and_closure_take_what_they_should(seed):
    fsas = batch(seed)
    parts = [sequences(fsas[i], ("labels",)) for i in range(3)]
    together: dict[tuple, float] = {}
    for part in parts:
        for key, score in part.items():
            together[key] = float(np.logaddexp(together.get(key, -np.inf), score))
    same(sequences(k2.union(fsas), ("labels",)), together)
    backwards = k2.reverse(fsas)
    for i in range(3):
        same(
            sequences(backwards[i], ("labels",)), {(key[0][::-1],): score for key, score in parts[i].items()}
        )
    assert (backwards.aux_labels == -1).tolist() == (backwards.labels == -1).tolist()
    once = k2.linear_fsa([1, 2])
    assert sorted(sequences(k2.closure(once), ("labels",), 10)) == [((1, 2) * n,) for n in range(4)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("special", [True, False])
def test_intersection_counts_each_pair_of_paths_once(seed, special):
    a, b = batch(seed), batch(seed + 100)
    del b.aux_labels
    found, map_a, map_b = k2.intersect(a, b, treat_epsilons_specially=special, ret_arc_maps=True)
    filled = lambda scores, arcs: torch.where(arcs >= 0, scores[arcs.clamp(min=0).long()], 0)  # noqa: E731
    torch.testing.assert_close(found.scores, filled(a.scores, map_a) + filled(b.scores, map_b))
    for i in range(3):
        if not special:  # epsilons as label 3
            for side in (a, b):
                side.labels = torch.where(side.labels == 0, 3, side.labels)
            found.labels = torch.where(found.labels == 0, 3, found.labels)
        left, right = sequences(a[i], ("labels",)), sequences(b[i], ("labels",))
        both = {key: left[key] + right[key] for key in left.keys() & right.keys()}
        same(sequences(found[i], ("labels",)), both)


@pytest.mark.parametrize("seed", range(6))
def test_composition_takes_what_the_first_makes(seed):
    generator = random.Random(seed)
    a, b = machine(generator, 4, 3), machine(generator, 4, 3)
    found = k2.compose(a, k2.arc_sort(b), inner_labels="middle")
    expected: dict[tuple, float] = {}
    for (labels, middle), one in sequences(a, ("labels", "aux_labels")).items():
        for (inner, aux), other in sequences(b, ("labels", "aux_labels")).items():
            if middle == inner:
                key = (labels, middle, aux)
                expected[key] = float(np.logaddexp(expected.get(key, -np.inf), one + other))
    same(sequences(found, ("labels", "middle", "aux_labels"), 20), expected)


def test_batches_meet_single_automata():
    a = batch(0)
    one = k2.trivial_graph(2)
    del one.aux_labels
    one.scores = one.scores.double() - 1
    for found in (k2.intersect(a, one), k2.intersect(one, a)):
        assert found.shape == (3, None, None)
        for i in range(3):
            counted = {key: score - len(key[0]) - 1 for key, score in sequences(a[i], ("labels",)).items()}
            same(sequences(found[i], ("labels",)), counted)
    assert len(k2.intersect(one, one).shape) == 2


@pytest.mark.parametrize("seed", range(8))
def test_the_best_path_is_the_best(seed):
    fsas = k2.top_sort(batch(seed))
    fsas.scores.requires_grad_()
    found = k2.shortest_path(fsas, use_double_scores=True)
    totals = fsas.get_tot_scores(True, False)
    torch.testing.assert_close(found.get_tot_scores(True, False), totals)
    (gradient,) = torch.autograd.grad(totals[totals.isfinite()].sum(), fsas.scores, retain_graph=True)
    (of_path,) = torch.autograd.grad(found.scores.sum(), fsas.scores)
    torch.testing.assert_close(of_path, gradient)


def brute_dense(fsa: k2.Fsa, log_probs: torch.Tensor) -> list[float]:
    """Scores of all paths over all frames."""
    arcs, scores = fsa.arcs.values().tolist(), fsa.scores.tolist()
    paths = [(0, 0.0)]
    for frame in log_probs.tolist():
        paths = [
            (dest, score + scores[i] + frame[label])
            for state, score in paths
            for i, (src, dest, label, _) in enumerate(arcs)
            if src == state and label >= 0
        ]
    return [
        score + scores[i]
        for state, score in paths
        for i, (src, _, label, _) in enumerate(arcs)
        if src == state and label == -1
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_network_and_automata_have_all_paths_of_both(seed):
    fsas = batch(seed, loops=True)
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    segments = torch.tensor([[0, 0, 2], [1, 0, 4], [1, 1, 3]], dtype=torch.int32)  # lengths in no order
    dense = k2.DenseFsaVec(log_probs, segments)
    found = k2.intersect_dense(fsas, dense, 1e9, frame_idx_name="frame")
    frames = [log_probs[0, :2], log_probs[1], log_probs[1, 1:]]
    for i, part in enumerate(frames):
        paths = brute_dense(fsas[i], part)
        expected = float(np.logaddexp.reduce(paths)) if paths else -np.inf
        assert found.get_tot_scores(True, True)[i].item() == pytest.approx(expected)
        assert found.get_tot_scores(True, False)[i].item() == pytest.approx(max(paths, default=-np.inf))
    pruned = k2.intersect_dense(fsas, dense, 1.5)
    post = found.get_arc_post(True, False)
    assert pruned.num_arcs == int((post >= -1.5).sum())
    one = k2.intersect_dense(fsas[0], dense, 1e9)
    again = k2.intersect_dense(k2.create_fsa_vec([fsas[0]] * 3), dense, 1e9)
    assert str(one) == str(again)
    few = k2.intersect_dense(fsas, dense, 1e9, max_arcs=20)
    assert few.num_arcs <= max(20 * 3, k2.shortest_path(found, True).num_arcs)
    torch.testing.assert_close(few.get_tot_scores(True, False), found.get_tot_scores(True, False))


def test_ctc_is_torchs():
    torch.manual_seed(0)
    log_probs = torch.randn(3, 12, 6, dtype=torch.float64).log_softmax(-1).requires_grad_()
    targets = [[1, 2, 2, 5], [3], [4, 4, 4]]
    lengths = [12, 9, 7]
    dense = k2.DenseFsaVec(
        log_probs, torch.tensor([[i, 0, n] for i, n in enumerate(lengths)], dtype=torch.int32)
    )
    graph = k2.ctc_graph(targets)
    graph.scores = graph.scores.double()
    through = -k2.intersect_dense(graph, dense, 1e9).get_tot_scores(True, True)
    expected = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor([1, 2, 2, 5, 3, 4, 4, 4]),
        torch.tensor(lengths),
        torch.tensor([len(t) for t in targets]),
        reduction="none",
    )
    torch.testing.assert_close(through, expected)
    gradients = [torch.autograd.grad(loss.sum(), log_probs)[0] for loss in (through, expected)]
    # torch's own is less the output itself: that of log_softmax before it.
    projected = [g - log_probs.exp() * g.sum(-1, keepdim=True) for g in gradients]
    torch.testing.assert_close(*projected)


@pytest.mark.parametrize(
    "operation",
    [
        lambda f, g: k2.intersect(f, g).scores,
        lambda f, g: k2.connect(k2.intersect(f, g, treat_epsilons_specially=False)).scores,
        lambda f, g: k2.union(f).scores,
        lambda f, g: k2.reverse(k2.arc_sort(f)).scores,
        lambda f, g: k2.closure(f[0]).scores,
        lambda f, g: k2.shortest_path(f, True).scores,
        lambda f, g: k2.add_epsilon_self_loops(k2.top_sort(f)).scores,
        lambda f, g: k2.prune_on_arc_post(f, 0.1, True).scores,
        lambda f, g: k2.expand_ragged_attributes(f.clone().convert_attr_to_ragged_("aux_labels")).scores,
    ],
)
def test_gradient(operation):
    f, g = k2.connect(batch(1)), k2.connect(batch(2))
    del g.aux_labels

    def result(x, y):
        one, other = f.clone(), g.clone()
        one.scores, other.scores = x, y
        return operation(one, other)

    inputs = [fsa.scores.detach().clone().requires_grad_() for fsa in (f, g)]
    assert torch.autograd.gradcheck(result, inputs)


def test_the_gradient_of_dense_intersection():
    fsas = batch(3, loops=True)
    segments = torch.tensor([[0, 0, 3], [1, 0, 2], [0, 1, 2]], dtype=torch.int32)

    def total(scores, log_probs):
        graph = fsas.clone()
        graph.scores = scores
        found = k2.intersect_dense(graph, k2.DenseFsaVec(log_probs, segments), 1e9).get_tot_scores(True, True)
        return found[found.isfinite()]

    log_probs = torch.randn(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = fsas.scores.detach().clone().requires_grad_(), log_probs.requires_grad_()
    assert torch.autograd.gradcheck(total, inputs)


DENSE = k2.DenseFsaVec(torch.zeros(1, 2, 3), torch.tensor([[0, 0, 2]], dtype=torch.int32))
GRAPH = k2.create_fsa_vec([k2.ctc_topo(2)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k2.intersect_dense(k2.ctc_topo(3), DENSE, 10), "label 3 in the automata.*3 classes, 0 to 2"),
        (lambda: k2.intersect_dense(GRAPH, DENSE, 0), "output_beam=0, expected more than 0"),
        (lambda: k2.intersect_dense(GRAPH, DENSE, float("nan")), "output_beam=nan"),
        (
            lambda: k2.intersect_dense(k2.cat([GRAPH, GRAPH]), DENSE, 1),
            "2 automata and 1 segments; give a_to_b_map",
        ),
        (
            lambda: k2.intersect_dense(GRAPH, DENSE, 1, a_to_b_map=int32(1)),
            r"a_to_b_map \[1\], expected 0 to 0",
        ),
        (lambda: k2.intersect_dense(GRAPH, DENSE, 1, a_to_b_map=int32(0, 0)), r"a_to_b_map of \(2,\)"),
        (
            lambda: k2.intersect_dense_pruned(GRAPH, DENSE, -1, 1, 0, 9),
            "search_beam=-1.0, expected more than 0",
        ),
        (lambda: k2.intersect_dense_pruned(GRAPH, DENSE, 1, 1, 9, 3), "9 to 3 active states"),
        (lambda: k2.intersect(k2.cat([GRAPH, GRAPH]), GRAPH), "batches of 2 and 1 automata"),
        (lambda: k2.intersect(GRAPH, GRAPH), "both automata have 'aux_labels'"),
        (lambda: k2.intersect_device(GRAPH[0], GRAPH, int32(0)), "a_fsas of shape"),
        (lambda: k2.intersect_device(GRAPH, GRAPH, int32(1)), r"b_to_a_map \[1\], expected 0 to 0"),
        (lambda: k2.compose(k2.linear_fsa([1]), GRAPH), "a_fsa has no aux_labels"),
        (lambda: k2.compose(GRAPH, k2.linear_fsa([1]), inner_labels="x"), "b_fsa has no aux_labels"),
        (
            lambda: k2.top_sort(k2.Fsa.from_str("0 1 1\n1 2 1\n2 1 1\n2 3 -1\n3")),
            "cycle that leads to state 1 of 4",
        ),
        (lambda: k2.top_sort(k2.Fsa.from_str("0 1 1\n1 0 1\n1 2 -1\n2")), "1 arcs lead back to the start"),
        (lambda: k2.shortest_path(GRAPH, True), "shortest_path: automaton 0 of 1 is not top-sorted"),
        (lambda: k2.shortest_path(GRAPH[0], True), "shortest_path: one automaton, expected a batch"),
        (lambda: k2.union(GRAPH[0]), "expected a batch"),
        (lambda: k2.union(k2.create_fsa_vec([k2.Fsa.from_str("")])), "automaton 0 has no paths"),
        (lambda: k2.closure(GRAPH), "expected one automaton"),
        (lambda: k2.closure(k2.Fsa.from_str("")), "0 states"),
        (lambda: k2.prune_on_arc_post(GRAPH, 1.5, True), "threshold_prob=1.5"),
        (
            lambda: k2.expand_ragged_attributes(GRAPH, False, ["aux_labels"]),
            "'aux_labels' is.*expected 2 axes",
        ),
        (lambda: k2.linear_fst_with_self_loops(k2.linear_fsa([1])), "no aux_labels"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(FstError, match=message):
        call()


def test_scores_that_are_no_numbers_are_named():
    probs = torch.zeros(1, 2, 3)
    probs[0, 1, 2] = torch.nan
    dense = k2.DenseFsaVec(probs, torch.tensor([[0, 0, 2]], dtype=torch.int32))
    with pytest.raises(FstError, match="score of label 2 at row 1 is not a number"):
        k2.intersect_dense(GRAPH, dense, 10)


def test_arcs_that_were_spoilt_kill_nothing():
    spoilt = k2.ctc_topo(2)
    spoilt.arcs.values()[3, 1] = 77
    for call in (k2.connect, k2.top_sort, lambda f: k2.intersect(f, k2.linear_fsa([1]))):
        fsa = k2.Fsa.made(spoilt.arcs, spoilt.scores)
        with pytest.raises(FstError, match="0 -> 77"):
            call(fsa)


def test_what_is_not_there_is_an_index_error():
    with pytest.raises(FstIndexError):
        k2.intersect_device(GRAPH, GRAPH, int32(-1))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_arcs_are_the_result_is_an_automaton_or_an_error(seed):
    generator = random.Random(seed)
    random.seed(seed)
    fsas = k2.random_fsa_vec(1, 3, seed % 2 == 0, 3, 0, 14)
    if seed % 3 == 0:
        fsas.scores = torch.where(torch.arange(fsas.num_arcs) % 3 == 0, -torch.inf, fsas.scores)
    if seed % 4 == 0 and fsas.num_arcs:  # somebody changes arcs in place
        row = generator.randrange(fsas.num_arcs)
        fsas.arcs.values()[row, generator.randrange(3)] = generator.choice([-5, 77, 2**31 - 1, -1, 0])
    log_probs = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed))
    dense = k2.DenseFsaVec(log_probs, torch.tensor([[0, 0, 4], [1, 1, 2]], dtype=torch.int32))
    for operation in (
        k2.connect,
        k2.top_sort,
        k2.arc_sort,
        k2.reverse,
        k2.union,
        k2.remove_epsilon,
        k2.add_epsilon_self_loops,
        lambda f: k2.closure(f[0]),
        lambda f: k2.determinize(f, max_states=200),
        lambda f: k2.intersect(f, k2.linear_fsa([1, 2])),
        lambda f: k2.intersect(f, f, treat_epsilons_specially=False),
        lambda f: k2.intersect_dense(f[0], dense, 5.0),
        lambda f: k2.intersect_dense_pruned(f[0], dense, 5.0, 5.0, 0, 3, allow_partial=True),
        lambda f: k2.shortest_path(f, True),
        lambda f: k2.prune_on_arc_post(f, 0.1, True),
        lambda f: k2.Fsa.from_fst(f[0].to_fst()),
        lambda f: k2.Fsa.from_dict(f.as_dict()),
    ):
        try:
            found = operation(fsas)
        except FstError:
            continue
        k2.Fsa(found.arcs)  # which checks
