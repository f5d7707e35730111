"""The shape of a phone's HMM: its states, their pdf-classes and transitions (Kaldi's `hmm/hmm-topology`)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError

NO_PDF = -1
"""The pdf-class of a state that emits nothing."""


@dataclass
class HmmState:
    """A state: the pdf-classes of its transitions and self-loop, and [(destination, probability)]."""

    forward_pdf_class: int = NO_PDF
    self_loop_pdf_class: int = NO_PDF
    transitions: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def from_pdf(cls, pdf_class: int) -> "HmmState":
        return cls(pdf_class, pdf_class)

    @classmethod
    def from_forward_and_self_pdf(cls, forward_pdf_class: int, self_loop_pdf_class: int) -> "HmmState":
        if (forward_pdf_class == NO_PDF) != (self_loop_pdf_class == NO_PDF):
            raise AcousticModelError(
                f"pdf-classes {forward_pdf_class} and {self_loop_pdf_class}; "
                f"expected both or neither to be {NO_PDF}"
            )
        return cls(forward_pdf_class, self_loop_pdf_class)


class HmmTopology:
    """The states of each phone's HMM. Several phones may share one entry.

    State 0 is the first; the last is final: it emits nothing and has no transitions.
    """

    HmmState = HmmState

    def __init__(self) -> None:
        self._phones: list[int] = []
        self._entry_of: list[int] = []  # by phone, -1 for none
        self._entries: list[list[HmmState]] = []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, HmmTopology)
            and self._phones == other._phones
            and self._entry_of == other._entry_of
            and self._entries == other._entries
        )

    __hash__ = None  # type: ignore[assignment]

    def get_phones(self) -> list[int]:
        """The phones, sorted."""
        return list(self._phones)

    def get_phone_to_num_pdf_classes(self) -> list[int]:
        """The number of pdf-classes by phone; -1 for a number that is no phone."""
        return [self.num_pdf_classes(p) if index >= 0 else -1 for p, index in enumerate(self._entry_of)]

    def topology_for_phone(self, phone: int) -> list[HmmState]:
        """The states of a phone. Raises AcousticModelError for a number that is no phone."""
        return [
            HmmState(s.forward_pdf_class, s.self_loop_pdf_class, list(s.transitions))
            for s in self._entry(phone)
        ]

    def _entry(self, phone: int) -> list[HmmState]:
        index = self._entry_of[phone] if 0 <= phone < len(self._entry_of) else -1
        if index < 0:
            raise AcousticModelError(f"phone {phone} is not in the topology; its phones are {self._phones}")
        return self._entries[index]

    def num_pdf_classes(self, phone: int) -> int:
        """Pdf-classes of a phone. Raises AcousticModelError for a number that is no phone."""
        return 1 + max(max(s.forward_pdf_class, s.self_loop_pdf_class) for s in self._entry(phone))

    def min_length(self, phone: int) -> int:
        """The fewest frames in which a phone can be passed."""
        entry = self._entry(phone)
        unreachable = len(entry) + 1
        shortest = [0 if state == 0 else unreachable for state in range(len(entry))]
        for _ in entry:  # a path without loops has at most as many states
            for state, known in enumerate(entry):
                after = shortest[state] + (known.forward_pdf_class != NO_PDF)
                for destination, _probability in known.transitions:
                    shortest[destination] = min(shortest[destination], after)
        return shortest[-1]

    def is_hmm(self) -> bool:
        """True where the self-loop of every state has the pdf-class of its other transitions."""
        return all(s.forward_pdf_class == s.self_loop_pdf_class for entry in self._entries for s in entry)

    def check(self) -> None:
        """Raises AcousticModelError for a topology that makes no sense."""
        if not self._entries or not self._phones:
            raise AcousticModelError("the topology is empty; expected at least one entry with a phone")
        if sorted(set(self._phones)) != self._phones or self._phones[0] < 1:
            raise AcousticModelError(f"phones {self._phones}; expected each once, sorted, and above 0")
        for phone in self._phones:
            if not (phone < len(self._entry_of) and 0 <= self._entry_of[phone] < len(self._entries)):
                raise AcousticModelError(f"phone {phone} of the topology has no entry")
        covered = {phone for phone, entry in enumerate(self._entry_of) if entry != -1}
        if covered != set(self._phones):
            raise AcousticModelError(
                f"entries for the phones {sorted(covered)}; the phones are {self._phones}"
            )
        for index, entry in enumerate(self._entries):
            if index not in self._entry_of:
                raise AcousticModelError(f"entry {index} of the topology is of no phone")
            _check_entry(entry, f"entry {index} of the topology (phone {self._entry_of.index(index)})")

    # Files

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a topology. Raises ArkError for what is none, AcousticModelError for nonsense."""
        is_.expect(binary, "<Topology>")
        read = HmmTopology()
        (read._read_binary if binary else read._read_text)(is_)
        checked(is_, read.check)
        vars(self).update(vars(read))

    def _read_text(self, is_: Input) -> None:
        while (token := is_.token(False)) != "</Topology>":
            if token != "<TopologyEntry>":
                is_.error(f"expected <TopologyEntry> or </Topology>, found '{token}'")
            is_.expect(False, "<ForPhones>")
            while (word := is_.token(False)) != "</ForPhones>":
                if not (word.isascii() and word.isdigit() and 0 < int(word) < 1 << 20):
                    is_.error(f"expected a phone (1 or more) or </ForPhones>, found '{word}'")
                phone = int(word)
                self._entry_of.extend([-1] * (phone + 1 - len(self._entry_of)))
                if self._entry_of[phone] != -1:
                    is_.error(f"expected each phone in one entry, found {phone} twice")
                self._entry_of[phone] = len(self._entries)
                self._phones.append(phone)
            self._entries.append(_read_states(is_))
        self._phones.sort()

    def _read_binary(self, is_: Input) -> None:
        self._phones = is_.integers(True).tolist()
        self._entry_of = is_.integers(True).tolist()
        count = is_.integer(True)
        extended = count == -1  # states may then have a pdf-class for their self-loop
        if extended:
            count = is_.integer(True)
        for _ in range(count):
            entry = []
            for _ in range(is_.integer(True)):
                forward = is_.integer(True)
                state = HmmState(forward, is_.integer(True) if extended else forward)
                for _ in range(is_.integer(True)):
                    state.transitions.append((is_.integer(True), is_.real(True)))
                entry.append(state)
            self._entries.append(entry)
        is_.expect(True, "</Topology>")

    def write(self, os: Output, binary: bool) -> None:
        self.check()
        os.token(binary, "<Topology>")
        (self._write_binary if binary else self._write_text)(os)
        os.token(binary, "</Topology>")
        if not binary:
            os.write(b"\n")

    def _write_binary(self, os: Output) -> None:
        os.integers(True, np.array(self._phones, np.int32))
        os.integers(True, np.array(self._entry_of, np.int32))
        extended = not self.is_hmm()
        if extended:
            os.integer(True, -1)
        os.integer(True, len(self._entries))
        for entry in self._entries:
            os.integer(True, len(entry))
            for state in entry:
                os.integer(True, state.forward_pdf_class)
                if extended:
                    os.integer(True, state.self_loop_pdf_class)
                os.integer(True, len(state.transitions))
                for destination, probability in state.transitions:
                    os.integer(True, destination)
                    os.float32(True, probability)

    def _write_text(self, os: Output) -> None:
        extended = not self.is_hmm()
        os.write(b"\n")
        for index, entry in enumerate(self._entries):
            phones = " ".join(str(phone) for phone, entry in enumerate(self._entry_of) if entry == index)
            os.write(f"<TopologyEntry> \n<ForPhones> \n{phones} \n</ForPhones> \n".encode())
            for number, state in enumerate(entry):
                os.token(False, f"<State> {number}")
                if state.forward_pdf_class != NO_PDF and extended:
                    os.token(False, f"<ForwardPdfClass> {state.forward_pdf_class}")
                    os.token(False, f"<SelfLoopPdfClass> {state.self_loop_pdf_class}")
                elif state.forward_pdf_class != NO_PDF:
                    os.token(False, f"<PdfClass> {state.forward_pdf_class}")
                for destination, probability in state.transitions:
                    os.token(False, f"<Transition> {destination}")
                    os.float32(False, probability)
                os.write(b"</State> \n")
            os.write(b"</TopologyEntry> \n")


