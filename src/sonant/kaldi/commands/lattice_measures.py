"""Commands that measure lattices: risk, confidences, times, oracle error rates, depth, posteriors."""

import math
from contextlib import ExitStack
from typing import Any

import numpy as np

from sonant.errors import FstError, SpecifierError
from sonant.kaldi.commands.command import (
    NoOptions,
    Run,
    Skip,
    colon_separated,
    command,
    open_if_given,
    writes_table,
)
from sonant.kaldi.commands.lattice_paths import Symbols, say, symbols_of
from sonant.kaldi.commands.lattices import (
    Scales,
    acoustic_scale_of,
    each_lattice,
    inverse,
    linear,
    written,
)
from sonant.kaldi.lat.sausages import MinimumBayesRisk, MinimumBayesRiskOptions
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import option
from sonant.lattice import Lattice


class MbrOptions(Scales, Symbols):
    one_best_times: bool = option(False, "one-best-times", "Times of words, rather than of all positions")


@command(
    "<lattice-rspecifier> <transcriptions-wspecifier> [<bayes-risk-wspecifier> [<sausage-stats-wspecifier> "
    "[<times-wspecifier>]]]"
)
def lattice_mbr_decode(
    run: Run,
    options: MbrOptions,
    source: str,
    transcriptions: str,
    risks: str = "",
    sausages: str = "",
    times: str = "",
) -> int:
    """Write the words with the least expected number of errors, that number, what may stand at each position,
    and times."""
    symbols, total = symbols_of(options.word_symbol_table), np.zeros(2)
    with ExitStack() as stack:
        writers = [
            open_if_given(stack, kind, specifier)
            for kind, specifier in (
                (table.IntVectorWriter, transcriptions),
                (table.FloatWriter, risks),
                (table.PosteriorWriter, sausages),
                (table.FloatPairVectorWriter, times),
            )
        ]

        def one(key: str, lattice: Lattice) -> None:
            found = MinimumBayesRisk(written(lattice.scale(options.lm_scale, options.acoustic_scale)))
            when = found.get_one_best_times() if options.one_best_times else found.get_sausage_times()
            values = (found.get_one_best(), found.get_bayes_risk(), found.get_sausage_stats(), when)
            for writer, value in zip(writers, values, strict=True):
                if writer is not None:
                    writer[key] = value
            say(run, symbols, key, values[0])
            total[:] += (values[1], len(values[0]))

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    _tell_risk(run, tally, *total)
    return tally.status


def _tell_risk(run: Run, tally: Any, risk: float, words: float) -> None:
    run.log(f"Done {tally.done} lattices.")
    if tally.done:
        each_word = f" and per word, {risk / words:g}" if words else ""
        run.log(f"Average Bayes Risk per sentence is {risk / tally.done:g}{each_word}")


class CtmOptions(Scales, MinimumBayesRiskOptions):
    inv_acoustic_scale: float = option(1.0, "inv-acoustic-scale", "1 / --acoustic-scale")
    frame_shift: float = option(0.01, "frame-shift", "Seconds from frame to frame")


