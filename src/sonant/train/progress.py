"""What a person sees of a run: a line on the terminal, a log file and TensorBoard curves."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sonant.text import ErrorRate
from sonant.train.checkpoint import Position
from sonant.train.config import TrainConfig


class Progress:
    """`shown`: whether this process is the one that tells; `notes`: lines for the beginning."""

    def __init__(
        self,
        config: TrainConfig,
        steps: int,
        parameters: int,
        *,
        shown: bool = True,
        notes: Sequence[str] = (),
    ):
        self._config = config
        self._shown = shown
        self._notes = notes
        self._steps = steps
        self._size = f"{parameters / 1e6:.1f} M parameters, {steps} steps in {config.epochs} epochs"

    def __enter__(self) -> Self:
        if not self._shown:
            return self
        from torch.utils.tensorboard import SummaryWriter

        self._log = open(Path(self._config.exp) / "train.log", "a", encoding="utf-8")
        for line in (self._size, *self._notes):
            self._say(line)
        self._board = SummaryWriter(str(Path(self._config.exp) / "tensorboard"))
        self._mean: dict[str, float] = {}
        self._speech = 0.0
        self._since = self._began = time.perf_counter()
        self._first: int | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._board.close()
            self._log.close()

    def _say(self, line: str) -> None:
        if not self._shown:
            return
        print(line, flush=True)  # noqa: T201
        self._log.write(line + "\n")
        self._log.flush()

    def update(self, position: Position, values: dict[str, float], speech: float) -> None:
        """After each step: its losses and the seconds of speech in it."""
        if not self._shown:
            return
        if self._first is None:
            self._first = position.step - 1
        self._speech += speech
        for name, value in values.items():
            self._mean[name] = value + 0.95 * (self._mean.get(name, value) - value)
        if position.step % self._config.log_every:
            return
        now = time.perf_counter()
        throughput = self._speech / (now - self._since)
        left = (now - self._began) / (position.step - self._first) * (self._steps - position.step)
        losses = "  ".join(f"{name} {self._mean[name]:.3g}" for name in self._mean)
        self._say(
            f"epoch {position.epoch}  step {position.step}/{self._steps}  {losses}  "
            f"{throughput:.0f} h/h  left {int(left // 3600)}:{int(left // 60 % 60):02d}"
        )
        for name, value in values.items():
            self._board.add_scalar(f"train/{name}", value, position.step)
        self._board.add_scalar("train/hours_per_hour", throughput, position.step)
        self._speech, self._since = 0.0, now

    def epoch(self, position: Position, seconds: float, left_out: str = "") -> None:
        """left_out: how many utterances of the corpus are, and why."""
        self._say(
            f"epoch {position.epoch - 1} done in {seconds:.0f} s"
            + (f"; left out {left_out}" if left_out else "")
        )

    def validated(self, position: Position, result: ErrorRate) -> None:
        self._say(f"epoch {position.epoch - 1}  valid WER {100 * result.rate:.2f} %")
        if self._shown:
            self._board.add_scalar("valid/wer", result.rate, position.step)
