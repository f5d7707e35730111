"""What is known of an automaton, as k2's bit field, and what makes one valid."""

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc

VALID = 0x01  # states are there, final arcs and only they are labelled -1
NONEMPTY = 0x02  # each automaton has an arc
TOPSORTED = 0x04  # arcs lead to the same or a higher state
TOPSORTED_AND_ACYCLIC = 0x08  # arcs lead to a higher state
ARC_SORTED = 0x10  # each state's arcs by label, as an unsigned number, then by destination
ARC_SORTED_AND_DETERMINISTIC = 0x20  # and no label twice
EPSILON_FREE = 0x40  # no label 0
ACCESSIBLE = 0x80  # an arc from elsewhere enters each state but the start
COACCESSIBLE = 0x0100  # an arc to elsewhere leaves each state but the final one
ALL = 0x01FF

_NAMES = {
    VALID: "Valid",
    NONEMPTY: "Nonempty",
    TOPSORTED: "TopSorted",
    TOPSORTED_AND_ACYCLIC: "TopSortedAndAcyclic",
    ARC_SORTED: "ArcSorted",
    ARC_SORTED_AND_DETERMINISTIC: "ArcSortedAndDeterministic",
    EPSILON_FREE: "EpsilonFree",
    ACCESSIBLE: "MaybeAccessible",
    COACCESSIBLE: "MaybeCoaccessible",
}


def to_str(p: int) -> str:
    """Names of the bits that are set, in quotation marks as k2 has them."""
    return '"' + "|".join(name for bit, name in _NAMES.items() if p & bit) + '"'


def sort_keys(labels: Tensor, dest: Tensor) -> Tensor:
    """int64 numbers that order arcs by label, unsigned so that -1 comes last, then by destination."""
    return ((labels.long() & 0xFFFFFFFF) << 31) | dest.long()


def check_valid(arcs: RaggedArc, operation: str) -> None:
    """Raises FstError where a state is not there or a final arc is not labelled as one, and names the arc."""
    src, dest, labels, _ = arcs.values().unbind(1)
    place, first, states = arcs.places()
    flaws = (
        (src != place - first, "its source is not the state that it is listed under"),
        ((dest < 0) | (dest >= states), "its destination is not there"),
        ((labels == -1) != (dest == states - 1), "label -1 is for arcs to the last state, and only for them"),
        (labels < -1, "labels are 0 or more, or -1"),
    )
    for wrong, why in flaws:
        if bool(wrong.any()):
            arc = int(wrong.nonzero()[0])
            found = f"{int(src[arc])} -> {int(dest[arc])}, label {int(labels[arc])}"
            raise FstError(f"{operation}: arc {arc} ({found}; {int(states[arc])} states): {why}")


def find(arcs: RaggedArc) -> int:
    """The properties of a valid automaton or batch."""
    src, dest, labels, _ = arcs.values().unbind(1)
    place, first, _ = arcs.places()
    bits = VALID
    counts = arcs.arc_counts()
    if counts.numel() and bool((counts > 0).all()):
        bits |= NONEMPTY
    ahead = dest - src
    lowest = int(ahead.min()) if ahead.numel() else 1
    bits |= (TOPSORTED if lowest >= 0 else 0) | (TOPSORTED_AND_ACYCLIC if lowest > 0 else 0)
    same_state = place.diff() == 0
    if not bool(((sort_keys(labels, dest).diff() < 0) & same_state).any()):
        bits |= ARC_SORTED
        if not bool(((labels.diff() == 0) & same_state).any()):
            bits |= ARC_SORTED_AND_DETERMINISTIC
    if not bool((labels == 0).any()):
        bits |= EPSILON_FREE
    elsewhere = ahead != 0
    starts, ends = arcs.first_and_last_states()
    total = arcs.num_states()
    for bit, touched, exempt in (
        (ACCESSIBLE, (first + dest)[elsewhere], starts),
        (COACCESSIBLE, place[elsewhere], ends),
    ):
        seen = torch.zeros(total, dtype=torch.bool, device=arcs.device)
        seen[touched.long()] = True
        seen[exempt.long()] = True
        if bool(seen.all()) and not (total and len(labels) == 0):
            bits |= bit
    return bits
