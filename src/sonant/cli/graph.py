"""sonant graph: a graph for recognition, from a lexicon and a grammar."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from sonant.errors import ConfigError, FstError
from sonant.fst import Fst, SymbolTable
from sonant.fst.files import whole_directory
from sonant.fst.graphs import (
    Dictionary,
    Lang,
    Lexicon,
    Topology,
    compose_lg,
    compose_tlg,
    prepare_lang,
    read_grammar,
    read_tokens,
)

# What recipes call the word that stands for all unknown ones.
_OOV = ("<UNK>", "<unk>", "<SPOKEN_NOISE>", "<oov>", "<OOV>")
# What Kaldi's mkgraph.sh copies from phones/ of a lang directory, for the alignment of words.
_COPIED = ("word_boundary", "align_lexicon", "optional_silence", "disambig")


@dataclass(frozen=True)
class Graph:
    """Build a graph for recognition, in a directory as Kaldi's mkgraph.sh makes it.

    With --model: HCLG.fst, for a hybrid model of Kaldi. With --tokens: TLG.fst, for a CTC network. With
    neither: LG.fst, phones to words.
    """

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="LANG_OR_LEXICON")]]
    """A lang directory (words.txt, L_disambig.fst), a dictionary directory (lexicon.txt, silence_phones.txt,
    ...), or a lexicon: lines of a word and its phones, or its tokens."""
    grammar: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="LM")]]
    """An ARPA model, plain or gzip, or G.fst."""
    out: Path
    """Directory to write."""
    model: Path | None = None
    """Directory of a Kaldi model, with tree and final.mdl."""
    tokens: Path | None = None
    """The tokens of a CTC network: lines of a token and its id, 0 being the blank; or a SentencePiece model
    (.model), which then spells the words of the lexicon, the first of each line."""
    topology: Topology = "standard"
    """Of the CTC network: `compact` and `minimal` make smaller graphs, and let go of the blank between equal
    tokens."""
    missing: Literal["warn", "error", "ignore"] = "warn"
    """What to do about words of the grammar that are not in the lexicon."""
    oov: str | None = None
    """The word for all unknown ones, of a dictionary or lexicon (<UNK> or the like, if it is there)."""
    silence: str = "SIL"
    """The silence phone of a lexicon file. '' if it has none."""
    silence_probability: float = 0.5
    """Of silence between words, for a dictionary or lexicon."""
    position_dependent: bool | None = None
    """Whether phones are marked by their place in the word, for a dictionary or lexicon (as in the
    phones.txt of the model, else yes)."""
    self_loop_scale: float = 0.1
    """Scale of the probabilities of self-loops in HCLG; 1.0 for chain models."""
    transition_scale: float = 1.0
    """Scale of the other transition probabilities in HCLG."""
    format: Literal["const", "vector"] = "const"
    """Of the graph: const files are mapped into memory, and there at once."""
    max_states: int | None = None
    """Stop where a step makes more states."""


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(Graph, prog="sonant graph", args=argv)
    if options.model is not None and options.tokens is not None:
        raise ConfigError("--model and --tokens: a graph is for a Kaldi model or for a CTC network; name one")
    for path in (options.source, options.grammar, options.model, options.tokens):
        if path is not None and not path.exists():
            raise ConfigError(f"{path}: no such file or directory")
    report = _Report()
    with whole_directory(
        options.out
    ) as directory:  # before the work: it may be that nothing can be written there
        name, files, fst = _token_graph(options, report) if options.tokens else _phone_graph(options, report)
        for file, data in files.items():
            path = os.path.join(directory, file)
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(path))
            Path(path).write_bytes(data)
        fst.write(os.path.join(directory, name), options.format)
    size = (options.out / name).stat().st_size
    print(f"{options.out / name}: {fst.num_states} states, {fst.num_arcs} arcs, {size / 1e6:.1f} MB")
    return 0


class _Report:
    """Tells the size of each step, and how long it took, on standard error."""

    def __init__(self) -> None:
        self.since = time.perf_counter()

    def __call__(self, step: str, fst: Fst | None, what: str = "") -> None:
        now = time.perf_counter()
        if fst is not None:
            what = f"{fst.num_states} states, {fst.num_arcs} arcs"
        print(f"{step:<14}{what} ({now - self.since:.1f} s)", file=sys.stderr, flush=True)
        self.since = now


def _lexicon(options: Graph, **reading: Any) -> Lexicon:
    if not options.source.is_dir():
        return Lexicon.read(options.source, **reading)
    if (options.source / "words.txt").exists():
        raise ConfigError(
            f"{options.source} is a lang directory, which no longer has the lexicon; expected a lexicon in "
            "tokens, or its dictionary directory"
        )
    return Dictionary.read(options.source).lexicon


def _token_graph(options: Graph, report: _Report) -> tuple[str, dict[str, bytes], Fst]:
    assert options.tokens is not None
    if options.tokens.suffix == ".model":
        tokens, lexicon = _spelled(options)
    else:
        tokens, lexicon = read_tokens(options.tokens), _lexicon(options)
    report(
        "lexicon", None, f"{len(lexicon.words)} words, {len(lexicon)} pronunciations, {len(tokens)} tokens"
    )
    graph = compose_tlg(
        tokens,
        lexicon,
        options.grammar,
        options.topology,
        missing=options.missing,
        max_states=options.max_states,
        report=report,
    )
    files = {}
    for name, table in (("words.txt", graph.output_symbols), ("tokens.txt", graph.input_symbols)):
        assert table is not None
        files[name] = _table(table)
    graph.input_symbols = graph.output_symbols = None
    return "TLG.fst", files, graph


def _spelled(options: Graph) -> tuple[tuple[str, ...], Lexicon]:
    from sonant.text import Tokens

    assert options.tokens is not None
    model = Tokens.load(options.tokens)
    words = _lexicon(options, allow_empty=True).words
    pieces = model.pieces
    spelled = {word: model.encode(word) for word in words}
    unknown = [word for word, ids in spelled.items() if 1 in ids or not ids]
    if unknown:
        text = (
            f"{options.tokens}: cannot spell {len(unknown)} of {len(words)} words: {', '.join(unknown[:10])}"
        )
        if options.missing == "error":
            raise FstError(f"{text}; take them out of the lexicon, or leave them out (--missing warn)")
        if options.missing == "warn":
            print(f"warning: {text}; they are left out", file=sys.stderr)
    known = [word for word in words if word not in set(unknown)]
    lexicon = Lexicon.spelled(known, lambda word: [pieces[i] for i in spelled[word]], str(options.source))
    return pieces, lexicon


def _phone_graph(options: Graph, report: _Report) -> tuple[str, dict[str, bytes], Fst]:
    model_phones = None
    if options.model is not None and (options.model / "phones.txt").exists():
        model_phones = SymbolTable.read(options.model / "phones.txt")
    lang = _lang(options, model_phones)
    if lang.lexicon_disambig is None:
        raise FstError(f"{options.source}: has no L_disambig.fst, without which no graph can be made")
    vocabulary = {lang.words.symbol(int(label)) for label in set(lang.lexicon_disambig.arcs["olabel"])}
    report("L", lang.lexicon_disambig)
    grammar = read_grammar(
        options.grammar,
        lang.words,
        vocabulary={word for word in vocabulary if word is not None},
        missing=options.missing,
    )
    report("G", grammar)
    lg = compose_lg(lang.lexicon_disambig, grammar, max_states=options.max_states, report=report)
    files = lang.files()
    kept = {"words.txt", "phones.txt", "phones/silence.csl", "phones/optional_silence.csl"}
    kept |= {f"phones/{name}.{end}" for name in _COPIED for end in ("txt", "int")}
    files = {name: data for name, data in files.items() if name in kept}
    if options.model is None:
        return "LG.fst", files, lg
    graph, more = _with_model(options, options.model, lang, lg, report)
    return "HCLG.fst", files | more, graph


def _lang(options: Graph, model_phones: SymbolTable | None) -> Lang:
    source = options.source
    if source.is_dir() and (source / "words.txt").exists():
        lang = Lang.read(source)
        if model_phones is not None:
            _same_phones(options, lang.phones, model_phones)
        return lang
    if source.is_dir():
        dictionary = Dictionary.read(source)
    else:
        silence = (options.silence,) if options.silence else ()
        dictionary = Dictionary.of_lexicon(Lexicon.read(source), silence, options.silence or None)
    words = set(dictionary.lexicon.words)
    positions = options.position_dependent
    if positions is None:
        positions = model_phones is None or any(s.endswith(("_B", "_E", "_S")) for s, _ in model_phones)
    return prepare_lang(
        dictionary,
        options.oov or next((word for word in _OOV if word in words), None),
        position_dependent=positions,
        silence_probability=options.silence_probability,
        phone_symbols=model_phones,
    )


def _same_phones(options: Graph, lang: SymbolTable, model: SymbolTable) -> None:
    """Graphs of other phones than the model's would be wrong without a word."""

    def phones(table: SymbolTable) -> dict[str, int]:
        return {symbol: key for symbol, key in table if not symbol.startswith("#")}

    ours, theirs = phones(lang), phones(model)
    if ours != theirs:
        odd = sorted(s for s in ours.keys() | theirs.keys() if ours.get(s) != theirs.get(s))
        raise FstError(
            f"{options.source / 'phones.txt'} and {options.model}/phones.txt differ in {len(odd)} phones: "
            f"{', '.join(odd[:10])}; expected the lang directory of the model's training, or one that "
            "was made with its phones.txt"
        )


