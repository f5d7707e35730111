"""Commands of lattices that need a model: language models, alignment, training criteria."""

from dataclasses import field
from typing import Any

from sonant.errors import OptionError
from sonant.kaldi.commands.command import NoOptions, Run, Skip, colon_separated, command, read_object
from sonant.kaldi.commands.lattices import (
    AcousticScale,
    convert_lattices,
    each_lattice,
    inverse,
    written,
)
from sonant.kaldi.lat.align import (
    PhoneAlignLatticeOptions,
    WordAlignLatticeLexiconOpts,
    WordBoundaryInfoNewOpts,
)
from sonant.kaldi.lat.options import ComposeLatticePrunedOptions
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option
from sonant.lattice import Lattice


def transition_model(rxfilename: str) -> Any:
    from sonant.kaldi.hmm import TransitionModel

    return read_object(TransitionModel, rxfilename)


class LmRescoreOptions(Options):
    lm_scale: float = option(1.0, "lm-scale", "Factor of the costs of the model; often 1 or -1")


@command("<lattice-rspecifier> <lm-fst-rxfilename> <lattice-wspecifier>")
def lattice_lmrescore(run: Run, options: LmRescoreOptions, source: str, lm: str, target: str) -> int:
    """Add the costs of a grammar to the graph costs: those of the best way through it."""
    from sonant.kaldi.fstext import read_fst_kaldi
    from sonant.kaldi.lat.rescoring import prepared

    return _rescore(run, options.lm_scale, source, target, prepared(read_fst_kaldi(lm), "lm", project=False))


@command("<lattice-rspecifier> <const-arpa-rxfilename> <lattice-wspecifier>")
def lattice_lmrescore_const_arpa(
    run: Run, options: LmRescoreOptions, source: str, lm: str, target: str
) -> int:
    """Add the costs of a const-arpa model to the graph costs."""
    from sonant.kaldi.lat.rescoring import prepared
    from sonant.kaldi.lm import ConstArpaLm

    model = read_object(ConstArpaLm, lm)
    return _rescore(run, options.lm_scale, source, target, prepared(model, "lm", project=False))


def _rescore(run: Run, scale: float, source: str, target: str, lm: Any) -> int:
    from sonant.kaldi.lat.rescoring import with_lm

    def rescored(key: str, lattice: Lattice) -> Lattice:
        # Costs of the model are not scaled but the lattice's, so that the best way through the model counts
        # whatever the sign.
        return lattice if scale == 0 else Lattice.of(with_lm(written(lattice), lm, scale))

    return convert_lattices(run, source, target, rescored, raw=True).status


class LmRescorePrunedOptions(AcousticScale):
    lm_scale: float = option(
        1.0, "lm-scale", "Factor of the costs of <lm-to-add>; its negative is that of <lm-to-subtract>"
    )
    add_const_arpa: bool = option(False, "add-const-arpa", "<lm-to-add> is a const-arpa model")
    compose: ComposeLatticePrunedOptions = field(default_factory=ComposeLatticePrunedOptions)


@command("<lm-to-subtract> <lm-to-add> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_lmrescore_pruned(
    run: Run, options: LmRescorePrunedOptions, old: str, new: str, source: str, target: str
) -> int:
    """Put one language model in the place of another, best parts first."""
    from sonant.kaldi.fstext.on_demand import ScaleDeterministicOnDemandFst as Scaled
    from sonant.kaldi.fstext.on_demand import StdComposeDeterministicOnDemandFst as Composed
    from sonant.kaldi.lat.functions import compose_compact_lattice_pruned

    back = inverse(options.acoustic_scale)
    taken = Scaled(-options.lm_scale, _grammar(old))
    given = _const_arpa(new) if options.add_const_arpa else _grammar(new)

    def rescored(key: str, lattice: Lattice) -> Lattice:
        # A composition of models keeps its states: a new one for each lattice.
        model = Composed(taken, Scaled(options.lm_scale, given))
        clat = written(lattice.scale(acoustic=options.acoustic_scale))
        return Lattice.of(compose_compact_lattice_pruned(options.compose, clat, model)).scale(acoustic=back)

    return convert_lattices(run, source, target, rescored).status


