"""OpenFst's commands that make automata of automata, and compare them."""

import math
from typing import Any

from sonant import fst as operations
from sonant.errors import FstError, OptionError
from sonant.fst import Fst
from sonant.kaldi.commands.command import NoOptions, Run, command
from sonant.kaldi.commands.filters import (
    DeltaOptions,
    comparison,
    filter_command,
    pair_command,
    read_automaton,
    read_symbols,
    write_text,
)
from sonant.kaldi.fstext.kinds import VECTOR_TYPES
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


def _weight(text: str, name: str) -> Any:
    """A weight of an option: one cost, or several with commas; None where there is none."""
    try:
        costs = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise OptionError(f"--{name}={text}; expected a cost, or several with commas between them") from None
    return None if not costs else costs[0] if len(costs) == 1 else costs


# One automaton to another


class SortOptions(Options):
    sort_type: str = option("ilabel", "sort_type", "By which labels: ilabel or olabel")


class ClosureOptions(Options):
    closure_plus: bool = option(False, "closure_plus", "One or more times, rather than zero or more")


class ProjectOptions(Options):
    project_output: bool = option(False, "project_output", "Keep output labels rather than input labels")
    project_type: str = option("", "project_type", "Labels to keep: input or output")


def _project(fst: Fst, options: ProjectOptions) -> Fst:
    if options.project_type not in ("", "input", "output"):
        raise OptionError(f"--project_type={options.project_type}; expected input or output")
    return operations.project(fst, options.project_output or options.project_type == "output")


class ReverseOptions(Options):
    require_superinitial: bool = option(True, "require_superinitial", "Always begin in a new state")


class DeterminizeOptions(DeltaOptions):
    det_type: str = option("functional", "det_type", "functional, or disambiguate: keep the best output")
    subsequential_label: int = option(0, "subsequential_label", "Input label of outputs that come at the end")


def _determinize(fst: Fst, options: DeterminizeOptions) -> Fst:
    if options.det_type not in ("functional", "disambiguate"):
        raise OptionError(f"--det_type={options.det_type}; expected functional or disambiguate")
    return operations.determinize(
        fst,
        options.delta,
        disambiguate=options.det_type == "disambiguate",
        subsequential_label=options.subsequential_label,
    )


class MinimizeOptions(DeltaOptions):
    allow_nondet: bool = option(False, "allow_nondet", "Take automata that are not deterministic, too")


class PruneOptions(DeltaOptions):
    weight: str = option("", "weight", "Leave out what costs this much more than the best path")
    nstate: int = option(-1, "nstate", "Most states of the result")


class PushOptions(DeltaOptions):
    push_weights: bool = option(False, "push_weights", "Move costs")
    push_labels: bool = option(False, "push_labels", "Move output labels")
    remove_total_weight: bool = option(False, "remove_total_weight", "Leave out what all paths cost")
    remove_common_affix: bool = option(False, "remove_common_affix", "Leave out what all paths output")
    to_final: bool = option(False, "to_final", "Towards the final states rather than the start")


def _push(fst: Fst, options: PushOptions) -> Fst:
    from sonant.kaldi.fstext import push

    # PyKaldi's has the names of all of these.
    names = ("push_weights", "push_labels", "remove_common_affix", "remove_total_weight", "to_final", "delta")
    pushed = push(VECTOR_TYPES[fst.arc_type](fst), *(getattr(options, name) for name in names))
    return pushed.to_fst()


class EpsilonOptions(PruneOptions):
    connect: bool = option(True, "connect", "Leave out states on no path")
    reverse: bool = option(False, "reverse", "Remove epsilons from the end")
    queue_type: str = option("auto", "queue_type", "Taken for scripts; changes no result")


class PathOptions(PruneOptions):
    nshortest: int = option(1, "nshortest", "Number of paths")
    unique: bool = option(False, "unique", "Only paths with different input labels")
    queue_type: str = option("auto", "queue_type", "Taken for scripts; changes no result")


