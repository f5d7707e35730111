"""Automata, their weights and files, lattices and symbol tables (PyKaldi's `kaldi.fstext`).

docs/fst.md tells what is here.
"""

from sonant.kaldi.fstext.arcs import CompactLatticeArc as CompactLatticeArc
from sonant.kaldi.fstext.arcs import KwsIndexArc as KwsIndexArc
from sonant.kaldi.fstext.arcs import LatticeArc as LatticeArc
from sonant.kaldi.fstext.arcs import LogArc as LogArc
from sonant.kaldi.fstext.arcs import StdArc as StdArc
from sonant.kaldi.fstext.automata import NO_LABEL as NO_LABEL
from sonant.kaldi.fstext.automata import NO_STATE_ID as NO_STATE_ID
from sonant.kaldi.fstext.automata import equal as equal
from sonant.kaldi.fstext.compiler import CompactLatticeFstCompiler as CompactLatticeFstCompiler
from sonant.kaldi.fstext.compiler import KwsIndexFstCompiler as KwsIndexFstCompiler
from sonant.kaldi.fstext.compiler import LatticeFstCompiler as LatticeFstCompiler
from sonant.kaldi.fstext.compiler import LogFstCompiler as LogFstCompiler
from sonant.kaldi.fstext.compiler import StdFstCompiler as StdFstCompiler
from sonant.kaldi.fstext.composition import compose as compose
from sonant.kaldi.fstext.composition import determinize as determinize
from sonant.kaldi.fstext.composition import difference as difference
from sonant.kaldi.fstext.composition import equivalent as equivalent
from sonant.kaldi.fstext.composition import intersect as intersect
from sonant.kaldi.fstext.encoding import CompactLatticeEncodeMapper as CompactLatticeEncodeMapper
from sonant.kaldi.fstext.encoding import CompactLatticeEncodeTable as CompactLatticeEncodeTable
from sonant.kaldi.fstext.encoding import KwsIndexEncodeMapper as KwsIndexEncodeMapper
from sonant.kaldi.fstext.encoding import KwsIndexEncodeTable as KwsIndexEncodeTable
from sonant.kaldi.fstext.encoding import LatticeEncodeMapper as LatticeEncodeMapper
from sonant.kaldi.fstext.encoding import LatticeEncodeTable as LatticeEncodeTable
from sonant.kaldi.fstext.encoding import LogEncodeMapper as LogEncodeMapper
from sonant.kaldi.fstext.encoding import LogEncodeTable as LogEncodeTable
from sonant.kaldi.fstext.encoding import StdEncodeMapper as StdEncodeMapper
from sonant.kaldi.fstext.encoding import StdEncodeTable as StdEncodeTable
from sonant.kaldi.fstext.enums import ENCODE_FLAGS as ENCODE_FLAGS
from sonant.kaldi.fstext.enums import ENCODE_LABELS as ENCODE_LABELS
from sonant.kaldi.fstext.enums import ENCODE_WEIGHTS as ENCODE_WEIGHTS
from sonant.kaldi.fstext.files import read_fst_kaldi as read_fst_kaldi
from sonant.kaldi.fstext.files import write_fst_kaldi as write_fst_kaldi
from sonant.kaldi.fstext.header import FstHeader as FstHeader
from sonant.kaldi.fstext.header import FstReadOptions as FstReadOptions
from sonant.kaldi.fstext.header import FstWriteOptions as FstWriteOptions
from sonant.kaldi.fstext.kinds import CompactLatticeConstFst as CompactLatticeConstFst
from sonant.kaldi.fstext.kinds import CompactLatticeConstFstArcIterator as CompactLatticeConstFstArcIterator
from sonant.kaldi.fstext.kinds import (
    CompactLatticeConstFstStateIterator as CompactLatticeConstFstStateIterator,
)
from sonant.kaldi.fstext.kinds import CompactLatticeVectorFst as CompactLatticeVectorFst
from sonant.kaldi.fstext.kinds import CompactLatticeVectorFstArcIterator as CompactLatticeVectorFstArcIterator
from sonant.kaldi.fstext.kinds import (
    CompactLatticeVectorFstMutableArcIterator as CompactLatticeVectorFstMutableArcIterator,
)
from sonant.kaldi.fstext.kinds import (
    CompactLatticeVectorFstStateIterator as CompactLatticeVectorFstStateIterator,
)
from sonant.kaldi.fstext.kinds import KwsIndexConstFst as KwsIndexConstFst
from sonant.kaldi.fstext.kinds import KwsIndexConstFstArcIterator as KwsIndexConstFstArcIterator
from sonant.kaldi.fstext.kinds import KwsIndexConstFstStateIterator as KwsIndexConstFstStateIterator
from sonant.kaldi.fstext.kinds import KwsIndexVectorFst as KwsIndexVectorFst
from sonant.kaldi.fstext.kinds import KwsIndexVectorFstArcIterator as KwsIndexVectorFstArcIterator
from sonant.kaldi.fstext.kinds import (
    KwsIndexVectorFstMutableArcIterator as KwsIndexVectorFstMutableArcIterator,
)
from sonant.kaldi.fstext.kinds import KwsIndexVectorFstStateIterator as KwsIndexVectorFstStateIterator
from sonant.kaldi.fstext.kinds import LatticeConstFst as LatticeConstFst
from sonant.kaldi.fstext.kinds import LatticeConstFstArcIterator as LatticeConstFstArcIterator
from sonant.kaldi.fstext.kinds import LatticeConstFstStateIterator as LatticeConstFstStateIterator
from sonant.kaldi.fstext.kinds import LatticeVectorFst as LatticeVectorFst
from sonant.kaldi.fstext.kinds import LatticeVectorFstArcIterator as LatticeVectorFstArcIterator
from sonant.kaldi.fstext.kinds import LatticeVectorFstMutableArcIterator as LatticeVectorFstMutableArcIterator
from sonant.kaldi.fstext.kinds import LatticeVectorFstStateIterator as LatticeVectorFstStateIterator
from sonant.kaldi.fstext.kinds import LogConstFst as LogConstFst
from sonant.kaldi.fstext.kinds import LogConstFstArcIterator as LogConstFstArcIterator
from sonant.kaldi.fstext.kinds import LogConstFstStateIterator as LogConstFstStateIterator
from sonant.kaldi.fstext.kinds import LogVectorFst as LogVectorFst
from sonant.kaldi.fstext.kinds import LogVectorFstArcIterator as LogVectorFstArcIterator
from sonant.kaldi.fstext.kinds import LogVectorFstMutableArcIterator as LogVectorFstMutableArcIterator
from sonant.kaldi.fstext.kinds import LogVectorFstStateIterator as LogVectorFstStateIterator
from sonant.kaldi.fstext.kinds import StdConstFst as StdConstFst
from sonant.kaldi.fstext.kinds import StdConstFstArcIterator as StdConstFstArcIterator
from sonant.kaldi.fstext.kinds import StdConstFstStateIterator as StdConstFstStateIterator
from sonant.kaldi.fstext.kinds import StdVectorFst as StdVectorFst
from sonant.kaldi.fstext.kinds import StdVectorFstArcIterator as StdVectorFstArcIterator
from sonant.kaldi.fstext.kinds import StdVectorFstMutableArcIterator as StdVectorFstMutableArcIterator
from sonant.kaldi.fstext.kinds import StdVectorFstStateIterator as StdVectorFstStateIterator
from sonant.kaldi.fstext.operations import arcmap as arcmap
from sonant.kaldi.fstext.operations import disambiguate as disambiguate
from sonant.kaldi.fstext.operations import epsnormalize as epsnormalize
from sonant.kaldi.fstext.operations import isomorphic as isomorphic
from sonant.kaldi.fstext.operations import prune as prune
from sonant.kaldi.fstext.operations import push as push
from sonant.kaldi.fstext.operations import randequivalent as randequivalent
from sonant.kaldi.fstext.operations import randgen as randgen
from sonant.kaldi.fstext.operations import replace as replace
from sonant.kaldi.fstext.operations import reverse as reverse
from sonant.kaldi.fstext.operations import rmepsilon as rmepsilon
from sonant.kaldi.fstext.operations import shortestdistance as shortestdistance
from sonant.kaldi.fstext.operations import shortestpath as shortestpath
from sonant.kaldi.fstext.operations import statemap as statemap
from sonant.kaldi.fstext.operations import synchronize as synchronize
from sonant.kaldi.fstext.semirings import CompactLatticeWeight as CompactLatticeWeight
from sonant.kaldi.fstext.semirings import KwsIndexWeight as KwsIndexWeight
from sonant.kaldi.fstext.semirings import KwsTimeWeight as KwsTimeWeight
from sonant.kaldi.fstext.semirings import LatticeWeight as LatticeWeight
from sonant.kaldi.fstext.semirings import LogWeight as LogWeight
from sonant.kaldi.fstext.semirings import TropicalWeight as TropicalWeight
from sonant.kaldi.fstext.symbols import NO_SYMBOL as NO_SYMBOL
from sonant.kaldi.fstext.symbols import SymbolTable as SymbolTable
from sonant.kaldi.fstext.symbols import SymbolTableIterator as SymbolTableIterator
from sonant.kaldi.fstext.symbols import SymbolTableTextOptions as SymbolTableTextOptions
from sonant.kaldi.fstext.symbols import compat_symbols as compat_symbols
from sonant.kaldi.fstext.symbols import deserialize_symbol_table as deserialize_symbol_table
from sonant.kaldi.fstext.symbols import indices_to_symbols as indices_to_symbols
from sonant.kaldi.fstext.symbols import relabel_symbol_table as relabel_symbol_table
from sonant.kaldi.fstext.symbols import serialize_symbol_table as serialize_symbol_table
from sonant.kaldi.fstext.symbols import symbols_to_indices as symbols_to_indices
