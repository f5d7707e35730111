"""Commands that search: graphs and scores, or features, in, words, transition-ids and lattices out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import field
from typing import Any

import numpy as np

from sonant.errors import DecodingError, SearchError
from sonant.kaldi import asr
from sonant.kaldi.commands.command import Run, Skip, command, open_if_given, reads_table
from sonant.kaldi.commands.lattice_paths import Symbols, say, symbols_of
from sonant.kaldi.decoder import FasterDecoderOptions, LatticeFasterDecoderOptions
from sonant.kaldi.util import table
from sonant.kaldi.util.options import option


class DecodeOptions(Symbols):
    acoustic_scale: float = option(0.1, "acoustic-scale", "Factor of acoustic log-likelihoods")
    allow_partial: bool = option(True, "allow-partial", "Write results where no final state was reached")
    decoder: FasterDecoderOptions = field(default_factory=FasterDecoderOptions)


class DecodeMatrixOptions(DecodeOptions):
    binary: bool = option(True, "binary", "Kept for scripts: the wspecifiers say it")


class LatgenOptions(Symbols):
    acoustic_scale: float = option(0.1, "acoustic-scale", "Factor of acoustic log-likelihoods")
    allow_partial: bool = option(False, "allow-partial", "Write results where no final state was reached")
    decoder: LatticeFasterDecoderOptions = field(default_factory=LatticeFasterDecoderOptions)


@command("<fst-in> <loglikes-rspecifier> <words-wspecifier> [<alignments-wspecifier>]")
def decode_faster(
    run: Run, options: DecodeMatrixOptions, graph: str, source: str, words: str, alignments: str = ""
) -> int:
    """Find words in log-likelihoods of the labels of a graph."""

    def recognizer(fst: Any) -> Any:
        return asr.FasterRecognizer(
            asr.FasterDecoder(fst, options.decoder), None, True, options.acoustic_scale
        )

    return _decode(run, options, recognizer, (graph, source), words, alignments, "")


@command(
    "<transition-model> (<fst-in>|<fsts-rspecifier>) <loglikes-rspecifier> <words-wspecifier> "
    "[<alignments-wspecifier>]"
)
def decode_faster_mapped(
    run: Run,
    options: DecodeMatrixOptions,
    model: str,
    graph: str,
    source: str,
    words: str,
    alignments: str = "",
) -> int:
    """Find words in log-likelihoods of pdfs."""
    kind = asr.MappedFasterRecognizer
    recognizer = _with_model(kind, asr.FasterDecoder, model, options)
    return _decode(run, options, recognizer, (graph, source), words, alignments, "")


@command(
    "<model> (<fst-in>|<fsts-rspecifier>) <features-rspecifier> <words-wspecifier> [<alignments-wspecifier> "
    "[<lattice-wspecifier>]]"
)
def gmm_decode_faster(
    run: Run,
    options: DecodeOptions,
    model: str,
    graph: str,
    source: str,
    words: str,
    alignments: str = "",
    lattices: str = "",
) -> int:
    """Find words in features, with mixtures of Gaussians. Lattices have one path."""
    recognizer = _with_model(asr.GmmFasterRecognizer, asr.FasterDecoder, model, options)
    return _decode(run, options, recognizer, (graph, source), words, alignments, lattices)


@command(
    "<transition-model> (<fst-in>|<fsts-rspecifier>) <loglikes-rspecifier> <lattice-wspecifier> "
    "[<words-wspecifier> [<alignments-wspecifier>]]"
)
def latgen_faster_mapped(
    run: Run,
    options: LatgenOptions,
    model: str,
    graph: str,
    source: str,
    lattices: str,
    words: str = "",
    alignments: str = "",
) -> int:
    """Write lattices of log-likelihoods of pdfs."""
    kind = asr.MappedLatticeFasterRecognizer
    recognizer = _with_model(kind, asr.LatticeFasterDecoder, model, options)
    return _decode(run, options, recognizer, (graph, source), words, alignments, lattices)


@command(
    "<model> (<fst-in>|<fsts-rspecifier>) <features-rspecifier> <lattice-wspecifier> [<words-wspecifier> "
    "[<alignments-wspecifier>]]"
)
def gmm_latgen_faster(
    run: Run,
    options: LatgenOptions,
    model: str,
    graph: str,
    source: str,
    lattices: str,
    words: str = "",
    alignments: str = "",
) -> int:
    """Write lattices of features, with mixtures of Gaussians."""
    kind = asr.GmmLatticeFasterRecognizer
    recognizer = _with_model(kind, asr.LatticeFasterDecoder, model, options)
    return _decode(run, options, recognizer, (graph, source), words, alignments, lattices)


def _with_model(kind: Any, decoder: Any, model: str, options: Any) -> Callable[[Any], Any]:
    read = kind.read_model(model)
    models = read if isinstance(read, tuple) else (read,)
    return lambda fst: kind(*models, decoder(fst, options.decoder), None, True, options.acoustic_scale)


def _inputs(
    recognizer: Callable[[Any], Any], graph: str, source: str
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Key, recognizer and matrix of each utterance, which may have a graph of its own."""
    if reads_table(graph):
        with table.SequentialFstReader(graph) as graphs, table.RandomAccessMatrixReader(source) as matrices:
            for key, fst in graphs:
                found = matrices[key] if key in matrices else None  # noqa: SIM401 (a table has no `get`)
                yield key, (recognizer(fst), found)
    else:
        from sonant.kaldi.fstext import read_fst_kaldi

        one = recognizer(read_fst_kaldi(graph))
        with table.SequentialMatrixReader(source) as reader:
            for key, matrix in reader:
                yield key, (one, matrix)


