"""sonant lattice: archives of lattices: best words, n-best, pruning, determinization, rescoring, risk,
drawings."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from sonant.errors import ConfigError, FstError, SonantError
from sonant.fst import Fst, NgramLm, OnDemand, SymbolTable
from sonant.lattice import Lattice, Transitions, WordTime, align_words

Specifier = tyro.conf.Positional[str]


@dataclass(frozen=True)
class _Source:
    lattices: Specifier
    """Lattices by Kaldi's specifiers, `ark:lat.1.ark`, `scp:lat.scp`, `"ark:gunzip -c lat.1.gz |"` say; a
    name without one is an archive."""
    words: Path | None = None
    """Words and their numbers (words.txt). Without it words are numbers."""
    acoustic_scale: float = 1.0
    """Acoustic costs times this; usual are 0.1 for GMMs, and 1 for chain models."""
    lm_scale: float = 1.0
    """Graph costs times this."""
    word_penalty: float = 0.0
    """Added to the cost of each word."""


@dataclass(frozen=True)
class _Made(_Source):
    """With an archive to write."""

    out: Annotated[str, tyro.conf.arg(aliases=["-o"])] = "ark,t:-"
    """Specifier of what is written, `ark:out.ark` or `ark,scp:out.ark,out.scp` say."""


@dataclass(frozen=True)
class Best(_Source):
    """Print the words of each best path: `key word ...`."""


@dataclass(frozen=True)
class Nbest(_Source):
    """Print the best sentences of each lattice: `key-1 cost word ...`."""

    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 10


@dataclass(frozen=True)
class Prune(_Made):
    """Leave out what costs more than the best path and a beam."""

    beam: float = 4.0


@dataclass(frozen=True)
class Determinize(_Made):
    """Keep the best path of each sequence of words."""

    beam: float = 10.0
    model: Path | None = None
    """Kaldi's model of the lattices: determinize with phones first, which deep lattices need."""
    minimize: bool = False
    max_memory: int = 50_000_000
    """Bytes, by Kaldi's count; beyond them more is pruned."""


@dataclass(frozen=True)
class Rescore(_Made):
    """Add the costs of a language model, or put it in the place of another one."""

    lm: Path | None = None
    """ARPA file (`.arpa`, `.gz`), Kaldi's const-arpa (`.carpa`), or a grammar G as automaton (`.fst`) that
    backs off by `backoff`."""
    old: Path | None = None
    """The model whose costs are taken away."""
    scale: float = 1.0
    """Costs of both models times this."""
    backoff: int = 0
    """Input label of the backoff arcs of a grammar: the number of #0, or 0."""
    beam: float | None = None
    """Make only what is within this of the best path, best parts first: for long histories."""


@dataclass(frozen=True)
class Mbr(_Source):
    """Print the words with the least expected number of errors."""

    sausage: bool = False
    """Print what may stand at each position, with probabilities, too."""


@dataclass(frozen=True)
class Draw(_Source):
    """Draw a lattice."""

    out: Path = Path("lattice.svg")
    """.dot or .gv, or what Graphviz's `dot` writes: .svg, .png, .pdf."""
    key: str | None = None
    """Which one; the first otherwise."""


@dataclass(frozen=True)
class ToCtm(_Source):
    """Print words with times and confidences: `key channel begin duration word confidence`, in seconds."""

    frame_shift: float = 0.01
    """Seconds of a frame."""
    model: Path | None = None
    """With `word_boundary`: times by alignment of the best path; by minimum Bayes risk otherwise."""
    word_boundary: Path | None = None
    """Phones and where in words they stand (word_boundary.int)."""
    reorder: bool = True
    """The graph had reordered transitions, as Kaldi's graphs have."""


@dataclass(frozen=True)
class Oracle(_Source):
    """Print the path with the fewest errors of each lattice, and the error rate of all."""

    references: Path = Path("text")
    """Lines of a key and its words."""


@dataclass(frozen=True)
class Copy(_Made):
    """Write lattices in another form."""

    to: Literal["compact", "raw"] = "compact"
    """raw: a transition-id an arc. The specifier `ark,t:` writes text."""


def _command(name: str) -> Any:
    return tyro.conf.subcommand(name, prefix_name=False)


Commands = (
    Annotated[Best, _command("best")]
    | Annotated[Nbest, _command("nbest")]
    | Annotated[Prune, _command("prune")]
    | Annotated[Determinize, _command("determinize")]
    | Annotated[Rescore, _command("rescore")]
    | Annotated[Mbr, _command("mbr")]
    | Annotated[Draw, _command("draw")]
    | Annotated[ToCtm, _command("to-ctm")]
    | Annotated[Oracle, _command("oracle")]
    | Annotated[Copy, _command("copy")]
)


