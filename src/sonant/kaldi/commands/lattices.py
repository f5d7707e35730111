"""Commands that make lattices of lattices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sonant.errors import FstError, OptionError
from sonant.fst import Fst, OnDemand
from sonant.kaldi.commands.command import NoOptions, Run, Skip, Tally, command, reads_table
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option
from sonant.lattice import Lattice


class AcousticScale(Options):
    acoustic_scale: float = option(1.0, "acoustic-scale", "Factor of acoustic costs")


class Scales(AcousticScale):
    lm_scale: float = option(1.0, "lm-scale", "Factor of graph costs")


def inverse(scale: float, name: str = "acoustic-scale") -> float:
    """1 / scale. Raises OptionError for 0."""
    if scale == 0:
        raise OptionError(f"--{name}=0 cannot be taken back; expected another number")
    return 1 / scale


def each_lattice(run: Run, reader: Any, one: Callable[[str, Lattice], None]) -> Tally:
    """Calls `one` with every key and lattice. One that cannot be used (a cycle, no path) is warned about,
    and the others go on."""

    def guarded(key: str, fst: Any) -> None:
        try:
            one(key, Lattice.of(fst))
        except FstError as error:
            raise Skip(f"{key}: {error}") from None

    with reader:
        return run.each(reader, guarded)


def written(lattice: Lattice) -> Any:
    """As the tables' writers take it."""
    from sonant.kaldi.lat._lattices import made

    return made(lattice)


