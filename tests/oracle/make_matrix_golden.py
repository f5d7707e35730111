"""Runs Kaldi itself and writes what came of it to tests/kaldi/matrix/golden.

    python make_matrix_golden.py        with a Python that has pykaldi 0.2.1 (Python 3.7)
"""

import json
import os
import sys

import kaldi.matrix

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kaldi", "matrix")
sys.path.insert(0, HERE)

import expressions  # noqa: E402


def cases():
    """What the lines of cases.txt leave behind, in both precisions."""
    with open(os.path.join(HERE, "golden", "cases.txt")) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    with open(os.path.join(HERE, "golden", "cases.json"), "w") as file:
        for line in lines:
            results = [expressions.run(line, "kaldi", double) for double in (False, True)]
            file.write(json.dumps({"case": line, "float": results[0], "double": results[1]}) + "\n")


def texts():
    """How matrices and vectors of many shapes and magnitudes print."""
    with open(os.path.join(HERE, "golden", "texts.json"), "w") as file:
        for options, array in expressions.to_print():
            kaldi.matrix.set_printoptions(**options)
            object = (kaldi.matrix.DoubleMatrix if array.ndim == 2 else kaldi.matrix.DoubleVector)(array)
            file.write(json.dumps(str(object).replace("kaldi.matrix._matrix", "sonant.kaldi.matrix")) + "\n")


if __name__ == "__main__":
    cases()
    texts()