def _with_model(
    options: Graph, model: Path, lang: Lang, lg: Fst, report: _Report
) -> tuple[Fst, dict[str, bytes]]:
    from sonant.kaldi.hmm import TransitionModel
    from sonant.kaldi.tree import ContextDependency
    from sonant.kaldi.util.io import xopen

    tree, transitions = ContextDependency(), TransitionModel()
    for path, part in ((model / "tree", tree), (model / "final.mdl", transitions)):
        if not path.exists():
            raise ConfigError(f"{path}: is not there; expected tree and final.mdl in a model directory")
        with xopen(str(path)) as file:
            part.read(file.stream(), file.binary)
    from sonant.fst.graphs.hclg import compose_hclg

    graph = compose_hclg(
        lg,
        tree,
        transitions,
        disambig=lang.disambig_labels,
        self_loop_scale=options.self_loop_scale,
        transition_scale=options.transition_scale,
        max_states=options.max_states,
    )
    report("HCLG", graph)
    # H numbers the disambiguation symbols that it met behind the transition-ids, and #-1 where phones have
    # a right context.
    used = set(lg.arcs["ilabel"].tolist()) & set(lang.disambig_labels)
    first = transitions.num_transition_ids() + 1
    symbols = range(first, first + len(used) + (tree.central_position() + 1 < tree.context_width()))
    return graph, {
        "num_pdfs": f"{transitions.num_pdfs()}\n".encode(),
        "disambig_tid.int": "".join(f"{symbol}\n" for symbol in symbols).encode(),
    }


def _table(table: SymbolTable) -> bytes:
    return "".join(f"{symbol} {key}\n" for symbol, key in table).encode("utf-8", "surrogateescape")
