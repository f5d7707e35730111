"""OpenFst's commands between automata and text, drawings and symbol tables."""

from typing import Any

from sonant import fst as operations
from sonant.errors import FstError, OptionError
from sonant.fst import DrawingStyle, Fst
from sonant.kaldi.commands.command import NoOptions, Run, command
from sonant.kaldi.commands.filters import (
    filter_command,
    read_automaton,
    read_symbols,
    write_automaton,
    write_text,
)
from sonant.kaldi.fstext import properties, read_fst_kaldi
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


class CompileOptions(Options):
    acceptor: bool = option(False, "acceptor", "Lines have one label")
    arc_type: str = option("standard", "arc_type", "Type of arcs: standard, log, lattice4 ...")
    fst_type: str = option("vector", "fst_type", "Format of the result: vector or const")
    isymbols: str = option("", "isymbols", "Symbol table of input labels")
    osymbols: str = option("", "osymbols", "Symbol table of output labels")
    keep_isymbols: bool = option(False, "keep_isymbols", "Store the table with the automaton")
    keep_osymbols: bool = option(False, "keep_osymbols", "Store the table with the automaton")
    keep_state_numbering: bool = option(False, "keep_state_numbering", "States have the numbers of the text")
    allow_negative_labels: bool = option(False, "allow_negative_labels", "Take labels below 0")


@command("[text.txt [out.fst]]")
def fstcompile(run: Run, options: CompileOptions, source: str = "-", target: str = "-") -> int:
    """Make an automaton of lines 'state nextstate input output [cost]' and 'state [cost]'."""
    with xopen(source, "rt") as file:
        text = file.stream().read().decode("utf-8", "surrogateescape")
    isymbols = read_symbols(options.isymbols)
    osymbols = isymbols if options.acceptor and not options.osymbols else read_symbols(options.osymbols)
    fst = Fst.from_text(
        text,
        options.arc_type,
        isymbols,
        osymbols,
        options.acceptor,
        options.keep_state_numbering,
        options.allow_negative_labels,
    )
    fst.input_symbols = isymbols if options.keep_isymbols else None
    fst.output_symbols = osymbols if options.keep_osymbols else None
    write_automaton(fst, target, _format(options.fst_type))
    return 0


def _format(name: str) -> str:
    if name not in ("vector", "const"):
        raise OptionError(f"--fst_type={name}; expected vector or const")
    return name


class SymbolOptions(Options):
    acceptor: bool = option(False, "acceptor", "One label a line where input and output are alike")
    isymbols: str = option("", "isymbols", "Symbol table of input labels")
    osymbols: str = option("", "osymbols", "Symbol table of output labels")
    numeric: bool = option(False, "numeric", "Numbers, though the automaton has symbol tables")
    show_weight_one: bool = option(False, "show_weight_one", "Also costs of 0")


def _with_symbols(fst: Fst, options: SymbolOptions) -> Fst:
    isymbols, osymbols = read_symbols(options.isymbols), read_symbols(options.osymbols)
    fst.input_symbols = None if options.numeric else isymbols or fst.input_symbols
    fst.output_symbols = (
        None
        if options.numeric
        else osymbols or (isymbols if options.acceptor else None) or fst.output_symbols
    )
    return fst


class PrintOptions(SymbolOptions):
    missing_symbol: str = option("", "missing_symbol", "Printed where a label has no symbol")


@command("[in.fst [out.txt]]")
def fstprint(run: Run, options: PrintOptions, source: str = "-", target: str = "-") -> int:
    """Print an automaton as text."""
    fst = _with_symbols(read_automaton(source), options)
    return write_text(fst.text(options.acceptor, options.show_weight_one, options.missing_symbol), target)


class DrawOptions(SymbolOptions):
    title: str = option("", "title", "Title")
    width: float = option(8.5, "width", "Width in inches")
    height: float = option(11.0, "height", "Height in inches")
    portrait: bool = option(False, "portrait", "Upright")
    vertical: bool = option(False, "vertical", "From bottom to top")
    ranksep: float = option(0.4, "ranksep", "Inches between ranks")
    nodesep: float = option(0.25, "nodesep", "Inches between states")
    fontsize: int = option(14, "fontsize", "Size of the font in points")
    precision: int = option(5, "precision", "Digits of costs")


