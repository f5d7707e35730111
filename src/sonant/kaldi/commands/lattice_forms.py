"""Commands that make of lattices automata of words, paths backwards, and one lattice of several systems."""

import math
from contextlib import ExitStack
from typing import Any

from sonant.errors import FstError
from sonant.kaldi.commands.command import NoOptions, Run, Skip, command, read_object
from sonant.kaldi.commands.lattices import acoustic_scale_of, each_lattice, without_ids, written
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option
from sonant.lattice import Lattice


class ToFstOptions(Options):
    read_compact: bool = option(True, "read-compact", "Words of compact lattices; else raw lattices are read")
    acoustic_scale: float = option(0.0, "acoustic-scale", "Factor of acoustic costs")
    lm_scale: float = option(0.0, "lm-scale", "Factor of graph costs")
    rm_eps: bool = option(True, "rm-eps", "Remove epsilons where that makes nothing bigger")
    convert_to_pdf_labels: bool = option(
        False, "convert-to-pdf-labels", "Of raw lattices: input labels become pdf-ids and one"
    )
    trans_model: str = option("", "trans-model", "Transition model for --convert-to-pdf-labels")
    project_input: bool = option(False, "project-input", "Of raw lattices: input labels alone")
    project_output: bool = option(True, "project-output", "Of raw lattices: words alone")


@command("<lattice-rspecifier> <fsts-wspecifier>")
def lattice_to_fst(run: Run, options: ToFstOptions, source: str, target: str) -> int:
    """Make automata of the words of lattices, without costs unless they are scaled."""
    from sonant.kaldi.fstext import utils
    from sonant.kaldi.fstext.special import remove_eps_local

    compact = options.read_compact
    model = None
    if options.convert_to_pdf_labels and not compact:
        from sonant.kaldi.hmm import TransitionModel

        model = read_object(TransitionModel, options.trans_model)
    reader = (table.SequentialCompactLatticeReader if compact else table.SequentialLatticeReader)(source)
    with table.FstWriter(target) as writer:

        def automaton(key: str, lattice: Lattice) -> None:
            scaled = lattice.scale(options.lm_scale, options.acoustic_scale)
            fst: Any = utils.convert_lattice_to_std(
                written(without_ids(scaled).raw() if compact else scaled.raw())
            )
            if model is not None:
                ids = {arc.ilabel for state in fst.states() for arc in fst.arcs(state)} - {0}
                fst.relabel([(i, model.transition_id_to_pdf(i) + 1) for i in sorted(ids)])
            if options.project_input and not compact:
                fst.project()
            elif options.project_output or compact:
                fst.project(True)
            if options.rm_eps:
                remove_eps_local(fst)
            writer[key] = fst

        tally = each_lattice(run, reader, automaton)
    run.log(f"Done converting {tally.done} lattices to word-level FSTs")
    return tally.status


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_reverse(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Turn the paths of lattices round, for language models of reversed text."""
    from sonant.kaldi.fstext import reverse

    reader, writer = table.SequentialLatticeReader(source), table.LatticeWriter(target)
    tally = run.convert(reader, writer, lambda key, lattice: reverse(lattice))
    run.log(f"Done reversing {tally.done} lattices.")
    return tally.status


class CombineOptions(Options):
    acoustic_scale: float = option(1.0, "acoustic-scale", "Factor of acoustic costs")
    inv_acoustic_scale: float = option(1.0, "inv-acoustic-scale", "1 / --acoustic-scale")
    lm_scale: float = option(1.0, "lm-scale", "Factor of graph costs")
    lat_weights: str = option(
        "", "lat-weights", "Weights of the tables, such as 0.7:0.3; without it equal ones"
    )
    exp_weights: bool = option(False, "exp-weights", "Weights are factors of costs, not of probabilities")


@command("<lattice-rspecifier1> <lattice-rspecifier2> ... <lattice-wspecifier>")
def lattice_combine(run: Run, options: CombineOptions, first: str, second: str, *others: str) -> int:
    """The paths of several systems, each with its posterior in its lattice times its system's weight.

    For MBR decoding of system combinations. Scales stay in what is written, and graph costs have the rest.
    """
    if not others:
        return 1
    *sources, target = (second, *others)
    acoustic = acoustic_scale_of(options)
    weights = _weights(run, options.lat_weights, len(sources) + 1)
    missing = made = 0
    with ExitStack() as stack:
        readers = [stack.enter_context(table.RandomAccessCompactLatticeReader(source)) for source in sources]
        writer = stack.enter_context(table.CompactLatticeWriter(target))

        def normal(system: int, lattice: Lattice) -> Lattice:
            scaled = lattice.scale(options.lm_scale, acoustic)
            return _normalized(scaled.compact(), weights[system], options.exp_weights)

        def combine(key: str, lattice: Lattice) -> None:
            nonlocal missing, made
            parts = [normal(0, lattice)]
            for system, (source, reader) in enumerate(zip(sources, readers, strict=True), 1):
                if key not in reader:
                    run.warn(f"no lattice for {key} of system {system + 1}, {source}")
                    missing += 1
                    continue
                try:
                    parts.append(normal(system, Lattice.of(reader[key])))
                except (FstError, Skip) as error:
                    run.warn(f"{key}: the lattice of system {system + 1} is left out: {error}")
            writer[key] = written(parts[0].union(*parts[1:]))
            made += 1

        each_lattice(run, table.SequentialCompactLatticeReader(first), combine)
    run.log(f"Produced output for {made} utterances; {missing} total missing lattices.")
    return 0 if made and missing < made - missing else 1


def _weights(run: Run, text: str, count: int) -> list[float]:
    """Of the tables, with the sum 1. As Kaldi, equal ones with a warning where the text has others."""
    equal = [1 / count] * count
    if not text:
        return equal
    try:
        given = [float(part) for part in text.split(":") if part]
    except ValueError:
        given = []
    total = sum(given)
    if len(given) != count or not all(0 <= weight < math.inf for weight in given) or not total > 0:
        run.warn(f"--lat-weights={text}: expected {count} numbers that are not negative; all get the same")
        return equal
    if total != 1:
        run.warn(f"--lat-weights={text}: the sum is {total:g}, not 1; all are divided by it")
    return [weight / total for weight in given]


def _normalized(lattice: Lattice, weight: float, exponent: bool) -> Lattice:
    """All paths sum to the weight; with `exponent` to 1, once costs are multiplied by the weight."""
    from sonant.kaldi.fstext import CompactLatticeVectorFst, CompactLatticeWeight, LatticeWeight
    from sonant.kaldi.lat.functions import compute_compact_lattice_betas

    if not weight > 0:
        raise Skip(f"the weight is {weight:g}; expected one above 0")
    fst = written(lattice.scale(weight, weight) if exponent else lattice)
    assert isinstance(fst, CompactLatticeVectorFst)
    if fst.start() < 0:
        raise Skip("the lattice is empty")
    extra = compute_compact_lattice_betas(fst)[fst.start()] - (0.0 if exponent else math.log(weight))
    for state in range(fst.num_states()):
        final = fst.final(state)
        costs = final.weight
        if math.isfinite(costs.value1):
            whole = LatticeWeight(costs.value1 + extra, costs.value2)
            fst.set_final(state, CompactLatticeWeight(whole, final.string))
    return Lattice.of(fst)
