"""The search of transducers over graphs, against its definition in dictionaries; k2's results are in
golden/rnnt.jsonl."""

import random

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError

State = tuple[tuple[int, ...], int]
"""Context, state of the graph."""


def network(context: tuple[int, ...], frame: int, symbols: int) -> list[float]:
    """Log-probabilities by context and frame; multiples of 1/64, so that sums are exact."""
    generator = random.Random(hash((context, frame)))
    return [-generator.randint(0, 400) / 64 for _ in range(symbols)]


def search(
    graph: k2.Fsa, frames: int, config: k2.RnntDecodingConfig
) -> tuple[list[list[State]], list[set[tuple[State, State, int, float]]]]:
    """The states after each frame, in order, and the steps (from, to, arc of the graph or -1, score)."""
    arcs, scores = graph.arcs.values().tolist(), graph.scores.tolist()
    final = (graph.shape[0] or 0) - 1
    active: dict[State, float] = {((0,) * config.decoder_history_len, 0): 0.0}
    states, taken = [list(active)], []
    for t in range(frames):
        cutoff = max(active.values()) - config.beam
        steps = []
        for (context, state), score in active.items():
            rows = network(context, t, config.vocab_size)
            if state != final:
                steps.append(((context, state), (context, state), -1, rows[0], True))
            for i, (src, dest, label, _) in enumerate(arcs):
                if src == state:
                    to = ((*context[1:], label) if label > 0 else context, dest)
                    gained = scores[i] + rows[max(label, 0)]
                    counted = scores[i] if label == -1 else gained
                    steps.append(((context, state), to, i, gained, label == 0 or score + counted >= cutoff))
        steps = [step[:4] for step in steps if step[4]]
        best: dict[State, float] = {}
        for source, to, _, gained in steps:
            best[to] = max(best.get(to, -torch.inf), active[source] + gained)
        kept = sorted(best, key=lambda s: (-best[s], s))[: config.max_states]
        kept = [s for s in kept if best[s] >= best[kept[0]] - config.beam]
        contexts = sorted({s[0] for s in kept}, key=lambda c: (-max(best[s] for s in kept if s[0] == c), c))
        kept = sorted(s for s in kept if s[0] in contexts[: config.max_contexts])
        active = {s: best[s] for s in kept}
        states.append(kept)
        taken.append({step for step in steps if step[1] in active})
    return states, taken


def machine(seed: int) -> k2.Fsa:
    generator = random.Random(seed)
    states = generator.randint(2, 5)
    lines = []
    for src in range(states - 1):
        for _ in range(generator.randint(1, 4)):
            dest = generator.randint(0, states - 1)
            label = -1 if dest == states - 1 else generator.randint(0, 3)
            lines.append(f"{src} {dest} {label} {-generator.randint(0, 64) / 32}")
    fsa = k2.Fsa.from_str("\n".join([*lines, str(states - 1)]))
    fsa.number = torch.arange(1, fsa.num_arcs + 1, dtype=torch.int32)
    return fsa


def decode(streams, frames: range, config) -> k2.RnntDecodingStreams:
    decoding = k2.RnntDecodingStreams(streams, config)
    for t in frames:
        _, contexts = decoding.get_contexts()
        rows = [network(tuple(context), t, config.vocab_size) for context in contexts.tolist()]
        decoding.advance(torch.tensor(rows))
    decoding.terminate_and_flush_to_streams()
    return decoding


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "limits", [(1, 50.0, 1000, 1000), (2, 4.0, 5, 3), (2, 6.0, 1000, 2), (3, 2.5, 4, 1000), (1, 0.0, 3, 1)]
)
def test_states_and_steps_are_those_of_the_definition(seed, limits):
    graphs, frames = [machine(seed), machine(seed + 50)], 5
    config = k2.RnntDecodingConfig(4, *limits)
    decoding = decode([k2.RnntDecodingStream(graph) for graph in graphs], range(frames), config)
    shape, contexts = decoding.get_contexts()
    lattice = decoding.format_output([frames, frames - 1])
    for i, graph in enumerate(graphs):
        states, taken = search(graph, frames, config)
        begin, end = shape.row_splits(1)[i : i + 2].tolist()
        expected = sorted({context for context, _ in states[-1]})
        assert [tuple(c) for c in contexts[begin:end].tolist()] == expected
        count = frames - i
        place = [state for frame in states[:count] for state in frame]
        at = [t for t, frame in enumerate(states[:count]) for _ in frame]
        steps: list[set] = [set() for _ in range(count)]
        part = lattice[i]
        for (src, dest, label, _), score, number in zip(
            part.arcs.values().tolist(), part.scores.tolist(), part.number.tolist(), strict=True
        ):
            if label == -1:
                assert at[src] == count - 1 and score == 0
                steps[-1].add(place[src])
            else:
                assert at[dest] == at[src] + 1
                steps[at[src]].add((place[src], place[dest], number - 1, score))
        for t in range(count - 1):
            final = {i for i, label in enumerate(graph.labels.tolist()) if label == -1}
            assert steps[t] == {(s, d, -1 if a in final else a, score) for s, d, a, score in taken[t]}
        assert steps[-1] == {s for s, _, a, _ in taken[count - 1] if a >= 0 and graph.labels[a] == -1}


def test_a_recording_in_pieces_is_the_recording():
    graph, config = machine(3), k2.RnntDecodingConfig(4, 2, 5.0, 20, 8)
    whole = decode([k2.RnntDecodingStream(graph)] * 2, range(6), config).format_output([6, 4])
    stream = k2.RnntDecodingStream(graph)
    decode([stream], range(2), config)
    assert stream.num_frames == 2
    pieces = decode([stream], range(2, 6), config).format_output([6])
    assert str(pieces[0]) == str(whole[0])
    assert str(decode([stream], range(0), config).format_output([4])[0]) == str(whole[1])


