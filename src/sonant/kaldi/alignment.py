"""Aligners by PyKaldi's names (`kaldi.alignment`): scores or features and their text in, a transition-id for
each frame out, and phones and words with their times.

An aligner can be shared between threads: each call searches for itself.
"""

from collections.abc import Sequence
from typing import Any, Self

from sonant.errors import DecodingError, FstError
from sonant.kaldi import fstext
from sonant.kaldi.asr import GmmRecognizer, MappedRecognizer, filled
from sonant.kaldi.decoder import (
    DecodableMatrixScaled,
    DecodableMatrixScaledMapped,
    FasterDecoder,
    FasterDecoderOptions,
    TrainingGraphCompiler,
    TrainingGraphCompilerOptions,
)
from sonant.kaldi.fstext import utils
from sonant.kaldi.gmm.am import AmDiagGmm, DecodableAmDiagGmmScaled
from sonant.kaldi.hmm import TransitionModel, add_transition_probs, split_to_phones
from sonant.kaldi.lat.align import (
    WordAlignLatticeLexiconInfo,
    WordAlignLatticeLexiconOpts,
    WordBoundaryInfo,
    word_align_lattice,
    word_align_lattice_lexicon,
)
from sonant.kaldi.lat.functions import compact_lattice_to_word_alignment
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util.io import xopen


class Aligner:
    """Aligns log-likelihoods (frames, transition-ids): transition-id i reads column i - 1.

    tree: ContextDependency. lexicon: the automaton L from phones to words, without disambiguation symbols or
    with those of `disambig_symbols`. symbols: SymbolTable for texts; without it texts are numbers. beam: of
    the search through the graph of the text.

    As in PyKaldi, transition probabilities come with the graph (`graph_compiler_opts`, by default both scales
    1.0) and again by `transition_scale` and `self_loop_scale`. Kaldi's scripts add them once: that is
    `TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0)` and `self_loop_scale=0.1`.
    """

    def __init__(
        self,
        transition_model: TransitionModel,
        tree: ContextDependency,
        lexicon: Any,
        symbols: Any = None,
        disambig_symbols: Sequence[int] | None = None,
        graph_compiler_opts: TrainingGraphCompilerOptions | None = None,
        beam: float = 200.0,
        transition_scale: float = 1.0,
        self_loop_scale: float = 1.0,
        acoustic_scale: float = 0.1,
    ):
        self.transition_model = transition_model
        self.symbols = symbols
        options = graph_compiler_opts or TrainingGraphCompilerOptions()
        self.graph_compiler = TrainingGraphCompiler(
            transition_model, tree, lexicon, disambig_symbols or [], options
        )
        self.decoder_opts = FasterDecoderOptions()
        self.decoder_opts.beam = beam
        self.transition_scale = transition_scale
        self.self_loop_scale = self_loop_scale
        self.acoustic_scale = acoustic_scale

    @staticmethod
    def read_tree(tree_rxfilename: str) -> ContextDependency:
        tree = ContextDependency()
        with xopen(tree_rxfilename) as ki:
            tree.read(ki.stream(), ki.binary)
        return tree

    @staticmethod
    def read_lexicon(lexicon_rxfilename: str) -> Any:
        return fstext.read_fst_kaldi(lexicon_rxfilename)

    @staticmethod
    def read_symbols(symbols_filename: str | None) -> Any:
        return None if symbols_filename is None else fstext.SymbolTable.read_text(symbols_filename)

    @staticmethod
    def read_disambig_symbols(disambig_rxfilename: str | None) -> list[int] | None:
        """One number a line. Raises FstError, with the line, for anything else."""
        if disambig_rxfilename is None:
            return None
        found = []
        with xopen(disambig_rxfilename, "rt") as ki:
            for number, line in enumerate(iter(ki.stream().readline, b""), 1):
                if not line.strip().isdigit():
                    raise FstError(
                        f"{disambig_rxfilename}, line {number}: {line!r}; expected the number of a "
                        "disambiguation symbol on each line"
                    )
                found.append(int(line))
        return found

    @staticmethod
    def read_model(model_rxfilename: str) -> Any:
        """The transition model, of a file of one or of a whole acoustic model."""
        return MappedRecognizer.read_model(model_rxfilename)

    @classmethod
    def from_files(
        cls,
        model_rxfilename: str,
        tree_rxfilename: str,
        lexicon_rxfilename: str,
        symbols_filename: str | None = None,
        disambig_rxfilename: str | None = None,
        graph_compiler_opts: TrainingGraphCompilerOptions | None = None,
        beam: float = 200.0,
        transition_scale: float = 1.0,
        self_loop_scale: float = 1.0,
        acoustic_scale: float = 0.1,
    ) -> Self:
        read = cls.read_model(model_rxfilename)
        kind: Any = cls
        return kind(
            *(read if isinstance(read, tuple) else (read,)),
            cls.read_tree(tree_rxfilename),
            cls.read_lexicon(lexicon_rxfilename),
            cls.read_symbols(symbols_filename),
            cls.read_disambig_symbols(disambig_rxfilename),
            graph_compiler_opts,
            beam,
            transition_scale,
            self_loop_scale,
            acoustic_scale,
        )

    def _make_decodable(self, input: Any) -> Any:
        return DecodableMatrixScaled(filled(input, "loglikes"), self.acoustic_scale)

    def align(self, input: Any, text: str) -> dict[str, Any]:
        """Aligns log-likelihoods or features (frames, dim) with a text, words between spaces.

        | key | value |
        |---|---|
        | `alignment` | transition-id of each frame: list[int] |
        | `best_path` | CompactLatticeVectorFst |
        | `likelihood` | log-likelihood of the best path, acoustics scaled |
        | `weight` | LatticeWeight (graph cost, scaled acoustic cost) |

        Raises DecodingError, which is a RuntimeError, where the frames have no room for the text or the beam
        lost it; SearchError for empty input; FstError for a word that the symbols or the lexicon do not have.
        """
        graph = self.graph_compiler.compile_graph_from_text(self._words(text))
        add_transition_probs(self.transition_model, [], self.transition_scale, self.self_loop_scale, graph)
        decodable = self._make_decodable(input)
        decoder = FasterDecoder(graph, self.decoder_opts)
        decoder.decode(decodable)
        if not decoder.reached_final():
            raise DecodingError(
                f"No final state was active on the last frame: {len(text.split())} words in "
                f"{decoder.num_frames_decoded()} frames, beam {self.decoder_opts.beam}; expected more "
                "frames, fewer words, or a larger beam"
            )
        best_path = decoder.get_best_path()
        alignment, _, weight = utils.get_linear_symbol_sequence(best_path)
        if self.acoustic_scale not in (0.0, 1.0):
            utils.scale_lattice(utils.acoustic_lattice_scale(1.0 / self.acoustic_scale), best_path)
        return {
            "alignment": alignment,
            "best_path": utils.convert_lattice_to_compact_lattice(best_path),
            "likelihood": -(weight.value1 + weight.value2),
            "weight": weight,
        }

    def _words(self, text: str) -> list[int]:
        words = text.split()
        if self.symbols is not None:
            return fstext.symbols_to_indices(self.symbols, words)
        if wrong := [word for word in words if not word.isdecimal()]:
            raise FstError(
                f"the word {wrong[0]!r} of the text; expected numbers, as this aligner was made without "
                "symbols"
            )
        return [int(word) for word in words]

    def to_phone_alignment(self, alignment: Sequence[int], phones: Any = None) -> list[tuple[Any, int, int]]:
        """(phone, first frame, frames) of each phone of an alignment; the symbol of the phone where `phones`,
        a SymbolTable, is given.

        Raises DecodingError, which is a RuntimeError, where the alignment does not end with a phone's end."""
        whole, parts = split_to_phones(self.transition_model, alignment)
        if not whole:
            raise DecodingError(
                "Alignment phone split failed: a phone is not whole; expected a whole alignment"
            )
        found, begin = [], 0
        for part in parts:
            phone = self.transition_model.transition_id_to_phone(part[0])
            found.append((phone if phones is None else phones.find_symbol(phone), begin, len(part)))
            begin += len(part)
        return found

    def to_word_alignment(
        self, best_path: Any, word_boundary_info: WordBoundaryInfo | WordAlignLatticeLexiconInfo
    ) -> list[tuple[Any, int, int]]:
        """(word, first frame, frames) of each word of a best path, in which silences are words too: the word
        0, or its symbol. Where phones do not depend on their position in words, give the lexicon of
        `read_lexicon_for_word_align` in the place of boundaries.

        Raises DecodingError, which is a RuntimeError, where the path does not consist of such words."""
        if isinstance(word_boundary_info, WordAlignLatticeLexiconInfo):
            options = WordAlignLatticeLexiconOpts()
            whole, aligned = word_align_lattice_lexicon(
                best_path, self.transition_model, word_boundary_info, options
            )
        else:
            whole, aligned = word_align_lattice(best_path, self.transition_model, word_boundary_info, 0)
        if not whole:
            raise DecodingError(
                "Lattice word alignment failed: the path is not made of these words; expected word "
                "boundaries or a lexicon of the model's own lang folder"
            )
        words, begins, lengths = compact_lattice_to_word_alignment(aligned)
        named = words if self.symbols is None else [self.symbols.find_symbol(word) for word in words]
        return list(zip(named, begins, lengths, strict=True))


