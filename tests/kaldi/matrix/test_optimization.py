"""L-BFGS, step by step as Kaldi's, and conjugate gradients."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import MatrixError, OptionError
from sonant.kaldi.matrix import DoubleVector, Vector
from sonant.kaldi.matrix.optimization import LbfgsOptions, LinearCgdOptions, OptimizeLbfgs, linear_cgd
from sonant.kaldi.matrix.packed import DoubleSpMatrix, SpMatrix

TESTS = Path(__file__).parent.parent.parent
RUNS = json.loads((TESTS / "kaldi" / "matrix" / "golden" / "lbfgs.json").read_text())
FUNCTIONS = runpy.run_path(str(TESTS / "oracle" / "make_lbfgs_steps.py"))


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_steps_are_kaldis(number):
    run = RUNS[number]
    function = FUNCTIONS[run["function"]]
    optimizer = OptimizeLbfgs(DoubleVector(run["start"]), LbfgsOptions(**run["options"]))
    compared = 0
    for (value, gradient), length in zip(run["steps"], run["lengths"], strict=True):
        # Kaldi's was told these: the lengths of its steps say whether it proposed the same places.
        assert function(optimizer.get_proposed_value().numpy())[0] == pytest.approx(
            value, rel=1e-9, abs=1e-12
        )
        optimizer.do_step(value, gradient)
        if length > 1e-3:  # below that Kaldi's single precision goes astray
            assert min(optimizer.recent_step_length(), 1e30) == pytest.approx(length, rel=3e-3)
            compared += 1
    assert compared > 5 or run["options"].get("max_line_search_iters")


@pytest.mark.parametrize("minimize", [True, False])
def test_it_converges(minimize):
    sign = 1 if minimize else -1
    options = LbfgsOptions(minimize=minimize, first_step_length=0.1)
    optimizer = OptimizeLbfgs(Vector([-1.2, 1]), options)
    assert optimizer.recent_step_length() == math.inf
    for _ in range(200):
        value, gradient = FUNCTIONS["valley"](optimizer.get_proposed_value().numpy().astype(np.float64))
        optimizer.do_step(sign * value, sign * gradient)
        if optimizer.recent_step_length() < 1e-5:
            break
    best, value = optimizer.get_value()
    assert type(best) is Vector and np.allclose(best, [1, 1], atol=1e-3) and abs(value) < 1e-6


def test_an_exact_second_derivative_needs_one_step():
    for function, options, hessian in (
        ("bowl", LbfgsOptions(), [1, 2, 3]),
        ("hill", LbfgsOptions(minimize=False), [-1, -2, -3]),
    ):
        optimizer = OptimizeLbfgs(DoubleVector([0, 3, -2]), options)
        optimizer.do_step_approx_hessian(*FUNCTIONS[function](np.array([0.0, 3, -2])), hessian)
        assert np.allclose(optimizer.get_proposed_value(), 1)
        with pytest.raises(MatrixError, match="expected all"):
            optimizer.do_step_approx_hessian(0.0, [0, 0, 0], [1, -1, 1])


def test_outside_of_the_domain_steps_shrink():
    optimizer = OptimizeLbfgs(DoubleVector([1.0]), LbfgsOptions(first_step_length=8.0))
    for _ in range(60):
        x = optimizer.get_proposed_value().numpy()
        if x[0] <= 0:
            optimizer.do_step(math.inf, [0.0])
        else:
            optimizer.do_step(float(x[0] - 3 * np.log(x[0])), 1 - 3 / x)
    assert optimizer.get_value()[0][0] == pytest.approx(3, abs=1e-4)


def test_wrong_arguments():
    with pytest.raises(MatrixError, match=r"gradient is Vector of 3; expected 2"):
        OptimizeLbfgs(Vector(2)).do_step(0.0, Vector(3))
    with pytest.raises(MatrixError, match="m is 0"):
        OptimizeLbfgs(Vector(2), LbfgsOptions(m=0))
    with pytest.raises(OptionError):
        LbfgsOptions(m=1.5)


def test_conjugate_gradients_solve():
    generator = np.random.default_rng(0)
    root = generator.standard_normal((20, 20))
    matrix, target = DoubleSpMatrix(root @ root.T + np.eye(20)), generator.standard_normal(20)
    x = np.zeros(20)
    assert linear_cgd(LinearCgdOptions(), matrix, target, x) >= 19
    assert np.allclose(np.asarray(matrix) @ x, target, atol=1e-5)
    assert linear_cgd(LinearCgdOptions(max_error=1e-3), matrix, target, x) == 0
    assert linear_cgd(LinearCgdOptions(), SpMatrix(2), [0, 0], x[:2].copy()) >= 0


def test_where_conjugate_gradients_fail_an_exact_solution_comes():
    scales = np.logspace(0, 18, 12)
    x = DoubleVector(np.ones(12))
    linear_cgd(LinearCgdOptions(max_iters=1), np.diag(scales), np.ones(12), x)
    before, after = (np.linalg.norm(scales * at - 1) for at in (np.ones(12), x.numpy()))
    assert after <= before * (1 + 1e-9)
    with pytest.raises(MatrixError, match=r"b is list of 3; expected 2"):
        linear_cgd(LinearCgdOptions(), SpMatrix(2), [1, 2, 3], Vector(2))
