"""Decision trees: a map from events, sets of (key, value) pairs, to integers.

In a phonetic context tree the keys 0 .. N-1 are the positions of a window of N phones, whose values are
phones (0 outside of the utterance), and the key PDF_CLASS (-1) has the pdf-class of a state. An answer is a
pdf-id.
The file format is that of Kaldi's `tree/event-map`: `CE answer`, `TE key size ( maps )`,
`SE key set { yes no }`, and `NULL` for a map that is not there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError

Event = Sequence[tuple[int, int]]


class EventMap(ABC):
    """A tree that maps events to answers. Nodes never change; methods that change a tree return another."""

    __slots__ = ()

    # What the three kinds of node define

    @abstractmethod
    def get_children(self) -> "list[EventMap]":
        """The nodes one level below; none below a constant."""

    @abstractmethod
    def _slots(self) -> "Sequence[EventMap | None]":
        """The children with None where a table has no entry."""

    @abstractmethod
    def _with(self, children: "Sequence[EventMap | None]") -> "EventMap | None":
        """This node over other children, in the order of _slots."""

    @abstractmethod
    def _next(self, event: Mapping[int, int]) -> "EventMap | None":
        """The child to which the event belongs; None if it belongs nowhere."""

    @abstractmethod
    def _possible(self, event: Mapping[int, int]) -> "Sequence[EventMap | None]":
        """The children to which an event may belong that need not say the value of this node's key."""

    @abstractmethod
    def _open(self, os: Output, binary: bool) -> None:
        """Writes what comes before the children."""

    # What follows from it

    def map(self, event: Event) -> int:
        """The answer for `event`. Raises AcousticModelError where the tree has none."""
        answer = self._answer(dict(event))
        if answer is None:
            raise AcousticModelError(f"the tree has no answer for the event {list(event)}")
        return answer

    def _answer(self, event: Mapping[int, int]) -> int | None:
        node: EventMap | None = self
        while node is not None and not isinstance(node, ConstantEventMap):
            node = node._next(event)
        return None if node is None else node.answer

    def _answers(self, columns: Mapping[int, np.ndarray], count: int) -> np.ndarray:
        """The answers of `count` events, int32, -1 for none; `columns` has their values by key."""
        answers = np.full(count, -1, np.int32)
        waiting: list[tuple[EventMap, np.ndarray]] = [(self, np.arange(count))]
        while waiting:
            node, events = waiting.pop()
            if isinstance(node, ConstantEventMap):
                answers[events] = node.answer
            elif isinstance(node, TableEventMap | SplitEventMap) and node.key in columns and len(events):
                values = columns[node.key][events]
                if isinstance(node, SplitEventMap):
                    yes = np.isin(values, node.yes_set)
                    waiting += [(node.yes, events[yes]), (node.no, events[~yes])]
                    continue
                for value in np.unique(values).tolist():
                    child = node.table[value] if 0 <= value < len(node.table) else None
                    if child is not None:
                        waiting.append((child, events[values == value]))
        return answers

    def multi_map(self, event: Event) -> list[int]:
        """The answers of all events that extend `event`, which may lack keys; in the order of the tree."""
        given, answers = dict(event), []
        waiting: list[EventMap] = [self]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ConstantEventMap):
                answers.append(node.answer)
            else:
                waiting.extend(child for child in reversed(node._possible(given)) if child is not None)
        return answers

    def max_result(self) -> int:
        """The highest answer. Raises AcousticModelError for a tree without answers."""
        answers = self.multi_map([])
        if not answers:
            raise AcousticModelError("the tree has no leaf; expected at least one answer")
        return max(answers)

    def copy(self) -> "EventMap":
        return _rebuild(self, lambda node, children: node._with(children)) or self

    def copy_with_new_leaves(self, new_leaves: "Sequence[EventMap | None]") -> "EventMap":
        """A copy in which each leaf with answer i is replaced by `new_leaves[i]`, where that is not None."""

        def replace(node: EventMap, children: Sequence[EventMap | None]) -> EventMap | None:
            if isinstance(node, ConstantEventMap) and 0 <= node.answer < len(new_leaves):
                return new_leaves[node.answer] or node
            return node._with(children)

        return _rebuild(self, replace) or self

    def map_values(self, keys_to_map: Collection[int], value_map: Mapping[int, int]) -> "EventMap":
        """A copy that asks for `value_map[v]` where this tree asks for value v of one of the keys."""

        def replace(node: EventMap, children: Sequence[EventMap | None]) -> EventMap | None:
            if isinstance(node, TableEventMap) and node.key in keys_to_map:
                moved = {_mapped(value_map, v): m for v, m in enumerate(children) if m is not None}
                return TableEventMap.from_val_map_table(node.key, moved)
            if isinstance(node, SplitEventMap) and node.key in keys_to_map:
                yes_set = [_mapped(value_map, value) for value in node.yes_set]
                return SplitEventMap(node.key, yes_set, *children)
            return node._with(children)

        return _rebuild(self, replace) or self

    def prune(self) -> "EventMap | None":
        """A copy without the leaves whose answer is negative; None if none is left."""

        def replace(node: EventMap, children: Sequence[EventMap | None]) -> EventMap | None:
            if isinstance(node, ConstantEventMap):
                return None if node.answer < 0 else node
            left = [child for child in children if child is not None]
            if isinstance(node, SplitEventMap) and len(left) < 2:
                return left[0] if left else None
            if not left:
                return None
            if isinstance(node, TableEventMap):
                kept = {v: child for v, child in enumerate(children) if child is not None}
                return TableEventMap.from_val_map_table(node.key, kept)
            return node._with(children)

        return _rebuild(self, replace)

    @staticmethod
    def check(event: Event) -> None:
        """Raises AcousticModelError unless the keys of `event` rise."""
        keys = [key for key, _ in event]
        if any(first >= second for first, second in pairwise(keys)):
            raise AcousticModelError(f"an event with the keys {keys}; expected keys that rise")

    @staticmethod
    def lookup(event: Event, key: int) -> int:
        """The value of `key`. Raises AcousticModelError if the event does not have it."""
        for known, value in event:
            if known == key:
                return value
        raise AcousticModelError(f"the event {list(event)} has no key {key}")

    # Files

    @staticmethod
    def read_event_map(is_: Input, binary: bool) -> "EventMap | None":
        """Reads any kind of map; None for `NULL`. Raises ArkError for anything else."""
        return _read(is_, binary)

    @staticmethod
    def write_event_map(os: Output, binary: bool, emap: "EventMap | None") -> None:
        _write(os, binary, emap)

    @classmethod
    def read(cls, is_: Input, binary: bool) -> Self:
        """Reads a map of this class. Raises ArkError for another."""
        emap = _read(is_, binary)
        if not isinstance(emap, cls):
            found = "NULL" if emap is None else type(emap).__name__
            is_.error(f"expected a {cls.__name__}, found a {found}")
        return emap  # type: ignore[return-value]

    def write(self, os: Output, binary: bool) -> None:
        _write(os, binary, self)

    write_to_stream = write