@command(
    "<lattice-rspecifier> <ctm-wxfilename>",
    "<lattice-rspecifier> <1best-rspecifier> [<times-rspecifier>] <ctm-wxfilename>",
)
def lattice_to_ctm_conf(
    run: Run, options: CtmOptions, source: str, second: str, third: str = "", fourth: str = ""
) -> int:
    """Write words with times and confidences, by minimum Bayes risk."""
    *given, target = [argument for argument in (second, third, fourth) if argument] or [""]
    if writes_table(target):
        raise SpecifierError(f"'{target}': expected the name of a file, out.ctm or '-' say")
    scale, shift, total = acoustic_scale_of(options), options.frame_shift, np.zeros(2)
    mbr = MinimumBayesRiskOptions(decode_mbr=options.decode_mbr, print_silence=options.print_silence)
    with ExitStack() as stack:
        kinds: tuple[Any, ...] = (table.RandomAccessIntVectorReader, table.RandomAccessFloatPairVectorReader)
        readers: list[Any] = [
            stack.enter_context(kind(name)) for kind, name in zip(kinds, given, strict=False)
        ]
        out = stack.enter_context(xopen(target, "wt"))

        def one(key: str, lattice: Lattice) -> None:
            for reader, name in zip(readers, given, strict=True):
                if key not in reader:
                    raise Skip(f"{name} has nothing for {key}")
            clat = written(lattice.scale(options.lm_scale, scale))
            if len(readers) == 2:
                found = MinimumBayesRisk.new_with_words_times(clat, readers[0][key], readers[1][key], mbr)
            elif readers:
                found = MinimumBayesRisk.new_with_words(clat, readers[0][key], mbr)
            else:
                found = MinimumBayesRisk(clat, mbr)
            words, confidences = found.get_one_best(), found.get_one_best_confidences()
            for word, (begin, end), confidence in zip(
                words, found.get_one_best_times(), confidences, strict=True
            ):
                out.write(
                    f"{key} 1 {shift * begin:.2f} {shift * (end - begin):.2f} {word} {confidence:.2f}\n"
                )
            total[:] += (found.get_bayes_risk(), len(words))

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    _tell_risk(run, tally, *total)
    return tally.status


class OracleOptions(Symbols):
    wildcard_symbols: str = option(
        "", "wildcard-symbols", "Words, with colons between them, that are no errors"
    )
    write_lattices: str = option("", "write-lattices", "A wspecifier to write oracle paths to, as lattices")


@command(
    "<test-lattice-rspecifier> <reference-rspecifier> <transcriptions-wspecifier> "
    "[<edit-distance-wspecifier>]"
)
def lattice_oracle(
    run: Run, options: OracleOptions, source: str, references: str, target: str, distances: str = ""
) -> int:
    """Write the words of each lattice with the fewest errors against a reference."""
    symbols, ignored = (
        symbols_of(options.word_symbol_table),
        colon_separated(options.wildcard_symbols, "wildcard-symbols"),
    )
    total = np.zeros(4, np.int64)
    with ExitStack() as stack:
        reader = stack.enter_context(table.RandomAccessIntVectorReader(references))
        words = open_if_given(stack, table.IntVectorWriter, target)
        errors = open_if_given(stack, table.IntWriter, distances)
        lattices = open_if_given(stack, table.CompactLatticeWriter, options.write_lattices)

        def one(key: str, lattice: Lattice) -> None:
            if key not in reader:
                raise Skip(f"No reference present for utterance {key}")
            heard = _without(lattice, ignored)
            reference = [word for word in reader[key] if word not in ignored]
            found = heard.oracle(reference)
            run.log(f"For utterance {key}, {_rate(found)}")
            if words is not None:
                words[key] = list(found.path.words)
            if errors is not None:
                errors[key] = found.errors
            if lattices is not None:
                lattices[key] = written(_of_words(heard, found.path.words))
            say(run, symbols, f"{key} (oracle)", found.path.words)
            say(run, symbols, f"{key} (reference)", reference)
            total[:] += (found.insertions, found.deletions, found.substitutions, found.reference_words)

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    # Kaldi's steps/oracle_wer.sh parses this line.
    insertions, deletions, substitutions, count = total.tolist()
    wrong = insertions + deletions + substitutions
    run.log(
        f"Overall %WER {100 * wrong / count if count else math.nan:g} [ {wrong} / {count}, {insertions} "
        f"insertions, {deletions} deletions, {substitutions} substitutions ]"
    )
    run.log(f"Scored {tally.done} lattices, {tally.failed} not present in ref.")
    return 0


def _rate(found: Any) -> str:
    rate = 100 * found.errors / found.reference_words if found.reference_words else math.nan
    return (
        f"%WER {rate:g} [ {found.errors} / {found.reference_words}, {found.insertions} insertions, "
        f"{found.deletions} deletions, {found.substitutions} sub ]"
    )


