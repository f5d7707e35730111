"""What must hold of every lattice, on random ones, against all of their paths."""

import math
from itertools import pairwise

import numpy as np
import pytest

from sonant.fst import Fst, OnDemand, relabel
from sonant.lattice import Lattice

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_determinize_keeps_the_best_path_of_all_words_within_the_beam(seed, paths):
    raw = paths.random_lattice(seed)
    best = paths.best_of_words(raw)
    least = min(best.values())
    for beam in (0.5, 3.0, 1e6):
        made = raw.determinize(beam)
        every = paths.all_paths(made)
        found = {words: cost for words, _, cost in every}
        assert len(found) == len(every)  # one path for each
        for words, cost in found.items():
            assert cost >= best[words] - 1e-3
        for words, cost in best.items():
            if cost < least + beam - 1e-3:
                assert found[words] == pytest.approx(cost, abs=1e-3)
    alignments = {(words, ids) for words, ids, _ in paths.all_paths(raw)}
    assert all((words, ids) in alignments for words, ids, _ in paths.all_paths(raw.determinize(1e6)))


@pytest.mark.parametrize("seed", SEEDS)
def test_determinizing_with_phones_first_changes_nothing(seed, paths):
    raw = paths.random_lattice(seed)
    phones = np.array([0, *(i if i % 2 else 0 for i in range(1, 10))], np.int32)
    plain, twice = raw.determinize(1e6), raw.determinize(1e6, phones=phones)
    assert paths.best_of_words(twice) == pytest.approx(paths.best_of_words(plain), abs=1e-3)
    assert len(paths.all_paths(twice)) == len(paths.all_paths(plain))
    assert paths.best_of_words(plain.minimize()) == pytest.approx(paths.best_of_words(plain), abs=1e-3)
    assert plain.minimize().num_states <= plain.num_states


@pytest.mark.parametrize("seed", SEEDS)
def test_both_forms_have_the_same_paths(seed, paths):
    raw = paths.random_lattice(seed)
    ours = sorted((words, ids) for words, ids, _ in paths.all_paths(raw.compact().raw()))
    assert ours == sorted((words, ids) for words, ids, _ in paths.all_paths(raw))


