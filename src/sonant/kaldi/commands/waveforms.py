"""Commands that compute features of waveforms."""

from contextlib import ExitStack
from dataclasses import field
from typing import Any

import numpy as np

from sonant.errors import FeatureError, OptionError
from sonant.kaldi.commands.command import Run, Skip, command, open_if_given
from sonant.kaldi.feat.fbank import Fbank, FbankOptions
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.feat.plp import Plp, PlpOptions
from sonant.kaldi.feat.spectrogram import Spectrogram, SpectrogramOptions
from sonant.kaldi.feat.wave import WaveData
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table
from sonant.kaldi.util.options import Options, option

# HTK's kinds of features, and what it adds for an energy or a C0 among the columns.
_HTK_FBANK, _HTK_MFCC, _HTK_PLP, _HTK_OTHER = 7, 6, 11, 9
_HTK_ENERGY, _HTK_C0 = 0o100, 0o20000


class WaveOptions(Options):
    """What waveforms are taken, and how their features are written."""

    output_format: str = option("kaldi", "output-format", "Format of the output: kaldi or htk")
    subtract_mean: bool = option(
        False, "subtract-mean", "Subtract from each column its mean over the utterance"
    )
    channel: int = option(
        -1, "channel", "Channel to take: 0 left, 1 right; -1 expects one, and takes the first"
    )
    min_duration: float = option(0.0, "min-duration", "Seconds: shorter utterances are passed over")
    write_utt2dur: str = option("", "write-utt2dur", "A wspecifier to write durations in seconds to")


class WarpOptions(WaveOptions):
    vtln_warp: float = option(1.0, "vtln-warp", "Warp factor; where there is no --vtln-map")
    vtln_map: str = option("", "vtln-map", "An rspecifier of warp factors, by utterance or by speaker")
    utt2spk: str = option(
        "", "utt2spk", "An rspecifier of speakers by utterance; for a --vtln-map by speaker"
    )


class ComputeMfccOptions(Options):
    features: MfccOptions = field(default_factory=MfccOptions)
    wave: WarpOptions = field(default_factory=WarpOptions)


class ComputeFbankOptions(Options):
    features: FbankOptions = field(default_factory=FbankOptions)
    wave: WarpOptions = field(default_factory=WarpOptions)


class ComputePlpOptions(Options):
    features: PlpOptions = field(default_factory=PlpOptions)
    wave: WarpOptions = field(default_factory=WarpOptions)


class ComputeSpectrogramOptions(Options):
    features: SpectrogramOptions = field(default_factory=SpectrogramOptions)
    wave: WaveOptions = field(default_factory=WaveOptions)


_FORM = "<wav-rspecifier> <feats-wspecifier>"


@command(_FORM)
def compute_mfcc_feats(run: Run, options: ComputeMfccOptions, source: str, target: str) -> int:
    """Compute mel-frequency cepstral coefficients (MFCC)."""
    kind = _HTK_MFCC + (_HTK_ENERGY if options.features.use_energy else _HTK_C0)
    return _compute(run, Mfcc(options.features), options.wave, source, target, kind)


@command(_FORM)
def compute_fbank_feats(run: Run, options: ComputeFbankOptions, source: str, target: str) -> int:
    """Compute the logarithms of what mel filters put out."""
    kind = _HTK_FBANK + (_HTK_ENERGY if options.features.use_energy else 0)
    return _compute(run, Fbank(options.features), options.wave, source, target, kind)


@command(_FORM)
def compute_plp_feats(run: Run, options: ComputePlpOptions, source: str, target: str) -> int:
    """Compute perceptual linear prediction (PLP)."""
    kind = _HTK_PLP + (_HTK_ENERGY if options.features.use_energy else _HTK_C0)
    return _compute(run, Plp(options.features), options.wave, source, target, kind)


@command(_FORM)
def compute_spectrogram_feats(run: Run, options: ComputeSpectrogramOptions, source: str, target: str) -> int:
    """Compute log power spectra."""
    return _compute(run, Spectrogram(options.features), options.wave, source, target, _HTK_OTHER)


