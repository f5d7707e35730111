"""Phonetic decision trees: the pdf of a state of a phone in its context (Kaldi's `tree/context-dep`)."""

from collections.abc import Mapping, Sequence

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.tree.event_map import (
    ConstantEventMap,
    EventMap,
    SplitEventMap,
    TableEventMap,
)

PDF_CLASS = -1
"""The key of a state's pdf-class in the events of a phonetic tree."""


class ContextDependency:
    """A decision tree over a window of N phones, the P-th of which (from 0) is the one that is modelled."""

    def __init__(self) -> None:
        self._width, self._central = 1, 0
        self._to_pdf: EventMap | None = None

    @classmethod
    def from_event_map(cls, N: int, P: int, to_pdf: EventMap) -> "ContextDependency":
        """From a window of N phones around the P-th, and a tree over it."""
        tree = cls()
        tree._width, tree._central, tree._to_pdf = N, P, to_pdf
        tree._check()
        return tree

    def _check(self) -> None:
        if not 0 <= self._central < self._width:
            raise AcousticModelError(
                f"the central phone is number {self._central} of {self._width}; expected one of the window"
            )

    def context_width(self) -> int:
        """Phones in the window: 3 for triphones."""
        return self._width

    def central_position(self) -> int:
        """The place of the phone that is modelled in the window, from 0: 1 for triphones."""
        return self._central

    def num_pdfs(self) -> int:
        """The highest pdf-id, and one."""
        return 0 if self._to_pdf is None else self._to_pdf.max_result() + 1

    def to_pdf_map(self) -> EventMap:
        """The tree. Raises AcousticModelError before one was read."""
        if self._to_pdf is None:
            raise AcousticModelError("this ContextDependency has no tree yet; read one first")
        return self._to_pdf

    def copy(self) -> "ContextDependency":
        return ContextDependency.from_event_map(self._width, self._central, self.to_pdf_map())

    def compute(self, phoneseq: Sequence[int], pdf_class: int) -> int:
        """The pdf-id of a window of phones (0 outside of the utterance) and a pdf-class.

        Raises AcousticModelError for a window of another width, and where the tree has no answer.
        """
        if len(phoneseq) != self._width:
            raise AcousticModelError(f"{len(phoneseq)} phones; expected a window of {self._width}")
        event = {PDF_CLASS: pdf_class, **dict(enumerate(phoneseq))}
        pdf = self.to_pdf_map()._answer(event)
        if pdf is None:
            raise AcousticModelError(
                f"the tree has no pdf for the phones {list(phoneseq)} and pdf-class {pdf_class}"
            )
        return pdf

    def compute_pdfs(self, windows: np.ndarray, pdf_class: int) -> np.ndarray:
        """The pdf-id of each window, int32 (windows, width); -1 where the tree has no answer."""
        if windows.ndim != 2 or windows.shape[1] != self._width:
            raise AcousticModelError(f"windows of shape {windows.shape}; expected (windows, {self._width})")
        columns = {place: windows[:, place] for place in range(self._width)}
        columns[PDF_CLASS] = np.full(len(windows), pdf_class, np.int32)
        return self.to_pdf_map()._answers(columns, len(windows))

    def get_pdf_info(
        self, phones: Sequence[int], num_pdf_classes: Sequence[int]
    ) -> list[list[tuple[int, int]]]:
        """For each pdf-id the (phone, pdf-class) pairs that it may stand for.

        `num_pdf_classes` is indexed by phone. Raises AcousticModelError for a phone and class without a pdf.
        """
        if self.num_pdfs() > 1 << 24:
            raise AcousticModelError(
                f"the tree has a pdf {self.num_pdfs() - 1}; expected at most {1 << 24} pdfs"
            )
        info: list[list[tuple[int, int]]] = [[] for _ in range(self.num_pdfs())]
        for phone in phones:
            for pdf_class in range(num_pdf_classes[phone]):
                pdfs = set(self.to_pdf_map().multi_map([(PDF_CLASS, pdf_class), (self._central, phone)]))
                if not pdfs:
                    raise AcousticModelError(f"the tree has no pdf for phone {phone}, pdf-class {pdf_class}")
                for pdf in sorted(pdfs):
                    info[pdf].append((phone, pdf_class))
        return info

    def get_pdf_pair_info(
        self, phones: Sequence[int], pdf_class_pairs: Sequence[Sequence[tuple[int, int]]]
    ) -> list[list[list[tuple[int, int]]]]:
        """For each phone and each of its `pdf_class_pairs`, the pairs of pdf-ids that some context gives.

        The pairs are of the forward and the self-loop pdf of a state; both lists are indexed by phone.
        """
        info: list[list[list[tuple[int, int]]]] = [[] for _ in range(max(phones, default=-1) + 1)]
        anywhere = frozenset(phones) | {0}
        for phone in phones:
            domains = dict.fromkeys(range(self._width), anywhere) | {self._central: frozenset([phone])}
            info[phone] = [self._pairs(domains, *classes) for classes in pdf_class_pairs[phone]]
        return info

    def _pairs(
        self, domains: Mapping[int, frozenset[int]], forward_class: int, self_loop_class: int
    ) -> list[tuple[int, int]]:
        """The pairs of answers that some window from the domains gets for the two classes."""
        found = set()
        waiting = [(self.to_pdf_map(), self.to_pdf_map(), domains)]
        while waiting:
            forward, self_loop, windows = waiting.pop()
            if isinstance(forward, ConstantEventMap) and isinstance(self_loop, ConstantEventMap):
                found.add((forward.answer, self_loop.answer))
            elif not isinstance(forward, ConstantEventMap):
                for child, narrower in _branches(forward, windows, forward_class):
                    waiting.append((child, self_loop, narrower))
            else:
                for child, narrower in _branches(self_loop, windows, self_loop_class):
                    waiting.append((forward, child, narrower))
        return sorted(found)

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a tree file. Raises ArkError for anything else."""
        is_.expect(binary, "ContextDependency")
        width, central = is_.integer(binary), is_.integer(binary)
        if not 0 <= central < width:
            is_.error(
                f"expected the central phone to be one of the window of {width}, found number {central}"
            )
        token = is_.token(binary)
        if token == "ToLength":  # of old files: numbers of pdf-classes, which topologies hold today
            EventMap.read_event_map(is_, binary)
            token = is_.token(binary)
        if token != "ToPdf":
            is_.error(f"expected ToPdf, found '{token}'")
        to_pdf = EventMap.read_event_map(is_, binary)
        is_.expect(binary, "EndContextDependency")
        self._width, self._central, self._to_pdf = width, central, to_pdf

    def write(self, os: Output, binary: bool) -> None:
        os.token(binary, "ContextDependency")
        os.integer(binary, self._width)
        os.integer(binary, self._central)
        os.token(binary, "ToPdf")
        self.to_pdf_map().write(os, binary)
        os.token(binary, "EndContextDependency")


def _branches(
    node: EventMap, windows: Mapping[int, frozenset[int]], pdf_class: int
) -> list[tuple[EventMap, Mapping[int, frozenset[int]]]]:
    """The children of a node that some window reaches, each with those windows."""
    assert isinstance(node, TableEventMap | SplitEventMap)
    key = node.key
    values = frozenset([pdf_class]) if key == PDF_CLASS else windows.get(key, frozenset())
    if isinstance(node, SplitEventMap):
        sides = ((node.yes, values & node._values), (node.no, values - node._values))
    else:
        sides = tuple((c, values & {v}) for v, c in enumerate(node.table) if c is not None)
    return [
        (child, windows if key == PDF_CLASS else {**windows, key: reaching})
        for child, reaching in sides
        if reaching
    ]


def monophone_context_dependency(
    phones: Sequence[int], phone2num_pdf_classes: Sequence[int]
) -> ContextDependency:
    """The tree of a monophone system, in which no two phones share a pdf.

    `phone2num_pdf_classes` is indexed by phone. Raises AcousticModelError for a phone that it does not have.
    """
    return monophone_context_dependency_shared([[phone] for phone in phones], phone2num_pdf_classes)


def monophone_context_dependency_shared(
    phone_classes: Sequence[Sequence[int]], phone2num_pdf_classes: Sequence[int]
) -> ContextDependency:
    """The tree of a monophone system in which the phones of a set share their pdfs."""
    sets = [list(phones) for phones in phone_classes]
    every = [phone for phones in sets for phone in phones]
    if not sets or not all(sets):
        raise AcousticModelError(f"sets of phones {sets}; expected at least one, and a phone in each")
    if len(set(every)) != len(every) or min(every) < 0:
        raise AcousticModelError(f"sets of phones {sets}; expected each phone once, and none negative")
    sizes = []
    for phones in sets:
        known = [phone2num_pdf_classes[p] if p < len(phone2num_pdf_classes) else -1 for p in phones]
        if min(known) <= 0:
            raise AcousticModelError(
                f"phone {phones[known.index(min(known))]} has no pdf-classes; expected 1 or more"
            )
        sizes.append(max(known))
    first = [sum(sizes[:i]) for i in range(len(sizes))]
    leaves: list[EventMap] = [
        TableEventMap.from_val_answer_table(PDF_CLASS, {c: start + c for c in range(size)})
        for start, size in zip(first, sizes, strict=True)
    ]
    return ContextDependency.from_event_map(1, 0, _over_sets(sets, leaves))


def _over_sets(sets: list[list[int]], leaves: list[EventMap]) -> EventMap:
    """A tree over the sets of phones: a table if each has one phone, otherwise halved until one is left."""
    if len(sets) == 1:
        return leaves[0]
    if max(map(len, sets)) == 1:
        return TableEventMap.from_val_map_table(0, {s[0]: leaf for s, leaf in zip(sets, leaves, strict=True)})
    half = len(sets) // 2
    first = [phone for phones in sets[:half] for phone in phones]
    return SplitEventMap(
        0, first, _over_sets(sets[:half], leaves[:half]), _over_sets(sets[half:], leaves[half:])
    )
