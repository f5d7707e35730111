"""Edit distances of sequences, with Kaldi's choice among equal alignments (`util/edit-distance` of Kaldi).

`sonant.text` has error rates, faster: these are for programs that compare with Kaldi's counts.
"""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item", int, str)


def levenshtein_edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Insertions, deletions and substitutions that make b of a, at the least."""
    return _distance(a, b)


def levenshtein_edit_distance_str(a: Sequence[str], b: Sequence[str]) -> int:
    """The same of sequences of words."""
    return _distance(a, b)


def _distance(a: Sequence[Item], b: Sequence[Item]) -> int:
    from rapidfuzz.distance import (
        Levenshtein,
    )  # here, as every program that reads a table imports this package

    return Levenshtein.distance(list(a), list(b))


def _counted(a: Sequence[Item], b: Sequence[Item]) -> tuple[int, int, int, int]:
    # (errors, insertions, deletions, substitutions) of a[:i] and b[:j], row by row of j
    row = [(i, 0, i, 0) for i in range(len(a) + 1)]
    for item in b:
        errors, inserted, deleted, changed = row[0]
        new = [(errors + 1, inserted + 1, deleted, changed)]
        for i, other in enumerate(a):
            insert, delete, change = row[i + 1], new[i], row[i]
            wrong = int(item != other)
            if change[0] + wrong < min(insert[0], delete[0]) + 1:
                new.append((change[0] + wrong, change[1], change[2], change[3] + wrong))
            elif delete[0] < insert[0]:
                new.append((delete[0] + 1, delete[1], delete[2] + 1, delete[3]))
            else:
                new.append((insert[0] + 1, insert[1] + 1, insert[2], insert[3]))
        row = new
    return row[-1]


def levenshtein_edit_distance_conventional(a: Sequence[int], b: Sequence[int]) -> tuple[int, int, int, int]:
    """(errors, insertions, deletions, substitutions) that make the hypothesis b of the reference a."""
    return _counted(a, b)


def levenshtein_edit_distance_str_conventional(
    a: Sequence[str], b: Sequence[str]
) -> tuple[int, int, int, int]:
    """The same of sequences of words."""
    return _counted(a, b)


def levenshtein_alignment(
    a: Sequence[int], b: Sequence[int], eps_label: int
) -> tuple[int, list[tuple[int, int]]]:
    """(errors, pairs): every item of a beside the one of b that it becomes; eps_label where there is none."""
    costs = [[i + j if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = costs[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            costs[i][j] = min(change, costs[i - 1][j] + 1, costs[i][j - 1] + 1)
    pairs = []
    i, j = len(a), len(b)
    while i or j:
        infinite = len(a) + len(b) + 1
        change = costs[i - 1][j - 1] + (a[i - 1] != b[j - 1]) if i and j else infinite
        delete = costs[i - 1][j] + 1 if i else infinite
        insert = costs[i][j - 1] + 1 if j else infinite
        if change <= min(delete, insert):
            i, j = i - 1, j - 1
            pairs.append((a[i], b[j]))
        elif delete <= insert:
            i -= 1
            pairs.append((a[i], eps_label))
        else:
            j -= 1
            pairs.append((eps_label, b[j]))
    return costs[-1][-1], pairs[::-1]
