"""Several processes as one run: `torchrun ... -m sonant train RECIPE`, on one machine or many.

torchrun tells each process its rank; without torchrun there is one. Gradients are averaged by torch's
DistributedDataParallel, over NCCL between GPUs and over gloo between CPUs.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sonant.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    device: torch.device
    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: str) -> "Ranks":
        """`device`: auto, cpu or cuda. Raises ConfigError where there is no GPU, or too few."""
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device cuda: torch finds no GPU; use auto or cpu")
        kind = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls(torch.device(kind))
        local = int(os.environ["LOCAL_RANK"])
        if kind == "cuda":
            if local >= torch.cuda.device_count():
                raise ConfigError(
                    f"process {local} of this machine, but torch finds {torch.cuda.device_count()} GPUs: "
                    "give torchrun fewer processes"
                )
            torch.cuda.set_device(local)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
        where = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
        return cls(where, distributed.get_rank(), size)

    def leave(self) -> None:
        if self.size > 1:
            distributed.destroy_process_group()

    def sum(self, values: Tensor) -> Tensor:
        """Over all ranks; in its place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def gather(self, value: T) -> list[T]:
        """Each rank's, in the order of ranks."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def first(self, make: Callable[[], T]) -> T:
        """What the first rank makes, for all; the others wait."""
        if self.size == 1:
            return make()
        found: list[Any] = [make() if self.rank == 0 else None]
        distributed.broadcast_object_list(found, src=0, device=self.device)
        return found[0]

    def wrap(self, module: nn.Module, *, unused: bool) -> nn.Module:
        """Makes gradients means over the ranks. unused: whether some parameters may have no gradient."""
        if self.size == 1:
            return module
        where = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=where, find_unused_parameters=unused)


def together(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Around forward and backward of one of several batches: gradients travel with the last one alone."""
    if isinstance(module, DistributedDataParallel) and not last:
        return module.no_sync()
    return nullcontext()