def _compute(run: Run, feature: Any, options: WaveOptions, source: str, target: str, htk_kind: int) -> int:
    if options.output_format not in ("kaldi", "htk"):
        raise OptionError(f"--output-format={options.output_format}; expected kaldi or htk")
    htk = options.output_format == "htk"
    vtln_map, utt2spk = getattr(options, "vtln_map", ""), getattr(options, "utt2spk", "")
    if utt2spk and not vtln_map:
        raise OptionError("--utt2spk is there for a --vtln-map by speaker; expected both or neither")
    with ExitStack() as stack:
        warps = open_if_given(stack, table.RandomAccessFloatReaderMapped, vtln_map, utt2spk)
        durations = open_if_given(stack, table.FloatWriter, options.write_utt2dur)

        def features(key: str, wave: WaveData) -> Any:
            if wave.duration < options.min_duration:
                raise Skip(f"{key} is too short, {wave.duration:g} s: producing no output")
            samples = channel_of(run, key, wave, options.channel)
            if warps is None:
                warp = getattr(options, "vtln_warp", 1.0)
            elif key in warps:
                warp = warps[key]
            else:
                raise Skip(f"no entry of --vtln-map for {key}, or for its speaker: producing no output")
            try:
                feats = feature.compute_features(samples, wave.samp_freq, warp)
            except FeatureError as error:
                raise Skip(f"failed to compute features for {key}: {error}") from None
            if options.subtract_mean and feats.num_rows:
                values = feats.numpy()
                values -= values.mean(axis=0)
            if durations is not None:
                durations[key] = wave.duration
            return _with_htk_header(feats, htk_kind) if htk else feats

        reader = table.SequentialWaveReader(source)
        writer = (table.HtkMatrixWriter if htk else table.MatrixWriter)(target)
        tally = run.convert(reader, writer, features)
    run.log(f"Done {tally.done} out of {tally.done + tally.failed} utterances.")
    return tally.status


def channel_of(run: Run, key: str, wave: WaveData, channel: int) -> np.ndarray:
    """The samples of a channel; -1 for the only one. Raises Skip where there is no such channel."""
    data = wave.data().numpy()
    if channel == -1:
        if len(data) != 1:
            run.warn(f"{key} has {len(data)} channels and --channel is not given: taking the first")
        channel = 0
    elif not 0 <= channel < len(data):
        raise Skip(
            f"{key} has {len(data)} channels and --channel={channel} was asked for: producing no output"
        )
    return data[channel]


def _with_htk_header(feats: Matrix, kind: int) -> tuple[Matrix, Any]:
    from sonant.kaldi.matrix.htk import HtkHeader

    # Kaldi says a shift of 10 ms, in HTK's unit of 100 ns, whatever the options are.
    return feats, HtkHeader(feats.num_rows, 100_000, 4 * feats.num_cols, kind)


class WavToDurationOptions(Options):
    read_entire_file: bool = option(
        False, "read-entire-file", "Count the samples, rather than believing the header of a waveform"
    )


@command("<wav-rspecifier> <duration-wspecifier>")
def wav_to_duration(run: Run, options: WavToDurationOptions, source: str, target: str) -> int:
    """Write the durations of waveforms, in seconds."""
    durations = []

    def duration(key: str, wave: Any) -> float:
        if getattr(wave, "is_streamed", False):
            raise FeatureError(
                f"{key}: its header does not say how long it is: expected --read-entire-file=true"
            )
        durations.append(wave.duration)
        return wave.duration

    kind = table.SequentialWaveReader if options.read_entire_file else table.SequentialWaveInfoReader
    tally = run.convert(kind(source), table.FloatWriter(target), duration)
    run.log(f"Wrote the durations of {tally.done} waveforms.")
    if durations:
        run.log(
            f"Mean duration was {np.mean(durations):g}, the shortest {min(durations):g} and the longest "
            f"{max(durations):g} s"
        )
    return tally.status
