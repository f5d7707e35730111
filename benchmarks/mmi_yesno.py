"""LF-MMI from a flat start on Kaldi's yesno corpus: seconds, and words wrong of recordings not trained on.

    python benchmarks/mmi_yesno.py FOLDER [--topology ctc] [--epochs 60] [--threads 1]

FOLDER has a manifest.jsonl, one object a line with "audio" (a path beside it), "text" and "split", Kaldi's:
recordings whose first word is NO are "train", the others "test". These are recognised by the denominator
graph, whose language model is of any words in any order.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import sonant.fsa as k2
from sonant import audio
from sonant.features import Fbank, FbankConfig
from sonant.losses import MmiGraphs, MmiLoss
from sonant.text import error_rate

# The two words of Hebrew, and silence, which a chain topology has as a token; a CTC topology has its blank.
PHONES = ["SIL", "L", "O", "K", "E", "N"]
LEXICON = {"NO": ["L", "O"], "YES": ["K", "E", "N"]}


def read(folder: Path) -> dict[str, list[tuple[Tensor, str]]]:
    """Features (frames, 20), of zero mean and unit variance over the recording, and the text, by split."""
    found = {"train": [], "test": []}
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        fbank = Fbank(FbankConfig(sample_frequency=8000, num_mel_bins=20, dither=0.0))
        mel = torch.from_numpy(fbank.compute(audio.load(folder / row["audio"], target_rate=8000).samples))
        found[row["split"]].append(((mel - mel.mean(0)) / mel.std(0), row["text"]))
    return found


class Network(nn.Module):
    """Convolutions over 0.3 s; one frame of three stays."""

    def __init__(self, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, stride, dilation in [(20, 1, 1), (48, 3, 1), (48, 1, 2), (48, 1, 4)]:
            layers += [
                nn.Conv1d(inputs, 48, 5, stride, padding=2 * dilation, dilation=dilation),
                nn.ReLU(),
                nn.BatchNorm1d(48),
                nn.Dropout(0.2),
            ]
        self.layers, self.out = nn.Sequential(*layers), nn.Conv1d(48, classes, 1)

    def forward(self, features: list[Tensor]) -> k2.DenseFsaVec:
        batch = nn.utils.rnn.pad_sequence(features, batch_first=True)
        scores = self.out(self.layers(batch.transpose(1, 2))).transpose(1, 2)
        frames = [(len(row) + 2) // 3 for row in features]
        segments = torch.tensor([[i, 0, n] for i, n in enumerate(frames)], dtype=torch.int32)
        return k2.DenseFsaVec(scores, segments)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--topology", choices=["ctc", "modified-ctc", "one-state", "two-state"], default="ctc"
    )
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--leak", type=float, default=0.0)
    parser.add_argument("--boost", type=float, default=0.0)
    parser.add_argument("--noise", type=float, default=0.5, help="of features, in training")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    corpus = read(options.folder)
    train, test = corpus["train"], corpus["test"]
    began = time.perf_counter(), time.process_time()
    chain = not options.topology.endswith("ctc")
    phones = PHONES if chain else PHONES[1:]
    spelled = {word: [phones.index(phone) + 1 for phone in LEXICON[word]] for word in LEXICON}
    acceptors = {text: said(text.split(), spelled, chain) for _, text in train}
    # What could be said: any words in any order.
    any_words = [row for n in (1, 2, 3) for row in itertools.product(LEXICON, repeat=n)]
    sequences = [[1] * chain + [t for word in row for t in spelled[word] + [1] * chain] for row in any_words]
    graphs = MmiGraphs.train(sequences, len(phones), options.topology, order=3)
    numerators = {text: graphs.numerators(k2.create_fsa_vec([fsa]))[0] for text, fsa in acceptors.items()}
    network = Network(graphs.classes)
    loss = MmiLoss(graphs.denominator, leak=options.leak, boost=options.boost, reduction="mean")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    for epoch in range(options.epochs):
        total = 0.0
        for _ in range(0, len(train), 5):
            batch = [train[j] for j in torch.randperm(len(train))[:5].tolist()]
            found = loss(
                network([augmented(x, options.noise) for x, _ in batch]),
                k2.create_fsa_vec([numerators[t] for _, t in batch]),
            )
            optimizer.zero_grad()
            found.backward()
            optimizer.step()
            total += float(found.detach())
        schedule.step()
        print(f"epoch {epoch + 1}: {total / (len(train) / 5):.4f} a frame")
    seconds = time.perf_counter() - began[0], time.process_time() - began[1]
    network.eval()
    with torch.no_grad():
        lattice = k2.intersect_dense(graphs.denominator, network([x for x, _ in test]), 8.0)
    best = k2.shortest_path(lattice, use_double_scores=True)
    names = {tuple(tokens): word for word, tokens in spelled.items()}
    heard = [words_of(best[i].aux_labels.tolist(), names, chain) for i in range(len(test))]
    for (_, text), found in zip(test, heard, strict=True):
        if text != found:
            print(f"said {text}\nheard {found}")
    print(error_rate([text for _, text in test], heard))
    print(f"{options.topology}: {seconds[0]:.1f} s, {seconds[1]:.1f} s of CPU to train")


def augmented(features: Tensor, noise: float) -> Tensor:
    """Up to a fifth slower or faster, and noisy."""
    size = int(len(features) * (0.8 + 0.4 * float(torch.rand(()))))
    warped = nn.functional.interpolate(features.T[None], size, mode="linear")[0].T
    return warped + noise * torch.randn_like(warped)


def said(words: list[str], spelled: dict[str, list[int]], silences: bool) -> k2.Fsa:
    """The tokens of words; with silences (1) at both ends, and between words, where they may be left out."""
    arcs: list[tuple[int, int, int]] = []
    state = 0
    for i, word in enumerate(words):
        if silences:
            arcs.append((state, state + 1, 1))
            if i:
                arcs.append((state, state + 2, spelled[word][0]))
            state += 1
        for token in spelled[word]:
            arcs.append((state, state + 1, token))
            state += 1
    if silences:
        arcs.append((state, state + 1, 1))
        state += 1
    arcs.append((state, state + 1, -1))
    return k2.Fsa(torch.tensor([(*arc, 0) for arc in arcs], dtype=torch.int32))


def words_of(tokens: list[int], names: dict[tuple[int, ...], str], silences: bool) -> str:
    """The words that a sequence of tokens is; what is none is left out."""
    rest, found = tuple(token for token in tokens if token > silences), []
    while rest:
        size = next((len(spelling) for spelling in names if rest[: len(spelling)] == spelling), 0)
        if size:
            found.append(names[rest[:size]])
        rest = rest[size or 1 :]
    return " ".join(found)


if __name__ == "__main__":
    main()
