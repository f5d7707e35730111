"""Recognizers by PyKaldi's names (`kaldi.asr`): scores or features in, a dictionary with text, alignment and
lattice out.

A recognizer can be shared between threads: each call searches for itself.
"""

import copy
from typing import Any, Self

from sonant.errors import DecodingError, SearchError
from sonant.kaldi import fstext
from sonant.kaldi.decoder import (
    DecodableMatrixScaled,
    DecodableMatrixScaledMapped,
    FasterDecoder,
    FasterDecoderOptions,
    LatticeBiglmFasterDecoder,
    LatticeFasterDecoder,
    LatticeFasterDecoderOptions,
)
from sonant.kaldi.decoder.faster import LatticeDecoder
from sonant.kaldi.fstext import special, utils
from sonant.kaldi.gmm.am import AmDiagGmm, DecodableAmDiagGmmScaled
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat.functions import determinize_lattice_phone_pruned
from sonant.kaldi.lat.rescoring import LatticeLmRescorer as LatticeLmRescorer
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.util.io import xopen


class Recognizer:
    """What all recognizers do.

    decoder: FasterDecoder, LatticeFasterDecoder or LatticeBiglmFasterDecoder.
    symbols: SymbolTable for the text; without it, numbers.
    allow_partial: whether a result is given where no final state of the graph was reached.
    acoustic_scale: of scores; acoustic costs of lattices are divided by it again.
    """

    _decoder: type = object

    def __init__(
        self, decoder: Any, symbols: Any = None, allow_partial: bool = True, acoustic_scale: float = 0.1
    ):
        if not isinstance(decoder, self._decoder):
            raise TypeError(f"a decoder of type {type(decoder).__name__}; expected {self._decoder.__name__}")
        self.decoder = decoder
        self.symbols = symbols
        self.allow_partial = allow_partial
        self.acoustic_scale = acoustic_scale

    def _make_decodable(self, input: Any) -> Any:
        return DecodableMatrixScaled(filled(input, "loglikes"), self.acoustic_scale)

    def _determinized(self, decoder: LatticeDecoder) -> Any:
        return decoder.get_lattice()

    def decode(self, input: Any) -> dict[str, Any]:
        """Decodes log-likelihoods or features (frames, dim).

        | key | value |
        |---|---|
        | `alignment` | input label (transition-id) of each frame: list[int] |
        | `best_path` | CompactLatticeVectorFst |
        | `lattice` | CompactLatticeVectorFst, or LatticeVectorFst without `determinize_lattice`; only from |
        | | decoders that have lattices |
        | `likelihood` | log-likelihood of the best path, acoustics scaled |
        | `text` | str |
        | `weight` | LatticeWeight (graph cost, scaled acoustic cost) |
        | `words` | list[int] |

        Raises DecodingError, which is a RuntimeError, where no token survived, or no final state was reached
        and `allow_partial` is not set; SearchError for empty input.
        """
        decoder = copy.copy(self.decoder)  # its graph is shared, its search is not
        decoder.decode(self._make_decodable(input))
        self.decoder._stream = decoder._stream  # for who asks the decoder afterwards
        if not (self.allow_partial or decoder.reached_final()):
            raise DecodingError("No final state was active on the last frame.")
        best_path = decoder.get_best_path()
        alignment, words, weight = utils.get_linear_symbol_sequence(best_path)
        scaled = self.acoustic_scale not in (0.0, 1.0)
        scale = utils.acoustic_lattice_scale(1.0 / self.acoustic_scale) if scaled else None
        if scale is not None:
            utils.scale_lattice(scale, best_path)
        said = words if self.symbols is None else fstext.indices_to_symbols(self.symbols, words)
        result = {
            "alignment": alignment,
            "best_path": utils.convert_lattice_to_compact_lattice(best_path),
            "likelihood": -(weight.value1 + weight.value2),
            "text": " ".join(map(str, said)),
            "weight": weight,
            "words": words,
        }
        if isinstance(decoder, LatticeDecoder):
            if decoder.get_options().determinize_lattice:
                lattice: Any = self._determinized(decoder)
                if scale is not None:
                    utils.scale_compact_lattice(scale, lattice)
            else:
                lattice = decoder.get_raw_lattice().connect()
                if scale is not None:
                    utils.scale_lattice(scale, lattice)
            result["lattice"] = lattice
        return result