@pytest.mark.parametrize("seed", SEEDS)
def test_probabilities_are_those_of_paths(seed, paths):
    raw = paths.random_lattice(seed)
    every = paths.all_paths(raw)
    weights = np.exp(-np.array([cost for *_, cost in every]))
    found = raw.posteriors()
    assert found.log_probability == pytest.approx(math.log(weights.sum()), abs=1e-5)
    weights /= weights.sum()
    for t, frame in enumerate(found.frames):
        assert sum(p for _, p in frame) == pytest.approx(1, abs=1e-5)
        for label, p in frame:
            own = sum(w for w, (_, ids, _) in zip(weights, every, strict=True) if ids[t] == label)
            assert p == pytest.approx(own, abs=1e-5)
    arcs = raw.arc_posteriors()
    total, forward, backward = raw.costs()
    assert arcs.shape == (raw.num_arcs,)
    assert total == pytest.approx(-found.log_probability) == pytest.approx(backward[raw.fst.start])
    assert forward[raw.fst.start] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_high_labels_have_the_probabilities_of_low_ones(seed, paths):
    """Beyond 65,536 they are sorted, not counted."""
    raw = paths.random_lattice(seed)
    low = raw.posteriors()
    labels = np.unique(low.labels).tolist()
    moved = [(label, label + 100_000 if label % 2 else label) for label in labels]
    high = Lattice(relabel(raw.fst, moved)).posteriors()
    expected = [sorted((dict(moved)[label], p) for label, p in frame) for frame in low.frames]
    for ours, theirs in zip(high.frames, expected, strict=True):
        assert [label for label, _ in ours] == [label for label, _ in theirs]
        assert [p for _, p in ours] == pytest.approx([p for _, p in theirs], abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_risk_is_the_expected_number_of_errors_and_no_higher_than_that_of_the_best_path(seed, paths):
    compact = paths.random_lattice(seed).determinize(1e6)
    mbr, one_best = compact.mbr(), compact.mbr(decode=False)
    assert mbr.risk <= one_best.risk + 1e-6
    assert tuple(word.word for word in one_best.words) == compact.best_path().words
    for result in (mbr, one_best):
        expected = risk(paths, compact, [word.word for word in result.words])
        assert result.risk >= expected - 1e-3  # one alignment for all ways to a state: an upper bound
        for position in result.sausage:
            assert sum(word.probability for word in position.words) == pytest.approx(1, abs=1e-4)
        assert all(a.end <= b.begin + 1e-4 for a, b in pairwise(result.words))


def risk(paths, lattice, words):
    every = paths.all_paths(lattice)
    weights = np.exp(-np.array([cost for *_, cost in every]))
    errors = [distance(words, own) for own, *_ in every]
    return float((weights * errors).sum() / weights.sum())


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_prune_drops_what_is_outside_the_beam_alone(seed, paths):
    raw = paths.random_lattice(seed)
    every = sorted(paths.all_paths(raw), key=lambda path: path[2])
    for beam in (0.0, 1.0, 4.0):
        kept = {path[:2] for path in paths.all_paths(raw.prune(beam))}
        assert all(path[:2] in kept for path in every if path[2] < every[0][2] + beam - 1e-3)
        best = raw.prune(beam).best_path()
        assert best.cost == pytest.approx(every[0][2], abs=1e-4)
    assert best.words == every[0][0]
    assert best.alignment == every[0][1]


@pytest.mark.parametrize("seed", SEEDS)
def test_nbest_are_the_best_sentences(seed, paths):
    raw = paths.random_lattice(seed)
    best = sorted(paths.best_of_words(raw).items(), key=lambda pair: pair[1])
    found = raw.nbest(5)
    assert [path.cost for path in found] == pytest.approx([cost for _, cost in best[:5]], abs=1e-3)
    assert [path.words for path in found] == [words for words, _ in best[:5]]
    assert raw.best_path() == raw.nbest(1)[0]
    confidence = raw.sentence_confidence()
    assert confidence.difference == pytest.approx(best[1][1] - best[0][1], abs=1e-3)


def grammar() -> Fst:
    """A bigram over three words that backs off."""
    fst = Fst.from_text("0 1 0 0 1.5\n1 2 1 1 0.7\n1 3 2 2 1.1\n1 4 3 3 1.9\n0 2 1 1 0.2\n2 3 2 2 0.4\n"
                        "2 1 0 0 0.9\n3 1 0 0 0.3\n4 1 0 0 0.6\n1 0.8\n")  # fmt: skip
    return fst.arc_sort()


@pytest.mark.parametrize("seed", SEEDS)
def test_rescoring_there_and_back_is_the_identity(seed, paths):
    compact = paths.random_lattice(seed).determinize(1e6)
    model = OnDemand.backoff(grammar())
    there = compact.rescore(model, 0.7)
    assert paths.best_of_words(there.rescore(model, -0.7)) == pytest.approx(
        paths.best_of_words(compact), abs=1e-3
    )
    same = compact.rescore(model, 0.7, old=model)
    assert paths.best_of_words(same) == pytest.approx(paths.best_of_words(compact), abs=1e-3)
    words, cost = next(iter(paths.best_of_words(compact).items()))
    state, total = model.start(), 0.0
    for word in words:
        step = model.step(state, word)
        assert step is not None
        total, state = total + step[0], step[2]
    total += model.final(state)
    assert paths.best_of_words(there)[words] == pytest.approx(cost + 0.7 * total, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_path_has_the_fewest_errors(seed, paths):
    raw = paths.random_lattice(seed)
    rng = np.random.default_rng(seed)
    for length in (0, 2, 4):
        reference = rng.integers(1, 5, length).tolist()
        found = raw.oracle(reference)
        every = paths.all_paths(raw)
        errors = min(distance(reference, words) for words, *_ in every)
        assert found.errors == errors == distance(reference, found.path.words)
        cheapest = min(cost for words, _, cost in every if distance(reference, words) == errors)
        assert found.path.cost == pytest.approx(cheapest, abs=1e-3)
        assert len(found.path.words) - length == found.insertions - found.deletions


@pytest.mark.parametrize("seed", SEEDS)
def test_scales_penalties_unions_and_depth(seed, paths):
    raw = paths.random_lattice(seed)
    scaled = raw.scale(2.0, 0.5).add_word_penalty(0.25)
    best, penalized = raw.best_path(), scaled.nbest(1)[0]
    assert (
        min(
            2 * path.graph_cost + 0.5 * path.acoustic_cost + 0.25 * len(path.words)
            for path in raw.nbest(1000)
        )
        >= penalized.cost - 1e-3
    )
    other = paths.random_lattice(seed + 100)
    both = raw.union(other)
    assert both.best_path().cost == pytest.approx(min(best.cost, other.best_path().cost), abs=1e-4)
    assert len(paths.all_paths(raw.compact().union(other))) == len(paths.all_paths(raw)) + len(
        paths.all_paths(other)
    )
    depths = raw.depth_per_frame()
    assert depths.sum() == sum(arc["string_length"] for arc in raw.compact().fst.arcs)
    assert raw.limit_depth(2).depth_per_frame().max() <= 2
    assert raw.limit_depth(2).best_path().cost == pytest.approx(best.cost, abs=1e-3)
    assert raw.longest_sentence() == max(len(words) for words, *_ in paths.all_paths(raw))
    frames, times = raw.state_times()
    assert frames == 8
    assert times[raw.fst.start] == 0


def test_lattices_go_through_files(tmp_path, paths):
    raw = paths.random_lattice(3)
    for lattice in (raw, raw.determinize()):
        lattice.write(tmp_path / "lattice")
        for source in (tmp_path / "lattice", lattice.to_bytes()):
            again = Lattice.read(source)
            assert again.is_compact == lattice.is_compact
            assert again.fst.equal(lattice.fst, 0)
