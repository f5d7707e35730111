"""sonant lm: n-gram language models: train, prune, measure, mix, convert."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sonant.errors import ConfigError
from sonant.fst import NgramLm, SymbolTable

Paths = tyro.conf.Positional[tuple[Path, ...]]


@dataclass(frozen=True)
class Train:
    """Estimate a model of a text: modified Kneser-Ney, interpolated."""

    texts: Paths
    """Text files, plain or gzip: a sentence a line, words parted by blanks."""
    out: Path
    """ARPA file to write."""
    order: int = 3
    """Words of the longest n-grams."""
    vocabulary: Path | None = None
    """The words of the model, one a line (what stands behind a blank is ignored); others are <unk>."""
    min_counts: tuple[int, ...] = ()
    """Least count of the n-grams of each order that are kept: 1 1 2 leaves out trigrams that come once."""


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
    """Print the perplexity of texts."""

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


def main(argv: Sequence[str]) -> int:
    command = tyro.extras.subcommand_cli_from_dict(
        {"train": _train, "prune": _prune, "ppl": _ppl, "mix": _mix, "convert": _convert},
        prog="sonant lm",
        description=__doc__.partition(": ")[2] if __doc__ else None,
        args=argv,
    )
    return command or 0


def _train(options: tyro.conf.OmitArgPrefixes[Train]) -> None:
    _need(options.texts, "text")
    vocabulary = None
    if options.vocabulary is not None:
        lines = options.vocabulary.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        words = [fields[0] for line in lines if (fields := line.split())]
        vocabulary = [word for word in words if word != "<eps>" and not word.startswith("#")]
    model = NgramLm.train(options.texts, options.order, vocabulary=vocabulary, min_counts=options.min_counts)
    model.write(options.out)
    _tell(model, options.out)


def _prune(options: tyro.conf.OmitArgPrefixes[Prune]) -> None:
    model = NgramLm.read(options.model).prune(options.threshold, options.max_order)
    model.write(options.out)
    _tell(model, options.out)


def _ppl(options: tyro.conf.OmitArgPrefixes[Ppl]) -> None:
    _need(options.texts, "text")
    model = NgramLm.read(options.model)
    for text in options.texts:
        found = model.perplexity(text)
        print(
            f"{text}: {found.sentences} sentences, {found.words} words, {found.unknown} unknown, "
            f"ln p {found.log_probability:.2f}, perplexity {found.perplexity:.2f}, "
            f"of known words {found.perplexity_known:.2f}"
        )


def _mix(options: tyro.conf.OmitArgPrefixes[Mix]) -> None:
    _need(options.models, "model")
    if len(options.weights) != len(options.models):
        raise ConfigError(
            f"{len(options.models)} models and {len(options.weights)} weights; expected as many"
        )
    model = NgramLm.interpolate([NgramLm.read(path) for path in options.models], options.weights)
    model.write(options.out)
    _tell(model, options.out)


def _convert(options: tyro.conf.OmitArgPrefixes[Convert]) -> None:
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


def _need(paths: tuple[Path, ...], what: str) -> None:
    if not paths:
        raise ConfigError(f"there is no {what}; name one or more files")


def _tell(model: NgramLm, path: Path) -> None:
    print(f"{path}: {' + '.join(map(str, model.counts))} n-grams", file=sys.stderr)