def convert_lattices(
    run: Run,
    source: str,
    target: str,
    change: Callable[[str, Lattice], Lattice],
    *,
    raw: bool = False,
    write_raw: bool = False,
) -> Tally:
    """Writes what `change` makes of every lattice; `raw`: it is given raw ones. A result without a path is
    warned about and left out."""
    reader = table.SequentialLatticeReader if raw else table.SequentialCompactLatticeReader
    with (table.LatticeWriter if write_raw else table.CompactLatticeWriter)(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            made = change(key, lattice)
            if made.fst.start < 0:
                raise Skip(f"the lattice for {key} is empty")
            writer[key] = written(made.raw() if write_raw else made.compact())

        tally = each_lattice(run, reader(source), one)
    run.log(f"Done {tally.done} lattices, failed for {tally.failed}")
    return tally


class LatticeScaleOptions(Scales):
    write_compact: bool = option(True, "write-compact", "Write compact lattices")
    inv_acoustic_scale: float = option(1.0, "inv-acoustic-scale", "1 / --acoustic-scale")
    acoustic2lm_scale: float = option(0.0, "acoustic2lm-scale", "Of acoustic costs, added to graph costs")
    lm2acoustic_scale: float = option(0.0, "lm2acoustic-scale", "Of graph costs, added to acoustic costs")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_scale(run: Run, options: LatticeScaleOptions, source: str, target: str) -> int:
    """Scale the costs of lattices."""
    acoustic = acoustic_scale_of(options)

    def scaled(key: str, lattice: Lattice) -> Lattice:
        factors = (options.lm_scale, options.acoustic2lm_scale, options.lm2acoustic_scale, acoustic)
        return lattice._made(lattice.fst.native.scaled(*factors))

    raw = not options.write_compact
    return convert_lattices(run, source, target, scaled, raw=raw, write_raw=raw).status


def acoustic_scale_of(options: Any) -> float:
    """--acoustic-scale, or what --inv-acoustic-scale says."""
    if options.inv_acoustic_scale == 1:
        return options.acoustic_scale
    if options.acoustic_scale != 1:
        raise OptionError("--acoustic-scale and --inv-acoustic-scale are both given; expected one of them")
    return inverse(options.inv_acoustic_scale, "inv-acoustic-scale")


class PruneOptions(AcousticScale):
    beam: float = option(10.0, "beam", "Costs over the best path's, after scaling, that are kept")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_prune(run: Run, options: PruneOptions, source: str, target: str) -> int:
    """Take away what costs more than the best path and a beam."""
    back = inverse(options.acoustic_scale)
    counts = np.zeros(4, np.int64)

    def pruned(key: str, lattice: Lattice) -> Lattice:
        made = lattice.scale(acoustic=options.acoustic_scale).prune(options.beam)
        counts[:] += (lattice.num_states, made.num_states, lattice.num_arcs, made.num_arcs)
        return made.scale(acoustic=back)

    tally = convert_lattices(run, source, target, pruned, raw=True)
    means = counts / max(tally.done, 1)
    run.log(
        "Overall, pruned from on average {:g} to {:g} states, and from {:g} to {:g} arcs, over {} "
        "utterances.".format(*means, tally.done)
    )
    return tally.status


class DeterminizeOptions(AcousticScale):
    beam: float = option(10.0, "beam", "Costs over the best path's, after scaling, that are kept")
    delta: float = option(1 / 1024, "delta", "Costs that are closer are taken for equal")
    max_mem: int = option(50_000_000, "max-mem", "Bytes that it may need, about")


class DeterminizePrunedOptions(DeterminizeOptions):
    max_loop: int = option(500_000, "max-loop", "Steps along epsilons from one subset")
    max_states: int = option(-1, "max-states", "States of the result, below 0 any number")
    max_arcs: int = option(-1, "max-arcs", "Arcs of the result, below 0 any number")
    minimize: bool = option(False, "minimize", "Push and minimize afterwards")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_determinize_pruned(run: Run, options: DeterminizePrunedOptions, source: str, target: str) -> int:
    """Keep the best path of each sequence of words, of those within a beam."""
    from sonant.kaldi.lat.functions import DeterminizeLatticePrunedOptions, determinize_lattice_pruned

    opts = DeterminizeLatticePrunedOptions(
        delta=options.delta,
        max_mem=options.max_mem,
        max_loop=options.max_loop,
        max_states=options.max_states,
        max_arcs=options.max_arcs,
    )

    def determinized(key: str, lattice: Lattice) -> Lattice:
        made = Lattice.of(determinize_lattice_pruned(written(lattice), options.beam, opts))
        return made.minimize() if options.minimize else made

    return _scaled_there_and_back(run, options, source, target, determinized)


def _scaled_there_and_back(
    run: Run, options: Any, source: str, target: str, change: Callable[[str, Lattice], Lattice]
) -> int:
    back = inverse(options.acoustic_scale)

    def one(key: str, lattice: Lattice) -> Lattice:
        return change(key, lattice.scale(acoustic=options.acoustic_scale)).scale(acoustic=back)

    return convert_lattices(run, source, target, one, raw=True).status


class DeterminizePhonePrunedOptions(DeterminizeOptions):
    phone_determinize: bool = option(True, "phone-determinize", "Determinize with phones first")
    word_determinize: bool = option(True, "word-determinize", "Determinize by words")
    minimize: bool = option(False, "minimize", "Push and minimize afterwards")


@command("<model> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_determinize_phone_pruned(
    run: Run, options: DeterminizePhonePrunedOptions, model: str, source: str, target: str
) -> int:
    """The same with phones first, which deep lattices need."""
    from sonant.kaldi.commands.lattice_models import transition_model
    from sonant.kaldi.lat.functions import (
        DeterminizeLatticePhonePrunedOptions,
        determinize_lattice_phone_pruned,
    )

    transitions = transition_model(model)
    opts = DeterminizeLatticePhonePrunedOptions(
        delta=options.delta,
        max_mem=options.max_mem,
        phone_determinize=options.phone_determinize,
        word_determinize=options.word_determinize,
        minimize=options.minimize,
    )

    def determinized(key: str, lattice: Lattice) -> Lattice:
        return Lattice.of(determinize_lattice_phone_pruned(written(lattice), transitions, options.beam, opts))

    return _scaled_there_and_back(run, options, source, target, determinized)


class PushOptions(Options):
    push_strings: bool = option(True, "push-strings", "Move transition-ids towards the start")
    push_weights: bool = option(True, "push-weights", "Move costs towards the start")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_push(run: Run, options: PushOptions, source: str, target: str) -> int:
    """Move transition-ids and costs towards the start."""
    from sonant.kaldi.lat import functions

    def pushed(key: str, lattice: Lattice) -> Lattice:
        clat = written(lattice)
        if options.push_strings:
            functions.push_compact_lattice_strings(clat)
        if options.push_weights:
            functions.push_compact_lattice_weights(clat)
        return Lattice.of(clat)

    return convert_lattices(run, source, target, pushed).status


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_minimize(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Push lattices, and make states that are alike one."""
    return convert_lattices(run, source, target, lambda key, lattice: lattice.minimize()).status


class PenaltyOptions(Options):
    word_ins_penalty: float = option(0.0, "word-ins-penalty", "Added to the graph cost of each word")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_add_penalty(run: Run, options: PenaltyOptions, source: str, target: str) -> int:
    """Add a penalty to each word."""

    def penalized(key: str, lattice: Lattice) -> Lattice:
        return lattice.add_word_penalty(options.word_ins_penalty)

    return convert_lattices(run, source, target, penalized).status


class LimitDepthOptions(AcousticScale):
    max_arcs_per_frame: int = option(1000, "max-arcs-per-frame", "Arcs that may cross a frame")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_limit_depth(run: Run, options: LimitDepthOptions, source: str, target: str) -> int:
    """Keep the best arcs of each frame."""
    back = inverse(options.acoustic_scale)

    def limited(key: str, lattice: Lattice) -> Lattice:
        scaled = lattice.scale(acoustic=options.acoustic_scale)
        return scaled.limit_depth(options.max_arcs_per_frame).scale(acoustic=back)

    return convert_lattices(run, source, target, limited).status


class ExpandOptions(Options):
    n: int = option(3, "n", "Words of an n-gram")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_expand_ngram(run: Run, options: ExpandOptions, source: str, target: str) -> int:
    """Part states by the n - 1 words before them; no cost changes."""

    def expanded(key: str, lattice: Lattice) -> Lattice:
        return lattice.rescore(OnDemand.history(options.n))

    return convert_lattices(run, source, target, expanded).status


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_rmali(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Remove transition-ids."""
    return convert_lattices(run, source, target, lambda key, lattice: without_ids(lattice)).status


def without_ids(lattice: Lattice) -> Lattice:
    from sonant.kaldi.fstext.utils import remove_alignments_from_compact_lattice

    clat = written(lattice)
    remove_alignments_from_compact_lattice(clat)
    return Lattice.of(clat)


class ProjectOptions(Options):
    project_output: bool = option(True, "project-output", "Words on both sides; else transition-ids")


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_project(run: Run, options: ProjectOptions, source: str, target: str) -> int:
    """Put words, or transition-ids, on both sides of lattices."""

    def projected(key: str, lattice: Lattice) -> Lattice:
        return Lattice.of(written(lattice).project(options.project_output))

    return convert_lattices(run, source, target, projected, raw=True).status


def _of_pairs(
    run: Run,
    sources: tuple[str, str],
    target: str,
    second: type,
    join: Callable[[str, Lattice, Lattice | None], Lattice],
) -> int:
    with second(sources[1]) as others:

        def joined(key: str, lattice: Lattice) -> Lattice:
            return join(key, lattice, Lattice.of(others[key]) if key in others else None)

        return convert_lattices(run, sources[0], target, joined, raw=True).status


@command("<lattice-rspecifier1> <lattice-rspecifier2> <lattice-wspecifier>")
def lattice_union(run: Run, options: NoOptions, source: str, others: str, target: str) -> int:
    """The paths of two lattices with one key, the best one of each sequence of words."""
    from sonant.kaldi.lat.rescoring import determinized

    def union(key: str, lattice: Lattice, other: Lattice | None) -> Lattice:
        if other is None:
            run.warn(f"{others} has no lattice for {key}; the result is the lattice of {source}")
        both = lattice if other is None else lattice.union(other)
        return Lattice.of(determinized(written(both)))

    return _of_pairs(run, (source, others), target, table.RandomAccessLatticeReader, union)


class InterpOptions(Options):
    alpha: float = option(0.5, "alpha", "Factor of the first lattice's costs; the second's is 1 - alpha")


@command("<lattice-rspecifier1> <lattice-rspecifier2> <lattice-wspecifier>")
def lattice_interp(run: Run, options: InterpOptions, source: str, others: str, target: str) -> int:
    """The sentences of both lattices, with costs of both; transition-ids of the first."""
    from sonant.kaldi.fstext import compose

    alpha = options.alpha

    def interpolated(key: str, lattice: Lattice, other: Lattice | None) -> Lattice:
        if other is None:
            raise Skip(f"{others} has no lattice for {key}")
        words = written(without_ids(other).raw()).project(True)
        scaled = Lattice.of(words).scale(1 - alpha, 1 - alpha)
        first = written(lattice.scale(alpha, alpha)).arcsort("olabel")
        return Lattice.of(compose(first, written(scaled).arcsort()))

    second = table.RandomAccessCompactLatticeReader
    return _of_pairs(run, (source, others), target, second, interpolated)


class ComposeOptions(Options):
    phi_label: int = option(-1, "phi-label", "If above 0, input label of backoff arcs of the second")


@command(
    "<lattice-rspecifier1> <lattice-rspecifier2> <lattice-wspecifier>",
    "<lattice-rspecifier1> <fst-rxfilename2> <lattice-wspecifier>",
)
def lattice_compose(run: Run, options: ComposeOptions, source: str, other: str, target: str) -> int:
    """Put the output of lattices into others, or into an automaton with graph costs."""
    from sonant.kaldi import fstext
    from sonant.kaldi.fstext import utils
    from sonant.kaldi.fstext.special import phi_compose_lattice

    phi = options.phi_label
    if phi == 0 or phi < -1:
        raise OptionError(f"--phi-label={phi}; expected a label above 0, or -1")

    def composed(lattice: Lattice, second: Any) -> Lattice:
        if phi <= 0:
            return Lattice.of(fstext.compose(written(lattice).arcsort("olabel"), second))
        made = fstext.LatticeVectorFst()
        phi_compose_lattice(written(lattice), second, phi, made)
        return Lattice.of(made)

    if reads_table(other):

        def with_other(key: str, lattice: Lattice, second: Lattice | None) -> Lattice:
            if second is None:
                raise Skip(f"{other} has no lattice for {key}")
            return composed(lattice, written(second).arcsort())

        return _of_pairs(run, (source, other), target, table.RandomAccessLatticeReader, with_other)
    grammar = fstext.StdVectorFst(fstext.read_fst_kaldi(other))
    if phi > 0:
        utils.propagate_final(phi, grammar)
    second = utils.convert_std_to_lattice(grammar).arcsort()
    return convert_lattices(
        run, source, target, lambda key, lattice: composed(lattice, second), raw=True
    ).status


def linear(arcs: list[Any], final: Any) -> Lattice:
    """A compact lattice of one path: (word, weight) of each arc."""
    fst = Fst("compactlattice44")
    fst.add_states(len(arcs) + 1)
    fst.set_start(0)
    for state, (word, weight) in enumerate(arcs):
        fst.add_arc(state, word, word, weight, state + 1)
    fst.set_final(len(arcs), final)
    return Lattice(fst)