def test_the_best_path_of_a_trivial_graph_is_that_of_the_network():
    graph, config = k2.trivial_graph(3), k2.RnntDecodingConfig(4, 1, 100.0, 10**6, 10**6)
    frames = 4
    decoding = decode([k2.RnntDecodingStream(graph)], range(frames + 1), config)
    lattice = k2.connect(decoding.format_output([frames + 1]))

    def best(context: int, t: int) -> float:
        if t == frames:
            return 0.0
        rows = network((context,), t, 4)
        return max(rows[s] + best(s or context, t + 1) for s in range(4))

    assert lattice.get_tot_scores(True, False).item() == pytest.approx(best(0, 0))
    assert len(k2.get_aux_labels(k2.shortest_path(lattice, True))[0]) <= frames


def test_partial_results_end_where_the_search_is():
    graph = k2.Fsa.from_str("0 1 1 0.5\n1 2 2 0.25\n2 3 -1 0\n3")
    graph.aux_labels = torch.tensor([7, 8, -1], dtype=torch.int32)
    graph.words = k2.RaggedTensor([[1], [2, 3], []])
    other = k2.trivial_graph(2)
    other.extra = torch.tensor([0.5, 1, 2])
    other.extra_filler = 9.0
    config = k2.RnntDecodingConfig(4, 1, 100.0, 100, 100)
    decoding = decode([k2.RnntDecodingStream(graph), k2.RnntDecodingStream(other)], range(2), config)
    assert decoding.format_output([2, 2])[0].labels.tolist().count(-1) == 0
    lattice = decoding.format_output([2, 1], allow_partial=True)
    assert lattice[0].labels.tolist() == [0, 1, -1, -1]
    assert lattice.aux_labels.tolist() == [0, 7, -1, -1, -1]
    assert lattice.words.tolist() == [[], [1], [], [], []]
    assert lattice.extra.tolist() == [9, 9, 9, 9, 2]
    nothing = decoding.format_output([0, 0])
    assert nothing.shape == (2, None, None) and nothing.num_arcs == 0


GRAPH = k2.trivial_graph(3)
CONFIG = k2.RnntDecodingConfig(4, 2, 5.0, 10, 10)


def streams() -> k2.RnntDecodingStreams:
    return k2.RnntDecodingStreams([k2.RnntDecodingStream(GRAPH)], CONFIG)


def ended() -> k2.RnntDecodingStreams:
    return decode([k2.RnntDecodingStream(GRAPH)], range(2), CONFIG)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k2.RnntDecodingConfig(0, 2, 5.0, 10, 10), "vocab_size=0, expected 1 or more"),
        (lambda: k2.RnntDecodingConfig(4, 0, 5.0, 10, 10), "decoder_history_len=0"),
        (lambda: k2.RnntDecodingConfig(4, 2, -1.0, 10, 10), "beam=-1.0, expected 0 or more"),
        (lambda: k2.RnntDecodingConfig(4, 2, float("nan"), 10, 10), "beam=nan"),
        (lambda: k2.RnntDecodingConfig(4, 2, 5.0, 0, 10), "max_states=0"),
        (lambda: k2.RnntDecodingConfig(4, 2, 5.0, 10, 2**31), "max_contexts=2147483648"),
        (lambda: k2.RnntDecodingStream(k2.create_fsa_vec([GRAPH])), "a batch of shape"),
        (lambda: k2.RnntDecodingStream(k2.Fsa.from_str("")), "a graph of 0 states, expected a start"),
        (lambda: k2.RnntDecodingStreams([], CONFIG), "0 streams on"),
        (
            lambda: k2.RnntDecodingStreams(
                [k2.RnntDecodingStream(k2.trivial_graph(4))], k2.RnntDecodingConfig(4, 2, 5.0, 10, 10)
            ),
            "label 4 in a graph, and vocab_size=4",
        ),
        (
            lambda: k2.RnntDecodingStreams(
                [k2.RnntDecodingStream(GRAPH)], k2.RnntDecodingConfig(5000, 6, 5.0, 10, 10)
            ),
            "5000 symbols, decoder_history_len=6 and 2 states of a graph make more than",
        ),
        (
            lambda: streams().advance(torch.zeros(2, 4)),
            r"logprobs of \(2, 4\) and torch.float32.*expected \(1, 4\)",
        ),
        (lambda: streams().advance(torch.zeros(1, 4).int()), "torch.int32"),
        (lambda: streams().advance(torch.zeros(1, 4, device="meta")), "on meta, expected"),
        (lambda: streams().advance(torch.full((1, 4), torch.nan)), "log-probability of symbol 0 is nan"),
        (lambda: streams().format_output([0]), "terminate_and_flush_to_streams comes first"),
        (lambda: ended().advance(torch.zeros(1, 4)), "the streams were terminated"),
        (lambda: ended().format_output([3]), r"num_frames=\[3\], expected 0 to \[2\] at most"),
        (lambda: ended().format_output([-1]), r"num_frames=\[-1\]"),
        (lambda: ended().format_output([1, 1]), r"num_frames=\[1, 1\]"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(FstError, match=message):
        call()


def test_impossible_symbols_are_not_followed():
    decoding = streams()
    decoding.advance(torch.tensor([[-1.0, -torch.inf, -2, -torch.inf]]))
    assert decoding.get_contexts()[1].tolist() == [[0, 0], [0, 2]]
