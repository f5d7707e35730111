"""Commands of Kaldi's pitch features."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

from sonant.errors import FeatureError
from sonant.kaldi.commands.command import Run, Skip, command
from sonant.kaldi.commands.waveforms import channel_of
from sonant.kaldi.feat.pitch import (
    PitchExtractionOptions,
    ProcessPitchOptions,
    compute_and_process_kaldi_pitch,
    compute_kaldi_pitch,
    process_pitch,
)
from sonant.kaldi.feat.wave import WaveData
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option


class ChannelOptions(Options):
    channel: int = option(
        -1, "channel", "Channel to take: 0 left, 1 right; -1 expects one, and takes the first"
    )


class NoiseOptions(Options):
    srand: int = option(0, "srand", "Kaldi's seed of the noise of deltas; it changes nothing here")


class ComputeOptions(Options):
    pitch: PitchExtractionOptions = field(default_factory=PitchExtractionOptions)
    wave: ChannelOptions = field(default_factory=ChannelOptions)


class ProcessOptions(Options):
    process: ProcessPitchOptions = field(default_factory=ProcessPitchOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)


class ComputeAndProcessOptions(ComputeOptions):
    process: ProcessPitchOptions = field(default_factory=ProcessPitchOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)


@command("<wav-rspecifier> <feats-wspecifier>")
def compute_kaldi_pitch_feats(run: Run, options: ComputeOptions, source: str, target: str) -> int:
    """Compute pitch features: for each frame the correlation (NCCF), -1 to 1, and the pitch in Hz."""
    return _compute(run, options, source, target, lambda samples: compute_kaldi_pitch(options.pitch, samples))


@command("<feats-rspecifier> <feats-wspecifier>")
def process_kaldi_pitch_feats(run: Run, options: ProcessOptions, source: str, target: str) -> int:
    """Make of compute-kaldi-pitch-feats' output features for a recogniser.

    Which of them, in this order: --add-pov-feature (how likely voiced), --add-normalized-log-pitch,
    --add-delta-pitch, --add-raw-log-pitch.
    """
    tally = run.convert(
        table.SequentialMatrixReader(source),
        table.MatrixWriter(target),
        lambda key, feats: process_pitch(options.process, feats),
    )
    run.log(f"Processed the pitch of {tally.done} utterances.")
    return tally.status


@command("<wav-rspecifier> <feats-wspecifier>")
def compute_and_process_kaldi_pitch_feats(
    run: Run, options: ComputeAndProcessOptions, source: str, target: str
) -> int:
    """Compute pitch features for a recogniser: what compute-kaldi-pitch-feats finds, processed."""
    return _compute(
        run,
        options,
        source,
        target,
        lambda samples: compute_and_process_kaldi_pitch(options.pitch, options.process, samples),
    )


def _compute(
    run: Run, options: ComputeOptions, source: str, target: str, compute: Callable[[Any], Any]
) -> int:
    def pitch(key: str, wave: WaveData) -> Any:
        samples = channel_of(run, key, wave, options.wave.channel)
        if wave.samp_freq != options.pitch.samp_freq:
            raise FeatureError(
                f"{key} is of {wave.samp_freq:g} Hz; expected {options.pitch.samp_freq:g} Hz, as "
                "--sample-frequency says"
            )
        try:
            return compute(samples)
        except FeatureError as error:
            raise Skip(f"failed to compute pitch for {key}: {error}") from None

    tally = run.convert(table.SequentialWaveReader(source), table.MatrixWriter(target), pitch)
    run.log(f"Done {tally.done} utterances, {tally.failed} with errors.")
    return tally.status
