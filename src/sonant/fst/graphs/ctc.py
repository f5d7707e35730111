"""CTC topologies T: transducers from frames (tokens and blanks) to tokens.

Connectionist temporal classification (Graves et al. 2006) reads a token sequence off frames by making runs
of the same token one, and leaving out blanks. T is that map as a transducer without costs, whose states
are all final. Its variants are those of Laptev, Majumdar and Ginsburg (2021), "CTC variations through new
WFST topologies"; with V tokens, the blank among them:

- `standard` ("correct"): state 0 for the blank and one state a token, which remember the last frame. From
  every state, each other token leads to its state and is written; the blank leads to state 0 and writes
  nothing; the same frame again is a loop that writes nothing. Between two equal tokens there must be a
  blank. V states, V * V arcs; each frame sequence has exactly one path.
- `compact`: tokens come from state 0 only, and an epsilon leads back there from each token's state. Of two
  equal frames the second may be the same token or the next one, so that each frame sequence has several
  paths; the blank between equal tokens is not needed. Only state 0 is final. V states, 3 V - 2 arcs.
  EESEN's T (Miao et al. 2015) has the same paths.
- `minimal`: one state, whose loops write each frame's token, and nothing for the blank: no runs. V arcs.

Without self-loops ("selfless") a token lasts for one frame: `standard` then has no path for two equal
frames, and `compact` has the paths of `minimal`.
"""

import os
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.bounds import bounds
from sonant.fst.files import Path
from sonant.fst.graphs.lexicon import EPSILON, decoded, lines_of, read_bytes

Topology = Literal["standard", "compact", "minimal"]
TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)
BLANK = "<blk>"


def _checked(labels: Sequence[int], topology: str) -> np.ndarray:
    names = np.array(list(labels), np.int64)
    if topology not in TOPOLOGIES:
        raise FstError(f"topology={topology!r}; expected {', '.join(TOPOLOGIES)}")
    if names.ndim != 1 or len(names) < 2:
        raise FstError(f"{names.size} labels; expected the blank and at least one token")
    if names.min() < 1 or names.max() > 1 << 30 or len(np.unique(names)) != len(names):
        raise FstError(
            f"labels {names.min()} to {names.max()}; expected different ones from 1 on: 0 is epsilon"
        )
    return names


def ctc_topology(
    labels: Sequence[int],
    topology: Topology = "standard",
    *,
    self_loops: bool = True,
    max_arcs: int = 1 << 27,
) -> Fst:
    """T over token labels, the first of which is the blank; see this module for the topologies.

    A token has the same label on both sides; it must not be 0, which is epsilon: a network's token k is
    usually label k + 1. Sorted by output label. Raises FstError for labels that are 0, negative or come
    twice, and beyond `max_arcs`."""
    names = _checked(labels, topology)
    n = len(names)
    arcs = n * n if topology == "standard" else 3 * n
    if arcs > max_arcs:
        raise FstError(
            f"the {topology} CTC topology of {n} tokens has {arcs} arcs; max_arcs={max_arcs}: take 'compact'"
        )
    states = np.arange(n)
    if topology == "minimal":
        outputs = np.where(states == 0, 0, names)
        rows = [(np.zeros(n, np.int64), names, outputs, np.zeros(n, np.int64))]
        n = 1
    elif topology == "compact":
        tokens = states[1:]
        zero = np.zeros_like(tokens)
        rows = [
            ([0], names[:1], [0], [0]),
            (zero, names[1:], names[1:], tokens),
            (tokens, zero, zero, zero),
        ]
    else:
        source, target = np.repeat(states, n), np.tile(states, n)
        moves = (target != source) | (target == 0)
        source, target = source[moves], target[moves]
        rows = [(source, names[target], np.where(target == 0, 0, names[target]), target)]
    if self_loops and topology != "minimal":
        rows.append((states[1:], names[1:], np.zeros(n - 1, np.int64), states[1:]))
    columns = [np.concatenate([np.asarray(row[k]) for row in rows]) for k in range(4)]
    source, ilabel, olabel, target = columns
    finals, costs = np.zeros(n), np.zeros(len(source))
    if topology == "compact":
        finals[1:] = np.inf
    return Fst.from_arrays(0, finals, source, ilabel, olabel, costs, target).arc_sort("olabel")


def compose_ctc(
    lg: Fst,
    labels: Sequence[int],
    topology: Topology = "standard",
    *,
    self_loops: bool = True,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """T o LG, as `compose(ctc_topology(labels, topology), lg)` gives it but for the numbers of states,
    without making T: of many tokens, such as thousands of pieces, the standard T is far bigger than what it
    is for.

    LG is tropical. Sorted by input label. Raises FstError as `ctc_topology` and `compose` do.
    """
    names = _checked(labels, topology).astype(np.int32)
    if lg.arc_type != "standard":
        raise FstError(f"compose_ctc of arcs of type {lg.arc_type}; expected standard")
    most = bounds(max_states, max_arcs)
    made = Fst.of_native(_native.compose_ctc(lg.native, names, TOPOLOGIES.index(topology), self_loops, *most))
    made.output_symbols = lg.output_symbols
    return made


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens of a network by their ids, from lines of a token and its id, or of tokens alone.

    Disambiguation symbols (#0, ...) at the end are left out; the id 0, whatever it is called, is the blank
    and comes as `<blk>`. Raises FstError, which names the line: ids that are not 0, 1, 2, ..., tokens that
    come twice."""
    name = os.fspath(path)
    found: dict[int, tuple[str, int]] = {}
    for row, (number, fields) in enumerate(lines_of(read_bytes(path))):
        token = decoded(fields[0])
        if token.startswith("#") and token[1:].isdigit():
            continue
        if len(fields) > 2 or (len(fields) == 2 and not (fields[1].isdigit() and len(fields[1]) < 10)):
            raise FstError(f"{name}:{number}: {decoded(b' '.join(fields))!r}; expected a token and its id")
        key = int(fields[1]) if len(fields) == 2 else row
        if key in found:
            raise FstError(
                f"{name}:{number}: {token!r} has the id {key}, as {found[key][0]!r} in line {found[key][1]}"
            )
        found[key] = (token, number)
    missing = next((key for key in range(len(found)) if key not in found), None)
    if missing is not None:
        raise FstError(
            f"{name}: {len(found)} tokens, none with the id {missing}; expected 0 to {len(found) - 1}"
        )
    if len(found) < 2:
        raise FstError(
            f"{name}: {len(found)} tokens; expected the blank, with the id 0, and at least one more"
        )
    lines: dict[str, int] = {}
    for key in range(1, len(found)):
        token, number = found[key]
        if token in lines or token in (EPSILON, BLANK):
            what = f"comes twice, and is in line {lines[token]} too" if token in lines else "is not the id 0"
            raise FstError(f"{name}:{number}: {token!r} {what}")
        lines[token] = number
    return (BLANK, *lines)
