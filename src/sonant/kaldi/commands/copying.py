"""Commands that copy objects, from table to table or from file to file, and change their format or scale."""

import math
import random
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from sonant.errors import MatrixError, OptionError
from sonant.kaldi.commands.command import (
    BinaryOptions,
    NoOptions,
    Run,
    both_tables,
    command,
    open_if_given,
    read_object,
    write_object,
)
from sonant.kaldi.matrix import Matrix, Vector
from sonant.kaldi.util import table
from sonant.kaldi.util.holders import Holder
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option
from sonant.kaldi.util.reading import SequentialReader


class CopyFeatsOptions(BinaryOptions):
    compress: bool = option(False, "compress", "Write compressed matrices; of tables only")
    compression_method: int = option(
        1,
        "compression-method",
        "How to compress: 1 by the number of rows, 2 a byte for each value on a scale of its column, 3 two "
        "bytes, 4 integers of 16 bits, 5 a byte on one scale, 6 integers from 0 to 255, 7 a byte from 0 to 1",
    )
    htk_in: bool = option(False, "htk-in", "Read HTK's format")
    sphinx_in: bool = option(False, "sphinx-in", "Read Sphinx's format, of 13 columns")
    write_num_frames: str = option("", "write-num-frames", "A wspecifier to write numbers of frames to")


@command("<feature-rspecifier> <feature-wspecifier>", "<feats-rxfilename> <feats-wxfilename>")
def copy_feats(run: Run, options: CopyFeatsOptions, source: str, target: str) -> int:
    """Copy features, and change their format."""
    if options.htk_in and options.sphinx_in:
        raise OptionError("--htk-in and --sphinx-in are both given; expected one of them at the most")
    if not both_tables(source, target):
        if options.compress or options.write_num_frames:
            raise OptionError(
                "--compress and --write-num-frames are for tables; expected ark: or scp: with them"
            )
        write_object(_feats_of_file(options, source), target, options.binary)
        run.log(f"Copied features to {target}")
        return 0

    writer, compressed = table.MatrixWriter, None
    if options.compress:
        from sonant.kaldi.matrix.compressed import CompressedMatrix, CompressionMethod

        if options.compression_method not in list(CompressionMethod):
            raise OptionError(f"--compression-method={options.compression_method}; expected 1 to 7")
        method = CompressionMethod(options.compression_method)
        writer, compressed = table.CompressedMatrixWriter, lambda feats: CompressedMatrix(feats, method)
    reader = (
        table.SequentialHtkMatrixReader
        if options.htk_in
        else SequentialSphinxReader
        if options.sphinx_in
        else table.SequentialMatrixReader
    )
    with ExitStack() as stack:
        lengths = open_if_given(stack, table.IntWriter, options.write_num_frames)

        def copied(key: str, value: Any) -> Any:
            feats = value[0] if options.htk_in else value
            if lengths is not None:
                lengths[key] = feats.num_rows
            return compressed(feats) if compressed else feats

        tally = run.convert(reader(source), writer(target), copied)
    run.log(f"Copied {tally.done} feature matrices.")
    return tally.status


def _feats_of_file(options: CopyFeatsOptions, rxfilename: str) -> Matrix:
    if not (options.htk_in or options.sphinx_in):
        return read_object(Matrix, rxfilename)
    with xopen(rxfilename, "rt") as file:  # text: without a look for the header of Kaldi's binary files
        read = table.SequentialHtkMatrixReader._holder.read if options.htk_in else _read_sphinx
        value = read(file.stream())
    return value[0] if options.htk_in else value


_SPHINX_COLUMNS = 13


def _read_sphinx(stream: Any) -> Matrix:
    """Sphinx's features: the number of values, int32, and float32 values by rows, in either byte order."""
    head = stream.read(4)
    # Of the two numbers that the bytes may be, the small one: files have no 2^24 values.
    order = (
        min("<>", key=lambda order: abs(int(np.frombuffer(head, f"{order}i4")[0]))) if len(head) == 4 else "<"
    )
    count = int(np.frombuffer(head, f"{order}i4")[0]) if len(head) == 4 else -1
    data = stream.read(4 * count) if count >= 0 else b""
    if count < 0 or count % _SPHINX_COLUMNS or len(data) != 4 * count:
        stream.error(
            f"expected Sphinx's features: a number of values, {_SPHINX_COLUMNS} of each frame, and as many "
            f"values; found {count} and {len(data)} bytes"
        )
    return Matrix(np.frombuffer(data, f"{order}f4").reshape(-1, _SPHINX_COLUMNS).astype(np.float32))