def _grammar(rxfilename: str) -> Any:
    """A grammar that backs off by the epsilons of its output side."""
    from sonant.kaldi.fstext import StdVectorFst, read_fst_kaldi
    from sonant.kaldi.fstext.on_demand import StdBackoffDeterministicOnDemandFst

    fst = StdVectorFst(read_fst_kaldi(rxfilename))
    return StdBackoffDeterministicOnDemandFst(fst.project(True).arcsort())


def _const_arpa(rxfilename: str) -> Any:
    from sonant.kaldi.lm import ConstArpaLm, ConstArpaLmDeterministicFst

    return ConstArpaLmDeterministicFst(read_object(ConstArpaLm, rxfilename))


class ErrorLattices(Options):
    output_error_lats: bool = option(True, "output-error-lats", "Write lattices that align with errors, too")


class AlignWordsOptions(ErrorLattices):
    test: bool = option(False, "test", "Kept for scripts")
    boundaries: WordBoundaryInfoNewOpts = field(default_factory=WordBoundaryInfoNewOpts)


@command("<word-boundary-file> <model> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_align_words(
    run: Run, options: AlignWordsOptions, boundaries: str, model: str, source: str, target: str
) -> int:
    """Make lattices with a word an arc, by where phones stand in words."""
    from sonant.kaldi.lat.align import WordBoundaryInfo, word_align_lattice

    info, transitions = WordBoundaryInfo.from_file(options.boundaries, boundaries), transition_model(model)
    return _align(run, options, source, target, lambda clat: word_align_lattice(clat, transitions, info, 0))


class AlignPhonesOptions(ErrorLattices):
    align: PhoneAlignLatticeOptions = field(default_factory=PhoneAlignLatticeOptions)


