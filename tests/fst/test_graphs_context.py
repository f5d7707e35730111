"""Context dependency against its definition, written plainly, and the files of labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.errors import ArkError, FstError, FstIndexError
from sonant.fst import Fst
from sonant.fst.graphs import (
    ContextLabels,
    InverseContext,
    add_subsequential_loop,
    compose_context,
)

INFINITE = float("inf")
END = "$"


class Reference:
    """The inverse of C: states are the last width - 1 symbols, labels are windows, both as they come."""

    def __init__(self, width: int, central: int, disambig: list[int]):
        self.width, self.central, self.disambig = width, central, disambig
        self.windows: list[list[int]] = [[]] + [[0]] * (central + 1 < width)

    def label(self, window: list[int]) -> int:
        if window not in self.windows:
            self.windows.append(window)
        return self.windows.index(window)

    def is_final(self, state: tuple) -> bool:
        return self.central + 1 == self.width or state[self.central] == END

    def step(self, state: tuple, symbol) -> tuple[int, tuple] | None:
        if symbol in self.disambig:
            return self.label([-symbol]), state
        if symbol == END and self.is_final(state):
            return None
        if symbol != END and state and state[-1] == END:
            return None
        window = [*state, symbol]
        if window[self.central] == 0:
            return 1, tuple(window[1:])
        return self.label([0 if phone == END else phone for phone in window]), tuple(window[1:])


def composed(fst: Fst, disambig: list[int], width: int, central: int) -> tuple[list, list, list]:
    """(final costs, arcs, windows) of C composed with `fst`, whose end offers END without limit."""
    c = Reference(width, central, disambig)
    start = (fst.start, (0,) * (width - 1))
    pairs, finals, arcs = [start], [], []

    def number(pair: tuple) -> int:
        if pair not in pairs:
            pairs.append(pair)
        return pairs.index(pair)

    place = 0
    while place < len(pairs):
        state, context = pairs[place]
        outgoing = [] if state == END else fst.arcs_of(state)
        final = 0.0 if state == END else fst.final(state)
        finals.append(final if c.is_final(context) else INFINITE)
        if final != INFINITE and central + 1 < width:
            outgoing = [*outgoing, (END, 0, final, END)]
        for ilabel, olabel, weight, following in outgoing:
            step = (0, context) if ilabel == 0 else c.step(context, ilabel)
            if step is not None:
                arcs.append((place, step[0], olabel, weight, number((following, step[1]))))
        place += 1
    return finals, arcs, c.windows


@st.composite
def graphs(draw) -> Fst:
    """An automaton over the phones 1 to 4 and the disambiguation symbols 6 and 9, cycles and epsilons too."""
    states = draw(st.integers(1, 5))
    state = st.integers(0, states - 1)
    label = st.sampled_from([0, 1, 2, 3, 4, 6, 9])
    cost = st.sampled_from([0.0, 0.5, 1.25])
    arcs = draw(st.lists(st.tuples(state, label, st.integers(0, 3), cost, state), max_size=12))
    finals = draw(st.lists(st.sampled_from([INFINITE, 0.0, 0.75]), min_size=states, max_size=states))
    columns = [np.array([arc[i] for arc in arcs]) for i in range(5)]
    return Fst.from_arrays(draw(state), finals, *columns)


@given(graphs(), st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 1), (4, 2)]))
def test_composition_is_as_defined(fst: Fst, window: tuple[int, int]):
    before = fst.copy()
    result, labels = compose_context(fst, [9, 6], *window)
    finals, arcs, windows = composed(fst, [6, 9], *window)
    assert result.start == 0
    assert [result.final(s) for s in range(result.num_states)] == finals
    assert [(s, *arc) for s in range(result.num_states) for arc in result.arcs_of(s)] == arcs
    assert list(labels) == windows
    assert fst.equal(before, 0)


@given(graphs(), st.sampled_from([(2, 0), (3, 1), (4, 1)]))
def test_a_graph_may_have_its_end_itself(fst: Fst, window: tuple[int, int]):
    result, labels = compose_context(fst, [6, 9], *window)
    context = InverseContext([1, 2, 3, 4], [6, 9], *window)
    assert context.subsequential == 10
    ended = add_subsequential_loop(fst, context.subsequential)
    assert context.compose(ended, ended=True).equal(result, 0)
    assert list(context.labels) == list(labels)


def test_states_and_labels_come_as_they_are_asked_for():
    context = InverseContext([1, 2, 3], [5, 6], 3, 1, 11)
    assert list(context.labels) == [[], [0]]
    assert context.step(0, 1) == (1, 1)
    assert context.step(0, 5) == (2, 0)
    assert context.step(1, 2) == (3, 2)
    assert context.step(1, 11) == (4, 3)
    assert context.step(3, 1) is None
    assert [context.is_final(state) for state in range(4)] == [False, False, False, True]
    assert list(context.labels) == [[], [0], [-5], [0, 1, 2], [0, 1, 0]]
    assert context.labels.disambig.tolist() == [1, 2]
    for use in (lambda: context.step(9, 1), lambda: context.is_final(-1)):
        with pytest.raises(FstIndexError, match="so far there are 4"):
            use()
    with pytest.raises(FstError, match="label 7 is neither a phone nor a disambiguation symbol"):
        context.step(0, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [2]), "2 is a phone and the disambiguation symbol as well"),
        (([1, 2], [5], 3, 1, 5), "5 is a disambiguation symbol and the subsequential symbol as well"),
        (([1, 2], [], 3, 1, 2), "2 is a phone and the subsequential symbol"),
        (([1, 2], [], 3, 3), "3 phones around number 3; expected a width of 1 to 100"),
        (([1, 2], [], 3, -1), "number -1"),
        (([1, 2], [], 0, 0), "window of 0 phones"),
        (([1, 2], [], 101, 0), "window of 101 phones"),
        (([0, 2],), "phones from 0 to 2; expected numbers above 0"),
        (([1], [1 << 40]), "disambiguation symbols from"),
        (([1], [], 3, 1, 1 << 25), "subsequential symbol 33554432; expected 1 to 16777215"),
    ],
)
def test_symbols_that_cannot_be(arguments: tuple, message: str):
    with pytest.raises(FstError, match=message):
        InverseContext(*arguments)


def test_graphs_that_cannot_be():
    with pytest.raises(FstError, match="no start state"):
        compose_context(Fst())
    with pytest.raises(FstError, match="arcs of type log; expected standard"):
        compose_context(Fst("log"))
    chain = Fst.from_text("0 1 1 1\n1 2 4000000 0\n2\n")
    assert compose_context(chain, [], 1, 0)[0].num_states == 3
    for label in (1 << 24, 2**31 - 1):
        with pytest.raises(FstError, match=r"phones from .* expected numbers above 0 and below 16777216"):
            compose_context(Fst.from_text(f"0 1 {label} 1\n1\n"))
    with pytest.raises(FstError, match=r"more than max_states=2 .* raise max_states"):
        compose_context(chain, [], 1, 0, max_states=2)
    with pytest.raises(FstError, match="symbol 1 is an input label of the automaton already"):
        add_subsequential_loop(chain, 1)
    with pytest.raises(FstError, match="subsequential symbol 0; expected a label above 0"):
        add_subsequential_loop(chain, 0)


def test_files_of_labels(tmp_path):
    labels = ContextLabels.of([[], [0], [-5], [0, 1, 2], [1, 2, 0]])
    for binary in (True, False):
        labels.write(tmp_path / "ilabels", binary)
        assert list(ContextLabels.read(tmp_path / "ilabels")) == list(labels)
    assert (tmp_path / "ilabels").read_text() == "5 [ ]\n[ 0 ]\n[ -5 ]\n[ 0 1 2 ]\n[ 1 2 0 ]\n"
    assert labels[-1] == [1, 2, 0] and labels[1:3] == [[0], [-5]] and len(labels) == 5
    with pytest.raises(IndexError, match="no label 5; expected 0 to 4"):
        labels[5]
    for windows in ([], [[1]]):
        with pytest.raises(FstError, match="first window belongs to epsilon"):
            ContextLabels.of(windows)


def test_damaged_files_of_labels(tmp_path):
    path = tmp_path / "ilabels"
    ContextLabels.of([[], [0], [-5], [0, 1, 2]]).write(path)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ArkError):
            ContextLabels.read(path)
    rng = np.random.default_rng(3)
    for _ in range(300):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            ContextLabels.read(path)
        except ArkError:
            continue
    path.write_bytes(b"\0B\4\xff\xff\xff\x7f")
    with pytest.raises(ArkError):
        ContextLabels.read(path)
