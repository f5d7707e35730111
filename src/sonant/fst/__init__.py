"""Weighted finite-state transducers: native automata, OpenFst's files, symbol tables.

>>> from sonant.fst import Fst, SymbolTable
>>> graph = Fst.read("HCLG.fst")  # a big const file is mapped into memory and is there at once
>>> graph.num_states, graph.num_arcs, graph.arcs["ilabel"].max()
"""

from sonant.fst.automaton import Fst as Fst
from sonant.fst.drawing import DrawingStyle as DrawingStyle
from sonant.fst.ngram import NgramLm as NgramLm
from sonant.fst.ngram import Perplexity as Perplexity
from sonant.fst.ngram import read_arpa as read_arpa
from sonant.fst.symbols import SymbolTable as SymbolTable
