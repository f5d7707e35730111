"""Joint CTC and transducer training, on a CPU or one GPU."""

import copy
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from sonant import audio, text
from sonant.audio import Utterance, read_corpus
from sonant.data import Batch, Loader, WaveAugment, WaveCache, epoch_batches
from sonant.errors import CheckpointError, ConfigError, ManifestError, TrainingError
from sonant.losses import ctc_loss, rnnt_loss_fused
from sonant.nn import Fbank, Network
from sonant.search import ctc_greedy
from sonant.text import Tokens
from sonant.train import checkpoint
from sonant.train.checkpoint import Position
from sonant.train.config import OptimizerConfig, TrainConfig
from sonant.train.flat_start import FlatStart, aligner_features, read_lexicon

ALIGNMENTS = "alignments.safetensors"


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Linear warm-up, the peak, then a cosine down to zero at the last step."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    start = (1 - config.decay) * steps
    done = (step - start) / max(1.0, steps - start)
    return config.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, max(0.0, done))))


def read_utterances(config: TrainConfig) -> tuple[list[Utterance], list[Utterance]]:
    """The training and the validation set."""
    data = config.data
    everything = [u for corpus in data.train for u in read_corpus(corpus)]
    if data.valid is not None:
        train, valid = everything, read_corpus(data.valid)
    else:
        held = set(np.random.default_rng(config.seed).permutation(len(everything))[: data.held_out].tolist())
        train = [u for i, u in enumerate(everything) if i not in held]
        valid = [everything[i] for i in sorted(held)]
    usable = [
        u
        for u in train
        if data.min_duration <= u.duration <= data.max_duration and reference(config, u.text).strip()
    ]
    if not usable:
        raise ManifestError(
            f"{', '.join(map(str, data.train))}: {len(everything)} utterances, "
            f"{len(everything) - len(train)} held out for validation; none of the others is "
            f"{data.min_duration} to {data.max_duration} s long and has a text"
        )
    return usable, valid


def reference(config: TrainConfig, text_of_manifest: str) -> str:
    """What the network learns to write."""
    return text.spoken(text_of_manifest) if config.data.upper else text_of_manifest


