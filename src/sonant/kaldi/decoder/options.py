"""Options of decoders (Kaldi's `decoder/faster-decoder.h`, `lattice-faster-decoder.h`)."""

from dataclasses import field

from sonant.kaldi.lat.options import DeterminizeLatticePhonePrunedOptions
from sonant.kaldi.util.options import Options, option
from sonant.search import GraphSearchConfig
from sonant.search.scores import LARGEST


class FasterDecoderOptions(Options):
    beam: float = option(16.0, "beam", "Decoding beam. Larger: slower, more accurate")
    max_active: int = option(LARGEST, "max-active", "Tokens followed in a frame, at most")
    min_active: int = option(20, "min-active", "Tokens followed in a frame, at least")
    beam_delta: float = option(0.5, "beam-delta", "Added to the beam that max-active or min-active make")
    hash_ratio: float = option(2.0, "hash-ratio", "Buckets of Kaldi's hash list for each token")

    def _config(self) -> GraphSearchConfig:
        return GraphSearchConfig(
            beam=self.beam,
            max_active=self.max_active,
            min_active=self.min_active,
            beam_delta=self.beam_delta,
            hash_ratio=self.hash_ratio,
            lattice=False,
        )


class BiglmFasterDecoderOptions(FasterDecoderOptions):
    pass


class LatticeFasterDecoderOptions(Options):
    beam: float = option(16.0, "beam", "Decoding beam. Larger: slower, more accurate")
    max_active: int = option(LARGEST, "max-active", "Tokens followed in a frame, at most")
    min_active: int = option(200, "min-active", "Tokens followed in a frame, at least")
    lattice_beam: float = option(10.0, "lattice-beam", "Beam of lattices. Larger: slower, deeper lattices")
    prune_interval: int = option(25, "prune-interval", "Frames after which tokens are pruned")
    determinize_lattice: bool = option(True, "determinize-lattice", "Determinize output lattices")
    beam_delta: float = option(0.5, "beam-delta", "Added to the beam that max-active or min-active make")
    hash_ratio: float = option(2.0, "hash-ratio", "Buckets of Kaldi's hash list for each token")
    prune_scale: float = option(0.1, "prune-scale", "How exactly tokens are pruned on the way")
    det_opts: DeterminizeLatticePhonePrunedOptions = field(
        default_factory=DeterminizeLatticePhonePrunedOptions
    )

    def _config(self) -> GraphSearchConfig:
        return GraphSearchConfig(
            beam=self.beam,
            lattice_beam=self.lattice_beam,
            max_active=self.max_active,
            min_active=self.min_active,
            prune_interval=self.prune_interval,
            beam_delta=self.beam_delta,
            hash_ratio=self.hash_ratio,
            prune_scale=self.prune_scale,
        )
