"""PyKaldi's names of what makes and changes decoding graphs."""

from pathlib import Path

import pytest

from sonant.errors import FstError
from sonant.kaldi.fstext import (
    LatticeFstCompiler,
    LatticeVectorFst,
    StdFstCompiler,
    StdVectorFst,
    SymbolTable,
)
from sonant.kaldi.fstext.special import (
    StdInverseContextFst,
    add_subsequential_loop,
    compose_context,
    create_ilabel_info_symbol_table,
)
from sonant.kaldi.hmm import (
    HTransducerConfig,
    TransitionModel,
    add_self_loops,
    add_transition_probs,
    add_transition_probs_lat,
    get_h_transducer,
)
from sonant.kaldi.tree import ContextDependency

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


@pytest.fixture(scope="module")
def tree(read) -> ContextDependency:
    return read(ContextDependency(), YESNO / "tree")


@pytest.fixture(scope="module")
def model(read) -> TransitionModel:
    return read(TransitionModel(), YESNO / "40.mdl")


def compiled(text: str, compiler: type = StdFstCompiler):
    made = compiler()
    for line in text.strip().splitlines():
        made.write(line + "\n")
    return made.compile()


def test_graphs_of_a_kaldi_run(tree, model):
    lg = StdVectorFst.read(YESNO / "LG.fst")
    clg, info = compose_context([4, 5], 1, 0, lg)
    assert clg.num_states() == 3 and info[:2] == [[], [1]]
    h, disambig = get_h_transducer(info, tree, model, HTransducerConfig())
    assert h.to_fst().equal(StdVectorFst.read(YESNO / "Ha.fst").to_fst(), 0)
    assert disambig == [31]
    graph = StdVectorFst.read(YESNO / "HCLGa.fst")
    add_self_loops(model, [], 0.1, True, True, graph)
    assert graph.to_fst().equal(StdVectorFst.read(YESNO / "HCLG.fst").to_fst(), 0)
    with pytest.raises(FstError, match="self-loop"):
        add_self_loops(model, [], 0.1, True, True, graph)
    with pytest.raises(FstError, match="there are no grammars yet"):
        get_h_transducer(info, tree, model, HTransducerConfig(nonterm_phones_offset=100))


def test_transition_probs_in_place(model):
    fst = compiled("0 1 2 0 0.5\n1 0.25")
    add_transition_probs(model, [], 1.0, 1.0, fst)
    (arc,) = fst.arcs(0)
    assert arc.weight.value == pytest.approx(0.5 - model.get_transition_log_prob(2))
    lattice = compiled("0 1 2 0 0.5,1\n1 0.25,0", LatticeFstCompiler)
    add_transition_probs_lat(model, 0.5, 0.5, lattice)
    (arc,) = lattice.arcs(0)
    assert arc.weight.value1 == pytest.approx(0.5 - 0.5 * model.get_transition_log_prob(2))
    assert arc.weight.value2 == 1
    with pytest.raises(FstError, match="input label 99 is neither"):
        add_transition_probs_lat(model, 1.0, 1.0, compiled("0 1 99 0 0,0\n1 0,0", LatticeFstCompiler))
    with pytest.raises(TypeError, match="a StdVectorFst; expected a LatticeVectorFst"):
        add_transition_probs_lat(model, 1.0, 1.0, fst)
    with pytest.raises(TypeError, match="a LatticeVectorFst; expected a StdVectorFst"):
        add_transition_probs(model, [], 1.0, 1.0, LatticeVectorFst())


def test_the_context_as_it_is_asked_for():
    context = StdInverseContextFst(11, [1, 2, 3], [5, 6], 3, 1)
    assert context.start() == 0 and context.final(0).value == float("inf")
    found = [context.get_arc(*asked) for asked in ((0, 1), (0, 5), (1, 2), (1, 11), (1, 1))]
    # As PyKaldi's has it.
    assert [(arc.ilabel, arc.olabel, arc.nextstate) for arc in found] == [
        (1, 1, 1),
        (5, 2, 0),
        (2, 3, 2),
        (11, 4, 3),
        (1, 5, 4),
    ]
    assert context.ilabel_info() == [[], [0], [-5], [0, 1, 2], [0, 1, 0], [0, 1, 1]]
    assert [context.final(state).value for state in (1, 2, 3)] == [float("inf"), float("inf"), 0.0]
    with pytest.raises(ValueError, match="state 3 of the context has no arc with the label 1"):
        context.get_arc(3, 1)


def test_subsequential_loop_in_place():
    fst = compiled("0 1 1 7 0.5\n1 2 2 8\n2 0.5\n1 0.25")
    add_subsequential_loop(6, fst)
    assert (
        fst.text()
        == "0\t1\t1\t7\t0.5\n1\t2\t2\t8\n1\t3\t6\t0\t0.25\n1\t0.25\n2\t3\t6\t0\t0.5\n2\t0.5\n3\t3\t6\t0\n3\n"
    )


def test_names_of_labels():
    phones = SymbolTable()
    for phone in ("<eps>", "a", "b", "c", "d", "#1", "#2"):
        phones.add_symbol(phone)
    table = create_ilabel_info_symbol_table([[], [0], [-5], [0, 1, 2], [1, 2, 0]], phones, "/", "#")
    assert [table.find_symbol(label) for label in range(5)] == ["<eps>", "#", "#1", "<eps>/a/b", "a/b/<eps>"]
    for wrong, message in (
        ([[], []], "window of label 1 is empty"),
        ([[], [-9]], "no symbol for 9"),
        ([[1]], "first window belongs to epsilon"),
        ([], "first window belongs to epsilon"),
        ([[], [1, 2], [1, 2]], "label 2 would have the name 'a/b'"),
        ([[], [1, 9]], "no symbol for 9"),
    ):
        with pytest.raises(FstError, match=message):
            create_ilabel_info_symbol_table(wrong, phones, "/", "#")