def filled(array: Any, name: str) -> Any:
    """What decodables are made of. Raises SearchError for a matrix without frames, or no matrix."""
    if operand(array, (None, None), None, name).shape[0] == 0:
        raise SearchError(f"{name}: a matrix without frames; expected one frame at least")
    return array


def _with_phones(decoder: LatticeDecoder, model: TransitionModel) -> Any:
    """Determinized with phones first, as the model's transition-ids tell them."""
    options = decoder.get_options()
    raw = decoder.get_raw_lattice().connect()
    return determinize_lattice_phone_pruned(raw, model, options.lattice_beam, options.det_opts)


class MappedRecognizer(Recognizer):
    """Log-likelihoods (frames, pdfs); the transition model tells which pdf a transition-id of the graph
    reads."""

    def __init__(
        self,
        transition_model: TransitionModel,
        decoder: Any,
        symbols: Any = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
    ):
        self.transition_model = transition_model
        super().__init__(decoder, symbols, allow_partial, acoustic_scale)

    @staticmethod
    def read_model(model_rxfilename: str) -> TransitionModel:
        """The transition model, of a file of one or of a whole acoustic model."""
        with xopen(model_rxfilename) as ki:
            model = TransitionModel()
            model.read(ki.stream(), ki.binary)
        return model

    def _make_decodable(self, input: Any) -> Any:
        return DecodableMatrixScaledMapped(
            self.transition_model, filled(input, "loglikes"), self.acoustic_scale
        )

    def _determinized(self, decoder: LatticeDecoder) -> Any:
        return _with_phones(decoder, self.transition_model)


class GmmRecognizer(Recognizer):
    """Features (frames, dim), scored by mixtures of Gaussians."""

    def __init__(
        self,
        transition_model: TransitionModel,
        acoustic_model: AmDiagGmm,
        decoder: Any,
        symbols: Any = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
    ):
        if not isinstance(acoustic_model, AmDiagGmm):
            raise TypeError(f"acoustic_model: a {type(acoustic_model).__name__}; expected an AmDiagGmm")
        self.transition_model = transition_model
        self.acoustic_model = acoustic_model
        super().__init__(decoder, symbols, allow_partial, acoustic_scale)

    @staticmethod
    def read_model(model_rxfilename: str) -> tuple[TransitionModel, AmDiagGmm]:
        transition_model, acoustic_model = TransitionModel(), AmDiagGmm()
        with xopen(model_rxfilename) as ki:
            transition_model.read(ki.stream(), ki.binary)
            acoustic_model.read(ki.stream(), ki.binary)
        return transition_model, acoustic_model

    def _make_decodable(self, input: Any) -> Any:
        return DecodableAmDiagGmmScaled(
            self.acoustic_model, self.transition_model, filled(input, "features"), self.acoustic_scale
        )

    def _determinized(self, decoder: LatticeDecoder) -> Any:
        return _with_phones(decoder, self.transition_model)


# Decoders made with the recognizer, and models that are read with it: each recognizer has one of each.


class _Faster:
    _decoder: type = FasterDecoder
    _options: type = FasterDecoderOptions


class _LatticeFaster:
    _decoder: type = LatticeFasterDecoder
    _options: type = LatticeFasterDecoderOptions


class _OfGraph:
    _decoder: Any
    _options: Any

    @classmethod
    def from_files(
        cls,
        graph_rxfilename: str,
        symbols_filename: str | None = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
        decoder_opts: FasterDecoderOptions | LatticeFasterDecoderOptions | None = None,
    ) -> Self:
        decoder = cls._decoder(fstext.read_fst_kaldi(graph_rxfilename), decoder_opts or cls._options())
        kind: Any = cls
        return kind(decoder, _symbols(symbols_filename), allow_partial, acoustic_scale)


class _OfModelAndGraph:
    _decoder: Any
    _options: Any
    read_model: Any

    @classmethod
    def from_files(
        cls,
        model_rxfilename: str,
        graph_rxfilename: str,
        symbols_filename: str | None = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
        decoder_opts: FasterDecoderOptions | LatticeFasterDecoderOptions | None = None,
    ) -> Self:
        read = cls.read_model(model_rxfilename)
        models = read if isinstance(read, tuple) else (read,)
        decoder = cls._decoder(fstext.read_fst_kaldi(graph_rxfilename), decoder_opts or cls._options())
        kind: Any = cls
        return kind(*models, decoder, _symbols(symbols_filename), allow_partial, acoustic_scale)


