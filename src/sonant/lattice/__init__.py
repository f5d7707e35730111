"""Lattices: everything that a search found, and what people do with it.

>>> lattice = Lattice.read("utterance.lat", words=SymbolTable.read("words.txt"))
>>> lattice.prune(8).determinize().mbr().words
"""

from sonant.lattice.alignment import AlignedLattice as AlignedLattice
from sonant.lattice.alignment import Transitions as Transitions
from sonant.lattice.alignment import WordBoundaries as WordBoundaries
from sonant.lattice.alignment import align_phones as align_phones
from sonant.lattice.alignment import align_words as align_words
from sonant.lattice.alignment import align_words_by_lexicon as align_words_by_lexicon
from sonant.lattice.lattice import Lattice as Lattice
from sonant.lattice.results import Alternative as Alternative
from sonant.lattice.results import Bin as Bin
from sonant.lattice.results import MbrResult as MbrResult
from sonant.lattice.results import OracleResult as OracleResult
from sonant.lattice.results import Path as Path
from sonant.lattice.results import Posteriors as Posteriors
from sonant.lattice.results import SentenceConfidence as SentenceConfidence
from sonant.lattice.results import WordTime as WordTime
