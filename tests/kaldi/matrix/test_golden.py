"""Every method against Kaldi itself: the lines of golden/cases.txt, run here and there."""

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import MatrixError

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("expressions", HERE / "expressions.py")
assert SPEC and SPEC.loader
expressions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(expressions)

CASES = [json.loads(line) for line in (HERE / "golden" / "cases.json").read_text().splitlines()]


def test_the_golden_file_is_of_these_cases():
    lines = (HERE / "golden" / "cases.txt").read_text().splitlines()
    assert [case["case"] for case in CASES] == [line for line in lines if line and not line.startswith("#")]


def agree(got: Any, want: Any, tolerance: float) -> bool:
    if isinstance(want, float) and isinstance(got, float):
        return (
            got == want
            or math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)
            or want != want != got
        )
    if isinstance(want, list) and isinstance(got, list):
        scale = max((abs(x) for x in _numbers(want) if math.isfinite(x)), default=0.0)
        within = tolerance * max(1.0, min(scale, 100.0))
        return len(got) == len(want) and all(agree(a, b, within) for a, b in zip(got, want, strict=True))
    return type(got) is type(want) and got == want


def _numbers(value: Any) -> list[float]:
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize(
    ("case", "precision"),
    [(case, precision) for case in CASES for precision in ("float", "double") if precision in case],
    ids=lambda value: value if isinstance(value, str) else value["case"],
)
def test_as_kaldi(case, precision):
    line, want = case["case"], case[precision]
    double = precision == "double"
    tolerance = float(line.split("within ")[1]) if "within " in line else 1e-12 if double else 2e-6
    if "error" in want:
        with pytest.raises(MatrixError):
            exec(line, expressions.namespace("sonant.kaldi", double))
        return
    with np.errstate(all="raise", under="ignore"):  # warnings are silenced where they are expected, not here
        got = json.loads(json.dumps(expressions.run(line, "sonant.kaldi", double)))
    if want.get("r", "") is None:
        got["r"] = None  # some methods of PyKaldi forget to return their object; ours all do
    assert got.keys() == want.keys()
    for name in want:
        assert agree(got[name], want[name], tolerance), (name, got[name], want[name])
