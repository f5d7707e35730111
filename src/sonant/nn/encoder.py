"""What every configuration of an encoder has, whichever network it is of."""


class EncoderConfig:
    """Base of the frozen dataclasses that NetworkConfig.encoder may be."""

    kind: str  # the network's name in files
    features: int  # feature dimension
    dim: int  # output dimension
