"""Special labels and determinize_star beside Kaldi's own (tests/oracle/make_fst_composition_golden.py)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import FstError
from sonant.fst import Fst, compose, determinize_star

GOLDEN = json.loads((Path(__file__).parent / "golden/composition.json").read_text())


def machine(spec: dict[str, Any]) -> Fst:
    finals = np.full(spec["n"], np.inf)
    for state, cost in spec["finals"]:
        finals[state] = cost
    columns = np.array(spec["arcs"]).reshape(-1, 5).T
    source, ilabel, olabel, weight, nextstate = columns
    start = spec.get("start", 0)
    return Fst.from_arrays(start, finals, source, ilabel, olabel, weight, nextstate)


def content(fst: Fst) -> list[Any]:
    return [
        fst.start,
        [(round(float(fst.final(s)), 3), sorted(fst.arcs_of(s))) for s in range(fst.num_states)],  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("kind", ["phi", "rho"])
def test_special_labels_as_kaldi(kind: str) -> None:
    some = 0
    for case in GOLDEN["special"]:
        right = machine(case["b"]).arc_sort()
        ours = compose(machine(case["a"]), right, special=(kind, 9))  # type: ignore[arg-type]
        assert content(ours) == content(machine(case[kind])), case
        some += ours.num_arcs > 0
    assert some > 20


def test_determinize_star_as_kaldi() -> None:
    errors = 0
    for case in GOLDEN["star"]:
        fst = machine(case["a"])
        if "error" in case:
            errors += 1
            with pytest.raises(FstError, match="not functional"):
                determinize_star(fst)
            continue
        for use_log, expected in ((False, case["star"]), (True, case["log"])):
            ours = determinize_star(fst, use_log=use_log)
            theirs = machine(expected)
            assert ours.num_states == theirs.num_states
            assert ours.arc_sort().equal(theirs.arc_sort(), 2e-3)
    assert 0 < errors < 40
