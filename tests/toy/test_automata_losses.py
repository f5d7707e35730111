"""Tiny networks that learn through automata: CTC of graphs, LF-MMI and expected word errors, in seconds."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sonant.fsa as k2
from sonant.kaldi.util.table import SequentialMatrixReader
from sonant.losses import MmiGraphs, MmiLoss, mwer_loss
from sonant.losses.mmi_graphs import Topology
from sonant.text import error_rate
from sonant.train import FlatStartMmi, MmiConfig

YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"


class Task:
    """Sequences of 1 to 3 of three tokens; each sounds for some frames as a noisy vector of its own."""

    def __init__(self, sequences: int = 12):
        generator = np.random.default_rng(0)
        sounds = generator.standard_normal((4, 6))
        self.texts: list[list[int]] = []
        self.features: list[torch.Tensor] = []
        for _ in range(sequences):
            text = generator.integers(1, 4, generator.integers(1, 4)).tolist()
            text = [token for token, _ in itertools.groupby(text)]
            frames = np.concatenate([np.full(generator.integers(3, 7), token) for token in text])
            noise = 0.2 * generator.standard_normal((len(frames), 6))
            self.texts.append(text)
            self.features.append(torch.tensor(sounds[frames] + noise, dtype=torch.float32))
        self.frames = [len(row) for row in self.features]

    def dense(self, network: nn.Module, normalise: bool) -> k2.DenseFsaVec:
        scores = network(nn.utils.rnn.pad_sequence(self.features, batch_first=True))
        segments = torch.tensor([[i, 0, n] for i, n in enumerate(self.frames)], dtype=torch.int32)
        return k2.DenseFsaVec(scores.log_softmax(-1) if normalise else scores, segments)


def recognised(graph: k2.Fsa, dense: k2.DenseFsaVec) -> list[list[int]]:
    """The tokens of the best path of each segment."""
    with torch.no_grad():
        best = k2.shortest_path(k2.intersect_dense(graph, dense, 10.0), use_double_scores=True)
    found = [best[i].aux_labels for i in range(dense.dim0())]
    return [[t for t in labels.tolist() if t > 0] for labels in found if isinstance(labels, torch.Tensor)]


def network_of(classes: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, classes))


def test_ctc_of_graphs_learns():
    task, network = Task(), network_of(4)
    graph = k2.ctc_graph(task.texts)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    loss = torch.zeros(())
    for _ in range(100):
        loss = k2.ctc_loss(graph, task.dense(network, True), delay_penalty=0.1) / len(task.texts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    plain = k2.ctc_loss(graph, task.dense(network, True)) / len(task.texts)
    assert plain.item() < 0.2
    assert recognised(k2.ctc_topo(3), task.dense(network, True)) == task.texts


@pytest.mark.parametrize(("kind", "leak", "boost"), [("two-state", 1e-4, 0.0), ("one-state", 0.0, 0.2)])
def test_lattice_free_mmi_learns_from_a_flat_start(kind: Topology, leak: float, boost: float):
    task = Task()
    graphs = MmiGraphs.train(task.texts, 3, kind, order=2)
    network, loss = network_of(graphs.classes), MmiLoss(graphs.denominator, reduction="mean")
    training = MmiLoss(graphs.denominator, leak=leak, boost=boost, reduction="mean")
    numerators = graphs.numerators(task.texts)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(150):
        found = training(task.dense(network, False), numerators)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
    # One state leaves open where a token that goes on begins anew, which the model does not rule out.
    most = 0.01 if kind == "two-state" else 0.1
    assert 0 <= loss(task.dense(network, False), numerators).item() < most
    assert recognised(graphs.denominator, task.dense(network, False)) == task.texts


def test_expected_word_errors_fall_to_nothing():
    """On from a network that CTC has begun with."""
    task, network = Task(), network_of(4)
    graph, topology = k2.ctc_graph(task.texts), k2.ctc_topo(3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    errors: list[float] = []
    for step in range(120):
        dense = task.dense(network, True)
        if step < 40:
            loss = k2.ctc_loss(graph, dense)
        else:
            lattice = k2.intersect_dense(topology, dense, 8.0)
            loss = mwer_loss(lattice, task.texts, num_paths=6, exact=True)
            assert isinstance(loss, torch.Tensor)
            errors.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert errors[-1] < 0.2 * errors[0]
    assert recognised(topology, task.dense(network, True)) == task.texts


def energies(cepstra: np.ndarray) -> torch.Tensor:
    """Log-energies in 20 bands: Kaldi's cepstra (lifter 22) turned back, as smooth as these are."""
    order = np.arange(cepstra.shape[1])
    lifter = 1 + 11 * np.sin(np.pi * order / 22)
    cosines = np.sqrt(2 / 23) * np.cos(np.pi * order * (np.linspace(0, 22, 20)[:, None] + 0.5) / 23)
    cosines[:, 0] = np.sqrt(1 / 23)
    return torch.tensor(cepstra / lifter @ cosines.T, dtype=torch.float32)


def test_lattice_free_mmi_learns_the_words_of_real_recordings(tmp_path: Path):
    """Kaldi's yesno from a flat start, half of its 31 recordings are learned, and the others
    recognised."""
    transcripts = dict(line.split(maxsplit=1) for line in (YESNO / "text").read_text().splitlines())
    features, texts = [], []
    for part in (1, 2, 3, 4):
        with SequentialMatrixReader(f"ark:{YESNO / f'raw_mfcc_train_yesno.{part}.ark'}") as reader:
            for name, matrix in reader:
                features.append(energies(matrix.numpy()))
                texts.append(" ".join(transcripts[name].split()))
    config = MmiConfig(
        exp=tmp_path,
        data=(),
        lexicon={"NO": "L O", "YES": "K E N"},
        starts=2,
        start_epochs=10,
        epochs=20,
    )
    trainer = FlatStartMmi(config)
    trainer.train(features[::2], texts[::2], log=lambda _: None)
    heard = trainer.recognise(features[1::2])
    # One of these says seven words, and its transcript eight.
    assert error_rate(texts[1::2], heard).errors <= 2
