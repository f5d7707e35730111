"""Golden data of OpenFst (1.7.9): the labels of its look-ahead, its files, the size of its compositions.

    python tests/oracle/make_lookahead_golden.py PREFIX

PREFIX: an installation of OpenFst with its look-ahead and n-gram extensions (Debian: libfst-dev,
libfst22-plugins-base). g++ compiles openfst_lookahead.cc. Writes tests/fst/golden/lookahead.json."""

import base64
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sonant.fst import Fst, isomorphic, lookahead_relabel
from tests.fst.test_fst_composition import machine
from tests.fst.test_lazy import backing_off


def build(prefix: str, folder: str) -> tuple[str, dict[str, str]]:
    """The program, and the environment that it runs in."""
    libraries = [str(path.parent) for path in Path(prefix).rglob("libfst.so*")][:1]
    program, source = f"{folder}/openfst", str(Path(__file__).with_name("openfst_lookahead.cc"))
    subprocess.run(
        ["g++", "-O3", "-DNDEBUG", "-std=c++17", "-w", f"-I{prefix}/include", source, "-o", program]
        + [f"-L{path}" for path in libraries]
        + ["-lfst", "-lfstngram", "-ldl", "-lpthread"],
        check=True,
    )
    return program, os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}


def rows(fst: Fst) -> dict[str, Any]:
    return {
        "start": fst.start,
        "finals": [None if w == math.inf else w for w in map(fst.final, range(fst.num_states))],
        "arcs": [(s, *arc) for s in range(fst.num_states) for arc in fst.arcs_of(s)],
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program, environment = build(sys.argv[1], folder)

        def file(name: str) -> str:
            return f"{folder}/{name}"

        def run(*arguments: str) -> str:
            result = subprocess.run(
                [program, *arguments], env=environment, check=True, capture_output=True, text=True
            )
            return result.stdout

        r = random.Random(0)
        compositions, grammars = [], []
        while len(compositions) < 60:
            size = (r.randint(1, 9), r.randint(0, 20))
            left = machine(r, *size, labels=6, eps=0.5, acyclic=len(compositions) % 2 == 0)
            right = machine(r, *size, labels=6, eps=0.3)
            left.write(file("left"))
            run("relabel", file("left"), file("ahead"), file("pairs"))
            pairs = sorted(
                tuple(map(int, line.split())) for line in Path(file("pairs")).read_text().splitlines()
            )
            a, b = lookahead_relabel(left, right)
            a.write(file("a"), "olabel_lookahead")
            b.write(file("b"), "const")
            states, arcs = map(int, run("full", file("a"), file("b"), file("whole")).split())
            compositions.append(
                {"left": rows(left), "right": rows(right), "pairs": pairs, "states": states, "arcs": arcs}
                | {"file": base64.b64encode(Path(file("ahead")).read_bytes()).decode()}
            )
        while len(grammars) < 20:
            grammar = backing_off(r, 8, r.randint(2, 4))
            grammar.write(file("grammar"))
            try:
                run("ngram", file("grammar"), file("ngram"))
            except subprocess.CalledProcessError:  # contexts that only the start state leads to
                continue
            data = Path(file("ngram")).read_bytes()
            if isomorphic(Fst.read(data), grammar):  # not where a context is reached from longer ones alone
                grammars.append({"grammar": rows(grammar), "file": base64.b64encode(data).decode()})
    path = Path(__file__).parents[1] / "fst/golden/lookahead.json"
    path.write_text(json.dumps({"compositions": compositions, "grammars": grammars}, separators=(",", ":")))
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
