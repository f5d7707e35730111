"""Averages of the weights over the steps of a run.

The moving one forgets (an exponential decay) and is what is validated and exported. The running one is
icefall's: the plain mean of the weights at every `period`-th step so far, in float64. Two of those, at steps
s < e, tell the mean of what lies between: (e * at(e) - s * at(s)) / (e - s).
"""

# pyright: reportPrivateImportUsage=false
# (_foreach_*: one kernel for many tensors, as torch's own optimisers have them)

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Averages:
    def __init__(self, network: nn.Module, decay: float, period: int):
        """period: steps between two weights of the running average; 0: there is none."""
        self._decay = decay
        self.period = period
        self.moving = {name: t.detach().clone() for name, t in network.state_dict().items()}
        self.running = {name: _wide(t.detach()) for name, t in self.moving.items()} if period else {}
        self.steps = 0  # that the running average is of

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """After so many steps."""
        weights = network.state_dict()
        # Early weights are soon worthless, so the average starts short.
        _lerp(self.moving, weights, 1 - min(self._decay, step / (step + 9)))
        if self.period and step % self.period == 0:
            _lerp(self.running, weights, self.period / step)
            self.steps = step

    def load(self, moving: Mapping[str, Tensor]) -> None:
        """Raises ValueError unless the names and shapes are the network's."""
        _replace(self.moving, moving)

    def load_running(self, running: Mapping[str, Tensor], steps: int) -> None:
        _replace(self.running, running)
        self.steps = steps


def _replace(own: dict[str, Tensor], given: Mapping[str, Tensor]) -> None:
    for name, tensor in own.items():
        found = given.get(name)
        if found is None or found.shape != tensor.shape:
            shape = None if found is None else tuple(found.shape)
            raise ValueError(f"{name} of the average is {shape}, expected {tuple(tensor.shape)}")
        tensor.copy_(found)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float64, copy=True) if tensor.is_floating_point() else tensor.clone()


def _lerp(average: dict[str, Tensor], weights: Mapping[str, Tensor], weight: float) -> None:
    floats = [name for name, t in average.items() if t.is_floating_point()]
    torch._foreach_lerp_(
        [average[name] for name in floats], [weights[name].to(average[name].dtype) for name in floats], weight
    )
    for name in average.keys() - set(floats):  # counters
        average[name].copy_(weights[name])


def between(
    end: Mapping[str, Tensor], end_steps: int, start: Mapping[str, Tensor], start_steps: int
) -> dict[str, Tensor]:
    """The mean of the weights after `start_steps` up to `end_steps`, of the running averages at both."""
    share = end_steps / (end_steps - start_steps)
    return {
        name: (share * t + (1 - share) * start[name]).float() if t.is_floating_point() else t
        for name, t in end.items()
    }


def mean(weights: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of the weights of several checkpoints, summed in float64; counters are the last one's."""
    return {
        name: sum((w[name].double() for w in weights), torch.zeros((), dtype=torch.float64))
        .div(len(weights))
        .float()
        if t.is_floating_point()
        else t
        for name, t in weights[-1].items()
    }
