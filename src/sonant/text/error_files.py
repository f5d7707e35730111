"""Error statistics in the layout of icefall's files, for its scripts and for people to compare.

recogs-SET-SETTING.txt    per utterance "id:\\tref=[...]" and "id:\\thyp=[...]", the words as Python lists
errs-SET-SETTING.txt      %WER, the counts, then PER-UTT DETAILS (errors as "(ref->hyp)", neighbours joined, *
                          for nothing), SUBSTITUTIONS, DELETIONS, INSERTIONS (the most frequent first) and
                          PER-WORD STATS (correct, errors, times in the references and in the hypotheses)
wer-summary-SET.txt       "settings\\tWER", then a line for each setting, the best first
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sonant.text.errors import ErrorRate, UtteranceErrors

NOTHING = "*"


def recogs(result: ErrorRate) -> str:
    """Of recogs-*.txt."""
    lines: list[str] = []
    for one in result.utterances:
        reference = [edit.reference for edit in one.alignment if edit.reference is not None]
        hypothesis = [edit.hypothesis for edit in one.alignment if edit.hypothesis is not None]
        lines += [f"{one.name}:\tref={reference}", f"{one.name}:\thyp={hypothesis}"]
    return "".join(f"{line}\n" for line in lines)


def error_stats(result: ErrorRate) -> str:
    """Of errs-*.txt; the rate of no reference words is 0."""
    correct = result.reference_length - result.substitutions - result.deletions
    lines = [
        f"%WER = {percent(result)}",
        f"Errors: {result.insertions} insertions, {result.deletions} deletions, {result.substitutions} "
        f"substitutions, over {result.reference_length} reference words ({correct} correct)",
        "Search below for sections starting with PER-UTT DETAILS:, SUBSTITUTIONS:, DELETIONS:, INSERTIONS:, "
        "PER-WORD STATS:",
        "",
        "PER-UTT DETAILS: corr or (ref->hyp)  ",
        *(f"{one.name}:\t{' '.join(_details(one))}" for one in result.utterances),
        "",
        "SUBSTITUTIONS: count ref -> hyp",
    ]
    pairs: Counter[tuple[str, str]] = Counter()
    deleted: Counter[str] = Counter()
    inserted: Counter[str] = Counter()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])  # correct, errors, in ref, in hyp
    for one in result.utterances:
        for edit in one.alignment:
            if edit.operation == "equal":
                counts[edit.reference or ""][0] += 1
            elif edit.operation == "substitute":
                pairs[edit.reference or "", edit.hypothesis or ""] += 1
            elif edit.operation == "delete":
                deleted[edit.reference or ""] += 1
            else:
                inserted[edit.hypothesis or ""] += 1
            for word, place in ((edit.reference, 2), (edit.hypothesis, 3)):
                if word is not None:
                    counts[word][place] += 1
                    counts[word][1] += edit.operation != "equal"
    lines += [f"{count}   {ref} -> {hyp}" for count, (ref, hyp) in _most(pairs)]
    lines += ["", "DELETIONS: count ref", *(f"{count}   {word}" for count, word in _most(deleted))]
    lines += ["", "INSERTIONS: count hyp", *(f"{count}   {word}" for count, word in _most(inserted))]
    lines += ["", "PER-WORD STATS: word  corr tot_errs count_in_ref count_in_hyp"]
    # As icefall has them: by errors, and by times that a substitution, insertion or deletion met the word.
    ordered = sorted(counts.items(), key=lambda item: (item[1][1], item[0]), reverse=True)
    lines += [f"{word}   {' '.join(map(str, numbers))}" for word, numbers in ordered]
    return "".join(f"{line}\n" for line in lines)


def settings_summary(settings: Mapping[str, ErrorRate]) -> str:
    """Of wer-summary-*.txt."""
    ordered = sorted(settings.items(), key=lambda item: item[1].rate)
    return "".join(["settings\tWER\n", *(f"{name}\t{percent(result)}\n" for name, result in ordered)])


def percent(result: ErrorRate) -> str:
    """With two digits; 0.00 where there are no reference words."""
    return f"{100 * result.rate:.2f}" if result.reference_length else "0.00"


def _most(counts: Counter[Any]) -> list[tuple[int, Any]]:
    return sorted(((count, key) for key, count in counts.items()), reverse=True)


def _details(one: UtteranceErrors) -> Iterator[str]:
    """Correct words, and errors that stand together as one."""
    reference: list[str] = []
    hypothesis: list[str] = []
    for edit in [*one.alignment, None]:
        if edit is not None and edit.operation != "equal":
            reference += [] if edit.reference is None else [edit.reference]
            hypothesis += [] if edit.hypothesis is None else [edit.hypothesis]
            continue
        if reference or hypothesis:
            yield f"({' '.join(reference) or NOTHING}->{' '.join(hypothesis) or NOTHING})"
            reference, hypothesis = [], []
        if edit is not None:
            yield edit.reference or ""
