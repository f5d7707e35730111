"""Runs Kaldi itself and writes what came of it to tests/kaldi/matrix/golden.

python make_matrix_golden.py        with a Python that has pykaldi 0.2.1 (Python 3.7)
"""

import inspect
import json
import os
import re
import sys
import tempfile
import zlib

import kaldi.matrix
import numpy as np
from kaldi.matrix import compressed, functions, htk, optimization, packed, sparse
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
    """Matrices compressed by every method, and parts, multiples: bytes, and a checksum of values."""
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
                    general = sparse.GeneralMatrix.from_compressed(item)
                    full = np.ascontiguousarray(general.get_matrix().numpy())
                    out += [written(general.write, True), zlib.crc32(full.tobytes())]
            file.write(json.dumps(out) + "\n")


def streams():
    """The bytes of every type, binary and text."""
    out = {}
    for name, object in expressions.to_write("kaldi"):
        for binary in (True, False):
            out[name + (" binary" if binary else " text")] = written(object.write, binary)
    header = htk.HtkHeader()
    header.mNSamples, header.mSamplePeriod, header.mSampleSize, header.mSampleKind = 2, 100000, 12, 0o20006
    matrix = kaldi.matrix.Matrix([[1, 2, 3], [4, 5, 6.5]])
    out["htk"] = written(lambda stream, _: htk.write_htk(stream, matrix, header), True)
    out["sphinx"] = written(lambda stream, _: htk.write_sphinx(stream, matrix), True)
    with open(os.path.join(HERE, "golden", "streams.json"), "w") as file:
        json.dump(out, file, indent=1)


def arguments_of(name, item):
    """Names of arguments: by the signature, or by the first line of what C++ wrapping documents."""
    documented = re.match(re.escape(name) + r"\((.*?)\)", item.__doc__ or "")
    if documented:
        return [part.split(":")[0].strip() for part in documented.group(1).split(",") if ":" in part]
    try:
        return [parameter for parameter in inspect.signature(item).parameters if parameter != "self"]
    except ValueError:
        return None


def names():
    """What the modules export, the public names of every class, and the arguments of what can be called."""
    out = {}
    for module in (kaldi.matrix, compressed, functions, htk, optimization, packed, sparse):
        for name in module.__all__:
            item = getattr(module, name)
            members = (
                [member for member in dir(item) if not member.startswith("_")]
                if isinstance(item, type)
                else []
            )
            found = {member: getattr(item, member) for member in members if not member.startswith("_")}
            out[module.__name__[6:] + "." + name] = {
                member: arguments_of(member, value) if callable(value) else None
                for member, value in found.items()
            } or arguments_of(name, item)
    with open(os.path.join(HERE, "golden", "names.json"), "w") as file:
        json.dump(out, file, indent=1)


def lbfgs():
    """Step lengths of L-BFGS for the functions and gradients that lbfgs.json tells, step by step."""
    path = os.path.join(HERE, "golden", "lbfgs.json")
    with open(path) as file:
        runs = json.load(file)
    for run in runs:
        options = optimization.LbfgsOptions()
        for name, value in run["options"].items():
            setattr(options, name, value)
        optimizer = optimization.OptimizeLbfgs(kaldi.matrix.Vector(run["start"]), options)
        run["lengths"] = []
        for value, gradient in run["steps"]:
            optimizer.do_step(value, kaldi.matrix.Vector(gradient))
            run["lengths"].append(min(optimizer.recent_step_length(), 1e30))
    with open(path, "w") as file:
        json.dump(runs, file, indent=1)


if __name__ == "__main__":
    names()
    lbfgs()
    cases()
    texts()
    compression()
    streams()
