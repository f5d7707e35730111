"""Kaldi's own commands on automata (its fstbin): files, `-` or nothing for standard streams, or tables."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from sonant import fst as operations
from sonant.errors import FstError, OptionError
from sonant.fst import Fst
from sonant.kaldi.commands.command import (
    NoOptions,
    Run,
    Skip,
    command,
    reads_table,
    writes_table,
)
from sonant.kaldi.commands.filters import DeltaOptions, filter_command, read_automaton, write_automaton
from sonant.kaldi.fstext import StdVectorFst, TropicalWeight, utils
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


def _std(fst: Fst) -> StdVectorFst:
    return StdVectorFst(fst)


# Determinization and minimization


class StarOptions(DeltaOptions):
    use_log: bool = option(False, "use-log", "Add up the probabilities of paths")
    max_states: int = option(-1, "max-states", "Most states of the result, if positive")


@command("[in.fst [out.fst]]", "<fsts-rspecifier> <fsts-wspecifier>")
def fstdeterminizestar(run: Run, options: StarOptions, source: str = "-", target: str = "-") -> int:
    """Remove input epsilons and determinize at once."""
    most = options.max_states if options.max_states > 0 else None

    def change(fst: Fst) -> Fst:
        return operations.determinize_star(fst, options.delta, use_log=options.use_log, max_states=most)

    if not reads_table(source):
        write_automaton(change(read_automaton(source)), target)
        return 0

    def one(key: str, fst: Any) -> Any:
        try:
            return _std(change(fst.to_fst()))
        except FstError as error:
            raise Skip(f"{key}: {error}") from None

    return run.convert(table.SequentialFstReader(source), table.FstWriter(target), one).status


fstdeterminizelog = filter_command(
    "Determinize, adding up the probabilities of paths.",
    NoOptions,
    lambda fst, o: operations.determinize_star(fst, use_log=True),
)
fstminimizeencoded = filter_command(
    "Merge states from which the same labels and costs can be read, where they stand.",
    DeltaOptions,
    lambda fst, o: operations.minimize_encoded(fst, o.delta),
)


class PredeterminizeOptions(Options):
    first_disambig: int = option(0, "first-disambig", "First label to add, if above those that there are")


@command("<disambig-out.list> [in.fst [out.fst]]")
def fstpredeterminize(
    run: Run, options: PredeterminizeOptions, added: str, source: str = "-", target: str = "-"
) -> int:
    """Add input labels so that determinization succeeds, and write them into a list."""
    fst, labels = operations.predeterminize(read_automaton(source), options.first_disambig)
    with xopen(added, "wt") as out:
        out.writelines(f"{label}\n" for label in labels)
    write_automaton(fst, target)
    return 0


# Costs and epsilons

fstpushspecial = filter_command(
    "Move costs so that all states sum to the same.",
    DeltaOptions,
    lambda fst, o: operations.push_special(fst, o.delta),
)


class EpsilonOptions(Options):
    use_log: bool = option(False, "use-log", "Keep the sums of paths rather than the best one")
    stochastic_in_log: bool = option(
        True, "stochastic-in-log", "Keep what states sum to as probabilities rather than the best"
    )


def _remove_epsilons(fst: Fst, options: EpsilonOptions) -> Fst:
    if options.use_log and not options.stochastic_in_log:
        raise OptionError("--use-log=true with --stochastic-in-log=false; expected both, or the latter alone")
    if options.use_log:
        log = operations.arcmap(fst, "to_log")
        return operations.arcmap(operations.remove_eps_local(log, keep_sums=True), "to_std")
    return operations.remove_eps_local(fst, keep_sums=options.stochastic_in_log)


fstrmepslocal = filter_command(
    "Remove those epsilons whose removal does not make the automaton bigger.",
    EpsilonOptions,
    _remove_epsilons,
)
fstremoveuselessarcs = filter_command(
    "Remove arcs that no best path needs.",
    NoOptions,
    lambda fst, o: operations.remove_useless_arcs(fst),
)


class StochasticOptions(Options):
    delta: float = option(0.01, "delta", "Largest difference from 0")
    test_in_log: bool = option(True, "test-in-log", "Sums of probabilities rather than the best cost")


@command("[in.fst]")
def fstisstochastic(run: Run, options: StochasticOptions, source: str = "-") -> int:
    """Whether the probabilities that leave each state sum to 1, as exit status; prints the extremes."""
    test = utils.is_stochastic_fst_in_log if options.test_in_log else utils.is_stochastic_fst
    low, high = TropicalWeight.one(), TropicalWeight.one()
    answer = test(_std(read_automaton(source)), options.delta, low, high)
    # In the log semiring Kaldi's smaller sum is that with the smaller probability, the greater cost.
    low, high = (high, low) if options.test_in_log else (low, high)
    with xopen("-", "wt") as out:
        out.write(f"{low.value:.6g} {high.value:.6g}\n")
    return 0 if answer else 1


# Labels


class RemoveOptions(Options):
    apply_to_output: bool = option(False, "apply-to-output", "Symbols of the output side")
    remove_from_output: bool = option(False, "remove-from-output", "Another name of --apply-to-output")
    remove_arcs: bool = option(False, "remove-arcs", "Remove arcs with these symbols")
    penalty: float = option(float("-inf"), "penalty", "Keep the symbols, and add this to their cost")


@command("<symbols.list> [in.fst [out.fst]]")
def fstrmsymbols(run: Run, options: RemoveOptions, symbols: str, source: str = "-", target: str = "-") -> int:
    """Replace input symbols that a list names by epsilons."""
    with xopen(symbols, "rt") as file:
        try:
            listed = np.array(file.stream().read().split(), np.int32)
        except (ValueError, OverflowError):
            raise FstError(f"{symbols}: expected integers") from None
    fst = read_automaton(source)
    side = "olabel" if options.apply_to_output or options.remove_from_output else "ilabel"
    arcs = fst.arcs.copy()
    states = fst.states
    origin = np.repeat(np.arange(len(states), dtype=np.int32), states["num_arcs"])
    found = np.isin(arcs[side], listed)
    if options.remove_arcs:
        arcs, origin = arcs[~found], origin[~found]
    elif options.penalty != float("-inf"):
        arcs["weight"][found] += options.penalty
    else:
        arcs[side][found] = 0
    columns = {name: arcs[name] for name in ("ilabel", "olabel", "weight", "nextstate")}
    made = Fst.from_arrays(fst.start, states["final"], origin, arc_type=fst.arc_type, **columns)
    made.input_symbols, made.output_symbols = fst.input_symbols, fst.output_symbols
    write_automaton(operations.connect(made) if options.remove_arcs else made, target)
    return 0


@command("<phi-label> [in.fst [out.fst]]")
def fstpropfinal(run: Run, options: NoOptions, label: str, source: str = "-", target: str = "-") -> int:
    """Give states without final cost that of where their arc with the label leads."""
    phi = _label(label)
    write_automaton(operations.propagate_final(read_automaton(source), phi), target)
    return 0


def _label(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise OptionError(f"the label '{text}'; expected a positive integer")
    return int(text)


# Composition


class TableComposeOptions(Options):
    connect: bool = option(True, "connect", "Leave out states on no path")
    match_side: str = option("left", "match-side", "Taken for scripts; changes no result")
    compose_filter: str = option("sequence", "compose-filter", "sequence, alt_sequence, match or auto")
    table_ratio: float = option(0.25, "table-ratio", "Taken for scripts; changes no result")
    min_table_size: int = option(4, "min-table-size", "Taken for scripts; changes no result")


_PAIR = (
    "(<fst1-rxfilename>|<fst1-rspecifier>) (<fst2-rxfilename>|<fst2-rspecifier>) "
    "[<out-wxfilename>|<out-wspecifier>]"
)


@command(_PAIR)
def fsttablecompose(run: Run, options: TableComposeOptions, left: str, right: str, target: str = "-") -> int:
    """Put the output of one automaton into another; either may be a table of them."""
    name: Any = options.compose_filter
    if options.match_side not in ("left", "right"):
        raise OptionError(f"--match-side={options.match_side}; expected left or right")
    return _combine(run, left, right, target, lambda a, b: operations.compose(a, b, name, options.connect))


@command(f"<phi-label> {_PAIR}")
def fstphicompose(run: Run, options: NoOptions, label: str, left: str, right: str, target: str = "-") -> int:
    """Compose with an automaton whose arcs with the label are taken where there is no other."""
    phi = _label(label)
    return _combine(
        run,
        left,
        right,
        target,
        lambda a, b: operations.compose(a, b, special=("phi", phi)),
        lambda b: operations.propagate_final(b, phi),
    )


@command(f"<rho-label> {_PAIR}")
def fstrhocompose(run: Run, options: NoOptions, label: str, left: str, right: str, target: str = "-") -> int:
    """Compose with an automaton whose arcs with the label take all labels that have no other."""
    rho = _label(label)
    return _combine(run, left, right, target, lambda a, b: operations.compose(a, b, special=("rho", rho)))


def _combine(
    run: Run,
    left: str,
    right: str,
    target: str,
    combine: Callable[[Fst, Fst], Fst],
    prepare: Callable[[Fst], Fst] = lambda fst: fst,
) -> int:
    tables = (reads_table(left), reads_table(right))
    if writes_table(target) != any(tables):
        raise OptionError(
            f"'{left}', '{right}' and '{target}': tables in take a table out; expected ark: or scp: of both"
        )
    if not any(tables):
        write_automaton(combine(read_automaton(left), prepare(read_automaton(right))), target)
        return 0
    writer = table.FstWriter(target)
    if not all(tables):
        fixed = read_automaton(right if tables[0] else left)
        fixed = prepare(fixed) if tables[0] else fixed
        reader = table.SequentialFstReader(left if tables[0] else right)

        def one(key: str, fst: Any) -> Any:
            moving = fst.to_fst()
            return _std(combine(moving, fixed) if tables[0] else combine(fixed, prepare(moving)))

        tally = run.convert(reader, writer, one)
        run.log(f"Composed {tally.done} FSTs.")
        return tally.status
    with table.RandomAccessFstReader(right) as others:

        def both(key: str, fst: Any) -> Any:
            if key not in others:
                raise Skip(f"No such key {key} in second table.")
            made = combine(fst.to_fst(), prepare(others[key].to_fst()))
            if made.num_states == 0:
                raise Skip(f"Empty output for key {key}")
            return _std(made)

        tally = run.convert(table.SequentialFstReader(left), writer, both)
    run.log(f"Successfully composed {tally.done} FSTs, errors or empty output on {tally.failed}")
    return tally.status


# Random automata


class RandomOptions(Options):
    allow_empty: bool = option(True, "allow-empty", "The result may have no paths")
    srand: int = option(0, "srand", "The same seed gives the same automaton")


@command("[out.fst]")
def fstrand(run: Run, options: RandomOptions, target: str = "-") -> int:
    """Make a small random automaton, for tests."""
    chance = random.Random(options.srand)
    while True:
        fst = Fst()
        count = chance.randrange(1, 10)
        fst.add_states(count)
        fst.set_start(0)
        for _ in range(chance.randrange(20)):
            labels = (chance.randrange(8), chance.randrange(8))
            fst.add_arc(chance.randrange(count), *labels, chance.randrange(5) / 2, chance.randrange(count))
        for _ in range(chance.randrange(1, 3)):
            fst.set_final(chance.randrange(count), chance.randrange(5) / 2)
        fst = operations.connect(fst)
        if fst.num_states or options.allow_empty:
            write_automaton(fst, target)
            return 0
