"""Drawings of automata by Graphviz."""

import os
import shutil
import subprocess
from typing import Any

import torch

from sonant.errors import FstError
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_tensor import RaggedTensor

_HEAD = """digraph {name} {{
\tgraph [center=1 {label}nodesep=0.25 orientation=Portrait rankdir=LR ranksep=0.4 size="8.5,11"]
\tnode [fontsize=14 shape=circle style=bold]
"""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _symbol(label: int, table: Any) -> str:
    text = str(label) if table is None or label == -1 else str(table.get(label))
    return "ε" if text == "<eps>" else text


def to_dot(fsa: Fsa, title: str | None = None) -> str:
    """One automaton in Graphviz's language, with the symbols of labels_sym and aux_labels_sym where it has
    them.

    Text, where k2 gives a graphviz.Digraph. Raises FstError for a batch.
    """
    if len(fsa.shape) != 2:
        raise FstError(f"to_dot: a batch of shape {fsa.shape}, expected one automaton, such as fsa[0]")
    aux = getattr(fsa, "aux_labels", None)
    tables = getattr(fsa, "labels_sym", None), getattr(fsa, "aux_labels_sym", None)
    rows = aux.tolist() if isinstance(aux, torch.Tensor | RaggedTensor) else None
    label = f"label={_quoted(title)} " if title is not None else ""
    lines = [_HEAD.format(name="WFSA" if aux is None else "WFST", label=label)]
    last = fsa.arcs.dim0() - 1
    values = fsa.arcs.values().tolist()
    seen = {state for arc in values for state in arc[:2]}
    lines += [f"\t{s} [label={s}{' shape=doublecircle' if s == last else ''}]\n" for s in sorted(seen)]
    for i, ((src, dest, input_label, _), score) in enumerate(zip(values, fsa.scores.tolist(), strict=True)):
        text = _symbol(input_label, tables[0])
        if rows is not None:
            outputs = rows[i] if isinstance(rows[i], list) else [rows[i]]
            text += ":" + (" ".join(_symbol(output, tables[1]) for output in outputs) or "ε")
        weight = f"{score:.2f}".rstrip("0").rstrip(".")
        lines.append(f"\t{src} -> {dest} [label={_quoted(f'{text}/{weight}')}]\n")
    return "".join([*lines, "}\n"])


def draw(fsa: Fsa, filename: str | os.PathLike[str], title: str | None) -> str:
    text = to_dot(fsa, title)
    kind = os.fspath(filename).rpartition(".")[2] if "." in os.fspath(filename) else ""
    if not kind:
        raise FstError(
            f"draw: {os.fspath(filename)!r}; what it ends in says what to draw: .svg, .png, .pdf, .dot"
        )
    data = text.encode()
    if kind not in ("dot", "gv"):
        program = shutil.which("dot")
        if program is None:
            raise FstError(
                f"draw: Graphviz's dot is not installed; a file in .dot needs none: {os.fspath(filename)!r}"
            )
        found = subprocess.run([program, f"-T{kind}"], input=data, capture_output=True, check=False)
        if found.returncode:
            raise FstError(f"draw: Graphviz: {found.stderr.decode(errors='replace').strip()}")
        data = found.stdout
    with open(filename, "wb") as file:
        file.write(data)
    return text
