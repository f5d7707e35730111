"""Numerators and denominator of LF-MMI: a topology of classes, and a language model of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.fsa import Fsa, arc_sort, compose, connect, create_fsa_vec, ctc_topo, intersect, linear_fsa
from sonant.fst import NgramLm

Topology = Literal["ctc", "modified-ctc", "one-state", "two-state"]


@dataclass(frozen=True)
class MmiGraphs:
    """What was said and what could have been said, as automata over the classes of a network.

    topology: classes in (labels), tokens out (aux_labels), see `topology`. language_model: an acceptor of
    token sequences without epsilons, see `token_model`. denominator: both together, for all recordings.
    """

    topology: Fsa
    language_model: Fsa
    denominator: Fsa

    @classmethod
    def of(cls, topology: Fsa, language_model: Fsa) -> "MmiGraphs":
        return cls(topology, language_model, connect(compose(topology, language_model)))

    @classmethod
    def train(
        cls,
        transcripts: Sequence[Sequence[int]],
        tokens: int,
        kind: Topology = "ctc",
        *,
        order: int = 3,
        prune: float = 0.0,
    ) -> "MmiGraphs":
        """With an n-gram of the transcripts' tokens 1 to `tokens` (phones, characters, words), without the
        n-grams that change its perplexity by less than `prune` (1e-5, say; 0: all are kept).

        Raises ConfigError for tokens that cannot be.
        """
        wrong = [token for row in transcripts for token in row if not 1 <= token <= tokens]
        if wrong:
            raise ConfigError(f"token {wrong[0]} in the transcripts, expected 1 to {tokens}")
        text = [" ".join(map(str, row)) for row in transcripts]
        names = [str(token) for token in range(1, tokens + 1)]
        model = NgramLm.train(text, order, vocabulary=names)
        return cls.of(topology(kind, tokens), token_model(model.prune(prune) if prune else model, tokens))

    @property
    def classes(self) -> int:
        """That the network must have."""
        return int(self.topology.labels.max()) + 1

    def numerators(self, transcripts: Sequence[Sequence[int]] | Fsa) -> Fsa:
        """A batch: all alignments of each transcript (of tokens, or acceptors of its alternatives) with the
        language model's score, which the denominator has too, so that no loss is below 0.
        """
        said = transcripts if isinstance(transcripts, Fsa) else linear_fsa([list(row) for row in transcripts])
        return connect(compose(self.topology, intersect(self.language_model, said)))

    def aligned(
        self,
        alignments: Sequence[Sequence[int]],
        transcripts: Sequence[Sequence[int]] | Fsa | None = None,
        *,
        tolerance: int = 0,
    ) -> Fsa:
        """Numerators of alignments, a class for each frame (see `classes_of`), with the language model's
        score: the paths whose class in each frame is one that the alignment has up to `tolerance` frames
        away, as in chain training. transcripts: what these paths say; None: anything.

        Raises ConfigError for classes that the network has not, and for as many transcripts as do not fit.
        """
        if tolerance < 0:
            raise ConfigError(f"tolerance {tolerance}, expected 0 frames or more")
        near: list[Fsa] = []
        for i, row in enumerate(alignments):
            wrong = [class_ for class_ in row if not 0 <= class_ < self.classes]
            if wrong:
                raise ConfigError(f"class {wrong[0]} in alignment {i}, expected 0 to {self.classes - 1}")
            arcs = [
                (t, t + 1, class_, 0)
                for t in range(len(row))
                for class_ in sorted(set(row[max(0, t - tolerance) : t + tolerance + 1]))
            ]
            arcs.append((len(row), len(row) + 1, -1, 0))
            near.append(Fsa(torch.tensor(arcs, dtype=torch.int32)))
        paths = self.denominator if transcripts is None else self.numerators(transcripts)
        if transcripts is not None and paths.arcs.dim0() != len(near):
            raise ConfigError(f"{paths.arcs.dim0()} transcripts and {len(near)} alignments, expected as many")
        return connect(intersect(arc_sort(paths), create_fsa_vec(near), treat_epsilons_specially=False))


def topology(kind: Topology, tokens: int) -> Fsa:
    """How tokens 1 to `tokens` (aux_labels) take frames of classes (labels).

    "ctc": CTC's, class 0 is the blank and class k token k; "modified-ctc": without the blank that must be
    between equal tokens. Without a blank, as in chain models: "one-state": class k - 1 once or more for token
    k; "two-state": class 2 k - 2 for the first frame of token k and 2 k - 1 for those after it.
    """
    if tokens < 1:
        raise ConfigError(f"tokens {tokens}, expected 1 or more")
    if kind in ("ctc", "modified-ctc"):
        return ctc_topo(tokens, modified=kind == "modified-ctc")
    if kind not in ("one-state", "two-state"):
        raise ConfigError(f"topology {kind!r}, expected 'ctc', 'modified-ctc', 'one-state' or 'two-state'")
    each = 2 if kind == "two-state" else 1
    arcs: list[tuple[int, int, int, int]] = []
    aux: list[int] = []
    for state in range(tokens + 1):
        arcs += [(state, token, each * (token - 1), 0) for token in range(1, tokens + 1)]
        aux += range(1, tokens + 1)
        if state:
            arcs.append((state, state, each * state - 1, 0))
            aux.append(0)
        arcs.append((state, tokens + 1, -1, 0))
        aux.append(-1)
    return Fsa(torch.tensor(arcs, dtype=torch.int32), torch.tensor(aux))


def classes_of(kind: Literal["one-state", "two-state"], segments: Sequence[tuple[int, int]]) -> list[int]:
    """The class of each frame of an alignment: tokens and how many frames each of them takes.

    Raises ConfigError for tokens and lengths that cannot be.
    """
    if kind not in ("one-state", "two-state"):
        raise ConfigError(f"topology {kind!r}, expected 'one-state' or 'two-state'")
    found: list[int] = []
    for token, frames in segments:
        if token < 1 or frames < 1:
            raise ConfigError(f"token {token} for {frames} frames, expected 1 or more of both")
        first, rest = (2 * token - 2, 2 * token - 1) if kind == "two-state" else (token - 1, token - 1)
        found += [first] + [rest] * (frames - 1)
    return found


def token_model(model: NgramLm, tokens: int) -> Fsa:
    """The n-gram as an acceptor without epsilons, whose scores are its log-probabilities exactly.

    From each history that may come, an arc for each token: the model's own, or what its backoff gives. Words
    "1" to the number of tokens are the tokens; what the model has no probability for has no arc.
    """
    grammar = model.to_fst()
    word = dict(grammar.output_symbols or ())
    token_of = {word[str(token)]: token - 1 for token in range(1, tokens + 1) if str(token) in word}
    states, arcs = grammar.states, grammar.arcs
    cost = np.full((len(states), tokens), np.inf, np.float32)
    dest = np.zeros((len(states), tokens), np.int32)
    final = np.full(len(states), np.inf, np.float32)
    done = np.zeros(len(states), bool)

    def fill(state: int) -> None:
        """Its row, from that of the history that it backs off to; its own arcs come before."""
        own = [arc.tolist() for arc in arcs[_range(states[state])]]
        for _, out, weight, to in own:
            if out == 0:
                if not done[to]:
                    fill(to)
                cost[state], dest[state], final[state] = cost[to] + weight, dest[to], final[to] + weight
        for _, out, weight, to in own:
            if out in token_of:
                cost[state, token_of[out]], dest[state, token_of[out]] = weight, to
        explicit = states[state].tolist()[0]
        final[state] = explicit if np.isfinite(explicit) else final[state]
        done[state] = True

    number = {grammar.start: 0}
    order = [grammar.start]
    for state in order:  # which grows meanwhile
        if not done[state]:
            fill(state)
        for to in np.unique(dest[state][np.isfinite(cost[state])]).tolist():
            if number.setdefault(to, len(order)) == len(order):
                order.append(to)
    rows: list[Tensor] = []
    scores: list[Tensor] = []
    ids = np.full(len(states), -1, np.int32)
    ids[order] = np.arange(len(order))
    for state in order:
        there = np.isfinite(cost[state]).nonzero()[0]
        ends = int(np.isfinite(final[state]))
        to = np.concatenate([ids[dest[state][there]], [len(order)] * ends])
        label = np.concatenate([there + 1, [-1] * ends])
        columns = np.full(len(to), ids[state]), to, label, np.zeros(len(to))
        rows.append(torch.from_numpy(np.stack(columns, 1).astype(np.int32)))
        scores.append(torch.from_numpy(-np.append(cost[state][there], final[state : state + ends])))
    fsa = Fsa(torch.cat(rows))
    fsa.scores = torch.cat(scores)
    return fsa


def _range(state: np.void) -> slice:
    """The arcs of a state of an Fst's table."""
    _, begin, count, *_ = state.tolist()
    return slice(begin, begin + count)


def occupancy(denominator: Fsa, frames: int = 100) -> Tensor:
    """Where the denominator is at a frame by itself: the mean over the first frames, (states,).

    They add up to 1. As chain training has it: by the arcs' probabilities, made to add up to 1 over all
    states at each frame.
    """
    source, dest, label = (denominator.arcs.values()[:, i].long() for i in range(3))
    states = denominator.arcs.num_states()
    share = denominator.scores.detach().double().exp().masked_fill(label == -1, 0)
    here = torch.zeros(states, dtype=torch.float64, device=share.device)
    total = here.clone()
    here[:1] = 1
    for _ in range(frames):
        total += here
        here = torch.zeros_like(here).index_add(0, dest, here[source] * share)
        here = here / here.sum().clamp(min=1e-300)
    return total / total.sum().clamp(min=1e-300)
