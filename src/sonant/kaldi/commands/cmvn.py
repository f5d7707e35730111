"""Commands of cepstral mean and variance normalisation."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import numpy as np

from sonant.errors import ArkError, FeatureError, OptionError
from sonant.kaldi.commands.command import (
    BinaryOptions,
    Run,
    Skip,
    Tally,
    colon_separated,
    command,
    open_if_given,
    read_object,
    reads_table,
    write_object,
    writes_table,
)
from sonant.kaldi.feat.functions import SlidingWindowCmnOptions, sliding_window_cmn
from sonant.kaldi.matrix import DoubleMatrix, Matrix
from sonant.kaldi.transform.cmvn import Cmvn, acc_cmvn_stats, fake_stats_for_some_dims
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option


class ComputeCmvnStatsOptions(BinaryOptions):
    spk2utt: str = option(
        "", "spk2utt", "An rspecifier of the utterances of each speaker: statistics by speaker"
    )
    weights: str = option("", "weights", "An rspecifier of vectors: the weights of each utterance's frames")


@command("<feats-rspecifier> <stats-wspecifier>", "<feats-rspecifier> <stats-wxfilename>")
def compute_cmvn_stats(run: Run, options: ComputeCmvnStatsOptions, source: str, target: str) -> int:
    """Compute statistics to normalise mean and variance by.

    They are of each utterance, of each speaker with --spk2utt, or of all together where the output is a file.
    """
    with ExitStack() as stack:
        weights = open_if_given(stack, table.RandomAccessVectorReader, options.weights)

        def add(key: str, feats: Matrix, cmvn: Cmvn) -> None:
            if cmvn.stats is None:
                cmvn.init(feats.num_cols)
            frames = None
            if weights is not None:
                if key not in weights:
                    raise Skip(f"no weights for {key}")
                frames = weights[key]
                if len(frames) != feats.num_rows:
                    raise Skip(f"{key} has {feats.num_rows} frames and {len(frames)} weights")
            cmvn.accumulate(feats, frames)

        if not writes_table(target):
            if options.spk2utt:
                raise OptionError(f"--spk2utt with the file {target}; expected a table, such as ark:{target}")
            total = Cmvn()
            with table.SequentialMatrixReader(source) as reader:
                tally = run.each(reader, lambda key, feats: add(key, feats, total))
            if tally.done:
                # In single precision, as Kaldi's are.
                write_object(Matrix(total.stats), target, options.binary)
                run.log(f"Wrote global CMVN stats to {target}")
        elif options.spk2utt:
            tally = _by_speaker(run, options.spk2utt, source, target, add)
        else:

            def of_utterance(key: str, feats: Matrix) -> Any:
                cmvn = Cmvn()
                add(key, feats, cmvn)
                return cmvn.stats

            tally = run.convert(
                table.SequentialMatrixReader(source), table.DoubleMatrixWriter(target), of_utterance
            )
    run.log(f"Done accumulating CMVN stats for {tally.done} utterances; {tally.failed} had errors.")
    return tally.status


def _by_speaker(run: Run, spk2utt: str, source: str, target: str, add: Callable[..., None]) -> Tally:
    tally = Tally()
    with (
        table.SequentialTokenVectorReader(spk2utt) as speakers,
        table.RandomAccessMatrixReader(source) as features,
        table.DoubleMatrixWriter(target) as writer,
    ):
        for speaker, utterances in speakers:
            cmvn = Cmvn()

            def add_utterance(key: str, _: None, cmvn: Cmvn = cmvn) -> None:
                if key not in features:
                    raise Skip(f"no features for {key}")
                add(key, features[key], cmvn)

            tally += run.each(dict.fromkeys(utterances).items(), add_utterance)
            if cmvn.stats is None:
                run.warn(f"no statistics for speaker {speaker}: none of the utterances has features")
            else:
                writer[speaker] = cmvn.stats
    return tally


class TwoChannelOptions(Options):
    quieter_channel_weight: float = option(
        0.01, "quieter-channel-weight", "Weight of frames of the quieter side, so that it has some statistics"
    )


@command("<reco2file-and-channel> <feats-rspecifier> <stats-wspecifier>")
def compute_cmvn_stats_two_channel(
    run: Run, options: TwoChannelOptions, channels: str, source: str, target: str
) -> int:
    """Compute statistics of telephone calls: of each frame the louder side counts, by the first column.

    reco2file-and-channel has lines `sw02001-A sw02001 A`: utterance, call, side. A call that has not two
    sides is taken as utterances of their own.
    """
    with table.RandomAccessMatrixReader(source) as features, table.DoubleMatrixWriter(target) as writer:

        def one(key: str, partner: str | None) -> None:
            if key not in features:
                raise Skip(f"no features for {key}")
            own = features[key]
            weights = None
            if partner is not None and partner in features:
                other = features[partner]
                if own.num_rows != other.num_rows:
                    run.warn(
                        f"{key} has {own.num_rows} frames and {partner} {other.num_rows}: taking each alone"
                    )
                else:
                    first = key < partner
                    mine, its = own.numpy()[:, 0], other.numpy()[:, 0]
                    louder = mine > its if first else mine >= its
                    weights = np.where(louder, 1.0, options.quieter_channel_weight).astype(np.float32)
            stats = DoubleMatrix(2, own.num_cols + 1)
            acc_cmvn_stats(own, weights, stats)
            writer[key] = stats

        tally = run.each(_sides(run, channels), one)
    run.log(f"Done accumulating CMVN stats for {tally.done} utterances; {tally.failed} had errors.")
    return tally.status


def _sides(run: Run, rxfilename: str) -> Iterable[tuple[str, str | None]]:
    """Every utterance and the other side of its call, None where there is not one; calls in sorted order."""
    calls: dict[str, list[str]] = {}
    with xopen(rxfilename, "rt") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if len(words) != 3:
                raise ArkError(
                    f"{rxfilename}:{number}: expected 'utterance call side', found '{line.strip()}'"
                )
            calls.setdefault(words[1], []).append(words[0])
    for call, utterances in sorted(calls.items()):
        if len(utterances) == 2:
            yield utterances[0], utterances[1]
            yield utterances[1], utterances[0]
            continue
        run.warn(f"call {call} has {len(utterances)} utterances, expected two: taking each alone")
        for utterance in utterances:
            yield utterance, None


class ApplyCmvnOptions(Options):
    utt2spk: str = option("", "utt2spk", "An rspecifier of speakers by utterance: statistics are by speaker")
    norm_vars: bool = option(False, "norm-vars", "Normalise the variance, too")
    norm_means: bool = option(True, "norm-means", "Normalise the mean; if false, nothing is changed")
    skip_dims: str = option("", "skip-dims", "Columns to leave as they are, such as 13:14:15")
    reverse: bool = option(False, "reverse", "The opposite: give normalised features a mean and variance")


@command(
    "<stats-rspecifier> <feats-rspecifier> <feats-wspecifier>",
    "<stats-rxfilename> <feats-rspecifier> <feats-wspecifier>",
)
def apply_cmvn(run: Run, options: ApplyCmvnOptions, statistics: str, source: str, target: str) -> int:
    """Normalise mean and variance by statistics of compute-cmvn-stats.

    They are of each utterance, of each speaker with --utt2spk, or the same for all where they are a file.
    """
    if options.norm_vars and not options.norm_means:
        raise OptionError(
            "--norm-vars with --norm-means=false; expected means wherever variances are normalised"
        )
    if not options.norm_means:
        reader, writer = table.SequentialGeneralMatrixReader(source), table.GeneralMatrixWriter(target)
        tally = run.convert(reader, writer, lambda key, feats: feats)
        run.log(f"Copied {tally.done} utterances.")
        return tally.status
    if options.utt2spk and not reads_table(statistics):
        raise OptionError(f"--utt2spk with the file {statistics}; expected a table, such as ark:{statistics}")
    skipped = colon_separated(options.skip_dims, "skip-dims")

    def prepared(stats: DoubleMatrix) -> Cmvn:
        cmvn = Cmvn()
        cmvn.stats = stats
        if skipped:
            cmvn.skip_dims(skipped)
        return cmvn

    with ExitStack() as stack:
        if reads_table(statistics):
            reader = table.RandomAccessDoubleMatrixReaderMapped(statistics, options.utt2spk)
            table_of_stats = stack.enter_context(reader)

            def cmvn_of(key: str) -> Cmvn:
                if key not in table_of_stats:
                    raise Skip(f"no statistics for {key}, or for its speaker: producing no output")
                return prepared(table_of_stats[key])
        else:
            of_all = prepared(read_object(DoubleMatrix, statistics))

            def cmvn_of(key: str) -> Cmvn:
                return of_all

        def normalised(key: str, feats: Matrix) -> Matrix:
            cmvn_of(key).apply(feats, options.norm_vars, options.reverse)
            return feats

        tally = run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), normalised)
    run.log(f"Normalised {tally.done} utterances, errors on {tally.failed}.")
    return tally.status


@command("<feats-rspecifier> <feats-wspecifier>")
def apply_cmvn_sliding(run: Run, options: SlidingWindowCmnOptions, source: str, target: str) -> int:
    """Normalise the mean, and the variance where asked for, over a window that slides along an utterance."""

    def normalised(key: str, feats: Matrix) -> Matrix:
        if not feats.num_rows:
            raise Skip(f"{key} has no frames")
        sliding_window_cmn(options, feats, feats)
        return feats

    tally = run.convert(table.SequentialMatrixReader(source), table.MatrixWriter(target), normalised)
    run.log(f"Normalised {tally.done} utterances, errors on {tally.failed}.")
    return tally.status


class ModifyCmvnStatsOptions(Options):
    convert_to_mean_and_var: bool = option(
        False, "convert-to-mean-and-var", "Write means and variances, (2, dim), in the place of sums"
    )


@command("<skip-dims> <stats-rspecifier> <stats-wspecifier>", "<stats-rspecifier> <stats-wspecifier>")
def modify_cmvn_stats(
    run: Run, options: ModifyCmvnStatsOptions, first: str, second: str, third: str = ""
) -> int:
    """Change statistics so that apply-cmvn leaves some columns, such as 13:14:15, as they are."""
    dims, source, target = (first, second, third) if third else ("", first, second)
    skipped = colon_separated(dims, "skip-dims")

    def modified(key: str, stats: DoubleMatrix) -> Any:
        fake_stats_for_some_dims(skipped, stats)
        if not options.convert_to_mean_and_var:
            return stats
        sums = stats.numpy()
        if sums.shape[0] != 2 or sums.shape[1] < 2 or sums[0, -1] <= 0:
            raise FeatureError(f"{key}: {sums.shape} are no statistics of frames; expected (2, dim + 1)")
        mean, square = sums[:, :-1] / sums[0, -1]
        return np.stack([mean, square - mean * mean])

    reader = table.SequentialDoubleMatrixReader(source)
    tally = run.convert(reader, table.DoubleMatrixWriter(target), modified)
    run.log(f"Modified {tally.done} statistics.")
    return tally.status