def _no_sphinx(stream: Any, binary: bool, value: Any) -> None:
    raise MatrixError("Sphinx's format is read only; expected another to write")


class SequentialSphinxReader(SequentialReader[Matrix], holder=Holder(_read_sphinx, _no_sphinx)):
    """A table of features in Sphinx's format."""


class CopyMatrixOptions(BinaryOptions):
    scale: float = option(1.0, "scale", "Factor of all values; first")
    apply_log: bool = option(False, "apply-log", "Take logarithms")
    apply_exp: bool = option(False, "apply-exp", "Take exponentials")
    apply_softmax_per_row: bool = option(
        False, "apply-softmax-per-row", "Make each row's exponentials sum to 1"
    )
    apply_power: float = option(1.0, "apply-power", "Exponent of all values; last")


@command("<matrix-rspecifier> <matrix-wspecifier>", "<matrix-rxfilename> <matrix-wxfilename>")
def copy_matrix(run: Run, options: CopyMatrixOptions, source: str, target: str) -> int:
    """Copy matrices, and change their values where options say so."""
    if options.apply_log and options.apply_exp:
        raise OptionError("--apply-log and --apply-exp are both given; expected one of them at the most")
    return _copy(
        run,
        options,
        (source, target),
        (Matrix, table.SequentialMatrixReader, table.MatrixWriter),
        lambda name, matrix: _changed(name, matrix, options),
        "matrices",
    )


def _changed(name: str, matrix: Matrix, options: CopyMatrixOptions) -> Matrix:
    values = matrix.numpy()
    if options.scale != 1:
        values *= options.scale
    if options.apply_log:
        if values.size and values.min() < 0:
            raise MatrixError(f"{name}: logarithm of {values.min():g}; expected no negative values")
        with np.errstate(divide="ignore"):
            np.log(values, out=values)
    if options.apply_exp:
        np.exp(values, out=values)
    if options.apply_softmax_per_row and values.size:
        np.exp(values - values.max(axis=1, keepdims=True), out=values)
        values /= values.sum(axis=1, keepdims=True)
    if options.apply_power != 1:
        np.power(values, options.apply_power, out=values)
    return matrix


class CopyVectorOptions(BinaryOptions):
    scale: float = option(1.0, "scale", "Factor of all values")


@command("<vector-rspecifier> <vector-wspecifier>", "<vector-rxfilename> <vector-wxfilename>")
def copy_vector(run: Run, options: CopyVectorOptions, source: str, target: str) -> int:
    """Copy vectors, and scale them."""

    def scaled(name: str, vector: Vector) -> Vector:
        if options.scale != 1:
            values = vector.numpy()
            values *= options.scale
        return vector

    kinds = (Vector, table.SequentialVectorReader, table.VectorWriter)
    return _copy(run, options, (source, target), kinds, scaled, "vectors")


def _copy(
    run: Run,
    options: BinaryOptions,
    ends: tuple[str, str],
    kinds: tuple[type, Callable[[str], Any], Callable[[str], Any]],
    change: Callable[[str, Any], Any],
    what: str,
) -> int:
    """From a table to a table, or from a file to a file."""
    source, target = ends
    kind, reader, writer = kinds
    if not both_tables(source, target):
        write_object(change(source, read_object(kind, source)), target, options.binary)
        run.log(f"Copied {source} to {target}")
        return 0
    return _copy_table(run, reader(source), writer(target), what, change)


def _copy_table(
    run: Run,
    reader: Any,
    writer: Any,
    what: str,
    change: Callable[[str, Any], Any] = lambda key, value: value,
) -> int:
    tally = run.convert(reader, writer, change)
    run.log(f"Copied {tally.done} {what}.")
    return tally.status


