"""Decoding graphs against Kaldi's, arc for arc: C, H, self-loops, transition probabilities, and HCLG."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant import _native, fst
from sonant.errors import AcousticModelError
from sonant.fst import Fst
from sonant.fst.graphs import (
    ContextLabels,
    add_self_loops,
    add_transition_probs,
    compose_context,
    compose_hclg,
    h_transducer,
)
from sonant.fst.graphs.hclg import without_symbols
from sonant.kaldi.hmm import MleTransitionUpdateConfig, TransitionModel
from sonant.kaldi.tree import ContextDependency

YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"
GOLDEN = Path(__file__).parent / "golden" / "graphs"
SETUPS = sorted(path.stem for path in GOLDEN.glob("*.npz"))


class Setup:
    """What tests/oracle/make_graphs_hmm_golden.py wrote."""

    def __init__(self, name: str):
        with np.load(GOLDEN / f"{name}.npz") as parts:
            self.parts = dict(parts)
        self.disambig = self.parts["disambig"].tolist()
        self.h_disambig = self.parts["h_disambig"].tolist()
        self.labels = ContextLabels(self.parts["begins"], self.parts["symbols"])
        self.tree = self._object(ContextDependency(), "tree")
        self.model = self._object(TransitionModel(), "model")
        self.scale = float(self.parts["transition_scale"])

    def _object(self, value: Any, name: str) -> Any:
        stream = _native.Input.from_bytes(self.parts[name].tobytes())
        value.read(stream, stream.header())
        return value

    def fst(self, name: str) -> Fst:
        return Fst.read(self.parts[name].tobytes())

    @property
    def window(self) -> tuple[int, int]:
        return self.tree.context_width(), self.tree.central_position()


setup_of = cache(Setup)


@pytest.fixture(params=SETUPS)
def setup(request) -> Setup:
    return setup_of(request.param)


def test_context_is_kaldis(setup: Setup):
    clg, labels = compose_context(setup.fst("lg"), setup.disambig, *setup.window)
    assert clg.equal(setup.fst("clg"), 0)
    assert list(labels) == list(setup.labels)


def test_h_is_kaldis(setup: Setup):
    h, disambig = h_transducer(setup.labels, setup.tree, setup.model, setup.scale)
    assert h.equal(setup.fst("h"), 0)
    assert disambig == setup.h_disambig
    assert h_transducer(list(setup.labels), setup.tree, setup.model, setup.scale)[0].equal(h, 0)


def test_composition_and_determinization_are_kaldis(setup: Setup):
    graph = fst.compose(setup.fst("h"), setup.fst("clg").arc_sort("ilabel"))
    assert graph.equal(setup.fst("composed"), 0)
    # Kaldi adds up probabilities in single precision.
    assert fst.determinize_star(graph, use_log=True).equal(setup.fst("determinized"), 1e-5)


@pytest.mark.parametrize(("name", "keep_sums"), [("local", False), ("local_sums", True)])
def test_local_removal_of_epsilons_is_kaldis(setup: Setup, name: str, keep_sums: bool):
    graph = without_symbols(setup.fst("determinized"), setup.h_disambig)
    removed = fst.remove_eps_local(graph, keep_sums)
    assert removed.equal(setup.fst(name), 1e-5)
    assert removed.num_arcs < graph.num_arcs
    assert fst.random_equivalent(removed, graph, paths=50, seed=1, delta=1e-3)


@pytest.mark.parametrize(("name", "reorder"), [("hclg", True), ("hclg_before", False)])
def test_self_loops_are_kaldis(setup: Setup, name: str, reorder: bool):
    graph = add_self_loops(setup.fst("hclga"), setup.model, (), 0.25, reorder)
    assert graph.equal(setup.fst(name), 0)


def test_self_loops_with_disambiguation_symbols(setup: Setup):
    assert add_self_loops(setup.fst("h"), setup.model, setup.h_disambig).equal(setup.fst("h_looped"), 0)


@pytest.mark.parametrize(("name", "scales"), [("probs_same", (0.5, 0.5)), ("probs_scaled", (0.75, 0.25))])
def test_transition_probs_are_kaldis(setup: Setup, name: str, scales: tuple[float, float]):
    graph = add_transition_probs(setup.fst("h_looped"), setup.model, setup.h_disambig, *scales)
    assert graph.equal(setup.fst(name), 1e-6)


def test_transition_probs_of_lattices(setup: Setup):
    lattice = add_transition_probs(setup.fst("lattice"), setup.model, (), 0.75, 0.25)
    assert lattice.equal(setup.fst("lattice_probs"), 1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [("hclga", {"self_loops": False}), ("hclg", {}), ("hclg_before", {"reorder": False})],
)
def test_hclg_is_kaldis(setup: Setup, name: str, options: dict[str, Any]):
    graph = compose_hclg(
        setup.fst("lg"),
        setup.tree,
        setup.model,
        disambig=setup.disambig,
        self_loop_scale=0.25,
        transition_scale=setup.scale,
        **options,
    )
    wanted = setup.fst(name)
    assert (graph.num_states, graph.num_arcs) == (wanted.num_states, wanted.num_arcs)
    assert fst.isomorphic(graph, wanted)


def read_of(value: Any, path: Path) -> Any:
    stream = _native.Input.from_bytes(path.read_bytes())
    value.read(stream, stream.header())
    return value


def test_the_whole_chain_of_a_kaldi_run():
    tree, model = read_of(ContextDependency(), YESNO / "tree"), read_of(TransitionModel(), YESNO / "40.mdl")
    lg = Fst.read(YESNO / "LG.fst")
    _, labels = compose_context(lg, [4, 5], 1, 0)
    assert list(labels) == list(ContextLabels.read(YESNO / "ilabels_1_0"))
    h, disambig = h_transducer(labels, tree, model)
    assert h.equal(Fst.read(YESNO / "Ha.fst"), 0) and disambig == [31]
    graph = Fst.read(YESNO / "HCLG.fst")
    assert add_self_loops(Fst.read(YESNO / "HCLGa.fst"), model, (), 0.1).equal(graph, 0)
    # The states of minimized automata are in another order than OpenFst's.
    ours = compose_hclg(lg, tree, model, disambig=[4, 5])
    assert ours.num_states == graph.num_states == 24 and fst.isomorphic(ours, graph, 1e-6)
    again = compose_hclg(lg, tree, model, disambig=[4, 5])
    assert again.to_bytes() == ours.to_bytes()


def test_tables_of_a_model(setup: Setup):
    tables = setup.model.tables()
    assert tables is setup.model.tables()
    assert tables.num_ids == setup.model.num_transition_ids()
    phones = np.flatnonzero(tables.entry_of >= 0)
    assert tables.num_classes[phones].tolist() == [
        setup.model.get_topo().num_pdf_classes(phone) for phone in phones.tolist()
    ]


def test_updates_of_probabilities_make_new_tables():
    model = Setup("triphone").model
    before = model.tables()
    stats = model.init_stats()
    for number in range(1, model.num_transition_ids() + 1):
        model.accumulate(10.0 * number, number, stats)
    model.mle_update(stats, MleTransitionUpdateConfig())
    after = model.tables()
    assert not np.array_equal(before.log_probs, after.log_probs)
    assert np.array_equal(before.tuples, after.tuples)


@pytest.mark.parametrize("pdf_class", [-1, 0, 1, 2, 7])
def test_pdfs_at_once_are_those_one_by_one(setup: Setup, pdf_class: int):
    windows = [window for window in setup.labels if len(window) == setup.window[0]]
    windows += [[0] * setup.window[0], [99] * setup.window[0], [-1] * setup.window[0]]
    found = setup.tree.compute_pdfs(np.array(windows, np.int32), pdf_class)
    for window, pdf in zip(windows, found.tolist(), strict=True):
        try:
            expected = setup.tree.compute(window, pdf_class)
        except AcousticModelError:
            expected = -1
        assert pdf == expected
    with pytest.raises(AcousticModelError, match="expected \\(windows, "):
        setup.tree.compute_pdfs(np.zeros((2, 9), np.int32), 0)
