"""Writes tests/fst/golden/pywrapfst.json with pywrapfst itself (pynini 2.1.7 from PyPI, Python 3.11).

    python tests/oracle/make_pywrapfst_golden.py

The module's names with the arguments of what can be called, from its stub, and what the programs of
tests/fst/pywrapfst_programs.py print.
"""

import ast
import json
import sys
import tempfile
from pathlib import Path

import pywrapfst  # pyright: ignore[reportMissingImports]

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS / "fst"))

import pywrapfst_programs  # noqa: E402  # pyright: ignore[reportMissingImports]


def arguments(function: ast.FunctionDef) -> list[str]:
    given = function.args
    names = [a.arg for a in given.args + given.kwonlyargs if a.arg not in ("self", "cls", "w1")]
    return names + ([f"*{given.vararg.arg}"] if given.vararg else [])


def stub() -> dict[str, object]:
    tree = ast.parse((Path(str(pywrapfst.__file__)).parent / "__init__.pyi").read_text())
    names: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = arguments(node)
        elif isinstance(node, ast.ClassDef):
            names[node.name] = {f.name: arguments(f) for f in node.body if isinstance(f, ast.FunctionDef)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = None
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = None
    return {name: value for name, value in names.items() if not name.startswith("_") and name not in "UT"}


if __name__ == "__main__":
    programs = {p.__name__: pywrapfst_programs.lines(p, pywrapfst) for p in pywrapfst_programs.PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        pywrapfst_programs.archive(pywrapfst, f"{folder}/a.far")
        archive = Path(folder, "a.far").read_bytes().hex()
    golden = {"names": stub(), "programs": programs, "archive": archive}
    (TESTS / "fst/golden/pywrapfst.json").write_text(json.dumps(golden, indent=0) + "\n")
