"""Weighted finite-state transducers: native automata, OpenFst's files, symbol tables.

>>> from sonant.fst import Fst, SymbolTable
>>> graph = Fst.read("HCLG.fst")  # a big const file is mapped into memory and is there at once
>>> graph.num_states, graph.num_arcs, graph.arcs["ilabel"].max()
"""

from sonant.fst.algorithms import Statistics as Statistics
from sonant.fst.algorithms import arcmap as arcmap
from sonant.fst.algorithms import arcsort as arcsort
from sonant.fst.algorithms import closure as closure
from sonant.fst.algorithms import concat as concat
from sonant.fst.algorithms import connect as connect
from sonant.fst.algorithms import equal as equal
from sonant.fst.algorithms import invert as invert
from sonant.fst.algorithms import isomorphic as isomorphic
from sonant.fst.algorithms import project as project
from sonant.fst.algorithms import prune as prune
from sonant.fst.algorithms import push as push
from sonant.fst.algorithms import randgen as randgen
from sonant.fst.algorithms import relabel as relabel
from sonant.fst.algorithms import relabel_tables as relabel_tables
from sonant.fst.algorithms import remove_eps_local as remove_eps_local
from sonant.fst.algorithms import reverse as reverse
from sonant.fst.algorithms import reweight as reweight
from sonant.fst.algorithms import rmepsilon as rmepsilon
from sonant.fst.algorithms import shortest_distance as shortest_distance
from sonant.fst.algorithms import shortest_path as shortest_path
from sonant.fst.algorithms import statemap as statemap
from sonant.fst.algorithms import statistics as statistics
from sonant.fst.algorithms import topsort as topsort
from sonant.fst.algorithms import union as union
from sonant.fst.automaton import Fst as Fst
from sonant.fst.composition import compose as compose
from sonant.fst.composition import determinize as determinize
from sonant.fst.composition import determinize_star as determinize_star
from sonant.fst.composition import difference as difference
from sonant.fst.composition import equivalent as equivalent
from sonant.fst.composition import intersect as intersect
from sonant.fst.composition import minimize as minimize
from sonant.fst.composition import minimize_encoded as minimize_encoded
from sonant.fst.composition import random_equivalent as random_equivalent
from sonant.fst.drawing import DrawingStyle as DrawingStyle
from sonant.fst.encoding import Encoder as Encoder
from sonant.fst.lazy import ComposeFst as ComposeFst
from sonant.fst.lazy import NgramFst as NgramFst
from sonant.fst.lazy import find_reachability as find_reachability
from sonant.fst.lazy import lookahead_relabel as lookahead_relabel
from sonant.fst.ngram import NgramLm as NgramLm
from sonant.fst.ngram import Perplexity as Perplexity
from sonant.fst.ngram import read_arpa as read_arpa
from sonant.fst.on_demand import OnDemand as OnDemand
from sonant.fst.on_demand import compose_on_demand as compose_on_demand
from sonant.fst.special import determinize_lattice as determinize_lattice
from sonant.fst.special import equal_align as equal_align
from sonant.fst.special import make_following_input_symbols_same as make_following_input_symbols_same
from sonant.fst.special import make_preceding_input_symbols_same as make_preceding_input_symbols_same
from sonant.fst.special import predeterminize as predeterminize
from sonant.fst.special import propagate_final as propagate_final
from sonant.fst.special import push_special as push_special
from sonant.fst.special import remove_useless_arcs as remove_useless_arcs
from sonant.fst.special import safe_determinize as safe_determinize
from sonant.fst.symbols import SymbolTable as SymbolTable
from sonant.fst.transduction import disambiguate as disambiguate
from sonant.fst.transduction import epsnormalize as epsnormalize
from sonant.fst.transduction import push_labels as push_labels
from sonant.fst.transduction import replace as replace
from sonant.fst.transduction import synchronize as synchronize