class MappedAligner(Aligner):
    """Aligns log-likelihoods (frames, pdfs); the transition model tells which pdf a transition-id reads."""

    def _make_decodable(self, input: Any) -> Any:
        return DecodableMatrixScaledMapped(
            self.transition_model, filled(input, "loglikes"), self.acoustic_scale
        )


class GmmAligner(Aligner):
    """Aligns features (frames, dim), scored by mixtures of Gaussians."""

    def __init__(
        self,
        transition_model: TransitionModel,
        acoustic_model: AmDiagGmm,
        tree: ContextDependency,
        lexicon: Any,
        symbols: Any = None,
        disambig_symbols: Sequence[int] | None = None,
        graph_compiler_opts: TrainingGraphCompilerOptions | None = None,
        beam: float = 200.0,
        transition_scale: float = 1.0,
        self_loop_scale: float = 1.0,
        acoustic_scale: float = 0.1,
    ):
        if not isinstance(acoustic_model, AmDiagGmm):
            raise TypeError(f"acoustic_model: a {type(acoustic_model).__name__}; expected an AmDiagGmm")
        self.acoustic_model = acoustic_model
        super().__init__(
            transition_model,
            tree,
            lexicon,
            symbols,
            disambig_symbols,
            graph_compiler_opts,
            beam,
            transition_scale,
            self_loop_scale,
            acoustic_scale,
        )

    @staticmethod
    def read_model(model_rxfilename: str) -> tuple[TransitionModel, AmDiagGmm]:
        return GmmRecognizer.read_model(model_rxfilename)

    def _make_decodable(self, input: Any) -> Any:
        return DecodableAmDiagGmmScaled(
            self.acoustic_model, self.transition_model, filled(input, "features"), self.acoustic_scale
        )