def main(argv: Sequence[str]) -> int:
    options: Any = tyro.cli(
        Commands,  # pyright: ignore[reportArgumentType]
        prog="sonant lattice",
        description="Archives of lattices, with Kaldi's specifiers.",
        args=argv,
    )
    run = _Run(options)
    _DO[type(options)](run, options)
    return 1 if run.failed or not run.done else 0


class _Run:
    """Goes through an archive; a lattice that cannot be used is named, and the others go on."""

    def __init__(self, options: _Source):
        self._options = options
        self.table = None if options.words is None else SymbolTable.read(options.words)
        self.done = self.failed = 0

    def lattices(self) -> Iterator[tuple[str, Lattice]]:
        from sonant.kaldi.util.table import SequentialCompactLatticeReader, SequentialLatticeReader

        # Raw lattices stay so where the form is not asked for.
        compact = not isinstance(self._options, Determinize | Copy)
        kind = SequentialCompactLatticeReader if compact else SequentialLatticeReader
        with kind(_specifier(self._options.lattices)) as reader:
            for key, fst in reader:
                yield key, Lattice.of(fst, self.table)

    def each(self, use: Callable[[str, Lattice], None]) -> None:
        given = self._options
        for key, lattice in self.lattices():
            try:
                if given.acoustic_scale != 1 or given.lm_scale != 1:
                    lattice = lattice.scale(given.lm_scale, given.acoustic_scale)
                if given.word_penalty:
                    lattice = lattice.add_word_penalty(given.word_penalty)
                use(key, lattice)
                self.done += 1
            except FstError as error:
                self.failed += 1
                print(f"{key}: {error}", file=sys.stderr)
        if not self.done and not self.failed:
            print(f"{given.lattices}: there is no lattice", file=sys.stderr)

    def write(self, out: str, make: Callable[[Lattice], Lattice], raw: bool = False) -> None:
        from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
        from sonant.kaldi.util.table import CompactLatticeWriter, LatticeWriter

        if _specifier(out) == _specifier(self._options.lattices):
            raise ConfigError(f"{out} would be written over itself while it is read; write another archive")
        kind: Any = LatticeVectorFst if raw else CompactLatticeVectorFst
        archive: Any = LatticeWriter if raw else CompactLatticeWriter
        with archive(_specifier(out)) as writer:

            def put(key: str, lattice: Lattice) -> None:
                made = make(lattice)
                writer[key] = kind.of_native((made.raw() if raw else made.compact()).fst.native)

            self.each(put)


def _specifier(text: str) -> str:
    head = text.partition(":")[0].split(",")[0] if ":" in text else ""
    return text if head in ("ark", "scp", "o", "s", "cs", "p", "t", "b") else f"ark:{text}"


def _best(run: _Run, options: Best) -> None:
    run.each(lambda key, lattice: print(key, lattice.text(lattice.best_path().words)))


def _nbest(run: _Run, options: Nbest) -> None:
    def show(key: str, lattice: Lattice) -> None:
        for i, path in enumerate(lattice.nbest(options.n), 1):
            print(f"{key}-{i} {path.cost:.4f} {lattice.text(path.words)}")

    run.each(show)


def _prune(run: _Run, options: Prune) -> None:
    run.write(options.out, lambda lattice: lattice.prune(options.beam))


def _determinize(run: _Run, options: Determinize) -> None:
    phones = None if options.model is None else _transitions(options.model).first_phones
    run.write(
        options.out,
        lambda lattice: lattice.determinize(
            options.beam, phones=phones, minimize=options.minimize, max_memory=options.max_memory
        ),
    )


def _transitions(path: Path) -> Transitions:
    from sonant.kaldi.hmm import TransitionModel
    from sonant.kaldi.lat import transitions_of
    from sonant.kaldi.util.io import xopen

    model = TransitionModel()
    with xopen(str(path)) as file:
        model.read(file.stream(), file.binary)
    return transitions_of(model)


def _model(path: Path, table: SymbolTable | None, backoff: int) -> OnDemand:
    if path.suffix == ".fst":
        return OnDemand.backoff(Fst.read(path).arc_sort(), backoff)
    if path.suffix == ".carpa":
        from sonant.kaldi.lm import ConstArpaLm, ConstArpaLmDeterministicFst
        from sonant.kaldi.util.io import xopen

        const = ConstArpaLm()
        with xopen(str(path)) as file:
            const.read(file.stream(), file.binary)
        return ConstArpaLmDeterministicFst(const).model()
    return OnDemand.ngram(NgramLm.read(path, table))