class Trainer:
    """One run: `Trainer(config).run()` trains on from the last checkpoint in `config.exp`, or from
    nothing."""

    def __init__(self, config: TrainConfig):
        self.config = config
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device cuda: torch finds no GPU; use auto or cpu")
        kind = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(kind)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.last = config.exp / "last"

        self.train_set, self.valid_set = read_utterances(config)
        self.tokens = self._tokens()
        cache = WaveCache(int(config.fbank.sample_frequency), config.data.cache_gb * 1e9)
        config.exp.mkdir(parents=True, exist_ok=True)
        phones, alignments = self._alignments(cache) if config.alignment else (0, None)
        self.train_loader = Loader(
            self.train_set,
            self._encode,
            cache,
            self._augment(),
            alignments=alignments,
            seed=config.seed,
            threads=config.data.threads,
        )
        self.valid_loader = Loader(self.valid_set, self._encode, cache, None, threads=config.data.threads)

        shape = replace(config.network, tokens=len(self.tokens), middle=phones)
        self.network = Network(shape).to(self.device)
        self.fbank = Fbank(config.fbank).to(self.device)
        self.optimizer = torch.optim.AdamW(self._groups(), lr=0.0, betas=config.optimizer.betas, fused=True)
        self.position = Position()
        self.steps = sum(len(self._batches(epoch)) for epoch in range(config.epochs))
        self._resume()

    def _tokens(self) -> Tokens:
        if checkpoint.exists(self.last):
            return checkpoint.load_tokens(self.last)
        sentences = [self._text(u.text) for u in self.train_set]
        return Tokens.train(sentences, self.config.tokens.size, kind=self.config.tokens.kind)

    def _text(self, said: str) -> str:
        return reference(self.config, said)

    def _encode(self, said: str) -> list[int]:
        return self.tokens.encode(self._text(said))

    def _alignments(self, cache: WaveCache) -> tuple[int, dict[str, np.ndarray]]:
        """The number of phones, and a phone for each 10 ms of each recording; made once, kept in the run's
        folder."""
        assert self.config.alignment is not None
        aligner = FlatStart(self.config.alignment, read_lexicon(self.config.alignment.lexicon))
        path = self.config.exp / ALIGNMENTS
        if not path.exists():
            sys.stdout.write(f"aligning {len(self.train_set)} recordings from a flat start\n")
            sys.stdout.flush()
            features = [aligner_features(cache.get(u, 1.0), cache.sample_rate) for u in self.train_set]
            found = aligner.align(features, [text.spoken(u.text) for u in self.train_set])
            rows = {str(u.audio): a for u, a in zip(self.train_set, found, strict=True)}
            save_file(rows, path.with_suffix(".new"))
            path.with_suffix(".new").rename(path)
        try:
            labels = load_file(path)
        except Exception as error:
            raise CheckpointError(f"{path}: cannot be read ({error}); remove it to align anew") from None
        missing = [u.id for u in self.train_set if str(u.audio) not in labels]
        if missing:
            raise CheckpointError(
                f"{path}: has not {missing[0]}, of a changed corpus; remove it to align anew"
            )
        return len(aligner.phones), labels

    def _augment(self) -> WaveAugment:
        data = self.config.data
        rate = int(self.config.fbank.sample_frequency)

        def waves(corpus: Any) -> tuple[np.ndarray, ...]:
            return (
                tuple(audio.load(u.audio, target_rate=rate).samples for u in read_corpus(corpus))
                if corpus
                else ()
            )

        return WaveAugment(
            noises=waves(data.noise),
            responses=waves(data.responses),
            noise_probability=data.noise_probability,
            reverb_probability=data.reverb_probability,
        )

    def _groups(self) -> list[dict[str, Any]]:
        """Matrices decay, biases and norms do not."""
        parameters = list(self.network.parameters())
        return [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": self.config.optimizer.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def _batches(self, epoch: int):
        data = self.config.data
        return epoch_batches(
            [u.duration for u in self.train_set],
            epoch=epoch,
            seed=self.config.seed,
            max_duration=data.batch_duration,
            speeds=data.speeds,
            ascending=epoch == 0,
        )

    def _resume(self) -> None:
        if checkpoint.exists(self.last):
            try:
                self._restore(checkpoint.load_training(self.last))
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise CheckpointError(
                    f"{self.last}: does not fit this configuration ({checkpoint.first_of(error)}); go on "
                    f"with that of its {checkpoint.CONFIG}, or give another exp"
                ) from None
        else:
            self._measure_features()
            self.average = {name: t.detach().clone() for name, t in self.network.state_dict().items()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = {name: t.to(self.device) for name, t in state["average"].items()}
        self.position = Position(*state["position"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])

    def save(self) -> None:
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "position": (self.position.epoch, self.position.batch, self.position.step),
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        config = replace(self.config, network=self.network.config)
        checkpoint.save(self.last, config, self.tokens, self.average, state)

    @torch.no_grad()
    def _measure_features(self) -> None:
        """Mean and scale of each feature over a sample of the training set."""
        chosen = np.random.default_rng(self.config.seed).permutation(len(self._batches(1)))[:20]
        batches = [self._batches(1)[i] for i in chosen]
        parts: list[Tensor] = []
        for batch in self.train_loader(batches, 1):
            batch = batch.to(self.device)
            frames = self.fbank(batch.samples)
            for row, length in zip(frames, self.fbank.lengths(batch.sample_lengths), strict=True):
                parts.append(row[:length])
        every = torch.cat(parts).double()
        self.network.encoder.feature_mean.copy_(every.mean(dim=0))
        self.network.encoder.feature_scale.copy_(1 / every.std(dim=0).clamp(min=1e-3))

    def _autocast(self):
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def encode(self, batch: Batch, network: Network, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Encoder output, that of the middle layer, and lengths in encoder frames."""
        encoder = network.encoder
        with torch.no_grad():
            features = encoder.normalize(self.fbank(batch.samples))
            lengths = self.fbank.lengths(batch.sample_lengths)
            padding = torch.arange(features.shape[1], device=self.device) >= lengths[:, None]
            features = features.masked_fill(padding[..., None], 0.0)
            if training:
                features = self.config.spec_augment(features, lengths)
        out, middle = encoder(features, lengths)
        return out, middle, encoder.output_lengths(lengths)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Each loss, summed over the batch and divided by its tokens."""
        config, network = self.config.loss, self.network
        with self._autocast():
            out, middle, frames = self.encode(batch, network, training=True)
            targets, tokens = batch.targets, batch.target_lengths
            found = {"ctc": ctc_loss(network.ctc(out), targets, frames, tokens)}
            if batch.alignment is None:
                found["middle"] = ctc_loss(network.middle(middle), targets, frames, tokens)
            else:
                found["middle"] = self._aligned_loss(network.middle(middle), batch.alignment)
            if config.transducer and self.position.step >= config.transducer_from * self.steps:
                joiner = network.joiner
                encoded = joiner.encoder(out[:, : int(frames.max())])
                found["transducer"] = rnnt_loss_fused(
                    encoded,
                    joiner.predictor(network.predictor.prefixes(targets)),
                    joiner.after_sum(),
                    targets,
                    frames,
                    tokens,
                    reduction="none",
                )
        return {name: loss.sum() / tokens.sum() for name, loss in found.items()}

    def _aligned_loss(self, logits: Tensor, alignment: Tensor) -> Tensor:
        """Cross entropy with the label at the middle of each encoder frame, (batch,)."""
        subsampling = self.network.encoder.config.subsampling
        labels = alignment[:, ::subsampling][:, : logits.shape[1]]
        labels = F.pad(labels, (0, logits.shape[1] - labels.shape[1]), value=-1)
        return F.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-1, reduction="none").sum(
            dim=1
        )

    def step(self, batch: Batch) -> dict[str, float]:
        """One update; gives the losses."""
        config = self.config.optimizer
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.position.step, self.steps)
        self.network.train()
        found = self.losses(batch)
        scales = self.config.loss
        total = sum(
            (getattr(scales, name) * loss for name, loss in found.items()),
            torch.zeros((), device=self.device),
        )
        self.optimizer.zero_grad()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        values = {name: float(loss.detach()) for name, loss in found.items()} | {"norm": float(norm)}
        if not all(math.isfinite(v) for v in values.values()):
            found_values = ", ".join(f"{name} {value}" for name, value in values.items())
            raise TrainingError(
                f"step {self.position.step}: {found_values}; expected finite losses and gradients, on "
                f"utterances {', '.join(batch.ids)}: look at these, or lower optimizer.learning_rate"
            )
        self.optimizer.step()
        # Early weights are soon worthless, so the average starts short.
        decay = min(config.average, (self.position.step + 1) / (self.position.step + 10))
        with torch.no_grad():
            current = self.network.state_dict()
            counts = [name for name, tensor in current.items() if not tensor.is_floating_point()]
            for name in counts:
                self.average[name].copy_(current.pop(name))
            torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
                [self.average[name] for name in current], list(current.values()), 1 - decay
            )
        return values

    @torch.no_grad()
    def validate(self) -> text.ErrorRate:
        """Word errors of CTC greedy search with the averaged weights."""
        # A copy, since a new network would draw random numbers, and a resumed run would not be the same.
        network = copy.deepcopy(self.network).eval()
        network.load_state_dict(self.average)
        hypotheses: dict[int, str] = {}
        planned = self._plain_batches(self.valid_set)
        for items, batch in zip(planned, self.valid_loader(planned), strict=True):
            batch = batch.to(self.device)
            with self._autocast():
                out, _, frames = self.encode(batch, network, training=False)
                scores = network.ctc(out).float().log_softmax(dim=-1).cpu().numpy()
            found = ctc_greedy([s[:n] for s, n in zip(scores, frames.tolist(), strict=True)])
            for item, hypothesis in zip(items, found, strict=True):
                hypotheses[item.index] = self.tokens.decode(list(hypothesis.tokens))
        references = [self._text(u.text) for u in self.valid_set]
        return text.error_rate(references, [hypotheses[i] for i in range(len(self.valid_set))])

    def _plain_batches(self, utterances: Sequence[Utterance]):
        durations = [u.duration for u in utterances]
        return epoch_batches(durations, epoch=0, seed=0, max_duration=self.config.data.batch_duration)

    def epoch(self) -> Iterator[tuple[Batch, dict[str, float]]]:
        """What is left of the current epoch, one update after the other."""
        batches = self._batches(self.position.epoch)[self.position.batch :]
        for batch in self.train_loader(batches, self.position.epoch):
            self._check_length(batch)
            values = self.step(batch.to(self.device))
            p = self.position
            self.position = Position(p.epoch, p.batch + 1, p.step + 1)
            yield batch, values
        self.position = Position(self.position.epoch + 1, 0, self.position.step)

    def _check_length(self, batch: Batch) -> None:
        """A manifest may say that a recording is long while it is not."""
        frames = self.fbank.lengths(batch.sample_lengths).tolist()
        short = [name for name, n in zip(batch.ids, frames, strict=True) if n < 1]
        if short:
            raise TrainingError(
                f"{', '.join(short)}: shorter than one frame of {self.config.fbank.frame_length} ms, though "
                "longer in the manifest; correct it, or leave them out"
            )

    def run(self) -> None:
        from sonant.train.progress import Progress

        config = self.config
        with Progress(config, self.steps, sum(p.numel() for p in self.network.parameters())) as progress:
            while self.position.epoch < config.epochs:
                began = time.perf_counter()
                for batch, values in self.epoch():
                    speech = float(batch.sample_lengths.sum()) / config.fbank.sample_frequency
                    rate = self.optimizer.param_groups[0]["lr"]
                    progress.update(self.position, values | {"rate": rate}, speech)
                    if self.position.step % config.save_every == 0:
                        self.save()
                self.save()
                progress.epoch(self.position, time.perf_counter() - began)
                if self.valid_set and (
                    self.position.epoch % config.valid_every == 0 or self.position.epoch == config.epochs
                ):
                    progress.validated(self.position, self.validate())


def train(config: TrainConfig) -> None:
    """Trains to the end of `config.epochs`, on from the last checkpoint in `config.exp` if there is one."""
    Trainer(config).run()
