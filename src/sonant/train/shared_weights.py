"""One copy of the weights: an ONNX graph that reads them from a safetensors file.

Both formats allow it: safetensors holds plain little-endian arrays one after another, and an ONNX initialiser
may name a file, an offset and a length. Weights kept in half precision are cast when the graph is loaded, and
matrices that the exporter transposed are transposed back; ONNX Runtime does both once, at loading.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Smaller tensors stay in the graph.
SMALLEST = 1024
_KINDS = {"F16": (np.float16, TensorProto.FLOAT16), "F32": (np.float32, TensorProto.FLOAT)}


def _read_safetensors(path: Path) -> tuple[dict[str, Any], int, bytes]:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return header, 8 + length, data


def share_weights(model: onnx.ModelProto, weights: Path) -> onnx.ModelProto:
    """A copy of the graph whose large initialisers are read from `weights`, a file beside the graph."""
    header, start, data = _read_safetensors(weights)
    known: dict[tuple[tuple[int, ...], bytes], tuple[str, bool]] = {}
    for name, entry in header.items():
        if entry["dtype"] not in _KINDS:
            continue
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[start + begin : start + end], _KINDS[entry["dtype"]][0])
        array = array.reshape(entry["shape"]).astype(np.float32)
        known[array.shape, array.tobytes()] = (name, False)
        if array.ndim == 2:
            known.setdefault((array.T.shape, np.ascontiguousarray(array.T).tobytes()), (name, True))

    shared = onnx.ModelProto()
    shared.CopyFrom(model)
    graph = shared.graph
    kept: list[TensorProto] = []
    added: dict[str, TensorProto] = {}
    nodes: list[onnx.NodeProto] = []
    for initializer in graph.initializer:
        array = numpy_helper.to_array(initializer)
        found = (
            known.get((array.shape, np.ascontiguousarray(array).tobytes()))
            if array.size >= SMALLEST
            else None
        )
        if found is None:
            kept.append(initializer)
            continue
        name, transposed = found
        entry = header[name]
        begin, end = entry["data_offsets"]
        kind = _KINDS[entry["dtype"]][1]
        if name not in added:
            added[name] = _external(name, kind, entry["shape"], weights.name, start + begin, end - begin)
        steps: list[tuple[str, dict[str, Any]]] = (
            [("Cast", {"to": TensorProto.FLOAT})] if kind != TensorProto.FLOAT else []
        )
        steps += [("Transpose", {"perm": [1, 0]})] if transposed else [("Identity", {})] if not steps else []
        value = added[name].name
        for i, (operator, attributes) in enumerate(steps):
            out = initializer.name if i + 1 == len(steps) else f"{initializer.name}.{operator}"
            nodes.append(
                helper.make_node(operator, [value], [out], f"{initializer.name}.{operator}", **attributes)
            )
            value = out
    del graph.initializer[:]
    graph.initializer.extend([*kept, *added.values()])
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *body])
    return shared


def _external(name: str, kind: int, shape: list[int], file: str, offset: int, length: int) -> TensorProto:
    tensor = TensorProto(name=f"weights.{name}", data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