def _of_models(graph: str, old_lm: str, new_lm: str, options: Any) -> LatticeBiglmFasterDecoder:
    """A decoder of a graph and the difference of two models with backoff arcs."""
    files: list[Any] = [fstext.read_fst_kaldi(name) for name in (old_lm, new_lm)]
    old, new = (special.StdBackoffDeterministicOnDemandFst(fst) for fst in files)
    without_old = special.ScaleDeterministicOnDemandFst(-1.0, old)
    difference = special.StdComposeDeterministicOnDemandFst(without_old, new)
    return LatticeBiglmFasterDecoder(
        fstext.read_fst_kaldi(graph),
        options or LatticeFasterDecoderOptions(),
        special.StdCacheDeterministicOnDemandFst(difference),
    )


class _OfGraphAndLms:
    _decoder: type = LatticeBiglmFasterDecoder

    @classmethod
    def from_files(
        cls,
        graph_rxfilename: str,
        old_lm_rxfilename: str,
        new_lm_rxfilename: str,
        symbols_filename: str | None = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
        decoder_opts: LatticeFasterDecoderOptions | None = None,
    ) -> Self:
        """The grammars, with backoff arcs, of the graph and of what to decode with."""
        decoder = _of_models(graph_rxfilename, old_lm_rxfilename, new_lm_rxfilename, decoder_opts)
        kind: Any = cls
        return kind(decoder, _symbols(symbols_filename), allow_partial, acoustic_scale)


class _OfModelGraphAndLms:
    _decoder: type = LatticeBiglmFasterDecoder
    read_model: Any

    @classmethod
    def from_files(
        cls,
        model_rxfilename: str,
        graph_rxfilename: str,
        old_lm_rxfilename: str,
        new_lm_rxfilename: str,
        symbols_filename: str | None = None,
        allow_partial: bool = True,
        acoustic_scale: float = 0.1,
        decoder_opts: LatticeFasterDecoderOptions | None = None,
    ) -> Self:
        """The grammars, with backoff arcs, of the graph and of what to decode with."""
        read = cls.read_model(model_rxfilename)
        models = read if isinstance(read, tuple) else (read,)
        decoder = _of_models(graph_rxfilename, old_lm_rxfilename, new_lm_rxfilename, decoder_opts)
        kind: Any = cls
        return kind(*models, decoder, _symbols(symbols_filename), allow_partial, acoustic_scale)


def _symbols(symbols_filename: str | None) -> Any:
    return None if symbols_filename is None else fstext.SymbolTable.read_text(symbols_filename)


class FasterRecognizer(_Faster, _OfGraph, Recognizer):
    """Log-likelihoods (frames, labels); label i of the graph reads column i - 1."""


class LatticeFasterRecognizer(_LatticeFaster, _OfGraph, Recognizer):
    """Log-likelihoods (frames, labels), with lattices; label i of the graph reads column i - 1."""


class MappedFasterRecognizer(_Faster, _OfModelAndGraph, MappedRecognizer):
    """Log-likelihoods (frames, pdfs)."""


class MappedLatticeFasterRecognizer(_LatticeFaster, _OfModelAndGraph, MappedRecognizer):
    """Log-likelihoods (frames, pdfs), with lattices."""


class GmmFasterRecognizer(_Faster, _OfModelAndGraph, GmmRecognizer):
    """Features (frames, dim)."""


class GmmLatticeFasterRecognizer(_LatticeFaster, _OfModelAndGraph, GmmRecognizer):
    """Features (frames, dim), with lattices."""


class LatticeBiglmFasterRecognizer(_OfGraphAndLms, Recognizer):
    """Log-likelihoods (frames, labels), with lattices and a larger language model than that of the graph."""


class MappedLatticeBiglmFasterRecognizer(_OfModelGraphAndLms, MappedRecognizer):
    """Log-likelihoods (frames, pdfs), with lattices and a larger language model than that of the graph."""


class GmmLatticeBiglmFasterRecognizer(_OfModelGraphAndLms, GmmRecognizer):
    """Features (frames, dim), with lattices and a larger language model than that of the graph."""