def _without(lattice: Lattice, words: list[int]) -> Lattice:
    """With epsilons in the place of words."""
    if not words:
        return lattice
    from sonant.fst import relabel

    pairs = [(word, 0) for word in words]
    return Lattice(relabel(lattice.fst, pairs, pairs))


def _of_words(lattice: Lattice, words: Any) -> Lattice:
    """The paths with these words."""
    from sonant.kaldi.fstext import compose

    mask = linear([(word, (0.0, 0.0, [])) for word in words], (0.0, 0.0, []))
    return Lattice.of(compose(written(mask), written(lattice.compact())))


class ConfidenceOptions(Scales):
    read_compact_lattice: bool = option(
        True, "read-compact-lattice", "Lattices are determinized; else sentences are told apart first"
    )


@command("<lattice-rspecifier> <confidence-wspecifier>")
def lattice_confidence(run: Run, options: ConfidenceOptions, source: str, target: str) -> int:
    """Write how much worse the second sentence is than the best; 1e10 where there is one only."""
    with table.FloatWriter(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            found = lattice.scale(options.lm_scale, options.acoustic_scale).sentence_confidence()
            if found.best is None:
                raise Skip(f"Lattice for utterance {key} is equivalent to the empty lattice.")
            writer[key] = min(found.difference, 1e10)

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Done {tally.done} lattices, {tally.failed} were empty or had errors.")
    return tally.status


@command("<lattice-rspecifier> [<depth-wspecifier>]")
def lattice_depth(run: Run, options: NoOptions, source: str, target: str = "") -> int:
    """Write how many arcs cross a frame, on average."""
    total = np.zeros(2, np.int64)
    with ExitStack() as stack:
        writer = open_if_given(stack, table.FloatWriter, target)

        def one(key: str, lattice: Lattice) -> None:
            depths = lattice.depth_per_frame()
            if not len(depths):
                raise FstError("it has no frames")
            total[:] += (depths.sum(), len(depths))
            if writer is not None:
                writer[key] = float(depths.mean())

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Done {tally.done} lattices.")
    if total[1]:
        run.log(f"Overall density is {total[0] / total[1]:g}")
    return tally.status


@command("<lattice-rspecifier> <depth-wspecifier>")
def lattice_depth_per_frame(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Write how many arcs cross each frame."""
    with table.IntVectorWriter(target) as writer:

        def one(key: str, lattice: Lattice) -> None:
            writer[key] = lattice.depth_per_frame().tolist()

        tally = each_lattice(run, table.SequentialCompactLatticeReader(source), one)
    run.log(f"Done {tally.done} lattices.")
    return tally.status


@command("<lattice-rspecifier> <posteriors-wspecifier> [<loglikes-wspecifier>]")
def lattice_to_post(run: Run, options: Scales, source: str, target: str, loglikes: str = "") -> int:
    """Write the probabilities of transition-ids at each frame."""
    inverse(options.acoustic_scale)
    total = np.zeros(2)
    with ExitStack() as stack:
        writer = stack.enter_context(table.PosteriorWriter(target))
        likes = open_if_given(stack, table.FloatWriter, loglikes)

        def one(key: str, lattice: Lattice) -> None:
            found = lattice.scale(options.lm_scale, options.acoustic_scale).posteriors()
            if not math.isfinite(found.log_probability):
                raise FstError("it has no path")
            if likes is not None:
                likes[key] = found.log_probability
            writer[key] = found.frames
            total[:] += (found.log_probability, len(found.begin) - 1)

        tally = each_lattice(run, table.SequentialLatticeReader(source), one)
    if total[1]:
        run.log(f"Overall average log-like/frame is {total[0] / total[1]:g} over {total[1]:g} frames.")
    run.log(f"Done {tally.done} lattices.")
    return tally.status
