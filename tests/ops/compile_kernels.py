"""Compiles every Triton kernel of `ops` for GPUs that need not be there, and prints what each of them takes.

    python tests/ops/compile_kernels.py [80 90] [i32 fp32 fp64]

In a process of its own, since the tests' runs them in the interpreter. A local memory of more than 0 bytes
would be registers that did not suffice.
"""

import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sonant.ops.fsa_scores import triton as fsa_scores
from sonant.ops.segments import triton as segments


def kernels():
    """Kernel, types of its arguments, constants."""
    rows, arcs = segments.tile(3, 1, fsa_scores.MOST_ARCS)
    graph = dict(splits="*i32", arcs="*i32", others="*i32", bounds="*i32", fsa_splits="*i32")
    for number, log, rising in product(("fp32", "fp64"), (True, False), (True, False)):
        types = dict(scores=f"*{number}", **graph, found=f"*{number}", best="*i32")
        constants = dict(RISING=rising, ORDERED=rising, LOG=log, ROWS=rows, ARCS=arcs)
        yield fsa_scores._pull_scores, types, constants
        yield fsa_scores._pull_slopes, {**types, "slopes": f"*{number}", "gradient": f"*{number}"}, constants
    for number, kind in product(("i32", "fp32", "fp64"), ("sum", "max", "min", "log")):
        array = f"*{number}"
        types = dict(values=array, splits="*i32", initial=array, found=array)
        constants = dict(KIND=kind, ROWS=32, WIDTH=32)
        if (number, kind) != ("i32", "log"):
            yield segments._fold, {**types, "rows": "i32"}, constants
        if number != "i32" and kind != "min":
            back = dict(constants, KIND="extreme" if kind == "max" else kind)
            yield segments._spread, {**types, "slopes": array, "gradient": array, "rows": "i32"}, back


def main() -> None:
    numbers = [arg for arg in sys.argv[1:] if not arg.isdigit()] or ["i32", "fp32", "fp64"]
    for architecture in [int(arg) for arg in sys.argv[1:] if arg.isdigit()] or [80, 90]:
        for kernel, types, constants in kernels():
            number = next(iter(types.values())).lstrip("*")
            if number not in numbers:
                continue
            signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
            source = ASTSource(
                kernel, signature, {(kernel.arg_names.index(k),): v for k, v in constants.items()}
            )
            target = GPUTarget("cuda", architecture, 32)
            made = triton.compile(source, target=target, options=segments.LAUNCH)
            words = " ".join(f"{name.lower()}={value}" for name, value in constants.items())
            print(f"sm_{architecture} {kernel.__name__} {number} {words}: {resources(made.asm)}", flush=True)


def resources(asm) -> str:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(asm["cubin"])
        file.flush()
        shown = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True)
    found = dict(re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", shown.stdout))
    return f"{found['REG']} registers, {found['LOCAL']} bytes of local memory, {found['SHARED']} shared"


if __name__ == "__main__":
    main()
