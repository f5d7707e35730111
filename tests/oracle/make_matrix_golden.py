"""Runs Kaldi itself and writes what came of it to tests/kaldi/matrix/golden.

python make_matrix_golden.py        with a Python that has pykaldi 0.2.1 (Python 3.7)
"""

import json
import os
import sys
import tempfile

import kaldi.matrix
from kaldi.matrix import compressed, htk, sparse
from kaldi.util.io import xopen

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kaldi", "matrix")
sys.path.insert(0, HERE)

import expressions  # noqa: E402


def cases():
    """What the lines of cases.txt leave behind, in both precisions."""
    with open(os.path.join(HERE, "golden", "cases.txt")) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    with open(os.path.join(HERE, "golden", "cases.json"), "w") as file:
        for line in lines:
            case = {"case": line}
            for double, name in ((False, "float"), (True, "double")):
                if "only" not in line or name + " only" in line:
                    case[name] = expressions.run(line, "kaldi", double)
            file.write(json.dumps(case) + "\n")


def texts():
    """How matrices and vectors of many shapes and magnitudes print."""
    with open(os.path.join(HERE, "golden", "texts.json"), "w") as file:
        for options, array in expressions.to_print():
            kaldi.matrix.set_printoptions(**options)
            object = (kaldi.matrix.DoubleMatrix if array.ndim == 2 else kaldi.matrix.DoubleVector)(array)
            file.write(json.dumps(str(object).replace("kaldi.matrix._matrix", "sonant.kaldi.matrix")) + "\n")


def written(write, binary):
    """The bytes, in hexadecimal, that `write(stream, binary)` writes."""
    with tempfile.NamedTemporaryFile() as file:
        with xopen(file.name, "wb" if binary else "wt", write_header=not binary) as output:
            write(output.stream(), binary)
        return file.read().hex()


def compression():
    """The bytes of matrices compressed by every method, and of parts and multiples of them."""
    with open(os.path.join(HERE, "golden", "compressed.json"), "w") as file:
        for array in expressions.to_compress():
            matrix, out = kaldi.matrix.Matrix(array), []
            for method in compressed.CompressionMethod:
                whole = compressed.CompressedMatrix.new(matrix, method)
                variants = [whole]
                for arguments in expressions.parts_of(*array.shape):
                    variants.append(compressed.CompressedMatrix.new_with_range(whole, *arguments))
                scaled = compressed.CompressedMatrix.new_with_other(whole)
                scaled.scale(2.5)
                for item in [*variants, scaled]:
                    out.append(written(sparse.GeneralMatrix.from_compressed(item).write, True))
            file.write(json.dumps(out) + "\n")


def streams():
    """The bytes of every type, binary and text."""
    out = {}
    for name, object in expressions.to_write("kaldi"):
        for binary in (True, False):
            out[name + (" binary" if binary else " text")] = written(
                lambda s: object.write(s, binary), binary
            )
    header = htk.HtkHeader()
    header.mNSamples, header.mSamplePeriod, header.mSampleSize, header.mSampleKind = 2, 100000, 12, 0o20006
    matrix = kaldi.matrix.Matrix([[1, 2, 3], [4, 5, 6.5]])
    out["htk"] = written(lambda stream, _: htk.write_htk(stream, matrix, header), True)
    out["sphinx"] = written(lambda stream, _: htk.write_sphinx(stream, matrix), True)
    with open(os.path.join(HERE, "golden", "streams.json"), "w") as file:
        json.dump(out, file, indent=1)


if __name__ == "__main__":
    cases()
    texts()
    compression()
    streams()
