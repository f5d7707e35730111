"""Decoding of transducers over graphs, frame by frame, several recordings at once (k2's; icefall's fast beam
search): at most one symbol a frame, by a decoder that sees the last few symbols.

    streams = [RnntDecodingStream(graph) for _ in recordings]
    config = RnntDecodingConfig(vocab_size, 2, beam=8, max_states=64, max_contexts=8)
    decoding = RnntDecodingStreams(streams, config)
    for frame in encoder_out.unbind(1):
        shape, contexts = decoding.get_contexts()
        decoding.advance(joiner(frame[shape.row_ids(1)], decoder(contexts)).log_softmax(-1))
    decoding.terminate_and_flush_to_streams()
    lattice = decoding.format_output(lengths)

csrc/fsa/rnnt.h says what is followed, and what the beam and the limits cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sonant import _native
from sonant.errors import FstError
from sonant.fsa.arc_maps import index_select
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import flat, mend_final
from sonant.fsa.ragged_shape import RaggedShape
from sonant.fsa.ragged_tensor import RaggedTensor


@dataclass
class RnntDecodingConfig:
    """Raises FstError for what is no number of symbols, states or contexts, and for a beam below 0."""

    vocab_size: int
    """Symbols, of which 0 is the blank."""
    decoder_history_len: int
    """Symbols that the decoder sees: 1 or 2, say."""
    beam: float
    """How much worse than the best state of its frame a state may be."""
    max_states: int
    """Of a recording at each frame."""
    max_contexts: int

    def __post_init__(self) -> None:
        for name in ("vocab_size", "decoder_history_len", "max_states", "max_contexts"):
            value = getattr(self, name)
            if not 1 <= value < 2**31:
                raise FstError(f"RnntDecodingConfig: {name}={value}, expected 1 or more, below 2^31")
        if not self.beam >= 0:
            raise FstError(f"RnntDecodingConfig: beam={self.beam}, expected 0 or more")

    def _native(self) -> Any:
        return _native.RnntConfig(
            self.vocab_size, self.decoder_history_len, float(self.beam), self.max_states, self.max_contexts
        )


class RnntDecodingStream:
    """The search of one recording over `fsa`, a single automaton, whose scores are taken as they are now.

    It holds what terminate_and_flush_to_streams put there, from which another RnntDecodingStreams may go on.
    """

    def __init__(self, fsa: Fsa):
        if len(fsa.shape) != 2:
            raise FstError(f"RnntDecodingStream: a batch of shape {fsa.shape}, expected one automaton")
        self.fsa, self.device = fsa, fsa.device
        arcs, state_splits, _ = flat(fsa.arcs)
        scores = fsa.scores.detach().float().cpu().contiguous().numpy()
        self.stream = _native.RnntStream(arcs, state_splits, scores)

    @property
    def num_frames(self) -> int:
        """Frames that were decoded."""
        return self.stream.num_frames

    def __str__(self) -> str:
        return f"{self.stream.num_frames} frames, {self.fsa!r}, device : {self.device}\n"


class RnntDecodingStreams:
    """Several streams, which go on frame by frame together. Raises FstError for none, for labels above
    vocab_size - 1, and for more contexts than 63 bits can number.
    """

    def __init__(self, src_streams: Sequence[RnntDecodingStream], config: RnntDecodingConfig):
        devices = {str(stream.device) for stream in src_streams}
        if len(devices) != 1:
            raise FstError(
                f"RnntDecodingStreams: {len(src_streams)} streams on {sorted(devices)}, expected one or more "
                "on one device"
            )
        self.src_streams, self.num_streams = list(src_streams), len(src_streams)
        self.device = self.src_streams[0].device
        self.config, self._config = config, config._native()
        self._streams = [stream.stream for stream in self.src_streams]
        for stream in self._streams:
            stream.check(self._config)
        self._contexts: tuple[RaggedShape, Tensor] | None = None
        self._terminated = False

    def __str__(self) -> str:
        rows = "".join(f"stream[{i}] : {stream}" for i, stream in enumerate(self.src_streams))
        return f"num_streams : {self.num_streams}\n{rows}"

    def get_contexts(self) -> tuple[RaggedShape, Tensor]:
        """The axes [stream][context], and the symbols of each context, the last one last: int32
        (contexts, decoder_history_len), 0 before the first symbol.
        """
        if self._contexts is None:
            splits, symbols = _native.rnnt_contexts(self._streams, self._config)
            shape = RaggedShape.of(torch.from_numpy(splits).to(self.device))
            history = self.config.decoder_history_len
            contexts = torch.from_numpy(symbols).reshape(-1, history).to(self.device)
            self._contexts = shape, contexts
        return self._contexts

    def advance(self, logprobs: Tensor) -> None:
        """One frame: the log-probabilities (contexts, vocab_size) of all symbols after each context.

        float32 or float64, of which float32 is used. Raises FstError for another shape or device, for NaN and
        +inf, and after terminate_and_flush_to_streams.
        """
        if self._terminated:
            raise FstError("RnntDecodingStreams.advance: the streams were terminated; make another object")
        shape = (self.get_contexts()[0].tot_size(1), self.config.vocab_size)
        if (
            tuple(logprobs.shape) != shape
            or not logprobs.dtype.is_floating_point
            or logprobs.device != self.device
        ):
            raise FstError(
                f"RnntDecodingStreams.advance: logprobs of {tuple(logprobs.shape)} and {logprobs.dtype} on "
                f"{logprobs.device}, expected {shape} of torch.float32 on {self.device}"
            )
        rows = logprobs.detach().float().cpu().contiguous().numpy()
        self._streams = _native.rnnt_advance(self._streams, self._config, rows)
        self._contexts = None

    def terminate_and_flush_to_streams(self) -> None:
        """Puts what was decoded into the streams, and ends this object's decoding."""
        if not self._terminated:
            for source, stream in zip(self.src_streams, self._streams, strict=True):
                source.stream = stream
        self._terminated = True

    def format_output(self, num_frames: Sequence[int], allow_partial: bool = False) -> Fsa:
        """A batch of the lattices of the first num_frames[i] frames of each stream, as they were decoded.

        As in k2, the last frame only says which states are final: the ones that take a graph's final arc
        then. Neither that arc's score nor the frame's blank counts. With allow_partial, where no state
        does, each is final, by one arc that comes from none (k2: by each of its arcs). States that lead
        nowhere stay: connect. Attributes are those of all graphs, with fillers where one has none.

        Raises FstError before terminate_and_flush_to_streams, and for frames that were not decoded.
        """
        operation = "RnntDecodingStreams.format_output"
        if not self._terminated:
            raise FstError(f"{operation}: terminate_and_flush_to_streams comes first")
        there = [stream.num_frames for stream in self._streams]
        if len(num_frames) != self.num_streams or any(
            not 0 <= n <= most for n, most in zip(num_frames, there, strict=True)
        ):
            raise FstError(f"{operation}: num_frames={list(num_frames)}, expected 0 to {there} at most")
        found, scores = _native.rnnt_lattices(self._streams, [int(n) for n in num_frames], allow_partial)
        arcs, state_splits, fsa_splits, arc_map, _ = (torch.from_numpy(x).to(self.device) for x in found)
        lattice = Fsa.made(
            RaggedArc.of_batch(fsa_splits, state_splits, arcs), torch.from_numpy(scores).to(self.device)
        )
        counts = lattice.arcs.arc_counts().tolist()
        self._carry(lattice, list(arc_map.split(counts)))
        mend_final(lattice)
        return lattice

    def _carry(self, lattice: Fsa, arc_maps: list[Tensor]) -> None:
        """Attributes of all graphs."""
        graphs = [stream.fsa for stream in self.src_streams]
        named = [dict(graph.named_tensor_attr(include_scores=False)) for graph in graphs]
        for name in dict.fromkeys(name for attributes in named for name in attributes):
            owner = next(i for i, attributes in enumerate(named) if name in attributes)
            example, filler = named[owner][name], graphs[owner].get_filler(name)
            for i, attributes in enumerate(named):
                value = attributes.get(name, example)
                if type(value) is not type(example) or value.dtype != example.dtype:
                    raise FstError(
                        f"RnntDecodingStreams.format_output: {name!r} is {value.dtype} in graph {i} and "
                        f"{example.dtype} in graph {owner}"
                    )
            parts = [
                _selected(attributes.get(name, example), arc_map, filler, name in attributes)
                for attributes, arc_map in zip(named, arc_maps, strict=True)
            ]
            ragged = isinstance(example, RaggedTensor)
            setattr(lattice, name, RaggedTensor.cat(parts, axis=0) if ragged else torch.cat(parts))
        for graph in graphs:
            for name, value in graph.named_non_tensor_attr():
                setattr(lattice, name, value)


def _selected(value: Any, arc_map: Tensor, filler: float, there: bool) -> Any:
    arc_map = arc_map if there else torch.full_like(arc_map, -1)
    if isinstance(value, RaggedTensor):
        return value.index(arc_map, axis=0)[0]
    return index_select(value, arc_map, filler)
