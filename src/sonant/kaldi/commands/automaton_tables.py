"""Kaldi's commands on tables of automata (`fsts-...`)."""

from contextlib import ExitStack
from typing import Any

import numpy as np

from sonant import fst as operations
from sonant.fst import Fst
from sonant.kaldi.commands.command import NoOptions, Run, Skip, both_tables, command
from sonant.kaldi.commands.filters import read_automaton, write_automaton
from sonant.kaldi.fstext import StdVectorFst, shortestpath
from sonant.kaldi.fstext.utils import get_linear_symbol_sequence
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option


class TranscriptOptions(Options):
    output_side: bool = option(True, "output-side", "Output labels rather than input labels")


@command("<fsts-rspecifier> <transcriptions-wspecifier>")
def fsts_to_transcripts(run: Run, options: TranscriptOptions, source: str, target: str) -> int:
    """Write the labels of the best path of each automaton."""

    def change(key: str, fst: Any) -> list[int]:
        best = shortestpath(fst)
        if best.num_states() == 0:
            raise Skip(f"{key}: the automaton has no path")
        return get_linear_symbol_sequence(best)[1 if options.output_side else 0]

    tally = run.convert(table.SequentialFstReader(source), table.IntVectorWriter(target), change)
    run.log(f"Converted {tally.done} FSTs, {tally.failed} with errors")
    return tally.status


class ProjectOptions(Options):
    project_output: bool = option(False, "project-output", "Keep output labels rather than input labels")


@command("<fsts-rspecifier> <fsts-wspecifier>")
def fsts_project(run: Run, options: ProjectOptions, source: str, target: str) -> int:
    """Make input and output labels those of one side."""
    tally = run.convert(
        table.SequentialFstReader(source),
        table.FstWriter(target),
        lambda key, fst: StdVectorFst(operations.project(fst.to_fst(), options.project_output)),
    )
    run.log(f"Projected {tally.done} FSTs")
    return tally.status


class ScaleOptions(Options):
    alpha: float = option(1.0, "alpha", "Factor of costs")
    beta: float = option(0.0, "beta", "Added to costs")


@command("<fsts-rspecifier> <fsts-wspecifier>", "<fst-rxfilename> <fst-wxfilename>")
def fsts_scale(run: Run, options: ScaleOptions, source: str, target: str) -> int:
    """Make alpha * cost + beta of all costs of arcs and final states."""

    def change(fst: Fst) -> Fst:
        arcs, states = fst.arcs, fst.states
        finals = states["final"]
        made = Fst.from_arrays(
            fst.start,
            np.where(np.isinf(finals), finals, finals * np.float32(options.alpha) + np.float32(options.beta)),
            np.repeat(np.arange(len(states), dtype=np.int32), states["num_arcs"]),
            arcs["ilabel"],
            arcs["olabel"],
            arcs["weight"] * np.float32(options.alpha) + np.float32(options.beta),
            arcs["nextstate"],
        )
        made.input_symbols, made.output_symbols = fst.input_symbols, fst.output_symbols
        return made

    if not both_tables(source, target):
        write_automaton(change(read_automaton(source)), target)
        return 0
    tally = run.convert(
        table.SequentialFstReader(source),
        table.FstWriter(target),
        lambda key, fst: StdVectorFst(change(fst.to_fst())),
    )
    run.log(f"Successfully scaled {tally.done} FSTs")
    return tally.status


@command("<fsts-rspecifier> <fsts-wspecifier>")
def fsts_union(run: Run, options: NoOptions, source: str, target: str) -> int:
    """The union of automata with the same key that follow one another, minimized and without epsilons."""
    count = made = 0
    group: list[Fst] = []
    current = None
    with table.SequentialFstReader(source) as reader, table.FstWriter(target) as writer:

        def finish() -> None:
            nonlocal made
            if current is not None:
                whole = operations.union(group[0], *group[1:])
                writer[current] = StdVectorFst(
                    operations.rmepsilon(operations.minimize(whole, allow_nondet=True))
                )
                made += 1

        for key, fst in reader:
            count += 1
            if key != current:
                finish()
                current, group = key, []
            group.append(fst.to_fst())
        finish()
    run.log(f"Applied fst union on {count} FSTs, produced {made} FSTs")
    return 0 if made else 1


@command("<fsts-rspecifier1> <fsts-rspecifier2> ... <fsts-wspecifier>")
def fsts_concat(run: Run, options: NoOptions, first: str, second: str, *others: str) -> int:
    """The automata of one key in several tables, one after the other."""
    if not others:
        return 1
    *sources, target = (second, *others)
    with ExitStack() as stack:
        readers = [stack.enter_context(table.RandomAccessFstReader(source)) for source in sources]

        def change(key: str, fst: Any) -> StdVectorFst:
            for place, reader in enumerate(readers):
                if key not in reader:
                    raise Skip(f"Skipping '{key}', which '{sources[place]}' does not have")
            return StdVectorFst(
                operations.concat(fst.to_fst(), *(reader[key].to_fst() for reader in readers))
            )

        tally = run.convert(table.SequentialFstReader(first), table.FstWriter(target), change)
    run.log(
        f"Produced {tally.done} FSTs by concatenating {len(readers) + 1} streams "
        f"({tally.failed} keys skipped)."
    )
    return tally.status


@command("<fsts-rspecifier1> <fsts-rspecifier2> <fsts-wspecifier>")
def fsts_difference(run: Run, options: NoOptions, first: str, second: str, target: str) -> int:
    """The strings of acceptors that those of the same key in another table do not have."""
    skipped = 0
    with table.RandomAccessFstReader(second) as others:

        def change(key: str, fst: Any) -> Any:
            nonlocal skipped
            if key not in others:
                skipped += 1
                return fst
            return StdVectorFst(operations.difference(fst.to_fst(), others[key].to_fst()))

        tally = run.convert(table.SequentialFstReader(first), table.FstWriter(target), change)
    run.log(f"Processed {tally.done} FSTs, skipped {skipped} FSTs")
    return tally.status
