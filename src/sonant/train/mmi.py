"""LF-MMI from a flat start, for corpora of minutes: recordings, texts and a lexicon, and nothing else.

From a flat start a network may settle on a wrong alignment (silence for a vowel, two words for one), which
its loss tells: ten times that of a right one, for good. So a few networks begin, and the best of them goes
on, at a lower rate. What it sees of a recording is narrow, so that it learns phones and not sentences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sonant import audio, text
from sonant.errors import ConfigError, TrainingError
from sonant.features import Fbank, FbankConfig
from sonant.fsa import DenseFsaVec, create_fsa_vec, intersect_dense, shortest_path
from sonant.losses import MmiGraphs, MmiLoss
from sonant.losses.mmi_graphs import Topology, topology
from sonant.losses.word_graphs import Words
from sonant.nn.tdnn import Tdnn, TdnnConfig

SILENCE = "SIL"


@dataclass(frozen=True)
class MmiConfig:
    exp: Path
    data: tuple[Path, ...]  # manifests or corpus folders
    lexicon: dict[str, str]  # words, and their phones with spaces between
    held_out: int = 0  # the last so many recordings are not trained on, but recognised at the end
    sample_rate: int = 16000
    topology: Topology = "two-state"
    network: TdnnConfig = field(default_factory=TdnnConfig)
    starts: int = 3  # networks that begin
    start_epochs: int = 12
    epochs: int = 60  # of the best of them
    start_rate: float = 0.005
    rate: float = 0.002
    batch: int = 5  # recordings
    speed: float = 0.2  # recordings are up to so much slower or faster
    noise: float = 0.7  # standard deviations of noise in a feature, at most
    tilt: float = 0.5  # standard deviation of a gain of all features, and of one along them
    floor: bool = True  # stationary noise, from below the pauses up to a deviation above the mean
    leak: float = 0.0
    boost: float = 0.0
    seed: int = 0
    threads: int = 0  # 0: all cores

    def __post_init__(self):
        for option in ("starts", "start_epochs", "epochs", "batch", "sample_rate"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")
        if not 0 <= self.speed < 1 or self.noise < 0 or self.tilt < 0:
            raise ConfigError(
                f"speed {self.speed}, noise {self.noise}, tilt {self.tilt}: expected 0 or more, and a speed "
                "below 1"
            )
        if self.held_out < 0 or not self.lexicon:
            raise ConfigError(
                f"held_out {self.held_out}, {len(self.lexicon)} words: expected 0 or more, some"
            )


def normalised(features: Tensor) -> Tensor:
    """Of zero mean and unit variance over the recording."""
    return (features - features.mean(0)) / features.std(0).clamp(min=1e-3)


class FlatStartMmi:
    """Networks over the same graphs: `train(features, texts)`, then `recognise(features)`.

    features (frames, features): logarithms of energies (or cepstra, without `floor`), as they come.
    """

    def __init__(self, config: MmiConfig):
        self.config = config
        phones = [SILENCE]
        for spelling in config.lexicon.values():
            phones += [phone for phone in dict.fromkeys(spelling.split()) if phone not in phones]
        number = {phone: i for i, phone in enumerate(phones, 1)}
        self.names = list(config.lexicon)
        self.words = Words({w: [number[p] for p in s.split()] for w, s in config.lexicon.items()}, silence=1)
        self.graphs = MmiGraphs.of(topology(config.topology, len(phones)), self.words.loop())
        self.loss = MmiLoss(self.graphs.denominator, leak=config.leak, boost=config.boost, reduction="mean")
        self.network = Tdnn(config.network, self.graphs.classes)

    def train(
        self, features: Sequence[Tensor], texts: Sequence[str], log: Callable[[str], object] = print
    ) -> float:
        """The mean loss of a frame in the last epoch. Raises TrainingError if it is no number, ConfigError
        for words that the lexicon has not."""
        config = self.config
        if not features or len(features) != len(texts):
            raise ConfigError(f"{len(features)} recordings and {len(texts)} texts, expected as many, some")
        numerators = self.graphs.numerators(create_fsa_vec([self.words.sentence(said) for said in texts]))
        corpus = [(row, numerators[i]) for i, row in enumerate(features)]
        torch.manual_seed(config.seed)
        begun: list[tuple[float, Tdnn]] = []
        for i in range(config.starts):
            self.network = Tdnn(config.network, self.graphs.classes)
            begun.append((self._epochs(corpus, config.start_epochs, config.start_rate), self.network))
            log(f"start {i + 1}: {begun[-1][0]:.4f} a frame")
        self.network = min(begun, key=lambda pair: pair[0])[1]
        found = self._epochs(corpus, config.epochs, config.rate)
        log(f"{config.epochs} epochs on: {found:.4f} a frame")
        return found

    def _epochs(self, corpus: Sequence[tuple[Tensor, object]], epochs: int, rate: float) -> float:
        batches = -(-len(corpus) // self.config.batch)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=max(epochs * batches, 10) + 1, pct_start=0.2
        )
        self.network.train()
        total = 0.0
        for _ in range(epochs):
            total = 0.0
            for part in torch.randperm(len(corpus)).tensor_split(batches):
                rows = [corpus[i] for i in part.tolist()]
                dense = self._scores([self._augmented(row) for row, _ in rows])
                loss = self.loss(dense, create_fsa_vec([numerator for _, numerator in rows]))
                if not loss.isfinite():
                    raise TrainingError(
                        f"a loss of {loss.item()}: a recording too short for its text, or not of numbers"
                    )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                total += loss.item() / batches
        self.network.eval()
        return total

    def _augmented(self, features: Tensor) -> Tensor:
        config = self.config
        if config.floor:
            level = features.mean(0) + features.std(0) * (3 * torch.rand(()) - 2)
            features = torch.logaddexp(features, level + 0.7 * torch.randn_like(features))
        frames = int(len(features) * (1 - config.speed + 2 * config.speed * float(torch.rand(()))))
        found = nn.functional.interpolate(normalised(features).T[None], max(frames, 1), mode="linear")[0].T
        slope = torch.randn(()) + torch.randn(()) * torch.linspace(-1, 1, found.shape[1])
        return found + config.tilt * slope + config.noise * torch.rand(()) * torch.randn_like(found)

    def _scores(self, rows: Sequence[Tensor]) -> DenseFsaVec:
        batch = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
        frames = [self.network.output_lengths(len(row)) for row in rows]
        segments = torch.tensor([(i, 0, n) for i, n in enumerate(frames)], dtype=torch.int32)
        return DenseFsaVec(self.network(batch), segments)

    @torch.no_grad()
    def recognise(self, features: Sequence[Tensor]) -> list[str]:
        """The words of the best path through the denominator, whose language model is of any words."""
        dense = self._scores([normalised(row) for row in features])
        best = shortest_path(intersect_dense(self.graphs.denominator, dense, 8.0), use_double_scores=True)
        rows = [best[i].aux_labels for i in range(len(features))]
        return [" ".join(self.names[w - 1] for w in row.tolist() if w > 0) for row in rows]


def read(config: MmiConfig) -> tuple[list[Tensor], list[str]]:
    """Features of each recording, and texts, in the order of the manifests."""
    settings = FbankConfig(
        sample_frequency=config.sample_rate, num_mel_bins=config.network.features, dither=0.0
    )
    utterances = [u for corpus in config.data for u in audio.read_corpus(corpus)]
    features: list[Tensor] = []
    for utterance in utterances:
        samples = audio.load(utterance.audio, target_rate=config.sample_rate).samples
        features.append(torch.from_numpy(Fbank(settings).compute(np.ascontiguousarray(samples))))
    return features, [u.text for u in utterances]


def train_mmi(config: MmiConfig, log: Callable[[str], object] = print) -> text.ErrorRate | None:
    """Trains, keeps the network's weights in `exp`, and gives the errors in what is held out."""
    if config.threads:
        torch.set_num_threads(config.threads)
    features, texts = read(config)
    size = len(texts) - config.held_out
    if size < 1:
        raise ConfigError(f"held_out {config.held_out} of {len(texts)} recordings, expected fewer")
    trainer = FlatStartMmi(config)
    trainer.train(features[:size], texts[:size], log)
    config.exp.mkdir(parents=True, exist_ok=True)
    save_file(trainer.network.state_dict(), config.exp / "network.safetensors")
    if not config.held_out:
        return None
    found = text.error_rate(texts[size:], trainer.recognise(features[size:]))
    log(str(found))
    return found
