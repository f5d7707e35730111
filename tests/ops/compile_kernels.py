"""Compiles every Triton kernel of `ops` for GPUs that need not be there, and prints what each of them takes.

    python tests/ops/compile_kernels.py [80 90] [i32 bf16 fp32 fp64]

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

from sonant.ops.fsa_frames import kernels as fsa_frames
from sonant.ops.fsa_frames import triton as frames
from sonant.ops.fsa_scores import triton as fsa_scores
from sonant.ops.segments import triton as segments
from sonant.ops.transducer import kernels as transducer
from sonant.ops.transducer import triton as joiners

# Of what is padded, places and sizes.
WHOLE = ["hidden", "weight", "bias", "parts", "slopes", "bias_parts", "width", "vocabulary"]


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


def frame_kernels():
    """Both layouts: a sequence for each program, and 32 sequences side by side."""
    i32 = "splits others labels fsa_splits graph_of frames row_splits row_begins row_labels sources dests"
    types = dict.fromkeys((i32 + " arc_splits firsts").split(), "*i32")
    types |= dict.fromkeys(("places", "rows_of", "arc_places"), "*i64")
    counts = "first steps columns stride frame_stride label_stride slots blocks block width offset labels"
    for number, side in product(("fp32", "fp64"), (False, True)):
        lanes = frames.SIDE_LANES // frames.COLUMNS if side else frames.LANES
        rows, arcs = frames._tile(lanes, 5)
        columns = dict(COLS=frames.COLUMNS if side else 1)
        arrays = "scores values weights ends totals leaks norms shifts parts forward backward gradient slopes"
        names = dict.fromkeys((arrays + " jumps rows turned").split(), f"*{number}")
        signature = {**names, **dict.fromkeys(counts.split(), "i32"), **types}
        tile = dict(ROWS=rows, ARCS=arcs, **columns)
        for forward, log, leaky in product((True, False), repeat=3):
            constants = dict(FORWARD=forward, LOG=log, LEAKY=leaky, **tile, PARTS=64 if side else 1)
            if log and side == leaky:
                yield fsa_frames.advance, signature, constants, 8 if side else 4
            elif not (log or side or leaky):  # best scores, in double precision of whatever there is
                precise = dict.fromkeys(["values", "totals", "norms", "shifts", "parts"], "*fp64")
                yield fsa_frames.advance, {**signature, **precise}, constants, 4
        yield fsa_frames.finish, signature, dict(LEAKY=side, ROWS=lanes, COLS=4 if side else 1), 4
        yield fsa_frames.spread, signature, dict(LEAKY=side, **tile), 8 if side else 4
        yield fsa_frames.spread_arcs, signature, dict(LEAKY=side, ARCS=lanes, **columns), 8 if side else 4
        if side:
            signature = dict(signature, labels="i32")
            for back in (True, False):
                yield fsa_frames.turn, signature, dict(BACK=back, LABELS=32, COLS=32), 4


def transducer_kernels():
    """Of 64 cells to a diagonal, which one warp holds; and of 512."""
    counts = "rows columns blank cells dim width vocabulary blank_rows emit_rows steps states"
    places = [f"{of}_{by}" for of in ("blank", "emit") for by in ("recording", "frame", "token")]
    types = dict.fromkeys(counts.split(), "i32") | dict.fromkeys(places, "i64")
    ints = dict(said="*i32", frames="*i64", tokens="*i64", order="*i64", splits="*i32")
    sums = dict.fromkeys(("alphas", "totals"), "*fp64")
    for number in ("fp32", "fp64"):
        arrays = dict.fromkeys(["blank", "emit", "of_blank", "of_emit"], f"*{number}")
        for lanes, warps in ((64, 1), (512, 8)):
            signature = {**arrays, **types, **ints, **sums, "blank": f"*{number}"}
            constants = dict(AFTER=0, DIAGONAL=lanes == 512, LANES=lanes)
            yield transducer.alignments_forward, signature, dict(constants, KEEP=True), warps
            yield transducer.alignments_backward, signature, constants, warps
        arrays = "logits norms of_blank of_token gradient values found encoder predictor"
        signature = {**dict.fromkeys(arrays.split(), f"*{number}"), **types, **ints}
        yield transducer.row_log_probs, signature, dict(ROWS=1, WIDTH=1024), 4
        yield transducer.row_gradient, signature, dict(ROWS=1, WIDTH=1024), 4
        yield transducer.add_rows, signature, dict(ORDERED=True, CELLS=16, DIMS=128), 4
        signature = {**signature, "states": "*i64"}
        for back in (False, True):
            yield transducer.join, signature, dict(TANH=True, BACK=back, ROWS=4, DIMS=512), 4


def products():
    """The products that are fused, whose sizes are whole tiles: without that their loads are another's."""
    fused = joiners.FusedJoiner
    shape = dict(PRECISION="ieee", CELLS=fused.CELLS, TOKENS=fused.TOKENS, DIMS=fused.DIMS)
    arrays = "bias parts norms of_blank of_token bias_parts"
    types = dict.fromkeys(("hidden", "weight", "slopes"), "*bf16") | dict.fromkeys(arrays.split(), "*fp32")
    types |= dict.fromkeys(("cells", "width", "vocabulary", "blank"), "i32") | {"said": "*i32"}
    for kernel in (transducer.joint_log_sums, transducer.joint_slopes):
        yield kernel, types, shape, joiners.PRODUCTS["num_warps"]


def main() -> None:
    numbers = [arg for arg in sys.argv[1:] if not arg.isdigit()] or ["i32", "bf16", "fp32", "fp64"]
    for architecture in [int(arg) for arg in sys.argv[1:] if arg.isdigit()] or [80, 90]:
        every = [*((*row, segments.LAUNCH["num_warps"]) for row in kernels()), *frame_kernels()]
        every += [*transducer_kernels(), *products()]
        for kernel, types, constants, warps in every:
            number = next(iter(types.values())).lstrip("*")
            if number not in numbers:
                continue
            signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
            fused = kernel in (transducer.joint_log_sums, transducer.joint_slopes)
            options = joiners.PRODUCTS if fused else dict(segments.LAUNCH, num_warps=warps)
            whole = {(i,): [["tt.divisibility", 16]] for i, k in enumerate(kernel.arg_names) if k in WHOLE}
            source = ASTSource(
                kernel,
                signature,
                {(kernel.arg_names.index(k),): v for k, v in constants.items()},
                whole if fused else {},
            )
            target = GPUTarget("cuda", architecture, 32)
            made = triton.compile(source, target=target, options=options)
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
