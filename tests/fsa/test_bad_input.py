"""Whatever is given to whichever operation: a result, or one of sonant's errors that says what was wrong."""

import inspect
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError, SonantError

sys.path.insert(0, str(Path(__file__).parent))
import operations

TEXTS = [
    "0 1 1 1 -1\n0 1 0 2 -0.5\n0 2 2 0 -2\n1 2 1 3 -0.25\n2 3 -1 -1 -0.125\n3",
    "0 1 2 1 -1\n1 2 3 2 -0.5\n1 3 -1 -1 -3\n2 3 -1 -1 0\n3",
]


def batch(*more: str) -> k2.Fsa:
    return k2.create_fsa_vec([k2.Fsa.from_str(text, acceptor=False) for text in (*TEXTS, *more)])


def spoilt(place: int, column: int, value: int) -> k2.Fsa:
    """Somebody wrote into the arcs, and properties are not known."""
    fsa = batch()
    fsa.arcs.values()[place, column] = value
    return k2.Fsa.made(fsa.arcs, fsa.scores)


def with_scores(change) -> k2.Fsa:
    fsa = batch()
    fsa.scores = change(fsa.scores.clone())
    return fsa


def nan_at(place: int):
    def change(scores):
        scores[place] = torch.nan
        return scores

    return change


def scattered(fsa: k2.Fsa) -> k2.Fsa:
    """Tensors of which each second element is used."""
    double = lambda value: torch.stack([value, value], 1)[:, 0]  # noqa: E731
    assert not double(fsa.scores).is_contiguous()
    fsa.scores, fsa.aux_labels = double(fsa.scores), double(fsa.aux_labels)
    return fsa


INPUTS = {
    "an empty batch": lambda: k2.index_fsa(batch(), torch.zeros(0, dtype=torch.int32)),
    "one without states": lambda: batch(""),
    "nothing but ones without states": lambda: k2.create_fsa_vec([k2.Fsa.from_str("", acceptor=False)] * 2),
    "states without arcs": lambda: k2.Fsa(
        k2.Fsa.made(
            batch().arcs.of_batch(torch.tensor([0, 3]).int(), torch.zeros(4).int(), torch.zeros(0, 4).int()),
            torch.zeros(0),
        ).arcs,
        torch.zeros(0).int(),
    ),
    "no path": lambda: batch("0 1 1 1 0\n2 3 -1 -1 0\n3"),
    "a cycle": lambda: batch("0 1 1 1 -1\n1 0 2 2 -1\n1 2 -1 -1 0\n2"),
    "a loop": lambda: batch("0 0 1 1 -1\n0 1 -1 -1 0\n1"),
    "a cycle of epsilons that gains": lambda: batch("0 1 0 0 1\n1 0 0 0 1\n1 2 -1 -1 0\n2"),
    "arcs to lower states": lambda: batch("0 2 1 1 0\n1 3 -1 -1 0\n2 1 1 1 0\n3"),
    "one automaton, not a batch": lambda: batch()[0],
    "a label below -1": lambda: spoilt(1, 2, -7),
    "a wrong final label": lambda: spoilt(4, 2, 3),
    "a final label elsewhere": lambda: spoilt(1, 2, -1),
    "a state that is not there": lambda: spoilt(3, 1, 99),
    "a negative state": lambda: spoilt(3, 1, -2),
    "a source in the wrong place": lambda: spoilt(3, 0, 2),
    "a label beyond all classes": lambda: spoilt(0, 2, 2**31 - 1),
    "NaN": lambda: with_scores(nan_at(2)),
    "all NaN": lambda: with_scores(lambda s: s * torch.nan),
    "-inf": lambda: with_scores(lambda s: torch.where(torch.arange(len(s)) % 2 == 0, -torch.inf, s)),
    "all -inf": lambda: with_scores(lambda s: s - torch.inf),
    "+inf": lambda: with_scores(lambda s: s + torch.inf),
    "double scores": lambda: with_scores(lambda s: s.double()),
    "tensors that are not contiguous": lambda: scattered(batch()),
}


def test_no_operation_is_forgotten():
    public = {
        name
        for name, value in vars(k2).items()
        if callable(value) and not inspect.ismodule(value) and not name.startswith("_")
    }
    named = {name.split(",")[0].split(" ")[0].split(".")[0] for name in operations.ALL}
    assert public - operations.NOT_ON_AUTOMATA == named & public


