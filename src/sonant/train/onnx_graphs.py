"""From a module to an ONNX graph."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

# ONNX against torch, on every output (issue of the float graphs; 8-bit weights are not held to it).
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Part:
    """One graph: a module with example inputs, names, and the axis that holds the batch in each input, and
    that of the frames where their number is not fixed."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: Sequence[str]
    batch_axes: dict[str, int]
    frame_axes: dict[str, int] = field(default_factory=dict)
    variadic: bool = False  # the module takes all inputs but the first as *args


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the exporter and the quantiser log, and the handlers that they install, from the user."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


def to_onnx(part: Part) -> onnx.ModelProto:
    batch, frames = torch.export.Dim("batch"), torch.export.Dim.DYNAMIC
    shapes: list[Any] = [
        {part.batch_axes[name]: batch} | ({part.frame_axes[name]: frames} if name in part.frame_axes else {})
        for name in part.inputs
    ]
    if part.variadic:
        shapes = [shapes[0], tuple(shapes[1:])]
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.onnx"
        torch.onnx.export(
            part.module.eval(),
            tuple(part.inputs.values()),
            path,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(path)
    # Stack traces of the machine it was made on are nobody's business.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def largest_difference(part: Part, path: Path) -> float:
    """Between torch and ONNX Runtime, over all outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: t.numpy() for name, t in part.inputs.items()})
    with torch.no_grad():
        expected = part.module(*part.inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    return max(float(np.abs(f - e.numpy()).max()) for f, e in zip(found, expected, strict=True))
