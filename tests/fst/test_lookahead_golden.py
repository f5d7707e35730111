"""Look-ahead and n-gram files beside OpenFst's own (golden/lookahead.json)."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest

from sonant.fst import ComposeFst, Fst, NgramFst, lookahead_relabel

GOLDEN = json.loads((Path(__file__).parent / "golden/lookahead.json").read_text())


def automaton(rows: dict[str, Any]) -> Fst:
    columns = [list(c) for c in zip(*rows["arcs"], strict=True)] or [[]] * 5
    finals = [math.inf if w is None else w for w in rows["finals"]]
    return Fst.from_arrays(rows["start"], finals, *columns)


@pytest.mark.parametrize("index", range(len(GOLDEN["compositions"])))
def test_labels_files_and_compositions_are_those_of_openfst(index):
    case = GOLDEN["compositions"][index]
    left, right = lookahead_relabel(automaton(case["left"]), automaton(case["right"]))
    reach = left.reachability
    assert reach is not None
    assert sorted(reach.relabel_pairs(True)) == list(map(tuple, case["pairs"]))
    data = base64.b64decode(case["file"])
    theirs = Fst.read(data)
    assert theirs.to_bytes("olabel_lookahead") == data
    assert theirs.reachability is not None and theirs.reachability.final_label == reach.final_label
    for state in range(left.num_states):
        assert theirs.reachability.of(state) == reach.of(state)
    whole = ComposeFst(left, right, lookahead=True).expand(connect=False)
    assert (whole.num_states, whole.num_arcs) == (case["states"], case["arcs"])


@pytest.mark.parametrize("index", range(len(GOLDEN["grammars"])))
def test_ngram_files_are_those_of_openfst(index):
    case = GOLDEN["grammars"][index]
    data = base64.b64decode(case["file"])
    assert automaton(case["grammar"]).to_bytes("ngram") == data
    assert NgramFst.read(data).to_bytes() == data
