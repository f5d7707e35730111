"""A training checkpoint as a Model: what `sonant transcribe` and `sonant evaluate` run on a run's own folder.

The network runs in torch, a step at a time with the state that its exported graphs carry, so that searches,
streams and texts are those of the bundle, up to the rounding of its weights.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sonant.errors import ConfigError
from sonant.model.bundle import Head
from sonant.model.model import Model
from sonant.model.network import Floats, State
from sonant.nn import Network
from sonant.train import checkpoint
from sonant.train.export import bundle_config, parts
from sonant.train.keep import Choice, averaged


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
    running: bool = False,
    head: Head = "transducer",
) -> Model:
    """The model of a run's folder, or of one checkpoint in it.

    epoch, step: which checkpoint of the run, `epoch-N` or `step-N`; without either the last one. average: the
    mean of the weights of so many checkpoints of that kind, that one and those before it; with `running` of
    all steps between them. head: what it searches with unless told otherwise. Raises CheckpointError, which
    says what there is, and ConfigError.
    """
    folder = Path(folder)
    if epoch is not None or step is not None:
        chosen = Choice(epoch=epoch or 0, step=step or 0, count=average, running=running)
        config, tokens, network = averaged(folder, chosen)
        folder = folder / (f"epoch-{epoch}" if step is None else f"step-{step}")
    elif average > 1:
        raise ConfigError(f"avg {average}: expected an epoch or a step too, the last of those to average")
    else:
        folder = folder / "last" if checkpoint.exists(folder / "last") else folder
        config, tokens, network = checkpoint.load(folder)
    name = config.exp.resolve().name
    return Model(
        bundle_config(config, network, name, "", head), tokens, TorchNetwork(network), folder, "float"
    )
