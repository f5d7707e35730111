"""Commands that take features apart, put them together, and tell of them."""

import re
from contextlib import ExitStack

import numpy as np

from sonant.errors import FeatureError, OptionError
from sonant.kaldi.commands.command import (
    BinaryOptions,
    NoOptions,
    Run,
    Skip,
    command,
    read_object,
    reads_table,
    write_object,
    writes_table,
)
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option

# What is told of features


@command("<feats-rspecifier> <dims-wspecifier>", "<feats-rspecifier> <dim-wxfilename>")
def feat_to_dim(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Write the number of columns: of each utterance to a table, of the first one to a file."""
    if writes_table(target):
        reader = table.SequentialMatrixReader(source, memory_map=True)
        return run.convert(reader, table.IntWriter(target), lambda key, feats: feats.num_cols).status
    with table.SequentialMatrixReader(source, memory_map=True) as reader:
        if reader.done():
            raise FeatureError(
                f"{source}: no features to tell the number of columns of; expected an utterance"
            )
        columns = reader.value().num_cols
    _say(target, f"{columns}\n")
    return 0


@command("<feats-rspecifier> [<lengths-wspecifier>]")
def feat_to_len(run: Run, options: NoOptions, source: str, target: str = "") -> int:
    """Write numbers of frames: of each utterance to a table, or their sum to standard output."""
    reader = table.SequentialMatrixReader(source, memory_map=True)
    if target:
        return run.convert(reader, table.IntWriter(target), lambda key, feats: feats.num_rows).status
    with reader:
        frames = sum(feats.num_rows for _, feats in reader)
    _say("-", f"{frames}\n")
    return 0


def _say(wxfilename: str, text: str) -> None:
    with xopen(wxfilename, "wt") as out:
        out.write(text)


# Some of the frames


class SubsampleOptions(Options):
    n: int = option(1, "n", "Take every n-th frame; if negative, repeat each frame -n times")
    offset: int = option(0, "offset", "The first frame to take")


@command("<feats-rspecifier> <feats-wspecifier>")
def subsample_feats(run: Run, options: SubsampleOptions, source: str, target: str) -> int:
    """Take every n-th frame, or repeat frames."""
    n, offset = options.n, options.offset
    if n == 0 or offset < 0 or (n < 0 and offset):
        raise OptionError(
            f"--n={n} --offset={offset}; expected --n=1 or more and --offset=0 or more, or a negative --n"
        )

    def subsampled(key: str, feats: Matrix) -> np.ndarray:
        values = feats.numpy()
        values = values[offset::n] if n > 0 else values.repeat(-n, axis=0)
        if not len(values):
            raise Skip(f"{key} has {feats.num_rows} frames, of which none would be left: producing no output")
        return values

    tally = run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), subsampled)
    run.log(f"Subsampled {tally.done} utterances; {tally.failed} with errors.")
    return tally.status


@command("<feats-rspecifier> <vad-rspecifier> <feats-wspecifier>")
def select_voiced_frames(run: Run, options: NoOptions, source: str, decisions: str, target: str) -> int:
    """Take the frames that compute-vad has found voiced."""
    with table.RandomAccessVectorReader(decisions) as vad:

        def selected(key: str, feats: Matrix) -> np.ndarray:
            if not feats.num_rows:
                raise Skip(f"{key} has no frames")
            if key not in vad:
                raise Skip(f"no voice activity for {key}")
            voiced = vad[key].numpy()
            if len(voiced) != feats.num_rows:
                raise Skip(f"{key} has {feats.num_rows} frames and voice activity of {len(voiced)}")
            if not voiced.any():
                raise Skip(f"{key} has no voiced frames")
            return feats.numpy()[voiced != 0]

        tally = run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), selected)
    run.log(f"Selected the voiced frames of {tally.done} utterances; {tally.failed} had errors.")
    return tally.status


# Columns


@command("<selection> <feats-rspecifier> <feats-wspecifier>")
def select_feats(run: Run, options: NoOptions, selection: str, source: str, target: str) -> int:
    """Take some columns, in any order: 0,24-22,3-12."""
    columns = [column for part in selection.split(",") for column in _columns_of(part, selection)]
    width = max(columns) + 1

    def selected(key: str, feats: Matrix) -> np.ndarray:
        if width > feats.num_cols:
            raise FeatureError(
                f"{key} has {feats.num_cols} columns; expected {width} or more for {selection}"
            )
        return feats.numpy()[:, columns]

    run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), selected)
    return 0


def _columns_of(part: str, selection: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
    if match is None:
        raise OptionError(
            f"selection '{selection}': '{part}'; expected columns and ranges, such as 0,24-22,3-12"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last else range(first, last - 1, -1)


class PasteOptions(BinaryOptions):
    length_tolerance: int = option(
        0, "length-tolerance", "Frames by which lengths may differ; what is longer is cut at its end"
    )


@command(
    "<feats-rspecifier> <feats-rspecifier> ... <feats-wspecifier>",
    "<feats-rxfilename> <feats-rxfilename> ... <feats-wxfilename>",
)
def paste_feats(run: Run, options: PasteOptions, first: str, second: str, third: str, *others: str) -> int:
    """Put features of the same utterances side by side."""
    *sources, target = first, second, third, *others

    def pasted(name: str, parts: list[Matrix]) -> np.ndarray:
        lengths = [part.num_rows for part in parts]
        shortest, longest = min(lengths), max(lengths)
        if longest - shortest > options.length_tolerance or shortest == 0:
            raise Skip(
                f"{name}: {shortest} and {longest} frames; expected one or more, and a difference of "
                f"--length-tolerance={options.length_tolerance} at the most"
            )
        return np.concatenate([part.numpy()[:shortest] for part in parts], axis=1)

    if not reads_table(first):
        try:
            together = pasted(target, [read_object(Matrix, source) for source in sources])
        except Skip as reason:
            run.warn(str(reason))
            return 1
        write_object(Matrix.from_numpy(together), target, options.binary)
        run.log(f"Wrote {target}")
        return 0
    with ExitStack() as stack:
        rest = [stack.enter_context(table.RandomAccessMatrixReader(source)) for source in sources[1:]]

        def of_utterance(key: str, feats: Matrix) -> np.ndarray:
            for source, reader in zip(sources[1:], rest, strict=True):
                if key not in reader:
                    raise Skip(f"{key} is missing in {source}")
            return pasted(key, [feats, *(reader[key] for reader in rest)])

        tally = run.convert(table.SequentialMatrixReader(first), table.MatrixWriter(target), of_utterance)
    run.log(f"Done {tally.done} utterances, errors on {tally.failed}.")
    return 0 if tally.done else 255


class TransformOptions(Options):
    utt2spk: str = option("", "utt2spk", "An rspecifier of speakers by utterance: transforms are by speaker")


@command(
    "<transform-rspecifier> <feats-rspecifier> <feats-wspecifier>",
    "<transform-rxfilename> <feats-rspecifier> <feats-wspecifier>",
)
def transform_feats(run: Run, options: TransformOptions, transforms: str, source: str, target: str) -> int:
    """Apply linear transforms, (out, in), or affine ones, (out, in + 1), such as LDA, MLLT and fMLLR.

    They are of each utterance, of each speaker with --utt2spk, or the same for all where they are a file.
    """
    logdets, kinds = [], set()  # of each utterance (logarithm, frames)
    with ExitStack() as stack:
        if reads_table(transforms):
            reader = stack.enter_context(table.RandomAccessMatrixReaderMapped(transforms, options.utt2spk))
            of_all = None
        else:
            reader, of_all = None, read_object(Matrix, transforms)

        def transformed(key: str, feats: Matrix) -> np.ndarray:
            if reader is not None and key not in reader:
                raise Skip(f"no transform for {key}, or for its speaker: producing no output")
            matrix = np.asarray(of_all if reader is None else reader[key])
            values, (rows, columns), dim = feats.numpy(), matrix.shape, feats.num_cols
            if columns not in (dim, dim + 1):
                hint = (
                    ": was it made by compose-transforms without --b-is-affine?" if columns == dim + 2 else ""
                )
                raise Skip(f"{key}: a transform of {rows}x{columns} for {dim} columns{hint}")
            linear = matrix[:, :dim]
            if rows <= dim:
                kinds.add("" if rows == dim else "[pseudo-]")
                logdet = 0.5 * np.linalg.slogdet(linear.astype(np.float64) @ linear.T)[1]
                if np.isfinite(logdet):
                    logdets.append((logdet, len(values)))
            return values @ linear.T if columns == dim else values @ linear.T + matrix[:, dim]

        tally = run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), transformed)
    if frames := sum(count for _, count in logdets):
        mean = sum(logdet * count for logdet, count in logdets) / frames
        run.log(f"Overall average {max(kinds)}logdet is {mean:g} over {frames} frames.")
    run.log(f"Applied transforms to {tally.done} utterances; {tally.failed} had errors.")
    return tally.status
