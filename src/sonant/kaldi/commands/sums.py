"""Commands that add matrices and vectors."""

from contextlib import ExitStack
from typing import Any

import numpy as np

from sonant.errors import OptionError
from sonant.kaldi.commands.command import (
    BinaryOptions,
    Run,
    Skip,
    command,
    read_object,
    reads_table,
    write_object,
    writes_table,
)
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector
from sonant.kaldi.util import table
from sonant.kaldi.util.options import option


class MatrixSumOptions(BinaryOptions):
    scale1: float = option(1.0, "scale1", "Factor of the first of two tables")
    scale2: float = option(1.0, "scale2", "Factor of the second of two tables")
    average: bool = option(False, "average", "The mean rather than the sum; of one table only")


_FORMS = (
    "<rspecifier> <rspecifier> ... <wspecifier>",
    "<rspecifier> <wxfilename>",
    "<rxfilename> <rxfilename> ... <wxfilename>",
)


@command(*_FORMS)
def matrix_sum(run: Run, options: MatrixSumOptions, first: str, second: str, *others: str) -> int:
    """Add matrices: of the same key in several tables, all of one table, or those of files."""
    kinds = (
        Matrix,
        DoubleMatrix,
        table.SequentialMatrixReader,
        table.RandomAccessMatrixReader,
        table.MatrixWriter,
    )
    return _sum(run, options, (first, second, *others), kinds)


@command(*_FORMS)
def vector_sum(run: Run, options: MatrixSumOptions, first: str, second: str, *others: str) -> int:
    """Add vectors: of the same key in several tables, all of one table, or those of files."""
    kinds = (
        Vector,
        DoubleVector,
        table.SequentialVectorReader,
        table.RandomAccessVectorReader,
        table.VectorWriter,
    )
    return _sum(run, options, (first, second, *others), kinds)


def _sum(run: Run, options: MatrixSumOptions, arguments: tuple[str, ...], kinds: tuple[Any, ...]) -> int:
    single, double, sequential, random_access, table_writer = kinds
    *sources, target = arguments
    scales = [options.scale1, options.scale2] + [1.0] * len(sources)
    if scales[:2] != [1, 1] and (len(sources) != 2 or not reads_table(sources[0])):
        raise OptionError("--scale1 and --scale2 are for two tables; expected those")
    if options.average and (len(sources) != 1 or not reads_table(sources[0])):
        raise OptionError("--average is for one table and a file; expected those")
    if len(sources) == 1 and reads_table(sources[0]) and not writes_table(target):
        total, count = None, 0
        with sequential(sources[0]) as reader:

            def add(key: str, value: Any) -> None:
                nonlocal total, count
                values = np.asarray(value, np.float64)
                if total is not None and total.shape != values.shape:
                    raise Skip(f"{key} is of shape {values.shape}; expected {total.shape} as before")
                total = values if total is None else total + values
                count += 1

            tally = run.each(reader, add)
        if total is not None:
            mean = total / count if options.average else total
            write_object(single(double.from_numpy(mean)), target, options.binary)
        run.log(f"Added {tally.done} of {tally.done + tally.failed}.")
        return tally.status
    if not reads_table(sources[0]):
        values = [np.asarray(read_object(double, source)) for source in sources]
        if len({value.shape for value in values}) > 1:
            raise OptionError(f"shapes {[value.shape for value in values]}; expected the same of all files")
        write_object(single(double.from_numpy(sum(values[1:], values[0]))), target, options.binary)
        return 0
    with ExitStack() as stack:
        rest = [stack.enter_context(random_access(source)) for source in sources[1:]]

        def added(key: str, value: Any) -> np.ndarray:
            total = np.asarray(value) * np.float32(scales[0])
            for source, reader, scale in zip(sources[1:], rest, scales[1:], strict=False):
                if key not in reader:
                    raise Skip(f"{key} is missing in {source}")
                other = np.asarray(reader[key])
                if other.shape != total.shape:
                    raise Skip(f"{key} is of shape {total.shape}, and in {source} of {other.shape}")
                total += np.float32(scale) * other
            return total

        tally = run.convert(sequential(sources[0]), table_writer(target), added)
    run.log(f"Added {tally.done} of {tally.done + tally.failed}.")
    return tally.status
