"""A small time-delay network (Waibel et al. 1989; Peddinti et al. 2015), for corpora of minutes."""

from dataclasses import dataclass

from torch import Tensor, nn

from sonant.errors import ConfigError

WIDTH = 5  # frames that each layer sees


@dataclass(frozen=True)
class TdnnConfig:
    features: int = 20
    dim: int = 64
    dilations: tuple[int, ...] = (1,)  # of the layers after the subsampling
    subsampling: int = 3
    dropout: float = 0.2

    def __post_init__(self):
        for option in ("features", "dim", "subsampling"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected 0 or more and less than 1")
        if any(dilation < 1 for dilation in self.dilations):
            raise ConfigError(f"dilations {self.dilations}: expected at least 1 each")


class Tdnn(nn.Module):
    """features (batch, frames, features) to scores (batch, output_lengths(frames), classes), not normalised.

    Layers are normalised frame by frame, not over the batch, whose statistics with augmentation are others
    than those without it.
    """

    def __init__(self, config: TdnnConfig, classes: int):
        super().__init__()
        self.config = config
        shape = [(config.features, 1, 1), (config.dim, config.subsampling, 1)]
        shape += [(config.dim, 1, dilation) for dilation in config.dilations]
        self.layers = nn.ModuleList(
            nn.Conv1d(inputs, config.dim, WIDTH, stride, WIDTH // 2 * dilation, dilation)
            for inputs, stride, dilation in shape
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in shape)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.dim, classes)

    def output_lengths(self, frames: int) -> int:
        return -(-frames // self.config.subsampling)

    def forward(self, features: Tensor) -> Tensor:
        x = features
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.dropout(norm(layer(x.transpose(1, 2)).relu().transpose(1, 2)))
        return self.out(x)
