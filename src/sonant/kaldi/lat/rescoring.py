"""Lattices with another language model in the place of their graph's (PyKaldi's `LatticeLmRescorer`)."""

from typing import Any, Self

from sonant.kaldi import fstext
from sonant.kaldi.fstext import LatticeVectorFst, StdConstFst, StdVectorFst, utils
from sonant.kaldi.fstext.composition import compose
from sonant.kaldi.fstext.on_demand import StdDeterministicOnDemandFst, compose_deterministic_on_demand_fst
from sonant.kaldi.fstext.special import phi_compose_lattice
from sonant.kaldi.lat.functions import determinize_lattice_pruned
from sonant.kaldi.lm.const_arpa import ConstArpaLm, ConstArpaLmDeterministicFst

# A grammar, or what tells costs as one walks along.
_ALL = 1e10  # a beam that everything is within
LanguageModel = StdVectorFst | StdConstFst | StdDeterministicOnDemandFst | ConstArpaLm


class LatticeLmRescorer:
    """Takes the costs of one language model out of lattices and puts those of another one in.

    old_lm, new_lm: grammars as automata, as Kaldi makes them; or, beyond PyKaldi, const-arpa models and any
    StdDeterministicOnDemandFst, which are exact. phi_label: input label of the backoff arcs of a grammar
    `new_lm` (the number of #0): they are then taken only where a state has no arc with the word; without it
    any way may be taken, and a cheaper backoff wins over the n-gram itself.

    Raises TypeError for other models. May be shared by threads, but for models that are written in Python.
    """

    def __init__(self, old_lm: LanguageModel, new_lm: LanguageModel, phi_label: int | None = None):
        self.phi_label = phi_label
        self.old_lm = prepared(old_lm, "old_lm", project=True)
        self.new_lm = prepared(new_lm, "new_lm", project=not phi_label)

    @classmethod
    def from_files(cls, old_lm_rxfilename: str, new_lm_rxfilename: str, phi_label: int | None = None) -> Self:
        """Of files of grammars."""
        old, new = (fstext.read_fst_kaldi(name) for name in (old_lm_rxfilename, new_lm_rxfilename))
        return cls(old, new, phi_label)  # pyright: ignore[reportArgumentType]

    def rescore(self, lat: Any) -> Any:
        """Rescores a compact lattice, which stays as it is; the result, a CompactLatticeVectorFst, has one
        path for each sequence of words. Raises TypeError for lattices of another kind."""
        if not isinstance(lat, fstext.CompactLatticeVectorFst | fstext.CompactLatticeConstFst):
            raise TypeError(f"a {type(lat).__name__}; expected a compact lattice")
        raw = utils.convert_compact_lattice_to_lattice(lat)
        without = utils.convert_compact_lattice_to_lattice(with_lm(raw, self.old_lm, -1.0))
        return with_lm(without, self.new_lm, 1.0, self.phi_label)


def with_lm(lat: LatticeVectorFst, lm: Any, scale: float, phi_label: int | None = None) -> Any:
    """A raw lattice with the costs of a `prepared` model, times `scale`, added to its graph costs: of each
    sequence of words the best path, as a compact lattice. `lat` is changed.

    Of the ways through a grammar the cheapest counts, whatever the sign of the scale: it is the lattice's
    costs that are divided by it meanwhile."""
    utils.scale_lattice(utils.graph_lattice_scale(1 / scale), lat)
    made = determinized(_composed(lat, lm, phi_label))
    utils.scale_compact_lattice(utils.graph_lattice_scale(scale), made)
    return made


def determinized(lat: LatticeVectorFst) -> Any:
    """Of each sequence of words the best path, as a compact lattice."""
    return determinize_lattice_pruned(lat, _ALL)


def prepared(lm: Any, name: str, project: bool) -> Any:
    """A model as `with_lm` takes it; `project`: a grammar gets its output labels on both sides. Raises
    TypeError, with `name`."""
    if isinstance(lm, ConstArpaLm):
        return ConstArpaLmDeterministicFst(lm)
    if isinstance(lm, StdDeterministicOnDemandFst):
        return lm
    if not isinstance(lm, StdVectorFst | StdConstFst):
        raise TypeError(f"{name}: a {type(lm).__name__}; expected a grammar, or a model on demand")
    grammar = utils.convert_std_to_lattice(lm)
    if project:
        grammar.project(True)
    return grammar.arcsort()


def _composed(lat: Any, lm: Any, phi_label: int | None) -> Any:
    if isinstance(lm, StdDeterministicOnDemandFst):
        return compose_deterministic_on_demand_fst(lat, lm).connect()
    if not phi_label:
        return compose(lat.arcsort("olabel"), lm)
    made = LatticeVectorFst()
    phi_compose_lattice(lat, lm, phi_label, made)
    return made
