"""A training checkpoint as a Model: what `sonant transcribe` and `sonant evaluate` run on a run's own folder.

The network runs in torch, a step at a time with the state that its exported graphs carry, so that searches,
streams and texts are those of the bundle, up to the rounding of its weights.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor

from sonant.errors import CheckpointError, ConfigError
from sonant.model.bundle import Head
from sonant.model.model import Model
from sonant.model.network import Floats, State
from sonant.nn import Network
from sonant.train import checkpoint
from sonant.train.export import bundle_config, parts

_EPOCH, _STEP = "epoch-{}", "step-{}"


class TorchNetwork:
    """A network of the training tier in the place of a bundle's: numpy in, numpy out."""

    def __init__(self, network: Network):
        graphs = parts(network.eval(), batch=1)
        encoder = graphs["encoder"]
        _, *states = encoder.inputs
        self._encoder = encoder.module.eval()
        self._predictor = graphs["predictor"].module.eval()
        self._joiner = graphs["joiner"].module.eval()
        self._initial = tuple(encoder.inputs[name] for name in states)
        self._axes = [encoder.batch_axes[name] for name in states]

    def initial_state(self) -> State:
        return self._initial

    @torch.no_grad()
    def encode(
        self, features: Sequence[Floats], states: Sequence[State]
    ) -> list[tuple[Floats, Floats, State]]:
        """As `sonant.model.network.Network.encode`."""
        together = [torch.cat([state[i] for state in states], axis) for i, axis in enumerate(self._axes)]
        frames, ctc, *after = self._encoder(torch.from_numpy(np.stack(features)), *together)
        split = [state.split(1, axis) for state, axis in zip(after, self._axes, strict=True)]
        return [
            (frames[i].numpy(), ctc[i].numpy(), tuple(state[i] for state in split))
            for i in range(len(features))
        ]

    @torch.no_grad()
    def step(self, encoder_frames: Floats, contexts: npt.NDArray[np.int64]) -> Floats:
        """encoder_frames (n, dim), contexts (n, context) to log-probabilities (n, tokens)"""
        predicted = self._predictor(torch.from_numpy(contexts))
        return self._joiner(torch.tensor(encoder_frames), predicted).numpy()


def load_checkpoint(
    folder: str | Path,
    *,
    epoch: int | None = None,
    step: int | None = None,
    average: int = 1,
    head: Head = "transducer",
) -> Model:
    """The model of a run's folder, or of one checkpoint in it.

    epoch, step: which checkpoint of the run, `epoch-N` or `step-N`; without either the last one. average: the
    mean of the weights of so many checkpoints of that kind, that one and those before it. head: what it
    searches with unless told otherwise. Raises CheckpointError, which says what there is, and ConfigError.
    """
    folders = choose(Path(folder), epoch, step, average)
    config, tokens, network = checkpoint.load(folders[0])
    if len(folders) > 1:
        network.load_state_dict(mean_weights([one / checkpoint.WEIGHTS for one in folders]))
    name = config.exp.resolve().name
    return Model(
        bundle_config(config, network, name, "", head), tokens, TorchNetwork(network), folders[0], "float"
    )


def choose(folder: Path, epoch: int | None, step: int | None, average: int) -> list[Path]:
    """The folders of the checkpoints that are meant, the newest first."""
    if epoch is not None and step is not None:
        raise ConfigError(f"epoch {epoch} and step {step}: expected one of them")
    if average < 1:
        raise ConfigError(f"avg {average}: expected 1 or more checkpoints")
    if epoch is None and step is None:
        if average > 1:
            raise ConfigError(f"avg {average}: expected an epoch or a step too, the last of those to average")
        return [folder / "last" if checkpoint.exists(folder / "last") else folder]
    pattern, number = (_EPOCH, epoch) if step is None else (_STEP, step)
    kept = sorted(
        int(found[1])
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (found := re.fullmatch(pattern.format(r"(\d+)"), path.name))
    )
    if number not in kept:
        there = ", ".join(pattern.format(n) for n in kept) or "none of that kind"
        raise CheckpointError(f"{folder / pattern.format(number)}: no such checkpoint; there are: {there}")
    chosen = kept[: kept.index(number) + 1][-average:]
    if len(chosen) < average:
        raise CheckpointError(
            f"{folder}: {len(chosen)} checkpoints up to {pattern.format(number)}, expected avg {average}"
        )
    return [folder / pattern.format(n) for n in reversed(chosen)]


def mean_weights(files: Sequence[Path]) -> Mapping[str, Any]:
    """The mean of the weights of each file, summed in double precision; numbers that are no weights are
    those of the first."""
    first = load_file(files[0])
    sums: dict[str, Tensor] = {n: t.double() for n, t in first.items() if t.is_floating_point()}
    for file in files[1:]:
        other = load_file(file)
        if {n: t.shape for n, t in other.items()} != {n: t.shape for n, t in first.items()}:
            raise CheckpointError(f"{file}: other weights than in {files[0]}; expected those of one network")
        for name, total in sums.items():
            total += other[name]
    return first | {n: (t / len(files)).to(first[n].dtype) for n, t in sums.items()}
