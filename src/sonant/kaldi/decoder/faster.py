"""Decoders over a graph (Kaldi's `decoder/faster-decoder.h`, `lattice-faster-decoder.h`,
`lattice-faster-online-decoder.h`, `biglm-faster-decoder.h`, `lattice-biglm-faster-decoder.h`):
`sonant.search` by PyKaldi's names."""

from typing import Any

import numpy as np

from sonant.errors import DecodingError, SearchError
from sonant.fst import Fst, algorithms
from sonant.kaldi.decoder.options import (
    BiglmFasterDecoderOptions,
    FasterDecoderOptions,
    LatticeFasterDecoderOptions,
)
from sonant.kaldi.fstext.kinds import CompactLatticeVectorFst, LatticeVectorFst, StdConstFst, StdVectorFst
from sonant.kaldi.fstext.on_demand import StdDeterministicOnDemandFst
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.lat.functions import determinize_lattice_pruned
from sonant.kaldi.lat.options import DeterminizeLatticePrunedOptions
from sonant.search import GraphSearch, GraphSearchConfig, GraphStream, LmGraph

_BLOCK = 256  # frames that are asked for at once


class _Decoder:
    """What all decoders do. The graph is used as it is when a decoder is made; later changes are not seen."""

    def __init__(self, fst: Any, config: GraphSearchConfig):
        if not isinstance(fst, (StdVectorFst, StdConstFst)):
            raise TypeError(f"a graph of type {type(fst).__name__}; expected a StdVectorFst or StdConstFst")
        self._fst: Fst = fst.to_fst()
        self._graph: Fst | LmGraph = self._fst
        self._set_config(config)
        self._columns: np.ndarray | None = None  # of the last decodable
        self._labels: np.ndarray | None = None  # of the graph, where a decodable is asked index by index
        self._stream: GraphStream | None = None

    def _set_config(self, config: GraphSearchConfig) -> None:
        self._config = config
        # By the bytes of columns. Copies of a decoder share it, and it only grows.
        self._searches: dict[bytes | None, GraphSearch] = {}

    def init_decoding(self) -> None:
        """Begins an utterance. What scores are like is learned from the first decodable."""
        self._stream = None

    def _prepare(self, columns: np.ndarray | None) -> GraphSearch:
        self._columns = columns
        key = None if columns is None else columns.tobytes()
        if key not in self._searches:
            self._searches[key] = GraphSearch(self._graph, self._config, columns=columns)
        return self._searches[key]

    def _begun(self) -> GraphStream:
        if self._stream is None:
            self._stream = self._prepare(self._columns).stream()
        return self._stream

    def advance_decoding(self, decodable: DecodableInterface, max_num_frames: int = -1) -> None:
        """Takes the frames that are ready, at most `max_num_frames` if that is not negative.

        Raises SearchError where the decodable has no score for a label of the graph, NaN or +inf; what has
        been decoded before stays.
        """
        begin = self.num_frames_decoded()
        end = decodable.num_frames_ready()
        if max_num_frames >= 0:
            end = min(end, begin + max_num_frames)
        self._advance(decodable, begin, end)

    def _advance(self, decodable: Any, begin: int, end: int) -> None:
        by_block = hasattr(decodable, "_rows")
        if self._stream is None:
            self._stream = self._prepare(decodable._columns() if by_block else None).stream()
        stream = self._stream
        while begin < end:
            block = min(end, begin + _BLOCK)
            rows = decodable._rows(begin, block) if by_block else self._asked(decodable, begin, block)
            stream.advance(np.ascontiguousarray(rows, np.float32))
            begin = block

    def _asked(self, decodable: DecodableInterface, begin: int, end: int) -> np.ndarray:
        if self._labels is None:
            labels = np.unique(self._fst.arcs["ilabel"])
            self._labels = labels[labels > 0]
        labels = self._labels.tolist()
        rows = np.zeros((end - begin, max(labels, default=1)), np.float32)
        for frame in range(begin, end):
            rows[frame - begin, self._labels - 1] = [decodable.log_likelihood(frame, i) for i in labels]
        return rows

    def _decode(self, decodable: DecodableInterface) -> GraphStream:
        """A whole utterance, until the decodable says which frame is the last."""
        self.init_decoding()
        begin = 0
        while not decodable.is_last_frame(begin - 1):
            end = max(self._ready(decodable), begin + 1)
            self._advance(decodable, begin, end)
            begin = end
        return self._begun()

    def _ready(self, decodable: DecodableInterface) -> int:
        try:
            return decodable.num_frames_ready()
        except TypeError:  # one that does not say
            return 0

    def num_frames_decoded(self) -> int:
        return 0 if self._stream is None else self._stream.frames

    def reached_final(self) -> bool:
        """Whether a final state of the graph was active on the last frame."""
        return self._begun().reached_final

    def _best_path(self, use_final_probs: bool) -> Fst:
        """As a lattice; DecodingError, which is a RuntimeError, where no token survived."""
        result = self._begun().result(use_final_probs)
        if result.path is None:
            raise DecodingError("Decoding failed. No tokens survived.")
        return result.path.lattice()

    def get_best_path(self, use_final_probs: bool = True) -> LatticeVectorFst:
        """A lattice of one path. With final costs if a final state was reached, and `use_final_probs`.

        Raises DecodingError, which is a RuntimeError, where no token survived."""
        return LatticeVectorFst.of_native(self._best_path(use_final_probs).native)


