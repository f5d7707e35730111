"""sonant lm: n-gram language models: train, prune, measure, mix, convert."""

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from sonant.errors import ConfigError
from sonant.fst import NgramLm, SymbolTable
from sonant.fst.ngram import CountingState, Smoothing

Paths = tyro.conf.Positional[tuple[Path, ...]]


@dataclass(frozen=True)
class Train:
    """Estimate a model of a text: modified Kneser-Ney (interpolated), or Katz."""

    texts: Paths
    """Text files, plain or gzip: a sentence a line, words parted by blanks."""
    out: Path
    """ARPA file to write."""
    order: int = 3
    """Words of the longest n-grams, 1 to 7."""
    smoothing: Smoothing = "kneser-ney"
    """Katz: Good-Turing discounts, as SRILM's ngram-count does by default."""
    vocabulary: Path | None = None
    """The words of the model, one a line (what stands behind a blank is ignored); others are <unk>."""
    min_counts: tuple[int, ...] = ()
    """Least count of the n-grams of each order that are kept, the last for all higher orders: 1 1 2 leaves
    out trigrams and longer ones that come once."""
    max_discounted: tuple[int, ...] = (0, 7)
    """Katz: the highest count of each order that is discounted; the last is that of all higher orders."""
    memory: str | None = None
    """Bound of the counts' memory, 512M or 4G say; what does not fit is sorted in temporary files. The model
    comes on top. Default: all in memory."""
    temporary: Path | None = None
    """Folder of the temporary files. Default: the system's (TMPDIR)."""


@dataclass(frozen=True)
class Prune:
    """Leave out the n-grams that matter least (entropy pruning)."""

    model: tyro.conf.Positional[Path]
    """ARPA file, plain or gzip."""
    out: Path
    """ARPA file to write."""
    threshold: float = 1e-8
    """Least relative change of the perplexity for which an n-gram is kept."""
    max_order: int | None = None
    """Leave out longer n-grams as well."""


@dataclass(frozen=True)
class Ppl:
    """Print the perplexity of texts, one line each."""

    model: tyro.conf.Positional[Path]
    """ARPA file, plain or gzip."""
    texts: Paths
    """Text files, plain or gzip: a sentence a line."""


@dataclass(frozen=True)
class Mix:
    """Interpolate models into one."""

    models: Paths
    """ARPA files, plain or gzip."""
    weights: tuple[float, ...]
    """Weight of each."""
    out: Path
    """ARPA file to write."""


@dataclass(frozen=True)
class Convert:
    """Write a model in another form."""

    model: tyro.conf.Positional[Path]
    """ARPA file, plain or gzip."""
    out: Path
    """File to write."""
    to: Literal["fst", "const-arpa", "arpa"] = "fst"
    """The grammar G (as Kaldi's arpa2fst), Kaldi's const-arpa, or ARPA again."""
    symbols: Path | None = None
    """Words and their numbers (words.txt); n-grams with other words are left out."""
    write_symbols: Path | None = None
    """Write the words and their numbers."""
    disambig_symbol: str = "#0"
    """Input label of backoff arcs of the grammar; '' for epsilon, with <s> and </s> as words."""


def _command(name: str) -> Any:
    return tyro.conf.subcommand(name, prefix_name=False)


Commands = (
    Annotated[Train, _command("train")]
    | Annotated[Prune, _command("prune")]
    | Annotated[Ppl, _command("ppl")]
    | Annotated[Mix, _command("mix")]
    | Annotated[Convert, _command("convert")]
)


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(
        Commands,  # pyright: ignore[reportArgumentType]
        prog="sonant lm",
        description="n-gram language models: train, prune, measure, mix, convert.",
        args=argv,
    )
    match options:
        case Train():
            _train(options)
        case Prune():
            _prune(options)
        case Ppl():
            _ppl(options)
        case Mix():
            _mix(options)
        case Convert():
            _convert(options)
    return 0


def _train(options: Train) -> None:
    _need(options.texts, "text")
    vocabulary = None
    if options.vocabulary is not None:
        lines = options.vocabulary.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        words = [fields[0] for line in lines if (fields := line.split())]
        vocabulary = [word for word in words if word != "<eps>" and not word.startswith("#")]
    model = NgramLm.train(
        options.texts,
        options.order,
        smoothing=options.smoothing,
        vocabulary=vocabulary,
        min_counts=options.min_counts,
        max_discounted=options.max_discounted,
        memory=None if options.memory is None else _bytes(options.memory),
        temporary=options.temporary,
        progress=_Progress(),
    )
    model.write(options.out)
    _tell(model, options.out)


def _prune(options: Prune) -> None:
    model = NgramLm.read(options.model).prune(options.threshold, options.max_order)
    model.write(options.out)
    _tell(model, options.out)


def _ppl(options: Ppl) -> None:
    _need(options.texts, "text")
    model = NgramLm.read(options.model)
    for text in options.texts:
        found = model.perplexity(text)
        print(
            f"{text}: {found.sentences} sentences, {found.words} words, {found.unknown} unknown, "
            f"ln p {found.log_probability:.2f}, perplexity {found.perplexity:.2f}, "
            f"of known words {found.perplexity_known:.2f}"
        )


def _mix(options: Mix) -> None:
    _need(options.models, "model")
    if len(options.weights) != len(options.models):
        raise ConfigError(
            f"{len(options.models)} models and {len(options.weights)} weights; expected as many"
        )
    model = NgramLm.interpolate([NgramLm.read(path) for path in options.models], options.weights)
    model.write(options.out)
    _tell(model, options.out)


def _convert(options: Convert) -> None:
    symbols = None if options.symbols is None else SymbolTable.read(options.symbols)
    if options.to == "fst":
        from sonant.fst import read_arpa

        fst = read_arpa(options.model, symbols, backoff=options.disambig_symbol)
        symbols = fst.input_symbols
        if options.symbols is not None or options.write_symbols is not None:
            # As arpa2fst: a file of symbols is kept beside the grammar, or within.
            fst.input_symbols = fst.output_symbols = None
        fst.write(options.out)
        print(f"{options.out}: {fst.num_states} states, {fst.num_arcs} arcs", file=sys.stderr)
    else:
        model = NgramLm.read(options.model, symbols)
        symbols = model.symbols
        (model.write if options.to == "arpa" else model.write_const_arpa)(options.out)
        _tell(model, options.out)
    if options.write_symbols is not None and symbols is not None:
        symbols.write_text(options.write_symbols)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found:
        raise ConfigError(f"--memory {text}: expected a number of bytes, as 500000000, 512M or 4G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


class _Progress:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._due = time.monotonic() + 5

    def __call__(self, state: CountingState) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + 5
        disk = f", {state.spilled / 2**20:.0f} MiB written to temporary files" if state.spilled else ""
        print(f"{state.words / 1e6:.1f} million words read{disk}", file=sys.stderr)


def _need(paths: tuple[Path, ...], what: str) -> None:
    if not paths:
        raise ConfigError(f"there is no {what}; name one or more files")


def _tell(model: NgramLm, path: Path) -> None:
    print(f"{path}: {' + '.join(map(str, model.counts))} n-grams", file=sys.stderr)
