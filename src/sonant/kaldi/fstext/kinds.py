"""The automata of each semiring, vector (which can be changed) and const, with their iterators."""

from sonant import _native
from sonant.kaldi.fstext.arcs import CompactLatticeArc, KwsIndexArc, LatticeArc, LogArc, StdArc
from sonant.kaldi.fstext.automata import FstBase, MutableFstBase
from sonant.kaldi.fstext.iterators import ArcIterator, MutableArcIterator, StateIterator


# fmt: off
class StdVectorFstStateIterator(StateIterator): ...
class StdVectorFstArcIterator(ArcIterator[StdArc], arc=StdArc): ...
class StdVectorFstMutableArcIterator(MutableArcIterator[StdArc], arc=StdArc): ...
class StdConstFstStateIterator(StateIterator): ...
class StdConstFstArcIterator(ArcIterator[StdArc], arc=StdArc): ...
class LogVectorFstStateIterator(StateIterator): ...
class LogVectorFstArcIterator(ArcIterator[LogArc], arc=LogArc): ...
class LogVectorFstMutableArcIterator(MutableArcIterator[LogArc], arc=LogArc): ...
class LogConstFstStateIterator(StateIterator): ...
class LogConstFstArcIterator(ArcIterator[LogArc], arc=LogArc): ...
class LatticeVectorFstStateIterator(StateIterator): ...
class LatticeVectorFstArcIterator(ArcIterator[LatticeArc], arc=LatticeArc): ...
class LatticeVectorFstMutableArcIterator(MutableArcIterator[LatticeArc], arc=LatticeArc): ...
class LatticeConstFstStateIterator(StateIterator): ...
class LatticeConstFstArcIterator(ArcIterator[LatticeArc], arc=LatticeArc): ...
class CompactLatticeVectorFstStateIterator(StateIterator): ...
class CompactLatticeVectorFstArcIterator(ArcIterator[CompactLatticeArc], arc=CompactLatticeArc): ...
class CompactLatticeVectorFstMutableArcIterator(
    MutableArcIterator[CompactLatticeArc], arc=CompactLatticeArc
): ...
class CompactLatticeConstFstStateIterator(StateIterator): ...
class CompactLatticeConstFstArcIterator(ArcIterator[CompactLatticeArc], arc=CompactLatticeArc): ...
class KwsIndexVectorFstStateIterator(StateIterator): ...
class KwsIndexVectorFstArcIterator(ArcIterator[KwsIndexArc], arc=KwsIndexArc): ...
class KwsIndexVectorFstMutableArcIterator(MutableArcIterator[KwsIndexArc], arc=KwsIndexArc): ...
class KwsIndexConstFstStateIterator(StateIterator): ...
class KwsIndexConstFstArcIterator(ArcIterator[KwsIndexArc], arc=KwsIndexArc): ...
# fmt: on


class StdVectorFst(MutableFstBase):
    """An automaton with costs of which the smaller one counts (tropical)."""

    _native_type, _arc, _format = _native.StdFst, StdArc, "vector"
    _state_iterator, _arc_iterator = StdVectorFstStateIterator, StdVectorFstArcIterator
    _mutable_arc_iterator = StdVectorFstMutableArcIterator


class StdConstFst(FstBase):
    """An automaton with costs of which the smaller one counts (tropical); it cannot be changed."""

    _native_type, _arc, _format = _native.StdFst, StdArc, "const"
    _state_iterator, _arc_iterator = StdConstFstStateIterator, StdConstFstArcIterator


class LogVectorFst(MutableFstBase):
    """An automaton with costs that are added as probabilities (log)."""

    _native_type, _arc, _format = _native.LogFst, LogArc, "vector"
    _state_iterator, _arc_iterator = LogVectorFstStateIterator, LogVectorFstArcIterator
    _mutable_arc_iterator = LogVectorFstMutableArcIterator


class LogConstFst(FstBase):
    """An automaton with costs that are added as probabilities (log); it cannot be changed."""

    _native_type, _arc, _format = _native.LogFst, LogArc, "const"
    _state_iterator, _arc_iterator = LogConstFstStateIterator, LogConstFstArcIterator


class LatticeVectorFst(MutableFstBase):
    """An automaton with graph and acoustic costs."""

    _native_type, _arc, _format = _native.LatticeFst, LatticeArc, "vector"
    _state_iterator, _arc_iterator = LatticeVectorFstStateIterator, LatticeVectorFstArcIterator
    _mutable_arc_iterator = LatticeVectorFstMutableArcIterator


class LatticeConstFst(FstBase):
    """An automaton with graph and acoustic costs; it cannot be changed."""

    _native_type, _arc, _format = _native.LatticeFst, LatticeArc, "const"
    _state_iterator, _arc_iterator = LatticeConstFstStateIterator, LatticeConstFstArcIterator


class CompactLatticeVectorFst(MutableFstBase):
    """An automaton with graph and acoustic costs and strings of transition-ids."""

    _native_type, _arc, _format = _native.CompactLatticeFst, CompactLatticeArc, "vector"
    _state_iterator, _arc_iterator = CompactLatticeVectorFstStateIterator, CompactLatticeVectorFstArcIterator
    _mutable_arc_iterator = CompactLatticeVectorFstMutableArcIterator


class CompactLatticeConstFst(FstBase):
    """An automaton with graph and acoustic costs and strings of transition-ids; it cannot be changed."""

    _native_type, _arc, _format = _native.CompactLatticeFst, CompactLatticeArc, "const"
    _state_iterator, _arc_iterator = CompactLatticeConstFstStateIterator, CompactLatticeConstFstArcIterator


class KwsIndexVectorFst(MutableFstBase):
    """An automaton with the cost and the times of keywords."""

    _native_type, _arc, _format = _native.KwsIndexFst, KwsIndexArc, "vector"
    _state_iterator, _arc_iterator = KwsIndexVectorFstStateIterator, KwsIndexVectorFstArcIterator
    _mutable_arc_iterator = KwsIndexVectorFstMutableArcIterator


class KwsIndexConstFst(FstBase):
    """An automaton with the cost and the times of keywords; it cannot be changed."""

    _native_type, _arc, _format = _native.KwsIndexFst, KwsIndexArc, "const"
    _state_iterator, _arc_iterator = KwsIndexConstFstStateIterator, KwsIndexConstFstArcIterator


VECTOR_TYPES: dict[str, type[MutableFstBase]] = {
    kind._arc.type(): kind
    for kind in (StdVectorFst, LogVectorFst, LatticeVectorFst, CompactLatticeVectorFst, KwsIndexVectorFst)
}
CONST_TYPES: dict[str, type[FstBase]] = {
    kind._arc.type(): kind
    for kind in (StdConstFst, LogConstFst, LatticeConstFst, CompactLatticeConstFst, KwsIndexConstFst)
}