class FasterDecoder(_Decoder):
    """The best path through a graph.

    Raises SearchError where the options or the graph make no sense, when decoding begins."""

    def __init__(self, fst: Any, opts: FasterDecoderOptions):
        super().__init__(fst, opts._config())

    def set_options(self, opts: FasterDecoderOptions) -> None:
        """For the utterances to come."""
        self._set_config(opts._config())

    def decode(self, decodable: DecodableInterface) -> None:
        self._decode(decodable)

    def get_best_path(self, use_final_probs: bool = True) -> LatticeVectorFst:
        path = self._best_path(use_final_probs)
        return LatticeVectorFst.of_native(algorithms.remove_eps_local(path).native)


class BiglmFasterDecoder(FasterDecoder):
    """The best path through a graph composed with a language model on the fly.

    lm_diff_fst: usually the difference of the model to decode with and the one the graph was made with. Each
    utterance makes states of its own, unless the model is a Python class."""

    def __init__(self, fst: Any, opts: BiglmFasterDecoderOptions, lm_diff_fst: StdDeterministicOnDemandFst):
        super().__init__(fst, opts)
        self._graph = _with_model(self._fst, lm_diff_fst)


def _with_model(fst: Fst, model: StdDeterministicOnDemandFst) -> LmGraph:
    if not isinstance(model, StdDeterministicOnDemandFst):
        raise TypeError(
            f"a language model of type {type(model).__name__}; expected a StdDeterministicOnDemandFst"
        )
    return LmGraph(fst, model.model())


class LatticeDecoder(_Decoder):
    """What all decoders that have lattices do."""

    def __init__(self, fst: Any, opts: LatticeFasterDecoderOptions):
        self._options = opts
        super().__init__(fst, opts._config())

    def get_options(self) -> LatticeFasterDecoderOptions:
        return self._options

    def set_options(self, opts: LatticeFasterDecoderOptions) -> None:
        """For the utterances to come."""
        self._options = opts
        self._set_config(opts._config())

    def decode(self, decodable: DecodableInterface) -> bool:
        """Decodes and finalizes an utterance; False where no token survived."""
        stream = self._decode(decodable)
        stream.finish()
        return stream.result().path is not None

    def _lattice(self, use_final_probs: bool, beam: float = np.inf) -> Fst:
        lattice = self._begun().lattice(use_final_probs, beam)
        if lattice.num_states == 0:
            raise DecodingError("Decoding failed. No tokens survived.")
        return lattice

    def get_raw_lattice(self, use_final_probs: bool = True) -> LatticeVectorFst:
        """State by state, states in topological order.

        Raises DecodingError, which is a RuntimeError, where no token survived, and SearchError where epsilon
        arcs make a cycle."""
        return LatticeVectorFst.of_native(self._lattice(use_final_probs).native)

    def get_lattice(self, use_final_probs: bool = True) -> CompactLatticeVectorFst:
        """A compact lattice with one path for each sequence of words, the best one.

        Raises DecodingError, which is a RuntimeError, where no token survived."""
        options = DeterminizeLatticePrunedOptions(max_mem=self._options.det_opts.max_mem)
        raw = self.get_raw_lattice(use_final_probs).connect()
        return determinize_lattice_pruned(raw, self._options.lattice_beam, options)


class LatticeFasterDecoder(LatticeDecoder):
    """Lattices of a graph."""

    def finalize_decoding(self) -> None:
        """No frames follow: prunes the lattice with the final costs."""
        self._begun().finish()

    def final_relative_cost(self) -> float:
        """How much worse the best path to a final state is than the best path; infinite if there is none."""
        return self._begun().final_relative_cost


class LatticeBiglmFasterDecoder(LatticeDecoder):
    """Lattices of a graph composed with a language model on the fly, arc by arc those of Kaldi.

    lm_diff_fst: as for BiglmFasterDecoder. By the rules of Kaldi's decoder of this name, `min_active` counts
    nothing."""

    def __init__(self, fst: Any, opts: LatticeFasterDecoderOptions, lm_diff_fst: StdDeterministicOnDemandFst):
        super().__init__(fst, opts)
        self._graph = _with_model(self._fst, lm_diff_fst)


class LatticeFasterOnlineDecoder(LatticeFasterDecoder):
    """Lattices of a graph, for input that comes in pieces: the best path at any moment at no cost."""

    def get_raw_lattice_pruned(self, beam: float, use_final_probs: bool = True) -> LatticeVectorFst:
        """The raw lattice of what is within `beam` of the best path, as far as has been pruned so far.

        Raises DecodingError, which is a RuntimeError, where no token survived."""
        if not beam > 0:
            raise SearchError(f"beam={beam}; expected a positive number")
        return LatticeVectorFst.of_native(self._lattice(use_final_probs, beam).native)
