"""Decoding graphs against Kaldi's, arc for arc: C, H, self-loops, transition probabilities, and HCLG."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant import _native, fst
from sonant.fst import Fst
from sonant.fst.graphs import (
    ContextLabels,
    add_self_loops,
    add_transition_probs,
    compose_context,
    compose_hclg,
    h_transducer,
)
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.tree import ContextDependency

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
