"""The lattice in Python: a frozen face of a native automaton, with what is done to lattices as methods."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst import Fst, OnDemand, SymbolTable, algorithms, compose_on_demand
from sonant.fst.files import Path as FilePath
from sonant.fst.files import reading
from sonant.lattice.results import (
    MbrResult,
    OracleResult,
    Path,
    Posteriors,
    SentenceConfidence,
    WordTime,
)

_log = logging.getLogger("sonant.lattice")
_RAW, _COMPACT = "lattice4", "compactlattice44"
MAX_MEMORY = 50_000_000  # bytes of a determinization, Kaldi's default


def warn_incomplete(what: object, max_memory: int, beam: float) -> None:
    """Says that a determinization has reached its limit."""
    _log.warning(
        "determinization of %s reached max_memory=%d: the result is pruned more than by beam=%g",
        what, max_memory, beam,
    )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Lattice:
    """What a search found: paths with words, transition-ids, graph and acoustic costs.

    fst: raw (`lattice4`: an arc has a transition-id as input label and a word as output label), or compact
    (`compactlattice44`: an acceptor of words, transition-ids in the weights). Methods take both and give a
    new lattice; those that need one of the forms convert. words: symbols of the words, for texts and
    drawings.

    A lattice with a cycle, with costs that are no numbers or with ways of unequal lengths to one state
    raises FstError where an operation needs better."""

    fst: Fst
    words: SymbolTable | None = None

    def __post_init__(self) -> None:
        if self.fst.arc_type not in (_RAW, _COMPACT):
            raise FstError(f"a lattice with arcs of type {self.fst.arc_type}; expected {_RAW} or {_COMPACT}")
        self.fst.check()

    # Files

    @classmethod
    def read(cls, source: FilePath | bytes, words: SymbolTable | None = None) -> Self:
        """From a file of one lattice, or its bytes, as `Lattice.write` and OpenFst write it, or as text.

        `sonant.kaldi.util.table` reads archives of them; `Lattice.of` takes what it gives.
        Raises SpecifierError where it cannot be opened, ArkError where it is no lattice or cut off.
        """
        if isinstance(source, bytes):
            return cls._read(_native.Input.from_bytes(source), words)
        with reading(source) as stream:
            return cls._read(stream, words)

    @classmethod
    def _read(cls, stream: Any, words: SymbolTable | None) -> Self:
        if stream.peek() == 0xD6:  # the first byte of OpenFst's files
            return cls(Fst.of_native(*_native.read_fst(stream)), words)
        return cls(Fst.of_native(_native.read_lattice_text(stream)), words)

    @classmethod
    def of(cls, fst: Any, words: SymbolTable | None = None) -> Self:
        """Of an automaton of `sonant.fst` or `sonant.kaldi.fstext` with arcs of a lattice's type; shared,
        not copied."""
        native = getattr(fst, "native", None)
        if not isinstance(native, _native.LatticeFst | _native.CompactLatticeFst):
            raise FstError(f"a {type(fst).__name__}; expected an automaton with arcs of a lattice's type")
        return cls(Fst.of_native(native.copy()), words)

    def write(self, path: FilePath) -> None:
        """OpenFst's format, which Kaldi reads as a lattice."""
        self.fst.write(path)

    def to_bytes(self) -> bytes:
        return self.fst.to_bytes()

    # Looking at it

    @property
    def is_compact(self) -> bool:
        return self.fst.arc_type == _COMPACT

    @property
    def num_states(self) -> int:
        return self.fst.num_states

    @property
    def num_arcs(self) -> int:
        return self.fst.num_arcs

    def __repr__(self) -> str:
        kind = "compact" if self.is_compact else "raw"
        return f"Lattice({kind}, {self.num_states} states, {self.num_arcs} arcs)"

    def text(self, words: Iterable[int]) -> str:
        """The symbols of words, blanks between; numbers where there is no table. FstError for a word that
        is not in the table."""
        if self.words is None:
            return " ".join(map(str, words))
        symbols = []
        for word in words:
            symbol = self.words.symbol(int(word))
            if symbol is None:
                raise FstError(f"the word {word} has no symbol in the table of {len(self.words)} words; take "
                               "the table of the graph that the lattice was made with")  # fmt: skip
            symbols.append(symbol)
        return " ".join(symbols)

    def _repr_svg_(self) -> str | None:
        return self._with_symbols()._repr_svg_()

    def dot(self) -> str:
        """A drawing in Graphviz's language; `draw` writes one."""
        return self._with_symbols().dot()

    def draw(self, path: FilePath) -> None:
        """Graphviz's language for a name in `.dot` or `.gv`, else, by `dot`, what the name ends in."""
        self._with_symbols().draw(path)

    def _with_symbols(self) -> Fst:
        fst = Fst.of_native(self.fst.native)
        if self.is_compact:
            fst.input_symbols = self.words
        fst.output_symbols = self.words
        return fst

    def _made(self, native: Any) -> Self:
        return type(self)(Fst.of_native(native), self.words)

    # Its two forms

    def compact(self) -> Self:
        """As a compact lattice: chains of arcs become one. It may still have several paths with the same
        words; `determinize` leaves the best one."""
        return self if self.is_compact else self._made(self.fst.native.to_compact(True))

    def raw(self) -> Self:
        """With one transition-id an arc."""
        return self._made(self.fst.native.to_plain(True)) if self.is_compact else self

    def sorted(self) -> Self:
        """States in topological order."""
        return self._made(_native.lattice_sorted(self.fst.native))

    # Costs

    def scale(self, graph: float = 1.0, acoustic: float = 1.0) -> Self:
        """Costs times these."""
        for name, value in (("graph", graph), ("acoustic", acoustic)):
            if not math.isfinite(value):
                raise FstError(f"{name}={value}; expected a number")
        return self._made(self.fst.native.scaled(graph, 0.0, 0.0, acoustic))

    def add_word_penalty(self, penalty: float) -> Self:
        """`penalty` is added to the graph cost of each word."""
        return self._made(_native.lattice_add_word_penalty(self.fst.native, penalty))

    def rescore(
        self,
        lm: OnDemand,
        scale: float = 1.0,
        *,
        old: OnDemand | None = None,
        beam: float | None = None,
        max_arcs: int = 100_000,
        max_states: int | None = None,
    ) -> Self:
        """With the costs of a language model added to the graph costs, times `scale`; those of `old`, times
        `scale`, are taken away. Paths that a model does not take are gone.

        States are parted where the model's histories need it: `OnDemand.history(n)` for `lm` parts them by
        the last n - 1 words and changes no cost. With a `beam` the result is compact, and arcs are made
        best first, those alone that are within `beam` of the best path by what is expected of them, and
        about `max_arcs` of them at most (Kaldi's ComposeCompactLatticePruned): for models that part states
        by long histories, or are slow. Scale acoustic costs before. A model that `expect`s (`RecurrentLm`)
        is asked about many states at once. Raises FstError beyond `max_states`."""
        if not math.isfinite(scale):
            raise FstError(f"scale={scale}; expected a number")
        model = lm if scale == 1 else OnDemand.scaled(scale, lm)
        fst = self.fst
        if beam is not None:
            if old is not None:
                model = OnDemand.composed(OnDemand.scaled(-scale, old), model)
            return self._compose_pruned(model, beam, max_arcs, min(100, max_arcs), max_states=max_states)
        if old is not None:
            fst = compose_on_demand(fst, OnDemand.scaled(-scale, old), max_states=max_states)
        made = compose_on_demand(fst, model, max_states=max_states)
        return self._made(made.native)

    def _compose_pruned(
        self,
        model: OnDemand,
        beam: float,
        max_arcs: int,
        initial_arcs: int = 100,
        growth: float = 1.5,
        max_states: int | None = None,
    ) -> Self:
        for name, limit in (("max_arcs", max_arcs), ("initial_num_arcs", initial_arcs)):
            if not 0 < limit < 2**31:
                raise FstError(f"{name}={limit}; expected a positive number")
        compact = self.compact().fst.native
        return self._made(
            _native.lattice_compose_pruned(
                compact, model.native, beam, max_arcs, initial_arcs, growth, 64, max_states or 0
            )
        )

    # Fewer paths

    def prune(self, beam: float) -> Self:
        """Without the arcs whose best path costs more than `beam` over the best of all."""
        if not beam >= 0:
            raise FstError(f"beam={beam}; expected 0 or more")
        return self._made(_native.fst_prune(self.sorted().fst.native, beam, -1))

    def limit_depth(self, arcs_per_frame: int) -> Self:
        """At most so many arcs cross a frame, those on the best paths. Compact."""
        if arcs_per_frame < 1:
            raise FstError(f"arcs_per_frame={arcs_per_frame}; expected 1 or more")
        return self._made(_native.lattice_limit_depth(self.compact().fst.native, arcs_per_frame))

    def determinize(
        self,
        beam: float = 10.0,
        *,
        phones: Any = None,
        minimize: bool = False,
        delta: float = 1 / 1024,
        max_memory: int | None = MAX_MEMORY,
    ) -> Self:
        """A compact lattice with one path, the best, for each sequence of words within `beam` of the best
        one.

        `phones` (num_transition_ids + 1,) int32, the phone that each transition-id begins or 0, has it done
        in two steps, with phones first, which is faster and needs less memory for deep lattices (Kaldi's
        DeterminizeLatticePhonePruned; `sonant.kaldi.lat.functions` makes the table of a model). `minimize`
        makes equal states one. Beyond `max_memory` bytes, by Kaldi's count, the worst part within the beam
        is left out, and the log has a warning. Povey et al., ICASSP 2012."""
        raw = self.raw().fst.native
        memory = -1 if max_memory is None else max_memory
        if phones is None:
            native, complete = _native.lattice_determinize_pruned(
                raw, beam, delta, memory, -1, -1, -1, 0.5, True
            )
            native = _native.fst_connect(native)
        else:
            table = np.ascontiguousarray(phones, np.int32)
            native, complete = _native.lattice_determinize_phone_pruned(
                raw, table, beam, delta, memory, True, True, False
            )
        if not complete:
            warn_incomplete(repr(self), memory, beam)
        made = self._made(native)
        return made.minimize(delta) if minimize else made

    def minimize(self, delta: float = 1 / 1024) -> Self:
        """Strings and weights pushed towards the start, then states with equal arcs made one. Compact."""
        native = _native.lattice_push_weights(_native.lattice_push_strings(self.compact().fst.native))
        return self._made(_native.lattice_minimize(native, delta))

    def union(self, *others: "Lattice") -> Self:
        """The paths of all."""
        forms = [self, *others]
        if any(other.is_compact != self.is_compact for other in others):
            forms = [form.compact() for form in forms]
        return self._made(algorithms.union(forms[0].fst, *(form.fst for form in forms[1:])).native)

    # Paths

    def best_path(self) -> Path:
        """Raises FstError where there is none."""
        found = self.nbest(1)
        if not found:
            raise FstError(f"{self!r} has no path from its start to a final state")
        return found[0]

    def nbest(self, n: int) -> list[Path]:
        """The `n` best paths with different words, the best one first."""
        if n < 1:
            raise FstError(f"n={n}; expected 1 or more")
        lattice = self.sorted().compact()
        found = Fst.of_native(_native.fst_shortest_path(lattice.fst.native, n, n > 1, math.inf, -1))
        return sorted(_paths(found), key=lambda path: path.cost)

    def sentence_confidence(self) -> SentenceConfidence:
        paths = self.nbest(2)
        best, second = ((path.words if path else None) for path in (*paths, None, None)[:2])
        if not paths:
            return SentenceConfidence(0.0, None, None)
        return SentenceConfidence(paths[1].cost - paths[0].cost if len(paths) > 1 else math.inf, best, second)

    def oracle(self, reference: Sequence[int]) -> OracleResult:
        """The path with the fewest errors against the words of `reference`. FstError where there is no
        path."""
        words = np.asarray(reference, np.int64)
        if words.ndim != 1 or (words.size and not 0 < words.min() <= words.max() < 2**31):
            raise FstError("the words of a reference are positive numbers of 32 bits")
        lattice = self.sorted().compact().fst
        native, insertions, deletions, substitutions = _native.lattice_oracle(lattice.native, words.tolist())
        (path,) = _paths(Fst.of_native(native))
        return OracleResult(path, insertions, deletions, substitutions, len(words))

    # Probabilities

    def posteriors(self) -> Posteriors:
        """Of transition-ids at each frame, by forward-backward. Scale acoustic costs before."""
        total, acoustic, begin, labels, probabilities = _native.lattice_frame_posteriors(
            self.raw().fst.native
        )
        return Posteriors(begin, labels, probabilities, -total, acoustic)

    def arc_posteriors(self) -> np.ndarray:
        """(num_arcs,) probabilities of the arcs, in the order of `fst.arcs`."""
        return _native.lattice_arc_posteriors(self.fst.native)

    def costs(self, best: bool = False) -> tuple[float, np.ndarray, np.ndarray]:
        """(total, forward, backward): the costs of all paths together, of those to each state and from it
        to the end; with `best` those of the best path."""
        return _native.lattice_costs(self.fst.native, best)

    def mbr(
        self, *, decode: bool = True, print_silence: bool = False, words: Sequence[int] | None = None
    ) -> MbrResult:
        """The words with the least expected number of errors, their times and confidences (Xu, Povey, Mangu
        and Zhu 2011). Without `decode` they are those given in `words`, or of the best path.
        `print_silence` keeps gaps as words. Scale acoustic costs before. Raises FstError where there is no
        path."""
        given = None if words is None else [int(word) for word in words]
        found, times, confidences, risk, bins = _native.lattice_mbr(
            self.compact().fst.native, given, decode, print_silence
        )
        return MbrResult(
            tuple(
                WordTime(word, begin, end, confidence)
                for word, (begin, end), confidence in zip(found, times, confidences, strict=True)
            ),
            risk,
            bins,
        )

    # Times

    def state_times(self) -> tuple[int, np.ndarray]:
        """(frames, times): the frame of each state, -1 where the start does not lead there."""
        return _native.lattice_times(self.fst.native)

    def depth(self) -> float:
        """How many arcs cross a frame, on average."""
        depths = self.depth_per_frame()
        return float(depths.mean()) if depths.size else 0.0

    def depth_per_frame(self) -> np.ndarray:
        """(frames,) how many arcs cross each frame."""
        return _native.lattice_depth_per_frame(self.compact().fst.native)

    def longest_sentence(self) -> int:
        """The most words that a path has."""
        return _native.lattice_longest_sentence(self.fst.native)

    def word_times(self) -> list[WordTime]:
        """The arcs of the best path with a word or frames (word 0: none). They are the words' times where
        the lattice is aligned by words (`align_words`). The path's final transition-ids belong to its last
        arc."""
        fst = Fst.of_native(
            _native.fst_shortest_path(self.sorted().compact().fst.native, 1, False, math.inf, -1)
        )
        if fst.start < 0:
            raise FstError(f"{self!r} has no path from its start to a final state")
        result: list[WordTime] = []
        state, frame = fst.start, 0
        while arcs := fst.arcs_of(state):
            word, _, weight, state = arcs[0]
            length = len(weight[2])  # pyright: ignore
            if word or length:
                result.append(WordTime(word, frame, frame + length))
            frame += length
        rest = len(fst.final(state)[2])  # pyright: ignore
        if rest:
            last = result.pop() if result else WordTime(0, 0, 0)
            result.append(WordTime(last.word, last.begin, last.end + rest))
        return result


def _paths(fst: Fst) -> list[Path]:
    """Of chains of arcs from the start."""
    if fst.start < 0:
        return []
    chains: list[tuple[list[Any], int]] = [([arc], arc[3]) for arc in fst.arcs_of(fst.start)]
    if math.isfinite(fst.final(fst.start)[0]):  # pyright: ignore[reportIndexIssue]
        chains.append(([], fst.start))
    return [_path(fst, arcs, state) for arcs, state in chains]


def _path(fst: Fst, arcs: list[Any], state: int) -> Path:
    while arcs and (more := fst.arcs_of(state)):
        arcs.append(more[0])
        state = more[0][3]
    weights: list[Any] = [arc[2] for arc in arcs] + [fst.final(state)]
    return Path(
        tuple(arc[0] for arc in arcs if arc[0]),
        tuple(symbol for weight in weights for symbol in weight[2]),
        float(sum(weight[0] for weight in weights)),
        float(sum(weight[1] for weight in weights)),
    )
