import pytest

from sonant.kaldi.base.io import istringstream, ostringstream
from sonant.kaldi.util import (
    ConstIntegerSet,
    TaskSequencerConfig,
    levenshtein_alignment,
    levenshtein_edit_distance,
    levenshtein_edit_distance_conventional,
    levenshtein_edit_distance_str,
    levenshtein_edit_distance_str_conventional,
)
from sonant.kaldi.util.options import ParseOptions

KALDI: list = [
    ([1, 3], [4], 2, (2, 0, 1, 1), [(1, 0), (3, 4)]),
    ([2, 4, 1, 2, 4, 4], [3, 2, 2], 5, (5, 1, 4, 0), [(2, 0), (4, 0), (1, 3), (2, 2), (4, 0), (4, 2)]),
    ([3, 3, 4, 3, 1, 4], [2, 4], 5, (5, 0, 4, 1), [(3, 0), (3, 0), (4, 0), (3, 0), (1, 2), (4, 4)]),
    ([4, 2, 3, 1, 3], [4, 1, 2], 3, (3, 0, 2, 1), [(4, 4), (2, 0), (3, 0), (1, 1), (3, 2)]),
    ([1, 1, 3, 3], [4, 3], 3, (3, 0, 2, 1), [(1, 0), (1, 0), (3, 4), (3, 3)]),
    ([1, 1], [4, 2, 1], 2, (2, 1, 0, 1), [(0, 4), (1, 2), (1, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "distance", "counts", "alignment"), KALDI)
def test_kaldi_s_distances(a: list, b: list, distance: int, counts: tuple, alignment: list):
    assert levenshtein_edit_distance(a, b) == distance
    assert levenshtein_edit_distance_conventional(a, b) == counts
    assert levenshtein_alignment(a, b, 0) == (distance, alignment)
    words, others = [str(item) for item in a], [str(item) for item in b]
    assert levenshtein_edit_distance_str(words, others) == distance
    assert levenshtein_edit_distance_str_conventional(words, others) == counts


def test_nothing():
    assert levenshtein_edit_distance_conventional([], [1, 2]) == (2, 2, 0, 0)
    assert levenshtein_edit_distance_conventional([1], []) == (1, 0, 1, 0)
    assert levenshtein_alignment([], [], 0) == (0, [])
    assert levenshtein_alignment([1], [], -1) == (1, [(1, -1)])


def test_sets():
    numbers = ConstIntegerSet.from_list([3, 1, 2, 3])
    assert numbers.size() == len(numbers) == 3 and not numbers.empty()
    assert numbers.count(3) == 1 and numbers.count(5) == 0 and 2 in numbers
    assert ConstIntegerSet.from_other(numbers) == numbers and ConstIntegerSet().empty()
    for binary, expected in ((True, b"\4\3\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), (False, b"[ 1 2 3 ]\n")):
        out = ostringstream()
        numbers.write(out, binary)
        assert out.getvalue() == expected
        again = ConstIntegerSet()
        again.read(istringstream.from_str(expected), binary)
        assert again == numbers


def test_task_options():
    config, po = TaskSequencerConfig(), ParseOptions("usage")
    config.register(po)
    po.parse_args(["x", "--num-threads=4", "--print-args=false"])
    assert (config.num_threads, config.num_threads_total) == (4, 0)
