"""Commands that cut parts out of recordings and features, as a segments file lists them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.commands.command import Run, Skip, Tally, command
from sonant.kaldi.feat.wave import WaveData
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option

_TO_THE_END = -1.0


class SegmentOptions(Options):
    min_segment_length: float = option(
        0.1, "min-segment-length", "Seconds: segments that are not longer are left out"
    )


class ExtractSegmentsOptions(SegmentOptions):
    max_overshoot: float = option(
        0.5,
        "max-overshoot",
        "Seconds: segments that go on less beyond the end are cut there, others are left out",
    )


@dataclass(frozen=True)
class Segment:
    """A line `segment recording start end [channel]` of a segments file; times in seconds."""

    name: str
    recording: str
    start: float
    end: float
    channel: int | None

    @classmethod
    def of_line(cls, line: str, may_have_no_end: bool) -> "Segment":
        """Raises Skip for a line that makes no sense."""
        words = line.split()
        try:
            name, recording, *rest = words
            start, end = (float(word) for word in rest[:2])
            channel = int(rest[2]) if len(rest) > 2 else None
        except ValueError:
            raise Skip(
                f"segments: '{line.strip()}'; expected 'segment recording start end [channel]'"
            ) from None
        if len(rest) > 3 or (channel is not None and channel < 0):
            raise Skip(f"segments: '{line.strip()}'; expected 'segment recording start end [channel]'")
        if not (
            0 <= start < end < np.inf or (may_have_no_end and end == _TO_THE_END and 0 <= start < np.inf)
        ):
            raise Skip(f"segments: '{line.strip()}'; expected a start of 0 or more, and an end after it")
        return cls(name, recording, start, end, channel)

    def cut(self, count: int, rate: float, options: Any) -> slice:
        """Where the segment is in a recording of `count` samples or frames. Raises Skip where it is not."""
        first = int(self.start * rate)
        last = count if self.end == _TO_THE_END else int(self.end * rate)
        if first >= count:
            raise Skip(f"{self.name} begins at {first} of {count} in {self.recording}: left out")
        if last > count:
            if last >= count + int(options.max_overshoot * rate):
                raise Skip(f"{self.name} ends at {last} of {count} in {self.recording}: left out")
            last = count
        if last <= first + int(options.min_segment_length * rate):
            raise Skip(f"{self.name} is too short, {(last - first) / rate:g} s: left out")
        return slice(first, last)


@command("<wav-rspecifier> <segments-file> <wav-wspecifier>")
def extract_segments(
    run: Run, options: ExtractSegmentsOptions, source: str, segments: str, target: str
) -> int:
    """Cut recordings into the segments that a file lists: `segment recording start end [channel]`.

    Times are in seconds; an end of -1 is that of the recording. Channels count from 0; without one, the
    recording has to have a single channel.
    """

    def part(segment: Segment, wave: WaveData) -> WaveData:
        data = wave.data().numpy()
        here = segment.cut(data.shape[1], wave.samp_freq, options)
        if segment.channel is None and len(data) != 1:
            raise FeatureError(
                f"{segment.recording} has {len(data)} channels; expected the channel at the end of the line "
                f"of {segment.name} in {segments}"
            )
        channel = segment.channel or 0
        if channel >= len(data):
            raise Skip(
                f"{segment.name}: channel {channel} of the {len(data)} of {segment.recording}: left out"
            )
        return WaveData(wave.samp_freq, data[channel : channel + 1, here])

    reader, writer = table.RandomAccessWaveReader(source), table.WaveWriter(target)
    _extract(run, reader, writer, segments, part, True)
    return 0


class ExtractFeatureSegmentsOptions(SegmentOptions):
    frame_rate: float = option(100.0, "frame-rate", "Frames per second")
    max_overshoot: float = option(
        0.0,
        "max-overshoot",
        "Seconds: segments that go on less beyond the end are cut there, others are left out",
    )


@command("<feats-rspecifier> <segments-file> <feats-wspecifier>")
def extract_feature_segments(
    run: Run, options: ExtractFeatureSegmentsOptions, source: str, segments: str, target: str
) -> int:
    """Cut features into the segments that a file lists: `segment utterance start end`, in seconds."""

    def part(segment: Segment, feats: Any) -> np.ndarray:
        values = feats.numpy()
        return values[segment.cut(len(values), options.frame_rate, options)]

    reader, writer = table.RandomAccessMatrixReader(source), table.MatrixWriter(target)
    return 0 if _extract(run, reader, writer, segments, part, False).done else 255


def _extract(run: Run, reader: Any, writer: Any, segments: str, part: Any, may_have_no_end: bool) -> Tally:
    last: tuple[str, Any] = "", None  # the segments of a recording come one after the other

    def one(line: str, _: None) -> None:
        nonlocal last
        segment = Segment.of_line(line, may_have_no_end)
        if last[0] != segment.recording:
            if segment.recording not in reader:
                raise Skip(f"there is no {segment.recording}, of which {segment.name} is a part")
            last = segment.recording, reader[segment.recording]
        writer[segment.name] = part(segment, last[1])

    with reader, writer:
        tally = run.each(_lines(segments), one)
    run.log(f"Extracted {tally.done} segments of {tally.done + tally.failed} lines.")
    return tally


def _lines(rxfilename: str) -> Iterator[tuple[str, None]]:
    with xopen(rxfilename, "rt") as file:
        for line in file:
            yield line, None
