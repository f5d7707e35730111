"""Commands that compute of each frame and those around it."""

from dataclasses import field
from typing import Any

from sonant.errors import FeatureError
from sonant.kaldi.commands.command import Run, Skip, command
from sonant.kaldi.feat.functions import (
    DeltaFeaturesOptions,
    ShiftedDeltaFeaturesOptions,
    compute_deltas,
    compute_shift_deltas,
    splice_frames,
)
from sonant.kaldi.ivector import VadEnergyOptions, compute_vad_energy
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option


class TruncateOptions(Options):
    truncate: int = option(0, "truncate", "If above 0, take only so many of the columns first")


class AddDeltasOptions(Options):
    deltas: DeltaFeaturesOptions = field(default_factory=DeltaFeaturesOptions)
    before: TruncateOptions = field(default_factory=TruncateOptions)


@command("<feats-rspecifier> <feats-wspecifier>")
def add_deltas(run: Run, options: AddDeltasOptions, source: str, target: str) -> int:
    """Append the differences in time of features, and the differences of those."""
    return _add_deltas(run, options, source, target, compute_deltas)


class AddDeltasSdcOptions(Options):
    deltas: ShiftedDeltaFeaturesOptions = field(default_factory=ShiftedDeltaFeaturesOptions)
    before: TruncateOptions = field(default_factory=TruncateOptions)


@command("<feats-rspecifier> <feats-wspecifier>")
def add_deltas_sdc(run: Run, options: AddDeltasSdcOptions, source: str, target: str) -> int:
    """Append shifted deltas: the differences in time of later frames."""
    return _add_deltas(run, options, source, target, compute_shift_deltas)


def _add_deltas(run: Run, options: Any, source: str, target: str, compute: Any) -> int:
    columns = options.before.truncate

    def extended(key: str, feats: Matrix) -> Matrix:
        if not feats.num_rows:
            raise Skip(f"{key} has no frames")
        if columns > feats.num_cols:
            raise FeatureError(f"{key} has {feats.num_cols} columns; expected --truncate={columns} or more")
        return compute(options.deltas, feats.numpy()[:, :columns] if columns else feats)

    run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), extended)
    return 0


class SpliceOptions(Options):
    left_context: int = option(4, "left-context", "Number of frames before")
    right_context: int = option(4, "right-context", "Number of frames after")


@command("<feats-rspecifier> <feats-wspecifier>")
def splice_feats(run: Run, options: SpliceOptions, source: str, target: str) -> int:
    """Put beside each frame those before and after it."""

    def spliced(key: str, feats: Matrix) -> Matrix:
        return splice_frames(feats, options.left_context, options.right_context)

    run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), spliced)
    return 0


class OmitOptions(Options):
    omit_unvoiced_utts: bool = option(
        False, "omit-unvoiced-utts", "Write nothing for utterances without voiced frames"
    )


class ComputeVadOptions(Options):
    energy: VadEnergyOptions = field(default_factory=VadEnergyOptions)
    output: OmitOptions = field(default_factory=OmitOptions)


@command("<feats-rspecifier> <vad-wspecifier>")
def compute_vad(run: Run, options: ComputeVadOptions, source: str, target: str) -> int:
    """Tell the frames with voice, 1, from those without, 0, by the log-energy in the first column."""
    frames, voiced, silent = 0, 0, []
    with table.SequentialMatrixReader(source) as reader, table.VectorWriter(target) as writer:

        def decide(key: str, feats: Matrix) -> None:
            nonlocal frames, voiced
            if not feats.num_rows:
                raise Skip(f"{key} has no frames")
            decisions = compute_vad_energy(options.energy, feats)
            count = int(decisions.numpy().sum())
            frames, voiced = frames + feats.num_rows, voiced + count
            if not count:
                run.warn(f"{key} has no voiced frames")
                silent.append(key)
                if options.output.omit_unvoiced_utts:
                    return
            writer[key] = decisions

        tally = run.each(reader, decide)
    run.log(
        f"Voice activity of {tally.done} utterances, of which {len(silent)} have no voiced frames; "
        f"{tally.failed} had no frames at all."
    )
    if frames:
        run.log(f"Of {frames} frames {voiced / frames:.4g} are voiced.")
    return 0 if tally.done > len(silent) else 1