class ConstantEventMap(EventMap):
    """A leaf."""

    __slots__ = ("answer",)

    def __init__(self, answer: int):
        self.answer = answer

    def get_children(self) -> list[EventMap]:
        return []

    def _slots(self) -> Sequence[EventMap | None]:
        return ()

    def _with(self, children: Sequence[EventMap | None]) -> EventMap:
        return ConstantEventMap(self.answer)

    def _next(self, event: Mapping[int, int]) -> EventMap | None:
        return self

    def _possible(self, event: Mapping[int, int]) -> Sequence[EventMap | None]:
        return ()

    def _open(self, os: Output, binary: bool) -> None:
        os.token(binary, "CE")
        os.integer(binary, self.answer)


class TableEventMap(EventMap):
    """A node with a child, or None, for each value of a key: `table[value]`."""

    __slots__ = ("key", "table")

    def __init__(self, key: int, table: Sequence[EventMap | None]):
        self.key = key
        self.table = tuple(table)

    @classmethod
    def from_val_answer_table(cls, key: int, map_in: Mapping[int, int]) -> "TableEventMap":
        """A table of leaves, from value to answer."""
        return cls.from_val_map_table(key, {v: ConstantEventMap(answer) for v, answer in map_in.items()})

    @classmethod
    def from_val_map_table(cls, key: int, map_in: Mapping[int, EventMap]) -> "TableEventMap":
        """A table from value to child. Raises AcousticModelError for a negative value."""
        if map_in and min(map_in) < 0:
            raise AcousticModelError(
                f"a table over key {key} with the value {min(map_in)}; expected 0 or more"
            )
        return cls(key, [map_in.get(value) for value in range(max(map_in, default=-1) + 1)])

    def get_children(self) -> list[EventMap]:
        return [child for child in self.table if child is not None]

    def _slots(self) -> Sequence[EventMap | None]:
        return self.table

    def _with(self, children: Sequence[EventMap | None]) -> EventMap:
        return TableEventMap(self.key, children)

    def _next(self, event: Mapping[int, int]) -> EventMap | None:
        value = event.get(self.key, -1)
        return self.table[value] if 0 <= value < len(self.table) else None

    def _possible(self, event: Mapping[int, int]) -> Sequence[EventMap | None]:
        return (self._next(event),) if self.key in event else self.table

    def _open(self, os: Output, binary: bool) -> None:
        os.token(binary, "TE")
        os.integer(binary, self.key)
        os.integer(binary, len(self.table), signed=False)
        os.token(binary, "(")


