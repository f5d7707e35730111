"""Writes what functions and gradients L-BFGS meets to tests/kaldi/matrix/golden/lbfgs.json.

Kaldi's own optimizer does not tell, through PyKaldi, where it wants to go: so ours does, Kaldi's is told the
same values (make_matrix_golden.py adds its step lengths), and the test holds one to the other.

    .venv/bin/python tests/oracle/make_lbfgs_steps.py
"""

import json
from pathlib import Path

import numpy as np

from sonant.kaldi.matrix import DoubleVector
from sonant.kaldi.matrix.optimization import LbfgsOptions, OptimizeLbfgs

PATH = Path(__file__).parent.parent / "kaldi" / "matrix" / "golden" / "lbfgs.json"


def bowl(x):
    scale = np.arange(1, len(x) + 1)
    return float(0.5 * (scale * (x - 1) ** 2).sum()), scale * (x - 1)


def valley(x):
    """Rosenbrock's."""
    value = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return float(value), np.array(
        [-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]
    )


def wave(x):
    return float((np.cos(x) + 0.1 * x**2).sum()), -np.sin(x) + 0.2 * x


def hill(x):
    value, slope = bowl(x)
    return -value, -slope


RUNS = [
    (bowl, [0.0, 3, -2], {}, 12),
    (bowl, [0.0, 3, -2], {"first_step_length": 0.5, "m": 2}, 12),
    (bowl, [0.0, 3, -2], {"first_step_impr": 0.5, "avg_step_length": 1}, 12),
    (valley, [-1.2, 1], {"first_step_length": 0.1}, 25),
    (wave, [0.3, 5, -4, 2], {"first_step_learning_rate": 8.0}, 20),
    (wave, [0.3, 5, -4, 2], {"first_step_learning_rate": 0.01, "d": 3.0, "c2": 0.5}, 25),
    (wave, [2.5], {"max_line_search_iters": 1, "first_step_learning_rate": 20.0}, 12),
    (hill, [0.0, 3, -2], {"minimize": False, "first_step_learning_rate": 0.1}, 12),
]


def main():
    runs = []
    for function, start, options, count in RUNS:
        optimizer = OptimizeLbfgs(DoubleVector(start), LbfgsOptions(**options))
        steps = []
        for _ in range(count):
            value, gradient = function(optimizer.get_proposed_value().numpy())
            optimizer.do_step(value, gradient)
            steps.append([value, gradient.tolist()])
        runs.append(dict(function=function.__name__, start=start, options=options, steps=steps))
    PATH.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
