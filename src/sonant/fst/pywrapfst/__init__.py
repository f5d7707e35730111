"""pywrapfst, the automata of OpenFst in Python, over `sonant.fst`: a script works when its import changes.

>>> from sonant.fst import pywrapfst
>>> compiler = pywrapfst.Compiler()
>>> print("0 1 1 2 0.5", file=compiler)

The names, arguments and defaults are those of pywrapfst 2.1.7 (pynini); docs/fst.md tells the differences.
"""

from typing import Literal

from sonant.fst.pywrapfst.archives import FarReader as FarReader
from sonant.fst.pywrapfst.archives import FarWriter as FarWriter
from sonant.fst.pywrapfst.arcs import Arc as Arc
from sonant.fst.pywrapfst.automata import NO_LABEL as NO_LABEL
from sonant.fst.pywrapfst.automata import NO_STATE_ID as NO_STATE_ID
from sonant.fst.pywrapfst.automata import Compiler as Compiler
from sonant.fst.pywrapfst.automata import Fst as Fst
from sonant.fst.pywrapfst.automata import MutableFst as MutableFst
from sonant.fst.pywrapfst.automata import VectorFst as VectorFst
from sonant.fst.pywrapfst.encoding import EncodeMapper as EncodeMapper
from sonant.fst.pywrapfst.errors import FstArgError as FstArgError
from sonant.fst.pywrapfst.errors import FstBadWeightError as FstBadWeightError
from sonant.fst.pywrapfst.errors import FstError as FstError
from sonant.fst.pywrapfst.errors import FstIndexError as FstIndexError
from sonant.fst.pywrapfst.errors import FstIOError as FstIOError
from sonant.fst.pywrapfst.errors import FstOpError as FstOpError
from sonant.fst.pywrapfst.flags import ArcIteratorFlags as ArcIteratorFlags
from sonant.fst.pywrapfst.flags import EncodeMapperFlags as EncodeMapperFlags
from sonant.fst.pywrapfst.flags import FstProperties as FstProperties
from sonant.fst.pywrapfst.flags import WeightProperties as WeightProperties
from sonant.fst.pywrapfst.operations import arcmap as arcmap
from sonant.fst.pywrapfst.operations import compose as compose
from sonant.fst.pywrapfst.operations import convert as convert
from sonant.fst.pywrapfst.operations import determinize as determinize
from sonant.fst.pywrapfst.operations import difference as difference
from sonant.fst.pywrapfst.operations import disambiguate as disambiguate
from sonant.fst.pywrapfst.operations import epsnormalize as epsnormalize
from sonant.fst.pywrapfst.operations import equal as equal
from sonant.fst.pywrapfst.operations import equivalent as equivalent
from sonant.fst.pywrapfst.operations import intersect as intersect
from sonant.fst.pywrapfst.operations import isomorphic as isomorphic
from sonant.fst.pywrapfst.operations import prune as prune
from sonant.fst.pywrapfst.operations import push as push
from sonant.fst.pywrapfst.operations import randequivalent as randequivalent
from sonant.fst.pywrapfst.operations import randgen as randgen
from sonant.fst.pywrapfst.operations import replace as replace
from sonant.fst.pywrapfst.operations import reverse as reverse
from sonant.fst.pywrapfst.operations import shortestdistance as shortestdistance
from sonant.fst.pywrapfst.operations import shortestpath as shortestpath
from sonant.fst.pywrapfst.operations import statemap as statemap
from sonant.fst.pywrapfst.operations import synchronize as synchronize
from sonant.fst.pywrapfst.symbols import NO_SYMBOL as NO_SYMBOL
from sonant.fst.pywrapfst.symbols import SymbolTable as SymbolTable
from sonant.fst.pywrapfst.symbols import SymbolTableView as SymbolTableView
from sonant.fst.pywrapfst.symbols import compact_symbol_table as compact_symbol_table
from sonant.fst.pywrapfst.symbols import merge_symbol_table as merge_symbol_table
from sonant.fst.pywrapfst.weights import Weight as Weight
from sonant.fst.pywrapfst.weights import WeightLike as WeightLike
from sonant.fst.pywrapfst.weights import divide as divide
from sonant.fst.pywrapfst.weights import plus as plus
from sonant.fst.pywrapfst.weights import power as power
from sonant.fst.pywrapfst.weights import times as times

ArcMapType = Literal[
    "identity",
    "input_epsilon",
    "invert",
    "output_epsilon",
    "plus",
    "power",
    "quantize",
    "rmweight",
    "superfinal",
    "times",
    "to_log",
    "to_log64",
    "to_std",
    "to_standard",
]
ClosureType = Literal["star", "plus"]
ComposeFilter = Literal["alt_sequence", "auto", "match", "no_match", "null", "sequence", "trivial"]
DeterminizeType = Literal["functional", "nonfunctional", "disambiguate"]
DrawFloatFormat = Literal["e", "f", "g"]
EpsNormalizeType = Literal["input", "output"]
FarType = Literal["fst", "stlist", "sttable", "default"]
ProjectType = Literal["input", "output"]
QueueType = Literal["auto", "fifo", "lifo", "shortest", "state", "top"]
RandArcSelection = Literal["uniform", "log_prob", "fast_log_prob"]
ReplaceLabelType = Literal["neither", "input", "output", "both"]
ReweightType = Literal["to_initial", "to_final"]
SortType = Literal["ilabel", "olabel"]
StateMapType = Literal["arc_sum", "arc_unique", "identity"]

# Each flag is a name of the module too.
globals().update(
    (name, flag)
    for flags in (FstProperties, WeightProperties, ArcIteratorFlags, EncodeMapperFlags)
    for name, flag in flags.__members__.items()
)
