"""Commands that find best and n best paths in lattices, and take such paths apart."""

import math
from contextlib import ExitStack
from typing import Any

from sonant import _native
from sonant.errors import OptionError
from sonant.fst import Fst
from sonant.kaldi.commands.command import NoOptions, Run, Skip, command, open_if_given
from sonant.kaldi.commands.lattices import AcousticScale, Scales, each_lattice, inverse, linear, written
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option
from sonant.lattice import Lattice


def best_lattices(lattice: Lattice, n: int) -> list[Lattice]:
    """The n best paths, each as a compact lattice, the best one first. Different words only where paths have
    different ones."""
    compact = lattice.sorted().compact().fst.native
    fst: Any = Fst.of_native(_native.fst_shortest_path(compact, n, False, math.inf, -1))
    if fst.start < 0:
        return []
    found = [] if not math.isfinite(fst.final(fst.start)[0]) else [linear([], fst.final(fst.start))]
    for word, _, weight, state in fst.arcs_of(fst.start):
        arcs = [(word, weight)]
        while more := fst.arcs_of(state):
            word, _, weight, state = more[0]
            arcs.append((word, weight))
        found.append(linear(arcs, fst.final(state)))
    return sorted(found, key=lambda path: path.costs(best=True)[0])


class Symbols(Options):
    word_symbol_table: str = option("", "word-symbol-table", "Symbols of words, to say them as they come")


class BestPathOptions(AcousticScale, Symbols):
    write_lattices: str = option("", "write-lattices", "A wspecifier to write best paths to, as lattices")


def symbols_of(rxfilename: str) -> Any:
    from sonant.kaldi.fstext import SymbolTable

    return SymbolTable.read_text(rxfilename).table if rxfilename else None


def say(run: Run, words: Any, key: str, found: Any) -> None:
    if words is not None:
        run.log(f"{key} {Lattice(Fst('compactlattice44'), words).text(found)}")


@command("<lattice-rspecifier> [<transcriptions-wspecifier> [<alignments-wspecifier>]]")
def lattice_best_path(
    run: Run,
    options: BestPathOptions,
    source: str,
    transcriptions: str = "",
    alignments: str = "",
) -> int:
    """Write the words, and the transition-ids, of best paths."""
    symbols, frames, graph, acoustic = symbols_of(options.word_symbol_table), 0, 0.0, 0.0
    with ExitStack() as stack:
        words = open_if_given(stack, table.IntVectorWriter, transcriptions)
        ids = open_if_given(stack, table.IntVectorWriter, alignments)
        lattices = open_if_given(stack, table.CompactLatticeWriter, options.write_lattices)
        back = inverse(options.acoustic_scale) if lattices is not None else 1.0

        def one(key: str, lattice: Lattice) -> None:
            nonlocal frames, graph, acoustic
            found = best_lattices(lattice.scale(acoustic=options.acoustic_scale), 1)
            if not found:
                raise Skip(f"there is no path for {key}")
            path = found[0].best_path()
            run.log(
                f"For utterance {key}, best cost {path.graph_cost:g} + {path.acoustic_cost:g} = {path.cost:g}"
            )
            if words is not None:
                words[key] = list(path.words)
            if ids is not None:
                ids[key] = list(path.alignment)
            if lattices is not None:
                lattices[key] = written(found[0].scale(acoustic=back))
            say(run, symbols, key, path.words)
            frames += len(path.alignment)
            graph, acoustic = graph + path.graph_cost, acoustic + path.acoustic_cost

        tally = each_lattice(run, table.SequentialLatticeReader(source), one)
    if frames:
        run.log(
            f"Overall score per frame is {(graph + acoustic) / frames:g} = {graph / frames:g} [graph] + "
            f"{acoustic / frames:g} [acoustic] over {frames} frames."
        )
    run.log(f"Done {tally.done} lattices, failed for {tally.failed}")
    return tally.status


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_1best(run: Run, options: Scales, source: str, target: str) -> int:
    """Write best paths as lattices."""
    return _nbest(run, options, source, target, 1, numbered=False)


class NbestOptions(Scales):
    n: int = option(1, "n", "Paths of each lattice")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_to_nbest(run: Run, options: NbestOptions, source: str, target: str) -> int:
    """Write the n best paths as lattices, with the keys key-1, key-2 ..."""
    if options.n < 1:
        raise OptionError(f"--n={options.n}; expected 1 or more")
    return _nbest(run, options, source, target, options.n, numbered=True)