# Their arcs are those that were given, which nobody looks at again.
COPIES = {
    "Fsa.__getitem__",
    "Fsa.clone",
    "Fsa.to",
    "cat",
    "create_fsa_vec",
    "index_fsa",
    "one_best_decoding",
    "shortest_path",
}


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("operation", operations.ALL)
def test_a_result_or_an_error_of_ours(operation, given):
    fsa = INPUTS[given]()
    try:
        found = operations.ALL[operation](fsa)
    except SonantError as error:
        assert len(str(error)) > 20
        return
    if isinstance(found, k2.Fsa):
        assert found.scores.shape == (found.num_arcs,)
        if operation in COPIES:
            rows = {tuple(row) for row in fsa.arcs.values()[:, 2:3].tolist()}
            assert {tuple(row) for row in found.arcs.values()[:, 2:3].tolist()} <= rows
        else:
            k2.Fsa(found.arcs)  # which checks


ON_EMPTY = {
    "closure",  # one automaton each
    "Fsa.__getitem__",
    "create_fsa_vec",
    "get_lattice",
    "levenshtein_alignment",  # no sequences, which may be those of one or of none
    "OnlineDenseIntersecter",
    "RnntDecodingStreams",
    "to_dot",
    "to_str",
    "to_str_simple",
    "Fsa.to_fst",
}


@pytest.mark.parametrize("operation", operations.ALL)
def test_an_empty_batch_gives_nothing_of_everything(operation):
    """The operations of a batch go through, but for those that need an automaton, which say so."""
    empty = INPUTS["an empty batch"]()
    assert empty.shape == (0, None, None)
    call = operations.ALL[operation]
    if operation in ON_EMPTY:
        with pytest.raises(SonantError, match=r"not there|at least one|one or more|expected"):
            call(empty)
        return
    found = call(empty)
    if operation == "union":
        assert found.shape == (2, None) and found.num_arcs == 0  # which takes nothing
    elif operation == "replace_fsa":
        assert found.labels.tolist() == [2, 1, -1]  # in which nothing is put
    elif isinstance(found, k2.Fsa):
        assert found.shape == (0, None, None) and found.num_arcs == 0
    elif isinstance(found, torch.Tensor) and operation != "to_tensor":
        assert found.numel() == 0 or found.tolist() == 0


def chain() -> k2.Fsa:
    return k2.linear_fsa([[1, 2]] * 2)


ELSEWHERE = {
    "cat": lambda f, m: k2.cat([f, m]),
    "compose": lambda f, m: k2.compose(f, chain().to("meta")),
    "create_fsa_vec": lambda f, m: k2.create_fsa_vec([f[0], k2.linear_fst([1], [1]).to("meta")]),
    "ctc_loss": lambda f, m: k2.ctc_loss(m, operations.dense(f)),
    "get_lattice": lambda f, m: k2.get_lattice(torch.zeros(2, 3, 5), torch.tensor([3, 2]), m),
    "index_fsa": lambda f, m: k2.index_fsa(f, operations.of_fsas(f).to("meta")),
    "intersect": lambda f, m: k2.intersect(m, chain()),
    "intersect_dense": lambda f, m: k2.intersect_dense(m, operations.dense(f), 5.0),
    "intersect_dense, map": lambda f, m: k2.intersect_dense(
        f, operations.dense(f), 5.0, a_to_b_map=operations.of_fsas(f).to("meta")
    ),
    "intersect_dense_pruned": lambda f, m: k2.intersect_dense_pruned(m, operations.dense(f), 5.0, 5.0, 0, 9),
    "intersect_dense_tot_scores": lambda f, m: k2.intersect_dense_tot_scores(m, operations.dense(f)),
    "intersect_device": lambda f, m: k2.intersect_device(f, chain().to("meta"), operations.of_fsas(f)),
    "intersect_device, map": lambda f, m: k2.intersect_device(f, chain(), operations.of_fsas(f).to("meta")),
    "is_rand_equivalent": lambda f, m: k2.is_rand_equivalent(f, m, True),
    "levenshtein_alignment": lambda f, m: k2.levenshtein_alignment(
        k2.levenshtein_graph([[1]]), k2.levenshtein_graph([[1]]).to("meta"), torch.zeros(1).int()
    ),
    "Nbest.intersect": lambda f, m: k2.Nbest.best_of_lattice(f, 3).intersect(m),
    "replace_fsa": lambda f, m: k2.replace_fsa(f, chain().to("meta")),
    "an attribute": lambda f, m: setattr(f, "x", torch.zeros(f.num_arcs, device="meta")),
    "scores": lambda f, m: setattr(f, "scores", torch.zeros(f.num_arcs, device="meta")),
}


