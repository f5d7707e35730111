"""Commands that make decoding graphs of automata, trees and transition models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from sonant.errors import FstError, OptionError
from sonant.fst import Fst
from sonant.fst.graphs import ContextLabels
from sonant.kaldi.commands.command import BinaryOptions, NoOptions, Run, command, read_object
from sonant.kaldi.decoder import TrainingGraphCompiler, TrainingGraphCompilerOptions
from sonant.kaldi.fstext import context
from sonant.kaldi.fstext.files import read_fst_kaldi, write_fst_kaldi
from sonant.kaldi.fstext.kinds import StdVectorFst
from sonant.kaldi.fstext.special import read_ilabel_info, write_ilabel_info
from sonant.kaldi.hmm import (
    HTransducerConfig,
    TransitionModel,
    get_h_transducer,
    get_ilabel_mapping,
)
from sonant.kaldi.hmm import add_self_loops as with_self_loops
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option

Labels = list[list[int]]


class ContextOptions(BinaryOptions):
    read_disambig_syms: str = option("", "read-disambig-syms", "File of in.fst's disambiguation symbols")
    write_disambig_syms: str = option("", "write-disambig-syms", "Write those of out.fst to this file")
    context_size: int = option(3, "context-size", "Phones in a window")
    central_position: int = option(1, "central-position", "Place of the phone in its window, from 0")


@command("<ilabels-out> [in.fst [out.fst]]")
def fstcomposecontext(
    run: Run, options: ContextOptions, ilabels: str, source: str = "-", target: str = "-"
) -> int:
    """Compose the context transducer C with LG; ilabels-out tells the phones of each input label."""
    if options.write_disambig_syms and not options.read_disambig_syms:
        raise OptionError("--write-disambig-syms without --read-disambig-syms; give both or none")
    disambig = _integers(options.read_disambig_syms)
    size, place = options.context_size, options.central_position
    composed, labels = context.compose_context(disambig, size, place, _read_graph(source))
    _write_labels(labels, ilabels, options.binary)
    _write_integers(ContextLabels.of(labels).disambig, options.write_disambig_syms)
    write_fst_kaldi(composed, target)
    return 0


@command("<subseq-symbol> [in.fst [out.fst]]")
def fstaddsubsequentialloop(
    run: Run, options: NoOptions, symbol: str, source: str = "-", target: str = "-"
) -> int:
    """Add a final state that loops with a symbol, to which the final states lead with that symbol."""
    if not symbol.isdecimal():
        raise OptionError(f"the subsequential symbol '{symbol}'; expected a label above 0")
    fst = _read_graph(source)
    context.add_subsequential_loop(int(symbol), fst)
    write_fst_kaldi(fst, target)
    return 0


@command("<in-disambig-list> <out-disambig-list> [in.fst [out.fst]]")
def fstaddselfloops(
    run: Run, options: NoOptions, inputs: str, outputs: str, source: str = "-", target: str = "-"
) -> int:
    """Add self-loops with disambiguation symbols to states that are final or have output on an arc."""
    pairs = _integers(inputs), _integers(outputs)
    if len(pairs[0]) != len(pairs[1]):
        raise OptionError(f"{len(pairs[0])} symbols of inputs, {len(pairs[1])} of outputs; expected as many")
    fst = _read_graph(source).to_fst()
    arcs, states = fst.arcs, fst.states
    sources = np.repeat(np.arange(fst.num_states), states["num_arcs"])
    looping = np.isfinite(states["final"])
    looping[sources[arcs["olabel"] != 0]] = True
    places = np.flatnonzero(looping)
    count = len(pairs[0])

    def joined(old: np.ndarray, new: Any) -> np.ndarray:
        return np.concatenate([old, np.asarray(new, old.dtype)])

    looped = Fst.from_arrays(
        fst.start,
        states["final"],
        joined(sources, np.repeat(places, count)),
        joined(arcs["ilabel"], np.tile(pairs[0], len(places))),
        joined(arcs["olabel"], np.tile(pairs[1], len(places))),
        joined(arcs["weight"], np.zeros(count * len(places))),
        joined(arcs["nextstate"], np.repeat(places, count)),
    )
    write_fst_kaldi(StdVectorFst.of_native(looped.native), target)
    return 0


class DisambigOutOptions(Options):
    disambig_syms_out: str = option("", "disambig-syms-out", "Write H's disambiguation symbols to this file")


class HTransducerOptions(Options):
    transducer: HTransducerConfig = field(default_factory=HTransducerConfig)
    output: DisambigOutOptions = field(default_factory=DisambigOutOptions)


@command("<ilabels-in> <tree-in> <model-in> [H.fst]")
def make_h_transducer(
    run: Run, options: HTransducerOptions, ilabels: str, tree: str, model: str, target: str = "-"
) -> int:
    """Make H without self-loops, from transition-ids to phones in context."""
    parts = _read_labels(ilabels), read_object(ContextDependency, tree), read_object(TransitionModel, model)
    h, disambig = get_h_transducer(*parts, options.transducer)
    _write_integers(disambig, options.output.disambig_syms_out)
    write_fst_kaldi(h, target)
    return 0


class IlabelOptions(BinaryOptions):
    write_disambig_syms: str = option("", "write-disambig-syms", "Write disambiguation symbols to this file")
    old_to_new_mapping: str = option("", "old-to-new-mapping", "Write the map from old to new labels")


@command("<ilabels-in> <tree-in> <model-in> <ilabels-out> [mapping.fst]")
def make_ilabel_transducer(
    run: Run, options: IlabelOptions, source: str, tree: str, model: str, target: str, fst: str = "-"
) -> int:
    """Make a transducer from the first of the labels with the same pdfs to all of them, and their windows."""
    old = _read_labels(source)
    parts = read_object(ContextDependency, tree), read_object(TransitionModel, model)
    mapping = get_ilabel_mapping(old, *parts)
    _write_integers(mapping, options.old_to_new_mapping)
    new: Labels = [[] for _ in range(max(mapping) + 1)]
    for label, first in enumerate(mapping):
        new[first] = new[first] or old[label]
    _write_labels(new, target, options.binary)
    _write_integers(ContextLabels.of(new).disambig, options.write_disambig_syms)
    count = len(mapping) - 1
    zeros = np.zeros(count, np.int32)
    mapper = Fst.from_arrays(0, [0.0], zeros, mapping[1:], np.arange(1, count + 1), zeros, zeros)
    write_fst_kaldi(StdVectorFst.of_native(mapper.native), fst)
    return 0


class SelfLoopOptions(Options):
    self_loop_scale: float = option(1.0, "self-loop-scale", "Scale of the probabilities of self-loops")
    disambig_syms: str = option("", "disambig-syms", "File of in.fst's disambiguation symbols")
    reorder: bool = option(True, "reorder", "Self-loops come after the transition that leaves their state")


@command("<model-in> [in.fst [out.fst]]")
def add_self_loops(
    run: Run, options: SelfLoopOptions, model: str, source: str = "-", target: str = "-"
) -> int:
    """Add the self-loops of transition-ids, and the costs of leaving them."""
    transitions, fst = read_object(TransitionModel, model), _read_graph(source)
    disambig = _integers(options.disambig_syms)
    with_self_loops(transitions, disambig, options.self_loop_scale, options.reorder, True, fst)
    write_fst_kaldi(fst, target)
    return 0


class TrainGraphsOptions(Options):
    # The probabilities change from one iteration to the next, and are added as utterances are aligned.
    graphs: TrainingGraphCompilerOptions = field(
        default_factory=lambda: TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0)
    )
    batch_size: int = option(250, "batch-size", "Graphs that are made at a time")
    read_disambig_syms: str = option("", "read-disambig-syms", "File of the lexicon's disambiguation symbols")


@command("<tree-in> <model-in> <lexicon-fst-in> <transcriptions-rspecifier> <graphs-wspecifier>")
def compile_train_graphs(
    run: Run, options: TrainGraphsOptions, tree: str, model: str, lexicon: str, source: str, target: str
) -> int:
    """Make the graphs of transcripts, without transition probabilities unless options ask for them."""
    if options.batch_size < 1:
        raise OptionError(f"--batch-size={options.batch_size}; expected 1 or more")
    compiler = TrainingGraphCompiler(
        read_object(TransitionModel, model),
        read_object(ContextDependency, tree),
        _read_graph(lexicon),
        _integers(options.read_disambig_syms),
        options.graphs,
    )
    done = failed = 0
    with table.SequentialIntVectorReader(source) as reader, table.FstWriter(target) as writer:
        for batch in _batches(reader, options.batch_size):
            for key, graph in _compiled(run, compiler, batch):
                if graph is None:
                    failed += 1
                else:
                    writer[key] = graph
                    done += 1
    run.log(f"succeeded for {done} graphs, failed for {failed}")
    return 0 if done else 1


def _batches(reader: Iterable[tuple[str, Any]], size: int) -> Iterator[list[tuple[str, Any]]]:
    batch: list[tuple[str, Any]] = []
    for key, words in reader:
        batch.append((key, words))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _compiled(
    run: Run, compiler: TrainingGraphCompiler, batch: Sequence[tuple[str, Any]]
) -> Iterator[tuple[str, StdVectorFst | None]]:
    """All at once; where one fails one by one, to tell which."""
    try:
        graphs = compiler.compile_graphs_from_text([words for _, words in batch])
    except FstError:
        for key, words in batch:
            try:
                yield key, compiler.compile_graph_from_text(words)
            except FstError as error:
                run.warn(f"no graph for {key}: {error}")
                yield key, None
        return
    yield from zip((key for key, _ in batch), graphs, strict=True)


# Files


def _read_graph(rxfilename: str) -> StdVectorFst:
    fst = read_fst_kaldi(rxfilename)
    return fst if isinstance(fst, StdVectorFst) else StdVectorFst(fst)


def _read_labels(rxfilename: str) -> Labels:
    with xopen(rxfilename) as file:
        return read_ilabel_info(file.stream(), file.binary)


def _write_labels(labels: Labels, wxfilename: str, binary: bool) -> None:
    with xopen(wxfilename, "wb" if binary else "wt") as file:
        write_ilabel_info(file.stream(), binary, labels)


def _integers(rxfilename: str) -> list[int]:
    """The integers of a text file; none where there is no name."""
    if not rxfilename:
        return []
    with xopen(rxfilename) as file:
        text = b"".join(file.readlines()) if file.binary else file.read()
    words = (text.decode() if isinstance(text, bytes) else text).split()
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise OptionError(f"{rxfilename}: {error}; expected integers") from None


def _write_integers(integers: Iterable[int], wxfilename: str) -> None:
    if wxfilename:
        with xopen(wxfilename, "wt") as file:
            file.writelines(f"{integer}\n" for integer in integers)
