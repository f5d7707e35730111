"""CTC prefix beam search, one thread, against flashlight-text and ctc-beam-decoder in the same run.

    pip install flashlight-text ctc-beam-decoder        (a peer that is not there is left out)
    python benchmarks/search.py

The scores are synthetic, shaped as CTC output is: mostly blank, tokens in short peaks, a doubt between two
tokens now and then. All decode without a language model. sonant and flashlight-text compare every token;
flashlight-text keeps paths that end in blank and those that do not as two entries of its beam, so that its
beam holds fewer different sequences. ctc-beam-decoder runs as it comes: tokens under e^-5 and beams 10 below
the best are pruned; of its equal texts the scores are added, since it lists paths that end in blank and those
that do not as two.

After sonant's time: how far its score is from the sum over all alignments of its sequence, in nats (what the
beam dropped). After each peer's: its time as a multiple of sonant's; whether its best sequence is the same,
and if not, how much more (+) or less (-) probable it is over all alignments; its score less sonant's.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import numpy.typing as npt

from sonant.search import ctc_prefix_beam

FRAMES = 500
REPEATS = 9
Result = tuple[tuple[int, ...], float]


def ctc_like(tokens: int, doubt: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """(FRAMES, tokens) log-probabilities; `doubt` is the spread of the noise over the peaks, in nats."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(FRAMES, tokens)) * doubt
    logits[:, 0] += 10
    at = 0
    while (at := at + int(rng.integers(2, 7))) < FRAMES:
        token, other = rng.integers(1, tokens, 2)
        logits[at, [0, token, other]] += [-8, 10, rng.uniform(0, 10)]
        if rng.random() < 0.3:
            logits[at - 1, token] += 10
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def full_sum(scores: npt.NDArray[np.float32], tokens: tuple[int, ...]) -> float:
    """The log-probability of a sequence over all its alignments: Graves et al. 2006, equations 5 to 8."""
    labels = np.zeros(2 * len(tokens) + 1, np.int64)
    labels[1::2] = tokens
    may_skip = np.zeros(len(labels), bool)
    may_skip[2:] = (labels[2:] != 0) & (labels[2:] != labels[:-2])
    alpha = np.full(len(labels), -np.inf)
    alpha[:2] = scores[0, labels[:2]]
    for row in scores[1:].astype(np.float64):
        one, two = (np.concatenate([np.full(n, -np.inf), alpha[:-n]]) for n in (1, 2))
        alpha = np.logaddexp(np.logaddexp(alpha, one), np.where(may_skip, two, -np.inf)) + row[labels]
    return float(np.logaddexp(alpha[-1], alpha[-2]))


def sonant(scores: npt.NDArray[np.float32], beam: int) -> Callable[[], Result]:
    def decode() -> Result:
        best = ctc_prefix_beam([scores], beam=beam, num_threads=1)[0][0]
        return best.tokens, best.score

    return decode


def flashlight(scores: npt.NDArray[np.float32], beam: int) -> Callable[[], Result]:
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconFreeDecoder,
        LexiconFreeDecoderOptions,
        ZeroLM,
    )

    frames, tokens = scores.shape
    options = LexiconFreeDecoderOptions(
        beam_size=beam,
        beam_size_token=tokens,
        beam_threshold=1e9,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    decoder = LexiconFreeDecoder(options, ZeroLM(), -1, 0, [])

    def decode() -> Result:
        best = decoder.decode(scores.ctypes.data, frames, tokens)[0]
        runs = [t for i, t in enumerate(best.tokens) if i == 0 or t != best.tokens[i - 1]]
        return tuple(t for t in runs if t > 0), best.score

    return decode


def ctc_beam_decoder(scores: npt.NDArray[np.float32], beam: int) -> Callable[[], Result]:
    from ctc_beam_decoder import build_ctcdecoder

    first = 0x4E00  # one letter for each token, none of them a space
    decoder = build_ctcdecoder(["", *(chr(first + i) for i in range(1, scores.shape[1]))])

    def decode() -> Result:
        found = decoder.decode_beams(scores, beam_width=beam)
        text = found[0][0]
        score = np.logaddexp.reduce([beam[3] for beam in found if beam[0] == text])
        return tuple(ord(letter) - first for letter in text), float(score)

    return decode


def main() -> None:
    print(f"{FRAMES} frames, one thread, median of {REPEATS}, milliseconds; ratio = peer / sonant")
    for tokens in (32, 256):
        for beam in (10, 100):
            for doubt in (0.5, 2.0):
                scores = ctc_like(tokens, doubt)
                rows = {"sonant": sonant(scores, beam)}
                for peer in (flashlight, ctc_beam_decoder):
                    try:
                        rows[peer.__name__] = peer(scores, beam)
                    except ImportError:
                        print(f"{peer.__name__} is not installed")
                times: dict[str, list[float]] = {name: [] for name in rows}
                results: dict[str, Result] = {}
                for _ in range(REPEATS):  # taking turns, so that what else the machine does hits all alike
                    for name, decode in rows.items():
                        begin = time.perf_counter()
                        results[name] = decode()
                        times[name].append(time.perf_counter() - begin)
                mine = median(times["sonant"])
                best, score = results["sonant"]
                exact = full_sum(scores, best)
                assert score <= exact + 1e-6, "a beam cannot hold more than all paths"
                mark = f"tokens {tokens:3d}  beam {beam:3d}  doubt {doubt}"
                print(f"{mark}   sonant {mine * 1e3:5.2f} ({score - exact:.1g})", end="")
                for name in list(rows)[1:]:
                    took = median(times[name])
                    found, claimed = results[name]
                    same = "same" if found == best else f"other {full_sum(scores, found) - exact:+.2g}"
                    print(
                        f" | {name} {took * 1e3:7.2f} ({took / mine:5.1f}x, {same}, {claimed - score:+.2g})",
                        end="",
                    )
                print()


if __name__ == "__main__":
    main()
