"""Decoding through PyAV (FFmpeg), the extra `media`: the audio track of mp4, m4a, webm, mkv, aac, ..."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sonant.audio.samples import Decoded, check_rate, to_float
from sonant.audio.source import Data, View
from sonant.errors import AudioError, MissingExtraError

SLACK = 0.5  # s: encoders pad, and containers count the padding or not


@contextmanager
def decode_media(data: Data, kind: str) -> Iterator[Decoded]:
    """Decode the (best) audio track of an open container. Raises MissingExtraError without PyAV."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingExtraError(f"{data.name}: reading {kind} audio", "media") from error
    try:
        container = av.open(data.path or data.file, mode="r", metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        _check(data)
        raise AudioError(
            f"{data.name}: cannot be decoded as {kind} ({data.size} bytes): {_said(error)}; "
            "it may be truncated"
        ) from error
    with container:
        if not container.streams.audio:
            tracks = ", ".join(stream.type for stream in container.streams) or "nothing"
            raise AudioError(f"{data.name}: this {kind} holds no audio track; found {tracks}")
        stream = container.streams.best("audio") or container.streams.audio[0]
        context: Any = stream.codec_context
        if context is None:
            raise AudioError(f"{data.name}: this FFmpeg has no decoder for the audio track of this {kind}")
        frames = container.decode(stream)
        first = _next(data, frames, "0.00 s")
        if first is None:  # as the header says it, then, for the message that it holds no samples
            rate = check_rate(context.sample_rate, "the sample rate in its header", data.name)
            yield Decoded(rate, max(1, context.channels), kind, 0, ())
            return
        rate = check_rate(first.sample_rate, "the sample rate of its audio track", data.name)
        channels = first.layout.nb_channels
        seconds = _promised(container, stream)
        count = None if seconds is None else round(seconds * rate)
        yield Decoded(rate, channels, kind, count, _chunks(data, frames, first, rate, channels, count))


def _promised(container: Any, stream: Any) -> float | None:
    """Seconds of the track where its container states them: the track in mp4, the whole file in Matroska."""
    form = container.format.name
    if "mp4" in form and stream.duration:
        return float(stream.duration * stream.time_base)
    if (
        "matroska" in form
        and container.duration
        and all(other.type == "audio" for other in container.streams)
    ):
        return container.duration / 1_000_000
    return None


def _next(data: Data, frames: Iterator[Any], state: str) -> Any:
    import av.error

    try:
        return next(frames, None)
    except (av.error.FFmpegError, OSError) as error:
        _check(data)
        raise AudioError(
            f"{data.name}: decoding failed after {state}: {_said(error)}; it is truncated or damaged: "
            "fetch it again"
        ) from error


def _check(data: Data) -> None:
    if isinstance(data.file, View):
        data.file.check(data.name)


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _chunks(
    data: Data, frames: Iterator[Any], frame: Any, rate: int, channels: int, count: int | None
) -> Iterator[np.ndarray]:
    done = 0
    while frame is not None:
        if (frame.sample_rate, frame.layout.nb_channels) != (rate, channels):
            raise AudioError(
                f"{data.name}: changes from {rate} Hz, {channels} channel(s) to {frame.sample_rate} Hz, "
                f"{frame.layout.nb_channels} channel(s) after {done / rate:.2f} s; split it there"
            )
        array = frame.to_ndarray()  # (channels, samples), or (1, samples * channels) where packed
        chunk = array.T if frame.format.is_planar else array.reshape(-1, channels)
        done += len(chunk)
        yield to_float(chunk)
        promised = "" if count is None else f" of the {count / rate:.2f} s that it states"
        frame = _next(data, frames, f"{done / rate:.2f} s{promised}")
    _check(data)
    if count is not None and done < count - SLACK * rate:
        raise AudioError(
            f"{data.name}: the samples end after {done / rate:.2f} s of the {count / rate:.2f} s "
            "that it states "
            f"({data.size} bytes); it is truncated or damaged: fetch it again"
        )
