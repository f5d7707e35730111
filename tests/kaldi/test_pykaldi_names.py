"""docs/pykaldi.md says which names of PyKaldi are here, and it is right.

`python tests/kaldi/test_pykaldi_names.py` prints the rows that its table should have.
"""

import importlib
import inspect
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = json.loads((ROOT / "tests" / "oracle" / "pykaldi_names.json").read_text())
# What only the wrapper's own machinery needs.
NOT_MEANT = {"new", "copy_to_cu_mat"}


def missing(module: str) -> tuple[list[str], dict[str, list[str]]]:
    """Names that a module lacks, and the methods that the others lack."""
    try:
        ours = importlib.import_module(f"sonant.kaldi.{module}")
    except ModuleNotFoundError:
        return sorted(NAMES[module]), {}
    names, methods = [], {}
    for name, theirs in NAMES[module].items():
        value = getattr(ours, name, None)
        if value is None:
            names.append(name)
        elif theirs and inspect.isclass(value):
            absent = [m for m in theirs if m not in NOT_MEANT and not _has(value, m)]
            if absent:
                methods[name] = absent
    return names, methods


def _has(kind: type, name: str) -> bool:
    if hasattr(kind, name) or name in getattr(kind, "__dataclass_fields__", {}):
        return True
    try:
        return hasattr(kind(), name)
    except Exception:
        return False


def rows() -> list[str]:
    made = []
    for module, theirs in NAMES.items():
        if not theirs:
            continue
        names, methods = missing(module)
        parts = [", ".join(f"`{name}`" for name in names)] if names else []
        by_methods: dict[tuple, list[str]] = {}
        for name, absent in methods.items():
            by_methods.setdefault(tuple(absent), []).append(name)
        for absent, owners in by_methods.items():
            listed = ", ".join(f"`{name}`" for name in absent)
            parts.append(f"of {', '.join(f'`{owner}`' for owner in owners)}: {listed}")
        status = "complete" if not parts else f"{len(theirs) - len(names)} of {len(theirs)}"
        made.append(f"| `kaldi.{module}` | `sonant.kaldi.{module}` | {status} | {'; '.join(parts)} |")
    return made


def test_the_table_is_right():
    text = (ROOT / "docs" / "pykaldi.md").read_text()
    wrong = [row for row in rows() if row not in text]
    assert wrong == [], "docs/pykaldi.md: this file, run by python, prints the rows that it should have"


def test_what_the_page_says_of_other_modules_is_right():
    text = (ROOT / "docs" / "pykaldi.md").read_text()
    for module in ("asr", "chain", "decoder", "kws", "lm", "nnet3", "online2", "rnnlm", "sgmm2"):
        assert f"`kaldi.{module}`" in text


if __name__ == "__main__":
    print("\n".join(rows()))