def _decode(
    run: Run,
    options: Any,
    recognizer: Callable[[Any], Any],
    sources: tuple[str, str],
    words: str,
    alignments: str,
    lattices: str,
) -> int:
    symbols, total = symbols_of(options.word_symbol_table), np.zeros(2)
    compact = getattr(options.decoder, "determinize_lattice", True)
    with ExitStack() as stack:
        words_out = open_if_given(stack, table.IntVectorWriter, words)
        ids_out = open_if_given(stack, table.IntVectorWriter, alignments)
        kind = table.CompactLatticeWriter if compact else table.LatticeWriter
        lattices_out = open_if_given(stack, kind, lattices)

        def one(key: str, given: tuple[Any, Any]) -> None:
            recognize, matrix = given
            if matrix is None:
                raise Skip(f"{sources[1]} has nothing for {key}")
            try:
                found = recognize.decode(matrix)
            except (DecodingError, SearchError) as error:
                raise Skip(f"{key} was not decoded: {error}") from None
            if not recognize.decoder.reached_final():
                if not options.allow_partial:
                    raise Skip(
                        f"Not producing output for utterance {key} since no final-state reached and "
                        "--allow-partial=false."
                    )
                run.warn(f"Outputting partial output for utterance {key} since no final-state reached")
            if words_out is not None:
                words_out[key] = found["words"]
            if ids_out is not None:
                ids_out[key] = found["alignment"]
            if lattices_out is not None:
                lattices_out[key] = found.get("lattice", found["best_path"])
            say(run, symbols, key, found["words"])
            frames = matrix.num_rows
            run.log(
                f"Log-like per frame for utterance {key} is {found['likelihood'] / frames:g} over {frames} "
                "frames."
            )
            total[:] += (found["likelihood"], frames)

        tally = run.each(_inputs(recognizer, *sources), one)
    run.log(f"Done {tally.done} utterances, failed for {tally.failed}")
    if total[1]:
        run.log(f"Overall log-likelihood per frame is {total[0] / total[1]:g} over {total[1]:g} frames.")
    return tally.status
