"""Event maps against Kaldi's: answers, pruning, mapping, structure; and against damage."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, ArkError
from sonant.kaldi.tree import (
    ConstantEventMap,
    EventMap,
    SplitEventMap,
    TableEventMap,
    get_tree_structure,
    make_event_pair,
    read_event_type,
    write_event_type,
)

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def of_text(text: str) -> EventMap | None:
    return EventMap.read_event_map(_native.Input.from_bytes(text.encode()), False)


def of_bytes(data: bytes) -> EventMap | None:
    return EventMap.read_event_map(_native.Input.from_bytes(data), True)


def form(emap: EventMap | None, binary: bool) -> bytes:
    stream = _native.Output.in_memory()
    EventMap.write_event_map(stream, binary, emap)
    return stream.getvalue()


def maps(depth: int = 4) -> st.SearchStrategy[EventMap]:
    keys, values = st.integers(-1, 3), st.integers(0, 6)
    return st.recursive(
        st.builds(ConstantEventMap, st.integers(-1, 50)),
        lambda maps: (
            st.builds(SplitEventMap, keys, st.sets(values), maps, maps)
            | st.builds(TableEventMap, keys, st.lists(st.none() | maps, max_size=4))
        ),
        max_leaves=2**depth,
    )


events = st.dictionaries(st.integers(-1, 3), st.integers(-1, 7)).map(lambda d: sorted(d.items()))


@given(emap=maps())
def test_any_map_survives_its_file(emap: EventMap):
    for binary in (True, False):
        data = form(emap, binary)
        again = EventMap.read_event_map(_native.Input.from_bytes(data), binary)
        assert form(again, True) == form(emap, True)


@given(emap=maps(), event=events)
def test_map_is_what_multi_map_leaves(emap: EventMap, event: list[tuple[int, int]]):
    """Where every key has a value, at most one answer is left, and it is map's."""
    whole = [(key, dict(event).get(key, 0)) for key in range(-1, 4)]
    answers = emap.multi_map(whole)
    if answers:
        assert [emap.map(whole)] == answers
    else:
        with pytest.raises(AcousticModelError, match="no answer"):
            emap.map(whole)
    assert set(answers) <= set(emap.multi_map(event)) or event != [e for e in whole if e in event]


@given(emap=maps(), event=events)
def test_pruning_takes_the_negative_answers_alone(emap: EventMap, event: list[tuple[int, int]]):
    pruned = emap.prune()
    kept = [answer for answer in emap.multi_map(event) if answer >= 0]
    if pruned is None:
        assert [a for a in emap.multi_map([]) if a >= 0] == []
    else:
        # A split of which one side is gone is no longer asked, so an event may find the other side's answers.
        assert set(kept) <= set(pruned.multi_map(event))


@given(data=st.binary(max_size=60))
def test_random_bytes_raise(data: bytes):
    for binary in (True, False):
        with suppress(ArkError, AcousticModelError):
            EventMap.read_event_map(_native.Input.from_bytes(b"TE " + data), binary)


def test_a_deep_tree_needs_no_stack():
    emap: EventMap = ConstantEventMap(0)
    for i in range(5000):
        emap = SplitEventMap(0, [i], ConstantEventMap(i + 1), emap)
    data = form(emap, True)
    again = of_bytes(data)
    assert again is not None
    assert form(again, True) == data
    assert again.map([(0, 0)]) == 1 and again.map([(0, 4999)]) == 5000
    assert again.copy_with_new_leaves([ConstantEventMap(7)]).multi_map([])[-1] == 7
    with pytest.raises(ArkError):
        of_bytes(data[:-9])


def test_a_huge_count_is_not_believed():
    with pytest.raises(ArkError):
        of_bytes(b"TE \x04\x00\x00\x00\x00\xfc\xff\xff\xff\xff( NULL ")


@pytest.mark.parametrize(
    "text",
    ["", "XX 1 ", "CE ", "CE x ", "TE 0 2 ( CE 1 ) ", "SE 0 [ 1 ]\n{ NULL CE 1 } ", "TE 0 1 { CE 1 } "],
)
def test_what_is_no_map_is_named(text: str):
    with pytest.raises(ArkError, match="bytes:"):
        of_text(text)


def test_pruned_and_mapped_as_kaldi():
    for text, pruned in EXPECTED["pruned"]:
        emap = of_text(text)
        assert emap is not None
        result = emap.prune()
        assert (None if result is None else form(result, False).decode()) == pruned
    last = of_text(EXPECTED["pruned"][-1][0])
    assert last is not None
    mapped = last.map_values({0}, {2: 12, 3: 13})
    assert form(mapped, False).decode() == EXPECTED["map_values"]
    with pytest.raises(AcousticModelError, match="value 2"):
        last.map_values({0}, {3: 1})


def test_structure():
    shared = ConstantEventMap(0)
    assert get_tree_structure(SplitEventMap(0, [1], shared, ConstantEventMap(1))) == (True, 2, [2, 2, 2])
    assert get_tree_structure(SplitEventMap(0, [1], shared, shared)) == (False, 0, [])
    assert get_tree_structure(SplitEventMap(0, [1], shared, ConstantEventMap(2))) == (False, 0, [])


def test_small_parts():
    table = TableEventMap.from_val_answer_table(1, {0: 4, 2: 5})
    assert [m.map([]) for m in table.get_children()] == [4, 5]
    assert table.max_result() == 5 and table.map([(1, 2)]) == 5
    with pytest.raises(AcousticModelError, match="no answer"):
        table.map([(1, 1)])
    with pytest.raises(AcousticModelError, match="only one child"):
        SplitEventMap(0, [1], table, None)
    with pytest.raises(AcousticModelError, match="-2"):
        TableEventMap.from_val_answer_table(0, {-2: 1})
    with pytest.raises(AcousticModelError, match="no leaf"):
        TableEventMap(0, [None]).max_result()
    assert EventMap.lookup([(0, 1), (2, 3)], 2) == 3
    with pytest.raises(AcousticModelError, match="key 5"):
        EventMap.lookup([(0, 1)], 5)
    EventMap.check([(-1, 0), (0, 1)])
    with pytest.raises(AcousticModelError, match="rise"):
        EventMap.check([(1, 0), (0, 1)])
    assert make_event_pair(1, 2) == (1, 2)
    assert isinstance(TableEventMap.read(_native.Input.from_bytes(b"TE 0 1 ( CE 1 ) "), False), TableEventMap)
    with pytest.raises(ArkError, match="expected a SplitEventMap, found a ConstantEventMap"):
        SplitEventMap.read(_native.Input.from_bytes(b"CE 1 "), False)


def test_events_in_files():
    event = [(-1, 0), (0, 3)]
    for binary, data in (
        (False, b"EV 2 -1 0 0 3 \n"),
        (
            True,
            b"EV \xfc\x02\0\0\0\x04\xff\xff\xff\xff\x04\0\0\0\0\x04\0\0\0\0\x04\x03\0\0\0",
        ),
    ):
        stream = _native.Output.in_memory()
        write_event_type(stream, binary, event)
        assert stream.getvalue() == data
        assert read_event_type(_native.Input.from_bytes(data), binary) == event
        with pytest.raises(ArkError):
            read_event_type(_native.Input.from_bytes(data[:-3]), binary)
