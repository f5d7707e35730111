"""A small zipformer, and weights that depend on their name and shape alone, whoever makes them."""

from zlib import crc32

import numpy as np
import torch

from sonant.nn import ZipformerConfig

TINY = ZipformerConfig(
    layers=(1, 2, 1),
    downsampling=(1, 4, 2),
    dims=(16, 32, 24),
    feedforward=(24, 32, 24),
    heads=(2, 4, 2),
    kernels=(7, 5, 9),
    query_dim=4,
    value_dim=3,
    position_head_dim=2,
    position_dim=12,
    features=20,
)


def of_name(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Of about the size that a trained network's have."""
    drawn = np.random.default_rng(crc32(name.encode())).standard_normal(tuple(shape))
    kind = name.rpartition(".")[2]
    if kind == "bypass_scale":
        drawn = 0.5 + 0.1 * drawn
    elif kind in ("bias", "log_scale", "chunkwise_conv_scale"):
        drawn = 0.3 * drawn
    else:
        drawn = drawn / max(1.0, np.sqrt(drawn[0].size))
    return torch.tensor(drawn, dtype=torch.float32)
