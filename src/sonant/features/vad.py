"""Voice activity by energy (Kaldi's `ivector/voice-activity-detection`)."""

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError
from sonant.features.checks import feature_matrix, whole_number


def energy_vad(
    features: npt.NDArray[np.float32],
    *,
    energy_threshold: float = 5.0,
    energy_mean_scale: float = 0.5,
    frames_context: int = 0,
    proportion_threshold: float = 0.6,
) -> npt.NDArray[np.bool_]:
    """Which frames are voiced: (frames,) bool.

    features: (frames, dim) float32 with the log-energy first (MFCC with use_energy).
    A frame is loud where its energy is above energy_threshold + energy_mean_scale * the mean of them all, and
    voiced where of it and the `frames_context` frames on each side at least proportion_threshold are loud.
    Raises FeatureError for another type or shape, energies that are not finite, and options without sense.
    """
    matrix = feature_matrix(features)
    context = whole_number(frames_context, "frames_context", 0)
    if not 0 < proportion_threshold < 1:
        raise FeatureError(f"proportion_threshold={proportion_threshold}; expected more than 0, less than 1")
    if not (np.isfinite(energy_threshold) and 0 <= energy_mean_scale < np.inf):
        raise FeatureError(
            f"energy_threshold={energy_threshold}, energy_mean_scale={energy_mean_scale}; "
            "expected a finite number, and one of 0 or more"
        )
    if not len(matrix):
        return np.zeros(0, np.bool_)
    energy = np.ascontiguousarray(matrix[:, 0])
    _native.require_finite(energy[:, np.newaxis])
    mean = np.add.reduce(energy, dtype=np.float64) / len(energy)
    loud = energy > np.float32(energy_threshold + energy_mean_scale * mean)
    # Loud frames in [first, last) of each window, by running counts.
    running = np.concatenate(([0], np.cumsum(loud)))
    at = np.arange(len(loud))
    context = min(context, len(loud))
    first, last = np.maximum(at - context, 0), np.minimum(at + context + 1, len(loud))
    return running[last] - running[first] >= (last - first).astype(np.float32) * np.float32(
        proportion_threshold
    )
