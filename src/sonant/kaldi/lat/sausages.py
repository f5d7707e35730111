"""Minimum Bayes risk decoding (PyKaldi's `kaldi.lat.sausages`)."""

from collections.abc import Sequence
from typing import Any

from sonant.kaldi.lat._lattices import compact_of
from sonant.kaldi.util.options import Options, option
from sonant.lattice import MbrResult


class MinimumBayesRiskOptions(Options):
    """How to decode."""

    decode_mbr: bool = option(
        True, "decode-mbr", "Look for the words with the least risk, rather than those of the best path"
    )
    print_silence: bool = option(False, "print-silence", "Keep the gaps between words as words 0")


class MinimumBayesRisk:
    """The words of a compact lattice with the least expected number of errors, at once (Xu, Povey, Mangu
    and Zhu, "Minimum Bayes risk decoding and system combination based on a recursion for edit distance",
    2011).

    Scale acoustic costs before. Raises FstError for lattices without a path, or with a cycle.
    """

    def __init__(self, clat: Any, opts: MinimumBayesRiskOptions | None = None):
        self._decode(clat, None, opts)

    def _decode(self, clat: Any, words: Sequence[int] | None, opts: MinimumBayesRiskOptions | None) -> None:
        options = opts or MinimumBayesRiskOptions()
        self._result: MbrResult = compact_of(clat).mbr(
            decode=options.decode_mbr, print_silence=options.print_silence, words=words
        )

    @classmethod
    def new_with_words(
        cls, clat: Any, words: Sequence[int], opts: MinimumBayesRiskOptions | None = None
    ) -> "MinimumBayesRisk":
        """Begins with these words rather than the best path's."""
        mbr = cls.__new__(cls)
        mbr._decode(clat, words, opts)
        return mbr

    @classmethod
    def new_with_words_times(
        cls,
        clat: Any,
        words: Sequence[int],
        times: Sequence[tuple[float, float]],
        opts: MinimumBayesRiskOptions | None = None,
    ) -> "MinimumBayesRisk":
        """The same; times are found anew whatever `times` are, as in Kaldi. Raises ValueError where there
        are not as many as words."""
        if len(times) != len(words):
            raise ValueError(f"{len(words)} words and {len(times)} times; expected as many")
        return cls.new_with_words(clat, words, opts)

    def get_one_best(self) -> list[int]:
        """The words."""
        return [word.word for word in self._result.words]

    def get_one_best_times(self) -> list[tuple[float, float]]:
        """(begin, end) of each word, in frames."""
        return [(word.begin, word.end) for word in self._result.words]

    def get_one_best_confidences(self) -> list[float]:
        """The probability of each word."""
        return [word.confidence for word in self._result.words]

    def get_bayes_risk(self) -> float:
        """The expected number of errors."""
        return self._result.risk

    def get_sausage_stats(self) -> list[list[tuple[int, float]]]:
        """(word, probability) of what may stand at each position, the likeliest first."""
        return [[(word.word, word.probability) for word in bin.words] for bin in self._result.sausage]

    def get_sausage_times(self) -> list[tuple[float, float]]:
        """(begin, end) of each position, in frames."""
        return [(bin.begin, bin.end) for bin in self._result.sausage]