@command("[in.fst [out.dot]]")
def fstdraw(run: Run, options: DrawOptions, source: str = "-", target: str = "-") -> int:
    """Draw an automaton in Graphviz's language."""
    fst = _with_symbols(read_automaton(source), options)
    style = DrawingStyle(
        acceptor=options.acceptor,
        title=options.title,
        width=options.width,
        height=options.height,
        portrait=options.portrait,
        vertical=options.vertical,
        ranksep=options.ranksep,
        nodesep=options.nodesep,
        fontsize=options.fontsize,
        precision=options.precision,
        show_weight_one=options.show_weight_one,
    )
    return write_text(fst.dot(style), target)


@command("[in.fst]")
def fstinfo(run: Run, options: NoOptions, source: str = "-") -> int:
    """Tell the counts and properties of an automaton."""
    read = read_fst_kaldi(source)
    fst = read.to_fst()
    found = operations.statistics(fst)
    bits = fst.native.properties(properties.FST_PROPERTIES, True)
    tables = [
        "none" if table is None else table.name or "unnamed"
        for table in (fst.input_symbols, fst.output_symbols)
    ]
    rows: list[tuple[str, Any]] = [
        ("fst type", read._format),
        ("arc type", found.arc_type),
        ("input symbol table", tables[0]),
        ("output symbol table", tables[1]),
        ("# of states", found.states),
        ("# of arcs", found.arcs),
        ("initial state", found.start),
        ("# of final states", found.final_states),
        ("# of input/output epsilons", found.epsilons),
        ("# of input epsilons", found.input_epsilons),
        ("# of output epsilons", found.output_epsilons),
        ("# of connected states", found.connected_states),
        *((name, "y" if bits & bit else "n") for name, bit in _PROPERTIES.items()),
    ]
    return write_text("".join(f"{name:<50}{value}\n" for name, value in rows), "-")


_PROPERTIES = {
    "acceptor": properties.ACCEPTOR,
    "input deterministic": properties.I_DETERMINISTIC,
    "output deterministic": properties.O_DETERMINISTIC,
    "input/output epsilons": properties.EPSILONS,
    "input epsilons": properties.I_EPSILONS,
    "output epsilons": properties.O_EPSILONS,
    "input label sorted": properties.I_LABEL_SORTED,
    "output label sorted": properties.O_LABEL_SORTED,
    "weighted": properties.WEIGHTED,
    "cyclic": properties.CYCLIC,
    "cyclic at initial state": properties.INITIAL_CYCLIC,
    "top sorted": properties.TOP_SORTED,
    "accessible": properties.ACCESSIBLE,
    "coaccessible": properties.COACCESSIBLE,
    "string": properties.STRING,
    "weighted cycles": properties.WEIGHTED_CYCLES,
}


class FormatOptions(Options):
    fst_type: str = option("vector", "fst_type", "Format of the result: vector or const")


@command("[in.fst [out.fst]]")
def fstconvert(run: Run, options: FormatOptions, source: str = "-", target: str = "-") -> int:
    """Change the format of a file."""
    write_automaton(read_automaton(source), target, _format(options.fst_type))
    return 0


class StoredSymbolOptions(Options):
    isymbols: str = option("", "isymbols", "Table to store for input labels")
    osymbols: str = option("", "osymbols", "Table to store for output labels")
    clear_isymbols: bool = option(False, "clear_isymbols", "Take the table of input labels away")
    clear_osymbols: bool = option(False, "clear_osymbols", "Take the table of output labels away")
    save_isymbols: str = option("", "save_isymbols", "File for the stored table of input labels")
    save_osymbols: str = option("", "save_osymbols", "File for the stored table of output labels")


def _fstsymbols(fst: Fst, options: StoredSymbolOptions) -> Fst:
    saved = ((options.save_isymbols, fst.input_symbols), (options.save_osymbols, fst.output_symbols))
    for path, table in saved:
        if path:
            if table is None:
                raise FstError(f"no symbol table is stored that {path} could get")
            table.write_text(path)
    fst.input_symbols = (
        None if options.clear_isymbols else read_symbols(options.isymbols) or fst.input_symbols
    )
    fst.output_symbols = (
        None if options.clear_osymbols else read_symbols(options.osymbols) or fst.output_symbols
    )
    return fst


fstsymbols = filter_command(
    "Store symbol tables with an automaton, take them away, or save them as text.",
    StoredSymbolOptions,
    _fstsymbols,
)
