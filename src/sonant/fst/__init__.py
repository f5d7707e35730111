"""Weighted finite-state transducers: native automata, OpenFst's files, symbol tables.

>>> from sonant.fst import Fst, SymbolTable
>>> graph = Fst.read("HCLG.fst")  # a big const file is mapped into memory and is there at once
>>> graph.num_states, graph.num_arcs, graph.arcs["ilabel"].max()
"""

from sonant.fst.automaton import Fst as Fst
from sonant.fst.composition import Encoder as Encoder
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
from sonant.fst.ngram import NgramLm as NgramLm
from sonant.fst.ngram import Perplexity as Perplexity
from sonant.fst.ngram import read_arpa as read_arpa
from sonant.fst.symbols import SymbolTable as SymbolTable
