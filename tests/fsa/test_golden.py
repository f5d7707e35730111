"""k2 code under `import sonant.fsa as k2`: what k2 1.23.2 gives for it (tests/oracle/make_fsa_golden.py)."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import torch

import sonant.fsa as k2

_spec = importlib.util.spec_from_file_location("plain", Path(__file__).with_name("plain.py"))
assert _spec and _spec.loader
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

GOLDEN = Path(__file__).with_name("golden")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?|-?inf|-?nan")


def same(found, expected) -> bool:
    """Equal but for the rounding of numbers, in text too."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)
    if isinstance(expected, str):
        numbers = [[float(n) for n in NUMBER.findall(text)] for text in (found, expected)]
        return NUMBER.sub("#", found) == NUMBER.sub("#", expected) and same(*numbers)
    return found == expected


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.jsonl")), ids=lambda file: file.stem)
def test_k2_code_gives_what_k2_gives(file):
    lines = file.read_text().splitlines()
    assert len(lines) > 10
    for line in lines:
        statements, expression, expected = json.loads(line)
        names = {"k2": k2, "torch": torch, "inf": float("inf")}
        exec(statements, names)
        found = json.loads(json.dumps(plain.plain(eval(expression, names))))
        assert same(found, expected), f"{statements}\n{expression}\ngives {found}\nk2 gives {expected}"