class RandomOptions(Options):
    npath: int = option(1, "npath", "Number of paths")
    seed: int = option(0, "seed", "The same seed gives the same paths")
    select: str = option("uniform", "select", "uniform, log_prob or fast_log_prob")
    max_length: int = option(0x7FFFFFFF, "max_length", "Longest path")
    weighted: bool = option(False, "weighted", "Equal paths become one with the cost of its share")
    remove_total_weight: bool = option(False, "remove_total_weight", "Costs are counts over all paths")


class MapOptions(DeltaOptions):
    map_type: str = option("identity", "map_type", "The mapper: identity, invert, rmweight, times ...")
    weight: str = option("", "weight", "Weight of plus and times")


def _map(fst: Fst, options: MapOptions) -> Fst:
    name: Any = options.map_type
    if name in ("arc_sum", "arc_unique"):
        return operations.statemap(fst, name)
    return operations.arcmap(fst, name, options.delta, _weight(options.weight, "weight"))


class RelabelOptions(Options):
    isymbols: str = option("", "isymbols", "Table that input labels are numbers of")
    osymbols: str = option("", "osymbols", "Table that output labels are numbers of")
    relabel_isymbols: str = option("", "relabel_isymbols", "Table that gives input labels new numbers")
    relabel_osymbols: str = option("", "relabel_osymbols", "Table that gives output labels new numbers")
    relabel_ipairs: str = option("", "relabel_ipairs", "File of lines 'old new' of input labels")
    relabel_opairs: str = option("", "relabel_opairs", "File of lines 'old new' of output labels")


def _relabel(fst: Fst, options: RelabelOptions) -> Fst:
    if options.relabel_isymbols or options.relabel_osymbols:
        fst = operations.relabel_tables(
            fst,
            old_isymbols=read_symbols(options.isymbols),
            new_isymbols=read_symbols(options.relabel_isymbols),
            old_osymbols=read_symbols(options.osymbols),
            new_osymbols=read_symbols(options.relabel_osymbols),
        )
    return operations.relabel(fst, _pairs(options.relabel_ipairs), _pairs(options.relabel_opairs))


def _pairs(path: str) -> list[tuple[int, int]]:
    if not path:
        return []
    with xopen(path, "rt") as file:
        rows = [line.split() for line in file if line.strip()]
    try:
        return [(int(old), int(new)) for old, new in rows]
    except ValueError:
        raise FstError(f"{path}: expected lines of two labels, 'old new'") from None


fstarcsort = filter_command(
    "Sort the arcs of each state.",
    SortOptions,
    lambda fst, o: operations.arcsort(fst, o.sort_type),
)
fstclosure = filter_command(
    "Repeat an automaton.", ClosureOptions, lambda fst, o: operations.closure(fst, o.closure_plus)
)
fstconnect = filter_command(
    "Leave out states that are on no path.", NoOptions, lambda fst, o: operations.connect(fst)
)
fstdeterminize = filter_command("Make an automaton deterministic.", DeterminizeOptions, _determinize)
fstinvert = filter_command(
    "Exchange input and output labels.", NoOptions, lambda fst, o: operations.invert(fst)
)
fstmap = filter_command("Change labels or costs of all arcs by a mapper.", MapOptions, _map)
fstminimize = filter_command(
    "Make the smallest automaton with the same paths.",
    MinimizeOptions,
    lambda fst, o: operations.minimize(fst, o.delta, o.allow_nondet),
)
fstproject = filter_command("Make input and output labels those of one side.", ProjectOptions, _project)
fstprune = filter_command(
    "Leave out bad paths.",
    PruneOptions,
    lambda fst, o: operations.prune(fst, _weight(o.weight, "weight"), o.nstate, o.delta),
)
fstpush = filter_command("Move costs or labels along the paths.", PushOptions, _push)
fstrandgen = filter_command(
    "Draw random paths.",
    RandomOptions,
    lambda fst, o: operations.randgen(
        fst, o.npath, o.seed, o.select, o.max_length, o.weighted, o.remove_total_weight
    ),
)
fstrelabel = filter_command("Change labels.", RelabelOptions, _relabel)
fstreverse = filter_command(
    "Turn all paths round.", ReverseOptions, lambda fst, o: operations.reverse(fst, o.require_superinitial)
)
fstrmepsilon = filter_command(
    "Remove arcs with epsilons on both sides.",
    EpsilonOptions,
    lambda fst, o: operations.rmepsilon(
        fst, o.connect, o.reverse, o.queue_type, o.delta, _weight(o.weight, "weight"), o.nstate
    ),
)
fstshortestpath = filter_command(
    "Find the best paths.",
    PathOptions,
    lambda fst, o: operations.shortest_path(
        fst, o.nshortest, o.unique, o.queue_type, o.delta, _weight(o.weight, "weight"), o.nstate
    ),
)
fsttopsort = filter_command(
    "Number states so that arcs lead to higher ones.", NoOptions, lambda fst, o: operations.topsort(fst)
)