class SplitEventMap(EventMap):
    """A node that asks whether the value of a key is in a set."""

    __slots__ = ("_values", "key", "no", "yes", "yes_set")

    def __init__(self, key: int, yes_set: Collection[int], yes: EventMap | None, no: EventMap | None):
        if yes is None or no is None:
            raise AcousticModelError(f"a split on key {key} with only one child; expected two")
        self.key = key
        self._values = frozenset(int(value) for value in yes_set)
        self.yes_set = sorted(self._values)
        self.yes = yes
        self.no = no

    def get_children(self) -> list[EventMap]:
        return [self.yes, self.no]

    def _slots(self) -> Sequence[EventMap | None]:
        return (self.yes, self.no)

    def _with(self, children: Sequence[EventMap | None]) -> EventMap:
        return SplitEventMap(self.key, self._values, *children)

    def _next(self, event: Mapping[int, int]) -> EventMap | None:
        if self.key not in event:
            return None
        return self.yes if event[self.key] in self._values else self.no

    def _possible(self, event: Mapping[int, int]) -> Sequence[EventMap | None]:
        return (self._next(event),) if self.key in event else (self.yes, self.no)

    def _open(self, os: Output, binary: bool) -> None:
        os.token(binary, "SE")
        os.integer(binary, self.key)
        os.integers(binary, np.array(self.yes_set, np.int32))
        os.token(binary, "{")


def _mapped(value_map: Mapping[int, int], value: int) -> int:
    if value not in value_map:
        raise AcousticModelError(
            f"the tree asks for the value {value}, which the map of values does not have"
        )
    return value_map[value]


def _rebuild(
    root: EventMap, make: Callable[[EventMap, Sequence[EventMap | None]], EventMap | None]
) -> EventMap | None:
    """`make(node, children)` from the leaves up; without recursion, as trees may be deeper than the stack."""
    waiting: list[tuple[EventMap | None, bool]] = [(root, False)]
    made: list[EventMap | None] = []
    while waiting:
        node, children_made = waiting.pop()
        if node is None:
            made.append(None)
            continue
        count = len(node._slots())
        if not children_made and count:
            waiting.append((node, True))
            waiting.extend((child, False) for child in reversed(node._slots()))
        else:
            children = made[len(made) - count :]
            del made[len(made) - count :]
            made.append(make(node, children))
    return made[0]


@dataclass
class _Unfinished:
    """A node of which children are still to be read."""

    close: str
    count: int
    make: Callable[[Sequence[EventMap | None]], EventMap]
    children: list[EventMap | None] = field(default_factory=list)