def checked(is_: Input, check: Callable[[], None]) -> None:
    """Calls `check`; what it complains about then names the file."""
    try:
        check()
    except AcousticModelError as error:
        raise AcousticModelError(f"{is_.name}:{is_.tell()}: {error}") from None


def _read_states(is_: Input) -> list[HmmState]:
    """The states of an entry of a text file, up to </TopologyEntry>."""
    entry: list[HmmState] = []
    token = is_.token(False)
    while token != "</TopologyEntry>":
        if token != "<State>":
            is_.error(f"expected <State> or </TopologyEntry>, found '{token}'")
        number = is_.integer(False)
        if number != len(entry):
            is_.error(f"expected state {len(entry)}, found {number}")
        state = HmmState()
        token = is_.token(False)
        if token == "<PdfClass>":
            state.forward_pdf_class = state.self_loop_pdf_class = is_.integer(False)
            token = is_.token(False)
        elif token == "<ForwardPdfClass>":
            state.forward_pdf_class = is_.integer(False)
            is_.expect(False, "<SelfLoopPdfClass>")
            state.self_loop_pdf_class = is_.integer(False)
            token = is_.token(False)
        while token == "<Transition>":
            destination = is_.integer(False)
            state.transitions.append((destination, float(np.float32(is_.real(False)))))
            token = is_.token(False)
        if token == "<Final>":
            is_.error("expected </State>, found <Final>: a topology of the old kind, without a final state")
        if token != "</State>":
            is_.error(f"expected <Transition> or </State>, found '{token}'")
        entry.append(state)
        token = is_.token(False)
    return entry


