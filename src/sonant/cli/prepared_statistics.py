"""What is in a manifest, counted and drawn."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.audio import Utterance
from sonant.text import Tokens

BINS = (1, 2, 3, 5, 7, 10, 13, 16, 20, 30)  # seconds, of the histogram
BAR = 40  # characters, of the fullest


def statistics(utterances: Sequence[Utterance], tokens: Tokens) -> dict[str, Any]:
    durations = np.array([u.duration for u in utterances])
    counts = np.array([len(tokens.encode(u.text)) for u in utterances])
    words = [word for u in utterances for word in u.text.split()]
    edges = [0, *BINS, np.inf]
    return {
        "utterances": len(utterances),
        "hours": round(float(durations.sum()) / 3600, 4),
        "speakers": len({u.speaker for u in utterances if u.speaker}),
        "seconds": {
            "least": float(durations.min()),
            "mean": round(float(durations.mean()), 3),
            "most": float(durations.max()),
        },
        "words": len(words),
        "different words": len(set(words)),
        "tokens": int(counts.sum()),
        "tokens of a text": {"mean": round(float(counts.mean()), 2), "most": int(counts.max())},
        "tokens a second": round(float(counts.sum() / durations.sum()), 2),
        "rates": {str(rate): n for rate, n in Counter(u.sample_rate for u in utterances).most_common()},
        "durations": {
            f"{b:g}": int(n) for b, n in zip(edges[1:], np.histogram(durations, edges)[0], strict=True)
        },
    }


def shown(name: str, row: dict[str, Any]) -> str:
    seconds, counts = row["seconds"], row["tokens of a text"]
    rates = ", ".join(f"{rate} Hz: {n}" for rate, n in row["rates"].items())
    lines = [
        f"{name}: {row['utterances']} utterances, {row['hours']:.2f} h, {row['speakers']} speakers, {rates}",
        f"  {seconds['least']:.2f} to {seconds['most']:.2f} s, mean {seconds['mean']:.2f}; {row['words']} "
        f"words, {row['different words']} different",
        f"  {row['tokens']} tokens, {row['tokens a second']} a second, {counts['mean']} a text, "
        f"{counts['most']} at most",
    ]
    most = max(row["durations"].values())
    before = "0"
    for bound, n in row["durations"].items():
        if n:
            span = f"{before} to {bound} s" if bound != "inf" else f"over {before} s"
            lines.append(f"  {span:>12} {n:7} {'#' * -(-BAR * n // most)}")
        before = bound
    return "\n".join(lines)
