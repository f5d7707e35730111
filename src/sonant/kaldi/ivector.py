"""Voice activity by energy (the part of PyKaldi's `kaldi.ivector` that features need)."""

from typing import Any

import numpy as np

from sonant.features import energy_vad
from sonant.kaldi.feat._arrays import features_of
from sonant.kaldi.matrix import Vector
from sonant.kaldi.util.options import Options, option

__all__ = ["VadEnergyOptions", "compute_vad_energy"]


class VadEnergyOptions(Options):
    vad_energy_threshold: float = option(
        5.0, "vad-energy-threshold", "Constant term of the threshold of the log-energy, MFCC's first column"
    )
    vad_energy_mean_scale: float = option(
        0.5, "vad-energy-mean-scale", "Added to the threshold: so many times the mean log-energy of the file"
    )
    vad_frames_context: int = option(
        0, "vad-frames-context", "Frames on each side of a frame that decide about it"
    )
    vad_proportion_threshold: float = option(
        0.6, "vad-proportion-threshold", "Proportion of these frames that must be above the threshold"
    )


def compute_vad_energy(opts: VadEnergyOptions, input_features: Any) -> Vector:
    """A Vector (frames,): 1 for each voiced frame, 0 for the others. The first column is the log-energy."""
    values = features_of(input_features, "input_features")
    if not values.size:
        return Vector(len(values))
    voiced = energy_vad(
        values,
        energy_threshold=opts.vad_energy_threshold,
        energy_mean_scale=opts.vad_energy_mean_scale,
        frames_context=opts.vad_frames_context,
        proportion_threshold=opts.vad_proportion_threshold,
    )
    return Vector.from_numpy(voiced.astype(np.float32))