@command("<ints-rspecifier> <ints-wspecifier>")
def copy_int_vector(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Copy lists of integers, such as alignments."""
    return _copy_table(run, table.SequentialIntVectorReader(source), table.IntVectorWriter(target), "vectors")


@command("<lists-rspecifier> <lists-wspecifier>")
def copy_int_vector_vector(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Copy lists of lists of integers."""
    reader = table.SequentialIntVectorVectorReader(source)
    return _copy_table(run, reader, table.IntVectorVectorWriter(target), "lists of vectors")


class CopyPostOptions(Options):
    scale: float = option(1.0, "scale", "Factor of the weights; with 0 none are left")
    random_prune: float = option(
        0.0,
        "random-prune",
        "Weights below it are raised to it or dropped, at random, so that their mean stays the same",
    )


@command("<post-rspecifier> <post-wspecifier>")
def copy_post(run: Run, options: CopyPostOptions, source: str, target: str) -> int:
    """Copy posteriors, scale and prune them."""
    chance, limit = random.Random(0), options.random_prune

    def pruned(weight: float) -> float:
        if abs(weight) >= limit:
            return weight
        return math.copysign(limit, weight) if chance.random() * limit <= abs(weight) else 0.0

    def changed(key: str, frames: table.Posterior) -> table.Posterior:
        if options.scale == 1 and limit == 0:
            return frames
        scaled = [[(item, pruned(weight * options.scale)) for item, weight in frame] for frame in frames]
        return [[(item, weight) for item, weight in frame if weight != 0] for frame in scaled]

    reader = table.SequentialPosteriorReader(source)
    return _copy_table(run, reader, table.PosteriorWriter(target), "posteriors", changed)


@command("<wav-rspecifier> <wav-wspecifier>", "<wav-rxfilename> <wav-wxfilename>")
def wav_copy(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Copy waveforms."""
    if both_tables(source, target):
        return _copy_table(run, table.SequentialWaveReader(source), table.WaveWriter(target), "waveforms")
    from sonant.kaldi.feat.wave import WaveData

    wave = WaveData()
    with xopen(source, "rt") as file:  # text: without a look for the header of Kaldi's binary files
        wave.read(file.stream())
    with xopen(target, "wb", write_header=False) as out:
        wave.write(out.stream())
    run.log(f"Copied {source} to {target}")
    return 0


@command("<fst-rspecifier> <fst-wspecifier>")
def fstcopy(run: Run, options: NoOptions, source: str, target: str) -> int:
    """Copy automata, such as decoding graphs."""
    return _copy_table(run, table.SequentialFstReader(source), table.FstWriter(target), "automata")


class LatticeCopyOptions(Options):
    write_compact: bool = option(
        True, "write-compact", "Write compact lattices; else those with transition-ids"
    )
    include: str = option(
        "", "include", "A file whose lines begin with the keys to copy; the others are left out"
    )
    exclude: str = option("", "exclude", "A file whose lines begin with keys to leave out")
    ignore_missing: bool = option(
        False, "ignore-missing", "Keys of --include without a lattice are no reason for an exit status of 1"
    )


@command("<lattice-rspecifier> <lattice-wspecifier>")
def lattice_copy(run: Run, options: LatticeCopyOptions, source: str, target: str) -> int:
    """Copy lattices, and change their form."""
    if options.include and options.exclude:
        raise OptionError("--include and --exclude are both given; expected one of them at the most")
    included = _keys(options.include) if options.include else None
    excluded = _keys(options.exclude) if options.exclude else set()
    reader, writer = (
        (table.SequentialCompactLatticeReader(source), table.CompactLatticeWriter(target))
        if options.write_compact
        else (table.SequentialLatticeReader(source), table.LatticeWriter(target))
    )
    with reader, writer:
        wanted = (
            (key, lattice)
            for key, lattice in reader
            if key not in excluded and (included is None or key in included)
        )
        tally = run.each(wanted, writer.write)
    run.log(f"Copied {tally.done} lattices.")
    missing = len(included) - tally.done if included is not None else 0
    if missing > 0 and not options.ignore_missing:
        run.warn(f"{missing} keys of {options.include} have no lattice")
        return 1
    return tally.status


def _keys(rxfilename: str) -> set[str]:
    with xopen(rxfilename, "rt") as file:
        return {line.split()[0] for line in file if line.strip()}
