"""A graph for a CTC network from a lexicon and a text, and the best words through it.

    python examples/ctc_graph.py

The lexicon spells words in letters; a bigram of the text is the grammar. Frames are made up in place of a
network's: clear ones, and some that two letters share.
"""

import math
import random
import tempfile
from pathlib import Path

from sonant.fst import Fst, NgramLm, compose, shortest_path
from sonant.fst.graphs import Lexicon, compose_tlg

TEXT = [
    "the cat sat on the mat",
    "the cat ate the rat",
    "the rat sat on the hat",
    "a cat on a mat is a fat cat",
    "that rat is at the hat",
]


def frames(sentence: str, tokens: tuple[str, ...], seed: int) -> list[dict[int, float]]:
    """Probabilities of tokens, frame by frame: each letter for one or two frames, then a blank."""
    rng = random.Random(seed)
    found: list[dict[int, float]] = []
    for letter in sentence.replace(" ", ""):
        label = tokens.index(letter)
        other = rng.randrange(1, len(tokens))
        sure = rng.choice([0.95, 0.95, 0.4])  # the wrong letter may seem better
        found += [{other: 1 - sure, label: sure}] * rng.randint(1, 2)
        found.append({0: 1.0})
    return found


def acceptor(scores: list[dict[int, float]]) -> Fst:
    """A chain with an arc for each token of each frame; label k + 1 is token k."""
    fst = Fst()
    fst.add_states(len(scores) + 1)
    fst.set_start(0)
    for t, frame in enumerate(scores):
        for token, probability in frame.items():
            fst.add_arc(t, token + 1, token + 1, -math.log(probability), t + 1)
    fst.set_final(len(scores), 0.0)
    return fst


def main() -> None:
    words = sorted({word for line in TEXT for word in line.split()})
    tokens = ("<blk>", *sorted(set("".join(words))))
    lexicon = Lexicon.spelled(words, list)
    with tempfile.TemporaryDirectory() as folder:
        arpa = Path(folder) / "lm.arpa"
        NgramLm.train(TEXT, order=2).write(arpa)
        for topology in ("standard", "compact", "minimal"):
            graph = compose_tlg(tokens, lexicon, arpa, topology, missing="ignore")
            print(f"{topology}: {graph.num_states} states, {graph.num_arcs} arcs")
            if topology != "standard":
                continue
            for seed, said in enumerate(TEXT):
                best = shortest_path(compose(acceptor(frames(said, tokens, seed)), graph))
                heard = [graph.output_symbols.symbol(label) for label in best.arcs["olabel"] if label]  # type: ignore[union-attr]
                print(f"  said: {said}\n  heard: {' '.join(map(str, heard))}")


if __name__ == "__main__":
    main()
