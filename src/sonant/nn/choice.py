"""What encoders and predictors have in common, so that a network can be made of any."""

from typing import Any, ClassVar


class EncoderConfig:
    """A frozen dataclass of one kind of encoder.

    Its encoder is a module with `config`, the buffers `feature_mean` and `feature_scale`, and the methods
    normalize(features), output_lengths(lengths), forward(features, lengths), which gives the output and that
    of a middle layer, initial_state(batch) and step(features, state).
    """

    # So that dataclasses.replace takes one. Not a dataclass itself: which of them JSON means is not said by
    # its fields, but by `kind`.
    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: Any
    features: Any  # of a frame
    dim: Any  # of the output
    layers: Any
    step: Any  # feature frames from one step of a stream to the next
    subsampling: Any  # feature frames for one of the output


class PredictorConfig:
    """A frozen dataclass of one kind of predictor.

    Its predictor is a module whose prefixes(targets) gives an output for each prefix of the targets (batch,
    tokens), the empty one first: (batch, tokens + 1, dim).
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: Any
    dim: Any  # of the output
