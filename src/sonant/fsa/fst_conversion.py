"""Where costs become scores, and scores costs: between sonant.fst.Fst and Fsa.

An Fst has a cost for each arc and each final state, a Fsa has one final state, which arcs labelled -1 lead
to.
"""

import numpy as np
import torch

from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.symbol_table import SymbolTable
from sonant.fst import Fst
from sonant.fst import SymbolTable as FstSymbols


def from_fst(fst: Fst) -> Fsa:
    """Fsa.from_fst: states keep their numbers, but that the start and state 0 change places."""
    if fst.arc_type not in ("standard", "log"):
        raise FstError(f"from_fst: arc_type {fst.arc_type}, expected 'standard' or 'log'")
    fst.check()
    if fst.start < 0:
        return Fsa.made(
            RaggedArc(RaggedShape.of(torch.zeros(1, dtype=torch.int32)), _no_arcs()), torch.zeros(0)
        )
    states, arcs = fst.states, fst.arcs
    count = len(states)
    number = np.arange(count, dtype=np.int32)
    number[[0, fst.start]] = number[[fst.start, 0]]
    source = np.repeat(number, states["num_arcs"].astype(np.int64))
    finals = np.flatnonzero(np.isfinite(states["final"]))
    columns = {
        "source": (source, number[finals]),
        "dest": (number[arcs["nextstate"]], np.full(len(finals), count, np.int32)),
        "label": (arcs["ilabel"], np.full(len(finals), -1, np.int32)),
        "aux": (arcs["olabel"], np.full(len(finals), -1, np.int32)),
        "score": (-arcs["weight"], -states["final"][finals]),
    }
    joined = {name: torch.from_numpy(np.concatenate(parts)) for name, parts in columns.items()}
    order = joined["source"].argsort(stable=True)
    src, dest, label, aux, score = (column[order] for column in joined.values())
    shape = RaggedShape.of(splits_of_sizes(torch.bincount(src, minlength=count + 1)))
    fsa = Fsa(RaggedArc.of_columns(shape, src, dest, label, score))
    if not torch.equal(label, aux):
        fsa.aux_labels = aux
    for name, table in (("labels_sym", fst.input_symbols), ("aux_labels_sym", fst.output_symbols)):
        if table is not None:
            setattr(fsa, name, _symbols(table))
    return fsa


def _no_arcs() -> torch.Tensor:
    return torch.zeros(0, 4, dtype=torch.int32)


def _symbols(table: FstSymbols) -> SymbolTable:
    eps = table.symbol(0) or "<eps>"
    numbers = dict(table)
    return SymbolTable({key: symbol for symbol, key in numbers.items()}, numbers, eps=eps)


def to_fst(fsa: Fsa, arc_type: str) -> Fst:
    """Fsa.to_fst: states keep their numbers; the final one goes."""
    if len(fsa.shape) != 2:
        raise FstError(f"to_fst: a batch of shape {fsa.shape}, expected one automaton, such as fsa[0]")
    if arc_type not in ("standard", "log"):
        raise FstError(f"to_fst: arc_type {arc_type}, expected 'standard' or 'log'")
    aux = getattr(fsa, "aux_labels", fsa.labels)
    if not isinstance(aux, torch.Tensor):
        raise FstError(
            "to_fst: ragged aux_labels; an arc of an Fst has one output label: expand_ragged_attributes"
        )
    arcs = fsa.arcs.values().cpu().numpy()
    costs = -fsa.scores.detach().float().cpu().numpy()
    source, dest, labels = arcs[:, 0], arcs[:, 1], arcs[:, 2]
    final = labels == -1
    count = max(fsa.arcs.num_states() - 1, 0)
    if len(source) and source.max() >= count:
        raise FstError(
            f"to_fst: arc {source.argmax()} leaves the final state, {count}, which an Fst has not; connect"
        )
    finals = np.full(count, np.inf, np.float32)
    add = np.minimum if arc_type == "standard" else (lambda a, b: -np.logaddexp(-a, -b))
    for state, cost in zip(source[final], costs[final], strict=True):
        finals[state] = add(finals[state], cost)
    aux = aux.cpu().numpy()
    return Fst.from_arrays(
        0 if count else -1,
        finals,
        source[~final],
        labels[~final],
        aux[~final],
        costs[~final],
        dest[~final],
        arc_type,
    )