@command("<model> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_align_phones(run: Run, options: AlignPhonesOptions, model: str, source: str, target: str) -> int:
    """Make lattices with a phone an arc."""
    from sonant.kaldi.lat.align import phone_align_lattice

    transitions = transition_model(model)
    return _align(
        run, options, source, target, lambda clat: phone_align_lattice(clat, transitions, options.align)
    )


class AlignWordsLexiconOptions(ErrorLattices):
    output_if_empty: bool = option(False, "output-if-empty", "Write empty lattices where alignment fails")
    lexicon: WordAlignLatticeLexiconOpts = field(default_factory=WordAlignLatticeLexiconOpts)


@command("<lexicon-file> <model> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_align_words_lexicon(
    run: Run, options: AlignWordsLexiconOptions, lexicon: str, model: str, source: str, target: str
) -> int:
    """Make lattices with a word an arc, by the pronunciations of words."""
    from sonant.kaldi.lat import align

    info = align.WordAlignLatticeLexiconInfo(align.read_lexicon_for_word_align(lexicon))
    transitions = transition_model(model)

    def aligned(clat: Any) -> tuple[bool, Any]:
        return align.word_align_lattice_lexicon(clat, transitions, info, options.lexicon)

    return _align(run, options, source, target, aligned, options.output_if_empty)


def _align(run: Run, options: Any, source: str, target: str, align: Any, empty: bool = False) -> int:
    with table.CompactLatticeWriter(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            right, made = align(written(lattice))
            if (right or options.output_error_lats) and (made.start() >= 0 or empty):
                writer[key] = made
            if not right:
                raise Skip(f"the lattice for {key} did not align correctly")
            if made.start() < 0:
                raise Skip(f"the lattice for {key} is empty")

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Successfully aligned {tally.done} lattices; {tally.failed} had errors.")
    return 0 if tally.done > tally.failed else 1


@command("<model> <lattice-rspecifier> <lattice-wspecifier>")
def lattice_to_phone_lattice(run: Run, options: NoOptions, model: str, source: str, target: str) -> int:
    """Put phones in the place of words, on the arcs that enter them."""
    from sonant.kaldi.lat.functions import convert_lattice_to_phones

    transitions = transition_model(model)

    def of_phones(key: str, lattice: Lattice) -> Lattice:
        fst = written(lattice)
        convert_lattice_to_phones(transitions, fst)
        return Lattice.of(fst)

    return convert_lattices(run, source, target, of_phones, raw=True).status


class BoostOptions(Options):
    b: float = option(0.05, "b", "Taken off the cost of each frame with a wrong phone")
    max_silence_error: float = option(0.0, "max-silence-error", "How wrong silences are at most")
    silence_phones: str = option("", "silence-phones", "Phones, with colons between them")


@command("<model> <lattice-rspecifier> <alignments-rspecifier> <lattice-wspecifier>")
def lattice_boost_ali(
    run: Run, options: BoostOptions, model: str, source: str, alignments: str, target: str
) -> int:
    """Make what differs from alignments cheaper, by the frame: for boosted MMI."""
    from sonant.kaldi.lat.functions import lattice_boost

    transitions = transition_model(model)
    silence = colon_separated(options.silence_phones, "silence-phones")
    with table.RandomAccessIntVectorReader(alignments) as reader:

        def boosted(key: str, lattice: Lattice) -> Lattice:
            if key not in reader:
                raise Skip(f"there is no alignment for {key}")
            fst = written(lattice)
            lattice_boost(transitions, reader[key], silence, options.b, options.max_silence_error, fst)
            return Lattice.of(fst)

        return convert_lattices(run, source, target, boosted, raw=True).status


class CriterionOptions(AcousticScale):
    lm_scale: float = option(1.0, "lm-scale", "Factor of graph costs")
    silence_phones: str = option("", "silence-phones", "Phones, with colons between them")
    one_silence_class: bool = option(False, "one-silence-class", "All silences are the same phone")


@command("<model> <num-posteriors-rspecifier> <lattice-rspecifier> <posteriors-wspecifier>")
def lattice_to_mpe_post(
    run: Run, options: CriterionOptions, model: str, alignments: str, source: str, target: str
) -> int:
    """Derivatives of the expected number of frames with the right phone, by transition-id (MPE)."""
    return _criterion(run, options, "mpfe", (model, alignments, source, target))


@command("<model> <num-posteriors-rspecifier> <lattice-rspecifier> <posteriors-wspecifier>")
def lattice_to_smbr_post(
    run: Run, options: CriterionOptions, model: str, alignments: str, source: str, target: str
) -> int:
    """Derivatives of the expected number of frames with the right pdf, by transition-id (sMBR)."""
    return _criterion(run, options, "smbr", (model, alignments, source, target))


def _criterion(run: Run, options: CriterionOptions, name: str, arguments: tuple[str, ...]) -> int:
    from sonant.kaldi.lat.functions import lattice_forward_backward_mpe_variants

    model, alignments, source, target = arguments
    transitions = transition_model(model)
    silence = colon_separated(options.silence_phones, "silence-phones")
    if options.acoustic_scale == 0:
        raise OptionError("--acoustic-scale=0; expected another number")
    with table.RandomAccessIntVectorReader(alignments) as reader, table.PosteriorWriter(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            if key not in reader:
                raise Skip(f"there is no alignment for {key}")
            scaled = written(lattice.scale(options.lm_scale, options.acoustic_scale).sorted())
            _, posteriors = lattice_forward_backward_mpe_variants(
                transitions, silence, scaled, reader[key], name, options.one_silence_class
            )
            writer[key] = posteriors

        tally = each_lattice(run, table.SequentialLatticeReader(source), one)
    run.log(f"Done {tally.done} lattices, failed for {tally.failed}")
    return tally.status
