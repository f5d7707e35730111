"""Commands that make grammars and language models of ARPA files."""

from dataclasses import field

from sonant.errors import FstError, OptionError
from sonant.kaldi.commands.command import Run, command
from sonant.kaldi.fstext import FstWriteOptions, SymbolTable
from sonant.kaldi.lm.arpa import ArpaLmCompiler, ArpaParseOptions, OovHandling
from sonant.kaldi.lm.const_arpa import build_const_arpa_lm
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


class GrammarOptions(Options):
    bos: str = option("<s>", "bos-symbol", "Beginning of sentence")
    eos: str = option("</s>", "eos-symbol", "End of sentence")
    disambig_symbol: str = option("", "disambig-symbol", "Input label of backoff arcs, #0; else epsilon")
    ilabel_sort: bool = option(True, "ilabel-sort", "Sort arcs by input label")
    keep_symbols: bool = option(False, "keep-symbols", "Store the symbol table with the automaton")
    read_symbol_table: str = option("", "read-symbol-table", "Words with numbers; n-grams with others go")
    write_symbol_table: str = option("", "write-symbol-table", "File for the words with new numbers")
    max_warnings: int = option(30, "max-arpa-warnings", "Most warnings about a file, below 0 any number")


@command("<input-arpa> <output-fst>")
def arpa2fst(run: Run, options: GrammarOptions, source: str, target: str) -> int:
    """Make a grammar of an ARPA file."""
    if options.read_symbol_table:
        words = SymbolTable.read_text(options.read_symbol_table)
        oov, backoff = OovHandling.SKIP_NGRAM, 0
        if options.disambig_symbol:
            backoff = words.find_index(options.disambig_symbol)
            if backoff < 0:
                raise FstError(
                    f"{options.read_symbol_table} has no symbol '{options.disambig_symbol}', which "
                    "--disambig-symbol names"
                )
    else:
        words, oov = SymbolTable.from_name(options.write_symbol_table), OovHandling.ADD_TO_SYMBOLS
        words.add_pair("<eps>", 0)
        backoff = words.add_symbol(options.disambig_symbol) if options.disambig_symbol else 0
    parse = ArpaParseOptions(
        bos_symbol=words.add_symbol(options.bos),
        eos_symbol=words.add_symbol(options.eos),
        max_warnings=options.max_warnings,
        oov_handling=oov,
    )
    compiler = ArpaLmCompiler(parse, backoff, words)
    with xopen(source, "rt") as file:
        compiler.read(file.stream())
    fst = compiler.mutable_fst()
    if options.ilabel_sort:
        fst.arcsort("ilabel")
    if options.write_symbol_table:
        with xopen(options.write_symbol_table, "wt") as out:
            out.write(words.table.to_text())
    # Symbols that are written nowhere else would be lost.
    keep = options.keep_symbols or not (options.read_symbol_table or options.write_symbol_table)
    stored = FstWriteOptions()
    stored.write_isymbols = stored.write_osymbols = keep
    with xopen(target, "wb", write_header=False) as out:
        fst.write_to_stream(out.stream(), stored)
    return 0


class ConstArpaOptions(ArpaParseOptions):
    bos_symbol: int = option(-1, "bos-symbol", "Number of <s>")
    eos_symbol: int = option(-1, "eos-symbol", "Number of </s>")
    unk_symbol: int = option(-1, "unk-symbol", "Number of the unknown word, -1 where there is none")
    oov_handling: OovHandling = field(default=OovHandling.RAISE_ERROR)


@command("<input-arpa> <const-arpa>")
def arpa_to_const_arpa(run: Run, options: ConstArpaOptions, source: str, target: str) -> int:
    """Make a const-arpa file of an ARPA file whose words are numbers."""
    if options.bos_symbol == -1 or options.eos_symbol == -1:
        raise OptionError(
            f"--bos-symbol={options.bos_symbol} --eos-symbol={options.eos_symbol}; expected the numbers of "
            "<s> and </s>"
        )
    return 0 if build_const_arpa_lm(options, source, target) else 1
