"""ngram automata and look-ahead wrappers: written here by their formats, read whole; hostile bytes."""

import contextlib
import math
import random
import struct

import numpy as np
import pytest

from sonant.errors import ArkError, SonantError
from sonant.fst import Fst

CONTEXTS = 9


def header(fst_type: str, version: int, start: int, states: int, arcs: int) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<i", len(value)) + value.encode()

    return (
        struct.pack("<i", 2125659606) + text(fst_type) + text("standard")
        + struct.pack("<iiQqqq", version, 0, 3, start, states, arcs)
    )  # fmt: skip


def ngram_file(seed: int):
    """A file, and (final cost, arcs) of each state as a definition gives them."""
    rng = random.Random(seed)
    contexts = {()}  # oldest word first; each with its ends
    while len(contexts) < CONTEXTS:
        longer = (rng.randint(1, 5), *rng.choice(sorted(contexts)))
        contexts.add(longer)
    order = [()]  # level by level, children by their oldest word
    for context in order:
        order += sorted(c for c in contexts if len(c) == len(context) + 1 and c[1:] == context)
    bits = [1, 0]
    for context in order:
        bits += [1] * sum(len(c) == len(context) + 1 and c[1:] == context for c in contexts) + [0]
    following = [sorted(rng.sample(range(1, 6), rng.randint(0, 4))) for _ in order]
    finals = [round(rng.random(), 3) if rng.random() < 0.5 else None for _ in order]
    costs = [[float(np.float32(rng.random())) for _ in words] for words in following]
    backoffs = [float(np.float32(rng.random())) for _ in order]
    number = {context: i for i, context in enumerate(order)}
    expected = []
    for i, context in enumerate(order):
        arcs = [(0, 0, backoffs[i], number[context[1:]])] if i else []
        for word, cost in zip(following[i], costs[i], strict=True):
            longest = (*context, word)
            while longest not in number:
                longest = longest[1:]
            arcs.append((word, word, cost, number[longest]))
        expected.append((math.inf if finals[i] is None else float(np.float32(finals[i])), arcs))

    def packed(flags) -> bytes:
        flags = list(flags)
        flags += [0] * (-len(flags) % 64)
        return np.packbits(np.array(flags, np.uint8), bitorder="little").tobytes()

    words = [w for group in following for w in group]
    future_bits = [0]
    for group in following:
        future_bits += [1] * len(group) + [0]
    data = header("ngram", 4, 0, len(order), len(words) + len(order) - 1)
    data += struct.pack("<QQQ", len(order), len(words), sum(f is not None for f in finals))
    data += packed(bits) + packed(future_bits) + packed(f is not None for f in finals)
    data += struct.pack(f"<{len(order) + 1}i", -1, *(c[0] for c in order[1:]), -1)
    data += struct.pack(f"<{len(words)}i", *words)
    data += struct.pack(f"<{len(order) + 1}f", *backoffs, 0)
    data += np.array([f for f in finals if f is not None], "<f4").tobytes()
    data += np.array([c for group in costs for c in group] + [0], "<f4").tobytes()
    return data, expected


@pytest.mark.parametrize("seed", range(20))
def test_ngram_automata(seed):
    data, expected = ngram_file(seed)
    fst = Fst.read(data)
    assert (fst.format, fst.num_states, fst.start) == ("ngram", CONTEXTS, 0)
    assert [(fst.final(s), fst.arcs_of(s)) for s in range(fst.num_states)] == expected
    assert Fst.read(fst.to_bytes()).equal(fst, 0)


def lookahead_file(kind: str = "olabel_lookahead") -> tuple[bytes, Fst]:
    fst = Fst()
    fst.add_states(3)
    fst.set_start(0)
    fst.set_final(2, 0.5)
    fst.add_arc(0, 1, 2, 0.25, 1)
    fst.add_arc(1, 3, 0, 1, 2)
    reach = struct.pack("<BBq4iiq", 0, 1, 2, 2, 1, 7, 2, -1, 1) + struct.pack("<q2ii", 1, 0, 3, 3)
    addon = struct.pack("<BBB", 1, 0, 1) + reach
    outer = header(kind, 1, -1, 0, 0) + struct.pack("<i", 446681434)
    return outer + fst.to_bytes("const") + addon, fst


@pytest.mark.parametrize("kind", ["olabel_lookahead", "ilabel_lookahead"])
def test_look_ahead_wrappers(kind):
    data, fst = lookahead_file(kind)
    read = Fst.read(data)
    assert read.equal(fst, 0) and read.format == kind


@pytest.mark.parametrize("data", [ngram_file(3)[0], lookahead_file()[0]])
def test_corrupt_files_raise_at_no_cost(data):
    for end in range(len(data)):
        with pytest.raises(ArkError):
            Fst.read(data[:end])
    for at in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= change
            with contextlib.suppress(SonantError):
                Fst.read(bytes(changed))


def test_arrays_make_the_file_that_arcs_one_by_one_make():
    """Property bits too: those that fstcompile would write."""
    rng = random.Random(5)
    for round in range(200):
        n = rng.randint(1, 5)
        one_by_one = Fst()
        one_by_one.add_states(n)
        one_by_one.set_start(0)
        finals = [rng.choice([math.inf, 0.0, 1.5]) for _ in range(n)]
        rows = [
            (state, rng.randint(0, 2), rng.randint(0, 2), rng.choice([0.0, 0.5]), rng.randrange(n))
            for state in range(n)
            for _ in range(rng.randint(0, 3))
        ]
        for row in rows:
            one_by_one.add_arc(*row)
        for state, final in enumerate(finals):
            if math.isfinite(final):
                one_by_one.set_final(state, final)
        columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
        source, ilabel, olabel, weight, nextstate = columns
        made = Fst.from_arrays(0, finals, source, ilabel, olabel, weight, nextstate)
        if round % 2:
            made.arc_sort("olabel")
            one_by_one.arc_sort("olabel")
        assert made.to_bytes() == one_by_one.to_bytes()
