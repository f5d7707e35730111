"""Forced alignment of a long recording: time, memory, and how well differences from the text are told.

    pip install ctc-segmentation                         (a peer that is not there is left out)
    python benchmarks/align.py CORPUS [--minutes 20]

CORPUS is a folder with manifest.jsonl, real speech and its texts; its utterances are put one after another
until the recording is long enough. The CTC scores of the bundled model are computed once; all aligners get
the same scores and the same tokens, each in a process of its own, one thread. Memory is what that process
grows by. "In place" are utterances whose words all lie in their part of the recording, give or take 0.2 s.

The second table changes the text: what was not said and found so, of words; audio without text and found so,
of frames; and how much of the rest was wrongly called unsaid or unmatched.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import sonant
from sonant import audio
from sonant.audio import Utterance, read_corpus
from sonant.model.model import Recognition
from sonant.search import AlignmentConfig, CtcAligner, CtcGreedy, TokenAlignment

SLACK = 5  # frames of 40 ms


class Kept(CtcGreedy):
    """Keeps the scores that a recognition gives to a search."""

    __slots__ = ("parts",)

    def __init__(self):
        super().__init__()
        self.parts: list[np.ndarray] = []

    def advance(self, scores: np.ndarray) -> None:
        self.parts.append(scores.copy())


@dataclass(frozen=True)
class Recording:
    scores: np.ndarray  # (frames, tokens)
    bounds: list[int]  # frame where each utterance begins, and the end
    texts: list[list[list[int]]]  # tokens of each word of each utterance


def record(corpus: Sequence[Utterance], minutes: float) -> Recording:
    """One utterance after another, each scored alone so that the frames where it lies are known."""
    model = sonant.load(threads=1)
    scores, bounds, texts = [], [0], []
    for utterance in corpus:
        if bounds[-1] * model.config.frame_seconds >= minutes * 60:
            break
        search = Kept()
        stream = Recognition(model, search, model.sample_rate)
        stream.feed(audio.load(utterance.audio, target_rate=model.sample_rate).samples)
        stream.end()
        model.advance([stream])
        scores += search.parts
        bounds.append(bounds[-1] + sum(map(len, search.parts)))
        texts.append([model.tokens.encode(word) for word in utterance.text.split()])
    return Recording(np.concatenate(scores), bounds, texts)


def flat(texts: Sequence[list[list[int]]]) -> tuple[list[int], list[int]]:
    words = [word for text in texts for word in text]
    return [token for word in words for token in word], np.cumsum([len(word) for word in words]).tolist()


def sonant_aligner(recording: Recording, texts: list, config: AlignmentConfig) -> TokenAlignment:
    aligner = CtcAligner(*flat(texts), config)
    for begin in range(0, len(recording.scores), 1000):
        aligner.advance(recording.scores[begin : begin + 1000])
    return aligner.result()


def utterance_frames(found: TokenAlignment, texts: list) -> list[tuple[int, int]]:
    """First and last frame of the words of each utterance that were found."""
    spans, at = [], 0
    for text in texts:
        count = sum(map(len, text))
        tokens = [token for token in found.tokens[at + 1 : at + count] if token is not None]
        spans.append((tokens[0].frame, tokens[-1].end_frame) if tokens else (-1, -1))
        at += count
    return spans


def sonants(recording: Recording, config: AlignmentConfig) -> list[tuple[int, int]]:
    return utterance_frames(sonant_aligner(recording, recording.texts, config), recording.texts)


def ctc_segmentation(recording: Recording) -> list[tuple[int, int]]:
    import ctc_segmentation as peer

    tokens = [np.array([token for word in text for token in word]) for text in recording.texts]
    config = peer.CtcSegmentationParameters(char_list=[str(i) for i in range(recording.scores.shape[1])])
    config.index_duration = 1.0
    truth, begins = peer.prepare_token_list(config, tokens)
    timings, probabilities, _ = peer.ctc_segmentation(config, recording.scores, truth)
    found = peer.determine_utterance_segments(config, begins, probabilities, timings, tokens)
    return [(round(start), round(end)) for start, end, _ in found]


def apart(work: Callable, *arguments) -> tuple[float, float, list[tuple[int, int]]]:
    """CPU seconds, megabytes and the result of work in a process of its own."""

    def run(pipe) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        result = work(*arguments)
        seconds = time.process_time() - began
        pipe.send((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, result))

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=run, args=(theirs,))
    process.start()
    theirs.close()
    answer = ours.recv()
    process.join()
    return answer


def in_place(recording: Recording, spans: list[tuple[int, int]]) -> float:
    bounds = recording.bounds
    return float(
        np.mean(
            [
                bounds[i] - SLACK <= begin < end <= bounds[i + 1] + SLACK
                for i, (begin, end) in enumerate(spans)
            ]
        )
    )


def differences(recording: Recording, other: list) -> None:
    count = len(recording.texts)
    chosen = set(range(5, count, 10))
    paragraph = set(range(count // 2, min(count // 2 + 10, count)))
    cases: list[tuple[str, list[int | None]]] = []  # the utterance that each part of the text is of, or None
    everything: list[int | None] = list(range(count))
    cases.append(("as it was said", everything))
    cases.append(("lacks each 10th utterance", [i for i in everything if i not in chosen]))
    cases.append(("lacks ten in a row", [i for i in everything if i not in paragraph]))
    cases.append(("has 10 % more", [j for i in everything for j in ([i, None] if i in chosen else [i])]))
    cases.append(("has others in their place", [None if i in chosen else i for i in everything]))
    print(f"\n{'the text':<28}{'unsaid found':>14}{'wrongly':>10}{'unmatched found':>18}{'wrongly':>10}")
    for name, parts in cases:
        texts = [other[at % len(other)] if i is None else recording.texts[i] for at, i in enumerate(parts)]
        found = sonant_aligner(recording, texts, AlignmentConfig())
        ends = flat(texts)[1]
        unsaid = np.array([found.tokens[end - 1] is None for end in ends])
        spoken = np.array([i is not None for i, text in zip(parts, texts, strict=True) for _ in text])
        free = np.zeros(len(recording.scores), bool)
        for begin, end in found.free:
            free[begin:end] = True
        lengths = np.diff(recording.bounds)
        without = np.repeat([i not in parts for i in range(count)], lengths)
        figures = [unsaid[~spoken], unsaid[spoken], free[without], free[~without]]
        shown = [f"{100 * part.mean():.1f} %" if len(part) else "-" for part in figures]
        print(f"{name:<28}{shown[0]:>14}{shown[1]:>10}{shown[2]:>18}{shown[3]:>10}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--minutes", type=float, default=20.0)
    arguments = parser.parse_args()
    corpus = read_corpus(arguments.corpus)
    recording = record(corpus, arguments.minutes)
    texts = recording.texts
    print(
        f"{len(recording.scores)} frames of 40 ms, {sum(map(len, texts))} words, {len(flat(texts)[0])} tokens"
    )
    print(f"\n{'aligner':<28}{'CPU s':>8}{'ratio':>8}{'MB':>8}{'in place':>10}")
    contenders = [
        ("sonant", sonants, AlignmentConfig()),
        ("sonant, strict", sonants, AlignmentConfig.strict()),
        ("ctc-segmentation", ctc_segmentation),
    ]
    first = 0.0
    for name, work, *rest in contenders:
        try:
            seconds, megabytes, spans = apart(work, recording, *rest)
        except EOFError:
            print(f"{name:<28}  not installed, or it failed")
            continue
        first = first or seconds
        share = in_place(recording, spans)
        print(f"{name:<28}{seconds:8.2f}{seconds / first:8.2f}{megabytes:8.0f}{100 * share:8.1f} %")
    model = sonant.load()
    spare = [[model.tokens.encode(word) for word in u.text.split()] for u in corpus[len(texts) :][:50]]
    if spare:
        differences(recording, spare)


if __name__ == "__main__":
    main()