def _check_entry(entry: list[HmmState], where: str) -> None:
    def wrong(what: str) -> AcousticModelError:
        return AcousticModelError(f"{where}: {what}")

    if len(entry) < 2:
        raise wrong(f"{len(entry)} states; expected at least one that emits, and the final one")
    if entry[-1].transitions or entry[-1].forward_pdf_class != NO_PDF:
        raise wrong("the last state emits or has transitions; expected neither: it is the final one")
    entered = set()
    for number, state in enumerate(entry):
        destinations = [destination for destination, _ in state.transitions]
        if len(set(destinations)) < len(destinations):
            raise wrong(f"state {number} has two transitions to one state, {destinations}; expected one")
        if bad := [d for d in destinations if not 0 <= d < len(entry)]:
            raise wrong(f"state {number} has a transition to state {bad[0]}; there are {len(entry)} states")
        if bad := [p for _, p in state.transitions if not 0 < p < float("inf")]:
            raise wrong(f"state {number} has a transition of probability {bad[0]}; expected above 0")
        if state.self_loop_pdf_class == NO_PDF and number in destinations:
            raise wrong(f"state {number} emits nothing and has a self-loop; expected one or the other")
        if (state.forward_pdf_class == NO_PDF) != (state.self_loop_pdf_class == NO_PDF):
            raise wrong(f"state {number} has only one of two pdf-classes; expected both or neither")
        if state.forward_pdf_class == NO_PDF and len(entry) - 1 in destinations:
            # No transition-id would then end the phone in an alignment.
            raise wrong(
                f"state {number} emits nothing and leads to the last state; expected an emitting one to"
            )
        if not destinations and number + 1 < len(entry):
            raise wrong(f"state {number} has no transitions; only the last may have none")
        entered.update(destinations)
    if left := set(range(1, len(entry))) - entered:
        raise wrong(f"no transition enters state {min(left)}")
    classes = {c for s in entry for c in (s.forward_pdf_class, s.self_loop_pdf_class) if c != NO_PDF}
    if classes != set(range(len(classes))) or not classes:
        raise wrong(f"pdf-classes {sorted(classes)}; expected 0 and on without a gap")
