"""The network of a bundle, run by ONNX Runtime: numpy in, numpy out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sonant.errors import ModelError
from sonant.model.bundle import PARTS, WEIGHTS, Bundle, Precision, onnx_name

Floats = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""Of a stream: arrays that only the network that made them looks at."""


class Scorer(Protocol):
    """What a model needs of a network; one object serves any number of streams and threads."""

    def initial_state(self) -> State: ...
    def encode(
        self, features: Sequence[Floats], states: Sequence[State]
    ) -> list[tuple[Floats, Floats, State]]: ...
    def step(self, encoder_frames: Floats, contexts: npt.NDArray[np.int64]) -> Floats: ...


class Network:
    """Safe to share between threads: all state is passed in and out."""

    def __init__(self, bundle: Bundle, precision: Precision, threads: int):
        if precision == "float":
            bundle.file(WEIGHTS)
        # The predictor and the joiner take a row or two at a time: a second thread would only be waited for.
        self._encoder, self._predictor, self._joiner = (
            _session(bundle.file(onnx_name(part, precision)), threads if part == "encoder" else 1)
            for part in PARTS
        )
        # state x goes in as x and comes out as next_x
        self._states = self._encoder.get_inputs()[1:]
        outputs = [o.name for o in self._encoder.get_outputs()]
        expected = ["encoder_out", "ctc", *(f"next_{s.name}" for s in self._states)]
        if outputs != expected:
            raise ModelError(f"{bundle.folder}: the encoder's outputs are {outputs}, expected {expected}")
        self._batch_axis = [s.shape.index("batch") for s in self._states]

    def initial_state(self) -> State:
        """The state of one stream before its first frame."""
        kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
        return tuple(
            np.zeros([1 if n == "batch" else n for n in s.shape], kinds[s.type]) for s in self._states
        )

    def encode(
        self, features: Sequence[Floats], states: Sequence[State]
    ) -> list[tuple[Floats, Floats, State]]:
        """One step of several streams.

        features: each (step, bins); states: each stream's own. Gives for each stream the encoder's frames
        (frames, dim), CTC log-probabilities (frames, tokens) and the next state.
        """
        inputs: dict[str, npt.NDArray[Any]] = {"features": np.stack(features)}
        for i, (state, axis) in enumerate(zip(self._states, self._batch_axis, strict=True)):
            parts = [s[i] for s in states]
            inputs[state.name] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
        frames, ctc, *after = self._encoder.run(None, inputs)
        if len(features) == 1:
            return [(frames[0], ctc[0], tuple(after))]
        split = [
            np.split(a, len(features), axis=axis) for a, axis in zip(after, self._batch_axis, strict=True)
        ]
        return list(zip(frames, ctc, zip(*split, strict=True), strict=True))

    def step(self, encoder_frames: Floats, contexts: npt.NDArray[np.int64]) -> Floats:
        """encoder_frames (n, dim), contexts (n, context) to log-probabilities (n, tokens)"""
        (predicted,) = self._predictor.run(None, {"contexts": contexts})
        (scores,) = self._joiner.run(None, {"encoder_out": encoder_frames, "predictor_out": predicted})
        return scores


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None
