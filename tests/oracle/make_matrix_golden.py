"""Runs tests/kaldi/matrix/golden/cases.txt in Kaldi itself and writes what came of it to golden/cases.json.

python make_matrix_golden.py        with a Python that has pykaldi 0.2.1 (Python 3.7)
"""

import json
import os
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kaldi", "matrix")
sys.path.insert(0, HERE)

import expressions  # noqa: E402


def main():
    with open(os.path.join(HERE, "golden", "cases.txt")) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    with open(os.path.join(HERE, "golden", "cases.json"), "w") as file:
        for line in lines:
            results = [expressions.run(line, "kaldi", double) for double in (False, True)]
            file.write(json.dumps({"case": line, "float": results[0], "double": results[1]}) + "\n")


if __name__ == "__main__":
    main()
