"""Commands of alignments (transition-ids by frame) and posteriors."""

from typing import Any

import numpy as np

from sonant.errors import OptionError
from sonant.kaldi.commands.command import NoOptions, Run, Skip, command, read_object
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


def _transition_model(rxfilename: str) -> Any:
    from sonant.kaldi.hmm import TransitionModel

    return read_object(TransitionModel, rxfilename)


def _phones(model: Any, alignment: list[int]) -> list[tuple[int, list[int]]]:
    """Every phone and its transition-ids."""
    from sonant.kaldi.hmm import split_to_phones

    return [(model.transition_id_to_phone(ids[0]), ids) for ids in split_to_phones(model, alignment)[1]]


@command("<model> <alignments-rspecifier> <pdfs-wspecifier>")
def ali_to_pdf(run: Run, options: NoOptions, model: str, source: str, target: str) -> int:
    """Write alignments with pdf-ids in the place of transition-ids."""
    transitions = _transition_model(model)

    def pdfs(key: str, alignment: list[int]) -> list[int]:
        return [transitions.transition_id_to_pdf(item) for item in alignment]

    tally = run.convert(table.SequentialIntVectorReader(source), table.IntVectorWriter(target), pdfs)
    run.log(f"Converted {tally.done} alignments to pdf sequences.")
    return tally.status


class AliToPhonesOptions(Options):
    per_frame: bool = option(False, "per-frame", "Write the phone of every frame")
    write_lengths: bool = option(False, "write-lengths", "Write pairs: a phone, and its number of frames")
    ctm_output: bool = option(
        False, "ctm-output", "Write lines 'utterance 1 start duration phone', in seconds"
    )
    frame_shift: float = option(0.01, "frame-shift", "Seconds from frame to frame; for --ctm-output")


@command(
    "<model> <alignments-rspecifier> <phones-wspecifier>", "<model> <alignments-rspecifier> <ctm-wxfilename>"
)
def ali_to_phones(run: Run, options: AliToPhonesOptions, model: str, source: str, target: str) -> int:
    """Write the phones of alignments."""
    if options.per_frame + options.write_lengths + options.ctm_output > 1:
        raise OptionError(
            "--per-frame, --write-lengths and --ctm-output are different forms; expected one at the most"
        )
    transitions = _transition_model(model)
    reader = table.SequentialIntVectorReader(source)
    if options.ctm_output:
        # Digits that tell frames apart.
        digits = 2 if options.frame_shift >= 0.01 else 3
        with reader, xopen(target, "wt") as out:

            def write(key: str, alignment: list[int]) -> None:
                start = 0
                for phone, ids in _phones(transitions, alignment):
                    times = (f"{count * options.frame_shift:.{digits}f}" for count in (start, len(ids)))
                    out.write(f"{key} 1 {' '.join(times)} {phone}\n")
                    start += len(ids)

            tally = run.each(reader, write)
    else:
        writer = (table.IntPairVectorWriter if options.write_lengths else table.IntVectorWriter)(target)

        def phones(key: str, alignment: list[int]) -> Any:
            pairs = [(phone, len(ids)) for phone, ids in _phones(transitions, alignment)]
            if options.write_lengths:
                return pairs
            return [phone for phone, length in pairs for _ in range(length if options.per_frame else 1)]

        tally = run.convert(reader, writer, phones)
    run.log(f"Done {tally.done} utterances.")
    return tally.status


@command("<alignments-rspecifier> <posteriors-wspecifier>")
def ali_to_post(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Write alignments as posteriors: of each frame its transition-id, with weight 1."""

    def posteriors(key: str, alignment: list[int]) -> table.Posterior:
        return [[(item, 1.0)] for item in alignment]

    tally = run.convert(table.SequentialIntVectorReader(source), table.PosteriorWriter(target), posteriors)
    run.log(f"Converted {tally.done} alignments.")
    return tally.status


@command("<posteriors-rspecifier> <weights-wspecifier>")
def post_to_weights(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Write the sum of the posteriors of each frame, as vectors."""

    def weights(key: str, frames: table.Posterior) -> np.ndarray:
        return np.array([sum(weight for _, weight in frame) for frame in frames], np.float32)

    tally = run.convert(table.SequentialPosteriorReader(source), table.VectorWriter(target), weights)
    run.log(f"Converted {tally.done} posteriors to weights.")
    return tally.status


@command("<phone-symbols> <model> <alignments-rspecifier>")
def show_alignments(run: Run, options: NoOptions, symbols: str, model: str, source: str) -> int:
    """Show alignments to people: transition-ids, and under them the names of phones."""
    transitions, names = _transition_model(model), _names(symbols)
    with table.SequentialIntVectorReader(source) as reader, xopen("-", "wt") as out:

        def show(key: str, alignment: list[int]) -> None:
            columns = []
            for phone, ids in _phones(transitions, alignment):
                if phone not in names:
                    raise Skip(f"{key}: phone {phone} has no symbol in {symbols}")
                columns.append((f"[ {' '.join(map(str, ids))} ] ", f"{names[phone]} "))
            widths = [max(map(len, column)) for column in columns]
            for row in zip(*columns, strict=True):
                out.write(
                    f"{key}  {''.join(text.ljust(width) for text, width in zip(row, widths, strict=True))}\n"
                )
            out.write("\n")

        tally = run.each(reader, show)
    return tally.status


def _names(rxfilename: str) -> dict[int, str]:
    """The symbols of a table in OpenFst's text form: `symbol number`."""
    names = {}
    with xopen(rxfilename, "rt") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if words and (len(words) != 2 or not words[1].isdigit()):
                raise OptionError(f"{rxfilename}:{number}: '{line.strip()}'; expected 'symbol number'")
            if words:
                names[int(words[1])] = words[0]
    return names