class DistanceOptions(DeltaOptions):
    reverse: bool = option(False, "reverse", "To the final states rather than from the start")
    queue_type: str = option("auto", "queue_type", "Taken for scripts; changes no result")


@command("[in.fst [distance.txt]]")
def fstshortestdistance(run: Run, options: DistanceOptions, source: str = "-", target: str = "-") -> int:
    """Print the cost of all paths to each state, or from each."""
    queue: Any = options.queue_type
    fst = read_automaton(source)
    found = operations.shortest_distance(fst, options.reverse, queue_type=queue, delta=options.delta)
    rows = ([float(cost)] if fst.arc_type in ("standard", "log") else list(cost) for cost in found)
    shown = (",".join("Infinity" if math.isinf(cost) else f"{cost:.9g}" for cost in row) for row in rows)
    return write_text("".join(f"{state}\t{text}\n" for state, text in enumerate(shown)), target)


# Two automata


class ComposeOptions(Options):
    compose_filter: str = option("auto", "compose_filter", "auto, sequence, alt_sequence, match ...")
    connect: bool = option(True, "connect", "Leave out states on no path")


fstcompose = pair_command(
    "Put the output of one automaton into another.",
    ComposeOptions,
    lambda a, b, o: operations.compose(a, b, o.compose_filter, o.connect),
)
fstconcat = pair_command(
    "The paths of one automaton and then of another.", NoOptions, lambda a, b, o: operations.concat(a, b)
)
fstdifference = pair_command(
    "The strings of one acceptor that another does not have.",
    ComposeOptions,
    lambda a, b, o: operations.difference(a, b, o.connect),
)
fstintersect = pair_command(
    "The strings that two acceptors have.",
    ComposeOptions,
    lambda a, b, o: operations.intersect(a, b, o.compose_filter, o.connect),
)
fstunion = pair_command("The paths of both.", NoOptions, lambda a, b, o: operations.union(a, b))


class EquivalenceOptions(DeltaOptions):
    random: bool = option(False, "random", "Compare random paths; of any automata")
    npath: int = option(1, "npath", "Number of paths")
    seed: int = option(0, "seed", "The same seed gives the same paths")
    max_length: int = option(0x7FFFFFFF, "max_length", "Longest path")


def _equivalent(a: Fst, b: Fst, options: EquivalenceOptions) -> bool:
    if options.random:
        return operations.random_equivalent(
            a, b, options.npath, options.delta, options.seed, options.max_length
        )
    return operations.equivalent(a, b, options.delta)


fstequal = comparison(
    "Whether two automata are the same, state by state.",
    DeltaOptions,
    lambda a, b, o: operations.equal(a, b, o.delta),
)
fstequivalent = comparison(
    "Whether two automata have the same strings with the same costs.", EquivalenceOptions, _equivalent
)
fstisomorphic = comparison(
    "Whether two automata are the same but for the numbers of states.",
    DeltaOptions,
    lambda a, b, o: operations.isomorphic(a, b, o.delta),
)