@pytest.mark.parametrize("operation", ELSEWHERE)
def test_what_is_on_two_devices_is_named(operation):
    fsa = batch()
    with pytest.raises(FstError, match=r"cpu.*meta|meta.*cpu"):
        ELSEWHERE[operation](fsa, fsa.to("meta"))


@pytest.mark.parametrize(
    "call",
    [
        lambda f: k2.intersect_dense(f, operations.dense(batch()), 5.0),
        lambda f: k2.intersect_dense_pruned(f, operations.dense(batch()), 5.0, 5.0, 0, 9),
        lambda f: k2.intersect_dense_tot_scores(f, operations.dense(batch())),
        lambda f: k2.replace_fsa(f, batch()),
    ],
)
def test_scores_of_two_types_are_named(call):
    with pytest.raises(FstError, match=r"float64.*float32|float32.*float64"):
        call(INPUTS["double scores"]())


def test_scores_of_two_types_add_up_in_the_wider():
    assert k2.intersect(INPUTS["double scores"](), chain()).scores.dtype == torch.float64


def star(arcs: int) -> k2.Fsa:
    """A start with so many arcs of label 1 to the state before the final one."""
    rows = torch.tensor([0, 1, 1, 0], dtype=torch.int32).repeat(arcs, 1)
    return k2.Fsa(torch.cat([rows, torch.tensor([[1, 2, -1, 0]], dtype=torch.int32)]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k2.intersect(star(50000), star(50000)), "intersect of two automata.* arcs"),
        (lambda: k2.intersect(star(50000), star(50000), treat_epsilons_specially=False), "intersect of two"),
        (lambda: k2.intersect(star(50000), star(50000), phi_label=7), "intersect of two automata.* arcs"),
        (
            lambda: k2.index_fsa(k2.create_fsa_vec([star(10000)]), torch.zeros(300000, dtype=torch.int32)),
            "3000300000 elements, at most 2147483647",
        ),
        (
            lambda: k2.replace_fsa(k2.create_fsa_vec([star(50000)]), star(50000)),
            "the result would have more than 2147483647 arcs",
        ),
        (lambda: k2.ctc_topo(50000), "max_token=50000 makes 2500150002 arcs, at most 2147483647"),
        (lambda: k2.ctc_topo(2**30, modified=True), "makes 4294967296 arcs"),
        (lambda: k2.trivial_graph(2**31), "max_token=2147483648, expected less than 2147483647"),
    ],
)
def test_more_arcs_than_can_be_numbered_are_named_before_they_are_made(call, message):
    tracemalloc.start()
    with pytest.raises(SonantError, match=message):
        call()
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 0, 4]], r"segment 0 is \[0, 0, 4\]"),
        ([[0, 0, 3], [0, -1, 2]], r"segment 1 is \[0, -1, 2\]"),
        ([[-1, 0, 1]], r"segment 0 is \[-1, 0, 1\]"),
        ([[2, 0, 1]], r"segment 0 is \[2, 0, 1\]"),
        ([[0, 0, 0]], r"segment 0 is \[0, 0, 0\]"),
        ([[0, 2**31 - 1, 2**31 - 1]], r"segment 0 is \[0, 2147483647, 2147483647\]"),
    ],
)
def test_segments_that_are_not_there_are_named(rows, message):
    with pytest.raises(FstError, match=f"DenseFsaVec: {message}.*2 sequences of 3 frames"):
        k2.DenseFsaVec(torch.zeros(2, 3, 5), torch.tensor(rows, dtype=torch.int32))


@pytest.mark.parametrize("lengths", [[4, 1], [-1, 1], [0, 1]])
def test_lengths_that_are_not_there_are_named(lengths):
    with pytest.raises(FstError, match=r"segment 0 is \[0, 0, (4|-1|0)\]"):
        k2.get_lattice(torch.zeros(2, 3, 5), torch.tensor(lengths), k2.ctc_topo(4))