def _rescore(run: _Run, options: Rescore) -> None:
    if options.lm is None and options.old is None:
        raise ConfigError("there is no model: give --lm, --old, or both")
    lm, old = (
        None if path is None else _model(path, run.table, options.backoff)
        for path in (options.lm, options.old)
    )

    def make(lattice: Lattice) -> Lattice:
        if lm is None:
            return lattice.rescore(old, -options.scale, beam=options.beam)  # pyright: ignore[reportArgumentType]
        return lattice.rescore(lm, options.scale, old=old, beam=options.beam)

    run.write(options.out, make)


def _mbr(run: _Run, options: Mbr) -> None:
    def show(key: str, lattice: Lattice) -> None:
        found = lattice.mbr()
        print(key, lattice.text([word.word for word in found.words]))
        if options.sausage:
            for position in found.sausage:
                words = (f"{lattice.text([w.word])} {w.probability:.4f}" for w in position.words)
                print(f"  {position.begin:.2f} {position.end:.2f} {' '.join(words)}")

    run.each(show)


def _draw(run: _Run, options: Draw) -> None:
    for key, lattice in run.lattices():
        if options.key in (None, key):
            lattice.draw(options.out)
            run.done = 1
            return
    raise FstError(f"{options.lattices} has no lattice {options.key or ''}")


def _ctm(run: _Run, options: ToCtm) -> None:
    if (options.model is None) != (options.word_boundary is None):
        raise ConfigError("--model and --word-boundary go together")
    align = None
    if options.model is not None and options.word_boundary is not None:
        align = _aligner(options.model, options.word_boundary, options.reorder)

    def show(key: str, lattice: Lattice) -> None:
        words: Sequence[WordTime] = lattice.mbr().words if align is None else align(lattice)
        for word in words:
            if word.word:
                begin, length = (
                    word.begin * options.frame_shift,
                    (word.end - word.begin) * options.frame_shift,
                )
                print(f"{key} 1 {begin:.2f} {length:.2f} {lattice.text([word.word])} {word.confidence:.2f}")

    run.each(show)


def _aligner(model: Path, boundaries: Path, reorder: bool) -> Callable[[Lattice], Sequence[WordTime]]:
    from sonant.kaldi.lat.align import WordBoundaryInfo, WordBoundaryInfoNewOpts

    opts = WordBoundaryInfoNewOpts()
    opts.reorder = reorder
    info = WordBoundaryInfo.from_file(opts, str(boundaries)).boundaries()
    transitions = _transitions(model)

    def align(lattice: Lattice) -> Sequence[WordTime]:
        made = align_words(lattice, transitions, info)
        if made.flaw:
            print(f"warning: {made.flaw}", file=sys.stderr)
        return made.lattice.word_times()

    return align


def _oracle(run: _Run, options: Oracle) -> None:
    references: dict[str, list[int]] = {}
    for number, line in enumerate(options.references.read_text(encoding="utf-8").splitlines(), 1):
        if fields := line.split():
            references[fields[0]] = [
                _number(run.table, word, options.references, number) for word in fields[1:]
            ]
    errors = words = 0

    def show(key: str, lattice: Lattice) -> None:
        nonlocal errors, words
        if key not in references:
            raise FstError(f"{options.references} has no line for it")
        found = lattice.oracle(references[key])
        errors, words = errors + found.errors, words + found.reference_words
        print(key, lattice.text(found.path.words))

    run.each(show)
    rate = 100 * errors / words if words else math.nan
    print(f"oracle error rate {rate:.2f} % ({errors} of {words} words)", file=sys.stderr)


def _number(table: SymbolTable | None, word: str, path: Path, line: int) -> int:
    # A word that the lattices cannot have is an error whatever they say: any number that is no word's.
    if table is not None:
        found = table.find(word)
        return 2**31 - 1 if found is None else found
    if not word.isdecimal():
        raise SonantError(f"{path}, line {line}: the word {word!r}; expected a number, or --words")
    return int(word)


def _copy(run: _Run, options: Copy) -> None:
    run.write(options.out, lambda lattice: lattice, raw=options.to == "raw")


_DO: dict[type, Callable[[_Run, Any], None]] = {
    Best: _best,
    Nbest: _nbest,
    Prune: _prune,
    Determinize: _determinize,
    Rescore: _rescore,
    Mbr: _mbr,
    Draw: _draw,
    ToCtm: _ctm,
    Oracle: _oracle,
    Copy: _copy,
}
