"""What a run starts from instead of nothing: weights of a checkpoint, a run or a bundle, for fine-tuning.

The optimiser, the schedule, the averages and the position are new. Weights go by the names of the network's
parameters and buffers; each that is not taken is named.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from sonant.errors import CheckpointError, ConfigError
from sonant.nn import Network
from sonant.text import Tokens
from sonant.train import checkpoint
from sonant.train.config import StartConfig

ONLY_TRAINING = "middle.*"  # a head that serves training alone, and bundles have not


def find(source: Path) -> Path:
    """The folder with the weights. Raises CheckpointError."""
    last = source / "last"
    folder = checkpoint.place(last) if checkpoint.exists(last) else checkpoint.place(source)
    if not (folder / checkpoint.WEIGHTS).is_file():
        raise CheckpointError(
            f"{source}: has no {checkpoint.WEIGHTS}; expected a checkpoint, a run of `sonant train`, or a "
            "bundle"
        )
    return folder


def tokens_of(config: StartConfig) -> Tokens | None:
    """Those that the run is to have, if it does not learn its own."""
    if config.source is None or not config.keep_tokens:
        return None
    return checkpoint.load_tokens(find(config.source), mend="give another start.source")


def load_into(network: Network, config: StartConfig) -> list[str]:
    """Takes over the weights; gives a line for each that is not. Raises CheckpointError, with all that do not
    fit by name, unless `partial`."""
    if config.source is None:
        return []
    path = find(config.source) / checkpoint.WEIGHTS
    try:
        given = load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read ({checkpoint.first_of(error)})") from None
    own = network.state_dict()
    _check_patterns("skip", config.skip, own)
    taken: dict[str, Tensor] = {}
    notes: list[str] = []
    unfit: list[str] = []
    for name, tensor in own.items():
        if _any(name, config.skip):
            notes.append(f"{name}: begins anew, as start.skip says")
            continue
        if name in given and given[name].shape == tensor.shape:
            taken[name] = given[name].to(tensor.dtype)
            continue
        found = f"{tuple(given[name].shape)} there" if name in given else "is not there"
        line = f"{name} {tuple(tensor.shape)}: {found}"
        notes.append(f"{line}; begins anew")
        if not fnmatchcase(name, ONLY_TRAINING):
            unfit.append(line)
    if unfit and not config.partial:
        raise CheckpointError(
            f"{path}: does not fit the network: {'; '.join(unfit)}. Make the network the same, name them in "
            "start.skip, or allow it with start.partial"
        )
    if not taken:
        raise CheckpointError(f"{path}: not one of its weights fits the network; expected some")
    network.load_state_dict(taken, strict=False)
    notes += [f"{name}: of {path}, not used" for name in given.keys() - own.keys()]
    return [f"{len(taken)} of {len(own)} weights from {path}", *sorted(notes)]


def freeze(network: Network, patterns: tuple[str, ...]) -> None:
    """Raises ConfigError for a pattern that no parameter has, or if nothing is left to train."""
    parameters = dict(network.named_parameters())
    _check_patterns("freeze", patterns, parameters)
    for name, parameter in parameters.items():
        parameter.requires_grad_(not _any(name, patterns))
    if not any(p.requires_grad for p in parameters.values()):
        raise ConfigError(f"start.freeze {' '.join(patterns)}: nothing is left to train")


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_patterns(option: str, patterns: Iterable[str], names: Iterable[str]) -> None:
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(f"start.{option} {pattern}: no such weight; expected one of {', '.join(names)}")