def _read(is_: Input, binary: bool) -> EventMap | None:
    unfinished: list[_Unfinished] = []
    while True:
        node: EventMap | None = None
        kind = is_.token(binary)
        if kind == "CE":
            node = ConstantEventMap(is_.integer(binary))
        elif kind == "TE":
            key, count = is_.integer(binary), is_.integer(binary, signed=False)
            is_.expect(binary, "(")
            unfinished.append(_Unfinished(")", count, lambda table, key=key: TableEventMap(key, table)))
        elif kind == "SE":
            key, values = is_.integer(binary), is_.integers(binary).tolist()
            is_.expect(binary, "{")
            unfinished.append(
                _Unfinished("}", 2, lambda two, key=key, values=values: SplitEventMap(key, values, *two))
            )
        elif kind != "NULL":
            is_.error(f"expected CE, TE, SE or NULL, found '{kind}'")
        if kind in ("CE", "NULL"):
            if not unfinished:
                return node
            unfinished[-1].children.append(node)
        # Whatever is complete now becomes a child of what is above it.
        while len(unfinished[-1].children) == unfinished[-1].count:
            done = unfinished.pop()
            is_.expect(binary, done.close)
            if done.close == "}" and None in done.children:
                is_.error("expected two maps in a SE, found NULL")
            node = done.make(done.children)
            if not unfinished:
                return node
            unfinished[-1].children.append(node)


def _write(os: Output, binary: bool, emap: EventMap | None) -> None:
    waiting: list[EventMap | str | None] = [emap]
    while waiting:
        node = waiting.pop()
        if node is None:
            os.token(binary, "NULL")
        elif isinstance(node, str):
            os.token(binary, node)
            if not binary:
                os.write(b"\n")
        else:
            node._open(os, binary)
            if not isinstance(node, ConstantEventMap):
                waiting.append(")" if isinstance(node, TableEventMap) else "}")
                waiting.extend(reversed(node._slots()))


def get_tree_structure(map: EventMap) -> tuple[bool, int, list[int]]:
    """(has_tree_structure, num_leaves, parents).

    Where the answers are 0 .. num_leaves-1, each on one leaf, the nodes are numbered with those of the leaves
    and then the others, children before parents, and `parents[i]` is the number of the parent of node i (of
    the root: itself). Otherwise (False, 0, []).
    """
    parents_of: dict[int, EventMap] = {}  # by id of the node
    leaves: list[ConstantEventMap] = []
    inner: list[EventMap] = []  # in the order in which Kaldi numbers them, from the last number on
    waiting: list[EventMap] = []

    def meet(node: EventMap) -> None:
        if isinstance(node, ConstantEventMap):
            leaves.append(node)
        else:
            inner.append(node)
            waiting.append(node)

    meet(map)
    while waiting:
        node = waiting.pop()
        for child in node.get_children():
            if id(child) in parents_of:
                return False, 0, []  # a node that occurs twice
            parents_of[id(child)] = node
            meet(child)
    if sorted(leaf.answer for leaf in leaves) != list(range(len(leaves))):
        return False, 0, []
    last = len(leaves) + len(inner) - 1
    number = {id(node): last - position for position, node in enumerate(inner)}
    number |= {id(leaf): leaf.answer for leaf in leaves}
    parents = [0] * (last + 1)
    for node in (*leaves, *inner):
        parents[number[id(node)]] = number[id(parents_of.get(id(node), node))]
    return True, len(leaves), parents


def make_event_pair(k: int, v: int) -> tuple[int, int]:
    return k, v


def read_event_type(is_: Input, binary: bool) -> list[tuple[int, int]]:
    """Reads an event: `EV size (key value)*`. Raises ArkError for anything else."""
    is_.expect(binary, "EV")
    count = is_.integer(binary, signed=False)
    event = []
    for _ in range(count):
        key = is_.integer(binary)
        event.append((key, is_.integer(binary)))
    return event


def write_event_type(os: Output, binary: bool, vec: Event) -> None:
    os.token(binary, "EV")
    os.integer(binary, len(vec), signed=False)
    for key, value in vec:
        os.integer(binary, key)
        os.integer(binary, value)
    if not binary:
        os.write(b"\n")
