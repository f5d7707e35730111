"""Joint CTC and transducer training, on a CPU, one GPU, or several processes of torchrun."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import torch
from torch import Tensor

from sonant import text
from sonant.audio import Utterance
from sonant.data import BadData, Batch, Item, Loader, WaveCache, epoch_batches
from sonant.data.bad import learnable
from sonant.errors import CheckpointError, TrainingError
from sonant.features import Fbank as NativeFbank
from sonant.nn import Fbank, Network
from sonant.search import ctc_greedy
from sonant.text import Tokens
from sonant.train import checkpoint, keep, start
from sonant.train.average import Averages
from sonant.train.checkpoint import Position
from sonant.train.config import TrainConfig
from sonant.train.corpus import align, read_alignments, read_utterances, reference, wave_augment
from sonant.train.objective import Objective
from sonant.train.parallel import Ranks
from sonant.train.update import Part, Updater, autocast

STATISTICS = 20  # batches that the mean and scale of features are of


class Trainer:
    """One run: `Trainer(config).run()` trains on from the last checkpoint in `config.exp`, from what
    `config.start` names, or from nothing."""

    def __init__(self, config: TrainConfig):
        self.config = config
        self.ranks = Ranks.join(config.device)
        self.device = self.ranks.device
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.last = config.exp / "last"

        self.bad = BadData(config.data.bad)
        self.train_set, self.valid_set = read_utterances(config, self.bad)
        self.tokens = self.ranks.first(self._tokens)
        frame = config.fbank.frame_shift * config.network.encoder.subsampling  # of the output, in ms
        self.train_set = learnable(
            self.train_set,
            self.bad,
            lacks=self._lacks,
            encode=self._encode,
            tokens_per_second=1000 / frame / max(config.data.speeds),
        )
        cache = WaveCache(int(config.fbank.sample_frequency), config.data.cache_gb * 1e9)
        config.exp.mkdir(parents=True, exist_ok=True)
        phones, alignments = 0, None
        if aligned := config.alignment:
            self.ranks.first(lambda: align(aligned, config.exp, self.train_set, cache))
            phones, alignments = read_alignments(aligned, config.exp, self.train_set)
        self.train_loader = Loader(
            self.train_set,
            self._encode,
            cache,
            wave_augment(config, cache),
            alignments=alignments,
            bad=self.bad,
            fbank=NativeFbank(config.fbank) if config.data.features == "threads" else None,
            seed=config.seed,
            threads=config.data.threads,
        )
        self.valid_loader = Loader(self.valid_set, self._encode, cache, None, threads=config.data.threads)

        shape = replace(config.network, tokens=len(self.tokens), middle=phones)
        self.network = Network(shape).to(self.device)
        self.objective = Objective(
            self.network, Fbank(config.fbank).to(self.device), config.spec_augment, config.loss
        )
        self.position = Position()
        best = config.exp / "best"  # its word error rate is the lowest so far
        self.best = float(checkpoint.load_notes(best).get("wer", "inf")) if checkpoint.exists(best) else inf
        self.notes: list[str] = []
        self.steps = sum(len(self._updates(epoch)) for epoch in range(config.epochs))
        start.freeze(self.network, config.start.freeze)
        resumed = checkpoint.exists(self.last)
        if not resumed:
            self._measure_features()
            self.notes = start.load_into(self.network, config.start)
        self.updater = Updater(config, self.objective, self.ranks, self.steps)
        period = config.keep.average_every if self.ranks.rank == 0 else 0
        self.averages = Averages(self.network, config.optimizer.average, period)
        if resumed:
            self._resume()

    def _tokens(self) -> Tokens:
        if checkpoint.exists(self.last):
            return checkpoint.load_tokens(self.last)
        if given := start.tokens_of(self.config.start):
            return given
        if self.config.tokens.model is not None:
            return Tokens.load(self.config.tokens.model)
        sentences = [self._text(u.text) for u in self.train_set]
        return Tokens.train(sentences, self.config.tokens.size, kind=self.config.tokens.kind)

    def _text(self, said: str) -> str:
        return reference(self.config, said)

    def _encode(self, said: str) -> list[int]:
        return self.tokens.encode(self._text(said))

    def _lacks(self, said: str) -> list[str]:
        """Of tokens that the run learns, a small number leaves rare characters out on purpose."""
        return [] if self.config.tokens.model is None else self.tokens.lacks(self._text(said))

    def _batches(self, epoch: int) -> list[list[Item]]:
        data = self.config.data
        return epoch_batches(
            [u.duration for u in self.train_set],
            epoch=epoch,
            seed=self.config.seed,
            max_duration=data.batch_duration,
            speeds=data.speeds,
            ascending=epoch == 0,
            last=data.last,
        )

    def _updates(self, epoch: int, done: int = 0) -> list[list[tuple[int, list[Item]]]]:
        """The batches of each update, with their places in the epoch, of which so many are done already."""
        batches = list(enumerate(self._batches(epoch)))[done:]
        size = self.config.update_batches(self.ranks.size)
        return [batches[i : i + size] for i in range(0, len(batches), size)]

    def _resume(self) -> None:
        try:
            state = checkpoint.load_training(self.last)
            self.network.load_state_dict(state["network"])
            self.updater.optimizer.load_state_dict(state["optimizer"])
            if state["scaler"]:  # a run may go on with another precision
                self.updater.scaler.load_state_dict(state["scaler"])
            self.averages.load(checkpoint.load_weights(self.last))
            if self.averages.period:
                self.averages.load_running(*checkpoint.load_running(self.last))
            self.position = Position(*state["position"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.last}: does not fit this configuration ({checkpoint.first_of(error)}); go on "
                f"with that of its {checkpoint.CONFIG}, or give another exp"
            ) from None

    def save(self, name: str = "last", **notes: str) -> None:
        """A checkpoint of that name in the run's folder; `last` has the state of training, too."""
        if self.ranks.rank:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.updater.optimizer.state_dict(),
            "scaler": self.updater.scaler.state_dict(),
            "position": (self.position.epoch, self.position.batch, self.position.step),
        }
        checkpoint.save(
            self.config.exp / name,
            replace(self.config, network=self.network.config),
            self.tokens,
            self.averages.moving,
            state if name == "last" else None,
            running=self.averages.running,
            running_steps=self.averages.steps,
            notes=notes,
        )

    @torch.no_grad()
    def _measure_features(self) -> None:
        """Mean and scale of each feature over a sample of the training set."""
        every = self._batches(1)
        chosen = np.random.default_rng(self.config.seed).permutation(len(every))[:STATISTICS]
        objective, fbank, encoder = self.objective, self.objective.fbank, self.network.encoder
        parts: list[Tensor] = []
        for batch in self.train_loader([every[i] for i in chosen], 1):
            batch = batch.to(self.device)
            frames = objective.features(batch)
            for row, length in zip(frames, fbank.lengths(batch.sample_lengths), strict=True):
                parts.append(row[:length])
        found = torch.cat(parts).double()
        encoder.feature_mean.copy_(found.mean(dim=0))
        encoder.feature_scale.copy_(1 / found.std(dim=0).clamp(min=1e-3))

    def step(self, *parts: Part) -> dict[str, float]:
        """One update; gives the losses."""
        values = self.updater(parts, self.position)
        self.averages.update(self.network, self.position.step + 1)
        return values

    @torch.no_grad()
    def validate(self) -> text.ErrorRate:
        """Word errors of CTC greedy search with the averaged weights."""
        objective = copy.deepcopy(self.objective).eval()
        objective.network.load_state_dict(self.averages.moving)
        hypotheses: dict[int, str] = {}
        planned = self._plain_batches(self.valid_set)[self.ranks.rank :: self.ranks.size]
        for items, batch in zip(planned, self.valid_loader(planned), strict=True):
            batch = batch.to(self.device)
            with autocast(self.config, self.device):
                out, _, frames = objective.encode(batch)
                scores = objective.network.ctc(out).float().log_softmax(dim=-1).cpu().numpy()
            found = ctc_greedy([s[:n] for s, n in zip(scores, frames.tolist(), strict=True)])
            for item, hypothesis in zip(items, found, strict=True):
                hypotheses[item.index] = self.tokens.decode(list(hypothesis.tokens))
        everyone = {i: said for part in self.ranks.gather(hypotheses) for i, said in part.items()}
        references = [self._text(u.text) for u in self.valid_set]
        return text.error_rate(references, [everyone[i] for i in range(len(self.valid_set))])

    def _plain_batches(self, utterances: Sequence[Utterance]) -> list[list[Item]]:
        durations = [u.duration for u in utterances]
        return epoch_batches(durations, epoch=0, seed=0, max_duration=self.config.data.batch_duration)

    def epoch(self) -> Iterator[tuple[float, dict[str, float]]]:
        """What is left of the current epoch, one update after the other: seconds of speech, and losses."""
        epoch, ranks = self.position.epoch, self.ranks
        updates = self._updates(epoch, self.position.batch)
        mine: list[list[tuple[int, list[Item]]]] = []
        for update in updates:
            share = update[ranks.rank :: ranks.size]
            # All ranks have as many, so that none waits for ever; what is there once more counts nothing.
            mine.append(share + update[:1] * (-(-len(update) // ranks.size) - len(share)))
        batches = self.train_loader([items for share in mine for _, items in share], epoch)
        for update, share in zip(updates, mine, strict=True):
            own = len(update[ranks.rank :: ranks.size])
            parts: list[Part] = []
            samples = 0.0
            for place, (index, _) in enumerate(share):
                batch = next(batches)
                self._check_length(batch)
                samples += float(batch.sample_lengths.sum()) if place < own else 0.0
                parts.append(Part(batch.to(self.device), index, float(place < own)))
            values = self.step(*parts)
            p = self.position
            self.position = Position(epoch, p.batch + len(update), p.step + 1)
            yield samples * ranks.size / self.config.fbank.sample_frequency, values
        self.position = Position(epoch + 1, 0, self.position.step)

    def _check_length(self, batch: Batch) -> None:
        """A manifest may say that a recording is long while it is not."""
        frames = self.objective.fbank.lengths(batch.sample_lengths).tolist()
        short = [name for name, n in zip(batch.ids, frames, strict=True) if n < 1]
        if short:
            raise TrainingError(
                f"{', '.join(short)}: shorter than one frame of {self.config.fbank.frame_length} ms, though "
                "longer in the manifest; correct it, or leave them out"
            )

    def run(self) -> None:
        from sonant.train.profile import Profile
        from sonant.train.progress import Progress

        config = self.config
        size = sum(p.numel() for p in self.network.parameters())
        profile = Profile(config.exp / "profile", 0 if self.ranks.rank else config.profile, self.device)
        shown = self.ranks.rank == 0
        with Progress(config, self.steps, size, shown=shown, notes=self.notes) as progress, profile:
            while self.position.epoch < config.epochs:
                began = time.perf_counter()
                for seconds, values in self.epoch():
                    rate = self.updater.optimizer.param_groups[0]["lr"]
                    progress.update(self.position, values | {"rate": rate}, seconds)
                    profile.step()
                    self._keep_step()
                self._keep_epoch()
                progress.epoch(self.position, time.perf_counter() - began, str(self.bad))
                done = self.position.epoch
                if self.valid_set and (done % config.valid_every == 0 or done == config.epochs):
                    result = self.validate()
                    progress.validated(self.position, result)
                    self._keep_best(result.rate)

    def _keep_step(self) -> None:
        config, step = self.config, self.position.step
        if config.keep.every and step % config.keep.every == 0:
            self._keep("step", step)
        if step % config.save_every == 0:
            self.save()

    def _keep_epoch(self) -> None:
        every = self.config.keep.epochs
        if every and self.position.epoch % every == 0:
            self._keep("epoch", self.position.epoch)
        self.save()

    def _keep(self, kind: str, number: int) -> None:
        self.save(f"{kind}-{number}")
        if self.ranks.rank == 0:
            keep.forget(self.config.exp, kind, self.config.keep.last)

    def _keep_best(self, rate: float) -> None:
        if self.config.keep.best and rate < self.best:
            self.best = rate
            self.save("best", wer=repr(rate), epoch=str(self.position.epoch))


def train(config: TrainConfig) -> None:
    """Trains to the end of `config.epochs`, on from the last checkpoint in `config.exp` if there is one."""
    trainer = Trainer(config)
    try:
        trainer.run()
    finally:
        trainer.ranks.leave()
