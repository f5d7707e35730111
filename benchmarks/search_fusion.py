"""CTC prefix beam search with a lexicon and a trigram, one thread, against flashlight-text in the same run.

    pip install flashlight-text kenlm        (flashlight's model is read by KenLM)
    python benchmarks/search_fusion.py

A language of 20,000 words and its text are drawn at random; the model is trained on it. The scores are of
sentences of that language, 500 frames of 32 tokens, shaped as CTC output is, with a doubt between two letters
now and then. Words are spelled in letters with "|" behind them. flashlight-text compares the same tokens,
smears the best unigram over its trie as sonant does, and adds the paths of equal states (log_add).

The two prune differently, so that each one's best words are scored over all alignments, with the same model
and weight: the row says how much better (+) sonant's are, in nats, on average and at worst, and how many
words are wrong.
"""

import math
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from search import FRAMES, full_sum

from sonant.fst import NgramLm
from sonant.fst.graphs.lexicon import Lexicon
from sonant.search import Fusion, HotWords, ctc_prefix_beam

UTTERANCES, REPEATS = 12, 5
WEIGHT, BONUS = 0.8, 0.5
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
TOKENS = ["<blank>", "|", *LETTERS, "<1>", "<2>", "<unused>"]
Scores = npt.NDArray[np.float32]


def language(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Words, and sentences in which each word prefers a few others after it."""
    lengths = rng.integers(2, 10, 20_000)
    words = sorted({"".join(rng.choice(list(LETTERS[:26]), n)) for n in lengths})
    chance = 1 / np.arange(1, len(words) + 1)
    chance /= chance.sum()
    order = rng.permutation(len(words))
    drawn = order[rng.choice(len(words), 200_000, p=chance)]
    for i in range(1, len(drawn)):  # every other word follows from the one before
        if i % 2:
            drawn[i] = order[(drawn[i - 1] * 7919 + drawn[i] % 3) % len(words)]
    return words, [" ".join(words[w] for w in drawn[i : i + 10]) for i in range(0, len(drawn), 10)]


def speak(sentence: str, doubt: float, rng: np.random.Generator) -> Scores:
    """(FRAMES, tokens) log-probabilities of the sentence."""
    spelled = [TOKENS.index(letter) for word in sentence.split() for letter in f"{word}|"]
    logits = rng.normal(size=(FRAMES, len(TOKENS))) * doubt
    logits[:, 0] += 10
    ends = np.sort(rng.choice(np.arange(1, FRAMES // 2), len(spelled), replace=False)) * 2
    for at, token in zip(ends, spelled, strict=True):
        other = rng.integers(1, len(TOKENS) - 3)
        logits[at, 0] -= 8
        logits[at, token] += 10
        logits[at, other] += rng.uniform(5, 12)
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def sonant(fusion: Fusion, beam: int, hot: HotWords | None = None):
    def decode(scores: Scores) -> list[str]:
        found = ctc_prefix_beam([scores], beam=beam, num_threads=1, fusion=fusion, hot_words=hot)
        return list(found[0][0].words)

    return decode


def flashlight(words: list[str], lm: NgramLm, beam: int):
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconDecoder,
        LexiconDecoderOptions,
        SmearingMode,
        Trie,
    )
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    table = Dictionary([*words, "<unk>"])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lm.arpa")
        lm.write(path)
        model = KenLM(path, table)
    trie = Trie(len(TOKENS), len(TOKENS) - 1)
    start = model.start(False)
    for word in words:
        index = table.get_index(word)
        _, score = model.score(start, index)
        trie.insert([TOKENS.index(letter) for letter in f"{word}|"], index, score)
    trie.smear(SmearingMode.MAX)
    options = LexiconDecoderOptions(
        beam_size=beam,
        beam_size_token=len(TOKENS),
        beam_threshold=1e9,
        lm_weight=WEIGHT * math.log(10),  # KenLM's logarithms are of base 10
        word_score=BONUS,
        unk_score=-math.inf,
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    unknown = table.get_index("<unk>")
    decoder = LexiconDecoder(options, trie, model, len(TOKENS) - 1, 0, unknown, [], False)

    def decode(scores: Scores) -> list[str]:
        best = decoder.decode(scores.ctypes.data, *scores.shape)[0]
        return [table.get_entry(word) for word in best.words if word >= 0]

    return decode


def wrong_words(found: list[str], said: list[str]) -> int:
    row = list(range(len(said) + 1))
    for i, word in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def main() -> None:
    rng = np.random.default_rng(0)
    words, text = language(rng)
    lm = NgramLm.train(text, order=3)
    fusion = Fusion(
        TOKENS, Lexicon.spelled(words, lambda word: [*word, "|"]), lm=lm, lm_weight=WEIGHT, word_bonus=BONUS
    )
    print(f"{len(words)} words, {lm}; {FRAMES} frames of {len(TOKENS)} tokens, one thread")

    def total(scores: Scores, found: list[str]) -> float:
        tokens = tuple(TOKENS.index(letter) for word in found for letter in f"{word}|")
        return full_sum(scores, tokens) + WEIGHT * lm.score_sentence(found) + BONUS * len(found)

    for doubt in (1.0, 2.5):
        said = [s for s in rng.permutation(text)[: 4 * UTTERANCES] if len(s) < FRAMES // 2 - 20][:UTTERANCES]
        utterances = [speak(sentence, doubt, rng) for sentence in said]
        hot = HotWords({tuple(TOKENS.index(c) for c in word): 1.0 for word in rng.permutation(words)[:100]})
        for beam in (10, 100, 500):
            rows = {"sonant": sonant(fusion, beam), "with 100 hot words": sonant(fusion, beam, hot)}
            try:
                rows["flashlight"] = flashlight(words, lm, beam)
            except ImportError:
                print("flashlight-text is not installed")
            times: dict[str, list[float]] = {name: [] for name in rows}
            found: dict[str, list[list[str]]] = {}
            for _ in range(REPEATS):
                for name, decode in rows.items():
                    begin = time.process_time()
                    found[name] = [decode(scores) for scores in utterances]
                    times[name].append((time.process_time() - begin) / len(utterances))
            took = {name: median(each) for name, each in times.items()}
            print(f"doubt {doubt}  beam {beam:3d}", end="")
            for name in rows:
                ratio = "" if name == "sonant" else f" ({took[name] / took['sonant']:.2f}x)"
                wrong = sum(wrong_words(f, s.split()) for f, s in zip(found[name], said, strict=True))
                print(f" | {name} {took[name] * 1e3:.2f} ms{ratio}, {wrong} words wrong", end="")
            if "flashlight" in rows:
                gains = [
                    total(scores, a) - total(scores, b)
                    for scores, a, b in zip(utterances, found["sonant"], found["flashlight"], strict=True)
                ]
                print(f" | better by {np.mean(gains):+.3f}, at worst {min(gains):+.3f}", end="")
            print(flush=True)


if __name__ == "__main__":
    main()