def _nbest(run: Run, options: Scales, source: str, target: str, n: int, numbered: bool) -> int:
    acoustic, graph = inverse(options.acoustic_scale), inverse(options.lm_scale, "lm-scale")
    paths = 0
    with table.CompactLatticeWriter(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            nonlocal paths
            found = best_lattices(lattice.scale(options.lm_scale, options.acoustic_scale), n)
            if not found:
                raise Skip(f"there is no path for {key}")
            for number, path in enumerate(found, 1):
                writer[f"{key}-{number}" if numbered else key] = written(path.scale(graph, acoustic))
            paths += len(found)

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Done {tally.done} lattices, {paths} paths; {tally.failed} had errors.")
    return tally.status


@command(
    "<nbest-rspecifier> <alignments-wspecifier> [<transcriptions-wspecifier> [<lm-cost-wspecifier> "
    "[<ac-cost-wspecifier>]]]"
)
def nbest_to_linear(
    run: Run,
    options: NoOptions,
    source: str,
    alignments: str,
    transcriptions: str = "",
    lm_costs: str = "",
    ac_costs: str = "",
) -> int:
    """Write transition-ids, words and costs of lattices of one path."""
    with ExitStack() as stack:
        writers = [
            open_if_given(stack, kind, specifier)
            for kind, specifier in (
                (table.IntVectorWriter, alignments),
                (table.IntVectorWriter, transcriptions),
                (table.FloatWriter, lm_costs),
                (table.FloatWriter, ac_costs),
            )
        ]

        def one(key: str, lattice: Lattice) -> None:
            path = only_path(key, lattice).best_path()
            values = (list(path.alignment), list(path.words), path.graph_cost, path.acoustic_cost)
            for writer, value in zip(writers, values, strict=True):
                if writer is not None:
                    writer[key] = value

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Done {tally.done} n-best entries, {tally.failed} had errors.")
    return tally.status


def only_path(key: str, lattice: Lattice) -> Lattice:
    """The lattice. Raises Skip where it has not one path."""
    fst: Any = lattice.fst
    counts = fst.states["num_arcs"]
    finals = sum(math.isfinite(fst.final(state)[0]) for state in range(fst.num_states))
    if fst.start < 0 or counts.max(initial=0) > 1 or finals != 1 or int(counts.sum()) != fst.num_states - 1:
        raise Skip(f"the lattice for {key} has not one path; expected what lattice-to-nbest writes")
    return lattice


@command(
    "<alignments-rspecifier> <transcriptions-rspecifier> (<lm-cost-rspecifier>|'') (<ac-cost-rspecifier>|'') "
    "<nbest-wspecifier>"
)
def linear_to_nbest(
    run: Run,
    options: NoOptions,
    alignments: str,
    transcriptions: str,
    lm_costs: str,
    ac_costs: str,
    target: str,
) -> int:
    """Make lattices of one path of what nbest-to-linear writes."""
    with ExitStack() as stack:
        words = stack.enter_context(table.RandomAccessIntVectorReader(transcriptions))
        costs = [
            open_if_given(stack, table.RandomAccessFloatReader, specifier)
            for specifier in (lm_costs, ac_costs)
        ]
        writer = stack.enter_context(table.CompactLatticeWriter(target))

        def one(key: str, ids: list[int]) -> None:
            for reader, name in ((words, "words"), (costs[0], "lm cost"), (costs[1], "acoustic cost")):
                if reader is not None and key not in reader:
                    raise Skip(f"there are no {name} for {key}")
            given = [0.0 if reader is None else reader[key] for reader in costs]
            found = words[key]
            arcs: list[Any] = [(word, (0.0, 0.0, [])) for word in found]
            # All on the first arc, as there is no telling which word has what.
            weight = (*given, list(ids))
            if arcs:
                arcs[0] = (found[0], weight)
            writer[key] = written(linear(arcs, (0.0, 0.0, []) if arcs else weight))

        with table.SequentialIntVectorReader(alignments) as reader:
            tally = run.each(reader, one)
    run.log(f"Done {tally.done} n-best entries, {tally.failed} had errors.")
    return tally.status


class NbestToCtmOptions(Options):
    frame_shift: float = option(0.01, "frame-shift", "Seconds from frame to frame")
    precision: int = option(2, "precision", "Digits behind the point of times")


@command("<aligned-linear-lattice-rspecifier> <ctm-wxfilename>")
def nbest_to_ctm(run: Run, options: NbestToCtmOptions, source: str, target: str) -> int:
    """Write words with times, of word-aligned lattices of one path."""
    from sonant.kaldi.lat.functions import compact_lattice_to_word_alignment

    digits, shift = options.precision, options.frame_shift
    with xopen(target, "wt") as out:

        def one(key: str, lattice: Lattice) -> None:
            for word, begin, length in zip(*compact_lattice_to_word_alignment(written(lattice)), strict=True):
                if word:
                    out.write(f"{key} 1 {shift * begin:.{digits}f} {shift * length:.{digits}f} {word}\n")

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Converted {tally.done} linear lattices to ctm format; {tally.failed} had errors.")
    return tally.status
